"""Events: frozen facts in the order in which they became true, for any number of readers."""

import asyncio
from pathlib import Path

from session_kit import image, world

from dreamina_async import Event, Job, JobState
from dreamina_async.emulator import Fault, Outcome
from dreamina_async.events import (
    Downloading,
    Failed,
    FileSaved,
    Finished,
    Progressed,
    Saved,
    Submitted,
)

STEPS = (Submitted, Progressed, Finished, Downloading, FileSaved, Saved)


async def test_one_jobs_events_come_in_order_to_every_reader(tmp_path: Path) -> None:
    slow = Outcome(run_seconds=900)  # so that a look finds it running
    async with world(tmp_path, outcome=slow) as (_, session):
        readers = [session.events() for _ in range(3)]
        job = await session.submit(image(count=2))
        result = await job
        await session.aclose()
        heard = [[event async for event in reader] for reader in readers]

        assert heard[0] == heard[1] == heard[2]
        kinds = [type(event) for event in heard[0]]
        firsts = [kinds.index(step) for step in STEPS]
        assert firsts == sorted(firsts)
        assert kinds.count(Submitted) == kinds.count(Finished) == kinds.count(Saved) == 1
        assert kinds.count(FileSaved) == 2
        assert kinds[-1] is Saved
        assert {event.job_id for event in heard[0]} == {job.job_id}
        assert [event.at for event in heard[0]] == sorted(event.at for event in heard[0])
        (finished,) = [event for event in heard[0] if isinstance(event, Finished)]
        assert (finished.items, finished.missing) == (2, 0)
        (saved,) = [event for event in heard[0] if isinstance(event, Saved)]
        assert saved.result == result
        bytes_of = {e.index: e.received for e in heard[0] if isinstance(e, Downloading)}
        assert bytes_of == {file.index: file.size for file in result.media}


async def test_a_jobs_own_events_end_with_it(tmp_path: Path) -> None:
    async with world(tmp_path, outcomes={"bad": Outcome(fail_code="2038")}) as (_, session):
        good, bad = await asyncio.gather(session.submit(image()), session.submit(image("bad")))

        async def heard(job: Job) -> list[Event]:
            return [event async for event in job.events()]

        of_good, of_bad = await asyncio.gather(heard(good), heard(bad))
        assert isinstance(of_good[-1], Saved)
        assert {event.job_id for event in of_good} == {good.job_id}
        (failed,) = [event for event in of_bad if isinstance(event, Failed)]
        assert failed.state is JobState.FAILED
        assert failed.error == bad.error
        # one that is over says its last word once more
        assert [type(event) for event in await heard(good)] == [Saved]
        assert [type(event) for event in await heard(bad)] == [Failed]
        await session.aclose()
        assert [type(event) for event in await heard(good)] == [Saved]


async def test_a_reader_who_sleeps_holds_nobody_up(tmp_path: Path) -> None:
    async with world(tmp_path) as (_, session):
        sleeper = session.events()
        jobs = [job async for job in session.run(image(str(number)) for number in range(20))]
        await session.aclose()
        heard = [event async for event in sleeper]
        assert sum(isinstance(event, Saved) for event in heard) == len(jobs) == 20
        assert sleeper.dropped == 0


async def test_leaving_the_session_ends_every_reader(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=Outcome(stuck=True)) as (_, session):
        job = await session.submit(image())

        async def last(events: object) -> Event:
            return [event async for event in events][-1]  # type: ignore[attr-defined]

        readers = [asyncio.create_task(last(one)) for one in (session.events(), job.events())]
        await asyncio.sleep(0)
        await session.aclose()
        for event in await asyncio.gather(*readers):
            assert isinstance(event, Failed)
            assert event.state is JobState.ACCEPTED


async def test_an_abandoned_job_says_nothing_after_its_end(tmp_path: Path) -> None:
    fault = Fault(where="media", what="delay", seconds=0.1)
    async with world(tmp_path, faults=[fault]) as (emulator, session):
        events = session.events()
        job = await session.submit(image())
        await emulator.until(lambda: emulator.requests.peaks.get("media", 0) == 1)
        job.abandon()
        await emulator.until(lambda: len(emulator.requests.to("media")) == 1)
        await session.generate(image("another"))
        await session.aclose()
        heard = [event async for event in events if event.job_id == job.job_id]
        assert [type(event) for event in heard][-1] is Failed
