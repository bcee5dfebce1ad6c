"""Semantic faults: replies that are well-formed, and do not mean what they seem to (S rows)."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from altering import Json, between, each_record
from session_kit import (
    check_job,
    check_result,
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

from dreamina_async import (
    ContentRejected,
    DownloadError,
    JobFailed,
    JobLost,
    JobReport,
    JobState,
    Progressed,
    VideoRequest,
)
from dreamina_async.emulator import Fault, Outcome


async def test_s4_more_records_than_were_asked_for_belong_to_nobody(tmp_path: Path) -> None:
    """What others made is neither taken nor written down; what is ours is found beside it."""
    foreign = str(uuid4())

    def history(reply: Json) -> None:
        known = list(reply["data"].values())
        if known:
            reply["data"][foreign] = known[0] | {"submit_id": foreign, "task": {}}

    async with between(tmp_path, history=history) as (emulator, session, _):
        jobs = [job async for job in session.run(image(str(number)) for number in range(4))]
        for job in jobs:
            check_job(emulator, job)
    assert foreign not in rows(tmp_path)
    assert not (tmp_path / foreign).exists()


@pytest.mark.parametrize("nothing", [None, {}, "gone"], ids=["null", "empty", "no key"])
async def test_s6_an_id_with_nothing_behind_it_is_as_good_as_missing(
    tmp_path: Path, nothing: Any
) -> None:
    looks = 0

    def history(reply: Json) -> None:
        nonlocal looks
        looks += 1
        if looks > 6:
            return
        for key in list(reply["data"]):
            reply["data"][key] = nothing
            if nothing == "gone":
                del reply["data"][key]

    async with between(tmp_path, history=history) as (emulator, session, _):
        job = await session.submit(image())
        await job
        check_job(emulator, job)
        assert looks > 6


async def test_s7_one_record_under_both_of_its_ids_is_one_job(tmp_path: Path) -> None:
    """Ids are asked for once a call; a record that comes twice, and equal, counts once."""

    def history(reply: Json) -> None:
        for key, record in list(reply["data"].items()):
            other = record.get("submit_id") or record.get("task", {}).get("submit_id")
            if other and other != key:
                reply["data"][other] = record

    async with between(tmp_path, history=history) as (emulator, session, _):
        jobs = [job async for job in session.run(image(str(n)) for n in range(12))]
        for job in jobs:
            check_job(emulator, job)
        for batch in emulator.requests.batches:
            assert len(set(batch)) == len(batch) <= 10
        assert len(emulator.ledger) == len(rows(tmp_path)) == 12


async def test_s7_two_records_that_differ_under_one_id_are_nobodys(tmp_path: Path) -> None:
    """A list of records that holds an id twice: neither is taken while they contradict."""
    looks = 0

    def history(reply: Json) -> None:
        nonlocal looks
        looks += 1
        records = list(reply["data"].values())
        if looks <= 5:
            records += [one | {"status": 30, "fail_code": "2038"} for one in records]
        reply["data"] = records

    async with between(tmp_path, history=history) as (emulator, session, _):
        job = await session.submit(image())
        await job
        check_job(emulator, job)
        assert looks > 5


MEANINGS = [
    ("default", {}, JobState.DONE),
    ("s1", {}, JobState.DONE),  # there 10 is the queue
    ("s2", {}, JobState.DONE),  # here it is success
    ("bundle", {}, JobState.DONE),
    ("default", {"fail_code": "2038"}, JobState.FAILED),  # 30
    ("s1", {"fail_code": "2038"}, JobState.FAILED),  # -1
    ("bundle", {"fail_status": 10, "fail_code": "2038"}, JobState.FAILED),  # and refused
    ("bundle", {"fail_status": 100}, JobState.FAILED),
    ("default", {"fail_status": 30}, JobState.FAILED),  # no code beside it
]


@pytest.mark.parametrize(("numbering", "what", "state"), MEANINGS)
async def test_s8_a_number_means_what_the_results_say(
    tmp_path: Path, numbering: str, what: dict[str, Any], state: JobState
) -> None:
    options = {"numbering": numbering, "outcome": Outcome(queue_seconds=20, **what)}
    async with world(tmp_path, **options) as (emulator, session):
        (job,) = [one async for one in session.run([image(count=2)])]
        assert job.state is state
        if state is JobState.DONE:
            check_job(emulator, job)
        else:
            assert isinstance(job.error, JobFailed)
            assert not list(tmp_path.rglob("*.png"))


@pytest.mark.parametrize("status", [46, 100_000, -7, "soon", None])
async def test_s9_a_status_that_nobody_knows_is_no_verdict(tmp_path: Path, status: Any) -> None:
    """With results it is done, and without them it is pending."""

    def history(reply: Json) -> None:
        for record in reply["data"].values():
            record["status"] = record["task"]["status"] = status

    async with between(tmp_path, history=history) as (emulator, session, _):
        job = await session.submit(image(count=2))
        await job
        check_job(emulator, job)


async def test_s9_a_deadline_holds_for_an_unknown_status_too(tmp_path: Path) -> None:
    def history(reply: Json) -> None:
        for record in reply["data"].values():
            record["status"] = record["task"]["status"] = 46

    rules = settings(polling=polling(pending_limit=0.3))
    options = {"rules": rules, "outcome": Outcome(stuck=True)}
    async with between(tmp_path, history=history, **options) as (_, session, _middle):
        job = await session.submit(image())
        with pytest.raises(JobLost) as caught:
            await job
        assert caught.value.charged == "unknown"
        assert job.state is JobState.UNKNOWN
        (report,) = (await session.status([str(job.submit_id)])).values()
        assert report.status == 46  # whoever looks is told what was said


async def test_s9_a_status_that_nobody_knows_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """For all jobs and looks together; whoever follows a job sees the number in its progress."""
    looks = 0

    def history(reply: Json) -> None:
        nonlocal looks
        looks += 1
        for record in reply["data"].values():
            record["status"] = record["task"]["status"] = 46
            if looks < 6:
                record["item_list"] = []

    async with between(tmp_path, history=history) as (_, session, _middle):
        events = session.events()
        jobs = [job async for job in session.run(image(str(number)) for number in range(3))]
        assert {job.state for job in jobs} == {JobState.DONE}
        said = [one for one in caplog.records if "46" in one.getMessage()]
        assert [one.levelname for one in said] == ["WARNING"]
        await session.aclose()
        heard = [one.progress.status async for one in events if isinstance(one, Progressed)]
        assert set(heard) == {46}


async def test_s10_one_failed_look_between_good_ones_fails_nothing(tmp_path: Path) -> None:
    """30 is said once, then taken back; what is done stays done whatever is said later."""
    looks = 0

    def history(reply: Json) -> None:
        nonlocal looks
        looks += 1
        if looks % 2:
            for record in reply["data"].values():
                record["status"] = record["task"]["status"] = 30
                record["item_list"] = []

    async with between(tmp_path, history=history) as (emulator, session, _):
        job = await session.submit(image())
        await job
        check_job(emulator, job)
        before = rows(tmp_path, "job_id, state, saved_at")
        for _ in range(3):  # failed, done, failed
            await session.status([str(job.submit_id)])
        assert job.state is JobState.DONE
        assert rows(tmp_path, "job_id, state, saved_at") == before


async def test_s10_a_status_that_flaps_is_pending_until_the_results_are_whole(
    tmp_path: Path,
) -> None:
    looks = 0

    def history(reply: Json) -> None:
        nonlocal looks
        looks += 1
        for record in reply["data"].values():
            record["status"] = record["task"]["status"] = (50, 45, 20)[looks % 3]
            if looks < 8:
                record["item_list"] = []

    rules = settings(polling=polling(empty_grace=5.0))
    async with between(tmp_path, rules=rules, history=history) as (emulator, session, _):
        check_result(emulator, await session.generate(image(count=2)))
        assert looks >= 8


async def test_s11_results_that_come_after_an_empty_success_are_taken(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=Outcome(empty_looks=4)) as (emulator, session):
        check_result(emulator, await session.generate(image(count=4)))


async def test_s12_three_of_four_images_are_brought_home_and_said_to_be_three(
    tmp_path: Path,
) -> None:
    options = {"outcome": Outcome(items=3), "total_counts": "results"}
    async with world(tmp_path, **options) as (emulator, session):
        result = await session.generate(image(count=4))
        check_result(emulator, result)
        assert (len(result.media), result.missing) == (3, 1)
        assert document(tmp_path / str(result.submit_id))["missing"] == 1
        (again,) = await session.resume()  # the fourth is looked for, and paid for no more
        assert (await again).missing == 1
        assert emulator.requests.counts["generate"] == 1


async def test_s13_each_result_is_saved_once_and_keeps_its_number(tmp_path: Path) -> None:
    """Repeated, in another order at every look, and more of them than anybody expected."""
    turn = 0

    def shuffled(_: str, record: Json) -> None:
        nonlocal turn
        turn += 1
        items = record["item_list"]
        turned = items[turn % len(items) :] + items[: turn % len(items)]
        record["item_list"] = turned + items

    lost = Fault(where="media", what="not_found", times=5)
    async with between(tmp_path, history=each_record(shuffled), faults=[lost]) as (
        emulator,
        session,
        middle,
    ):
        made = await session.submit(image(count=7))
        result = await made
        files = {one.sha256 for one in emulator.media(str(made.submit_id))}
        assert len(files) == 7
        assert {one.sha256 for one in result.media} == files
        assert [one.index for one in result.media] == [*range(7)]
        assert session.statistics().refreshes == 5  # and each look had another order
        middle.history = None

        (folder,) = [path for path in tmp_path.iterdir() if path.is_dir()]
        assert len(list(folder.glob("*.png"))) == 7
        async with session_for(emulator, tmp_path / "elsewhere") as other:
            found = await other.attach(submit_id=made.submit_id)  # whoever expects four
            assert {one.sha256 for one in found.media} == files


def without_the_image(_: str, record: Json) -> None:
    """Only the cover and the thumbnails are left (protocol notes 5.4)."""
    for item in record["item_list"]:
        assert item["common_attr"]["cover_url"]
        item["image"] = {"format": "png", "large_images": []}


async def test_s14_a_cover_is_never_taken_for_the_image(tmp_path: Path) -> None:
    rules = settings(polling=polling(empty_grace=0.1))
    options = {"rules": rules, "history": each_record(without_the_image)}
    async with between(tmp_path, **options) as (emulator, session, _):
        with pytest.raises(JobFailed) as caught:
            await session.generate(image(count=2))
        assert caught.value.charged == "yes"
        assert emulator.requests.to("media") == ()
        assert not list(tmp_path.rglob("*.png"))


async def test_s14_one_item_without_a_url_costs_itself_alone(tmp_path: Path) -> None:
    def history(_: str, record: Json) -> None:
        record["item_list"][-1]["image"] = {"large_images": [{"image_url": ""}]}

    rules = settings(polling=polling(stable_after=0.1))
    options = {"rules": rules, "history": each_record(history)}
    async with between(tmp_path, **options) as (emulator, session, _):
        result = await session.generate(image(count=4))
        assert (len(result.media), result.missing) == (3, 1)
        made = [one.sha256 for one in emulator.media(str(result.submit_id))]
        assert [one.sha256 for one in result.media] == made[:3]


@pytest.mark.parametrize("shape", ["A", "B", "C", "D", "E", "F", "P"])
async def test_s15_a_video_is_found_in_every_place_and_the_source_is_known(
    tmp_path: Path, shape: str
) -> None:
    async with world(tmp_path, video_shape=shape) as (emulator, session):
        job = await session.submit(VideoRequest("sea"))
        await job
        check_job(emulator, job)
        report: JobReport = (await session.status([str(job.submit_id)]))[str(job.submit_id)]
        (item,) = report.items
        assert item.source.startswith(("video.", "common_attr."))


async def test_s16_a_file_of_another_size_than_its_record_says_is_told_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A result has the pixels of the file itself, never those that somebody promised."""

    def history(_: str, record: Json) -> None:
        for item in record["item_list"]:
            item["image"]["large_images"][0] |= {"width": 9000, "height": 9000}

    async with between(tmp_path, history=each_record(history)) as (emulator, session, _):
        result = await session.generate(image())
        (made,) = emulator.media(str(result.submit_id))
        assert (result.media[0].width, result.media[0].height) == (made.width, made.height)
        assert made.width < 9000
        assert len(emulator.requests.to("media")) == 1  # there is no other one to be had
        (said,) = [one for one in caplog.records if "9000x9000" in one.getMessage()]
        assert said.levelname == "WARNING"


def with_a_thumbnail_first(thumbnails: list[str], others: list[str]) -> Any:
    """The first URL of every later result leads to the first result of all, a small one."""

    def history(_: str, record: Json) -> None:
        for item in record["item_list"]:
            images = item["image"]["large_images"]
            thumbnails.append(images[0]["image_url"])
            if images[0]["image_url"].split("?")[0] != thumbnails[0].split("?")[0]:
                rest = [{"image_url": one or images[0]["image_url"]} for one in others]
                item["image"]["large_images"] = [images[0] | {"image_url": thumbnails[0]}, *rest]

    return each_record(history)


SMALL = {"resolution": "1k"}


async def test_s16_where_the_first_url_leads_to_a_small_picture_the_next_is_taken(
    tmp_path: Path,
) -> None:
    history = with_a_thumbnail_first([], [""])
    async with between(tmp_path, history=history) as (emulator, session, _):
        small = await session.generate(image("small", **SMALL))
        result = await session.generate(image("large", resolution="2k"))
        check_result(emulator, result)
        assert result.media[0].width > small.media[0].width
        assert session.statistics().retries == 0


@pytest.mark.parametrize("other", ["/nowhere", "https://strange.example/x.png", "small again"])
async def test_s16_a_paid_result_is_never_lost_in_the_search_for_a_better_one(
    tmp_path: Path, other: str, caplog: pytest.LogCaptureFixture
) -> None:
    thumbnails: list[str] = []
    others: list[str] = []
    history = with_a_thumbnail_first(thumbnails, others)
    async with between(tmp_path, history=history) as (_, session, _middle):
        small = await session.generate(image("small", **SMALL))
        root = thumbnails[0].split("?")[0].rsplit("/", 1)[0]
        others.append(
            {"/nowhere": root + "/nowhere", "small again": thumbnails[0]}.get(other, other)
        )
        result = await session.generate(image("large", resolution="2k"))
        assert result.media[0].sha256 == small.media[0].sha256
        assert [one for one in caplog.records if "; kept" in one.getMessage()]


REFUSED = [("2038", "no"), ("1063", "no"), ("2004", "unknown")]


@pytest.mark.parametrize(("code", "charged"), REFUSED)
async def test_s17_refused_content_is_refused_once(tmp_path: Path, code: str, charged: str) -> None:
    submit_id = str(uuid4())
    async with world(tmp_path, outcomes={"bad": Outcome(ret=code)}) as (emulator, session):
        with pytest.raises((ContentRejected, JobLost)) as caught:
            await session.submit(image("bad"), submit_id=submit_id)
        assert caught.value.charged == charged
        await (await session.submit(image("good")))  # and nobody else's trouble
        assert emulator.requests.counts["generate"] == 2
        assert len(emulator.ledger) == 1


async def test_s17_content_refused_after_the_submit_is_not_made_again(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=Outcome(fail_code="2038")) as (emulator, session):
        job = await session.submit(image())
        with pytest.raises(JobFailed) as caught:
            await job
        assert caught.value.code == "2038"
        assert await session.resume() == []
        again = await session.submit(image(), submit_id=job.submit_id)
        assert again.state is JobState.FAILED
        assert emulator.requests.counts["generate"] == 1


async def test_s22_a_reply_for_another_submit_is_no_reply(tmp_path: Path) -> None:
    """The id is looked up: the job is found where it is, and nobody's job is overwritten."""
    other, strangers = str(uuid4()), "99999999999999"

    def generate(reply: Json) -> None:
        data = reply["data"]["aigc_data"]
        data["submit_id"] = data["task"]["submit_id"] = other
        data["history_record_id"] = data["task"]["history_id"] = strangers

    async with between(tmp_path, generate=generate) as (emulator, session, middle):
        job = await session.submit(image())
        await job
        check_job(emulator, job)
        assert job.history_id == emulator.history_ids(str(job.submit_id))[0]
        assert len(middle.to("/generate")) == 1
    assert set(rows(tmp_path)) == {job.submit_id}


def named_like_the_first(first: list[str]) -> Any:
    """Every later reply names the first job's record, and no submit id at all."""

    def generate(reply: Json) -> None:
        data = reply["data"]["aigc_data"]
        if first:
            data["history_record_id"] = first[0]
            data["task"] |= {"history_id": first[0], "task_id": first[0]}
            del data["submit_id"], data["task"]["submit_id"]
        first.append(data["history_record_id"])

    return generate


async def test_s22_a_job_never_takes_what_belongs_to_another_one(tmp_path: Path) -> None:
    rules = settings(polling=polling(pending_limit=0.5))
    async with between(tmp_path, rules=rules, generate=named_like_the_first([])) as (
        emulator,
        session,
        _,
    ):
        one = await session.submit(image("one"))
        await one
        two = await session.submit(image("two"))
        await two.until_over()
        check_job(emulator, one)
        if two.error is None:
            check_job(emulator, two)
        else:
            assert two.state is JobState.UNKNOWN  # owed, and said to be so
    assert len(emulator.ledger) == 2


async def test_s22_a_history_id_that_another_job_has_is_not_believed(tmp_path: Path) -> None:
    """Then the submit id is looked up, and what was paid for is found."""
    rules = settings(polling=polling(pending_limit=0.5))
    async with between(tmp_path, rules=rules, generate=named_like_the_first([])) as (
        emulator,
        session,
        _,
    ):
        for prompt in ("one", "two"):
            job = await session.submit(image(prompt))
            await job
            check_job(emulator, job)


async def test_s24_a_record_deleted_after_success_costs_nothing_while_its_urls_live(
    tmp_path: Path,
) -> None:
    slow = Fault(where="media", what="delay", seconds=0.2, times=None)
    async with world(tmp_path, faults=[slow]) as (emulator, session):
        job = await session.submit(image(count=2))
        await emulator.until(lambda: emulator.requests.peaks.get("media", 0) >= 1)
        emulator.faults.add(Fault(where="history", what="missing", times=None))
        await job
        check_job(emulator, job)


async def test_s24_a_record_that_is_gone_with_its_urls_is_a_typed_end(tmp_path: Path) -> None:
    rules = settings(
        downloading=downloading(attempts=2, refreshes=2),
        retrying=retrying(attempts=2),
        polling=polling(missing_grace=0.1, pending_limit=0.3),
    )
    expired = Fault(where="media", what="expired", times=None)
    async with world(tmp_path, rules=rules, faults=[expired]) as (emulator, session):
        job = await session.submit(image(count=2))
        await emulator.until(lambda: emulator.requests.peaks.get("media", 0) >= 1)
        emulator.faults.add(Fault(where="history", what="missing", times=None))
        with pytest.raises(DownloadError) as caught:
            await job
        assert caught.value.charged == "yes"
        assert caught.value.job_id == job.job_id
        assert job.state is JobState.READY
        assert not list(tmp_path.rglob("*.png"))
        assert emulator.requests.counts["generate"] == 1
