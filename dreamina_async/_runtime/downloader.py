"""Finished results, home and safe: the soonest expiry first, a few at once.

Each file goes to a part file in its job's folder, is checked while it is written, and gets
its name when it is complete and on the disk. A URL that is about to expire, or that the
host refuses, is signed anew by a status call. When a job's last file stands, `job.json` is
written and the journal told.
"""

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable
from itertools import count

from attrs import define, evolve, field

from dreamina_async._core.backoff import backoff_after
from dreamina_async._core.ledger import Entry
from dreamina_async._core.media import expires_at, file_name, mismatch, plan, refresh_margin
from dreamina_async._core.rows import job_document, result_of
from dreamina_async._runtime.clock import Clock
from dreamina_async._runtime.files import Files, PartFile, Written
from dreamina_async._runtime.jobs import Jobs
from dreamina_async._runtime.originals import Originals
from dreamina_async._runtime.pace import Pace
from dreamina_async._runtime.transfer import Refused, Transfer
from dreamina_async._runtime.transport import Transport
from dreamina_async.errors import (
    DownloadError,
    DreaminaError,
    IncompleteDownload,
    ProtocolError,
    StorageError,
    TransportError,
    UrlExpired,
)
from dreamina_async.models import JobReport, MediaFile, MediaItem
from dreamina_async.settings import DownloadPolicy, Settings

_log = logging.getLogger("dreamina_async")

Refresh = Callable[[Entry], Awaitable[JobReport | None]]


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
    rendition: int = 0
    refreshes: int = 0
    attempt: int = 0
    doubted: str = ""
    """Digest of what came last and did not fit the record."""
    doubts: int = 0
    """How often just that has come."""

    @property
    def entry(self) -> Entry:
        return self.delivery.entry

    @property
    def url(self) -> str:
        return self.item.urls[self.rendition]

    def expiry(self) -> float:
        return expires_at(self.url, self.received_at)


@define(eq=False)
class Downloader:
    """Owns the queue of files and the workers that empty it."""

    jobs: Jobs
    transport: Transport
    files: Files
    clock: Clock
    settings: Settings
    pace: Pace
    refresh: Refresh
    originals: Originals
    _queue: list[tuple[float, int, _File]] = field(factory=list)
    _serials: "count[int]" = field(factory=count)
    _ready: asyncio.Event = field(factory=asyncio.Event)
    _records_err: bool = False
    """Whether a record was found to misstate its file; the next ones are doubted less."""

    @property
    def policy(self) -> DownloadPolicy:
        return self.settings.downloading

    async def deliver(self, entry: Entry, items: tuple[MediaItem, ...]) -> None:
        """Queue what is missing of a finished job."""
        delivery = _Delivery(entry)
        try:
            await self.files.clean_folder(self.jobs.folder(entry))
            items = await self.originals.of(items)
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
        while True:
            while not self._queue:
                self._ready.clear()
                await self._ready.wait()
            _, _, file = heapq.heappop(self._queue)
            if not file.entry.over and not file.delivery.ended:
                await self._bring(file)

    async def _bring(self, file: _File) -> None:
        try:
            media = await self._fetch(file)
            if media is not None:
                self.jobs.file_saved(file.entry, media)
            file.delivery.left -= 1
            if file.delivery.left == 0 and not file.entry.over:
                await self._complete(file.entry)
        except DreaminaError as error:
            self._give_up(file.delivery, error)

    async def _complete(self, entry: Entry) -> None:
        """All files stand: say so in the folder, then in the journal."""
        entry.saved_at = self.clock.wall()
        if entry.request is not None:
            entry.missing = max(0, entry.request.expected - len(entry.saved))
        path = self.jobs.folder(entry) / "job.json"
        document = job_document(result_of(entry))
        await self.files.write_json(path, document, durable=self.policy.durable)
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
        transfer = self._transfer_of(file)
        try:
            return await self._attempts(file, transfer)
        finally:
            await transfer.discard()

    async def _attempts(self, file: _File, transfer: Transfer) -> MediaFile | None:
        while True:
            await self._renew_if_stale(file)
            file.attempt += 1
            if file.attempt == 1:
                self.pace.attempt(again=False)
            try:
                return await self._transfer(file, transfer)
            except (IncompleteDownload, TransportError) as error:
                if file.attempt >= self.policy.attempts:
                    raise self._as_download_error(file, error) from error
                await self._back_off(file, error)
                if file.doubted and file.refreshes < self.policy.refreshes:
                    await self._renew(file)  # another host may have the right one
            except Refused as refused:
                await self._renew_refused(file, refused)

    async def _back_off(self, file: _File, error: DreaminaError) -> None:
        _log.info("job %s file %d: %s; trying again", file.entry.job_id, file.index, error)
        key = f"{file.entry.job_id}:{file.index}"
        pause = backoff_after(error, key, file.attempt, self.settings.retrying)
        await self.pace.before_retry(pause)

    async def _renew_if_stale(self, file: _File) -> None:
        """Never start with a URL that may die on the way."""
        expiry = file.expiry()
        margin = refresh_margin(expiry, file.received_at, self.policy.expiry_margin)
        if expiry - self.clock.wall() < margin and file.refreshes < self.policy.refreshes:
            await self._renew(file)

    async def _renew_refused(self, file: _File, refused: Refused) -> None:
        """A refused URL: sign it anew, then try the next rendition, then say so."""
        if file.refreshes < self.policy.refreshes:
            await self._renew(file)
        elif file.rendition + 1 < len(file.item.urls):
            file.rendition += 1
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
            _log.info("job %s: no fresh URL: %s", file.entry.job_id, error)
            return
        fresh = [one for one in report.items if one.uri == file.item.uri] if report else []
        if fresh:
            (file.item,) = await self.originals.of((fresh[0],))
            file.rendition = 0
            file.received_at = self.clock.wall()

    async def _transfer(self, file: _File, transfer: Transfer) -> MediaFile | None:
        """One attempt; None for a result that stands there under another name of its own."""
        written = await transfer.bring(file.url)
        assert transfer.part is not None
        await self._compare(file, written, transfer.part)
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
        )

    def _transfer_of(self, file: _File) -> Transfer:
        counted = 0

        def news(received: int, size: int | None) -> None:
            nonlocal counted
            # less than before: it began anew
            self.jobs.counters.bytes += received - (counted if received >= counted else 0)
            counted = received
            self.jobs.downloading(file.entry, file.index, received, size)

        name = f"{file.index}-{next(self._serials)}"
        path = self.jobs.folder(file.entry) / name
        return Transfer(
            self.transport, self.files, self.clock, self.policy, path, file.item.kind, news
        )

    async def _compare(self, file: _File, written: Written, part: PartFile) -> None:
        """Hold a file against its record, whose figures are those of the first rendition.

        Raises:
            IncompleteDownload: they differ. When the very same whole file comes every time,
                also from freshly signed URLs, it is the record that errs, and the file is
                what was paid for.
        """
        if file.rendition != 0:
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
        _log.warning("job %s file %d: %s; kept", file.entry.job_id, file.index, complaint)

    def _path(self, file: _File) -> str:
        return str(self.jobs.folder(file.entry) / f"{file.item.kind}-{file.index}")

    def _as_download_error(self, file: _File, error: DreaminaError) -> DownloadError:
        return IncompleteDownload(error.message, "yes", file.entry.job_id, self._path(file))
