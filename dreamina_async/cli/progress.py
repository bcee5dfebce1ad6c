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
    Submitted,
    SubmitWaits,
)

_KEPT_FAILURES = 10
_RATE_WINDOW = 5.0


@frozen
class Standing:
    """The counts at one instant.

    Attributes:
        total: jobs in all, where known.
        done: all files on disk.
        failed: over without all files, for whatever reason.
        pending: given back before their end.
        waiting: not yet accepted; the service is busy, or a submit is being looked up.
        queued: in the service's queue.
        best_position: jobs before the first of them.
        generating: being made.
        downloading: made, files on their way.
    """

    total: int | None
    submitted: int
    done: int
    failed: int
    pending: int
    waiting: int
    queued: int
    best_position: int | None
    generating: int
    downloading: int

    @property
    def over(self) -> int:
        """Jobs that need no more waiting."""
        return self.done + self.failed + self.pending


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
    """

    total: int | None = None
    submitted: int = field(default=0, init=False)
    files: Counter[str] = field(factory=Counter, init=False)
    ends: Counter[JobState] = field(factory=Counter, init=False)
    saved: int = field(default=0, init=False)
    partial: int = field(default=0, init=False)
    failures: deque[Failure] = field(factory=lambda: deque(maxlen=_KEPT_FAILURES), init=False)
    _stages: dict[str, str] = field(factory=dict, init=False)
    _positions: dict[str, int] = field(factory=dict, init=False)
    _over: set[str] = field(factory=set, init=False)

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
                self._leave(event.job_id)
            case Failed():
                self._leave(event.job_id)
            case _:
                pass

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

    def standing(self) -> Standing:
        """The counts now."""
        stages = Counter(self._stages.values())
        pending = sum(self.ends[state] for state in _PENDING)
        done = self.ends[JobState.DONE]
        return Standing(
            total=self.total,
            submitted=self.submitted,
            done=done,
            failed=self.ends.total() - done - pending,
            pending=pending,
            waiting=stages["waiting"],
            queued=stages["queued"],
            best_position=min(self._positions.values(), default=None),
            generating=stages["generating"],
            downloading=stages["downloading"],
        )

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


def stage_line(standing: Standing) -> str:
    """The counts in words; what is zero is left out, except what has ended."""
    best = standing.best_position
    parts: list[tuple[str, int]] = [
        ("waiting to submit", standing.waiting),
        (f"queued (best position {best})" if best is not None else "queued", standing.queued),
        ("generating", standing.generating),
        ("downloading", standing.downloading),
    ]
    counts = [f"{count} {name}" for name, count in parts if count]
    return " · ".join([*counts, f"{standing.done} done", f"{standing.failed} failed"])
