"""The one task that asks: wake-ups, overlap, and what it does not ask."""

import asyncio
from pathlib import Path

import pytest
from session_kit import check_job, image, polling, settings, ticks, world

from dreamina_async import JobError, JobReport, JobState, SessionClosed
from dreamina_async._core.ledger import Entry
from dreamina_async._core.reconcile import Sight
from dreamina_async._runtime.clock import LoopClock
from dreamina_async.emulator import Fault, Outcome


async def test_an_idle_session_asks_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        await session.generate(image())
        asked = len(emulator.requests.batches)
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0.01)

        counting = asyncio.create_task(count())
        await session.status([])
        while turns < 10:
            await asyncio.sleep(0)
        counting.cancel()
        assert len(emulator.requests.batches) == asked


async def test_a_slow_reply_does_not_hold_up_the_others(tmp_path: Path) -> None:
    faults = [Fault(where="history", what="delay", seconds=1, match="slow")]
    rules = settings(polling=polling(batch=1))
    async with world(tmp_path, rules=rules, faults=faults) as (emulator, session):
        slow = await session.submit(image("slow"))
        emulator.faults.add(
            Fault(where="history", what="delay", seconds=1, match=str(slow.history_id))
        )
        jobs = [job async for job in session.run(image(str(number)) for number in range(6))]
        for job in jobs:
            check_job(emulator, job)
        assert emulator.requests.peaks["history"] <= 4


async def test_a_look_while_the_schedule_sleeps(tmp_path: Path) -> None:
    """The poller waits for an instant far away; a question wakes it at once."""
    rules = settings(polling=polling(image_interval=30, image_median=30, max_interval=60))
    async with world(tmp_path, rules=rules, outcome=Outcome(stuck=True)) as (_, session):
        job = await session.submit(image())
        async with asyncio.timeout(2):
            for _ in range(3):
                assert await session.status([str(job.submit_id)])


async def test_what_is_over_is_asked_no_more(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=Outcome(stuck=True)) as (emulator, session):
        jobs = [await session.submit(image(str(number))) for number in range(3)]
        for job in jobs:
            job.abandon()
        await emulator.until(lambda: emulator.statistics()["jobs"] == 3)
        await session.status(["1"])
        asked = len(emulator.requests.batches)
        await session.status(["2"])
        assert emulator.requests.batches[asked:] == (("2",),)


async def test_looks_ask_for_an_id_once(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=Outcome(stuck=True)) as (emulator, session):
        job = await session.submit(image())
        many = [session.status([str(job.history_id)]) for _ in range(8)]
        reports = await asyncio.gather(*many)
        assert {tuple(report) for report in reports} == {(job.history_id,)}
        assert all(len(set(batch)) == len(batch) for batch in emulator.requests.batches)


async def test_a_closed_poller_answers_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as (_, session):
        parts = session._parts
        assert parts is not None
        await session.aclose()
        await ticks()
        with pytest.raises(SessionClosed):
            await parts.poller.look("1", "history")


async def test_given_up_while_a_found_submit_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the report says comes too late for it, and harms nobody."""
    async with world(tmp_path) as (_, session):
        parts = session._parts
        assert parts is not None
        submit_id = session.submit_id_for("row")
        entry = Entry(submit_id, "image", JobState.INTENT, 0.0, submit_id=submit_id)
        entry.sight = Sight("image", since=0.0, answered=False)
        parts.jobs.ledger.add(entry)

        async def abandoned_meanwhile(one: Entry, history_id: str | None) -> None:
            assert history_id == "1"
            parts.jobs.abandoned(one, JobError("enough"))

        monkeypatch.setattr(type(parts.jobs), "accepted", lambda _, *a: abandoned_meanwhile(*a))
        await parts.poller._merge(entry, JobReport(history_id="1", status=20), now=1.0)
        assert entry.state is JobState.ABANDONED
        assert len(parts.poller.schedule) == 0


class EarlyClock(LoopClock):
    """Its timers fire a nanosecond before their time, as coarse clocks' do."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []

    def monotonic(self) -> float:
        return self.now

    async def wait(self, event: asyncio.Event, until: float | None) -> None:
        if until is None:
            await event.wait()
            return
        self.waits.append(until)
        await asyncio.sleep(0)
        if len(self.waits) > 1000:
            raise AssertionError("the poller spins")
        if not event.is_set():
            self.now = max(self.now, until - 1e-9)


async def test_a_timer_that_fires_early_does_not_make_it_spin(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        parts = session._parts
        assert parts is not None
        clock = parts.poller.clock = EarlyClock()
        entry = Entry("history-1", "image", JobState.ACCEPTED, 0.0, history_id="1")
        parts.jobs.ledger.add(entry)
        parts.poller.track(entry, Sight("image", since=clock.now))
        await emulator.until(lambda: len(emulator.requests.batches) == 3)
        assert len(set(clock.waits)) == len(clock.waits)
        parts.jobs.abandoned(entry, JobError("enough"))
