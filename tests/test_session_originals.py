"""The best file of a video, and files that do not fit their record."""

from pathlib import Path

import pytest
from session_kit import check_job, image, retrying, settings, world

from dreamina_async import VideoRequest
from dreamina_async.emulator import Fault

VIDEO = VideoRequest("窗外的雨，镜头缓缓拉远")


@pytest.mark.parametrize("shape", ["P", "D", "F"])
async def test_a_smaller_rendition_is_not_what_was_paid_for(tmp_path: Path, shape: str) -> None:
    async with world(tmp_path, video_shape=shape) as (emulator, session):
        job = await session.submit(VIDEO)
        await job
        check_job(emulator, job)
        assert emulator.requests.counts["items"] == 1


@pytest.mark.parametrize("shape", ["A", "B", "C", "E"])
async def test_a_record_with_the_original_needs_no_second_look(tmp_path: Path, shape: str) -> None:
    async with world(tmp_path, video_shape=shape) as (emulator, session):
        job = await session.submit(VIDEO)
        await job
        check_job(emulator, job)
        assert "items" not in emulator.requests.counts


async def test_trouble_on_the_way_to_the_original_is_waited_out(tmp_path: Path) -> None:
    faults = [Fault(where="items", what="status", times=2)]
    async with world(tmp_path, video_shape="P", faults=faults) as (emulator, session):
        job = await session.submit(VIDEO)
        await job
        check_job(emulator, job)
        assert emulator.requests.counts["items"] == 3


@pytest.mark.parametrize("fault", [{"what": "ret", "ret": "2061"}, {"what": "status"}])
async def test_without_an_original_the_records_own_file_has_to_do(
    tmp_path: Path, fault: dict[str, str]
) -> None:
    faults = [Fault(where="items", times=None, **fault)]
    rules = settings(retrying=retrying(attempts=2))
    async with world(tmp_path, rules=rules, video_shape="P", faults=faults) as (emulator, session):
        result = await session.generate(VIDEO)
        (made,) = emulator.media(str(result.submit_id))
        assert len(result.media) == 1
        assert result.media[0].sha256 != made.sha256
        assert result.media[0].width < made.width


async def test_an_expired_original_is_found_anew(tmp_path: Path) -> None:
    faults = [Fault(where="media", what="expired")]
    async with world(tmp_path, video_shape="P", faults=faults) as (emulator, session):
        job = await session.submit(VIDEO)
        await job
        check_job(emulator, job)
        assert emulator.requests.counts["items"] == 2


async def test_a_file_that_does_not_fit_its_record_is_fetched_again(tmp_path: Path) -> None:
    faults = [Fault(where="media", what="corrupt", times=4)]
    async with world(tmp_path, faults=faults) as (emulator, session):
        job = await session.submit(VIDEO)
        await job
        check_job(emulator, job)
        assert session.statistics().retries == 4


async def test_a_record_that_errs_loses_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, wrong_figures=True) as (emulator, session):
        for request, retries in ((VIDEO, 4), (image(), 5), (VIDEO, 6)):
            job = await session.submit(request)
            await job
            check_job(emulator, job)
            assert session.statistics().retries == retries  # doubted less once it was so
