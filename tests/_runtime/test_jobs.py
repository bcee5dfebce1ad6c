"""The one place where a job changes: what is recorded, who is woken, what it refuses."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from session_kit import image, ticks, world

from dreamina_async import DreaminaSession, JobError, JobState, TransportError
from dreamina_async._core.ledger import Entry
from dreamina_async._runtime.jobs import Jobs


def jobs_of(session: DreaminaSession) -> Jobs:
    assert session._parts is not None
    return session._parts.jobs


def entry_in(jobs: Jobs, state: JobState = JobState.PLANNED) -> Entry:
    submit_id = str(uuid4())
    entry = Entry(submit_id, "image", state, 0.0, request=image(), submit_id=submit_id)
    jobs.ledger.add(entry)
    return entry


@pytest.mark.parametrize(
    ("state", "charged"),
    [
        (JobState.PLANNED, "no"),
        (JobState.INTENT, "unknown"),
        (JobState.UNKNOWN, "unknown"),
        (JobState.ACCEPTED, "yes"),
        (JobState.READY, "yes"),
    ],
)
def test_what_a_state_says_about_money(state: JobState, charged: str) -> None:
    assert state.charged == charged


async def test_each_waiter_is_woken_once_and_late_ones_need_not_wait(tmp_path: Path) -> None:
    async with world(tmp_path) as (_, session):
        jobs = jobs_of(session)
        entry = entry_in(jobs)
        waiters = [asyncio.create_task(jobs.until_over(entry)) for _ in range(3)]
        accepted = asyncio.create_task(jobs.until_accepted(entry))
        await ticks()
        assert not any(waiter.done() for waiter in waiters)
        jobs.give_up(entry, JobError("over"), keep=False)
        jobs.give_up(entry, JobError("again"), keep=False)
        await asyncio.gather(*waiters, accepted)
        await jobs.until_over(entry)
        await jobs.until_accepted(entry)
        assert entry.error == JobError("over", job_id=entry.job_id)
        assert not jobs._over
        assert not jobs._accepted


async def test_given_up_while_the_acceptance_is_written(tmp_path: Path) -> None:
    """Its last event stays the last one."""
    async with world(tmp_path) as (_, session):
        jobs = jobs_of(session)
        entry = entry_in(jobs, JobState.INTENT)
        events = session.events()
        task = asyncio.create_task(jobs.accepted(entry, "1"))
        await asyncio.sleep(0)
        assert entry.state is JobState.ACCEPTED
        jobs.abandoned(entry, JobError("enough"))
        await task
        await session.aclose()
        assert [type(event).__name__ async for event in events] == ["Failed"]
        assert entry.state is JobState.ABANDONED


async def test_an_unpaid_refusal_frees_the_intent(tmp_path: Path) -> None:
    async with world(tmp_path) as (_, session):
        jobs = jobs_of(session)
        entry = entry_in(jobs)
        await jobs.intend(entry)
        assert entry.sent_at is not None
        assert jobs.ledger.at_service("image") == 1
        reason = TransportError("no route", "no", sent=False)
        jobs.withdraw_intent(entry, reason)
        assert entry.state is JobState.PLANNED
        assert entry.error is reason
        assert jobs.ledger.at_service("image") == 0


async def test_a_file_counts_once(tmp_path: Path) -> None:
    async with world(tmp_path) as (_, session):
        result = await session.generate(image(count=2))
        jobs = jobs_of(session)
        entry = jobs.ledger.get(str(result.submit_id))
        assert entry is not None
        jobs.file_saved(entry, result.media[1])
        assert entry.saved == result.media
