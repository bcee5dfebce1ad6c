"""Finished results, home and safe: the soonest expiry first, a few at once.

A file whose host cannot be reached waits for it aside. When a job's last file stands, `job.json`
is written and the journal told. How one file comes is `fetcher`'s business.
"""

import asyncio
import heapq
from itertools import count
from math import inf

from attrs import define, evolve, field

from dreamina_async._core.ledger import Entry
from dreamina_async._core.media import plan
from dreamina_async._core.rows import job_document, result_of
from dreamina_async._runtime.clock import Clock
from dreamina_async._runtime.delivery import Delivery, DueFile
from dreamina_async._runtime.fetcher import Fetcher, OutOfReach
from dreamina_async._runtime.jobs import Jobs
from dreamina_async._runtime.log import extras, log
from dreamina_async._runtime.originals import Originals
from dreamina_async._runtime.reach import Reach
from dreamina_async._runtime.sink import Sink
from dreamina_async.errors import DreaminaError, StorageError
from dreamina_async.models import MediaItem
from dreamina_async.settings import Settings


@define(eq=False)
class Downloader:
    """Owns the queue of files and the workers that empty it."""

    jobs: Jobs
    sink: Sink
    clock: Clock
    settings: Settings
    originals: Originals
    fetcher: Fetcher
    _queue: list[tuple[float, int, DueFile]] = field(factory=list)
    _serials: "count[int]" = field(factory=count)
    _ready: asyncio.Event = field(factory=asyncio.Event)
    _reach: Reach[DueFile] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._reach = Reach(self.clock, self.settings.retrying)

    async def deliver(self, entry: Entry, items: tuple[MediaItem, ...]) -> None:
        """Queue what is missing of a finished job."""
        delivery = Delivery(entry)
        try:
            await self.sink.clean_folder(self.jobs.folder(entry))
            items = await self.originals.of(items, entry.job_id)
            if entry.over:  # given up meanwhile
                return
            todo = plan(items, entry.saved)
            delivery.uris = frozenset(one.uri for one in items)
            delivery.left = len(todo)
            now = self.clock.wall()
            for index, item in todo:
                self._push(DueFile(delivery, index, item, now))
            if not todo:
                await self._complete(entry)
        except DreaminaError as error:
            self._give_up(delivery, error)

    def _push(self, file: DueFile) -> None:
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

    async def _next(self) -> DueFile:
        while True:
            file = self._reach.due() or self._pop()
            if file is not None:
                return file
            self._ready.clear()
            until = self._reach.knock_at
            await self.clock.wait(self._ready, until if until < inf else None)

    def _pop(self) -> DueFile | None:
        """The soonest expiry first, past those whose host is out of reach."""
        while self._queue:
            _, _, file = heapq.heappop(self._queue)
            if not self._reach.is_out(file.host):
                return file
            self._wait(file)
            self._reach.put_aside(file.host, file)
        return None

    async def _drop(self, file: DueFile) -> None:
        transfer, file.transfer = file.transfer, None
        if transfer is not None:
            await transfer.discard()

    async def _bring(self, file: DueFile) -> None:
        try:
            media = await self.fetcher.fetch(file)
            if media is not None:
                self.jobs.file_saved(file.entry, media)
            file.delivery.left -= 1
            if file.delivery.left == 0 and not file.entry.over:
                await self._complete(file.entry)
        except OutOfReach as out:
            await self._set_aside(file, out)
        except DreaminaError as error:
            self._give_up(file.delivery, error)

    async def _set_aside(self, file: DueFile, out: OutOfReach) -> None:
        """It uses up neither attempts nor fresh URLs while nothing arrives anywhere."""
        is_news = not self._reach.is_out(out.place)
        file.refreshes = 0
        self._wait(file)
        self._reach.failed(out.place, file, out.error)
        if is_news:
            self._tell_of_wait(file.entry.job_id, out.error)
        for one in self._reach.without(self._waited_too_long):
            await self._drop(one)
            self._give_up(one.delivery, self.fetcher.failure(one, out.error))
        self._ready.set()  # another worker may be free when it is time to knock

    def _tell_of_wait(self, job_id: str, error: DreaminaError) -> None:
        wait = max(0.0, self._reach.knock_at - self.clock.monotonic())
        about = extras(error, job_id=job_id, wait=wait)
        log.warning("job %s: %s; its files wait", job_id, error, extra=about)

    def _wait(self, file: DueFile) -> None:
        file.aside = True
        if file.waits_since is None:
            file.waits_since = self.clock.monotonic()

    def _waited_too_long(self, file: DueFile) -> bool:
        since = file.waits_since
        limit = self.settings.retrying.outage
        return since is not None and self.clock.monotonic() - since > limit

    def release(self, place: str) -> None:
        """Something has arrived from a place: whoever waits for it gets in line again."""
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
        await self.sink.write_json(path, document, durable=self.settings.downloading.durable)
        if entry.over:  # given up while that was written
            return
        await self.jobs.saved(entry)

    def _give_up(self, delivery: Delivery, error: DreaminaError) -> None:
        """The job stays READY: paid, finished, and owed by the next `resume`."""
        if delivery.ended:  # for another file's sake; perhaps it is brought anew by now
            return
        delivery.ended = True
        if isinstance(error, StorageError):
            self.jobs.stopped = error
        self.jobs.give_up(delivery.entry, evolve(error, charged="yes"))
