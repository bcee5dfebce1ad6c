"""Places that cannot be reached: what is to come from there waits aside, and one knocks for all.

A request that certainly did not arrive says nothing of the file it was for, and costs the host
nothing. So it uses up no attempt. But a thousand files must not knock a thousand times a
minute, and those of other hosts must get past them: so nobody waits in a worker's place.
"""

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Generic, TypeVar

from attrs import define, field

from dreamina_async._core.backoff import backoff_after
from dreamina_async._runtime.clock import Clock
from dreamina_async._runtime.pace import HAIR
from dreamina_async.errors import DreaminaError
from dreamina_async.settings import RetryPolicy

T = TypeVar("T")


@define
class _Outage(Generic[T]):
    """Why a place is out of reach, and who waits for it."""

    error: DreaminaError
    waiting: deque[T] = field(factory=deque[T])


@define(eq=False)
class Reach(Generic[T]):
    """All places out of reach; the next knock is at the first of them.

    Attributes:
        knock_at: the monotonic instant from which on one may try again; endless if all is well.
    """

    clock: Clock
    policy: RetryPolicy
    knock_at: float = inf
    _outages: dict[str, _Outage[T]] = field(factory=dict[str, _Outage[T]])
    _knocks: int = 0

    def is_out(self, place: str) -> bool:
        """Whether the last one who tried did not get through."""
        return place in self._outages

    def put_aside(self, place: str, one: T) -> None:
        """Let it wait for a place that is out of reach, untried."""
        outage = self._outages[place]
        outage.waiting.append(one)
        if self.knock_at == inf:  # whoever knocked last has gone
            self._again(outage.error, self.clock.monotonic())

    def failed(self, place: str, one: T, error: DreaminaError) -> None:
        """It did not get through, and waits; the place goes to the end of the line."""
        if self.knock_at == inf:
            self._again(error, self.clock.monotonic())
        outage = self._outages.pop(place, _Outage[T](error))
        self._outages[place] = outage
        outage.waiting.append(one)

    def without(self, over: Callable[[T], bool]) -> list[T]:
        """Those who are not to wait any longer; they are out of the line."""
        found: list[T] = []
        for outage in self._outages.values():
            found += filter(over, outage.waiting)
            outage.waiting = deque([one for one in outage.waiting if not over(one)])
        return found

    def due(self) -> T | None:
        """The one who may knock now."""
        now = self.clock.monotonic()
        if self.knock_at - now > HAIR:
            return None
        self.knock_at = inf
        for outage in self._outages.values():
            if outage.waiting:
                self._again(outage.error, now)
                return outage.waiting.popleft()
        return None

    def back(self, place: str) -> tuple[T, ...]:
        """Somebody got through: whoever waited for that."""
        outage = self._outages.pop(place, None)
        if outage is None:
            return ()
        self._knocks = 0
        if self._outages:
            self._again(outage.error, self.clock.monotonic())
        return tuple(outage.waiting)

    def everybody(self) -> list[T]:
        """All who wait, wherever."""
        return [one for outage in self._outages.values() for one in outage.waiting]

    def _again(self, error: DreaminaError, now: float) -> None:
        self._knocks += 1
        self.knock_at = now + backoff_after(error, "knock", self._knocks, self.policy)
