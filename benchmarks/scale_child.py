"""One step of `scale.py` in a process of its own; what it found goes to stdout as JSON."""

import asyncio
import ctypes
import gc
import json
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from dreamina_async import (
    Credentials,
    DownloadPolicy,
    DreaminaSession,
    ImageRequest,
    Job,
    JobState,
    MediaFile,
    PollingPolicy,
    Settings,
)
from dreamina_async._core.ledger import Entry
from dreamina_async._core.media import folder_name
from dreamina_async._runtime.journal import Journal

LOGIN = Credentials(sessionid="a" * 32)
FIRST = 15_023_000_000_000
RATE = 1000 / 3
_TICK = 0.005
_PAGE = 4096

# ---- the journal of an earlier session -------------------------------------------------


async def write(folder: Path, jobs: int, files: int) -> dict[str, float]:
    """A journal as `jobs` submits would have left it, with all their files if there are any."""
    journal = await Journal.open(folder, region="cn")
    began = time.perf_counter()
    for number in range(jobs):
        entry = _entry(number)
        for index in range(1, files + 1):
            journal.put_media(entry.job_id, _file(folder, entry, index))
        if files:
            entry.state, entry.finished_at, entry.saved_at = JobState.DONE, time.time(), time.time()
        last = journal.put(entry, time.time())
    await last
    await journal.aclose()
    return {"seconds": time.perf_counter() - began}


def _entry(number: int) -> Entry:
    id_, now = str(UUID(int=uuid4().int)), time.time()
    request = ImageRequest(f"{number}: a red fox in the snow, low sun, long shadows, 35 mm")
    entry = Entry(id_, "image", JobState.ACCEPTED, now, request, id_, str(FIRST + number))
    entry.sent_at = now
    return entry


def _file(folder: Path, entry: Entry, index: int) -> MediaFile:
    content = f"{entry.job_id} {index}".encode()
    path = folder / folder_name(entry.submit_id, entry.history_id) / f"{index}.png"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return MediaFile(
        path=path,
        kind="image",
        index=index,
        width=1,
        height=1,
        format="png",
        size=len(content),
        sha256=sha256(content).hexdigest(),
        duration_ms=None,
        uri=f"tos-cn-i-tb4s082cfz/{index}",
    )


# ---- measuring -------------------------------------------------------------------------


def resident() -> int:
    """Bytes in memory, after what is free was given back."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE


async def cpu_share(seconds: float) -> float:
    """Percent of one core that this process uses while nobody asks it for anything."""
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    return 100 * (time.process_time() - cpu) / (time.perf_counter() - began)


async def lags(seconds: float) -> list[float]:
    """By how many milliseconds a task that sleeps 5 ms in a loop wakes too late; sorted."""
    found: list[float] = []
    until = time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        await asyncio.sleep(_TICK)
        found.append((time.perf_counter() - began - _TICK) * 1e3)
    return sorted(found)


def settings(**polling: Any) -> Settings:
    """Shipped but for the room that so many jobs would need, and for what is given."""
    return Settings(polling=PollingPolicy(**polling), downloading=DownloadPolicy(reserve=False))


# ---- the steps -------------------------------------------------------------------------


async def pending(folder: Path, jobs: int, url: str, seconds: float) -> dict[str, float]:
    """Resume, weigh, rest; then once more under a ceiling that lets every job be seen in 3 s."""
    found: dict[str, float] = {}
    async with _opened(folder, url, settings(), found) as session:
        before = resident()
        began, cpu = time.perf_counter(), time.process_time()
        handles = await session.resume()
        found["resume"] = time.perf_counter() - began
        found["resume_cpu"] = time.process_time() - cpu
        assert len(handles) == jobs
        held = resident()
        handles.clear()
        found["unawaited"] = (resident() - before) / jobs
        found["held"] = (held - before) / jobs
        found["rest_cpu"] = await cpu_share(seconds)
        ticks = await lags(seconds)
        found["lag_p99"], found["lag_max"] = ticks[int(len(ticks) * 0.99)], ticks[-1]
        found["awaited"] = found["held"] + await _awaited(session) / jobs
    each = min(3.0, seconds / 2)
    busy = settings(rate=RATE, burst=10, image_interval=each, max_interval=each)
    async with _opened(folder, url, busy, {}) as session:
        await session.resume()
        await asyncio.sleep(each)  # the first looks are all due at once
        calls, cpu = session.statistics().status_calls, time.process_time()
        found["busy_cpu"] = await cpu_share(seconds)
        calls, cpu = session.statistics().status_calls - calls, time.process_time() - cpu
        found["busy_calls"], found["poll_us"] = calls / seconds, cpu / max(1, calls) * 1e6
    return found


@asynccontextmanager
async def _opened(
    folder: Path, url: str, rules: Settings, found: dict[str, float]
) -> AsyncGenerator[DreaminaSession, None]:
    """A session, and how long it took to enter it."""
    began = time.perf_counter()
    async with DreaminaSession(LOGIN, base_url=url, output_dir=folder, settings=rules) as session:
        found["open"] = time.perf_counter() - began
        yield session


async def _awaited(session: DreaminaSession) -> float:
    """Bytes that a task a job adds, each in `await job`."""
    handles = await session.resume()
    before = resident()
    tasks = [asyncio.create_task(_wait(job)) for job in handles]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    grown = resident() - before
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return grown


async def _wait(job: Job) -> None:
    await job


async def done(folder: Path, jobs: int, url: str) -> dict[str, float]:
    """Resume jobs that have all their files."""
    found: dict[str, float] = {}
    async with _opened(folder, url, settings(), found) as session:
        began, cpu = time.perf_counter(), time.process_time()
        assert not await session.resume()
        found["resume"] = time.perf_counter() - began
        found["resume_cpu"] = time.process_time() - cpu
    return found


if __name__ == "__main__":
    task: dict[str, Any] = json.loads(sys.argv[1])
    folder = Path(task.pop("folder"))
    match task.pop("step"):
        case "write":
            figures = asyncio.run(write(folder, **task))
        case "pending":
            figures = asyncio.run(pending(folder, **task))
        case _:
            figures = asyncio.run(done(folder, **task))
    print(json.dumps(figures))
