"""The emulator itself: two aiohttp servers on loopback around one world."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

import attrs
from aiohttp import web

from .api import Api
from .apiserver import ApiServer
from .faults import Fault, Faults
from .front import Service
from .mediaserver import MediaServer
from .options import EmulatorOptions
from .requestlog import RequestLog
from .world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .jobs import MediaFile
    from .ledger import Ledger
    from .order import Order
    from .uploads import Upload

_WILDCARDS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
_SHUTDOWN_SECONDS = 0.2


class _Server(web.Server):
    """Tells of clients that leave: a hanging call waits for nothing else."""

    def __init__(self, changed: Callable[[], None], handler: ApiServer | MediaServer) -> None:
        super().__init__(handler, access_log=None)
        self._changed = changed

    def connection_lost(
        self, handler: web.RequestHandler, exc: BaseException | None = None
    ) -> None:
        super().connection_lost(handler, exc)
        self._changed()


class Emulator:
    """A loopback service that plays the remote one; enter it to start, leave it to stop.

    Keywords are the fields of :class:`EmulatorOptions` and of :class:`Timing`; ``dialect="s1"``
    starts from what a single note tells. What it knows can
    be read from any thread; entering, leaving and ``until`` belong to its own loop.
    """

    def __init__(
        self,
        options: EmulatorOptions | None = None,
        *,
        faults: Iterable[Fault] = (),
        **keywords: Any,
    ) -> None:
        if options is not None and keywords:
            raise TypeError("give options or keywords, not both")
        self.options: EmulatorOptions = options or EmulatorOptions.from_keywords(**keywords)
        self.faults: Faults = Faults(self.options.seed, faults)
        self.requests: RequestLog = RequestLog(self.options.log_size)
        self.base_url: str = ""
        self.media_url: str = ""
        self._world = World(self.options)
        self._runners: list[web.ServerRunner] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = asyncio.Event()
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        jobs, charges = len(self._world.jobs), len(self.ledger)
        return f"<Emulator {self.base_url or 'not started'} {jobs} jobs, {charges} charges>"

    async def __aenter__(self) -> Self:
        if self._loop is not None:
            raise RuntimeError("an emulator starts only once")
        self._loop = asyncio.get_running_loop()
        service = Service(
            self.options,
            self._world,
            self.faults,
            self.requests,
            self._notify,
            self.until,
            self._closing,
        )
        api = ApiServer(service, Api(self._world, self.faults), self._control)
        try:
            self.media_url = await self._listen(MediaServer(service), self.options.media_port)
            self._world.links.base_url = self.media_url
            self.base_url = await self._listen(api, self.options.port)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    @property
    def ledger(self) -> Ledger:
        """What was charged."""
        return self._world.ledger

    def balance(self, sessionid: str | None = None) -> int:
        """Give the credits of an account, by default of the first that logged in."""
        accounts = dict(self._world.accounts)
        if sessionid is None and accounts:
            return next(iter(accounts.values())).held(self._now())
        account = accounts.get(sessionid or "")
        return self.options.balance if account is None else account.held(self._now())

    @property
    def orders(self) -> tuple[Order, ...]:
        """What was ordered, as it arrived, in order of acceptance."""
        return tuple(job.order for job in list(self._world.jobs.values()))

    @property
    def uploads(self) -> tuple[Upload, ...]:
        """The images that were uploaded, oldest first."""
        return self._world.uploads.all()

    def history_ids(self, submit_id: str) -> tuple[str, ...]:
        """Give the records a submit id has: several if it was charged several times."""
        return tuple(job.history_id for job in self._world.submitted(submit_id))

    def media(self, submit_id: str) -> tuple[MediaFile, ...]:
        """Give the files served for a submit id (its latest record), with digests and sizes."""
        jobs = self._world.submitted(submit_id)
        if not jobs:
            return ()
        made = jobs[-1].plan.stages[-1].items
        return tuple(self._world.file(jobs[-1], index, "origin") for index in range(made))

    def credentials_env(self) -> dict[str, str]:
        """Give the environment variables that point a client here."""
        allowed = sorted(self.options.sessionids or ("emulated-session",))
        return {"DREAMINA_BASE_URL": self.base_url, "DREAMINA_SESSIONID": allowed[0]}

    def statistics(self) -> dict[str, Any]:
        """Give counters of everything, as ``GET /_emulator/stats`` shows them."""
        now = self._now()
        limit = self.options.max_ids or 10
        jobs = list(self._world.jobs.values())
        sizes = self.requests.batch_sizes
        return {
            "requests": self.requests.counts,
            "peak_concurrency": self.requests.peaks,
            "status_ids": sum(size * times for size, times in sizes.items()),
            "oversized_batches": sum(times for size, times in sizes.items() if size > limit),
            "media_cookies": self.requests.media_cookies,
            "jobs": len(jobs),
            "jobs_over": sum(job.stage(now).over for job in jobs),
            "charges": len(self.ledger),
            "credits": self.ledger.credits,
            "repeated_submit_ids": self.ledger.repeated(),
            "balances": {each.label: each.held(now) for each in [*self._world.accounts.values()]},
            "faults_hit": len(self.faults.hits),
        }

    def _now(self) -> float:
        return self._loop.time() if self._loop else 0.0

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Wait until something that happened here makes the predicate true."""
        while not predicate():
            await self._changed.wait()

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _control(self, path: str) -> dict[str, Any] | None:
        if path == "/_emulator/ledger":
            return {"charges": [attrs.asdict(charge) for charge in self.ledger]}
        if path == "/_emulator/stats":
            return self.statistics()
        return None

    async def _listen(self, handler: ApiServer | MediaServer, port: int) -> str:
        server = _Server(self._notify, handler)
        runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_SECONDS)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, self.options.host, port, backlog=1024).start()
        bound = runner.addresses[0][1]
        host = _WILDCARDS.get(self.options.host, self.options.host)
        return f"http://[{host}]:{bound}" if ":" in host else f"http://{host}:{bound}"

    async def _stop(self) -> None:
        self._closing.set()
        self._notify()
        while self._runners:
            await self._runners.pop().cleanup()


async def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    ready: Callable[[Emulator], None] | None = None,
    **keywords: Any,
) -> None:
    """Serve until cancelled; ``ready`` is told once the ports are open."""
    async with Emulator(host=host, port=port, **keywords) as emulator:
        if ready is not None:
            ready(emulator)
        await asyncio.Event().wait()
