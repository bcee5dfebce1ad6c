"""Whom a session asks before it sends, where it shares its account with other sessions."""

from typing import Protocol


class Gate(Protocol):
    """Lets generate requests and status calls out, one by one.

    Sessions of one account that know nothing of each other each keep their own ceiling, and so
    together pass the account's. A gate that they share is asked before each call.
    """

    async def admit(self, submit_id: str) -> None:
        """Awaited before each generate request, with the job's intent already in the journal.

        Raises:
            DreaminaError: it must not be sent; the job ends with this error, uncharged.
        """
        ...

    def may_leave(self, submit_id: str) -> bool:
        """Asked once more right before the first byte: making a connection may take long."""
        ...

    async def before_look(self) -> None:
        """Awaited before each status call.

        Raises:
            DreaminaError: it must not be made; it counts as failed, and is made again later.
        """
        ...


class OpenGate:
    """The gate of a session that has its account to itself."""

    async def admit(self, submit_id: str) -> None:
        """Nothing stands against it."""

    def may_leave(self, submit_id: str) -> bool:
        """Always."""
        return True

    async def before_look(self) -> None:
        """Nothing stands against it."""
