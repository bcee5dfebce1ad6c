"""Images of the user's own: uploaded before the submit, each content once."""

import asyncio
import io
from pathlib import Path

import pytest
from session_kit import (
    SECRET,
    check_job,
    document,
    image,
    png,
    rows,
    session_for,
    world,
)

from dreamina_async import (
    AccountRestricted,
    AuthenticationError,
    Credentials,
    DreaminaSession,
    ImageRef,
    ImageRequest,
    InvalidRequest,
    JobState,
    Region,
    Submission,
    TransportError,
    VideoRequest,
)
from dreamina_async.emulator import Emulator, Fault


def uploads(emulator: Emulator) -> int:
    return emulator.requests.counts.get("upload", 0)


def posts(emulator: Emulator) -> int:
    return emulator.requests.counts.get("generate", 0)


async def test_references_of_every_kind_reach_the_service_in_order(tmp_path: Path) -> None:
    (tmp_path / "一张图.png").write_bytes(png(1))
    async with world(tmp_path / "out") as (emulator, session):
        known = await session.upload(png(2))
        sources = [tmp_path / "一张图.png", known, png(3), io.BytesIO(png(4))]
        job = await session.submit(image("换成水墨风格", references=sources))
        await job
        check_job(emulator, job)
        (order,) = emulator.orders
        digests = {one.uri: one.sha256 for one in emulator.uploads}
        expected = [ImageRequest("x", references=png(seed)).references[0] for seed in (1, 2, 3, 4)]
        assert [digests[uri] for uri in order.references] == [one.sha256 for one in expected]
        assert "换成水墨风格" in order.prompt
        assert order.count == 1


async def test_ten_references_and_not_one_more(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        job = await session.submit(image(references=[png(seed) for seed in range(10)]))
        await job
        assert len(emulator.orders[0].references) == 10
        with pytest.raises(InvalidRequest) as caught:
            image(references=[png(seed) for seed in range(11)])
        assert caught.value.field == "references"


@pytest.mark.parametrize("names", [("first_frame",), ("first_frame", "last_frame")])
async def test_frames_of_a_video(tmp_path: Path, names: tuple[str, ...]) -> None:
    frames = {name: png(seed) for seed, name in enumerate(names)}
    async with world(tmp_path) as (emulator, session):
        job = await session.submit(VideoRequest("镜头缓缓推近", **frames))
        await job
        check_job(emulator, job)
        (order,) = emulator.orders
        assert bool(order.first_frame) is True
        assert bool(order.last_frame) is (len(names) == 2)
        assert order.first_frame != order.last_frame


async def test_the_same_file_in_one_run_is_uploaded_once(tmp_path: Path) -> None:
    path = tmp_path / "room.png"
    path.write_bytes(png())
    async with world(tmp_path / "out") as (emulator, session):
        requests = [image(f"{number}", references=[path]) for number in range(6)]
        requests += [image("bytes", references=[png()])]
        async for job in session.run(requests):
            assert job.error is None
        assert uploads(emulator) == 1
        assert emulator.requests.counts["token"] == 1
        assert len({order.references for order in emulator.orders}) == 1


async def test_the_cookie_stays_away_from_the_upload(tmp_path: Path) -> None:
    login = Credentials(SECRET, query={"msToken": "t" * 20})
    async with world(tmp_path, credentials=login) as (emulator, session):
        await session.upload(png())
        calls = {call.where: call for call in emulator.requests}
        assert calls["token"].had_cookie
        for where in ("apply", "upload", "commit"):
            assert not calls[where].had_cookie
            assert "msToken" not in calls[where].query


BAD = {
    "missing.png": None,
    "empty.png": b"",
    "notes.txt": "并不是图片".encode(),
    "page.png": b"<!doctype html><title>login</title>",
}


@pytest.mark.parametrize("name", BAD)
async def test_what_is_no_image_is_refused_before_anything_is_sent(
    tmp_path: Path, name: str
) -> None:
    content = BAD[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    async with world(tmp_path / "out") as (emulator, session):
        with pytest.raises(InvalidRequest) as caught:
            await session.submit(image(references=[tmp_path / name]))
        assert caught.value.field == "references"
        assert name in str(caught.value)
        assert caught.value.charged == "no"
        assert emulator.requests.counts == {}


async def test_one_bad_file_is_that_jobs_own_trouble(tmp_path: Path) -> None:
    async with world(tmp_path / "out") as (emulator, session):
        requests = [image("good"), image("bad", references=[tmp_path / "missing.png"])]
        ended = {job.request.prompt: job async for job in session.run(requests) if job.request}
        assert isinstance(ended["bad"].error, InvalidRequest)
        assert ended["bad"].state is JobState.PLANNED
        assert ended["good"].error is None
        assert posts(emulator) == 1


async def test_an_upload_that_fails_costs_nothing_and_can_be_tried_again(tmp_path: Path) -> None:
    faults = [Fault(where="upload", what="reset", times=50)]
    async with world(tmp_path, faults=faults) as (emulator, session):
        submit_id = session.submit_id_for("a")
        with pytest.raises(TransportError) as caught:
            await session.submit(image(references=png()), submit_id=submit_id)
        assert caught.value.charged == "no"
        assert posts(emulator) == 0
        emulator.faults.clear()
        job = await session.submit(image(references=png()), submit_id=submit_id)
        await job
        check_job(emulator, job)


async def test_trouble_on_the_way_is_waited_out(tmp_path: Path) -> None:
    faults = [Fault(where=where, what="reset", times=2) for where in ("token", "apply", "upload")]
    async with world(tmp_path, faults=[*faults, Fault(where="commit", what="status")]) as (
        emulator,
        session,
    ):
        job = await session.submit(image(references=png()))
        await job
        check_job(emulator, job)


@pytest.mark.parametrize(
    ("code", "kind"), [("1015", AuthenticationError), ("1019", AccountRestricted)]
)
async def test_a_refused_account_stops_at_the_upload(
    tmp_path: Path, code: str, kind: type[Exception]
) -> None:
    faults = [Fault(where="token", what="ret", ret=code, times=None)]
    async with world(tmp_path, faults=faults) as (emulator, session):
        with pytest.raises(kind):
            await session.submit(image(references=png()))
        with pytest.raises(kind):
            await session.submit(image("without any"))
        assert posts(emulator) == 0


async def test_leaving_during_an_upload_submits_nothing(tmp_path: Path) -> None:
    faults = [Fault(where="upload", what="hang", times=None)]
    async with Emulator(speed=600, faults=faults) as emulator:
        async with session_for(emulator, tmp_path) as session:
            waiting = asyncio.ensure_future(session.submit(image(references=png())))
            await emulator.until(lambda: "apply" in emulator.requests.counts)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert posts(emulator) == 0
        assert len(emulator.ledger) == 0


async def test_after_a_restart_the_images_are_given_again(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        request = image("bytes do not stand in the journal", references=[png()])
        one = Submission(request, session.submit_id_for("row 1"))
        emulator.faults.add(Fault(where="generate", what="ret", ret="1006"))
        with pytest.raises(Exception, match="1006"):
            await session.submit(one.request, submit_id=one.submit_id)
        await session.aclose()
        assert rows(tmp_path) == {one.submit_id: "planned"}
        assert png() not in (tmp_path / "journal.sqlite3").read_bytes()
        async with session_for(emulator, tmp_path) as again:
            job = await again.submit(one.request, submit_id=one.submit_id)
            await job
            check_job(emulator, job)
        written = document(tmp_path / one.submit_id)["request"]["references"]
        assert [one["size"] for one in written] == [len(png())]


async def test_a_folder_that_moved_makes_no_other_job(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "room.png").write_bytes(png())
    async with world(tmp_path / "out") as (emulator, session):
        submit_id = session.submit_id_for("room")
        for name in ("here", "there"):
            request = image("a room", references=[tmp_path / name / "room.png"])
            await (await session.submit(request, submit_id=submit_id))
        assert len(emulator.ledger) == 1
        with pytest.raises(InvalidRequest):
            other = image("a room", references=[tmp_path / "here" / "door.png"])
            await session.submit(other, submit_id=submit_id)


async def test_an_upload_can_be_used_many_times_and_in_a_later_session(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        ref = await session.upload(png(7, 640, 480))
        assert (ref.width, ref.height, ref.format) == (640, 480, "png")
        await session.aclose()
        async with session_for(emulator, tmp_path) as again:
            job = await again.submit(image(references=[ImageRef(ref.uri)]))
            await job
            check_job(emulator, job)
        assert uploads(emulator) == 1


@pytest.mark.parametrize("source", [None, 3, "", object(), []])
async def test_upload_says_what_it_takes(tmp_path: Path, source: object) -> None:
    async with world(tmp_path) as (_, session):
        with pytest.raises(InvalidRequest) as caught:
            await session.upload(source)  # type: ignore[arg-type]
        assert caught.value.field == "source"


async def test_mcp_is_polled_by_submit_id_on_the_public_endpoint(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        job = await session.submit(ImageRequest("水墨山水", via="mcp"))
        result = await job
        check_job(emulator, job)
        assert len(result.media) == 4
        assert "generate" not in emulator.requests.counts
        asked = [id_ for call in emulator.requests if call.where == "history" for id_ in call.ids]
        assert set(asked) == {job.submit_id}


async def test_a_lost_mcp_reply_is_not_paid_twice(tmp_path: Path) -> None:
    faults = [Fault(where="mcp", what="reset_after_charge")]
    async with world(tmp_path, faults=faults) as (emulator, session):
        job = await session.submit(ImageRequest("a lost reply", via="mcp"))
        await job
        check_job(emulator, job)
        assert len(emulator.ledger) == 1


async def test_mcp_is_of_china_alone(tmp_path: Path) -> None:
    login = Credentials(SECRET, region=Region.US)
    async with world(tmp_path, credentials=login) as (emulator, session):
        with pytest.raises(InvalidRequest) as caught:
            await session.submit(ImageRequest("x", via="mcp"))
        assert caught.value.field == "via"
        assert emulator.requests.counts == {}


async def test_a_session_that_is_not_open_uploads_nothing(tmp_path: Path) -> None:
    from dreamina_async import SessionClosed

    session = DreaminaSession(Credentials(SECRET), output_dir=tmp_path)
    with pytest.raises(SessionClosed):
        await session.upload(png())


async def test_the_live_catalogue_names_what_can_be_asked_for(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        models = await session.models()
        names = {model.name for model in models}
        assert {"jimeng-image-4.0", "jimeng-video-3.0"} <= names
        for model in models:  # whatever it is called, a request takes the name
            kind = ImageRequest if hasattr(model, "counts") else VideoRequest
            kind("x", model=model.name)
        assert posts(emulator) == 0


async def test_slow_uploads_hold_up_nobody_whose_image_is_there(tmp_path: Path) -> None:
    faults = [Fault(where="upload", what="hang", after=1, times=None)]
    async with (
        Emulator(speed=600, faults=faults) as emulator,
        session_for(emulator, tmp_path) as session,
    ):
        await session.upload(png(0))
        slow = [asyncio.ensure_future(session.upload(png(n))) for n in range(1, 6)]
        await emulator.until(lambda: emulator.requests.counts["apply"] >= 4)
        async with asyncio.timeout(5):
            job = await session.submit(image(references=png(0)))
            await job
        for one in slow:
            one.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
