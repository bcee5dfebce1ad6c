"""A run read again and again: how fast it goes, and how long the rest will take.

No clock of its own, no terminal: it is given `now`.
"""

from collections import deque

from attrs import define, field, frozen

from dreamina_async import Statistics
from dreamina_async.cli.progress import Failure, Standing, Tally

_RATE_WINDOW = 5.0
_PACE_WINDOW = 30.0
_PACE_ENDS = 3


@define
class Rate:
    """Bytes a second over the last few seconds."""

    _samples: deque[tuple[float, int]] = field(factory=deque, init=False)

    def __call__(self, now: float, count: int) -> float:
        """Take in a count and give the rate."""
        self._samples.append((now, count))
        while len(self._samples) > 2 and now - self._samples[0][0] > _RATE_WINDOW:
            self._samples.popleft()
        then, before = self._samples[0]
        return (count - before) / (now - then) if now > then else 0.0


@define
class Pace:
    """How fast jobs end, and so how long the rest takes.

    Jobs come in bursts, and the first ones late, so it looks back over half of the run, and
    over the first half minute in any case.
    """

    _samples: deque[tuple[float, int]] = field(factory=deque, init=False)
    _started: float | None = field(default=None, init=False)

    def __call__(self, now: float, ended: int, left: int | None) -> float | None:
        """Take in how many have ended; seconds until all have, None while nobody can tell."""
        self._take(now, ended)
        then, before = self._samples[0]
        if left is None or ended - before < _PACE_ENDS or now <= then:
            return None
        return left * (now - then) / (ended - before)

    def _take(self, now: float, ended: int) -> None:
        if self._started is None:
            self._started = now
        if not self._samples or ended > self._samples[-1][1]:
            self._samples.append((now, ended))
        earliest = now - max(_PACE_WINDOW, (now - self._started) / 2)
        while len(self._samples) > 1 and self._samples[1][0] <= earliest:
            self._samples.popleft()


@frozen
class Reading:
    """A run at one instant, for whoever shows it.

    Attributes:
        seconds: since the run began.
        eta: seconds until its end, by the pace of late; None while nobody can tell.
        bytes: media bytes received.
        bytes_per_second: over the last few seconds.
        status_calls: of all purposes.
        calls_per_job: status calls for each job that came home in this run; None without any.
        credits: what the jobs that the service took in this run are expected to have cost.
        unpriced: how many of them nobody knows the price of.
        failures: the last of them.
    """

    standing: Standing
    seconds: float
    eta: float | None
    bytes: int
    bytes_per_second: float
    status_calls: int
    calls_per_job: float | None
    credits: int
    unpriced: int
    failures: tuple[Failure, ...] = field(repr=False)


@define
class Meter:
    """Reads a run again and again.

    Args:
        started: the clock when it began.
    """

    _started: float
    _rate: Rate = field(factory=Rate, init=False)
    _pace: Pace = field(factory=Pace, init=False)

    def __attrs_post_init__(self) -> None:
        self._rate(self._started, 0)
        self._pace(self._started, 0, None)

    def read(self, now: float, tally: Tally, statistics: Statistics) -> Reading:
        """How it stands now."""
        standing = tally.standing()
        return Reading(
            standing=standing,
            seconds=now - self._started,
            eta=self._pace(now, tally.ended_here, standing.left),
            bytes=statistics.bytes,
            bytes_per_second=self._rate(now, statistics.bytes),
            status_calls=statistics.status_calls,
            calls_per_job=tally.calls_per_job(statistics),
            credits=tally.credits,
            unpriced=tally.unpriced,
            failures=tuple(tally.failures),
        )
