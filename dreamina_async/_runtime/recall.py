"""Jobs known from before: out of the journal, back into the ledger. Nothing is sent by this."""

from attrs import define, evolve

from dreamina_async._core.ledger import Entry
from dreamina_async._core.media import plan
from dreamina_async._core.rows import result_of
from dreamina_async._runtime.jobs import Jobs
from dreamina_async._runtime.journal import Journal
from dreamina_async._runtime.poller import Deliver, Poller, Spawn
from dreamina_async._runtime.proof import Proof
from dreamina_async._runtime.sink import Sink
from dreamina_async._runtime.submitter import first_sight
from dreamina_async.errors import DreaminaError, JobError
from dreamina_async.models import JobState


@define(eq=False)
class Recall:
    """Takes up what an earlier session, or somebody else, has begun."""

    jobs: Jobs
    journal: Journal
    sink: Sink
    proof: Proof
    poller: Poller
    spawn: Spawn
    deliver: Deliver

    async def owed(self) -> list[Entry]:
        """Every job that may still bring something, and is tracked from here on.

        That includes finished ones with files missing or damaged, those of which the service made
        fewer results than asked for, and those that this session had given up.

        Raises:
            StorageError: the journal cannot be read.
            SessionClosed: the session was closed meanwhile.
        """
        owed = await self.journal.owed()
        finished = await self.journal.finished()
        broken = await self._with_missing_files(finished)
        partial = [entry for entry in finished if entry.missing and entry not in broken]
        await self._with_missing_files(owed)
        if not broken:  # else the doubt lasts until they are fetched anew
            self.proof.given(finished)
        self.poller.check_open()
        taken_up = [self._adopt(entry, anew=True) for entry in owed + broken]
        return taken_up + [self._look_again(self._adopt(one, complete=True)) for one in partial]

    async def known(self, job_id: str) -> Entry | None:
        """A job of this session or of an earlier one.

        Raises:
            StorageError: the journal cannot be read.
            SessionClosed: the session was closed meanwhile.
        """
        entry = self.jobs.ledger.get(job_id)
        if entry is not None:
            return entry
        entry = await self.journal.get(job_id)
        if entry is None:
            self.poller.check_open()
            return self.jobs.ledger.get(job_id)
        complete = await self._is_complete(entry)
        self.poller.check_open()
        return self._adopt(entry, complete=complete)

    def again(self, entry: Entry) -> None:
        """What this session had given up, and is owed all the same, is tracked anew."""
        if entry.over and entry.state in (JobState.ACCEPTED, JobState.READY, JobState.UNKNOWN):
            entry.over = False
            self._take_up(entry, complete=False)

    async def settle(self, entry: Entry) -> None:
        """Merge what the journal knows of a job that was just attached, then track it."""
        try:
            known = await self.journal.get(entry.history_id or entry.job_id)
            if known is None and entry.submit_id:
                known = await self.journal.get(entry.submit_id)
            complete = known is not None and await self._is_complete(known)
        except DreaminaError as error:
            self.jobs.give_up(entry, error, keep=False)
            return
        if entry.error is not None:  # given up meanwhile
            return
        if known is None:
            self.jobs.remember(entry)
        else:
            here = self.jobs.ledger.get(known.job_id)
            if here is not None and here is not entry:
                await self.jobs.until_over(here)
                self.jobs.end_like(entry, here)
                return
            self.jobs.hub.rename(entry.job_id, known.job_id)
            self.jobs.ledger.take_over(entry, known)
        self._take_up(entry, complete=complete)
        if entry.over:
            self.jobs.announce_end(entry)

    def _look_again(self, entry: Entry) -> Entry:
        """A job that ended with fewer results than asked for: perhaps there are more by now."""
        if entry.over:  # else that is being done
            entry.over = False
            self.spawn(self._second_look, entry)
        return entry

    async def _second_look(self, entry: Entry) -> None:
        try:
            report = await self.poller.refresh(entry)
        except DreaminaError as error:  # on the disk it stays as it was
            if not entry.over:
                entry.result = None
                self.jobs.give_up(entry, _not_looked(entry, error), keep=False)
            return
        if entry.over:
            return
        more = plan(report.items, entry.saved) if report is not None else []
        if report is None or not more:
            self.jobs.announce_end(entry)
            return
        self.jobs.ledger.move(entry, JobState.ACCEPTED)
        missing = max(0, entry.missing - len(more))
        self.jobs.ready(entry, None, len(report.items), missing)
        self.deliver(entry, report.items)

    async def _is_complete(self, entry: Entry) -> bool:
        if entry.state is not JobState.DONE:
            return False
        return not await self._with_missing_files([entry])

    async def _with_missing_files(self, entries: list[Entry]) -> list[Entry]:
        """Those of which files are gone or damaged; of each, `saved` keeps what is there."""
        files = [(file, self.proof.doubts(entry)) for entry in entries for file in entry.saved]
        there = iter(await self.sink.are_whole(files))
        broken: list[Entry] = []
        for entry in entries:
            kept = tuple([file for file in entry.saved if next(there)])
            if len(kept) < len(entry.saved) or not entry.saved:
                entry.saved = kept
                broken.append(entry)
        return broken

    def _adopt(self, entry: Entry, *, complete: bool = False, anew: bool = False) -> Entry:
        """Take a job from the journal into this session; no await, so none comes twice."""
        here = self.jobs.ledger.get(entry.job_id)
        if here is not None:
            if anew and here.over and here.state is entry.state:
                here.over, here.result, here.saved = False, None, entry.saved
                self._take_up(here, complete=False)
            return here
        self.jobs.ledger.add(entry)
        self._take_up(entry, complete=complete)
        return entry

    def _take_up(self, entry: Entry, *, complete: bool) -> None:
        match entry.state:
            case JobState.PLANNED | JobState.FAILED | JobState.ABANDONED:
                entry.over = True
                entry.error = entry.error or JobError("the job was never sent", "no", entry.job_id)
                return
            case JobState.DONE if complete:
                entry.result, entry.over = result_of(entry), True
                return
            case JobState.UNKNOWN:
                # or the next opening of the journal would take it for one that never left
                entry.maybe_sent = True
                self.jobs.ledger.move(entry, JobState.INTENT)
            case JobState.READY | JobState.DONE:
                # its URLs were signed long ago: the next report brings fresh ones
                self.jobs.ledger.move(entry, JobState.ACCEPTED)
            case _:
                pass
        entry.error = None
        self.poller.track(entry, first_sight(entry, self.jobs.clock), at_once=True)


def _not_looked(entry: Entry, error: DreaminaError) -> DreaminaError:
    files = len(entry.saved)
    message = f"its {files} files are there, but the missing one cannot be looked for: "
    return evolve(error, message=message + error.message, charged="yes")
