"""What a session learns of the service's own forecasts, and how far it may believe them.

The service says how long a job will take, and shows by its state that the end is near
(protocol notes 5.3 and 5.6). Both may be wrong, and wrong in the same way for every job of a
kind: forecasts four times too high, state 45 from the fourth second on. The jobs that have
ended tell. Until a few have, the figures of the real logs are taken with caution.
"""

from collections import deque
from math import inf

from attrs import define, field, frozen

from dreamina_async._core.reconcile import Sight
from dreamina_async.requests import MediaKind

_KEPT = 32
"""What the service does may change in an hour: only the latest ends of a kind count."""

_ENOUGH = 5
"""From so many ends on they are believed; a few more jobs would end outside of what they show."""

_WIDEST = 6.0
"""Ends that scatter more than this, highest to lowest, say that the forecast tells nothing."""

_EARLIER = 0.9
"""The lowest of a few is not the lowest of all: jobs may end this much earlier."""

_STUCK = 16
"""One in so many may hang, and says nothing of the others."""

_LEAST = 1.0
"""No job is done in less: such a forecast is none, in seconds."""

_NOTICE = 20.0
"""A state that is seen longer than this before the end announces nothing, in seconds."""


@frozen
class Outlook:
    """How jobs of one kind end.

    Attributes:
        low: no job ends before this share of its forecast.
        high: hardly any ends after this share.
        notice: the share of jobs whose state said so shortly before they ended.
        learnt: whether this session has seen it, or the real logs say so.
    """

    low: float
    high: float
    notice: float = 0.0
    learnt: bool = True

    @property
    def useful(self) -> bool:
        """Whether a forecast narrows the end down at all."""
        return self.high <= _WIDEST * self.low


LOGGED = Outlook(0.37, 1.1, learnt=False)
"""Real run times were 0.37 to 1.1 of the service's own forecast (protocol notes 5.3)."""


@define(eq=False)
class _Ends:
    """The latest ends of one kind, as shares of their forecasts."""

    seen: deque[float] = field(factory=lambda: deque(maxlen=_KEPT))
    """Between two looks."""
    early: deque[float] = field(factory=lambda: deque(maxlen=_KEPT))
    """Before the first look: no more than that is known of them."""
    announced: deque[bool] = field(factory=lambda: deque(maxlen=_KEPT))

    def outlook(self) -> Outlook:
        if len(self.seen) < _ENOUGH:
            return LOGGED
        low = _EARLIER * min(*self.seen, *self.early)
        high = sorted(self.seen)[-1 - len(self.seen) // _STUCK]
        return Outlook(low, high, sum(self.announced) / len(self.announced))


@define(eq=False)
class Foresight:
    """The latest ends of each kind, and what follows from them."""

    _ends: dict[MediaKind, _Ends] = field(factory=dict)
    _outlooks: dict[MediaKind, Outlook] = field(factory=dict)

    def outlook(self, kind: MediaKind) -> Outlook:
        """What to expect of the jobs of a kind."""
        return self._outlooks.get(kind, LOGGED)

    def ended(self, before: Sight, now: float) -> None:
        """Learn from a job that a look has just found finished.

        Args:
            before: what was known of it until this look.
            now: the instant of this look.
        """
        forecast = before.foretold or before.progress.forecast
        if forecast is None or not _LEAST <= forecast < inf:
            return
        ends = self._ends.setdefault(before.kind, _Ends())
        if before.looked_at is None:
            ends.early.append((now - before.since) / forecast)
        else:
            ends.seen.append(((before.looked_at + now) / 2 - before.since) / forecast)
            finishing = before.finishing_since
            ends.announced.append(finishing is not None and now - finishing <= _NOTICE)
        self._outlooks[before.kind] = ends.outlook()
