"""Every job of a session and where it stands. The lifecycle is this table:

    PLANNED ──> INTENT ──> ACCEPTED ──> READY ──> DONE
       ^          │  │         │           │
       └──────────┘  └> UNKNOWN <──────────┘        UNKNOWN ──> INTENT (looked up again)
    not sent, or                \\
    refused unpaid               └> any state but DONE ──> FAILED, ABANDONED

States that are over absorb: nothing moves a job out of DONE, FAILED or ABANDONED, except
that a DONE job whose files have vanished is ACCEPTED once more when the user asks for it.
"""

from collections import Counter

from attrs import define, field

from dreamina_async._core.reconcile import Sight
from dreamina_async.errors import Charged, DreaminaError
from dreamina_async.models import JobResult, JobState, MediaFile
from dreamina_async.requests import ImageRequest, MediaKind, Request

_S = JobState
_MOVES: dict[JobState, frozenset[JobState]] = {
    _S.PLANNED: frozenset({_S.INTENT, _S.FAILED, _S.ABANDONED}),
    _S.INTENT: frozenset({_S.PLANNED, _S.ACCEPTED, _S.FAILED, _S.UNKNOWN, _S.ABANDONED}),
    _S.ACCEPTED: frozenset({_S.READY, _S.FAILED, _S.UNKNOWN, _S.ABANDONED}),
    _S.READY: frozenset({_S.DONE, _S.ACCEPTED, _S.FAILED, _S.UNKNOWN, _S.ABANDONED}),
    _S.UNKNOWN: frozenset({_S.INTENT, _S.ACCEPTED, _S.ABANDONED}),
    _S.DONE: frozenset({_S.ACCEPTED}),
    _S.FAILED: frozenset(),
    _S.ABANDONED: frozenset(),
}


@define(eq=False)
class Entry:
    """One job. Changed by `Ledger.move` and by the runtime's `jobs` only.

    Attributes:
        job_id: our name for it: the submit id, or one made from the history id.
        sight: what the polling knows, while it is pending.
        error: why it is over or why it waits.
        over: whether nothing more will happen to it in this session.
        waiters: how many callers wait for its submit; without any it may be withdrawn.
        created_at: wall clock of its first entry here.
        sent_at: wall clock of the last submit.
        maybe_sent: whether an earlier submit may have arrived without our knowing.
        saved: files already complete on disk.
    """

    job_id: str
    kind: MediaKind
    state: JobState
    created_at: float
    request: Request | None = None
    submit_id: str | None = None
    history_id: str | None = None
    sight: Sight | None = None
    error: DreaminaError | None = None
    result: JobResult | None = None
    over: bool = False
    waiters: int = 0
    sent_at: float | None = None
    maybe_sent: bool = False
    finished_at: float | None = None
    saved_at: float | None = None
    missing: int = 0
    saved: tuple[MediaFile, ...] = ()

    @property
    def by_mcp(self) -> bool:
        """Whether it was submitted through the MCP endpoint."""
        return isinstance(self.request, ImageRequest) and self.request.via == "mcp"

    @property
    def charged(self) -> Charged:
        """What is known of its price; one that is only attached may be nobody's till seen."""
        seen = self.finished_at is not None or (self.sight is not None and self.sight.seen)
        if self.state is JobState.ACCEPTED and self.sent_at is None and not seen:
            return "unknown"
        return self.state.charged


@define
class Ledger:
    """The jobs of one session, by job id, and how many stand where."""

    _entries: dict[str, Entry] = field(factory=dict)
    _by_history: dict[str, Entry] = field(factory=dict)
    _counts: Counter[tuple[MediaKind, JobState]] = field(factory=Counter)

    def add(self, entry: Entry) -> None:
        """Take a job in.

        Raises:
            KeyError: it is already here.
        """
        if entry.job_id in self._entries:
            raise KeyError(entry.job_id)
        self._entries[entry.job_id] = entry
        self._counts[entry.kind, entry.state] += 1
        self.name(entry, entry.history_id)

    def name(self, entry: Entry, history_id: str | None) -> None:
        """Take in a job's history id, if it is told and was not known before."""
        entry.history_id = entry.history_id or history_id
        if entry.history_id is not None:
            self._by_history.setdefault(entry.history_id, entry)

    def rename(self, entry: Entry, history_id: str) -> None:
        """A record that states the job's own submit id knows its history id better than a reply."""
        if self._by_history.get(entry.history_id or "") is entry:
            del self._by_history[entry.history_id or ""]
        entry.history_id = history_id
        self._by_history[history_id] = entry

    def get(self, job_id: str) -> Entry | None:
        """The job, if it is here."""
        return self._entries.get(job_id)

    def take_over(self, entry: Entry, known: Entry) -> None:
        """An attached job turned out to be one that the journal knows, perhaps by another id.

        Raises:
            KeyError: that one is here already; nothing has changed then.
        """
        if self._entries.get(known.job_id, entry) is not entry:
            raise KeyError(known.job_id)
        del self._entries[entry.job_id]
        self._counts[entry.kind, entry.state] -= 1
        for name in ("job_id", "kind", "state", "created_at", "submit_id", "sent_at"):
            setattr(entry, name, getattr(known, name))
        for name in ("maybe_sent", "saved", "finished_at", "saved_at", "missing", "error"):
            setattr(entry, name, getattr(known, name))
        entry.request = known.request or entry.request
        if self._by_history.get(entry.history_id or "") is entry:
            del self._by_history[entry.history_id or ""]
        entry.history_id = known.history_id or entry.history_id
        self.add(entry)

    def by_history(self, history_id: str) -> Entry | None:
        """The job with this history id, if it is here; the first of several."""
        return self._by_history.get(history_id)

    def entries(self) -> list[Entry]:
        """All jobs, oldest first."""
        return list(self._entries.values())

    def move(self, entry: Entry, state: JobState) -> None:
        """Change a job's state, along the table only.

        The assertion stays on in production: better stop than spend wrongly.
        """
        if state is entry.state:
            return
        assert state in _MOVES[entry.state], f"{entry.job_id}: {entry.state} -> {state}"
        self._counts[entry.kind, entry.state] -= 1
        self._counts[entry.kind, state] += 1
        entry.state = state

    def counts(self) -> dict[JobState, int]:
        """How many jobs stand in each state; states without jobs are left out."""
        totals: Counter[JobState] = Counter()
        for (_, state), number in self._counts.items():
            totals[state] += number
        return {state: number for state, number in totals.items() if number}

    def at_service(self, kind: MediaKind) -> int:
        """How many jobs of a kind the service may be working on."""
        return self._counts[kind, JobState.INTENT] + self._counts[kind, JobState.ACCEPTED]
