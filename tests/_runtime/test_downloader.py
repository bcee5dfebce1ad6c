"""The queue of files: its limits, and what a second delivery meets of the first."""

import asyncio
from pathlib import Path

import pytest
from session_kit import check_job, downloading, image, settings, world

from dreamina_async import DownloadError, JobState
from dreamina_async.emulator import Fault


@pytest.mark.parametrize("unsized", [False, True])
async def test_g12_a_file_beyond_the_limit_is_refused(tmp_path: Path, unsized: bool) -> None:
    rules = settings(downloading=downloading(max_image=50_000))
    faults = [Fault(where="media", what="truncated_unsized", fraction=1.0)] if unsized else []
    async with world(tmp_path, rules=rules, image_bytes=200_000, faults=faults) as (_, session):
        job = await session.submit(image())
        with pytest.raises(DownloadError, match="50000"):
            await job
        assert job.state is JobState.READY


async def test_memory_is_bounded_by_the_block(tmp_path: Path) -> None:
    rules = settings(downloading=downloading(block=10_000))
    async with world(tmp_path, rules=rules, image_bytes=1_000_000) as (emulator, session):
        job = await session.submit(image())
        await job
        check_job(emulator, job)


async def test_no_more_files_at_once_than_allowed(tmp_path: Path) -> None:
    rules = settings(downloading=downloading(parallel=3))
    async with world(tmp_path, rules=rules, media_latency=(5, 5)) as (emulator, session):
        jobs = [job async for job in session.run(image(str(n), count=4) for n in range(5))]
        assert len(jobs) == 5
        assert emulator.requests.peaks["media"] == 3


async def test_a_second_delivery_while_files_of_the_first_are_under_way(tmp_path: Path) -> None:
    """One file fails at once, its brothers are still coming, and `resume` begins anew."""
    faults = [
        Fault(where="media", what="corrupt"),
        Fault(where="media", what="drip", seconds=0.3, times=6),
    ]
    rules = settings(downloading=downloading(attempts=1, block=1000))
    async with world(tmp_path, rules=rules, faults=faults, image_bytes=100_000) as (
        emulator,
        session,
    ):
        job = await session.submit(image(count=4))
        with pytest.raises(DownloadError):
            await job
        (again,) = await session.resume()
        assert again is job
        await job
        check_job(emulator, job)
        while (
            emulator.statistics()["peak_concurrency"]["media"]
            and len(emulator.requests.to("media")) < 8
        ):
            await emulator.until(lambda: len(emulator.requests.to("media")) >= 8)
        check = await session.submit(image("the session spends on"))
        await check
        assert len(job.outcome.media if job.outcome else ()) == 4


async def test_a_refresh_that_cannot_be_read_is_not_the_end(tmp_path: Path) -> None:
    faults = [Fault(where="media", what="expired", times=2)]
    async with world(tmp_path, faults=faults) as (emulator, session):
        task = asyncio.create_task(session.generate(image()))
        await emulator.until(lambda: emulator.requests.peaks.get("media", 0) >= 1)
        emulator.faults.add(Fault(where="history", what="damaged", damage="text_record"))
        await task
        assert session.statistics().refreshes == 2
