"""The handle that a user holds: what it shows, and how it can be awaited."""

import asyncio
import gc
import weakref
from pathlib import Path

import pytest
from session_kit import image, polling, settings, world

from dreamina_async import JobFailed, JobState, JobTimeout, Phase
from dreamina_async.emulator import Fault, Outcome


async def test_what_it_shows_on_its_way(tmp_path: Path) -> None:
    outcome = Outcome(queue_seconds=30, progressive=True)
    rules = settings(polling=polling(image_interval=0.005, image_median=0.01))
    async with world(tmp_path, rules=rules, outcome=outcome, speed=100) as (_, session):
        job = await session.submit(image(count=3))
        assert job.job_id == job.submit_id
        assert job.request == image(count=3)
        assert f"<Job {job.submit_id} accepted>" == repr(job)
        phases, finished, positions = [], [], []
        async for event in job.events():
            del event
            if job.progress is not None:
                phases.append(job.progress.phase)
                finished.append(job.progress.finished)
            if job.queue is not None and job.queue.position is not None:
                positions.append(job.queue.position)
        assert phases[0] is Phase.QUEUED
        assert phases[-1] is Phase.FINISHING
        assert finished == sorted(finished)
        assert max(finished) >= 1
        assert positions == sorted(positions, reverse=True)
        assert job.state is JobState.DONE
        assert job.progress is None
        assert job.queue is None


async def test_a_result_and_an_error_can_be_had_again_and_again(tmp_path: Path) -> None:
    outcomes = {"bad": Outcome(fail_code="2038")}
    async with world(tmp_path, outcomes=outcomes) as (_, session):
        good = await session.submit(image())
        bad = await session.submit(image("bad"))
        results = await asyncio.gather(*(good.result() for _ in range(3)))
        assert len({id(one) for one in results}) == 1
        errors = await asyncio.gather(*(bad.result() for _ in range(3)), return_exceptions=True)
        assert len({id(one) for one in errors}) == 3
        assert len(set(errors)) == 1
        assert bad.outcome is None
        await session.aclose()
        assert await good is results[0]
        with pytest.raises(JobFailed):
            await bad


async def test_a_timeout_is_the_waiters_own(tmp_path: Path) -> None:
    fault = Fault(where="history", what="delay", seconds=0.2)
    async with world(tmp_path, faults=[fault]) as (_, session):
        job = await session.submit(image())
        patient = asyncio.create_task(job.result(timeout=30))
        with pytest.raises(JobTimeout) as caught:
            await job.result(timeout=0.01)
        assert caught.value.charged == "yes"
        assert caught.value.job_id == job.job_id
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await job
        await patient


async def test_nobody_need_hold_it(tmp_path: Path) -> None:
    """The session keeps the job going; a new handle is as good as the old."""
    async with world(tmp_path) as (_, session):
        job = await session.submit(image())
        submit_id, ghost = str(job.submit_id), weakref.ref(job)
        del job
        gc.collect()
        assert ghost() is None
        again = await session.submit(image(), submit_id=submit_id)
        assert (await again).submit_id == submit_id
