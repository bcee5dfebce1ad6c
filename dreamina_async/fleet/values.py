"""What the parts of a fleet tell each other; frozen."""

from enum import StrEnum

from attrs import field, frozen

from dreamina_async import InvalidRequest, Request

LEASE = 60.0
"""Seconds of silence after which a worker counts as dead."""


class ItemState(StrEnum):
    """Where one prompt of a run stands.

    `sending`: it may have left, and no answer is written down. `held`: nobody can say what became
    of it, or its files cannot be fetched; it is looked for again when its run is enqueued again.
    """

    PLANNED = "planned"
    SENDING = "sending"
    ACCEPTED = "accepted"
    DONE = "done"
    FAILED = "failed"
    HELD = "held"

    @property
    def over(self) -> bool:
        """Whether no worker does anything more about it."""
        return self in (ItemState.DONE, ItemState.FAILED, ItemState.HELD)


@frozen(kw_only=True)
class Account:
    """What all workers of one account may do together.

    Attributes:
        label: what it is called; its login stays with the workers.
        workers: how many may work for it at once, at most.
        in_flight: jobs between submit and files, over all workers.
        rate: status calls a second, over all workers.
    """

    label: str = "default"
    workers: int = 3
    in_flight: int = 20
    rate: float = field(default=1.0)

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.workers <= self.in_flight:
            raise InvalidRequest(
                f"workers {self.workers} is not from 1 to in_flight {self.in_flight}: each worker "
                "needs room for one job",
                field="workers",
            )
        if not 0 < self.rate <= 1000:
            raise InvalidRequest(f"rate {self.rate} is not from 0 to 1000", field="rate")

    @property
    def share(self) -> int:
        """Jobs that one worker may have in flight, so that all of them keep the account's limit."""
        return self.in_flight // self.workers


@frozen
class Ticket:
    """One shard in the engine's queue; of its tickets only that of the last attempt counts."""

    account: str
    shard: str
    attempt: int

    @property
    def id(self) -> str:
        """What the engine knows it by."""
        return f"{self.shard}.{self.attempt}"


@frozen
class Seat:
    """A worker's place among those of its account, while nobody else has taken it."""

    account: str
    number: int
    epoch: int

    @property
    def executor(self) -> str:
        """What the engine knows its holder by: the same for whoever holds it."""
        return f"{self.account}/{self.number}"


@frozen
class Claim:
    """A shard in a worker's hands, until another one claims it."""

    ticket: Ticket
    epoch: int
    seat: Seat


@frozen
class Standing:
    """One item as the store knows it."""

    submit_id: str
    row: int
    request: Request
    state: ItemState
    sends: int
    history_id: str | None
    error: str | None
    result: str | None


@frozen
class Progress:
    """How prompts stand, over all workers.

    Attributes:
        items: how many stand where.
        bytes: of the files that are there.
        looks: status calls that the fleet has made, for whichever run.
    """

    items: dict[ItemState, int]
    bytes: int
    looks: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.items.values())

    @property
    def left(self) -> int:
        """Those that workers still have to do with."""
        return sum(count for state, count in self.items.items() if not state.over)


@frozen
class RunStatus:
    """One run: how many of its prompts stand where."""

    run: str
    name: str
    account: str
    rows: int
    items: dict[ItemState, int]
    shards_open: int

    @property
    def over(self) -> bool:
        """Whether no worker has anything more to do for it."""
        return self.shards_open == 0


@frozen
class SeatStatus:
    """One seat: who holds it, and for how long nothing was heard."""

    account: str
    number: int
    epoch: int
    holder: str | None
    silent_for: float | None
    shards: int
