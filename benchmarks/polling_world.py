"""A service and its clients on a virtual clock, for `polling.py`.

No sockets, no asyncio, no waiting: a job has a law for its duration, the service a set of
hints that it gives or withholds, and a client is a function that steps from instant to
instant. Ours is `Schedule`, `Ceiling`, `reconcile` and the interval functions themselves.
"""

import math
from collections.abc import Callable, Iterable
from random import Random
from statistics import NormalDist, fmean

from attrs import Factory, define, evolve, field, frozen

from dreamina_async._core.backoff import first_look_after, next_look_after, spread
from dreamina_async._core.ceiling import Ceiling
from dreamina_async._core.foresight import Foresight
from dreamina_async._core.reconcile import Pending, Sight, reconcile
from dreamina_async._core.schedule import Ask, Idle, LookAgain, Schedule
from dreamina_async.models import JobReport, MediaItem, Progress, QueueInfo
from dreamina_async.requests import MediaKind
from dreamina_async.settings import PollingPolicy, RetryPolicy

_NORMAL = NormalDist()
_POLLING = PollingPolicy()
_RETRYING = RetryPolicy()
BATCH = 10

# ---- how long jobs take ----------------------------------------------------------------


@frozen
class Law:
    """A lognormal duration."""

    median: float
    p95: float

    @property
    def sigma(self) -> float:
        return math.log(self.p95 / self.median) / _NORMAL.inv_cdf(0.95)

    @property
    def mean(self) -> float:
        return self.median * math.exp(self.sigma**2 / 2)

    @property
    def k(self) -> float:
        """Mean lag times looks a job is at least this, on age alone (Cauchy-Schwarz).

        K = 1/2 (integral of sqrt(density * survival))^2, here over ln(age).
        """
        step, total = 0.01, 0.0
        for n in range(-800, 801):
            z = n * step
            density = _NORMAL.pdf(z) / (self.sigma * self._age(z))
            total += math.sqrt(density * _NORMAL.cdf(-z)) * self._age(z) * self.sigma * step
        return total**2 / 2

    def draw(self, random: Random) -> float:
        return self._age(random.gauss(0.0, 1.0))

    def _age(self, z: float) -> float:
        return self.median * math.exp(self.sigma * z)


LAWS: dict[MediaKind, Law] = {"image": Law(15.0, 60.0), "video": Law(120.0, 900.0)}


# ---- what the service says -------------------------------------------------------------


@frozen
class Hints:
    """What a service tells of a pending job, and how true it is.

    Attributes:
        forecast: its forecast is this many times a realistic one; None gives none.
        countdown: the forecast shrinks with the job's age.
        states: `late` shows 42 and 45 shortly before the end, `early` 45 from the start on,
            `none` 20 throughout.
        queue: `falls` counts a queue down, `stuck` keeps its first position to the end.
    """

    forecast: float | None = None
    countdown: bool = False
    states: str = "none"
    queue: str = "none"


NO_HINTS = Hints()


@define(eq=False)
class Job:
    """One job at the service, and what the client knows of it."""

    key: str
    kind: MediaKind
    start: float
    duration: float
    forecast: float
    finishing: float
    queued: float
    position: int
    sight: Sight
    seen_at: float | None = None
    looks: int = 0
    due: float = 0.0
    rivals: int = 0
    """Jobs pending when this one was last put into the schedule."""

    @property
    def end(self) -> float:
        return self.start + self.duration


def make_job(key: str, kind: MediaKind, start: float, duration: float, random: Random) -> Job:
    """A job whose hints are as true as those that were seen (protocol notes 5.3 and 10).

    Real run times were 0.37 to 1.1 of the forecast; 42 lasted three seconds and an empty 45
    another five to ten; half of the videos and a fifth of the images wait in a queue.
    """
    forecast = duration / random.uniform(0.37, 1.1)
    finishing = random.uniform(5.0, 10.0)
    share = random.uniform(0.2, 0.6)
    queues = random.random() < (0.5 if kind == "video" else 0.2)
    position = random.randint(10, 500)
    sight = Sight(kind=kind, since=start, expected=1 if kind == "video" else 4)
    queued = share * duration if queues else 0.0
    return Job(key, kind, start, duration, forecast, finishing, queued, position, sight)


_ITEMS: dict[MediaKind, tuple[MediaItem, ...]] = {
    "image": (MediaItem("image", ("https://localhost/",)),) * 4,
    "video": (MediaItem("video", ("https://localhost/",)),),
}


def report(job: Job, now: float, hints: Hints) -> JobReport:
    """What a status call at `now` says about the job."""
    if now >= job.end:
        return JobReport(status=50, items=_ITEMS[job.kind])
    return JobReport(
        status=_status(job, now, hints),
        forecast=_forecast(job, now, hints),
        queue=_queue(job, now, hints),
    )


def _status(job: Job, now: float, hints: Hints) -> int:
    left = job.end - now
    if hints.states == "early" or (hints.states == "late" and left < job.finishing):
        return 45
    return 42 if hints.states == "late" and left < job.finishing + 3 else 20


def _forecast(job: Job, now: float, hints: Hints) -> float | None:
    if hints.forecast is None:
        return None
    passed = now - job.start if hints.countdown else 0.0
    return max(0.0, job.forecast * hints.forecast - passed)


def _queue(job: Job, now: float, hints: Hints) -> QueueInfo | None:
    if hints.queue == "none":
        return None
    left = 1 - (now - job.start) / job.queued if job.queued else 0.0
    if job.queued and hints.queue == "stuck":
        left = 1.0
    position = max(0, math.ceil(left * job.position))
    return QueueInfo(position, position, 1 if position else 2, 30.0, 86_400.0)


# ---- what came of it -------------------------------------------------------------------


@define
class Outcome:
    """Everything measured in one run."""

    jobs: list[Job]
    calls: list[float] = Factory(list)
    shares: float = 0.0
    """The longest wait of a job beyond its due instant, in fair shares of the ceiling."""


def over_the_ceiling(calls: Iterable[float], rate: float, burst: int) -> float:
    """By how many calls any window held more than `rate * width + burst`; 0 if none did."""
    worst, lowest = 0.0, math.inf
    for n, at in enumerate(calls):
        lowest = min(lowest, n - rate * at)
        worst = max(worst, n + 1 - rate * at - lowest - burst)
    return worst if worst > 1e-6 else 0.0


# ---- the clients -----------------------------------------------------------------------


@define
class Ours:
    """The package's own interval functions, called as its poller calls them."""

    polling: PollingPolicy = _POLLING
    foresight: Foresight = Factory(Foresight)

    def first(self, job: Job) -> float:
        outlook = self.foresight.outlook(job.kind)
        return spread(first_look_after(job.sight, self.polling, outlook), job.key, 0)

    def next(self, job: Job, now: float) -> float:
        looks = job.sight.looks_absent + job.sight.looks_same
        outlook = self.foresight.outlook(job.kind)
        return spread(next_look_after(job.sight, now, self.polling, outlook), job.key, looks)

    def ended(self, before: Sight, now: float) -> None:
        self.foresight.ended(before, now)


@frozen
class Ramp:
    """`step * min(n, longest)` after the n-th look; `longest` 1 is a fixed interval."""

    step: float
    longest: int = 1

    def first(self, job: Job) -> float:
        return self.step

    def next(self, job: Job, now: float) -> float:
        return self.step * min(job.looks + 1, self.longest)

    def ended(self, before: Sight, now: float) -> None:
        """Nothing to learn."""


Intervals = Ours | Ramp
Client = Callable[[list[Job], Ceiling, Hints], Outcome]


def polled(intervals: Callable[[], Intervals], batch: int = BATCH) -> Client:
    """A client: the real schedule with these intervals, new in every run."""

    def run(jobs: list[Job], ceiling: Ceiling, hints: Hints) -> Outcome:
        return _Poll(intervals(), hints, Schedule(ceiling, batch), Outcome(jobs)).run()

    return run


@define
class _Poll:
    intervals: Intervals
    hints: Hints
    schedule: Schedule[str]
    outcome: Outcome
    _by_key: dict[str, Job] = field(factory=dict)

    def run(self) -> Outcome:
        waiting = sorted(self.outcome.jobs, key=lambda job: job.start, reverse=True)
        now = 0.0
        while True:
            new: list[Job] = []
            while waiting and waiting[-1].start <= now:
                new.append(waiting.pop())
            self._submit(new)
            arrival = waiting[-1].start if waiting else math.inf
            match self.schedule.next(now):
                case Ask(_, keys):
                    self._ask(keys, now)
                case LookAgain(at):
                    now = min(at, arrival)
                case Idle() if waiting:
                    now = arrival
                case Idle():
                    return self.outcome

    def _submit(self, new: list[Job]) -> None:
        self._by_key.update((job.key, job) for job in new)
        for job in new:
            forecast = _forecast(job, job.start, self.hints)
            job.sight = evolve(job.sight, progress=Progress(forecast=forecast))
            self._put(job, job.start + self.intervals.first(job))

    def _put(self, job: Job, due: float) -> None:
        job.due, job.rivals = due, len(self._by_key)
        self.schedule.put(job.key, due, "history")

    def _ask(self, keys: Iterable[str], now: float) -> None:
        self.outcome.calls.append(now)
        for key in keys:
            job = self._by_key[key]
            rivals = max(job.rivals, len(self._by_key))
            share = math.ceil(rivals / self.schedule.batch) / self.schedule.ceiling.rate
            self.outcome.shares = max(self.outcome.shares, (now - job.due) / share)
            self._look(job, now)

    def _look(self, job: Job, now: float) -> None:
        told = report(job, now, self.hints)
        before = job.sight
        job.sight, verdict = reconcile(before, told, now, _POLLING, _RETRYING)
        job.looks += 1
        if isinstance(verdict, Pending):
            self._put(job, now + self.intervals.next(job, now))
        else:
            job.seen_at = now
            self.intervals.ended(before, now)
            del self._by_key[job.key]


def in_turn(jobs: list[Job], ceiling: Ceiling, hints: Hints) -> Outcome:
    """The notes' batches: ten ids a call, 1 s between calls, 3 s after each round."""
    outcome, now = Outcome(jobs), 0.0
    waiting = sorted(jobs, key=lambda job: job.start)
    while waiting:
        now = max(now, waiting[0].start)
        pending = [job for job in waiting if job.start <= now]
        for n in range(0, len(pending), BATCH):
            outcome.calls.append(now)
            for job in pending[n : n + BATCH]:
                job.seen_at = now if job.end <= now else None
            now += max(1.0, 1 / ceiling.rate)
        now += 2.0
        waiting = [job for job in waiting if job.seen_at is None]
    return outcome


def alone(intervals: Ramp) -> Client:
    """A task a job, one id a call, no ceiling: jobs do not meet, so no clock is needed."""

    def run(jobs: list[Job], ceiling: Ceiling, hints: Hints) -> Outcome:
        outcome = Outcome(jobs)
        for job in jobs:
            at = job.start
            while job.seen_at is None:
                at += intervals.step * min(job.looks + 1, intervals.longest)
                job.looks += 1
                outcome.calls.append(at)
                job.seen_at = at if at >= job.end else None
        outcome.calls.sort()
        return outcome

    return run


# ---- figures ---------------------------------------------------------------------------


def mixed_k(jobs: Iterable[Job]) -> float:
    """K of a mixture: looks go where they save most lag, so the roots add up."""
    return fmean(_ROOT_K[job.kind] for job in jobs) ** 2


_ROOT_K = {kind: math.sqrt(law.k) for kind, law in LAWS.items()}
