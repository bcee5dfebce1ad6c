"""DreaminaSession: what a user calls, and the life of everything behind it."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from copy import copy
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid5
from weakref import WeakSet, WeakValueDictionary

from attrs import evolve

from dreamina_async._core.config import (
    decode_image_config,
    decode_video_config,
    encode_image_config,
    encode_video_config,
)
from dreamina_async._core.destination import Destination
from dreamina_async._core.encode import IdKind, check_region
from dreamina_async._core.ledger import Entry
from dreamina_async._core.owner import account_mark
from dreamina_async._core.profile import Caller, caller_for
from dreamina_async._runtime.account import Account, CreditHistory
from dreamina_async._runtime.destinations import destination_of
from dreamina_async._runtime.files import Files
from dreamina_async._runtime.finishing import (
    carried,
    gathered,
    outlast,
    require_timeout,
    settled,
    to_completion,
)
from dreamina_async._runtime.hub import Subscription
from dreamina_async._runtime.journal import Journal, read_records
from dreamina_async._runtime.parts import Doors, Parts, put_together
from dreamina_async._runtime.sink import Sink
from dreamina_async._runtime.submitter import first_sight
from dreamina_async.catalogue import ImageModel, VideoModel
from dreamina_async.credentials import Credentials, Region
from dreamina_async.credits import Credits, DailyGrant, EntryKind
from dreamina_async.errors import (
    BudgetReached,
    DreaminaError,
    InvalidRequest,
    JobError,
    JobTimeout,
    SessionClosed,
)
from dreamina_async.export import ExportFormat, export_journal
from dreamina_async.gate import Gate, OpenGate
from dreamina_async.images import ImageRef, ImageSource, image_of
from dreamina_async.job import Job
from dreamina_async.models import (
    JobRecord,
    JobReport,
    JobResult,
    JobState,
    Statistics,
    canonical_submit_id,
    check_history_id,
)
from dreamina_async.proxies import Proxy
from dreamina_async.quotes import Quote, quote
from dreamina_async.requests import ImageRequest, Request, Submission, VideoRequest, same_job
from dreamina_async.run import Budget, Requests, Run
from dreamina_async.settings import Settings

_DEFAULT_OUTPUT_DIR = "dreamina-out"


class DreaminaSession:
    """One account's work in one output folder, on one event loop.

    Use it as an async context manager. It owns its tasks, connections and journal; leaving
    it lets submits under way come home (at most `settings.close_timeout` seconds), and
    leaves every other job in the journal for `resume`.

    Args:
        credentials: whose account; None reads `DREAMINA_SESSIONID` and `DREAMINA_REGION`.
        region: the account's region, if the credentials do not say.
        base_url: one URL for every API host, paths unchanged; None reads
            `DREAMINA_BASE_URL`. Plain http is for loopback addresses only.
        output_dir: where files and journal go: a folder, or an object store's URL such as
            `s3://bucket/prefix` (extra `[objectstore]`); None reads `DREAMINA_OUTPUT_DIR`, then
            takes `dreamina-out`.
        journal_dir: the local folder for the journal of an object store; None takes the one
            that `journal_folder` names.
        settings: how to behave.
        gate: whom to ask before anything is sent, where sessions share an account.

    Raises:
        InvalidRequest: a value that cannot be right.
        AuthenticationError: there are no credentials.
    """

    _doors = Doors()

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        region: Region | str | None = None,
        base_url: str | None = None,
        output_dir: str | os.PathLike[str] | None = None,
        journal_dir: str | os.PathLike[str] | None = None,
        settings: Settings | None = None,
        gate: Gate | None = None,
    ) -> None:
        login = credentials if credentials is not None else Credentials.from_env()
        _require_kind("credentials", login, Credentials)
        base = base_url or os.environ.get("DREAMINA_BASE_URL") or None
        folder = output_dir or os.environ.get("DREAMINA_OUTPUT_DIR") or _DEFAULT_OUTPUT_DIR
        rules = settings if settings is not None else Settings()
        _require_kind("settings", rules, Settings)
        self._gate = gate or OpenGate()
        self._settings = evolve(rules, proxy=rules.proxy or Proxy.from_env())
        self._caller: Caller = caller_for(login.in_region(region), base, self._settings.dialect)
        self._destination = destination_of(folder, journal_dir)
        _check_embedding(self._destination, rules)
        self._parts: Parts | None = None
        self._closed = False
        self._handles: WeakValueDictionary[str, Job] = WeakValueDictionary()
        self._runs: WeakSet[Run] = WeakSet()
        self._closing: asyncio.Future[None] | None = None
        self._within_group: Callable[[], bool] = lambda: False
        self._crash: SessionClosed | None = None

    # ---- life --------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Open the journal and start the work.

        Raises:
            StorageError: the folder cannot be written, or its journal not be opened.
            JournalLocked: another process works in this folder.
            AccountMismatch: the jobs of this folder belong to another account.
            SessionClosed: the session was entered before.
            DreaminaError: the login is a new one, and the service does not say whose it is.
        """
        _require_asyncio()
        if self._parts is not None or self._closed:
            raise SessionClosed("a session is entered once; make a new one")
        try:
            await to_completion(self._open())
        except DreaminaError:  # nothing was opened
            raise
        except BaseException:  # nobody will leave what was opened all the same
            await self.aclose()
            raise
        try:
            await self._begin(self._require_open())
        except BaseException:  # nobody will leave what was opened all the same
            await self.aclose()
            raise
        return self

    async def _open(self) -> None:
        files = Files(disk=self._doors.disk())
        try:
            sink = self._sink(files)
            await files.prepare_folder(self._destination.folder)
            journal = await Journal.open(
                self._destination.folder,
                region=self._caller.site.loc,
                url=self._destination.url,
                writer=self._doors.writer(),
                boot=self._doors.boot,
            )
        except BaseException:
            files.close()
            raise
        try:
            self._parts = put_together(
                files,
                sink,
                journal,
                self._caller,
                self._settings,
                self._doors,
                spawn=self._spawn,
                on_crash=self._crashed,
                on_refused=self._lost_login,
                gate=self._gate,
            )
        except BaseException:
            await journal.aclose()
            files.close()
            raise
        await self._parts.supervisor.start()

    def _sink(self, files: Files) -> Sink:
        url = self._destination.url
        return files if url is None else self._doors.store(files, url, self._settings)

    async def _begin(self, parts: Parts) -> None:
        """The work, if it is this account's; nothing else is asked or sent before that is known."""
        if self._destination.url is not None:
            await parts.downloader.sink.prepare_folder(self._destination.root)
        await parts.owner.check(ask=self._settings.check_account)
        await parts.proof.begin()
        parts.supervisor.spawn(parts.poller.run, parts.supervisor.spawn)
        for _ in range(self._settings.downloading.parallel):
            parts.supervisor.spawn(parts.downloader.work)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop waiting, not the jobs; what is owed stays in the journal. Twice is fine.

        Called by an iterator of requests that the session itself draws from (`run`), it ends
        that iterator, too, as a cancellation does.

        Raises:
            SessionClosed: this is not the session's event loop.
        """
        parts = self._parts
        if parts is not None:
            parts.jobs.home.check()
            self._parts = None
            self._within_group = parts.supervisor.owns_caller
            self._closing = carried(self._close(parts))
        self._closed = True
        if self._closing is None:
            return
        if self._within_group():  # then it waits for the end of whoever calls this
            await settled(self._closing)
        else:  # the second caller, too, finds it closed
            await outlast(self._closing)

    async def _close(self, parts: Parts) -> None:
        closed = SessionClosed("the session was closed before the job ended; `resume` goes on")
        parts.jobs.stopped = closed
        parts.uploader.close(closed)
        for entry in parts.jobs.ledger.entries():
            parts.submitter.withdraw(entry, closed)
        # a loop that is torn down cancels this task, too: then it closes without grace
        with suppress(asyncio.CancelledError):
            await parts.supervisor.stop(self._settings.close_timeout)
        self._end_for_good(parts, closed)
        parts.jobs.hub.close()
        with suppress(asyncio.CancelledError):
            await to_completion(_let_go(parts))

    def _end_for_good(self, parts: Parts, error: DreaminaError) -> None:
        parts.uploader.close(error)
        parts.poller.close(error)
        self._end_all(parts, error)
        for run in tuple(self._runs):
            run.end(error)

    def _end_all(self, parts: Parts, error: DreaminaError) -> None:
        """Every waiter hears why; the journal keeps what is owed as it stands."""
        parts.poller.hang_up(error)
        for entry in parts.jobs.ledger.entries():
            parts.jobs.give_up(entry, error, keep=False)
        parts.submitter.stir()

    def _crashed(self, error: BaseException) -> None:
        parts = self._parts
        if parts is not None:
            ended = SessionClosed(f"the session ended because {_words_for(error)}")
            parts.jobs.stopped = self._crash = ended
            self._end_for_good(parts, ended)

    def _lost_login(self, error: DreaminaError) -> None:
        parts = self._parts
        if parts is not None:  # else it is being closed, and everybody will hear of that
            parts.jobs.stopped = error
            self._end_all(parts, error)

    def _require_open(self) -> Parts:
        if self._parts is None:
            raise SessionClosed("the session is not open; use it inside `async with`")
        self._parts.jobs.home.check()
        if self._crash is not None:
            raise copy(self._crash)
        return self._parts

    @property
    def output_dir(self) -> Path:
        """Where files and journal stand; only the journal if the files go to an object store."""
        return self._destination.folder

    @property
    def output_url(self) -> str | None:
        """The object store that the files go to; None if they go to `output_dir`."""
        return self._destination.url

    def __repr__(self) -> str:
        state = "open" if self._parts else "closed"
        where = self._destination.url or str(self._destination.folder)
        return f"<DreaminaSession {state} {self._caller.credentials!r} {where!r}>"

    # ---- submitting --------------------------------------------------------------------

    async def submit(
        self, request: Request, *, submit_id: str | None = None, perhaps_sent: bool = False
    ) -> Job:
        """Bring one job to the service; returns when it has accepted it.

        A lost reply is looked up, never answered by a second submit. Cancelled before
        anything was sent, nothing is sent; afterwards the job goes on without its waiter.

        Args:
            request: what to make.
            submit_id: the job's UUID, if you want to know it beforehand. The same one again
                returns the job already known, also after a crash, and is never charged twice.
            perhaps_sent: somebody else may have sent this id, and nobody knows whether it
                arrived: it is looked up first, and sent only as `RetryPolicy.unanswered` says.

        Raises:
            InvalidRequest: the region lacks the model, or the id belongs to another request.
            ApiError: the service refused; `charged` says whether it cost anything.
            JobLost: no reply came and the service shows no trace of the job.
            TransportError: the service cannot be reached; nothing was sent.
            StorageError: the journal cannot be written, or there may be no room for the files;
                nothing was sent.
            SessionClosed: the session is not open.
        """
        parts = self._require_open()
        entry, was_over = await self._launch(parts, request, submit_id, doubtful=perhaps_sent)
        entry.waiters += 1
        try:
            await parts.jobs.until_accepted(entry)
        except asyncio.CancelledError:
            if entry.waiters == 1:
                parts.submitter.withdraw(entry, _withdrawn())
            raise
        finally:
            entry.waiters -= 1
        if entry.over and entry.error is not None and not was_over:
            raise copy(entry.error)
        return self._job(parts, entry)

    async def generate(self, request: Request, *, timeout: float | None = None) -> JobResult:
        """Submit one job and wait for its files: what a web handler awaits.

        Args:
            request: what to make.
            timeout: seconds for all of it; None waits as long as the session lasts.

        Raises:
            JobTimeout: the time is up; the job stays tracked, and `resume` finds it.
            DreaminaError: whatever `submit` and `Job.result` raise.
        """
        ledger = self._require_open().jobs.ledger
        require_timeout(timeout)
        submit_id = str(self._doors.new_id())
        try:
            async with asyncio.timeout(timeout):
                job = await self.submit(request, submit_id=submit_id)
                return await job
        except TimeoutError as error:
            if isinstance(error, DreaminaError):
                raise
        return _in_the_last_moment(ledger.get(submit_id), submit_id, timeout)

    def run(
        self,
        requests: Requests,
        *,
        max_in_flight: int | None = None,
        max_credits: int | None = None,
    ) -> Run:
        """Submit many requests and yield their jobs as they end, failed ones too.

        Args:
            requests: any iterable or async iterable of requests (or `Submission`s, for ids of
                your own); drawn lazily.
            max_in_flight: jobs between submit and your hands; None takes the settings'.
            max_credits: submit nothing that would bring the expected cost of this run's new
                jobs above it (see `quote`); the iteration then ends with `BudgetReached`.
                Jobs already known from the journal cost nothing again and count nothing.

        Raises:
            InvalidRequest: `max_in_flight` or `max_credits` is not a whole number from 1 up.
        """
        parts = self._require_open()
        limit = self._settings.max_in_flight if max_in_flight is None else max_in_flight
        _require_count("max_in_flight", limit)
        if max_credits is not None:
            _require_count("max_credits", max_credits)
        run = Run(
            requests, limit, self._launch_one, self._spawn, Budget(max_credits), parts.jobs.home
        )
        self._runs.add(run)
        return run

    def _spawn(self, function: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        self._require_open().supervisor.spawn(function, *arguments)

    def quote(self, requests: Iterable[Request | Submission]) -> Quote:
        """What requests are expected to cost, from the catalogue; nothing is sent.

        Prices are those that were once measured; an account may pay less, or more. Where
        nobody measured one it is left out of the sum and counted as `unpriced`.
        """
        return quote(one.request if isinstance(one, Submission) else one for one in requests)

    def submit_id_for(self, key: str) -> str:
        """The submit id that this output folder gives to a key of your own.

        Use it to make a job idempotent: the same key in the same folder is the same job, in
        every run of your program.
        """
        return str(uuid5(UUID(self._require_open().journal.journal_id), key))

    async def _launch_one(self, one: Request | Submission, budget: Budget) -> Job:
        parts = self._require_open()
        request, submit_id = (
            (one.request, one.submit_id) if isinstance(one, Submission) else (one, None)
        )
        try:
            entry = await self._launch_within(parts, request, submit_id, budget)
        except InvalidRequest as error:
            if not isinstance(request, ImageRequest | VideoRequest):
                raise
            entry = self._new_entry(parts, request, str(self._doors.new_id()))
            parts.jobs.give_up(entry, error, keep=False)
        entry.waiters += 1  # a run stays: nobody else's cancellation takes its job back
        return self._job(parts, entry)

    async def _launch_within(
        self, parts: Parts, request: Request, submit_id: str | None, budget: Budget
    ) -> Entry:
        """What runs may turn out to cost nothing, so the budget's last word waits for it."""
        while True:
            try:
                return (await self._launch(parts, request, submit_id, budget))[0]
            except BudgetReached:
                if not await budget.more():
                    raise

    async def _launch(
        self,
        parts: Parts,
        request: Request,
        submit_id: str | None,
        budget: Budget | None = None,
        *,
        doubtful: bool = False,
    ) -> tuple[Entry, bool]:
        """The job's entry, on its way; and whether it had ended before."""
        if not isinstance(request, ImageRequest | VideoRequest):
            raise InvalidRequest(f"{request!r} is not a request", field="request")
        check_region(request, self._caller)
        if submit_id is not None:
            submit_id = canonical_submit_id(submit_id)
            entry = await parts.recall.known(submit_id)
            if entry is not None:
                _check_same(entry, request)
                if entry.request is not None and not entry.over:
                    entry.request = request  # should it be sent again: it has the images' bytes
                if doubtful and entry.state in (JobState.PLANNED, JobState.UNKNOWN):
                    self._look_for(parts, entry)
                return entry, entry.over and not self._revive(parts, entry, request, budget)
        if doubtful and submit_id is not None:
            entry = self._new_entry(parts, request, submit_id)
            self._look_for(parts, entry)
            return entry, False
        parts.submitter.check_open()
        submit_id = submit_id or str(self._doors.new_id())
        if budget is not None:
            budget.take(submit_id, request)
        entry = self._new_entry(parts, request, submit_id)
        parts.supervisor.spawn_errand(parts.submitter.submit, entry)
        return entry, False

    def _new_entry(self, parts: Parts, request: Request, submit_id: str) -> Entry:
        now = parts.jobs.clock.wall()
        entry = Entry(
            submit_id, request.kind, JobState.PLANNED, now, request=request, submit_id=submit_id
        )
        parts.jobs.ledger.add(entry)
        return entry

    def _look_for(self, parts: Parts, entry: Entry) -> None:
        """Somebody else may have sent it, up to this moment."""
        entry.over, entry.error, entry.maybe_sent = False, None, True
        entry.sent_at = parts.jobs.clock.wall()
        parts.jobs.ledger.move(entry, JobState.INTENT)
        parts.jobs.remember(entry)
        parts.poller.track(entry, first_sight(entry, parts.jobs.clock), at_once=True)

    def _revive(self, parts: Parts, entry: Entry, request: Request, budget: Budget | None) -> bool:
        """A known job that was never sent, or refused unpaid, is sent now."""
        if entry.state is not JobState.PLANNED:
            return False
        parts.submitter.check_open()
        if budget is not None:
            budget.take(entry.job_id, request)
        entry.over, entry.error, entry.request = False, None, request  # it has the images' bytes
        parts.supervisor.spawn_errand(parts.submitter.submit, entry)
        return True

    # ---- jobs known from before --------------------------------------------------------

    async def resume(self) -> list[Job]:
        """Pick up everything the journal still owes; nothing is ever submitted by this.

        That is: submits without a known outcome, pending jobs, and finished ones with files
        missing. The jobs are tracked from here on, also those that this session had given
        up; await them for their files.
        """
        parts = self._require_open()
        return [self._job(parts, entry) for entry in await parts.recall.owed()]

    async def find(self, job_id: str) -> Job | None:
        """The job of this output folder that has this id, from whichever run; None if none has.

        Nothing is sent for it. A job that an earlier run left pending is tracked from here on,
        as after `resume`.

        Raises:
            StorageError: the journal cannot be read.
            SessionClosed: the session is not open.
        """
        parts = self._require_open()
        entry = await parts.recall.known(job_id)
        return None if entry is None else self._job(parts, entry)

    def attach(
        self,
        *,
        submit_id: str | None = None,
        history_id: str | None = None,
        request: Request | None = None,
    ) -> Job:
        """Track a job that was submitted elsewhere; its files are fetched like any other's.

        One that this session had given up is tracked anew.

        Args:
            submit_id: its client-made UUID.
            history_id: the service's id; one of the two is enough.
            request: what was asked for, if you know it: it says how many files to expect.

        Raises:
            InvalidRequest: neither id is given, or one is not an id.
        """
        parts = self._require_open()
        if submit_id is None and history_id is None:
            raise InvalidRequest("give a submit id or a history id", field="submit_id")
        submit_id = canonical_submit_id(submit_id) if submit_id is not None else None
        history_id = check_history_id(history_id) if history_id is not None else None
        job_id = submit_id or f"history-{history_id}"
        entry = parts.jobs.ledger.get(job_id)
        if entry is None and history_id is not None:
            entry = parts.jobs.ledger.by_history(history_id)
        if entry is None:
            entry = Entry(
                job_id,
                request.kind if request else "image",
                JobState.ACCEPTED,
                parts.jobs.clock.wall(),
                request=request,
                submit_id=submit_id,
                history_id=history_id,
            )
            parts.jobs.ledger.add(entry)
            parts.supervisor.spawn(parts.recall.settle, entry)
        else:
            parts.recall.again(entry)
        return self._job(parts, entry)

    def _job(self, parts: Parts, entry: Entry) -> Job:
        job = self._handles.get(entry.job_id)
        if job is None:
            job = self._handles[entry.job_id] = Job(entry, parts.jobs, parts.poller)
        return job

    # ---- looking -----------------------------------------------------------------------

    async def status(self, ids: Iterable[str]) -> dict[str, JobReport]:
        """Look once at any number of ids, ten a call, under the session's own ceiling.

        Args:
            ids: submit ids (UUIDs) and history ids, mixed as you like.

        Returns:
            A report for each id that the service knows; the others are left out.

        Raises:
            InvalidRequest: one of them is not an id, or they are no list.
            DreaminaError: a call failed.
        """
        poller = self._require_open().poller
        if isinstance(ids, str):  # else each of its letters would be asked for
            raise InvalidRequest("status takes a list of ids, also of one", field="ids")
        asked: dict[str, IdKind] = {one: _kind_of(one) for one in ids}
        reports = await gathered(poller.look(one, kind) for one, kind in asked.items())
        found = zip(asked, reports, strict=True)
        return {one: report for one, report in found if report is not None}

    def events(self) -> Subscription:
        """What happens to all jobs, from now on, until the session is closed."""
        return self._require_open().jobs.hub.subscribe()

    def statistics(self) -> Statistics:
        """A frozen snapshot of the session's counters."""
        return self._require_open().jobs.statistics()

    async def export(
        self,
        path: str | os.PathLike[str],
        format: ExportFormat | None = None,  # noqa: A002 - what it is called everywhere
    ) -> int:
        """Write all jobs of the output folder to a file, one row for each media file.

        Args:
            path: the file; it appears when it is whole, and replaces an older one.
            format: `jsonl`, or `parquet` with pyarrow installed; None goes by the path's ending.

        Returns:
            How many rows it has.

        Raises:
            InvalidRequest: there is no such format, or pyarrow is missing.
            StorageError: the journal cannot be read, or the file not be written.
        """
        await self._require_open().journal.facts()  # whatever is queued before is written by then
        return await export_journal(self._destination.folder, path, format)

    async def drain(self) -> None:
        """Wait until every job of this session has ended, one way or another."""
        parts = self._require_open()
        for entry in parts.jobs.ledger.entries():
            await parts.jobs.until_over(entry)

    async def upload(self, source: ImageSource) -> ImageRef:
        """Bring an image to the service, for any number of requests; it costs nothing.

        Requests upload their images by themselves; this is for knowing beforehand that it
        works. The same content is sent once in a session.

        Args:
            source: a path, bytes, or a file object opened in binary mode.

        Raises:
            InvalidRequest: it is no image, or cannot be read.
            DreaminaError: the service does not take it, or cannot be reached.
        """
        return await self._require_open().uploader.upload(image_of(source, "source"), "source")

    async def models(self) -> tuple[ImageModel | VideoModel, ...]:
        """What the service offers this account now, by its own tables (`get_common_config`).

        A model of the package's catalogue keeps its name and prices there; any other one is
        named `key:...`, which is how a request asks for it.

        Raises:
            DreaminaError: a call failed.
        """
        questions = self._require_open().questions
        images = await questions.ask(encode_image_config, decode_image_config)
        videos = await questions.ask(encode_video_config, decode_video_config)
        return (*images, *videos)

    async def account(self, salt: str) -> str | None:
        """A mark of the account that the login is, to tell one account from another by.

        Args:
            salt: the same salt gives the same account the same mark, with whichever login; from
                the mark alone nothing can be learned of the account.

        Returns:
            None if the service does not say whose login it is.

        Raises:
            DreaminaError: the call failed.
        """
        uid = await self._require_open().owner.ask()
        return None if uid is None else account_mark(uid, salt)

    # ---- credit ------------------------------------------------------------------------

    def _account(self) -> Account:
        return Account(self._require_open().questions)

    async def credits(self) -> Credits:
        """The account's balance; asked now and never by itself, so do not poll it either.

        Raises:
            DreaminaError: the call failed.
        """
        return await self._account().credits()

    def credit_history(self, *, kind: EntryKind | None = None) -> CreditHistory:
        """The rows of the account's ledger, the newest first, read page by page as you go.

        Args:
            kind: `income` or `consumption`; None takes both.

        Raises:
            InvalidRequest: there is no such kind.
        """
        return self._account().history(kind)

    async def charges(
        self, submit_ids: Iterable[str], *, since: datetime | None = None
    ) -> dict[str, int]:
        """What jobs have cost so far, by the ledger: what was taken less what came back.

        Args:
            submit_ids: the jobs.
            since: do not read back beyond this instant, such as the first job's submit; None
                reads on until every job is found.

        Returns:
            Credits by submit id. Settlement is delayed: a job without a row is left out.

        Raises:
            InvalidRequest: one of them is not a submit id, or `since` has no time zone.
            DreaminaError: a call failed.
        """
        return await self._account().charges(submit_ids, since)

    async def receive_daily_credit(self) -> DailyGrant:
        """Take the free credits of today; sent only by this call, and never twice for one.

        Raises:
            DreaminaError: the call failed; after a `TransportError` or `ProtocolError` the
                grant may have been given all the same: look at the balance.
        """
        return await self._account().receive()


async def journal_jobs(output_dir: str | os.PathLike[str]) -> list[JobRecord]:
    """List the jobs of an output folder, oldest first, without a session.

    Reads only; no network, no lock: it works while another process is at it.

    Args:
        output_dir: the folder; or an object store's URL, or else the folder of its journal.

    Raises:
        StorageError: there is no journal, or it cannot be read.
    """
    return await asyncio.to_thread(read_records, destination_of(output_dir).folder)


def journal_folder(output_dir: str | os.PathLike[str]) -> Path:
    """The local folder that holds an output folder's journal, if none other was chosen.

    That is the output folder itself. For an object store's URL it is a folder named after the
    URL in `$XDG_STATE_HOME/dreamina-async`, or `~/.local/state/dreamina-async` without that.
    """
    return destination_of(output_dir).folder


async def _let_go(parts: Parts) -> None:
    try:
        await parts.transport.aclose()
    finally:
        try:
            parts.proof.end()
            await parts.journal.aclose()
        finally:
            parts.files.close()


def _check_embedding(destination: Destination, settings: Settings) -> None:
    if destination.url is not None and settings.downloading.embed:
        raise InvalidRequest(
            "embed needs a folder on the disk: a file that streams to an object store cannot be "
            "rewritten",
            field="embed",
        )


def _words_for(crash: BaseException) -> str:
    if isinstance(crash, asyncio.CancelledError):
        return "its tasks were cancelled from outside"
    return f"of an internal error: {crash!r}"


def _in_the_last_moment(entry: Entry | None, submit_id: str, timeout: float | None) -> JobResult:
    """What `generate` has when its time is up: perhaps the job ended in the same instant.

    Raises:
        JobTimeout: it did not.
        DreaminaError: it did, without a result.
    """
    if entry is None or entry.state is JobState.PLANNED:
        raise JobTimeout(f"the job was not yet sent after {timeout} s", "no", submit_id)
    if entry.result is not None:
        return entry.result
    if entry.over and entry.error is not None:
        raise copy(entry.error)
    raise JobTimeout(
        f"the job is still {entry.state} after {timeout} s; it goes on, and `resume` finds it",
        entry.state.charged,
        submit_id,
    )


def _kind_of(id_: str) -> IdKind:
    try:
        canonical_submit_id(id_)
    except InvalidRequest:
        check_history_id(id_)
        return "history"
    return "submit"


def _check_same(entry: Entry, request: Request) -> None:
    if entry.request is not None and not same_job(entry.request, request):
        raise InvalidRequest(
            f"submit id {entry.submit_id} belongs to another request", field="submit_id"
        )


def _require_kind(name: str, value: object, kind: type) -> None:
    """What it is instead may be a secret, and is not told."""
    if not isinstance(value, kind):
        raise InvalidRequest(f"{name} takes {kind.__name__} only", field=name)


def _require_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidRequest(f"{name} {value!r} is not a whole number from 1 up", field=name)


def _withdrawn() -> JobError:
    return JobError("the job was cancelled before it was sent", "no")


def _require_asyncio() -> None:
    """aiohttp, and so this package, runs on asyncio only.

    Raises:
        SessionClosed: another event loop runs here.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise SessionClosed("a session needs asyncio; trio is not supported") from None
