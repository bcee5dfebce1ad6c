"""The one place where a job changes: ledger, journal, events and waiters move together.

The submitter, the poller and the downloader decide what became of a job and say so here.
What costs money is on the disk before anybody hears of it.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import define, evolve, field

from dreamina_async import events
from dreamina_async._core.ledger import Entry, Ledger
from dreamina_async._core.media import folder_name
from dreamina_async._core.rows import result_of
from dreamina_async._runtime.clock import Clock
from dreamina_async._runtime.finishing import settled
from dreamina_async._runtime.home import Home
from dreamina_async._runtime.hub import Hub
from dreamina_async._runtime.journal import Journal
from dreamina_async.errors import DreaminaError, StorageError
from dreamina_async.models import JobReport, JobState, MediaFile, Statistics

Waiters = dict[Entry, list[asyncio.Future[None]]]
"""Made only where somebody waits: most of a hundred thousand jobs need none."""


@define
class Counters:
    """What `statistics()` shows, counted as it happens."""

    submits: int = 0
    accepted: int = 0
    status_calls: int = 0
    status_ids: int = 0
    files: int = 0
    bytes: int = 0
    retries: int = 0
    refreshes: int = 0
    lag_sum: float = 0.0
    lag_count: int = 0

    def snapshot(self, jobs: dict[JobState, int]) -> Statistics:
        lag = self.lag_sum / self.lag_count if self.lag_count else None
        return Statistics(
            submits=self.submits,
            accepted=self.accepted,
            status_calls=self.status_calls,
            status_ids=self.status_ids,
            jobs=jobs,
            files=self.files,
            bytes=self.bytes,
            retries=self.retries,
            refreshes=self.refreshes,
            detection_lag=lag,
        )


@define(eq=False)
class Jobs:
    """All jobs of one session, and everybody who waits for them."""

    ledger: Ledger
    journal: Journal
    hub: Hub
    clock: Clock
    root: Path
    home: Home
    counters: Counters = field(factory=Counters)
    stopped: DreaminaError | None = None
    """Why nothing more is submitted, once that is so."""
    on_slot: list[Callable[[Entry], None]] = field(factory=list)
    """Called when a job has left the service, so that another may enter."""
    _accepted: Waiters = field(factory=dict)
    _over: Waiters = field(factory=dict)

    def folder(self, entry: Entry) -> Path:
        """Where the job's files stand."""
        return self.root / folder_name(entry.submit_id, entry.history_id)

    # ---- what became of a job ----------------------------------------------------------

    async def intend(self, entry: Entry) -> None:
        """The job is about to be sent: on disk before the first byte leaves.

        Raises:
            StorageError: it is not on the disk, so it must not be sent.
        """
        before = entry.state
        self.ledger.move(entry, JobState.INTENT)
        entry.sent_at = self.clock.wall()
        entry.error = None
        try:
            await self._write(entry)
        except StorageError:
            if entry.state is JobState.INTENT:
                self.ledger.move(entry, before)
            raise

    def withdraw_intent(self, entry: Entry, reason: DreaminaError) -> None:
        """It certainly was not charged: it may be sent again, and waits for that."""
        self.ledger.move(entry, JobState.PLANNED)
        entry.error = reason
        self._put(entry)

    async def accepted(self, entry: Entry, history_id: str | None) -> None:
        """The service has the job; on disk before anybody hears of it."""
        if entry.state not in (JobState.INTENT, JobState.UNKNOWN):
            return
        self.ledger.move(entry, JobState.ACCEPTED)
        self.ledger.name(entry, history_id)
        entry.error = None
        await self._write(entry)
        self.counters.accepted += 1
        if entry.over:  # given up while that was written
            return
        self._publish(events.Submitted, entry, history_id=entry.history_id)
        self._wake(self._accepted, entry)

    def identified(self, entry: Entry, report: JobReport) -> None:
        """A record of the job has been read: its ids are known, or known better."""
        stated = report.history_id
        if stated and entry.history_id not in (None, stated) and report.submit_id:
            self.ledger.rename(entry, stated)
            self._put(entry)
        else:
            self.ledger.name(entry, stated)

    def remember(self, entry: Entry) -> None:
        """An attached job, new to the journal."""
        self._put(entry)

    def announce_end(self, entry: Entry) -> None:
        """A job from the journal that was over before anybody waited for it."""
        self._end(entry)

    def end_like(self, entry: Entry, other: Entry) -> None:
        """One job was known by two of its ids; what became of it became of both."""
        if entry.over:
            return
        self.ledger.name(entry, other.history_id)
        entry.submit_id = entry.submit_id or other.submit_id
        if other.state in (JobState.READY, JobState.DONE):
            self.ledger.move(entry, JobState.READY)
        self.ledger.move(entry, other.state)
        entry.result, entry.error, entry.saved = other.result, other.error, other.saved
        if entry.result is not None:
            self._publish(events.Saved, entry, result=entry.result)
        elif entry.error is not None:
            self._publish(events.Failed, entry, state=entry.state, error=entry.error)
        self._end(entry)

    def progressed(self, entry: Entry) -> None:
        """A status call brought news of a pending job."""
        if entry.sight is not None:
            self._publish(
                events.Progressed, entry, progress=entry.sight.progress, queue=entry.sight.queue
            )

    def ready(self, entry: Entry, report: JobReport | None, items: int, missing: int) -> None:
        """The service has finished; the files are to be fetched."""
        self.ledger.move(entry, JobState.READY)
        entry.missing = missing
        entry.result = None  # an earlier one held fewer files
        entry.finished_at = self.clock.wall()
        if report is not None and report.finish_time is not None and entry.sent_at is not None:
            self.counters.lag_sum += max(0.0, entry.finished_at - report.finish_time)
            self.counters.lag_count += 1
        self._put(entry)
        self._publish(events.Finished, entry, items=items, missing=missing)
        self._slot(entry)

    def file_saved(self, entry: Entry, file: MediaFile) -> None:
        """One file stands complete under its final name."""
        others = [one for one in entry.saved if one.index != file.index]
        entry.saved = tuple(sorted((*others, file), key=lambda one: one.index))
        self.journal.put_media(entry.job_id, file)
        self.counters.files += 1
        if not entry.over:
            self._publish(events.FileSaved, entry, media=file)

    async def saved(self, entry: Entry) -> None:
        """Every file is on disk, and the journal knows it."""
        self.ledger.move(entry, JobState.DONE)
        entry.saved_at = entry.saved_at or self.clock.wall()
        entry.error = None
        await self._write(entry)
        entry.result = result_of(entry)
        self._publish(events.Saved, entry, result=entry.result)
        self._end(entry)

    def refused(self, entry: Entry, error: DreaminaError) -> None:
        """The service said no to the submit, and for this job that is final."""
        self.ledger.move(entry, JobState.FAILED)
        self.give_up(entry, error)

    def failed(self, entry: Entry, error: DreaminaError) -> None:
        """The service says that the job failed."""
        self.ledger.move(entry, JobState.FAILED)
        self.give_up(entry, error)
        self._slot(entry)

    def withheld(self, entry: Entry, error: DreaminaError) -> None:
        """It had finished once, and the service no longer shows it; it is owed all the same."""
        self.ledger.move(entry, JobState.READY)
        self.give_up(entry, evolve(error, charged="yes"))
        self._slot(entry)

    def unknown(self, entry: Entry, error: DreaminaError) -> None:
        """Nothing can be learned now; held, and looked up at every resume."""
        self.ledger.move(entry, JobState.UNKNOWN)
        self.give_up(entry, error)
        self._slot(entry)

    def abandoned(self, entry: Entry, error: DreaminaError) -> None:
        """The user no longer wants to know."""
        self.ledger.move(entry, JobState.ABANDONED)
        if entry.over:  # it was held or given up, and whoever waited has heard why
            entry.error = error
            self._put(entry)
        else:
            self.give_up(entry, error)
            self._slot(entry)

    def give_up(self, entry: Entry, error: DreaminaError, *, keep: bool = True) -> None:
        """Nothing more happens to the job in this session; its state says what is owed.

        Args:
            entry: the job.
            error: what its waiters hear.
            keep: whether the journal keeps the error; not for a mere leave of the session,
                which says nothing of the job's price either.
        """
        if entry.over:
            return
        charged = error.charged if keep else entry.charged
        entry.error = evolve(error, charged=charged, job_id=entry.job_id)
        if keep:
            self._put(entry)
        self._publish(events.Failed, entry, state=entry.state, error=entry.error)
        self._end(entry)

    def downloading(self, entry: Entry, index: int, received: int, size: int | None) -> None:
        """Bytes of one file have arrived."""
        if not entry.over:
            self._publish(events.Downloading, entry, index=index, received=received, size=size)

    def waits(self, entry: Entry, reason: DreaminaError) -> None:
        """The submit waits for a slot or for better times."""
        self._publish(events.SubmitWaits, entry, reason=reason)

    # ---- waiting -----------------------------------------------------------------------

    async def by_history(self, history_id: str) -> Entry | None:
        """The job that this history id is known of, of this session or an earlier one.

        Raises:
            StorageError: the journal cannot be read.
        """
        known = self.ledger.by_history(history_id)
        if known is not None:
            return known
        earlier = await self.journal.get(history_id)
        # meanwhile another job of this session may have got it (S22)
        return self.ledger.by_history(history_id) or earlier

    async def until_accepted(self, entry: Entry) -> None:
        """Return when the submit's outcome is known."""
        if entry.state in (JobState.PLANNED, JobState.INTENT) and not entry.over:
            await _told(self._accepted, entry)

    async def until_over(self, entry: Entry) -> None:
        """Return when nothing more happens to the job in this session."""
        if not entry.over:
            await _told(self._over, entry)

    def statistics(self) -> Statistics:
        """A frozen snapshot."""
        return self.counters.snapshot(self.ledger.counts())

    # ---- inside ------------------------------------------------------------------------

    def _wake(self, waiters: Waiters, entry: Entry) -> None:
        for future in waiters.pop(entry, ()):
            if not future.done():
                future.set_result(None)

    def _end(self, entry: Entry) -> None:
        entry.over = True
        entry.sight = None
        self._wake(self._accepted, entry)
        self._wake(self._over, entry)

    def _slot(self, entry: Entry) -> None:
        for callback in self.on_slot:
            callback(entry)

    def _put(self, entry: Entry) -> "asyncio.Future[None]":
        return self.journal.put(entry, self.clock.wall())

    async def _write(self, entry: Entry) -> None:
        try:
            await settled(self._put(entry))
        except StorageError as error:
            self.stopped = error
            raise

    def _publish(self, kind: Callable[..., events.Event], entry: Entry, **facts: Any) -> None:
        self.hub.publish(kind(entry.job_id, self.clock.wall(), **facts))


async def _told(waiters: Waiters, entry: Entry) -> None:
    """Wait on a future of one's own: whoever leaves takes that along, and nobody else's."""
    future = asyncio.get_running_loop().create_future()
    waiters.setdefault(entry, []).append(future)
    try:
        await future
    finally:
        others = waiters.get(entry, [])
        if future in others:  # it was cancelled, and nobody was told
            others.remove(future)
