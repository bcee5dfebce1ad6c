"""The happy path: every way in which the service may speak, images and videos, files on disk."""

from datetime import UTC
from pathlib import Path

import pytest
from session_kit import (
    check_job,
    check_result,
    document,
    image,
    polling,
    rows,
    settings,
    ticks,
    world,
)

from dreamina_async import ImageRequest, JobState, Submission, VideoRequest, journal_jobs

PROMPT = "一只柴犬在太空飞翔 🚀"


@pytest.mark.parametrize("shape", ["aigc_data", "flat"])
@pytest.mark.parametrize("numbering", ["default", "s0", "s1", "s2"])
async def test_images_and_videos_in_every_numbering(
    tmp_path: Path, numbering: str, shape: str
) -> None:
    options = {"numbering": numbering, "generate_shape": shape, "speed": 1000}
    async with world(tmp_path, **options) as (emulator, session):
        requests = [
            ImageRequest(PROMPT, ratio="16:9", resolution="1k", count=4),
            VideoRequest("海浪", ratio="9:16"),
        ]
        jobs = [await session.submit(request) for request in requests]
        results = [await job for job in jobs]

        for result in results:
            check_result(emulator, result)
        assert [len(result.media) for result in results] == [4, 1]
        assert len(emulator.ledger) == 2


@pytest.mark.parametrize("shape", ["A", "B", "C", "D", "E", "F"])
async def test_videos_of_every_shape(tmp_path: Path, shape: str) -> None:
    async with world(tmp_path, video_shape=shape, speed=2000) as (emulator, session):
        result = await session.generate(VideoRequest("海浪"))

        (video,) = result.media
        digests = {file.sha256: file for file in (*emulator.media(result.submit_id or ""),)}
        assert video.kind == "video"
        assert video.format == "mp4"
        assert video.duration_ms
        assert video.sha256 in digests or shape == "D"  # D has no original, the widest counts


@pytest.mark.parametrize(
    "options",
    [
        {"numeric_ids": True},
        {"minimal_records": True},
        {"finish_time_ms": True},
        {"no_fail_code": "zero_int", "numeric_fail_codes": True},
        {"no_fail_code": "absent"},
        {"numbering": "s2", "minimal_records": True, "numeric_ids": True},
        {"outcomes": {"柴犬": {}}},
    ],
    ids=lambda options: " ".join(options),
)
async def test_records_of_every_spelling(tmp_path: Path, options: dict[str, object]) -> None:
    if "outcomes" in options:
        from dreamina_async.emulator import Outcome

        options = {"outcomes": {"柴犬": Outcome(progressive=True, queue_seconds=5)}}
    async with world(tmp_path, **options) as (emulator, session):
        result = await session.generate(ImageRequest(PROMPT, count=2))
        check_result(emulator, result)
        assert result.history_id in emulator.history_ids(result.submit_id or "")


async def test_what_a_result_says(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        request = ImageRequest(PROMPT, ratio="16:9", count=2, seed=7, negative_prompt="cats")
        job = await session.submit(request)
        assert job.state is JobState.ACCEPTED
        assert not job.done()
        assert job.outcome is None
        result = await job

        assert job.done()
        assert await job is result is job.outcome
        assert job.state is JobState.DONE
        assert job.error is None
        assert result.request == request
        assert (result.submit_id, result.history_id) == (job.submit_id, job.history_id)
        assert not result.partial
        assert result.submitted_at is not None
        times = (result.submitted_at, result.finished_at, result.saved_at)
        assert list(times) == sorted(times)
        assert {time.tzinfo for time in times} == {UTC}
        for index, file in enumerate(result.media):
            assert file.path == job.folder / f"image-{index}.png"
            assert file.format == "png"
            assert file.duration_ms is None
        assert job.folder == tmp_path / str(job.submit_id)
        assert "Job" in repr(job)

        shown = document(job.folder)
        assert shown["request"]["prompt"] == PROMPT
        assert shown["request"]["seed"] == 7
        assert (shown["submit_id"], shown["history_id"]) == (job.submit_id, job.history_id)
        names = [(one["path"], one["sha256"], one["size"]) for one in shown["media"]]
        made = emulator.media(job.submit_id or "")
        assert names == [(f"image-{n}.png", one.sha256, one.size) for n, one in enumerate(made)]
        text = (job.folder / "job.json").read_text("utf-8")
        assert "http" not in text
        assert {path.name for path in job.folder.iterdir()} == {
            "job.json",
            "image-0.png",
            "image-1.png",
        }

        (record,) = await journal_jobs(tmp_path)
        assert record.state is JobState.DONE
        assert record.media == result.media
        assert record.folder == job.folder


async def test_fewer_results_than_asked_for_are_a_partial_result(tmp_path: Path) -> None:
    from dreamina_async.emulator import Outcome

    async with world(tmp_path, outcome=Outcome(items=3)) as (_, session):
        result = await session.generate(ImageRequest(PROMPT, count=4))

        assert result.partial
        assert result.missing == 1
        assert len(result.media) == 3


async def test_success_without_results_is_looked_at_again(tmp_path: Path) -> None:
    from dreamina_async.emulator import Outcome

    async with world(tmp_path, outcome=Outcome(empty_looks=3)) as (emulator, session):
        check_result(emulator, await session.generate(image()))


async def test_a_hundred_jobs_in_full_batches_under_the_ceiling(tmp_path: Path) -> None:
    rate, burst = 50.0, 3
    rules = settings(
        polling=polling(rate=rate, burst=burst, image_interval=0.2, image_median=0.5), submits=8
    )
    async with world(tmp_path, rules=rules, speed=20, image_bytes=0) as (emulator, session):
        requests = (image(f"number {number}", resolution="1k") for number in range(100))
        jobs = [job async for job in session.run(requests, max_in_flight=100)]

        for job in jobs:
            check_job(emulator, job)
        log = emulator.requests
        assert len(jobs) == len(emulator.ledger) == 100
        assert len({job.submit_id for job in jobs}) == 100
        assert all(1 <= len(batch) == len(set(batch)) <= 10 for batch in log.batches)
        for seconds in (0.02, 0.1, 0.5, 2.0):
            # what left in a window may arrive in a slightly shorter one
            assert log.busiest("history", seconds) <= rate * seconds + burst + 2
        assert len(log.batches) <= 100
        statistics = session.statistics()
        assert statistics.status_calls == len(log.batches)
        assert statistics.status_ids == sum(map(len, log.batches))
        assert (statistics.submits, statistics.accepted, statistics.files) == (100, 100, 100)
        assert statistics.jobs == {JobState.DONE: 100}
        assert statistics.bytes == sum(path.stat().st_size for path in tmp_path.rglob("*.png"))
        assert statistics.retries == statistics.refreshes == 0
        assert statistics.calls_per_job is not None
        assert statistics.calls_per_job <= 1
        assert statistics.detection_lag is not None
        assert 0 <= statistics.detection_lag < 2


async def test_status_asks_in_tens_and_leaves_the_unknown_out(tmp_path: Path) -> None:
    async with world(tmp_path, speed=1000) as (emulator, session):
        jobs = [job async for job in session.run(image(str(number)) for number in range(24))]
        before = len(emulator.requests.batches)
        unknown = "00000000-0000-4000-8000-000000000000"
        ids = [str(job.submit_id) for job in jobs] + [unknown]
        reports = await session.status(ids)

        assert set(reports) == set(ids) - {unknown}
        batches = emulator.requests.batches[before:]
        assert sorted(map(len, batches)) == [5, 10, 10]
        histories = [str(job.history_id) for job in jobs[:3]]
        mixed = await session.status([*histories, *ids[:3], ids[0]])
        assert {mixed[one].history_id for one in ids[:3]} == set(histories)
        assert {mixed[one].submit_id for one in histories} <= {*ids[:3], None}
        assert await session.status([]) == {}


async def test_the_same_key_gives_the_same_id_in_one_folder(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        key = session.submit_id_for("row 1")
        assert session.submit_id_for("row 1") == key != session.submit_id_for("row 2")
        twice = [Submission(image(), key), Submission(image(), key)]
        jobs = [job async for job in session.run(twice)]

        assert {job.submit_id for job in jobs} == {key}
        assert len(emulator.ledger) == 1
        await ticks()
        assert rows(tmp_path) == {key: "done"}
