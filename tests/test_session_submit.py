"""What becomes of a submit: at most one charge, never a lost one, and a typed answer."""

import asyncio
import socket
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from session_kit import (
    check_job,
    check_result,
    image,
    retrying,
    rows,
    session_for,
    settings,
    ticks,
    world,
)

from dreamina_async import (
    AccountRestricted,
    ApiError,
    AuthenticationError,
    ContentRejected,
    InsufficientCredit,
    InvalidRequest,
    JobLost,
    JobState,
    SessionClosed,
    StorageError,
    Submission,
    TransportError,
    VideoRequest,
)
from dreamina_async.emulator import Emulator, Fault, Outcome


def generate(what: str, **options: Any) -> Fault:
    return Fault(where="generate", what=what, **options)


def posts(emulator: Emulator) -> int:
    return emulator.requests.counts.get("generate", 0)


# ---- not sent ----------------------------------------------------------------------------


def closed_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{one.getsockname()[1]}"


async def test_n4_nobody_listens(tmp_path: Path) -> None:
    submit_id = str(uuid4())
    async with world(tmp_path / "other") as (emulator, _):
        options = {"base_url": closed_port(), "settings": settings(retrying=retrying(attempts=3))}
        async with session_for(emulator, tmp_path, **options) as session:
            with pytest.raises(TransportError) as caught:
                await session.submit(image(), submit_id=submit_id)
            assert caught.value.charged == "no"
            assert not caught.value.sent
            assert caught.value.job_id == submit_id
            assert session.statistics().submits == 3
        assert rows(tmp_path) == {submit_id: "planned"}
        assert posts(emulator) == 0

        async with session_for(emulator, tmp_path) as session:
            assert await session.resume() == []  # nothing is owed for it
            job = await session.submit(image(), submit_id=submit_id)
            await job
            check_job(emulator, job)
        assert len(emulator.ledger) == 1


# ---- refused -----------------------------------------------------------------------------

REFUSALS = [
    ("1000", ApiError, JobState.FAILED),
    ("2038", ContentRejected, JobState.FAILED),
    ("1006", InsufficientCredit, JobState.PLANNED),
    ("1015", AuthenticationError, JobState.PLANNED),
    ("1019", AccountRestricted, JobState.PLANNED),
]


@pytest.mark.parametrize(("ret", "kind", "state"), REFUSALS)
async def test_a_refusal_is_typed_and_unpaid(
    tmp_path: Path, ret: str, kind: type[ApiError], state: JobState
) -> None:
    submit_id = str(uuid4())
    async with world(tmp_path, faults=[generate("ret", ret=ret)]) as (emulator, session):
        with pytest.raises(kind) as caught:
            await session.submit(image(), submit_id=submit_id)
        assert isinstance(caught.value, ApiError)
        assert caught.value.charged == "no"
        assert caught.value.code == ret
        assert caught.value.job_id == submit_id
        await ticks()
        assert posts(emulator) == 1
        assert len(emulator.ledger) == 0
        (job,) = (
            [one async for one in session.run([Submission(image(), submit_id)])]
            if (state is JobState.FAILED)
            else [None]
        )
        assert job is None or job.state is state
    assert rows(tmp_path) == {submit_id: state.value}


@pytest.mark.parametrize("ret", ["1015", "1019"])
async def test_after_a_lost_login_or_risk_control_nothing_more_is_sent(
    tmp_path: Path, ret: str
) -> None:
    kind = AuthenticationError if ret == "1015" else AccountRestricted
    rules = settings(submits=1)
    async with world(tmp_path, rules=rules) as (emulator, session):
        running = await session.submit(image("runs"))
        emulator.faults.add(generate("ret", ret=ret))
        waiting = [asyncio.create_task(session.submit(image(str(n)))) for n in range(5)]
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)

        assert {type(one) for one in outcomes} == {kind}
        with pytest.raises(kind):
            await session.submit(image("later"))
        assert posts(emulator) == 2
        await running  # what runs comes home
        check_job(emulator, running)


async def test_s19_no_credit_ends_the_submits_that_wait_but_not_the_session(
    tmp_path: Path,
) -> None:
    rules = settings(submits=1)
    faults = [generate("ret", ret="1006")]
    async with world(tmp_path, rules=rules, faults=faults) as (emulator, session):
        waiting = [asyncio.create_task(session.submit(image(str(n)))) for n in range(5)]
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(one) for one in outcomes} == {InsufficientCredit}
        assert posts(emulator) == 1
        # the user has bought some
        check_result(emulator, await session.generate(image("again")))


async def test_no_credit_reaches_those_who_wait_for_a_slot(tmp_path: Path) -> None:
    """They hear it at once, not when one of the running jobs has ended."""
    stuck = {"stuck": Outcome(stuck=True)}
    async with world(tmp_path, image_limit=2, outcomes=stuck) as (emulator, session):
        for number in range(2):
            await session.submit(image(f"stuck {number}"))
        waiting = [asyncio.create_task(session.submit(image(str(n)))) for n in range(3)]
        await emulator.until(lambda: posts(emulator) >= 5)
        emulator.faults.add(generate("ret", ret="1006"))
        with pytest.raises(InsufficientCredit):
            await session.submit(VideoRequest("of another kind, so it is sent"))
        outcomes = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)
        assert {type(one) for one in outcomes} == {InsufficientCredit}


async def test_a_refused_unpaid_job_can_be_submitted_again(tmp_path: Path) -> None:
    submit_id = str(uuid4())
    async with world(tmp_path, faults=[generate("ret", ret="1006")]) as (emulator, session):
        with pytest.raises(InsufficientCredit):
            await session.submit(image(), submit_id=submit_id)
        job = await session.submit(image(), submit_id=submit_id)
        await job
        check_job(emulator, job)
        assert posts(emulator) == 2


# ---- busy --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["image", "video"])
async def test_s21_a_limit_of_two_jobs_makes_the_others_wait(tmp_path: Path, kind: str) -> None:
    options = {f"{kind}_limit": 2, "speed": 1000 if kind == "video" else 200}
    async with world(tmp_path, **options) as (emulator, session):
        make = image if kind == "image" else VideoRequest
        waits = session.events()
        jobs = [job async for job in session.run(make(str(number)) for number in range(10))]

        for job in jobs:
            check_job(emulator, job)
        assert len(jobs) == len(emulator.ledger) == 10
        assert posts(emulator) <= 30  # learns the width, does not hammer
        assert waits is not None


async def test_busy_because_of_others_is_waited_out(tmp_path: Path) -> None:
    faults = [generate("ret", ret="1010", times=6)]
    async with world(tmp_path, faults=faults) as (emulator, session):
        jobs = [job async for job in session.run(image(str(number)) for number in range(3))]
        for job in jobs:
            check_job(emulator, job)


@pytest.mark.parametrize("ret", ["2038", "1000"])
async def test_those_who_wait_for_a_slot_go_on_when_the_one_at_work_is_refused(
    tmp_path: Path, ret: str
) -> None:
    """The window has shrunk to one; its holder is refused, and nothing ever 'ends'."""
    async with world(
        tmp_path,
        faults=[generate("ret", ret="1010", times=4), generate("ret", ret=ret, match="bad")],
    ) as (_, session):
        requests = [image("bad"), *(image(str(number)) for number in range(3))]
        jobs = [job async for job in session.run(requests)]
        states = sorted(job.state for job in jobs)
        assert states == [JobState.DONE] * 3 + [JobState.FAILED]


# ---- ambiguous ---------------------------------------------------------------------------

CHARGED = [
    generate("reset_after_charge"),
    generate("close_after_charge"),
    generate("html_after_charge"),
    generate("status_after_charge", status=502),
    generate("status_after_charge", status=504),
    generate("truncated_json"),
    generate("truncated_json", fraction=0.9),
    generate("empty_body"),
    generate("ret_after_charge", ret="987654"),
    generate("ret_after_charge", ret="2003"),
]
UNCHARGED = [
    generate("reset"),
    generate("close"),
    generate("html"),
    generate("status", status=502),
    generate("status", status=504),
    generate("ret", ret="987654"),
]


def name_of(fault: Fault) -> str:
    return f"{fault.what}-{fault.status}-{fault.ret}-{fault.fraction}"


@pytest.mark.parametrize("dedup", [False, True], ids=["plain", "dedup"])
@pytest.mark.parametrize("fault", CHARGED, ids=name_of)
async def test_n8_h1_a_charged_submit_whose_reply_is_lost_is_found(
    tmp_path: Path, fault: Fault, dedup: bool
) -> None:
    async with world(tmp_path, faults=[fault], dedup=dedup, read_lag=2) as (emulator, session):
        job = await session.submit(image())
        assert job.state in (JobState.ACCEPTED, JobState.READY)
        await job
        check_job(emulator, job)
        assert posts(emulator) == 1
        assert len(emulator.ledger) == 1


@pytest.mark.parametrize("fault", UNCHARGED, ids=name_of)
async def test_an_unanswered_submit_without_a_trace_is_held(tmp_path: Path, fault: Fault) -> None:
    submit_id = str(uuid4())
    async with world(tmp_path, faults=[fault]) as (emulator, session):
        with pytest.raises(JobLost) as caught:
            await session.submit(image(), submit_id=submit_id)
        assert caught.value.charged == "unknown"
        assert caught.value.job_id == submit_id
        assert posts(emulator) == 1
        assert len(emulator.requests.batches) >= 3
        assert len(emulator.ledger) == 0

        job = await session.submit(image(), submit_id=submit_id)  # not even on demand
        assert job.state is JobState.UNKNOWN
        await ticks()
        assert posts(emulator) == 1
    assert rows(tmp_path) == {submit_id: "unknown"}


@pytest.mark.parametrize("fault", UNCHARGED, ids=name_of)
@pytest.mark.parametrize("dedup", [False, True], ids=["plain", "dedup"])
async def test_resubmit_same_id_sends_once_more(tmp_path: Path, fault: Fault, dedup: bool) -> None:
    rules = settings(retrying=retrying(unanswered="resubmit_same_id"))
    async with world(tmp_path, rules=rules, faults=[fault], dedup=dedup) as (emulator, session):
        job = await session.submit(image())
        await job
        check_job(emulator, job)
        assert posts(emulator) == 2
        assert len(emulator.ledger) == 1


async def test_resubmit_same_id_sends_only_once_more(tmp_path: Path) -> None:
    rules = settings(retrying=retrying(unanswered="resubmit_same_id"))
    async with world(tmp_path, rules=rules, faults=[generate("reset", times=2)]) as (
        emulator,
        session,
    ):
        with pytest.raises(JobLost):
            await session.submit(image())
        assert posts(emulator) == 2
        assert len(emulator.ledger) == 0


@pytest.mark.parametrize("ret", ["2038", "1006", "1010", "1015"])
async def test_a_refused_resubmit_does_not_make_the_first_one_free(
    tmp_path: Path, ret: str
) -> None:
    """The first may have been charged; what the second one's refusal says is its own."""
    rules = settings(retrying=retrying(unanswered="resubmit_same_id"))
    faults = [generate("reset"), generate("ret", ret=ret)]
    submit_id = str(uuid4())
    async with world(tmp_path, rules=rules, faults=faults) as (emulator, session):
        if ret == "1010":  # it waits for a slot, and is sent
            await (await session.submit(image(), submit_id=submit_id))
            assert posts(emulator) == 3
            return
        with pytest.raises((JobLost, ApiError)) as caught:
            await session.submit(image(), submit_id=submit_id)
        assert caught.value.charged == "unknown"
        assert rows(tmp_path)[submit_id] in ("intent", "unknown")


async def test_a_resubmit_that_may_not_be_sent_is_told_to_its_waiter(tmp_path: Path) -> None:
    rules = settings(retrying=retrying(unanswered="resubmit_same_id"))
    async with world(tmp_path, rules=rules, faults=[generate("reset", match="lost")]) as (
        emulator,
        session,
    ):
        lost = asyncio.create_task(session.submit(image("lost")))
        await emulator.until(lambda: posts(emulator) == 1)
        emulator.faults.add(generate("ret", ret="1015"))
        with pytest.raises(AuthenticationError):
            await session.submit(image())
        with pytest.raises((JobLost, AuthenticationError)) as caught:
            await asyncio.wait_for(lost, 5)
        assert caught.value.charged == "unknown"
        assert posts(emulator) == 2


async def test_the_intent_is_on_disk_before_the_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path) as (emulator, session):
        seen: list[tuple[int, dict[str, str]]] = []
        begin = emulator.requests.begin

        def noted(where: str) -> int:
            if where == "generate":
                seen.append((len(emulator.ledger), rows(tmp_path)))
            return begin(where)

        monkeypatch.setattr(emulator.requests, "begin", noted)
        ids = [str(uuid4()) for _ in range(3)]
        for submit_id in ids:
            await session.submit(image(), submit_id=submit_id)
        assert [charged for charged, _ in seen] == [0, 1, 2]
        for submit_id, (_, journal) in zip(ids, seen, strict=True):
            assert journal[submit_id] == "intent"


# ---- one id, one job ---------------------------------------------------------------------


async def test_the_same_id_gives_the_same_job(tmp_path: Path) -> None:
    submit_id = str(uuid4())
    async with world(tmp_path) as (emulator, session):
        job = await session.submit(image(), submit_id=submit_id.upper())
        assert job.submit_id == submit_id
        assert await session.submit(image(), submit_id=submit_id) is job
        with pytest.raises(InvalidRequest) as caught:
            await session.submit(image("another"), submit_id=submit_id)
        assert caught.value.field == "submit_id"
        await job
        assert await session.submit(image(), submit_id=submit_id) is job
        assert posts(emulator) == 1

        async with asyncio.timeout(5):
            await session.aclose()
            async with session_for(emulator, tmp_path) as later:
                again = await later.submit(image(), submit_id=submit_id)
                assert again.state is JobState.DONE
                assert await again == job.outcome
                with pytest.raises(InvalidRequest):
                    await later.submit(image("another"), submit_id=submit_id)
        assert posts(emulator) == 1


async def test_concurrent_submits_of_one_id_are_one(tmp_path: Path) -> None:
    submit_id = str(uuid4())
    async with world(tmp_path) as (emulator, session):
        jobs = await asyncio.gather(
            *(session.submit(image(), submit_id=submit_id) for _ in range(10))
        )
        assert {id(job) for job in jobs} == {id(jobs[0])}
        await asyncio.gather(*jobs)
        assert posts(emulator) == 1


async def test_everybody_who_submits_an_id_hears_of_its_refusal(tmp_path: Path) -> None:
    submit_id = str(uuid4())
    async with world(tmp_path, faults=[generate("ret", ret="2038")]) as (emulator, session):
        outcomes = await asyncio.gather(
            *(session.submit(image(), submit_id=submit_id) for _ in range(5)),
            return_exceptions=True,
        )
        assert {type(one) for one in outcomes} == {ContentRejected}
        assert posts(emulator) == 1


async def test_what_is_wrong_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        with pytest.raises(InvalidRequest):
            await session.submit("a prompt")  # type: ignore[arg-type]
        with pytest.raises(InvalidRequest):
            await session.submit(image(), submit_id="no uuid")
        assert posts(emulator) == 0
    with pytest.raises(SessionClosed):
        await session.submit(image())


# ---- the journal refuses -----------------------------------------------------------------


def refuse_state(folder: Path, state: str) -> None:
    """From now on the journal takes no row of this state, as if the disk were full."""
    import sqlite3

    connection = sqlite3.connect(folder / "journal.sqlite3")
    connection.execute(
        f"CREATE TRIGGER full BEFORE INSERT ON jobs WHEN NEW.state = '{state}' "
        "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
    )
    connection.close()


async def test_f2_without_a_journal_nothing_is_sent(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        refuse_state(tmp_path, "intent")
        with pytest.raises(StorageError) as caught:
            await session.submit(image())
        assert caught.value.charged == "no"
        with pytest.raises(StorageError):
            await session.submit(image("another"))
        assert posts(emulator) == 0


async def test_f3_a_journal_that_fails_after_the_reply(tmp_path: Path) -> None:
    submit_id = str(uuid4())
    async with world(tmp_path) as (emulator, session):
        refuse_state(tmp_path, "accepted")
        async with asyncio.timeout(5):
            with pytest.raises(StorageError) as caught:
                await session.submit(image(), submit_id=submit_id)
        assert caught.value.charged != "no"
        with pytest.raises(StorageError):  # it spends no more
            await session.submit(image("another"))
        assert posts(emulator) == 1
        assert rows(tmp_path) == {submit_id: "intent"}


async def test_f3_a_journal_that_fails_when_a_lost_submit_is_found(tmp_path: Path) -> None:
    """One job's journal row costs neither the session nor the other jobs of the batch."""
    submit_id = str(uuid4())
    async with world(tmp_path, faults=[generate("reset_after_charge")], read_lag=12, speed=300) as (
        emulator,
        session,
    ):
        task = asyncio.create_task(session.submit(image(), submit_id=submit_id))
        await emulator.until(lambda: len(emulator.ledger) == 1)
        refuse_state(tmp_path, "accepted")
        async with asyncio.timeout(5):
            with pytest.raises(StorageError) as caught:
                await task
        assert caught.value.charged != "no"
        assert (await session.status([submit_id])).keys() == {submit_id}
        assert rows(tmp_path) == {submit_id: "intent"}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"what": "ret", "ret": "9999"}, "9999"),
        ({"what": "status", "status": 503}, "503"),
        ({"what": "html"}, "HTTP 200"),
    ],
)
async def test_an_answer_that_says_nothing_of_the_charge_is_told_all_the_same(
    tmp_path: Path, fault: dict[str, Any], words: str
) -> None:
    async with world(tmp_path, faults=[Fault(where="generate", **fault)]) as (emulator, session):
        with pytest.raises(JobLost, match="the submit was answered") as caught:
            await session.submit(image())
        assert words in str(caught.value)
        assert caught.value.charged == "unknown"
        assert len(emulator.ledger) == 0
    (kept,) = rows(tmp_path, "job_id, error").values()
    assert "the submit was answered" in kept
