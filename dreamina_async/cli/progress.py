"""How a run stands, told from events: pure counting, no clock, no terminal."""

from collections import Counter, deque

from attrs import define, field, frozen

from dreamina_async import (
    Downloading,
    DreaminaError,
    Event,
    Failed,
    FileSaved,
    Finished,
    JobState,
    Phase,
    Progressed,
    Saved,
    Statistics,
    Submitted,
    SubmitWaits,
)
from dreamina_async.cli.output import counted

KEPT_FAILURES = 10


@frozen
class Standing:
    """The counts at one instant.

    Attributes:
        total: jobs in all, where known.
        done: all files on disk.
        failed: over without all files, for whatever reason.
        unsent: refused without a charge, so they may be sent again.
        pending: given back before their end.
        waiting: not yet accepted; the service is busy, or a submit is being looked up.
        queued: in the service's queue.
        best_position: jobs before the first of them.
        worst_position: jobs before the last of them.
        generating: being made.
        downloading: made, files on their way.
    """

    total: int | None
    submitted: int
    done: int
    failed: int
    unsent: int
    pending: int
    waiting: int
    queued: int
    best_position: int | None
    worst_position: int | None
    generating: int
    downloading: int

    @property
    def over(self) -> int:
        """Jobs that need no more waiting."""
        return self.done + self.failed + self.unsent + self.pending

    @property
    def left(self) -> int | None:
        """Jobs still to wait for, where the total is known."""
        return None if self.total is None else max(0, self.total - self.over)


@frozen
class Failure:
    """One job that ended without all its files, in words."""

    label: str
    error: DreaminaError | None
    state: JobState


@define
class Tally:
    """Counts what has become of a run's jobs.

    Events say where a job stands on its way; `ended` says that it is over, and has the
    last word: an event that comes late does not bring the job back.

    Args:
        total: how many jobs the run has, where known.

    Attributes:
        submitted: jobs that the service has accepted in this run.
        files: files saved in this run, by kind.
        ends: how many jobs are over, by the state they ended in.
        saved: jobs whose files came home in this run.
        ended_here: jobs that ended in this run, with files or without.
        credits: what the accepted jobs are expected to have cost, where the price is known.
        unpriced: accepted jobs whose price nobody knows.
        partial: jobs of which the service made fewer files than asked for.
        failures: the last jobs that ended without all their files.
    """

    total: int | None = None
    submitted: int = field(default=0, init=False)
    files: Counter[str] = field(factory=Counter, init=False)
    ends: Counter[JobState] = field(factory=Counter, init=False)
    saved: int = field(default=0, init=False)
    ended_here: int = field(default=0, init=False)
    credits: int = field(default=0, init=False)
    unpriced: int = field(default=0, init=False)
    partial: int = field(default=0, init=False)
    failures: deque[Failure] = field(factory=lambda: deque(maxlen=KEPT_FAILURES), init=False)
    _stages: dict[str, str] = field(factory=dict, init=False)
    _positions: dict[str, int] = field(factory=dict, init=False)
    _over: set[str] = field(factory=set, init=False)
    _prices: dict[str, int | None] = field(factory=dict, init=False)
    _free: set[str] = field(factory=set, init=False)

    def apply(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case FileSaved():
                self.files[event.media.kind] += 1
            case Submitted():
                self.submitted += 1
                self._move(event, "queued")
            case SubmitWaits():
                self._move(event, "waiting")
            case Progressed():
                self._progress(event)
            case Finished() | Downloading():
                self._move(event, "downloading")
            case Saved():
                self.saved += 1
                self.ended_here += 1
                self._leave(event.job_id)
            case Failed():
                self.ended_here += 1
                self._leave(event.job_id)
            case _:
                pass

    def spend(self, job_id: str, price: int | None) -> None:
        """Take in what an accepted job is expected to cost; None where nobody knows."""
        if job_id not in self._free:
            self._prices[job_id] = price
            self._count(price, 1)

    def ended(
        self,
        job_id: str,
        state: JobState,
        *,
        label: str = "",
        error: DreaminaError | None = None,
        partial: bool = False,
    ) -> None:
        """Take in that a job is over, for this run."""
        self._leave(job_id)
        if error is not None and error.charged == "no":
            self._take_back(job_id)
        self.ends[state] += 1
        self.partial += partial
        if state is not JobState.DONE and state not in _PENDING:
            self.failures.append(Failure(label, error, state))

    @property
    def done_before(self) -> int:
        """Jobs whose files stood there already when this run began."""
        return max(0, self.ends[JobState.DONE] - self.saved)

    @property
    def resumable(self) -> int:
        """Jobs that ended here, but that `resume` can still bring home."""
        return sum(self.ends[state] for state in _RESUMABLE)

    def calls_per_job(self, statistics: Statistics) -> float | None:
        """Status calls for each job that came home in this run; None without any."""
        return round(statistics.status_calls / self.saved, 3) if self.saved else None

    def standing(self) -> Standing:
        """The counts now."""
        stages = Counter(self._stages.values())
        pending = sum(self.ends[state] for state in _PENDING)
        done, unsent = self.ends[JobState.DONE], self.ends[JobState.PLANNED]
        return Standing(
            total=self.total,
            submitted=self.submitted,
            done=done,
            failed=self.ends.total() - done - unsent - pending,
            unsent=unsent,
            pending=pending,
            waiting=stages["waiting"],
            queued=stages["queued"],
            best_position=min(self._positions.values(), default=None),
            worst_position=max(self._positions.values(), default=None),
            generating=stages["generating"],
            downloading=stages["downloading"],
        )

    def _take_back(self, job_id: str) -> None:
        self._free.add(job_id)
        if job_id in self._prices:
            self._count(self._prices.pop(job_id), -1)

    def _count(self, price: int | None, jobs: int) -> None:
        self.credits += jobs * (price or 0)
        self.unpriced += jobs * (price is None)

    def _progress(self, event: Progressed) -> None:
        queued = event.progress.phase is Phase.QUEUED
        self._move(event, "queued" if queued else "generating")
        position = event.queue.position if event.queue else None
        if queued and position is not None and event.job_id in self._stages:
            self._positions[event.job_id] = position

    def _move(self, event: Event, stage: str) -> None:
        if event.job_id not in self._over:
            self._stages[event.job_id] = stage
            self._positions.pop(event.job_id, None)

    def _leave(self, job_id: str) -> None:
        self._over.add(job_id)
        self._stages.pop(job_id, None)
        self._positions.pop(job_id, None)


_PENDING = frozenset({JobState.INTENT, JobState.ACCEPTED})
_RESUMABLE = _PENDING | {JobState.UNKNOWN, JobState.READY}


def under_way(standing: Standing) -> list[str]:
    """Where jobs are on their way, in words; what is zero is left out."""
    parts: list[tuple[str, int]] = [
        ("waiting to submit", standing.waiting),
        (f"queued{_positions(standing)}", standing.queued),
        ("generating", standing.generating),
        ("downloading", standing.downloading),
    ]
    return [f"{count} {name}" for name, count in parts if count]


def endings(standing: Standing) -> list[str]:
    """How jobs have ended, in words."""
    unsent = [f"{standing.unsent} not sent"] if standing.unsent else []
    return [f"{standing.done} done", f"{standing.failed} failed", *unsent]


def _positions(standing: Standing) -> str:
    best, worst = standing.best_position, standing.worst_position
    if best is None:
        return ""
    return f" (position {best})" if best == worst else f" (positions {best} to {worst})"


def spending(credits: int, unpriced: int) -> list[str]:  # noqa: A002 - what it counts
    """What accepted jobs are expected to have cost, in words; nothing if there were none."""
    parts = [f"about {counted(credits, 'credit')} spent"] if credits else []
    return [*parts, f"price unknown for {counted(unpriced, 'job')}"] if unpriced else parts
