"""A worker's hold on its seat, and the gate that its session asks before anything leaves."""

import asyncio
import time
from contextlib import suppress

from attrs import define, field

from dreamina_async import DreaminaError, LeaseLost, StorageError
from dreamina_async.fleet.store import Store
from dreamina_async.fleet.values import Claim, Seat

_BEATS = 6
"""Signs of life in one lease."""
_MARGIN = 0.8
"""Share of a lease after which its holder stops by itself: before anybody may take its place."""
_LATE = 1.0
"""Seconds by which a call may miss its place; one that was held up for longer takes a new one."""


def _now() -> float:
    """Goes on while the machine sleeps, where the system has such a clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


@define(eq=False)
class Lease:
    """A seat, and until when it is certainly ours.

    Args:
        store: where the seat is.
        seat: ours, taken just now.
        seconds: of silence after which others may take it.
    """

    store: Store
    seat: Seat
    seconds: float
    lost: asyncio.Event = field(factory=asyncio.Event)
    _until: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._until = _now() + _MARGIN * self.seconds

    @property
    def holds(self) -> bool:
        """Whether nobody else can have taken the seat yet."""
        return not self.lost.is_set() and _now() < self._until

    async def keep(self) -> None:
        """Say now and then that we live, until cancelled or the seat is gone."""
        while not self.lost.is_set():
            await asyncio.sleep(self.seconds / _BEATS)
            before = _now()
            with suppress(StorageError):  # the next beat may come through
                if not await asyncio.to_thread(self.store.seats.beat, self.seat):
                    self.lost.set()
                    return
                self._until = before + _MARGIN * self.seconds
            if _now() >= self._until:
                self.lost.set()


@define(eq=False)
class Fence:
    """Lets out what the store has marked as this worker's, and nothing once the lease has ended."""

    lease: Lease
    stopping: bool = False
    _claims: dict[str, tuple[Claim, int]] = field(factory=dict[str, tuple[Claim, int]])

    def expect(self, claim: Claim, submit_id: str, sends: int) -> None:
        """A job of a claimed shard may ask from here on."""
        self._claims[submit_id] = claim, sends

    async def admit(self, submit_id: str) -> None:
        """Mark the job in the store before it may leave.

        Raises:
            LeaseLost: it is no longer this worker's, or the worker stops.
            StorageError: the store does not answer.
        """
        self._check()
        claim, sends = self._claims[submit_id]
        if not await asyncio.to_thread(self.lease.store.items.admit, claim, submit_id, sends):
            raise LeaseLost("another worker has taken this job over; nothing was sent", "no")
        self._claims[submit_id] = claim, sends + 1

    def may_leave(self, submit_id: str) -> bool:
        """Whether nobody else can have the job by now."""
        return self.lease.holds

    async def before_look(self) -> None:
        """Wait for the account's next place for a status call.

        Raises:
            LeaseLost: the seat is gone.
            StorageError: the store does not answer.
        """
        while True:
            if not self.lease.holds:
                raise LeaseLost("this worker's lease has ended", "no")
            asked = time.monotonic()
            wait = await asyncio.to_thread(
                self.lease.store.accounts.next_look, self.lease.seat.account
            )
            await asyncio.sleep(wait)
            if time.monotonic() - asked - wait < _LATE:
                return

    def _check(self) -> None:
        error: DreaminaError | None = None
        if not self.lease.holds:
            error = LeaseLost("this worker's lease has ended; nothing was sent", "no")
        elif self.stopping:
            error = LeaseLost("this worker stops; nothing was sent", "no")
        if error is not None:
            raise error
