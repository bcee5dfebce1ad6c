"""What the tests of a session share: a quick policy, a world to work in, and what must hold."""

import asyncio
import json
import sqlite3
import struct
import threading
import zlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import looptime

from dreamina_async import (
    Credentials,
    DownloadPolicy,
    DreaminaSession,
    ImageRequest,
    Job,
    JobResult,
    PollingPolicy,
    RetryPolicy,
    Settings,
)
from dreamina_async.emulator import Emulator, Fault

# made up, and looked for where it must not be
SECRET = "canary0123456789abcdef"
VIRTUAL = ("asyncio", {"loop_factory": looptime.new_event_loop})
"""For a module's own `anyio_backend`: waits cost nothing."""

JOURNAL = "journal.sqlite3"


def polling(**changes: Any) -> PollingPolicy:
    quick = {"rate": 500.0, "burst": 5, "image_interval": 0.02, "video_interval": 0.02}
    quick |= {"image_median": 0.04, "video_median": 0.04, "max_interval": 0.2}
    return PollingPolicy(**(quick | changes))


def retrying(**changes: Any) -> RetryPolicy:
    return RetryPolicy(
        **({"base": 0.01, "cap": 0.05, "lookup_window": 0.1, "spare": 100_000} | changes)
    )


def downloading(**changes: Any) -> DownloadPolicy:
    return DownloadPolicy(**({"durable": False} | changes))


def settings(**changes: Any) -> Settings:
    """Quick, and polite to nobody."""
    quick = {"polling": polling(), "retrying": retrying(), "downloading": downloading()}
    return Settings(**(quick | changes))


def session_for(emulator: Emulator, folder: Path, **options: Any) -> DreaminaSession:
    """A session that talks to the emulator."""
    given = {"base_url": emulator.base_url, "output_dir": folder, "settings": settings()}
    login = options.pop("credentials", None) or Credentials(SECRET)
    return DreaminaSession(login, **(given | options))


@asynccontextmanager
async def world(
    folder: Path,
    *,
    rules: Settings | None = None,
    faults: Iterable[Fault] = (),
    credentials: Credentials | None = None,
    **options: Any,
) -> AsyncIterator[tuple[Emulator, DreaminaSession]]:
    """An emulator and an open session; whatever happens inside, nothing may be left over."""
    before = leftovers()
    async with Emulator(**({"speed": 600, "faults": faults} | options)) as emulator:
        session = session_for(
            emulator, folder, settings=rules or settings(), credentials=credentials
        )
        async with session:
            yield emulator, session
    assert leftovers() == before
    assert emulator.ledger.repeated() == {}
    assert emulator.requests.media_cookies == 0
    check_folder(folder)


def leftovers() -> tuple[set["asyncio.Task[Any]"], set[str]]:
    """Tasks that run, and threads of ours."""
    threads = {one.name for one in threading.enumerate() if one.name.startswith("dreamina-")}
    return {one for one in asyncio.all_tasks() if not _serves(one)}, threads


def _serves(task: "asyncio.Task[Any]") -> bool:
    """A handler of the emulator's that sleeps on after its client has gone."""
    return getattr(task.get_coro(), "__qualname__", "").startswith("RequestHandler.")


def check_folder(folder: Path) -> None:
    """No part files, no secret, nothing that is not ours."""
    for path in folder.rglob("*"):
        assert not path.name.endswith(".part"), path
        if path.is_file() and path.suffix not in (".png", ".mp4"):
            content = path.read_bytes()
            assert SECRET.encode() not in content, path
            assert b"x-signature" not in content, path


def check_result(emulator: Emulator, result: JobResult) -> None:
    """Every file is the one that the emulator made for this very job."""
    assert result.submit_id is not None
    made = emulator.media(result.submit_id)
    assert [file.sha256 for file in result.media] == [one.sha256 for one in made]
    for file, one in zip(result.media, made, strict=True):
        assert (file.width, file.height, file.size) == (one.width, one.height, one.size)
        assert (file.kind, file.index) == (one.kind, one.index)
        assert file.uri == one.uri or file.kind == "video"  # there it is the item's own id
        assert file.path.stat().st_size == one.size
        assert file.path.read_bytes() == one.body()


def check_job(emulator: Emulator, job: Job) -> None:
    assert job.outcome is not None, job.error
    check_result(emulator, job.outcome)


def rows(folder: Path, columns: str = "job_id, state") -> dict[str, Any]:
    """The journal as another process sees it: job id to state, or to the columns asked for."""
    connection = sqlite3.connect(f"{(folder / JOURNAL).as_uri()}?mode=ro", uri=True)
    try:
        found = connection.execute(f"SELECT {columns} FROM jobs ORDER BY rowid").fetchall()
    finally:
        connection.close()
    return {row[0]: row[1] if len(row) == 2 else row[1:] for row in found}


def document(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / "job.json").read_text("utf-8"))
    return data


def image(prompt: str = "a shiba in space", **fields: Any) -> ImageRequest:
    """One small image: most tests need no more."""
    return ImageRequest(prompt, **({"count": 1} | fields))


def png(seed: int = 0, width: int = 40, height: int = 30) -> bytes:
    """A small picture, another one for each seed."""
    row = b"\0" + bytes(3 * width)
    pixels = zlib.compress(row * (height - 1) + b"\0" + seed.to_bytes(3 * width, "big"))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


async def ticks(number: int = 5) -> None:
    """Let others run; for what needs no waiting at all."""
    for _ in range(number):
        await asyncio.sleep(0)


async def collect(run: AsyncIterator[Job], into: list[Job]) -> None:
    """Take all that comes; what came before an error counts as well."""
    async for job in run:
        into.append(job)  # noqa: PERF401
