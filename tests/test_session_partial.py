"""Fewer results than asked for: kept, said, and the rest is looked for later."""

from pathlib import Path

import pytest
from session_kit import (
    check_job,
    document,
    downloading,
    image,
    polling,
    retrying,
    rows,
    session_for,
    settings,
    world,
)

from dreamina_async import JobFailed, JobState, ServiceUnavailable, UrlExpired
from dreamina_async.emulator import Fault, Outcome

THREE_OF_FOUR = Outcome(items=3)
FOURTH_LATER = Outcome(late_items=1, late_seconds=300)  # half a second at this speed


async def test_three_of_four_are_three_files_and_a_result_that_says_so(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=THREE_OF_FOUR) as (emulator, session):
        job = await session.submit(image(count=4))
        result = await job
        assert (len(result.media), result.missing, result.partial) == (3, 1, True)
        check_job(emulator, job)
        assert document(tmp_path / str(job.submit_id))["missing"] == 1


async def test_a_later_resume_fetches_the_fourth(tmp_path: Path) -> None:
    rules = settings(polling=polling(stable_after=0.05))
    async with world(tmp_path, rules=rules, outcome=FOURTH_LATER) as (emulator, session):
        job = await session.submit(image(count=4))
        assert (await job).missing == 1
        await session.aclose()
        async with session_for(emulator, tmp_path, settings=rules) as again:
            while True:
                (job,) = await again.resume()
                result = await job
                if not result.missing:
                    break
        assert len(result.media) == 4
        check_job(emulator, job)
        assert rows(tmp_path) == {job.submit_id: "done"}
        assert document(tmp_path / str(job.submit_id))["missing"] == 0
        assert emulator.requests.counts["generate"] == 1


async def test_what_stays_missing_stays_as_it_was(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=THREE_OF_FOUR) as (emulator, session):
        first = await (await session.submit(image(count=4)))
        await session.aclose()
        async with session_for(emulator, tmp_path) as again:
            (job,) = await again.resume()
            second = await job
            assert (second.missing, second.media) == (1, first.media)
            assert job.state is JobState.DONE
            assert again.statistics().status_calls == 1  # one look, no waiting
            assert await again.resume() != []
        files = sorted(path.name for path in (tmp_path / str(first.submit_id)).iterdir())
        assert files == ["image-0.png", "image-1.png", "image-2.png", "job.json"]


async def test_a_second_look_that_fails_says_so_and_takes_nothing_away(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=THREE_OF_FOUR) as (emulator, session):
        first = await (await session.submit(image(count=4)))
        await session.aclose()
        emulator.faults.add(Fault(where="history", what="status", times=None))
        quick = settings(retrying=retrying(attempts=2))
        async with session_for(emulator, tmp_path, settings=quick) as again:
            (job,) = await again.resume()
            with pytest.raises(ServiceUnavailable, match="3 files are there") as caught:
                await job
            assert caught.value.charged == "yes"
            assert job.state is JobState.DONE
        assert rows(tmp_path) == {first.submit_id: "done"}
        emulator.faults.clear()
        async with session_for(emulator, tmp_path) as again:
            (job,) = await again.resume()
            assert (await job).media == first.media


async def test_a_record_that_is_gone_takes_nothing_away(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=THREE_OF_FOUR) as (emulator, session):
        first = await (await session.submit(image(count=4)))
        await session.aclose()
        emulator.faults.add(Fault(where="history", what="missing", times=None))
        async with session_for(emulator, tmp_path) as again:
            (job,) = await again.resume()
            assert (await job).media == first.media
        assert rows(tmp_path) == {first.submit_id: "done"}


TAKEN_BACK = {
    "deleted": Fault(where="history", what="damaged", damage="deleted", times=None),
    "failed": Fault(where="history", what="damaged", damage="failed", times=None),
    "gone": Fault(where="history", what="missing", times=None),
}
FOURTH_BREAKS = Fault(where="media", what="not_found", times=None, after=3)


@pytest.mark.parametrize("ending", ["deleted", "failed", "gone"])
async def test_what_had_finished_never_becomes_a_failure(tmp_path: Path, ending: str) -> None:
    """Three files came home, the fourth did not; then the service takes the record back."""
    rules = settings(downloading=downloading(attempts=1, refreshes=1))
    quick = settings(polling=polling(pending_limit=0.2, attached_grace=0.1, missing_grace=0.1))
    async with world(tmp_path, rules=rules, faults=[FOURTH_BREAKS]) as (emulator, session):
        job = await session.submit(image(count=4))
        with pytest.raises(UrlExpired):
            await job
        assert job.outcome is None
        await session.aclose()
        emulator.faults.clear()
        emulator.faults.add(TAKEN_BACK[ending])
        async with session_for(emulator, tmp_path, settings=quick) as again:
            (job,) = await again.resume()
            result = await job
            assert (len(result.media), result.missing) == (3, 1)
        assert rows(tmp_path) == {job.submit_id: "done"}
        emulator.faults.clear()
        async with session_for(emulator, tmp_path) as again:
            (job,) = await again.resume()
            assert (await job).missing == 0
            check_job(emulator, job)


async def test_what_had_finished_without_a_file_stays_owed(tmp_path: Path) -> None:
    rules = settings(downloading=downloading(attempts=1, refreshes=1))
    faults = [Fault(where="media", what="not_found", times=None)]
    async with world(tmp_path, rules=rules, faults=faults) as (emulator, session):
        job = await session.submit(image())
        with pytest.raises(UrlExpired):
            await job
        await session.aclose()
        emulator.faults.clear()
        emulator.faults.add(TAKEN_BACK["deleted"])
        async with session_for(emulator, tmp_path) as again:
            (job,) = await again.resume()
            with pytest.raises(JobFailed) as caught:
                await job
            assert (caught.value.charged, job.state) == ("yes", JobState.READY)
        emulator.faults.clear()
        async with session_for(emulator, tmp_path) as again:
            (job,) = await again.resume()
            await job
            check_job(emulator, job)


async def test_the_fourth_that_does_not_come_is_no_old_result(tmp_path: Path) -> None:
    rules = settings(
        polling=polling(stable_after=0.05), downloading=downloading(attempts=1, refreshes=1)
    )
    async with world(tmp_path, rules=rules, outcome=FOURTH_LATER) as (emulator, session):
        await (await session.submit(image(count=4)))
        await session.aclose()
        emulator.faults.add(Fault(where="media", what="not_found", times=None))
        while True:
            async with session_for(emulator, tmp_path, settings=rules) as again:
                (job,) = await again.resume()
                await job.until_over()
                if job.state is not JobState.DONE:
                    break
        assert job.outcome is None
        assert isinstance(job.error, UrlExpired)


async def test_a_result_that_got_a_name_is_not_fetched_twice(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=THREE_OF_FOUR, dialect="s2") as (emulator, session):
        first = await (await session.submit(image(count=4)))
        assert len(first.media) == 3
        await session.aclose()
        emulator.faults.add(Fault(where="history", what="damaged", damage="no_uris", times=None))
        async with session_for(emulator, tmp_path) as again:
            (job,) = await again.resume()
            assert len((await job).media) == 3
