"""A waiter who goes away takes nothing with him that has left (rows C of the fault list).

Every call cancelled at every suspension: that is in `cancellation`.
"""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from session_kit import (
    check_job,
    check_result,
    image,
    rows,
    settings,
    ticks,
    world,
)

from dreamina_async import (
    DreaminaSession,
    JobError,
    JobLost,
    JobState,
    JobTimeout,
)
from dreamina_async.emulator import Emulator, Fault, Outcome


def posts(emulator: Emulator) -> int:
    return emulator.requests.counts.get("generate", 0)


def delayed(seconds: float = 0.1, **options: Any) -> Fault:
    return Fault(where="generate", what="delay_after_charge", seconds=seconds, **options)


async def cancelled(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_c1_the_waiter_goes_while_the_submit_is_in_flight(tmp_path: Path) -> None:
    submit_id = str(uuid4())
    async with world(tmp_path, faults=[delayed()]) as (emulator, session):
        task = asyncio.create_task(session.submit(image(), submit_id=submit_id))
        await emulator.until(lambda: len(emulator.ledger) == 1)
        await cancelled(task)
        assert rows(tmp_path) == {submit_id: "intent"}

        job = await session.submit(image(), submit_id=submit_id)  # the same one
        await job
        check_job(emulator, job)
        assert posts(emulator) == 1
        assert rows(tmp_path) == {submit_id: "done"}


async def test_c1_generate_is_cancelled_and_the_files_come_all_the_same(tmp_path: Path) -> None:
    async with world(tmp_path, faults=[delayed()]) as (emulator, session):
        task = asyncio.create_task(session.generate(image()))
        await emulator.until(lambda: len(emulator.ledger) == 1)
        await cancelled(task)
        await session.drain()
        (submit_id,) = emulator.ledger.submit_ids
        job = await session.submit(image(), submit_id=submit_id)
        check_job(emulator, job)


async def test_c2_withdrawn_while_it_waits_for_a_slot(tmp_path: Path) -> None:
    submit_id = str(uuid4())
    rules = settings(submits=1)
    async with world(tmp_path, rules=rules, faults=[delayed()]) as (emulator, session):
        first = asyncio.create_task(session.submit(image("first")))
        await emulator.until(lambda: posts(emulator) == 0 and len(emulator.ledger) == 1)
        second = asyncio.create_task(session.submit(image("second"), submit_id=submit_id))
        await until_state(session, JobState.PLANNED)
        await cancelled(second)
        await (await first)
        assert len(emulator.ledger) == 1
        assert submit_id not in rows(tmp_path)
        assert session.statistics().jobs == {JobState.PLANNED: 1, JobState.DONE: 1}

        # the slot was given back, and the id is still good
        job = await session.submit(image("second"), submit_id=submit_id)
        await job
        check_job(emulator, job)
        assert posts(emulator) == 2


@pytest.mark.parametrize("times", [1, 3])
async def test_withdrawn_and_wanted_again_is_sent_once(tmp_path: Path, times: int) -> None:
    """Each new wish starts anew while the old one still stands in the line for its slot."""
    submit_id = str(uuid4())
    rules = settings(submits=1)
    async with world(tmp_path, rules=rules, faults=[delayed()]) as (emulator, session):
        first = asyncio.create_task(session.submit(image("first")))
        await emulator.until(lambda: len(emulator.ledger) == 1)
        for _ in range(times):
            task = asyncio.create_task(session.submit(image("second"), submit_id=submit_id))
            await until_state(session, JobState.PLANNED)
            await ticks()
            await cancelled(task)
        job = await session.submit(image("second"), submit_id=submit_id)
        await asyncio.gather(job, await first)
        check_job(emulator, job)
        assert len(emulator.ledger.charges(submit_id)) == 1
        assert posts(emulator) == 2


async def test_one_of_two_who_submit_the_same_goes_away(tmp_path: Path) -> None:
    submit_id = str(uuid4())
    rules = settings(submits=1)
    async with world(tmp_path, rules=rules, faults=[delayed()]) as (emulator, session):
        first = asyncio.create_task(session.submit(image("first")))
        await emulator.until(lambda: len(emulator.ledger) == 1)
        pair = [
            asyncio.create_task(session.submit(image("second"), submit_id=submit_id))
            for _ in range(2)
        ]
        await until_state(session, JobState.PLANNED)
        await ticks()
        await cancelled(pair[0])
        check_result(emulator, await (await pair[1]))
        await first


async def test_c4_one_of_many_waiters_goes_away(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        job = await session.submit(image())
        waiters = [asyncio.create_task(job.result()) for _ in range(10)]
        await ticks()
        for waiter in waiters[::2]:
            await cancelled(waiter)
        results = await asyncio.gather(*waiters[1::2])
        assert set(map(id, results)) == {id(job.outcome)}
        check_job(emulator, job)


async def test_c5_the_last_waiter_goes_away(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        job = await session.submit(image())
        waiter = asyncio.create_task(job.result())
        await ticks()
        await cancelled(waiter)
        await session.drain()
        check_job(emulator, job)


async def test_generate_with_a_timeout(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=Outcome(run_seconds=1800)) as (emulator, session):
        with pytest.raises(JobTimeout) as caught:
            await session.generate(image(), timeout=1.5)
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.charged == "yes"
        job = await session.submit(image(), submit_id=caught.value.job_id)
        assert job.job_id == caught.value.job_id
        with pytest.raises(JobTimeout):
            await job.result(timeout=0.01)
        with pytest.raises(JobTimeout):
            await job.result(timeout=0)
        await job
        check_job(emulator, job)
        assert await job.result(timeout=0) is job.outcome
        assert posts(emulator) == 1


async def test_generate_times_out_before_anything_is_sent(tmp_path: Path) -> None:
    rules = settings(submits=1)
    async with world(tmp_path, rules=rules, faults=[delayed(0.3)]) as (emulator, session):
        first = asyncio.create_task(session.submit(image("first")))
        await emulator.until(lambda: len(emulator.ledger) == 1)
        with pytest.raises(JobTimeout) as caught:
            await session.generate(image("second"), timeout=0.05)
        assert caught.value.charged == "no"
        await (await first)
        assert posts(emulator) == 1


async def test_generate_times_out_while_the_submit_is_in_flight(tmp_path: Path) -> None:
    async with world(tmp_path, faults=[delayed(0.3)]) as (emulator, session):
        with pytest.raises(JobTimeout) as caught:
            await session.generate(image(), timeout=0.1)
        assert caught.value.charged == "unknown"
        await session.drain()
        check_job(emulator, await session.submit(image(), submit_id=caught.value.job_id))


# ---- abandon -----------------------------------------------------------------------------


async def test_abandon_a_pending_job(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=Outcome(stuck=True)) as (emulator, session):
        job = await session.submit(image())
        waiter = asyncio.create_task(job.result())
        await ticks()
        job.abandon()
        job.abandon()
        with pytest.raises(JobError) as caught:
            await waiter
        assert caught.value.charged == "yes"
        assert job.done()
        assert await session.resume() == []
        asked = len(emulator.requests.batches)
        await session.status([])
        assert len(emulator.requests.batches) == asked
    assert rows(tmp_path) == {job.job_id: "abandoned"}


async def test_abandon_what_is_held(tmp_path: Path) -> None:
    """Or every later run would look for it in vain, for ever."""
    lost = Fault(where="generate", what="reset")
    async with world(tmp_path, faults=[lost]) as (emulator, session):
        submit_id = str(uuid4())
        with pytest.raises(JobLost):
            await session.submit(image(), submit_id=submit_id)
        job = await session.find(submit_id)
        assert job is not None
        assert job.state is JobState.UNKNOWN
        job.abandon()
        job.abandon()
        with pytest.raises(JobError) as caught:
            await job
        assert caught.value.charged == "unknown"
        assert await session.resume() == []
        assert len(emulator.ledger) == 0
    assert rows(tmp_path) == {submit_id: "abandoned"}


@pytest.mark.parametrize("ret", ["1010", "2038", "1006", None])
async def test_abandon_while_the_submit_is_in_flight(tmp_path: Path, ret: str | None) -> None:
    """Whatever the service then answers, the session lives on."""
    fault = delayed() if ret is None else Fault(where="generate", what="ret", ret=ret, seconds=0.1)
    async with world(tmp_path, faults=[fault]) as (emulator, session):
        events = session.events()
        submit_id = str(uuid4())
        task = asyncio.create_task(session.submit(image(), submit_id=submit_id))
        await emulator.until(lambda: len(emulator.requests) + posts(emulator) == 0)
        await until_state(session, JobState.INTENT)
        await emulator.until(lambda: emulator.statistics()["peak_concurrency"].get("generate") == 1)
        job = session.attach(submit_id=submit_id)
        job.abandon()
        with pytest.raises(JobError):
            await task
        await emulator.until(lambda: posts(emulator) == 1)
        await ticks(20)
        check_result(emulator, await session.generate(image("another")))
        await events.aclose()
    assert rows(tmp_path)[submit_id] == "abandoned"


@pytest.mark.parametrize("kind", ["history", "media"])
async def test_abandon_at_every_later_moment(tmp_path: Path, kind: str) -> None:
    """While its report, or its files, are on their way: nothing breaks."""
    faults = [Fault(where=kind, what="delay", seconds=0.1, match="doomed", times=None)]  # type: ignore[arg-type]
    async with world(tmp_path, faults=faults) as (emulator, session):
        job = await session.submit(image("doomed", count=2))
        await emulator.until(lambda: emulator.requests.peaks.get(kind, 0) >= 1)
        job.abandon()
        with pytest.raises(JobError):
            await job
        check_result(emulator, await session.generate(image("another")))
        before = emulator.requests.counts.get(kind, 0)
        await emulator.until(lambda: emulator.requests.counts.get(kind, 0) >= min(before, 1))
        check_result(emulator, await session.generate(image("a third")))
        assert job.state is JobState.ABANDONED


async def test_abandon_after_each_kind_of_event(tmp_path: Path) -> None:
    """From within the loop that hears of it: also while the last word is being written."""
    slow = {"Progressed": Outcome(run_seconds=6000)}  # so that a look finds it running
    async with world(tmp_path, outcomes=slow) as (emulator, session):
        for kind in ("Submitted", "Progressed", "Finished", "Downloading", "FileSaved", "Saved"):
            events = session.events()
            task = asyncio.create_task(session.submit(image(kind, count=2)))
            async for event in events:
                if type(event).__name__ == kind:
                    break
            await events.aclose()
            job = await task
            job.abandon()
            try:
                check_result(emulator, await job)
            except JobError:
                assert job.state is JobState.ABANDONED
            assert job.done()
        check_result(emulator, await session.generate(image("still alive")))


async def until_state(session: DreaminaSession, state: JobState) -> None:
    async with asyncio.timeout(5):
        while state not in session.statistics().jobs:
            await asyncio.sleep(0)
