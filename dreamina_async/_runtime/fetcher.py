"""One file of a result: every attempt at it, until it stands, whole, under its name.

A URL that is about to expire, or that the host refuses, is signed anew by a status call. What
came is held against its record; a rendition that falls short gives way to a better one.
"""

from collections.abc import Awaitable, Callable
from itertools import count

from attrs import define, field

from dreamina_async._core.backoff import backoff_after
from dreamina_async._core.choice import falls_short
from dreamina_async._core.content import ContentFacts
from dreamina_async._core.embed import provenance
from dreamina_async._core.ledger import Entry
from dreamina_async._core.media import file_name, mismatch, refresh_margin
from dreamina_async._runtime.clock import Clock
from dreamina_async._runtime.delivery import DueFile
from dreamina_async._runtime.embedding import with_provenance
from dreamina_async._runtime.files import Files, PartFile
from dreamina_async._runtime.jobs import Jobs
from dreamina_async._runtime.log import extras, log
from dreamina_async._runtime.originals import Originals
from dreamina_async._runtime.pace import Pace
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
    TransportError,
    UrlExpired,
)
from dreamina_async.models import JobReport, MediaFile
from dreamina_async.settings import DownloadPolicy, Settings

Refresh = Callable[[Entry], Awaitable[JobReport | None]]

_SERVICE = ""
"""What fresh URLs come from, among the places that may be out of reach."""


class OutOfReach(Exception):
    """A file cannot be tried: nothing arrives where it is to come from."""

    def __init__(self, place: str, error: DreaminaError) -> None:
        super().__init__(place)
        self.place = place
        self.error = error


@define(eq=False)
class Fetcher:
    """Brings one file at a time for whoever asks.

    Attributes:
        refresh: asks for a job's record, and so for URLs signed anew.
        heard: called with a place from which something has arrived.
    """

    jobs: Jobs
    transport: Transport
    sink: Sink
    clock: Clock
    settings: Settings
    pace: Pace
    originals: Originals
    refresh: Refresh
    heard: Callable[[str], None]
    _serials: "count[int]" = field(factory=count)
    _records_err: bool = False
    """Whether a record was found to misstate its file; the next ones are doubted less."""

    @property
    def policy(self) -> DownloadPolicy:
        return self.settings.downloading

    async def fetch(self, file: DueFile) -> MediaFile | None:
        """Bring a file to its place; None for a result that stands there under another name.

        Raises:
            OutOfReach: nothing arrives; what has come of it stays with it.
            DownloadError: it cannot be had.
            StorageError: the disk refuses.
        """
        transfer, file.transfer = file.transfer or self._transfer_of(file), None
        try:
            return await self._attempts(file, transfer)
        except OutOfReach:
            file.transfer = transfer
            raise
        finally:
            if file.transfer is None:
                await transfer.discard()

    async def _attempts(self, file: DueFile, transfer: Transfer) -> MediaFile | None:
        while True:
            await self._renew_if_stale(file)
            await self._account(file)
            file.attempt += 1
            try:
                return await self._transfer(file, transfer)
            except (DownloadError, TransportError, Refused) as error:
                await self._overcome(file, error)

    async def _overcome(self, file: DueFile, error: DreaminaError | Refused) -> None:
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
            raise OutOfReach(file.host, error)
        self._reached(file)
        if isinstance(error, Refused):
            await self._renew_refused(file, error)
            return
        if not isinstance(error, IncompleteDownload | TransportError):
            raise error
        if file.attempt >= self.policy.attempts:
            raise self.failure(file, error) from error
        await self._back_off(file, error)
        if file.doubted and file.refreshes < self.policy.refreshes:
            await self._renew(file)  # another host may have the right one

    def _reached(self, file: DueFile) -> None:
        file.waits_since = None
        self.heard(file.host)

    async def _account(self, file: DueFile) -> None:
        """A first attempt, or one after a wait; the others are accounted for by their backoff."""
        if not file.tried:
            self.pace.attempt(again=False)
        elif file.aside:
            await self.pace.before_retry(0.0)
        file.tried, file.aside = True, False

    async def _back_off(self, file: DueFile, error: DreaminaError) -> None:
        job_id = file.entry.job_id
        key = f"{job_id}:{file.index}"
        pause = backoff_after(error, key, file.attempt, self.settings.retrying)
        about = extras(error, job_id=job_id, wait=pause)
        log.info("job %s file %d: %s; trying again", job_id, file.index, error, extra=about)
        await self.pace.before_retry(pause)

    async def _renew_if_stale(self, file: DueFile) -> None:
        """Never start with a URL that may die on the way, or whose host was out of reach.

        A fresh one may name another host: they change with every query (protocol notes 8.2).
        """
        expiry = file.expiry()
        margin = refresh_margin(expiry, file.received_at, self.policy.expiry_margin)
        stale = expiry - self.clock.wall() < margin or (file.tried and file.aside)
        if stale and file.refreshes < self.policy.refreshes:
            await self._renew(file)

    async def _renew_refused(self, file: DueFile, refused: Refused) -> None:
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

    async def _renew(self, file: DueFile) -> None:
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
            raise OutOfReach(_SERVICE, error) from error
        self.heard(_SERVICE)
        fresh = [one for one in report.items if one.uri == file.item.uri] if report else []
        if fresh:
            (file.item,) = await self.originals.of((fresh[0],), file.entry.job_id)
            file.choice.begin_anew()
            file.received_at = self.clock.wall()

    async def _transfer(self, file: DueFile, transfer: Transfer) -> MediaFile | None:
        """One attempt; None for a result that stands there under another name of its own."""
        written = await self._bring_best(file, transfer)
        assert transfer.part is not None
        if self.policy.embed:
            written = await self._with_provenance(file, transfer.part, written)
        if any(_renamed(one, written, file.delivery.uris) for one in file.entry.saved):
            return None
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

    async def _with_provenance(self, file: DueFile, part: Part, written: Written) -> Written:
        assert isinstance(self.sink, Files), "the session has refused it otherwise"
        assert isinstance(part, PartFile)
        entry = file.entry
        facts = provenance(entry.request, entry.submit_id, entry.history_id)
        return await with_provenance(self.sink, part, written, file.item.kind, facts, entry.job_id)

    async def _bring_best(self, file: DueFile, transfer: Transfer) -> Written:
        while True:
            written = await transfer.bring(file.url)
            assert transfer.part is not None
            if not self._another_is_wanted(file, written.facts):
                await self._compare(file, written, transfer.part)
                self._flag(file, written.facts)
                return written
            await transfer.discard()

    def _transfer_of(self, file: DueFile) -> Transfer:
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

    async def _compare(self, file: DueFile, written: Written, part: Part) -> None:
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

    def _another_is_wanted(self, file: DueFile, facts: ContentFacts) -> bool:
        """A file smaller than its record says is taken only if there is none that is larger."""
        if not falls_short(file.item, facts.width, facts.height):
            return False
        pixels = (facts.width or 0) * (facts.height or 0)
        return file.choice.go_on(pixels, len(file.item.urls))

    def _flag(self, file: DueFile, facts: ContentFacts) -> None:
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

    def _path(self, file: DueFile) -> str:
        path = self.jobs.folder(file.entry) / f"{file.item.kind}-{file.index}"
        return self.sink.url_of(path) or str(path)

    def failure(self, file: DueFile, error: DreaminaError) -> DownloadError:
        """Why a file did not come, in the words of the last attempt's error."""
        return IncompleteDownload(error.message, "yes", file.entry.job_id, self._path(file))


def _never_arrived(error: TransportError) -> bool:
    """Whether it says nothing of the file, and waiting may mend it."""
    return not (error.sent or isinstance(error, Untrusted))


def _renamed(saved: MediaFile, written: Written, uris: frozenset[str]) -> bool:
    """Whether a file stands there already, under a name that the record has no more.

    S2 shows no `image_uri`, so a later record may name a result otherwise. Equal bytes under two
    names of one record are two results (S13).
    """
    return saved.sha256 == written.sha256 and saved.uri not in uris
