"""Finished results, home and safe: the soonest expiry first, a few at once.

Each file goes to a part file in its job's folder, is checked while it is written, and gets
its name when it is complete and on the disk. A URL that is about to expire, or that the
host refuses, is signed anew by a status call. When a job's last file stands, `job.json` is
written and the journal told.
"""

import asyncio
import heapq
import logging
from collections.abc import Awaitable, Callable, Mapping
from itertools import count

from attrs import define, evolve, field

from dreamina_async._core.backoff import backoff_after, refresh_helps
from dreamina_async._core.ledger import Entry
from dreamina_async._core.media import expires_at, file_name, mismatch, plan, refresh_margin
from dreamina_async._core.rows import job_document, result_of
from dreamina_async._runtime.clock import Clock
from dreamina_async._runtime.files import Files, PartFile, Written
from dreamina_async._runtime.jobs import Jobs
from dreamina_async._runtime.originals import Originals
from dreamina_async._runtime.transport import MediaStream, Transport
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

_NEWS_EVERY = 0.25
"""Seconds between two progress events of one file."""

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
            self.jobs.file_saved(file.entry, media)
            file.delivery.left -= 1
            if file.delivery.left == 0 and not file.entry.over:
                await self._complete(file.entry)
        except DreaminaError as error:
            self._give_up(file.delivery, error)

    async def _complete(self, entry: Entry) -> None:
        """All files stand: say so in the folder, then in the journal."""
        entry.saved_at = self.clock.wall()
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

    async def _fetch(self, file: _File) -> MediaFile:
        while True:
            await self._renew_if_stale(file)
            file.attempt += 1
            try:
                return await self._transfer(file)
            except (IncompleteDownload, TransportError) as error:
                if file.attempt >= self.policy.attempts:
                    raise self._as_download_error(file, error) from error
                await self._back_off(file, error)
                if file.doubted and file.refreshes < self.policy.refreshes:
                    await self._renew(file)  # another host may have the right one
            except _Refused as refused:
                await self._renew_refused(file, refused)

    async def _back_off(self, file: _File, error: DreaminaError) -> None:
        _log.info("job %s file %d: %s; trying again", file.entry.job_id, file.index, error)
        self.jobs.counters.retries += 1
        key = f"{file.entry.job_id}:{file.index}"
        await self.clock.sleep(backoff_after(error, key, file.attempt, self.settings.retrying))

    async def _renew_if_stale(self, file: _File) -> None:
        """Never start with a URL that may die on the way."""
        expiry = file.expiry()
        margin = refresh_margin(expiry, file.received_at, self.policy.expiry_margin)
        if expiry - self.clock.wall() < margin and file.refreshes < self.policy.refreshes:
            await self._renew(file)

    async def _renew_refused(self, file: _File, refused: "_Refused") -> None:
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

    async def _transfer(self, file: _File) -> MediaFile:
        folder = self.jobs.folder(file.entry)
        async with self.transport.stream(file.url) as stream:
            size = _announced_size(stream, self._limit(file))
            part = await self.files.open_part(
                folder,
                f"{file.index}-{next(self._serials)}",
                file.item.kind,
                durable=self.policy.durable,
            )
            try:
                await self._pour(file, stream, part, size)
                written = await part.finish(size)
                facts = written.facts
                self._compare(file, written)
                final = folder / file_name(file.item, file.index, facts.extension)
                final = await part.publish(final, written.sha256)
            finally:
                await part.discard()
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

    def _compare(self, file: _File, written: Written) -> None:
        """Hold a file against its record, whose figures are those of the first rendition.

        Raises:
            IncompleteDownload: they differ. When the very same whole file comes every time,
                also from freshly signed URLs, it is the record that errs, and the file is
                what was paid for.
        """
        if file.rendition != 0:
            return
        complaint = mismatch(file.item, written.facts.size, written.md5)
        if not complaint:
            return
        file.doubts = file.doubts + 1 if file.doubted == written.sha256 else 1
        file.doubted = written.sha256
        if file.doubts < (2 if self._records_err else self.policy.attempts):
            raise IncompleteDownload(complaint, "yes")
        self._records_err = True
        _log.warning("job %s file %d: %s; kept", file.entry.job_id, file.index, complaint)

    async def _pour(
        self, file: _File, stream: MediaStream, part: PartFile, size: int | None
    ) -> None:
        """Gather pieces into blocks: each write is a hop to a thread and back."""
        meter = _Meter(self.clock.monotonic(), self.policy)
        limit = self._limit(file)
        pieces: list[bytes] = []
        gathered = received = 0
        async for piece in stream.pieces():
            pieces.append(piece)
            gathered += len(piece)
            received += len(piece)
            if received > limit:
                raise DownloadError(f"the file is larger than {limit} bytes", "yes")
            if meter.due(self.clock.monotonic(), len(piece)):
                self.jobs.downloading(file.entry, file.index, received, size)
            if gathered >= self.policy.block:
                await part.write(pieces)
                self.jobs.counters.bytes += gathered
                pieces, gathered = [], 0
        if pieces:
            await part.write(pieces)
            self.jobs.counters.bytes += gathered
        self.jobs.downloading(file.entry, file.index, received, size)

    def _limit(self, file: _File) -> int:
        return self.policy.max_video if file.item.kind == "video" else self.policy.max_image

    def _path(self, file: _File) -> str:
        return str(self.jobs.folder(file.entry) / f"{file.item.kind}-{file.index}")

    def _as_download_error(self, file: _File, error: DreaminaError) -> DownloadError:
        return IncompleteDownload(error.message, "yes", file.entry.job_id, self._path(file))


class _Refused(Exception):
    """The media host refused the URL in a way that a fresh signature may mend."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def _announced_size(stream: MediaStream, limit: int) -> int | None:
    """Check a media reply's head, and say how many bytes it promises.

    An unsolicited 206 is half a file (`ok` for aiohttp), and an encoded body has another
    length than it announces: both are refused.
    """
    if refresh_helps(stream.status):
        raise _Refused(stream.status)
    if stream.status != 200:
        raise TransportError(f"the media host answered with HTTP {stream.status}", "yes")
    _check_encoding(stream.headers)
    text = stream.headers.get("content-length", "")
    size = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
    if size is not None and size > limit:
        raise DownloadError(f"the file has {size} bytes; at most {limit} are taken", "yes")
    return size


def _check_encoding(headers: Mapping[str, str]) -> None:
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise IncompleteDownload("the media host encoded the file although asked not to", "yes")


@define
class _Meter:
    """Notices stalls, and when news are due."""

    started: float
    policy: DownloadPolicy
    _bytes: int = 0
    _told: float = float("-inf")

    def due(self, now: float, received: int) -> bool:
        """Account for bytes; whether an observer should hear of them.

        Raises:
            IncompleteDownload: too few came in the last `stall_after` seconds. A healthy
                transfer may last as long as it likes.
        """
        self._bytes += received
        if now - self.started >= self.policy.stall_after:
            if self._bytes < self.policy.stall_bytes:
                raise IncompleteDownload("the media host sends too slowly; gave up", "yes")
            self.started, self._bytes = now, 0
        if now - self._told < _NEWS_EVERY:
            return False
        self._told = now
        return True
