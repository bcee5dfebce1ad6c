"""Who may send, when, and what the line does when somebody leaves it."""

import asyncio
from pathlib import Path

import pytest
from session_kit import check_job, image, polling, retrying, settings, world

from dreamina_async import Job, JobState, RateLimited
from dreamina_async._core.window import Window
from dreamina_async.emulator import Fault
from dreamina_async.events import SubmitWaits


def shrink(session: object, limit: float = 1) -> None:
    """As if the service had shown how few jobs it takes at once."""
    windows = session._parts.submitter._windows  # type: ignore[attr-defined]
    windows["image"] = Window(limit)


@pytest.mark.parametrize("ret", ["2038", "1000"])
async def test_a_refused_job_makes_room_in_the_window(tmp_path: Path, ret: str) -> None:
    """It never was at the service, so nothing 'ends': the next must be let in all the same."""
    faults = [Fault(where="generate", what="ret", ret=ret, seconds=0.05)]
    async with world(tmp_path, faults=faults) as (emulator, session), asyncio.timeout(5):
        shrink(session)
        jobs = [job async for job in session.run(image(str(number)) for number in range(3))]
        states = sorted(job.state for job in jobs)
        assert states == [JobState.DONE, JobState.DONE, JobState.FAILED]
        assert emulator.requests.peaks["generate"] == 1


async def test_a_job_that_never_arrived_makes_room_in_the_window(tmp_path: Path) -> None:
    """Its sender gives up; those behind it try for themselves and do not wait for ever."""
    rules = settings(retrying=retrying(attempts=1))
    async with world(tmp_path, rules=rules) as (emulator, session), asyncio.timeout(5):
        shrink(session)
        transport = session._parts.transport  # type: ignore[union-attr]
        send = transport.send

        async def fail_once(request: object, announce: object = None) -> object:
            from dreamina_async import TransportError

            transport.send = send
            await asyncio.sleep(0.05)
            raise TransportError("cannot connect", "no", sent=False)

        transport.send = fail_once
        jobs = [job async for job in session.run(image(str(number)) for number in range(3))]
        states = sorted(job.state for job in jobs)
        assert states == [JobState.DONE, JobState.DONE, JobState.PLANNED]
        assert len(emulator.ledger) == 2


async def test_an_unanswered_job_does_not_stand_in_its_own_way(tmp_path: Path) -> None:
    """Its intent fills the window of one, and it is to be sent once more."""
    rules = settings(retrying=retrying(unanswered="resubmit_same_id"))
    faults = [Fault(where="generate", what="reset")]
    async with world(tmp_path, rules=rules, faults=faults) as (emulator, session):
        shrink(session)
        async with asyncio.timeout(5):
            job = await session.submit(image())
            await job
        check_job(emulator, job)


async def test_an_observer_hears_why_a_submit_waits(tmp_path: Path) -> None:
    faults = [Fault(where="generate", what="ret", ret="1310", times=2)]
    async with world(tmp_path, faults=faults) as (_, session):
        events = session.events()
        await session.generate(image())
        await session.aclose()
        waits = [event async for event in events if isinstance(event, SubmitWaits)]
        assert [type(event.reason) for event in waits] == [RateLimited, RateLimited]


async def test_no_more_submits_at_once_than_allowed(tmp_path: Path) -> None:
    rules = settings(submits=3, polling=polling())
    async with world(tmp_path, rules=rules, speed=100) as (emulator, session):
        jobs = [job async for job in session.run(image(str(number)) for number in range(12))]
        assert len(jobs) == 12
        assert emulator.requests.peaks["generate"] == 3


async def test_a_login_lost_elsewhere_reaches_those_in_line(tmp_path: Path) -> None:
    """And closing the session does not wait for them."""
    async with world(tmp_path) as (emulator, session):
        running = await session.submit(image("runs"))
        shrink(session)
        line = [asyncio.create_task(session.submit(image(str(number)))) for number in range(3)]
        while session.statistics().jobs.get(JobState.PLANNED, 0) < 3:
            await asyncio.sleep(0)
        emulator.faults.add(Fault(where="history", what="ret", ret="1015", times=None))
        outcomes = await asyncio.gather(*line, running, return_exceptions=True)
        assert {type(one).__name__ for one in outcomes} == {"AuthenticationError"}
        async with asyncio.timeout(2):
            await session.aclose()


async def test_a_call_that_was_overtaken_in_its_pause_leaves_quietly(tmp_path: Path) -> None:
    """The later call has sent the job and is gone when the earlier one wakes."""
    rules = settings(retrying=retrying(base=0.3, cap=0.3))
    faults = [Fault(where="generate", what="ret", ret="1057")]
    async with world(tmp_path, rules=rules, faults=faults) as (emulator, session):
        parts = session._parts
        assert parts is not None
        submit_id = session.submit_id_for("row")
        first = asyncio.create_task(session.submit(image(), submit_id=submit_id))
        await emulator.until(lambda: len(emulator.requests.to("generate")) == 1)
        while (entry := parts.jobs.ledger.get(submit_id)) is None or entry.error is None:
            await asyncio.sleep(0)
        await parts.submitter.submit(entry)
        check_job(emulator, await finished(await first))
        while parts.supervisor._errands:
            await asyncio.sleep(0.01)
        check_job(emulator, await finished(await session.submit(image("the session lives"))))
        assert len(emulator.ledger) == 2


async def finished(job: Job) -> Job:
    await job
    return job
