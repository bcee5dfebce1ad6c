"""What a second reviewer found with a service of his own: replies that half tell of a job."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from altering import Json, between, each_record
from session_kit import check_job, downloading, image, polling, retrying, rows, settings, world

from dreamina_async import AccountRestricted, AuthenticationError, JobLost, JobState
from dreamina_async.emulator import Fault


@pytest.mark.parametrize("ret", ["1057", "1", "1010", "1006", "2038", "00"])
async def test_j14_a_refusal_that_names_the_job_is_looked_up(tmp_path: Path, ret: str) -> None:
    def generate(reply: Json) -> None:
        reply["ret"] = ret

    async with between(tmp_path, generate=generate) as (emulator, session, middle):
        job = await session.submit(image())
        await job
        check_job(emulator, job)
        assert len(middle.to("/generate")) == 1


@pytest.mark.parametrize("data", [None, "", False, 0, "absent"])
async def test_p1_a_status_reply_without_records_is_no_proof_of_absence(
    tmp_path: Path, data: Any
) -> None:
    """Nothing is sent again for it, though the user allows that."""

    def generate(reply: Json) -> None:
        reply["data"] = None

    def history(reply: Json) -> None:
        reply["data"] = data
        if data == "absent":
            del reply["data"]

    rules = settings(retrying=retrying(unanswered="resubmit_same_id"))
    async with between(tmp_path, rules=rules, generate=generate, history=history) as (
        emulator,
        session,
        _,
    ):
        with pytest.raises(JobLost) as caught:
            await session.submit(image())
        assert caught.value.charged == "unknown"
        assert len(emulator.ledger) == 1


def nameless(key: str, record: Json) -> None:
    for name in ("history_record_id", "submit_id", "task"):
        record.pop(name, None)


def rename(reply: Json, history_id: str) -> None:
    data = reply["data"]["aigc_data"]
    data["history_record_id"] = history_id
    data["task"] |= {"history_id": history_id, "task_id": history_id}


@pytest.mark.parametrize("first", ["both at once", "the wrong one"])
@pytest.mark.parametrize("bare", [False, True], ids=["full", "bare"])
async def test_s22_two_replies_that_name_one_record(tmp_path: Path, first: str, bare: bool) -> None:
    """Each job ends with its own files, whichever reply comes first."""
    ids: dict[str, str] = {}
    told, both = asyncio.Event(), asyncio.Event()

    async def generate(reply: Json) -> None:
        data = reply["data"]["aigc_data"]
        prompt = data["history_group_key"]
        ids[prompt] = data["history_record_id"]
        if len(ids) == 2:
            both.set()
        await both.wait()
        if prompt == "two":
            rename(reply, ids["one"])
            told.set()
        elif first == "the wrong one":
            await told.wait()

    history = each_record(nameless) if bare else None
    slow = polling(image_interval=0.3, image_median=0.3)
    async with between(
        tmp_path, rules=settings(polling=slow), generate=generate, history=history
    ) as (emulator, session, _):
        jobs = await asyncio.gather(*(session.submit(image(one)) for one in ("one", "two")))
        for job in jobs:
            await job
            check_job(emulator, job)


@pytest.mark.parametrize("wrong", ["0", "1234567890123"])
async def test_g2_a_history_id_that_is_nobodys_is_put_right_by_the_record(
    tmp_path: Path, wrong: str
) -> None:
    async with between(tmp_path, generate=lambda reply: rename(reply, wrong)) as (
        emulator,
        session,
        _,
    ):
        job = await session.submit(image())
        await job
        check_job(emulator, job)
        known = emulator.history_ids(str(job.submit_id))
        assert (job.history_id,) == known
    assert tuple(rows(tmp_path, "job_id, history_id").values()) == known


async def test_s22_exchanged_history_ids_are_put_right_by_the_records(tmp_path: Path) -> None:
    ids: dict[str, str] = {}
    both = asyncio.Event()

    async def generate(reply: Json) -> None:
        data = reply["data"]["aigc_data"]
        ids[data["history_group_key"]] = data["history_record_id"]
        if len(ids) == 2:
            both.set()
        await both.wait()
        rename(reply, ids["two" if data["history_group_key"] == "one" else "one"])

    async with between(tmp_path, generate=generate) as (emulator, session, _):
        jobs = await asyncio.gather(*(session.submit(image(one)) for one in ("one", "two")))
        for job in jobs:
            await job
            check_job(emulator, job)


async def test_s20_risk_control_on_a_status_call_stops_the_submits(tmp_path: Path) -> None:
    restricted = Fault(where="history", what="ret", ret="1019")
    async with world(tmp_path, faults=[restricted]) as (emulator, session):
        job = await session.submit(image("first"))
        await job  # what is paid for comes home
        with pytest.raises(AccountRestricted) as caught:
            await session.submit(image("second"))
        assert caught.value.charged == "no"
        assert len(emulator.ledger) == 1


async def test_h7_nothing_is_submitted_while_a_refused_login_waits_to_be_confirmed(
    tmp_path: Path,
) -> None:
    refused = Fault(where="history", what="ret", ret="1015", times=None)
    rules = settings(retrying=retrying(base=0.3, cap=0.3))
    async with world(tmp_path, rules=rules, faults=[refused]) as (emulator, session):
        await session.submit(image("first"))
        await emulator.until(lambda: len(emulator.requests.to("history")) == 1)
        for prompt in ("second", "third"):
            with pytest.raises(AuthenticationError) as caught:
                await session.submit(image(prompt))
            assert caught.value.charged == "no"
        assert len(emulator.ledger) == 1


async def test_h6_status_calls_that_lead_elsewhere_are_a_refused_login(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        emulator.faults.add(Fault(where="history", what="status", status=302, times=None))
        job = await session.submit(image())
        with pytest.raises(AuthenticationError) as caught:
            await job
        assert caught.value.charged == "yes"
        assert job.state is JobState.ACCEPTED


@pytest.mark.parametrize("parallel", [1, 8])
async def test_s13_equal_bytes_under_two_names_are_two_results(
    tmp_path: Path, parallel: int
) -> None:
    def alike(_: str, record: Json) -> None:
        first, second = (one["image"]["large_images"][0] for one in record["item_list"])
        second |= {name: first[name] for name in first if name != "image_uri"}

    rules = settings(downloading=downloading(parallel=parallel))
    async with between(tmp_path, rules=rules, history=each_record(alike)) as (_, session, _):
        result = await session.generate(image(count=2))
        assert len({one.sha256 for one in result.media}) == 1
        assert len({one.uri for one in result.media}) == 2
        assert result.missing == 0
