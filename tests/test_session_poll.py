"""One poller for all jobs: what it survives, and whom it tells."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from session_kit import VIRTUAL, check_job, check_result, image, polling, rows, settings, world

from dreamina_async import (
    AuthenticationError,
    InvalidRequest,
    JobFailed,
    JobLost,
    JobState,
    PollingPolicy,
    ProtocolError,
    RetryPolicy,
    ServiceUnavailable,
    SessionClosed,
    Settings,
    Submission,
    VideoRequest,
)
from dreamina_async.emulator import Fault, Outcome


def history(what: str, **options: Any) -> Fault:
    return Fault(where="history", what=what, **options)


async def test_s1_a_record_that_shows_late(tmp_path: Path) -> None:
    async with world(tmp_path, read_lag=60) as (emulator, session):
        check_result(emulator, await session.generate(image()))


async def test_s2_a_record_that_is_missing_at_times(tmp_path: Path) -> None:
    faults = [history("missing", times=40, chance=0.6)]
    async with world(tmp_path, faults=faults) as (emulator, session):
        jobs = [job async for job in session.run(image(str(number)) for number in range(10))]
        for job in jobs:
            check_job(emulator, job)


DAMAGES = [
    "null_item_list",
    "text_record",
    "null_record",
    "list_record",
    "wrong_types",
    "null_items",
    "empty_urls",
    "no_status",
]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_j12_one_damaged_record_costs_itself_alone(tmp_path: Path, damage: str) -> None:
    faults = [history("damaged", damage=damage, match="sick", times=4)]
    async with world(tmp_path, faults=faults) as (emulator, session):
        requests = [image("sick"), *(image(str(number)) for number in range(8))]
        jobs = [job async for job in session.run(requests)]
        assert len(jobs) == 9
        for job in jobs:
            check_job(emulator, job)


async def test_s5_swapped_records_never_mix_two_jobs(tmp_path: Path) -> None:
    async with world(tmp_path, faults=[history("swapped", times=15)]) as (emulator, session):
        jobs = [job async for job in session.run(image(str(number)) for number in range(10))]
        assert len(jobs) == 10
        for job in jobs:
            check_job(emulator, job)


@pytest.mark.parametrize("ret", ["2001", "1000", "2002", "2004", "987654"])
async def test_s3_one_bad_id_does_not_hold_up_its_batch(tmp_path: Path, ret: str) -> None:
    submit_id = str(uuid4())
    rules = settings(polling=polling(missing_grace=0.5, pending_limit=0.5))
    async with world(tmp_path, rules=rules) as (emulator, session):
        # by its one id, or the other, or the prompt that the record has
        for match in (submit_id, "culprit"):
            emulator.faults.add(history("ret", ret=ret, match=match, times=None))
        requests = [Submission(image("culprit"), submit_id)]
        requests += [Submission(image(str(n)), str(uuid4())) for n in range(12)]
        jobs = [job async for job in session.run(requests)]
        (culprit,) = (job for job in jobs if job.submit_id == submit_id)
        assert isinstance(culprit.error, JobLost)
        assert culprit.state is JobState.UNKNOWN
        for job in jobs:
            if job is not culprit:
                check_job(emulator, job)
        assert len(emulator.ledger) == 13

        emulator.faults.clear()
        (again,) = await session.resume()
        await again
        check_job(emulator, again)


@pytest.mark.parametrize(
    "fault",
    [
        history("status", status=500, times=6),
        history("status", status=503, times=3, retry_after=0.05),
        history("status", status=429, times=3, retry_after=0.05),
        history("html", times=4),
        history("reset", times=4),
        history("close", times=4),
        history("truncated_json", times=4),
        history("empty_body", times=4),
        history("ret", ret="1057", times=4),
        history("ret", ret="2003", times=4),
        history("ret", ret="1015", times=1),
    ],
    ids=lambda fault: f"{fault.what}-{fault.status}-{fault.ret}",
)
async def test_h2_n13_an_outage_fails_no_job(tmp_path: Path, fault: Fault) -> None:
    async with world(tmp_path, faults=[fault]) as (emulator, session):
        jobs = [job async for job in session.run(image(str(number)) for number in range(5))]
        for job in jobs:
            check_job(emulator, job)
        assert len(emulator.requests.batches) < 40


async def test_s11_success_without_results_in_the_end_has_failed(tmp_path: Path) -> None:
    rules = settings(polling=polling(empty_grace=0.1))
    async with world(tmp_path, rules=rules, outcome=Outcome(empty_looks=-1)) as (_, session):
        with pytest.raises(JobFailed) as caught:
            await session.generate(image())
        assert caught.value.charged == "yes"


async def test_a_failed_job_says_why(tmp_path: Path) -> None:
    for numbering in ("default", "s1", "s2"):
        options = {"numbering": numbering, "outcome": Outcome(fail_code="2038")}
        async with world(tmp_path / numbering, **options) as (emulator, session):
            with pytest.raises(JobFailed) as caught:
                await session.generate(image())
            assert caught.value.code == "2038"
            assert caught.value.charged == "unknown"
            assert len(emulator.ledger) == 1
        assert set(rows(tmp_path / numbering).values()) == {"failed"}


async def test_h7_a_lost_login_reaches_every_waiter_and_keeps_every_job(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=Outcome(stuck=True)) as (emulator, session):
        jobs = [await session.submit(image(str(number))) for number in range(12)]
        emulator.faults.add(history("ret", ret="1015", times=None))
        outcomes = await asyncio.gather(*jobs, return_exceptions=True)
        assert {type(one) for one in outcomes} == {AuthenticationError}
        assert len({id(one) for one in outcomes}) == 12  # nobody's traceback is another's
        with pytest.raises(AuthenticationError):
            await session.submit(image())
        with pytest.raises(AuthenticationError):
            await session.status([str(jobs[0].submit_id)])
        assert len(emulator.ledger) == 12
        assert set(rows(tmp_path).values()) == {"accepted"}


async def test_a_look_fails_when_the_service_is_down_for_long(tmp_path: Path) -> None:
    faults = [history("status", status=503, times=None)]
    async with world(tmp_path, faults=faults) as (emulator, session):
        with pytest.raises(ServiceUnavailable):
            await session.status(["12345678901234"])
        emulator.faults.clear()
        assert await session.status(["12345678901234"]) == {}


async def test_a_look_at_one_id_that_is_not_in_a_list_asks_for_no_letters(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        with pytest.raises(InvalidRequest, match="list"):
            await session.status(str(uuid4()))
        assert emulator.requests.counts == {}


async def test_a_look_at_a_damaged_record_says_so(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        job = await session.submit(image())
        await job
        emulator.faults.add(history("damaged", damage="text_record"))
        with pytest.raises(ProtocolError):
            await session.status([str(job.history_id)])


async def test_a_cancelled_look_asks_no_more(tmp_path: Path) -> None:
    faults = [history("status", status=503, times=1, retry_after=0.1)]
    async with world(tmp_path, faults=faults) as (emulator, session):
        task = asyncio.create_task(session.status(["12345678901234"]))
        await emulator.until(lambda: len(emulator.requests.batches) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await session.status(["2"])
        assert emulator.requests.batches == (("12345678901234",), ("2",))


async def test_c10_a_bug_in_the_poller_reaches_every_waiter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dreamina_async._runtime import poller

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    async with world(tmp_path, outcome=Outcome(stuck=True)) as (emulator, session):
        run = session.run(image(str(number)) for number in range(3))
        taker = asyncio.create_task(anext(run))
        events = session.events()
        jobs = [await session.submit(image(str(number))) for number in range(3)]
        await emulator.until(lambda: len(emulator.ledger) == 6)
        monkeypatch.setattr(poller, "reconcile", broken)
        async with asyncio.timeout(5):
            outcomes = await asyncio.gather(*jobs, taker, return_exceptions=True)
            assert {type(one) for one in outcomes} == {SessionClosed}
            assert "ZeroDivisionError" in str(outcomes[0])
            assert "ZeroDivisionError" in str(outcomes[-1])
            for work in (
                session.submit(image()),
                session.resume(),
                session.status(["1"]),
                session.generate(image(), timeout=5),
            ):
                with pytest.raises(SessionClosed):
                    await work
            with pytest.raises(SessionClosed):
                session.attach(history_id="1")
            await events.aclose()
        assert set(rows(tmp_path).values()) == {"accepted"}
        await session.aclose()
        monkeypatch.undo()
        from session_kit import session_for

        async with session_for(emulator, tmp_path) as later:
            assert len(await later.resume()) == 6


class TestAtTheServicesOwnPace:
    """Virtual time: the default policies, waits of minutes and hours."""

    @pytest.fixture
    def anyio_backend(self) -> Any:
        return VIRTUAL

    async def test_the_default_policies_are_polite(self, tmp_path: Path) -> None:
        async with world(tmp_path, rules=Settings(), speed=1) as (emulator, session):
            requests = [*(image(str(number)) for number in range(30)), VideoRequest("sea")]
            jobs = [job async for job in session.run(requests, max_in_flight=31)]
            for job in jobs:
                check_job(emulator, job)
            for seconds in (1.0, 5.0, 20.0):
                assert emulator.requests.busiest("history", seconds) <= seconds + 2 + 1
            assert len(emulator.requests.batches) <= 2 * len(jobs)

    async def test_an_outage_of_an_hour(self, tmp_path: Path) -> None:
        # from the first look on: while a disk writes, this clock may jump over a job's whole life
        outage = history("status", status=502, times=60)
        async with world(tmp_path, rules=Settings(), speed=1, faults=[outage]) as (
            emulator,
            session,
        ):
            clock = asyncio.get_running_loop().time
            began = clock()
            jobs = [await session.submit(image(str(number))) for number in range(3)]
            for job in jobs:
                await job
                check_job(emulator, job)
            assert clock() - began > 1800
            # the first look, and seven retries of the first minute
            assert emulator.requests.busiest("history", 60) <= 10

    async def test_h3_retry_after_is_kept(self, tmp_path: Path) -> None:
        fault = history("status", status=429, retry_after=90)
        async with world(tmp_path, rules=Settings(), speed=1, faults=[fault]) as (
            emulator,
            session,
        ):
            await session.generate(image())
            first, second = emulator.requests.to("history")[:2]
            assert second.started_at - first.ended_at >= 89
            assert second.started_at - first.ended_at < 150

    async def test_a_throttled_submit_backs_off(self, tmp_path: Path) -> None:
        fault = Fault(where="generate", what="ret", ret="1057", times=8)
        async with world(tmp_path, rules=Settings(), speed=1, faults=[fault]) as (
            emulator,
            session,
        ):
            check_result(emulator, await session.generate(image()))
            sent = [request.started_at for request in emulator.requests.to("generate")]
            assert len(sent) == 9
            assert sent[-1] - sent[-2] >= 30  # the journal's thread lets virtual time leap on
            assert sent[-1] - sent[0] > 90

    async def test_n11_a_reply_that_never_comes(self, tmp_path: Path) -> None:
        """The read timeout, then two minutes of looking; the late charge is found."""
        fault = Fault(where="generate", what="delay_after_charge", seconds=3600)
        async with world(tmp_path, rules=Settings(), speed=1, faults=[fault]) as (
            emulator,
            session,
        ):
            check_result(emulator, await session.generate(image()))
            assert len(emulator.ledger) == 1

    async def test_n12_a_submit_into_nowhere_is_held_after_two_minutes(
        self, tmp_path: Path
    ) -> None:
        fault = Fault(where="generate", what="delay", seconds=36_000)
        async with world(tmp_path, rules=Settings(), speed=1, faults=[fault]) as (
            emulator,
            session,
        ):
            clock = asyncio.get_running_loop().time
            began = clock()
            with pytest.raises(JobLost) as caught:
                await session.generate(image())
            assert caught.value.charged == "unknown"
            assert len(emulator.requests.batches) >= 3
            assert clock() - began > 120

    async def test_s23_a_queue_of_half_a_day(self, tmp_path: Path) -> None:
        rules = Settings(polling=PollingPolicy(max_interval=1800))
        queue = Outcome(queue_seconds=40_000)
        async with world(tmp_path, rules=rules, speed=1, outcome=queue) as (emulator, session):
            job = await session.submit(VideoRequest("sea"))
            await emulator.until(lambda: len(emulator.requests.batches) >= 5)
            assert job.queue is not None
            assert job.progress is not None
            await job
            check_job(emulator, job)
            assert len(emulator.requests.batches) < 400

    async def test_a_record_that_nobody_can_read_ends_too(self, tmp_path: Path) -> None:
        rules = Settings(
            polling=PollingPolicy(pending_limit=7200), retrying=RetryPolicy(lookup_window=60)
        )
        fault = history("damaged", damage="text_record", times=None)
        async with world(tmp_path, rules=rules, speed=1, faults=[fault]) as (_, session):
            with pytest.raises(JobLost):
                await session.generate(image())
