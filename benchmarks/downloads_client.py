"""One way of fetching files, in a process of its own: `python downloads_client.py ORDER`.

ORDER is JSON, the fields of `Order`. Prints what it took, from the moment at which everything is
imported and open: wall and CPU seconds, the peak of the memory and its growth, the loop's lag.
"""

import asyncio
import json
import resource
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import aiofiles
import aiohttp
from aiofiles.threadpool.binary import AsyncBufferedIOBase
from attrs import frozen
from harness import spread

from dreamina_async import Credentials, DownloadPolicy, DreaminaSession, PollingPolicy, Settings
from dreamina_async._runtime.clock import LoopClock
from dreamina_async._runtime.finishing import to_completion
from dreamina_async._runtime.transfer import Transfer
from dreamina_async._runtime.transport import AiohttpTransport

if TYPE_CHECKING:
    from dreamina_async._runtime.sink import Sink

TICK = 0.005
_CHUNK = 64 << 10


@frozen
class Order:
    """What to fetch, and how.

    Attributes:
        way: the name of a function of `WAYS`.
        folder: where the files go; for our own session it holds the journal.
        api: the service's URL.
        urls: a file with a URL in each line, for the other ways.
        expected: bytes in all.
        parallel: files at once.
    """

    way: str
    folder: str
    api: str
    urls: str
    expected: int
    parallel: int = 8


# ---- measuring -------------------------------------------------------------------------


class Meter:
    """What the transfer takes of this process."""

    def __init__(self) -> None:
        self.lags: list[float] = []
        self.figures: dict[str, float] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        ticker = asyncio.create_task(self._tick())
        before, cpu, wall = _reset_peak(), time.process_time(), time.perf_counter()
        try:
            yield
        finally:
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            ticker.cancel()
        peak = _peak()
        lags = sorted(self.lags) or [0.0]
        self.figures = {
            "wall": wall,
            "cpu": cpu,
            "peak": peak,
            "growth": peak - before,
            "lag": spread(lags).median,
            "lag_p99": lags[len(lags) * 99 // 100],
            "lag_max": lags[-1],
        }

    async def _tick(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(TICK)
            self.lags.append(time.perf_counter() - began - TICK)


def _reset_peak() -> int:
    """Forget the highest memory so far, where the system can; the present one, in bytes."""
    try:
        Path("/proc/self/clear_refs").write_text("5", "ascii")
        return _status("VmRSS")
    except OSError:
        return _peak()


def _peak() -> int:
    try:
        return _status("VmHWM")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


# ---- our own way -----------------------------------------------------------------------


async def ours(order: Order, meter: Meter, *, durable: bool = True) -> int:
    """Take up a journal whose jobs are finished at the service: `resume` to the last file."""
    settings = Settings(
        polling=PollingPolicy(rate=1000.0, burst=1000),
        downloading=DownloadPolicy(parallel=order.parallel, durable=durable),
    )
    login = Credentials("emulated-session", region="cn")
    session = DreaminaSession(login, base_url=order.api, output_dir=order.folder, settings=settings)
    async with session:
        async with meter.running():
            results = [await job for job in await session.resume()]
        return sum(file.size for result in results for file in result.media)


async def ours_unsynced(order: Order, meter: Meter) -> int:
    return await ours(order, meter, durable=False)


async def transfer(order: Order, meter: Meter) -> int:
    """Our way from the socket to the file alone, to be compared with those that look at nothing."""
    policy, clock = DownloadPolicy(parallel=order.parallel), LoopClock()
    door = AiohttpTransport(Settings(downloading=policy), loopback=True)
    sink = cast("Sink", _Trusting())
    paths = {url: Path(order.folder, url.rpartition("/")[2]) for url in _lines(order.urls)}
    left = iter(paths)

    async def work() -> None:
        for url in left:
            path = paths[url]
            await Transfer(door, sink, clock, policy, path, "image", lambda *_: None).bring(url)

    async with meter.running():
        await asyncio.gather(*(work() for _ in range(order.parallel)))
    await door.aclose()
    return sum(path.stat().st_size for path in paths.values())


class _Trusting:
    """A sink without digest, check, fsync and final name."""

    async def open_part(self, folder: Path, name: str, *_: object, durable: bool) -> "_Trusted":
        return _Trusted(await aiofiles.open(folder / name, "wb"))


@frozen
class _Trusted:
    _file: AsyncBufferedIOBase

    async def write(self, pieces: Sequence[bytes]) -> None:
        await to_completion(self._file.writelines(pieces))

    async def finish(self, _: int | None) -> None:
        await self._file.close()

    async def discard(self) -> None:
        """It goes with its folder."""


# ---- ways that others write ------------------------------------------------------------


async def chunks(order: Order, meter: Meter) -> int:
    """aiohttp and aiofiles as their documents show them: chunks of 64 KiB."""

    async def fetch(response: aiohttp.ClientResponse, name: str) -> int:
        size = 0
        async with aiofiles.open(Path(order.folder, name), "wb") as file:
            async for chunk in response.content.iter_chunked(_CHUNK):
                size += await file.write(chunk)
        return size

    return await _each(order, meter, fetch)


async def dropped(order: Order, meter: Meter) -> int:
    """Nothing is kept: what aiohttp alone takes."""

    async def fetch(response: aiohttp.ClientResponse, name: str) -> int:
        size = 0
        async for chunk, _ in response.content.iter_chunks():
            size += len(chunk)
        return size

    return await _each(order, meter, fetch)


async def _each(
    order: Order,
    meter: Meter,
    fetch: Callable[[aiohttp.ClientResponse, str], Awaitable[int]],
) -> int:
    urls = iter(_lines(order.urls))
    # the authority comes by SSL_CERT_FILE, which is read here
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context())
    async with aiohttp.ClientSession(connector=connector) as session:

        async def work() -> int:
            size = 0
            for url in urls:
                async with session.get(url) as response:
                    size += await fetch(response, url.rpartition("/")[2])
            return size

        async with meter.running():
            return sum(await asyncio.gather(*(work() for _ in range(order.parallel))))


def _lines(path: str) -> list[str]:
    return Path(path).read_text("ascii").split()


WAYS = {way.__name__: way for way in (ours, ours_unsynced, transfer, chunks, dropped)}


async def _measured(order: Order) -> dict[str, float]:
    meter = Meter()
    received = await WAYS[order.way](order, meter)
    if received != order.expected:
        raise SystemExit(f"{order.way}: {received} bytes came, not {order.expected}")
    return meter.figures


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_measured(Order(**json.loads(sys.argv[1]))))))
