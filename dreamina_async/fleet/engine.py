"""What a fleet needs of a durable engine: four things, so that another one can take its place.

The engine hands tickets out and remembers them; what a ticket's shard has come to, and who may
send for it, stands in the store. An engine that hands a ticket out twice does no harm.
"""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from attrs import frozen

from dreamina_async.fleet.values import Account, Ticket

Perform = Callable[[Ticket], Awaitable[None]]
"""Does a ticket's work; returns when the ticket is of no more use."""


@frozen
class Known:
    """A ticket in the engine: waiting, or in somebody's hands.

    Attributes:
        id: the ticket's.
        executor: who has it; None while it waits.
    """

    id: str
    executor: str | None


class Engine(Protocol):
    """A durable queue of tickets. Every call may raise StorageError."""

    async def prepare(self, accounts: Iterable[Account]) -> None:
        """Make what it needs, and set the accounts' limits."""
        ...

    async def enqueue(self, tickets: Iterable[Ticket]) -> None:
        """Put tickets in; one that is there already stays as it is."""
        ...

    def work(
        self, account: str, executor: str, perform: Perform
    ) -> AbstractAsyncContextManager[None]:
        """Take the account's tickets and perform them, until the block is left.

        Those that an earlier process took under the same name are performed again.
        """
        ...

    async def status(self) -> list[Known]:
        """The tickets that wait or are being performed, as far as the engine knows."""
        ...

    async def withdraw(self, tickets: Iterable[str]) -> None:
        """Never hand these tickets out again, by id, whether or not somebody has them."""
        ...

    async def aclose(self) -> None:
        """Let the connections go."""
        ...
