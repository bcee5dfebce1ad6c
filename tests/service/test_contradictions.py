"""Where the sources contradict each other, each account works (the page on the wire, rows 1-19)."""

from pathlib import Path
from typing import Any

import pytest
from session_kit import check_job, image, png, settings, world

from dreamina_async import (
    ApiError,
    AuthenticationError,
    ContentRejected,
    InsufficientCredit,
    JobFailed,
    Request,
    VideoRequest,
)
from dreamina_async._core.dialects import Profile
from dreamina_async.emulator import Outcome

VIDEO = VideoRequest("雪地里奔跑的小狗")


async def works(folder: Path, request: Request, *, dialect: str = "web", **options: Any) -> None:
    """One job from prompt to verified files."""
    rules = settings(dialect=dialect)
    async with world(folder, rules=rules, **options) as (emulator, session):
        job = await session.submit(request)
        await job
        check_job(emulator, job)
        assert len(emulator.ledger) == 1


async def refused(folder: Path, request: Request, **options: Any) -> ApiError:
    """The service turns it away, and nothing is charged."""
    async with world(folder, **options) as (emulator, session):
        with pytest.raises(ApiError) as caught:
            await session.submit(request)
        assert len(emulator.ledger) == 0
    assert caught.value.charged == "no"
    return caught.value


@pytest.mark.parametrize(
    ("spelling", "dialect"),
    [("lower", "web"), ("lower", "s1"), ("lower", "s3"), ("upper", "s0"), ("upper", "s4")],
)
async def test_row_1_region_in_lower_or_upper_case(
    tmp_path: Path, spelling: str, dialect: str
) -> None:
    await works(tmp_path, image(), dialect=dialect, region_query=spelling)


@pytest.mark.parametrize("shape", ["aigc_data", "flat"])
async def test_row_2_the_submit_reply_with_and_without_aigc_data(
    tmp_path: Path, shape: str
) -> None:
    await works(tmp_path, image(), generate_shape=shape)


@pytest.mark.parametrize("keys", ["asked", "history", "submit", "list"])
@pytest.mark.parametrize("dialect", ["web", "s3"])
async def test_row_3_replies_keyed_by_either_id(tmp_path: Path, keys: str, dialect: str) -> None:
    await works(tmp_path, image(count=4), dialect=dialect, reply_keys=keys)


@pytest.mark.parametrize("numbering", ["default", "s0", "s1", "s2", "s3", "bundle"])
@pytest.mark.parametrize("request_", [image(count=4), VIDEO], ids=["image", "video"])
async def test_row_4_status_numbers_of_every_source(
    tmp_path: Path, numbering: str, request_: Request
) -> None:
    await works(tmp_path, request_, numbering=numbering)


@pytest.mark.parametrize(
    ("numbering", "number"),
    [
        *(("default", number) for number in (-1, 30, 60, 70, 80, 100)),
        *(("bundle", number) for number in (10, 30, 40, 100)),
        *(("s0", 30), ("s1", -1), ("s2", 30), ("s3", 30)),
    ],
)
async def test_row_4_failure_numbers_of_every_source(
    tmp_path: Path, numbering: str, number: int
) -> None:
    outcome = Outcome(fail_status=number, fail_code="2038")
    async with world(tmp_path, numbering=numbering, outcome=outcome) as (_, session):
        job = await session.submit(image())
        with pytest.raises(JobFailed) as caught:
            await job
        assert caught.value.code == ("100" if number == 100 else "2038")  # 100 is "deleted"


@pytest.mark.parametrize("none", ["null", "empty", "zero", "zero_int", "absent"])
async def test_row_5_no_fail_code_in_every_spelling(tmp_path: Path, none: str) -> None:
    await works(tmp_path, image(), no_fail_code=none)


@pytest.mark.parametrize("numeric", [True, False])
async def test_row_5_fail_codes_as_text_and_as_numbers(tmp_path: Path, numeric: bool) -> None:
    options = {"numeric_fail_codes": numeric, "outcome": Outcome(fail_code="2038")}
    async with world(tmp_path, **options) as (_, session):
        job = await session.submit(image())
        with pytest.raises(JobFailed) as caught:
            await job
    assert caught.value.code == "2038"


@pytest.mark.parametrize("ratio", ["1:1", "3:4", "16:9", "4:3", "9:16", "2:3", "3:2", "21:9"])
@pytest.mark.parametrize("resolution", ["1k", "2k", "4k"])
async def test_row_6_the_official_ratio_numbers(
    tmp_path: Path, ratio: str, resolution: str
) -> None:
    await works(tmp_path, image(ratio=ratio, resolution=resolution), ratio_codes="official")


async def test_row_6_a_service_with_other_numbers_charges_nothing(tmp_path: Path) -> None:
    error = await refused(tmp_path, image(ratio="3:2"), ratio_codes="s4")
    assert error.code == "1000"


@pytest.mark.parametrize("tables", ["any", "official", "older"])
@pytest.mark.parametrize("resolution", ["1k", "4k"])
async def test_row_7_pixels_are_those_of_the_file(
    tmp_path: Path, tables: str, resolution: str
) -> None:
    # the check compares the result's width and height with the file that the service made
    await works(tmp_path, image(ratio="16:9", resolution=resolution), size_tables=tables)


@pytest.mark.parametrize("inside", ["ignore", "refuse"])
@pytest.mark.parametrize("count", [1, 3, 8])
async def test_row_8_the_count_stands_beside_the_ability(
    tmp_path: Path, inside: str, count: int
) -> None:
    await works(tmp_path, image(count=count), gen_option_inside=inside)


@pytest.mark.parametrize("shape", ["A", "B", "C", "D", "E", "F", "P"])
async def test_row_9_video_urls_in_every_place(tmp_path: Path, shape: str) -> None:
    await works(tmp_path, VIDEO, video_shape=shape)


@pytest.mark.parametrize(
    ("mode", "dialect"),
    [
        *((mode, "web") for mode in ("ignore", "verify", "require")),
        *((mode, "s1") for mode in ("ignore", "verify")),
        *(("require", dialect) for dialect in ("s0", "s2", "s3", "s4")),
    ],
)
async def test_row_10_sign_ignored_verified_or_required(
    tmp_path: Path, mode: str, dialect: str
) -> None:
    await works(tmp_path, image(), sign_mode=mode, dialect=dialect)


@pytest.mark.parametrize("code", ["1014", "3018"])
async def test_row_10_a_refused_sign_is_about_the_login_and_costs_nothing(
    tmp_path: Path, code: str
) -> None:
    options = {"sign_mode": "require", "sign_refusal": code, "rules": settings(dialect="s1")}
    error = await refused(tmp_path, image(), **options)
    assert isinstance(error, AuthenticationError)
    assert error.code == code


@pytest.mark.parametrize("texts", ["bundle", "notes"])
@pytest.mark.parametrize("code", ["2002", "2003", "2004", "2039"])
async def test_row_11_disputed_codes_of_a_record_fail_the_job_alone(
    tmp_path: Path, texts: str, code: str
) -> None:
    outcomes = {"bad": Outcome(fail_code=code)}
    async with world(tmp_path, code_texts=texts, outcomes=outcomes) as (emulator, session):
        bad, good = await session.submit(image("bad")), await session.submit(image("good"))
        with pytest.raises(JobFailed) as caught:
            await bad
        assert (caught.value.code, caught.value.charged) == (code, "unknown")
        assert caught.value.reason
        await good
        check_job(emulator, good)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("4001", ContentRejected),
        ("2038", ContentRejected),
        ("2040", InsufficientCredit),
        ("1006", InsufficientCredit),
        ("1014", AuthenticationError),
    ],
)
@pytest.mark.parametrize("texts", ["bundle", "notes"])
async def test_row_11_disputed_codes_of_a_submit(
    tmp_path: Path, texts: str, code: str, kind: type[ApiError]
) -> None:
    options = {"code_texts": texts, "outcome": Outcome(ret=code)}
    assert isinstance(await refused(tmp_path, image(), **options), kind)


@pytest.mark.parametrize("counts", ["results", "references"])
@pytest.mark.parametrize(("references", "count"), [(4, 1), (3, 2), (1, 4)])
async def test_row_12_total_image_count_may_count_references(
    tmp_path: Path, counts: str, references: int, count: int
) -> None:
    images = [png(number) for number in range(references)]
    await works(tmp_path, image(references=images, count=count), total_counts=counts)


@pytest.mark.parametrize("answer", ["absent", "error"])
async def test_row_13_unknown_ids_are_absent_or_an_error(tmp_path: Path, answer: str) -> None:
    async with world(tmp_path, unknown_ids=answer) as (_, session):
        job = await session.submit(image())
        await job
        assert await session.status(["25594898552322"]) == {}
        found = await session.status([str(job.history_id), "25594898552322"])
        assert found.keys() == {job.history_id}


@pytest.mark.parametrize("milliseconds", [True, False])
async def test_row_14_times_in_seconds_and_milliseconds(tmp_path: Path, milliseconds: bool) -> None:
    async with world(tmp_path, finish_time_ms=milliseconds) as (_, session):
        job = await session.submit(image())
        result = await job
        report = (await session.status([str(job.submit_id)]))[str(job.submit_id)]
        assert report.finish_time is not None
        assert abs(report.finish_time - result.finished_at.timestamp()) < 60


async def test_row_14_created_time_is_text_as_captured(tmp_path: Path) -> None:
    await works(tmp_path, image(), created_time="text")


@pytest.mark.parametrize("life", [3600.0, 604_805.0, 400.0])
async def test_row_15_videos_that_expire_in_an_hour_or_in_seven_days(
    tmp_path: Path, life: float
) -> None:
    await works(tmp_path, VIDEO, video_lifetime=life)


async def test_row_15_images_expire_at_the_whole_hour(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        job = await session.submit(image())
        await job
        report = (await session.status([str(job.submit_id)]))[str(job.submit_id)]
        (url,) = report.items[0].urls
        expires = int(url.split("x-expires=")[1].split("&")[0])
        assert expires % 3600 == 0
        check_job(emulator, job)


@pytest.mark.parametrize("shape", ["both", "response", "data"])
async def test_row_16_commerce_payload_as_text_or_as_data(tmp_path: Path, shape: str) -> None:
    async with world(tmp_path, commerce_shape=shape, balance=77) as (_, session):
        assert (await session.credits()).total == 77


@pytest.mark.parametrize("forecast", ["seconds", "credits"])
async def test_row_16_a_forecast_is_never_taken_for_a_price(tmp_path: Path, forecast: str) -> None:
    request = image(count=1, resolution="2k")
    async with world(tmp_path, forecast=forecast) as (emulator, session):
        expected = session.quote([request]).credits
        job = await session.submit(request)
        await job
        check_job(emulator, job)
        assert emulator.ledger.credits == expected
        assert await session.charges([str(job.submit_id)]) == {job.submit_id: expected}


@pytest.mark.parametrize("mode", ["any", "two"])
@pytest.mark.parametrize("frames", [0, 1, 2])
async def test_row_17_video_mode_is_two_with_and_without_frames(
    tmp_path: Path, mode: str, frames: int
) -> None:
    names = ("first_frame", "last_frame")[:frames]
    request = VideoRequest("a wave", **{name: png(index) for index, name in enumerate(names)})
    await works(tmp_path, request, video_mode=mode)


async def test_row_17_where_frames_need_another_mode_nothing_is_charged(tmp_path: Path) -> None:
    error = await refused(tmp_path, VideoRequest("x", first_frame=png()), video_mode="by_frames")
    assert error.code in ("1000", "1002")


async def test_row_18_upload_scene_two_is_for_images(tmp_path: Path) -> None:
    await works(tmp_path, image(references=png()), upload_scenes="web")


async def test_row_18_where_scene_two_is_for_videos_nothing_is_charged(tmp_path: Path) -> None:
    error = await refused(tmp_path, image(references=png()), upload_scenes="cli")
    assert "upload" in str(error)


@pytest.mark.parametrize("hosts", ["plural", "singular"])
async def test_row_19_upload_hosts_as_a_list_or_one(tmp_path: Path, hosts: str) -> None:
    await works(tmp_path, image(references=png()), upload_hosts=hosts)


def test_the_default_dialect_is_signed() -> None:
    assert Profile().signed
