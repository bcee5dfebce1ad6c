"""Fewer results than asked for: kept, said, and the rest is looked for later."""

from pathlib import Path

from session_kit import (
    check_job,
    document,
    image,
    polling,
    retrying,
    rows,
    session_for,
    settings,
    world,
)

from dreamina_async import JobState
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


async def test_a_second_look_that_fails_takes_nothing_away(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=THREE_OF_FOUR) as (emulator, session):
        first = await (await session.submit(image(count=4)))
        await session.aclose()
        emulator.faults.add(Fault(where="history", what="status", times=None))
        quick = settings(retrying=retrying(attempts=2))
        async with session_for(emulator, tmp_path, settings=quick) as again:
            (job,) = await again.resume()
            assert (await job).media == first.media
        assert rows(tmp_path) == {first.submit_id: "done"}


async def test_a_record_that_is_gone_takes_nothing_away(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=THREE_OF_FOUR) as (emulator, session):
        first = await (await session.submit(image(count=4)))
        await session.aclose()
        emulator.faults.add(Fault(where="history", what="missing", times=None))
        async with session_for(emulator, tmp_path) as again:
            (job,) = await again.resume()
            assert (await job).media == first.media
        assert rows(tmp_path) == {first.submit_id: "done"}
