"""Those who listen are the users' own: slow, raising, gone or meddling, they hold up nobody."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from cancel_traces import complaints
from session_kit import check_job, check_result, image, world

from dreamina_async import DreaminaSession, JobError
from dreamina_async.emulator import Outcome


async def never_reads(session: DreaminaSession) -> None:
    events = session.events()
    await session.drain()
    await events.aclose()


async def raises(session: DreaminaSession) -> None:
    async for event in session.events():
        raise LookupError(event.job_id)


async def leaves(session: DreaminaSession) -> None:
    async for _ in session.events():
        return


async def hears_while_it_dawdles(session: DreaminaSession) -> None:
    async for _ in session.events():
        for _ in range(50):
            await asyncio.sleep(0)


async def submits_more(session: DreaminaSession) -> None:
    """From within the loop that hears of the first ones."""
    for number in range(3):
        events = session.events()
        job = await session.submit(image(f"of a listener {number}"))
        async for event in events:
            if event.job_id == job.job_id:
                break
        await job


async def cancels_itself(session: DreaminaSession) -> None:
    task = asyncio.current_task()
    assert task is not None
    async for _ in session.events():
        task.cancel()


Listener = Callable[[DreaminaSession], Coroutine[Any, Any, None]]
LISTENERS: tuple[Listener, ...] = (
    never_reads,
    raises,
    leaves,
    hears_while_it_dawdles,
    submits_more,
    cancels_itself,
)


async def test_u14_listeners_of_every_kind_at_once(tmp_path: Path) -> None:
    with complaints() as said:
        async with world(tmp_path) as (emulator, session):
            tasks = [asyncio.create_task(listen(session)) for listen in LISTENERS]
            jobs = [await session.submit(image(str(number), count=2)) for number in range(4)]
            async with asyncio.timeout(10):
                await asyncio.gather(*jobs)
            for job in jobs:
                check_job(emulator, job)
            check_result(emulator, await session.generate(image("afterwards")))
            await asyncio.wait([tasks[LISTENERS.index(submits_more)]])
            await session.drain()
            await session.aclose()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        ended = dict(zip(LISTENERS, map(type, outcomes), strict=True))
        expected: dict[Listener, type] = dict.fromkeys(LISTENERS, type(None))
        assert ended == expected | {raises: LookupError, cancels_itself: asyncio.CancelledError}
    assert said == []


@pytest.mark.parametrize("kind", ["Submitted", "Progressed", "Finished", "Saved"])
async def test_u14_a_listener_that_closes_the_session(tmp_path: Path, kind: str) -> None:
    """In the middle of whatever it has just heard of."""
    slow = Outcome(run_seconds=200)
    with complaints() as said:
        async with world(tmp_path, outcome=slow) as (_, session):
            events = session.events()
            job = await session.submit(image(count=2))
            async with asyncio.timeout(10):
                async for event in events:
                    if type(event).__name__ == kind:
                        await session.aclose()
                await asyncio.gather(job, return_exceptions=True)
            assert job.done()
    assert said == []


async def test_u14_a_source_of_requests_that_breaks_off_hard(tmp_path: Path) -> None:
    """An exception that is no Exception ends the session, and everybody hears of it."""

    class Hard(BaseException):
        pass

    def requests() -> Any:
        yield image("one")
        raise Hard

    with complaints() as said:
        async with world(tmp_path, outcome=Outcome(stuck=True)) as (_, session):
            job = await session.submit(image())
            run = session.run(requests())
            async with asyncio.timeout(10):
                outcomes = await asyncio.gather(anext(run), job, return_exceptions=True)
            assert all("Hard()" in str(one) for one in outcomes), outcomes
    assert said == []


async def test_u14_a_listener_that_abandons_what_it_hears_of(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=Outcome(run_seconds=200)) as (emulator, session):
        events = session.events()
        jobs = {job.job_id: job for job in [await session.submit(image(str(n))) for n in range(3)]}
        async for event in events:
            jobs[event.job_id].abandon()
            if all(job.done() for job in jobs.values()):
                break
        outcomes = await asyncio.gather(*jobs.values(), return_exceptions=True)
        assert {type(one) for one in outcomes} == {JobError}
        check_result(emulator, await session.generate(image("afterwards")))
