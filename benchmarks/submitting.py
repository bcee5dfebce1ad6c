"""Submits a second through a session, against a bare aiohttp loop that sends the same bytes.

    python benchmarks/submitting.py [--short] [--out FOLDER]

Both talk over loopback to the same service (`submitting_service.py`), a process of its own that
accepts every job at once; `ceiling` is what it gives to a client that reads sockets alone.

- *raw*: aiohttp with bodies, URL and headers made beforehand; it reads the reply and drops it.
- *ours*: `session.submit` as shipped: id, draft, signature, intent on the disk with an fsync,
  request, reply decoded and checked, acceptance on the disk with an fsync.
- *ours, memory*: the same in a folder in memory, where an fsync costs nothing.
- *ours, no journal*: the same with a writer that drops everything and answers at once; no public
  setting does that, nobody should want it. It shows what the journal costs.

`Settings(submits=N)` is as many as are at once here (shipped: 4), no status calls fall into a run
(`image_interval=3600`), and `reserve=False`, or thousands of jobs that never end would need
terabytes of room. CPU is that of the client's process, the journal's thread included.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import aiohttp
from harness import Goal, Sample, Tell, interleaved, main, side_by_side, spread, table
from submitting_service import PATIENCE, flood, reply_to, service
from yarl import URL

from dreamina_async import (
    Credentials,
    DownloadPolicy,
    DreaminaSession,
    ImageRequest,
    JobState,
    PollingPolicy,
    Settings,
)
from dreamina_async._core.decode import decode_submit
from dreamina_async._core.encode import encode_generate
from dreamina_async._core.ledger import Entry
from dreamina_async._core.profile import caller_for
from dreamina_async._core.rows import job_row
from dreamina_async._core.wire import HttpRequest, HttpResponse
from dreamina_async._runtime.parts import Doors

LOGIN = Credentials(sessionid="a" * 32)
PROMPT = "a red fox in the snow, low sun, long shadows, 35 mm"
WAYS = ("raw", "ours", "ours, memory", "ours, no journal")
AT_ONCE = {1: 300, 8: 1000, 32: 1500, 128: 1500}
"""Submits at once, and how many a run has."""

MEMORY = Path("/dev/shm")
"""A folder in memory, where there is one."""

# ---- the ways --------------------------------------------------------------------------


async def _measured(count: int, at_once: int, one: Callable[[int], Awaitable[Any]]) -> Sample:
    numbers = iter(range(count))

    async def take() -> None:
        for number in numbers:
            await one(number)

    began, cpu = time.perf_counter(), time.process_time()
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(take())
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {"rate": count / wall, "cpu_us": cpu / count * 1e6}


def _requests(url: str, count: int) -> list[HttpRequest]:
    caller, request = caller_for(LOGIN, url), ImageRequest(PROMPT)
    return [encode_generate(request, str(uuid4()), caller, time.time()) for _ in range(count)]


async def _raw(url: str, count: int, at_once: int) -> Sample:
    requests = _requests(url, count)
    where = URL(requests[0].url, encoded=True)
    async with aiohttp.ClientSession(
        headers=requests[0].headers,
        connector=aiohttp.TCPConnector(limit=at_once + 8),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:

        async def one(number: int) -> None:
            async with session.post(where, data=requests[number].body) as reply:
                await reply.read()

        return await _measured(count, at_once, one)


class _Dropping:
    """A journal's writer that writes nothing."""

    def start(self, _: Any, close: Callable[[], None]) -> None:
        self._close = close

    def put(self, item: Any) -> None:
        item.future.set_result([])

    async def stop(self) -> None:
        self._close()


class _WithoutJournal(DreaminaSession):
    _doors = Doors(writer=_Dropping)


async def _ours(
    url: str, count: int, at_once: int, folder: Path | None, kind: type[DreaminaSession]
) -> Sample:
    settings = Settings(
        submits=at_once,
        polling=PollingPolicy(image_interval=3600, max_interval=3600),
        downloading=DownloadPolicy(reserve=False),
    )
    request = ImageRequest(PROMPT)
    with tempfile.TemporaryDirectory(dir=folder) as out:
        async with kind(LOGIN, base_url=url, output_dir=out, settings=settings) as session:
            await session.submit(request)
            measured = await _measured(count, at_once, lambda _: session.submit(request))
            assert session.statistics().accepted == count + 1
            return measured


def _way(name: str, url: str, count: int, at_once: int) -> Callable[[], Sample]:
    match name:
        case "raw":
            run = _raw(url, count, at_once)
        case "ours, memory":
            run = _ours(url, count, at_once, MEMORY, DreaminaSession)
        case "ours, no journal":
            run = _ours(url, count, at_once, None, _WithoutJournal)
        case _:
            run = _ours(url, count, at_once, None, DreaminaSession)
    return lambda: asyncio.run(run)


# ---- where the time goes ---------------------------------------------------------------


def _microseconds(work: Callable[[], Any], times: int) -> float:
    """CPU time of one call, the best of five runs."""
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for _ in range(times):
            work()
        best = min(best, (time.process_time() - began) / times)
    return best * 1e6


def parts(times: int) -> dict[str, float]:
    """CPU microseconds of what a submit does beside the network and the journal."""
    caller, request, id_ = caller_for(LOGIN, "http://127.0.0.1:9"), ImageRequest(PROMPT), uuid4()
    body = reply_to(str(id_))
    reply = HttpResponse(200, {"content-type": "application/json"}, body)
    entry = Entry(str(id_), "image", JobState.INTENT, 1.0, request, str(id_))
    work: dict[str, Callable[[], Any]] = {
        "build, sign and encode": lambda: encode_generate(request, str(id_), caller, 1.0),
        "decode and check the reply": lambda: decode_submit(reply, str(id_), now=1.0),
        "json.loads of the reply": lambda: json.loads(body),
        "a journal's row (two a submit)": lambda: job_row(entry, 1.0),
    }
    return {name: _microseconds(one, times) for name, one in work.items()}


def fsync_ms(times: int) -> float:
    """Milliseconds of a small append and its fsync, where the journals stand; the median."""
    taken: list[float] = []
    with tempfile.TemporaryFile(buffering=0) as file:
        for _ in range(times):
            began = time.perf_counter()
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return median(taken) * 1e3


# ---- the run ---------------------------------------------------------------------------


def run(short: bool, tell: Tell) -> dict[str, Any]:
    counts = {1: 30, 32: 150} if short else AT_ONCE
    names = [name for name in WAYS if name != "ours, memory" or MEMORY.is_dir()]
    with service() as url:
        ceiling = flood(url, [one.body for one in _requests(url, 100 if short else 4000)], 32)
        tell(f"the service alone: {ceiling:.0f} replies a second")
        ways = {
            _key(name, at_once): partial(_once, name, url, count, at_once)
            for at_once, count in counts.items()
            for name in names
        }
        samples = interleaved(ways, 1 if short else 5, tell, patience=0 if short else 1.5)
    figures = {name: _figures(name, counts, samples) for name in names}
    facts: dict[str, Any] = {
        "ceiling": ceiling,
        "fsync_ms": fsync_ms(20 if short else 200),
        "parts_us": parts(50 if short else 1000),
    }
    _tell(figures, facts, tell)
    return {"counts": counts, **facts, "ways": figures, "goals": list(goals(figures))}


def _once(name: str, url: str, count: int, at_once: int) -> Sample:
    return _way(name, url, count, at_once)()


def _key(name: str, at_once: int) -> str:
    return f"{name}, {at_once} at once"


def _figures(
    name: str, counts: dict[int, int], samples: dict[str, list[Sample]]
) -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, float]] = {}
    for at_once in counts:
        mine, raw = _key(name, at_once), _key("raw", at_once)
        ratio = side_by_side(samples, mine, raw, "rate")
        found[at_once] = {
            "rate": spread([one["rate"] for one in samples[mine]]).median,
            "cpu_us": spread([one["cpu_us"] for one in samples[mine]]).median,
            "to_raw": ratio.median,
            "to_raw_low": ratio.low,
            "to_raw_high": ratio.high,
        }
    return found


def goals(figures: dict[str, dict[int, dict[str, float]]]) -> list[Goal]:
    at_32 = figures["ours, no journal"][32]
    what = "submits a second to raw aiohttp's, 32 at once, no journal"
    return [Goal(what, 0.42, at_32["to_raw"], at_least=True)]


def _tell(
    figures: dict[str, dict[int, dict[str, float]]], facts: dict[str, Any], tell: Tell
) -> None:
    rows = [
        (
            _key(name, at_once),
            f"{one['rate']:.0f}",
            f"{one['to_raw']:.2f} ({one['to_raw_low']:.2f} to {one['to_raw_high']:.2f})",
            f"{one['cpu_us']:.0f}",
        )
        for name, by_number in figures.items()
        for at_once, one in by_number.items()
    ]
    tell("")
    table(("", "submits/s", "to raw", "CPU us"), rows, tell)
    tell(f"\nan fsync takes {facts['fsync_ms']:.2f} ms here\n")
    for name, taken in facts["parts_us"].items():
        tell(f"{taken:7.1f} us  {name}")


def plot(figures: dict[str, Any], canvas: Any) -> None:
    rates, costs = canvas.subplots(1, 2)
    for name, by_number in figures["ways"].items():
        at_once = [int(one) for one in by_number]
        rates.plot(at_once, [one["rate"] for one in by_number.values()], "o-", label=name)
        costs.plot(at_once, [one["cpu_us"] for one in by_number.values()], "o-", label=name)
    rates.set(xscale="log", xlabel="submits at once", ylabel="submits a second", ylim=(0, None))
    costs.set(xscale="log", xlabel="submits at once", ylabel="CPU a submit (us)", ylim=(0, None))
    for axes in (rates, costs):
        axes.set_xticks(at_once, [str(one) for one in at_once])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    rates.legend()
    canvas.suptitle("Submits: a session against a bare aiohttp loop, loopback")


if __name__ == "__main__":
    sys.exit(main("submitting", run, plot))
