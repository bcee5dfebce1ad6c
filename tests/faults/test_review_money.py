"""What a reviewer found: replies that swap jobs in part, and second requests that cost twice."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from altering import Change, Json, between, each_record
from session_kit import (
    check_job,
    check_result,
    image,
    polling,
    retrying,
    rows,
    session_for,
    settings,
    world,
)

from dreamina_async import JobLost, JobState, SessionClosed
from dreamina_async._core.reconcile import Pending, Sight, Unanswered, reconcile
from dreamina_async.emulator import Emulator, Fault, Outcome

IMPATIENT = polling(pending_limit=0.3)


def nameless(key: str, record: Json) -> None:
    """A record as S0 has it: nothing in it says whose it is."""
    for name in ("history_record_id", "submit_id", "task"):
        record.pop(name, None)


def echo_with(first: list[str]) -> Change:
    """Every reply echoes its submit id, and names the first job's record."""

    def generate(reply: Json) -> None:
        data = reply["data"]["aigc_data"]
        first.append(data["history_record_id"])
        data["history_record_id"] = first[0]
        data["task"] |= {"history_id": first[0], "task_id": first[0]}

    return generate


async def test_s22_another_jobs_history_id_is_not_believed_beside_our_submit_id_either(
    tmp_path: Path,
) -> None:
    history = each_record(nameless)
    async with between(tmp_path, generate=echo_with([]), history=history) as (emulator, session, _):
        for prompt in ("one", "two"):
            job = await session.submit(image(prompt))
            await job
            check_job(emulator, job)


@pytest.mark.parametrize("earlier", [False, True], ids=["this session", "an earlier session"])
async def test_s5_a_lost_submit_is_not_found_in_another_jobs_record(
    tmp_path: Path, earlier: bool
) -> None:
    """Under its submit id stands a record that names only a history id, and that is known."""
    first: list[Json] = []

    def history(reply: Json) -> None:
        for key, record in reply["data"].items():
            for named in (record, record["task"]):
                named.pop("submit_id", None)
            if record.get("item_list"):
                first.append(record)
            if first:
                reply["data"][key] = first[0]

    def generate(reply: Json) -> None:
        if first:  # nobody can read what becomes of the second one
            reply["data"] = None

    rules = settings(polling=IMPATIENT)
    async with between(tmp_path, rules=rules, generate=generate, history=history) as (
        emulator,
        session,
        middle,
    ):
        one = await session.submit(image("one"))
        check_result(emulator, await one)
        if earlier:
            await session.aclose()
            session = session_for(emulator, tmp_path, base_url=middle.base_url, settings=rules)
            await session.__aenter__()
        with pytest.raises(JobLost):
            await session.submit(image("two"))
        await session.aclose()
    assert sorted(rows(tmp_path).values()) == ["done", "unknown"]


async def test_s5_a_missing_result_is_not_looked_for_in_another_jobs_record(
    tmp_path: Path,
) -> None:
    """The look for more of a partial job asks by history id; the record names another submit."""
    others: list[Json] = []

    def keep(key: str, record: Json) -> None:
        if len(record["item_list"]) == 1:
            others.append(record)

    def history(reply: Json) -> None:
        each_record(keep)(reply)
        if swapped and others:
            theirs = next(one for one in others if one["submit_id"] != job.submit_id)
            other = {k: v for k, v in theirs.items() if k not in ("history_record_id", "task")}
            reply["data"] = dict.fromkeys(reply["data"], other)

    swapped = False
    outcomes = {"partial": Outcome(items=2)}
    async with between(tmp_path, history=history, outcomes=outcomes) as (emulator, session, middle):
        job = await session.submit(image("partial", count=3))
        files = (await job).media
        await session.generate(image("other"))
        await session.aclose()
        swapped = True
        async with session_for(emulator, tmp_path, base_url=middle.base_url) as session:
            again = next(one for one in await session.resume() if one.job_id == job.job_id)
            await again.until_over()
    assert len(rows(tmp_path, "job_id, state")) == 2
    assert {path.name for path in files[0].path.parent.glob("image-*")} == {
        file.path.name for file in files
    }


async def test_resume_never_generates_under_any_policy(tmp_path: Path) -> None:
    """The service may have forgotten by now what it was paid for long ago."""
    rules = settings(retrying=retrying(unanswered="resubmit_same_id"), close_timeout=0.01)
    hidden = Fault(where="history", what="missing", times=None)
    faults = [Fault(where="generate", what="reset_after_charge"), hidden]
    submit_id = str(uuid4())
    async with Emulator(speed=600, faults=faults) as emulator:
        async with session_for(emulator, tmp_path, settings=rules) as session:
            waiter = asyncio.create_task(session.submit(image(), submit_id=submit_id))
            await emulator.until(lambda: len(emulator.ledger) == 1)
        with pytest.raises(SessionClosed) as caught:
            await waiter
        assert caught.value.charged == "unknown"
        async with session_for(emulator, tmp_path, settings=rules) as session:
            (job,) = await session.resume()
            await job.until_over()
            assert job.state is JobState.UNKNOWN
        assert len(emulator.ledger) == 1


async def test_the_lookup_begins_when_the_request_can_no_longer_arrive(tmp_path: Path) -> None:
    """A gateway may hold it for as long as the connection stands."""
    slow = Fault(where="generate", what="reset", seconds=0.4)
    rules = settings(retrying=retrying(lookup_window=0.3))
    async with world(tmp_path, rules=rules, faults=[slow]) as (_, session):
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(JobLost):
            await session.submit(image())
        assert loop.time() - began >= 0.4 + 0.3


@pytest.mark.parametrize(
    ("policy", "after", "verdict"),
    [
        ("hold", 1.0, Unanswered),
        ("resubmit_same_id", 119.0, Pending),
        ("resubmit_same_id", 121.0, Unanswered),
    ],
)
def test_t2_no_clock_of_another_session_leads_to_a_second_request(
    policy: Any, after: float, verdict: type
) -> None:
    """When it was sent is known from a wall clock that may have been set since."""
    looked_since = 3600.0
    sight = Sight("image", 0.0, answered=False, looks_absent=9, looked_since=looked_since)
    rules = retrying(unanswered=policy, lookup_window=120.0)
    _, found = reconcile(sight, None, looked_since + after, polling(), rules)
    assert isinstance(found, verdict)
