"""Every system of the notes S0 to S4, from prompt to verified files, against that very dialect.

The service plays one note alone (`Emulator(dialect=...)`). The client is tried in the note's
own dialect and in the usual one: what it understands does not depend on what it speaks.
"""

from pathlib import Path
from typing import Any

import pytest
from session_kit import check_job, image, png, polling, settings, world

from dreamina_async import (
    AuthenticationError,
    Credentials,
    ImageRequest,
    JobFailed,
    JobState,
    Region,
    VideoRequest,
)
from dreamina_async.emulator import Outcome

CAT = ImageRequest("一只可爱的小猫咪在花园里玩耍")  # S3's own prompt
SHIBA = ImageRequest("一只柴犬在太空飞翔,赛博朋克风格", ratio="16:9")  # S4's own call
WAVE = VideoRequest("海浪拍打礁石", duration=5)

ANY = pytest.mark.parametrize("spoken", ["web", "own"])


async def generate(
    folder: Path, note: str, spoken: str, request: ImageRequest | VideoRequest, **options: Any
) -> dict[str, Any]:
    """One job in one note's world; what was asked of the service, by endpoint."""
    rules = settings(dialect=note if spoken == "own" else "web")
    async with world(folder, rules=rules, dialect=note, **options) as (emulator, session):
        job = await session.submit(request)
        await job
        check_job(emulator, job)
        assert len(emulator.ledger) == 1
        return {one.where: one for one in emulator.requests}


def ids_asked(calls: dict[str, Any]) -> str:
    return calls["history"].ids[0]


# ---- S0: query by history id ---------------------------------------------------------------


@ANY
@pytest.mark.parametrize("request_", [CAT, WAVE], ids=["image", "video"])
async def test_s0_results_by_history_id(tmp_path: Path, spoken: str, request_: Any) -> None:
    calls = await generate(tmp_path, "s0", spoken, request_)
    assert ids_asked(calls).isdigit()


async def test_s0_a_failure_is_status_30(tmp_path: Path) -> None:
    options = {"dialect": "s0", "outcome": Outcome(fail_status=30)}
    async with world(tmp_path, **options) as (_, session):
        job = await session.submit(image())
        with pytest.raises(JobFailed):
            await job


async def test_s0_many_history_ids_in_one_call(tmp_path: Path) -> None:
    rules = settings(dialect="s0", polling=polling(rate=5.0, burst=1))
    async with world(tmp_path, rules=rules, dialect="s0") as (emulator, session):
        jobs = [job async for job in session.run([image(f"{n}") for n in range(20)])]
        assert [job.state for job in jobs] == [JobState.DONE] * 20
        assert 1 < max(emulator.requests.batch_sizes) <= 10


# ---- S1: query by submit id, and the MCP endpoint ------------------------------------------


@ANY
@pytest.mark.parametrize("request_", [CAT, WAVE], ids=["image", "video"])
async def test_s1_results_by_submit_id(tmp_path: Path, spoken: str, request_: Any) -> None:
    calls = await generate(tmp_path, "s1", spoken, request_)
    assert len(ids_asked(calls)) == 36


@ANY
async def test_s1_submit_by_mcp_then_poll_by_submit_id(tmp_path: Path, spoken: str) -> None:
    calls = await generate(tmp_path, "s1", spoken, ImageRequest("水墨山水", via="mcp"))
    assert "generate" not in calls
    assert len(ids_asked(calls)) == 36


@pytest.mark.parametrize("numbering", ["s1", "bundle", "default"])
async def test_s1_a_job_that_queues_at_10_is_not_taken_for_done_or_failed(
    tmp_path: Path, numbering: str
) -> None:
    outcome = Outcome(queue_seconds=120)
    options = {"dialect": "s1", "numbering": numbering, "outcome": outcome}
    async with world(tmp_path, **options) as (emulator, session):
        job = await session.submit(image())
        await job
        check_job(emulator, job)


async def test_s1_a_failure_is_minus_one(tmp_path: Path) -> None:
    options = {"dialect": "s1", "outcome": Outcome(fail_status=-1)}
    async with world(tmp_path, **options) as (_, session):
        job = await session.submit(image())
        with pytest.raises(JobFailed):
            await job


# ---- S2: the interface document ------------------------------------------------------------


@ANY
@pytest.mark.parametrize("request_", [CAT, WAVE], ids=["image", "video"])
async def test_s2_success_is_10_with_results(tmp_path: Path, spoken: str, request_: Any) -> None:
    await generate(tmp_path, "s2", spoken, request_)


async def test_s2_thumbnails_of_every_scene_are_never_taken_for_the_image(tmp_path: Path) -> None:
    rules = settings(dialect="s2")
    async with world(tmp_path, rules=rules, dialect="s2") as (emulator, session):
        job = await session.submit(image())
        result = await job
        check_job(emulator, job)
        (media,) = result.media
        assert (media.width, media.height) == (2048, 2048)
        fetched = emulator.requests.counts["media"]
        assert fetched == 1


async def test_s2_an_unknown_history_is_error_2001_and_no_report(tmp_path: Path) -> None:
    async with world(tmp_path, dialect="s2") as (_, session):
        assert await session.status(["25594898552322"]) == {}


# ---- S3: the browser capture ---------------------------------------------------------------


@ANY
@pytest.mark.parametrize("request_", [CAT, WAVE], ids=["image", "video"])
async def test_s3_submit_reply_directly_under_data(
    tmp_path: Path, spoken: str, request_: Any
) -> None:
    calls = await generate(tmp_path, "s3", spoken, request_)
    assert len(ids_asked(calls)) == 36


async def test_s3_progress_counts_reach_whoever_watches(tmp_path: Path) -> None:
    outcome = Outcome(progressive=True, run_seconds=600)
    options = {"dialect": "s3", "outcome": outcome, "rules": settings(dialect="s3")}
    async with world(tmp_path, **options) as (_, session):
        events = session.events()
        job = await session.submit(CAT)
        await job
        await session.aclose()
        seen = [event.progress async for event in events if hasattr(event, "progress")]
    assert seen
    assert {one.expected for one in seen} == {4}
    assert max(one.finished for one in seen) > 0


async def test_s3_polling_config_holds_back_jobs_that_queue_only(tmp_path: Path) -> None:
    # 30 s is what the capture's reply asks for; its own page looked again after 4 s
    async with world(tmp_path, dialect="s3") as (emulator, session):
        job = await session.submit(CAT)
        await job
        check_job(emulator, job)


# ---- S4: text to image, models and ratios --------------------------------------------------


@ANY
async def test_s4_four_images_of_the_ratio_that_was_asked(tmp_path: Path, spoken: str) -> None:
    calls = await generate(tmp_path, "s4", spoken, SHIBA)
    assert ids_asked(calls).isdigit()


MODELS = {
    "jimeng-image-4.5": ("high_aes_general_v40l", "2k"),
    "jimeng-image-4.1": ("high_aes_general_v41", "2k"),
    "jimeng-image-4.0": ("high_aes_general_v40", "2k"),
    "jimeng-image-3.1": ("high_aes_general_v30l_art_fangzhou:general_v3.0_18b", "1k"),
    "jimeng-image-3.0": ("high_aes_general_v30l:general_v3.0_18b", "1k"),
}


@pytest.mark.parametrize("name", MODELS)
async def test_s4_models_by_the_names_of_the_note(tmp_path: Path, name: str) -> None:
    rules = settings(dialect="s4")
    async with world(tmp_path, rules=rules, dialect="s4") as (emulator, session):
        job = await session.submit(ImageRequest("山水", model=name))
        await job
        check_job(emulator, job)
        (order,) = emulator.orders
        assert (order.model, order.resolution, order.count) == (*MODELS[name], 4)


@pytest.mark.parametrize("ratio", ["21:9", "16:9", "3:2", "4:3", "1:1", "3:4", "2:3", "9:16"])
async def test_s4_ratios_by_the_table_of_the_note(tmp_path: Path, ratio: str) -> None:
    sizes = {"21:9": (3024, 1296), "16:9": (2560, 1440), "3:2": (2496, 1664), "4:3": (2304, 1728)}
    sizes |= {"1:1": (2048, 2048), "3:4": (1728, 2304), "2:3": (1664, 2496), "9:16": (1440, 2560)}
    async with world(tmp_path, dialect="s4") as (emulator, session):
        result = await session.generate(image(ratio=ratio))
        (media,) = result.media
        assert (media.width, media.height) == sizes[ratio]
        assert len(emulator.ledger) == 1


async def test_s4_mcp_with_every_field_of_the_note(tmp_path: Path) -> None:
    request = ImageRequest("山水", ratio="16:9", model="4.0", via="mcp")
    async with world(tmp_path, dialect="s4", mcp_reply="cli", id_kinds="both") as (
        emulator,
        session,
    ):
        job = await session.submit(request)
        await job
        check_job(emulator, job)
        (order,) = emulator.orders
        assert (order.prompt, order.model) == ("山水", "high_aes_general_v40")


# ---- regions -------------------------------------------------------------------------------


@pytest.mark.parametrize("region", list(Region))
@pytest.mark.parametrize("kind", ["image", "blend", "video", "frame"])
async def test_every_region_from_prompt_to_files(tmp_path: Path, region: Region, kind: str) -> None:
    requests = {
        "image": image(),
        "blend": image(references=[png(1), png(2)]),
        "video": WAVE,
        "frame": VideoRequest("", first_frame=png(3)),
    }
    cluster = {Region.CN: "cn", Region.US: "us"}.get(region, "asia")
    login = Credentials("canary0123456789abcdef", region=region)
    async with world(tmp_path, cluster=cluster, credentials=login) as (emulator, session):
        job = await session.submit(requests[kind])
        await job
        check_job(emulator, job)
        await session.credits()
        for call in emulator.requests:
            assert call.path.startswith(("/mweb/", "/commerce/", "/upload/", "/tos-", "/")), call


@pytest.mark.parametrize("region", list(Region))
async def test_the_wrong_cluster_is_explained(tmp_path: Path, region: Region) -> None:
    cluster = "us" if region is Region.CN else "cn"
    login = Credentials("canary0123456789abcdef", region=region)
    async with world(tmp_path, cluster=cluster, credentials=login) as (emulator, session):
        with pytest.raises(AuthenticationError) as caught:
            await session.submit(image())
        assert caught.value.code == "1015"
        assert caught.value.charged == "no"
        assert "DREAMINA_REGION" in str(caught.value)
        assert len(emulator.ledger) == 0
