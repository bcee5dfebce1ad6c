"""Finished results, home and safe: the soonest expiry first, a few at once.

Each file goes to a part file in its job's folder, is checked while it is written, and gets
its name when it is complete and on the disk. A URL that is about to expire, or that the
host refuses, is signed anew by a status call. A file whose host cannot be reached waits for
it aside. When a job's last file stands, `job.json` is written and the journal told.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from itertools import count
from math import inf
from urllib.parse import urlsplit

from attrs import define, evolve, field

from dreamina_async._core.backoff import backoff_after
from dreamina_async._core.choice import Choice, falls_short
from dreamina_async._core.content import ContentFacts
from dreamina_async._core.embed import provenance
from dreamina_async._core.ledger import Entry
from dreamina_async._core.media import expires_at, file_name, mismatch, plan, refresh_margin
from dreamina_async._core.rows import job_document, result_of
from dreamina_async._runtime.clock import Clock
from dreamina_async._runtime.embedding import with_provenance
from dreamina_async._runtime.files import Files, PartFile
from dreamina_async._runtime.jobs import Jobs
from dreamina_async._runtime.log import extras, log
from dreamina_async._runtime.originals import Originals
from dreamina_async._runtime.pace import Pace
from dreamina_async._runtime.reach import Reach
from dreamina_async._runtime.sink import Part, Sink, Written
from dreamina_async._runtime.transfer import Refused, Transfer
from dreamina_async._runtime.transport import Transport, Untrusted
from dreamina_async.errors import (
    DownloadError,
    DreaminaError,
    IncompleteDownload,
    ProtocolError,
    RateLimited,
    ServiceUnavailable,
    StorageError,
    TransportError,
    UrlExpired,
)
from dreamina_async.models import JobReport, MediaFile, MediaItem
from dreamina_async.settings import DownloadPolicy, Settings

Refresh = Callable[[Entry], Awaitable[JobReport | None]]

_SERVICE = ""
"""What fresh URLs come from, among the places that may be out of reach."""


class _OutOfReach(Exception):
    """A file cannot be tried: nothing arrives where it is to come from."""

    def __init__(self, place: str, error: DreaminaError) -> None:
        super().__init__(place)
        self.place = place
        self.error = error


@define(eq=False)
class _Delivery:
    """One go at a job's files. The first that fails ends it; `resume` begins another."""

    entry: Entry
    left: int = 0
    ended: bool = False


@define(eq=False)
class _File:
    """One file on its way."""

    delivery: _Delivery
    index: int
    item: MediaItem
    received_at: float
    choice: Choice = field(factory=Choice)
    refreshes: int = 0
    attempt: int = 0
    tried: bool = False
    aside: bool = False
    """Whether it waits, or waited until now, for a host that could not be reached."""
    waits_since: float | None = None
    """Since when nothing arrives for it."""
    transfer: Transfer | None = None
    """What has come of it, while it waits aside."""
    doubted: str = ""
    """Digest of what came last and did not fit the record."""
    doubts: int = 0
    """How often just that has come."""

    @property
    def entry(self) -> Entry:
        return self.delivery.entry

    @property
    def url(self) -> str:
        return self.item.urls[self.choice.rendition]

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def expiry(self) -> float:
        return expires_at(self.url, self.received_at)


@define(eq=False)
class Downloader:
    """Owns the queue of files and the workers that empty it."""

    jobs: Jobs
    transport: Transport
    sink: Sink
    clock: Clock
    settings: Settings
    pace: Pace
    refresh: Refresh
    originals: Originals
    _queue: list[tuple[float, int, _File]] = field(factory=list)
    _serials: "count[int]" = field(factory=count)
    _ready: asyncio.Event = field(factory=asyncio.Event)
    _reach: Reach[_File] = field(init=False)
    _records_err: bool = False
    """Whether a record was found to misstate its file; the next ones are doubted less."""

    def __attrs_post_init__(self) -> None:
        self._reach = Reach(self.clock, self.settings.retrying)

    @property
    def policy(self) -> DownloadPolicy:
        return self.settings.downloading

    async def deliver(self, entry: Entry, items: tuple[MediaItem, ...]) -> None:
        """Queue what is missing of a finished job."""
        delivery = _Delivery(entry)
        try:
            await self.sink.clean_folder(self.jobs.folder(entry))
            items = await self.originals.of(items, entry.job_id)
            if entry.over:  # given up meanwhile
                return
            todo = plan(items, entry.saved)
            delivery.left = len(todo)
            now = self.clock.wall()
            for index, item in todo:
                self._push(_File(delivery, index, item, now))
            if not todo:
                await self._complete(entry)
        except DreaminaError as error:
            self._give_up(delivery, error)

    def _push(self, file: _File) -> None:
        heapq.heappush(self._queue, (file.expiry(), next(self._serials), file))
        self._ready.set()

    async def work(self) -> None:
        """One worker; run as many as files may come at once."""
        try:
            while True:
                file = await self._next()
                if file.entry.over or file.delivery.ended:
                    await self._drop(file)
                else:
                    await self._bring(file)
        finally:
            for file in (*self._reach.everybody(), *(file for _, _, file in self._queue)):
                await self._drop(file)

    async def _next(self) -> _File:
        while True:
            file = self._reach.due() or self._pop()
            if file is not None:
                return file
            self._ready.clear()
            until = self._reach.knock_at
            await self.clock.wait(self._ready, until if until < inf else None)

    def _pop(self) -> _File | None:
        """The soonest expiry first, past those whose host is out of reach."""
        while self._queue:
            _, _, file = heapq.heappop(self._queue)
            if not self._reach.is_out(file.host):
                return file
            self._wait(file)
            self._reach.put_aside(file.host, file)
        return None

    async def _drop(self, file: _File) -> None:
        transfer, file.transfer = file.transfer, None
        if transfer is not None:
            await transfer.discard()

    async def _bring(self, file: _File) -> None:
        try:
            media = await self._fetch(file)
            if media is not None:
                self.jobs.file_saved(file.entry, media)
            file.delivery.left -= 1
            if file.delivery.left == 0 and not file.entry.over:
                await self._complete(file.entry)
        except _OutOfReach as out:
            await self._set_aside(file, out)
        except DreaminaError as error:
            self._give_up(file.delivery, error)

    async def _set_aside(self, file: _File, out: _OutOfReach) -> None:
        """It uses up neither attempts nor fresh URLs while nothing arrives anywhere."""
        is_news = not self._reach.is_out(out.place)
        file.refreshes = 0
        self._wait(file)
        self._reach.failed(out.place, file, out.error)
        if is_news:
            self._tell_of_wait(file.entry.job_id, out.error)
        for one in self._reach.without(self._waited_too_long):
            await self._drop(one)
            self._give_up(one.delivery, self._as_download_error(one, out.error))
        self._ready.set()  # another worker may be free when it is time to knock

    def _tell_of_wait(self, job_id: str, error: DreaminaError) -> None:
        wait = max(0.0, self._reach.knock_at - self.clock.monotonic())
        about = extras(error, job_id=job_id, wait=wait)
        log.warning("job %s: %s; its files wait", job_id, error, extra=about)

    def _wait(self, file: _File) -> None:
        file.aside = True
        if file.waits_since is None:
            file.waits_since = self.clock.monotonic()

    def _waited_too_long(self, file: _File) -> bool:
        since = file.waits_since
        limit = self.settings.retrying.outage
        return since is not None and self.clock.monotonic() - since > limit

    def _reached(self, file: _File) -> None:
        file.waits_since = None
        self._release(file.host)

    def _release(self, place: str) -> None:
        for one in self._reach.back(place):
            one.waits_since = None
            self._push(one)

    async def _complete(self, entry: Entry) -> None:
        """All files stand: say so in the folder, then in the journal."""
        entry.saved_at = self.clock.wall()
        if entry.request is not None:
            entry.missing = max(0, entry.request.expected - len(entry.saved))
        path = self.jobs.folder(entry) / "job.json"
        document = job_document(result_of(entry))
        await self.sink.write_json(path, document, durable=self.policy.durable)
        if entry.over:  # given up while that was written
            return
        await self.jobs.saved(entry)

    def _give_up(self, delivery: _Delivery, error: DreaminaError) -> None:
        """The job stays READY: paid, finished, and owed by the next `resume`."""
        if delivery.ended:  # for another file's sake; perhaps it is brought anew by now
            return
        delivery.ended = True
        if isinstance(error, StorageError):
            self.jobs.stopped = error
        self.jobs.give_up(delivery.entry, evolve(error, charged="yes"))

    # ---- one file ----------------------------------------------------------------------

    async def _fetch(self, file: _File) -> MediaFile | None:
        transfer, file.transfer = file.transfer or self._transfer_of(file), None
        try:
            return await self._attempts(file, transfer)
        except _OutOfReach:
            file.transfer = transfer
            raise
        finally:
            if file.transfer is None:
                await transfer.discard()

    async def _attempts(self, file: _File, transfer: Transfer) -> MediaFile | None:
        while True:
            await self._renew_if_stale(file)
            await self._account(file)
            file.attempt += 1
            try:
                return await self._transfer(file, transfer)
            except (DownloadError, TransportError, Refused) as error:
                await self._overcome(file, error)

    async def _overcome(self, file: _File, error: DreaminaError | Refused) -> None:
        """Do what may make the next attempt a better one.

        Raises:
            DownloadError: there is nothing to be done.
        """
        if file.choice.searching:  # it was to be better than one that is there
            file.choice.settle()
            file.attempt -= 1
            return
        if isinstance(error, TransportError) and _never_arrived(error):
            file.attempt -= 1
            raise _OutOfReach(file.host, error)
        self._reached(file)
        if isinstance(error, Refused):
            await self._renew_refused(file, error)
            return
        if not isinstance(error, IncompleteDownload | TransportError):
            raise error
        if file.attempt >= self.policy.attempts:
            raise self._as_download_error(file, error) from error
        await self._back_off(file, error)
        if file.doubted and file.refreshes < self.policy.refreshes:
            await self._renew(file)  # another host may have the right one

    async def _account(self, file: _File) -> None:
        """A first attempt, or one after a wait; the others are accounted for by their backoff."""
        if not file.tried:
            self.pace.attempt(again=False)
        elif file.aside:
            await self.pace.before_retry(0.0)
        file.tried, file.aside = True, False

    async def _back_off(self, file: _File, error: DreaminaError) -> None:
        job_id = file.entry.job_id
        key = f"{job_id}:{file.index}"
        pause = backoff_after(error, key, file.attempt, self.settings.retrying)
        about = extras(error, job_id=job_id, wait=pause)
        log.info("job %s file %d: %s; trying again", job_id, file.index, error, extra=about)
        await self.pace.before_retry(pause)

    async def _renew_if_stale(self, file: _File) -> None:
        """Never start with a URL that may die on the way, or whose host was out of reach.

        A fresh one may name another host: they change with every query (protocol notes 8.2).
        """
        expiry = file.expiry()
        margin = refresh_margin(expiry, file.received_at, self.policy.expiry_margin)
        stale = expiry - self.clock.wall() < margin or (file.tried and file.aside)
        if stale and file.refreshes < self.policy.refreshes:
            await self._renew(file)

    async def _renew_refused(self, file: _File, refused: Refused) -> None:
        """A refused URL: sign it anew, then try the next rendition, then say so."""
        if file.refreshes < self.policy.refreshes:
            await self._renew(file)
        elif file.choice.rendition + 1 < len(file.item.urls):
            file.choice.rendition += 1
        else:
            raise UrlExpired(
                f"the media host refuses the URL with HTTP {refused.status}, fresh ones too",
                "yes",
                file.entry.job_id,
                self._path(file),
            )

    async def _renew(self, file: _File) -> None:
        file.refreshes += 1
        self.jobs.counters.refreshes += 1
        try:
            report = await self.refresh(file.entry)
        except ProtocolError as error:  # this look told nothing; the next one may
            job_id = file.entry.job_id
            about = extras(error, job_id=job_id)
            log.info("job %s: no fresh URL: %s", job_id, error, extra=about)
            return
        except (TransportError, RateLimited, ServiceUnavailable) as error:
            raise _OutOfReach(_SERVICE, error) from error
        self._release(_SERVICE)
        fresh = [one for one in report.items if one.uri == file.item.uri] if report else []
        if fresh:
            (file.item,) = await self.originals.of((fresh[0],), file.entry.job_id)
            file.choice.begin_anew()
            file.received_at = self.clock.wall()

    async def _transfer(self, file: _File, transfer: Transfer) -> MediaFile | None:
        """One attempt; None for a result that stands there under another name of its own."""
        written = await self._bring_best(file, transfer)
        assert transfer.part is not None
        if self.policy.embed:
            written = await self._with_provenance(file, transfer.part, written)
        if any(one.sha256 == written.sha256 for one in file.entry.saved):
            return None  # S2 shows no `image_uri`, so a later record may name it otherwise
        facts = written.facts
        final = transfer.path.parent / file_name(file.item, file.index, facts.extension)
        final = await transfer.part.publish(final, written.sha256)
        return MediaFile(
            path=final,
            kind=file.item.kind,
            index=file.index,
            width=facts.width,
            height=facts.height,
            format=facts.format,
            size=facts.size,
            sha256=written.sha256,
            duration_ms=facts.duration_ms,
            uri=file.item.uri,
            url=self.sink.url_of(final),
        )

    async def _with_provenance(self, file: _File, part: Part, written: Written) -> Written:
        assert isinstance(self.sink, Files), "the session has refused it otherwise"
        assert isinstance(part, PartFile)
        entry = file.entry
        facts = provenance(entry.request, entry.submit_id, entry.history_id)
        return await with_provenance(self.sink, part, written, file.item.kind, facts, entry.job_id)

    async def _bring_best(self, file: _File, transfer: Transfer) -> Written:
        while True:
            written = await transfer.bring(file.url)
            assert transfer.part is not None
            if not self._another_is_wanted(file, written.facts):
                await self._compare(file, written, transfer.part)
                self._flag(file, written.facts)
                return written
            await transfer.discard()

    def _transfer_of(self, file: _File) -> Transfer:
        counted = 0

        def news(received: int, size: int | None) -> None:
            nonlocal counted
            # less than before: it began anew
            self.jobs.counters.bytes += received - (counted if received >= counted else 0)
            counted = received
            self._reached(file)
            self.jobs.downloading(file.entry, file.index, received, size)

        name = file_name(file.item, file.index, str(next(self._serials)))
        path = self.jobs.folder(file.entry) / name
        return Transfer(
            self.transport, self.sink, self.clock, self.policy, path, file.item.kind, news
        )

    async def _compare(self, file: _File, written: Written, part: Part) -> None:
        """Hold a file against its record, whose figures are those of the first rendition.

        Raises:
            IncompleteDownload: they differ. When the very same whole file comes every time,
                also from freshly signed URLs, it is the record that errs, and the file is
                what was paid for.
        """
        if file.choice.rendition != 0:
            return
        md5 = await part.md5() if file.item.md5 else ""
        complaint = mismatch(file.item, written.facts.size, md5)
        if not complaint:
            return
        file.doubts = file.doubts + 1 if file.doubted == written.sha256 else 1
        file.doubted = written.sha256
        if file.doubts < (2 if self._records_err else self.policy.attempts):
            raise IncompleteDownload(complaint, "yes")
        self._records_err = True
        job_id = file.entry.job_id
        about = extras(job_id=job_id)
        log.warning("job %s file %d: %s; kept", job_id, file.index, complaint, extra=about)

    def _another_is_wanted(self, file: _File, facts: ContentFacts) -> bool:
        """A file smaller than its record says is taken only if there is none that is larger."""
        if not falls_short(file.item, facts.width, facts.height):
            return False
        pixels = (facts.width or 0) * (facts.height or 0)
        return file.choice.go_on(pixels, len(file.item.urls))

    def _flag(self, file: _File, facts: ContentFacts) -> None:
        """Its result tells the file's own figures; that they disappoint is told here."""
        if falls_short(file.item, facts.width, facts.height):
            log.warning(
                "job %s file %d: %sx%s pixels where the record says %sx%s; kept",
                file.entry.job_id,
                file.index,
                facts.width,
                facts.height,
                file.item.width,
                file.item.height,
                extra=extras(job_id=file.entry.job_id),
            )

    def _path(self, file: _File) -> str:
        path = self.jobs.folder(file.entry) / f"{file.item.kind}-{file.index}"
        return self.sink.url_of(path) or str(path)

    def _as_download_error(self, file: _File, error: DreaminaError) -> DownloadError:
        return IncompleteDownload(error.message, "yes", file.entry.job_id, self._path(file))


def _never_arrived(error: TransportError) -> bool:
    """Whether it says nothing of the file, and waiting may mend it."""
    return not (error.sent or isinstance(error, Untrusted))
