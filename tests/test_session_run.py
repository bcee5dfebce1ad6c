"""Many requests in, their jobs out as they end."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from session_kit import check_job, collect, image, settings, ticks, world

from dreamina_async import (
    AccountRestricted,
    AuthenticationError,
    ImageRequest,
    InsufficientCredit,
    InvalidRequest,
    Job,
    JobFailed,
    JobState,
    SessionClosed,
    StorageError,
    Submission,
)
from dreamina_async.emulator import Emulator, Fault, Outcome


def posts(emulator: Emulator) -> int:
    return emulator.requests.counts.get("generate", 0)


class Drawn:
    """Requests that know how many of them have been drawn."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.drawn = 0

    def __iter__(self) -> Iterator[ImageRequest]:
        while self.drawn < self.number:
            self.drawn += 1
            yield image(f"number {self.drawn}")


async def test_no_requests_no_jobs(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        assert [job async for job in session.run([])] == []
        assert posts(emulator) == 0


async def test_requests_are_drawn_lazily_and_few_are_in_flight(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        source = Drawn(40)
        run = session.run(source, max_in_flight=4)
        await ticks(20)
        assert source.drawn == 0  # nothing before somebody asks
        taken = 0
        async for job in run:
            taken += 1
            check_job(emulator, job)
            assert source.drawn <= taken + 4
            assert posts(emulator) <= taken + 4
        assert taken == source.drawn == 40


async def test_a_consumer_that_stops_taking_stops_the_spending(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        source = Drawn(100)
        run = session.run(source, max_in_flight=3)
        first = await anext(run)
        await emulator.until(lambda: len(emulator.ledger) == 4)
        await session.drain()
        await ticks(50)
        assert len(emulator.ledger) == source.drawn == 4
        rest = [await anext(run) for _ in range(3)]
        assert len({job.submit_id for job in (first, *rest)}) == 4
        await run.aclose()


async def test_jobs_come_as_they_end(tmp_path: Path) -> None:
    outcomes = {"slow": Outcome(run_seconds=120), "quick": Outcome(run_seconds=1)}
    async with world(tmp_path, outcomes=outcomes) as (_, session):
        requests = [image("slow"), image("quick"), image("quick too")]
        prompts = [job.request.prompt async for job in session.run(requests) if job.request]
        assert prompts[-1] == "slow"


async def test_failed_jobs_are_handed_out_too(tmp_path: Path) -> None:
    outcomes = {"bad": Outcome(fail_code="2038"), "refused": Outcome(ret="2038")}
    async with world(tmp_path, outcomes=outcomes) as (emulator, session):
        prompts = ["good", "bad", "refused", "good too"]
        requests = [*map(image, prompts), Submission(image("wrong id"), "no uuid")]
        jobs = {job.request.prompt: job async for job in session.run(requests) if job.request}
        assert {prompt: job.state for prompt, job in jobs.items()} == {
            "good": JobState.DONE,
            "good too": JobState.DONE,
            "bad": JobState.FAILED,
            "refused": JobState.FAILED,
            "wrong id": JobState.PLANNED,
        }
        assert isinstance(jobs["bad"].error, JobFailed)
        assert isinstance(jobs["wrong id"].error, InvalidRequest)
        assert all(job.done() for job in jobs.values())
        with pytest.raises(JobFailed):
            await jobs["bad"]
        assert len(emulator.ledger) == 3


async def test_what_is_no_request_is_its_callers_error_not_the_sessions_end(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as (_, session):
        jobs: list[Job] = []
        with pytest.raises(InvalidRequest):
            await collect(session.run([image("good"), "a prompt", image("more")]), jobs)  # type: ignore[list-item]
        assert [job.state for job in jobs][:1] == [JobState.DONE]
        await session.generate(image("alive"))


async def test_async_iterables(tmp_path: Path) -> None:
    async def requests() -> AsyncIterator[ImageRequest]:
        for number in range(5):
            await asyncio.sleep(0)
            yield image(str(number))

    async with world(tmp_path) as (emulator, session):
        jobs = [job async for job in session.run(requests())]
        for job in jobs:
            check_job(emulator, job)
        assert len(jobs) == 5


async def test_an_iterator_that_raises(tmp_path: Path) -> None:
    """What was drawn before comes home, then the caller gets his own error."""

    def requests() -> Iterator[ImageRequest]:
        yield image("good")
        raise KeyError("column")

    async with world(tmp_path) as (emulator, session):
        jobs: list[Job] = []
        with pytest.raises(KeyError):
            await collect(session.run(requests()), jobs)
        assert len(jobs) == 1
        check_job(emulator, jobs[0])


async def test_stop_draws_no_more(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        source = Drawn(50)
        run = session.run(source, max_in_flight=3)
        jobs: list[Job] = []
        async for job in run:
            jobs.append(job)
            run.stop()
            run.stop()
        assert 1 <= len(jobs) == source.drawn == len(emulator.ledger) <= 7


async def test_stop_while_the_source_has_nothing_to_give(tmp_path: Path) -> None:
    """A queue that never fills must not hold the run; what it gives later is not sent."""
    gone = asyncio.Event()

    async def requests() -> AsyncIterator[ImageRequest]:
        try:
            yield image("first")
            await asyncio.Event().wait()
            yield image("never")
        finally:
            gone.set()

    async with world(tmp_path) as (emulator, session):
        run = session.run(requests())
        jobs: list[Job] = []
        async with asyncio.timeout(5):
            async for job in run:
                jobs.append(job)
                run.stop()
            await gone.wait()
        assert len(jobs) == len(emulator.ledger) == 1


async def test_a_request_drawn_after_stop_is_not_sent(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):

        def requests() -> Iterator[ImageRequest]:
            yield image("first")
            run.stop()
            yield image("second")

        run = session.run(requests())
        assert len([job async for job in run]) == 1
        assert posts(emulator) == 1


async def test_no_credit_ends_the_run_while_the_source_has_nothing_to_give(
    tmp_path: Path,
) -> None:
    async def requests() -> AsyncIterator[ImageRequest]:
        yield image("first")
        await asyncio.Event().wait()

    faults = [Fault(where="generate", what="ret", ret="1006")]
    async with world(tmp_path, faults=faults) as (_, session), asyncio.timeout(5):
        run = session.run(requests())
        assert isinstance((await anext(run)).error, InsufficientCredit)
        with pytest.raises(InsufficientCredit):
            await anext(run)


async def test_aclose_and_break(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        run = session.run(Drawn(50), max_in_flight=3)
        await anext(run)
        await run.aclose()
        await run.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(run)
        await session.drain()  # those in flight belong to the session
        await ticks(20)
        async with asyncio.timeout(1):
            with pytest.raises(StopAsyncIteration):
                await anext(run)
        charged = len(emulator.ledger)
        assert charged <= 7

        async for _ in session.run(Drawn(50), max_in_flight=3):
            break
        await session.drain()
        assert len(emulator.ledger) <= charged + 7


@pytest.mark.parametrize("limit", [0, -1, True, 1.5, "3"])
async def test_a_limit_that_is_none(tmp_path: Path, limit: object) -> None:
    async with world(tmp_path) as (_, session):
        with pytest.raises(InvalidRequest) as caught:
            session.run([], max_in_flight=limit)  # type: ignore[arg-type]
        assert caught.value.field == "max_in_flight"


@pytest.mark.parametrize(
    ("ret", "kind"),
    [("1006", InsufficientCredit), ("1015", AuthenticationError), ("1019", AccountRestricted)],
)
async def test_a_refusal_of_the_account_is_raised_when_the_rest_is_home(
    tmp_path: Path, ret: str, kind: type[Exception]
) -> None:
    faults = [Fault(where="generate", what="ret", ret=ret, after=5, times=None)]
    async with world(tmp_path, faults=faults, rules=settings(submits=2)) as (emulator, session):
        source = Drawn(1000)
        jobs: list[Job] = []
        with pytest.raises(kind):
            await collect(session.run(source, max_in_flight=4), jobs)
        done = [job for job in jobs if job.state is JobState.DONE]
        assert len(done) == len(emulator.ledger) == 5
        for job in done:
            check_job(emulator, job)
        assert {type(job.error) for job in jobs if job not in done} == {kind}
        assert source.drawn < 20
        assert posts(emulator) <= 7


async def test_a_full_disk_stops_the_run(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        ids = [session.submit_id_for(f"row {number}") for number in range(1000)]
        for submit_id in ids:
            (tmp_path / submit_id).touch()  # a plain file where the job's folder is to be
        jobs: list[Job] = []
        rows = (Submission(image(), submit_id) for submit_id in ids)
        with pytest.raises(StorageError):
            await collect(session.run(rows, max_in_flight=2), jobs)
        assert len(emulator.ledger) < 10
        assert {job.state for job in jobs} <= {JobState.READY, JobState.PLANNED}


async def test_the_session_ends_before_the_run(tmp_path: Path) -> None:
    """A consumer must not take the half of it for the whole."""
    async with world(tmp_path, outcome=Outcome(stuck=True)) as (emulator, session):
        run = session.run(Drawn(50), max_in_flight=3)
        consumer = asyncio.create_task(anext(run))
        await emulator.until(lambda: len(emulator.ledger) == 3)
        await session.aclose()
        with pytest.raises(SessionClosed):
            await consumer
        with pytest.raises(StopAsyncIteration):
            await anext(run)
        with pytest.raises(SessionClosed):
            session.run([])


async def test_a_run_that_begins_after_the_session_has_ended(tmp_path: Path) -> None:
    async with world(tmp_path) as (_, session):
        run = session.run(Drawn(3))
        await session.aclose()
        async with asyncio.timeout(1):
            for _ in range(2):
                with pytest.raises(SessionClosed):
                    await anext(run)


async def test_two_consumers_share_one_run(tmp_path: Path) -> None:
    async with world(tmp_path) as (_, session):
        run = session.run(Drawn(10), max_in_flight=3)

        async def consume() -> list[Job]:
            return [job async for job in run]

        halves = await asyncio.gather(consume(), consume())
        assert len({job.submit_id for half in halves for job in half}) == 10


async def test_a_job_of_a_run_cannot_be_taken_back_by_another_waiter(tmp_path: Path) -> None:
    delay = Fault(where="generate", what="delay", seconds=0.1)
    async with world(tmp_path, rules=settings(submits=1), faults=[delay]) as (emulator, session):
        first = asyncio.create_task(session.submit(image("first")))
        await emulator.until(lambda: emulator.requests.peaks.get("generate") == 1)
        one = Submission(image("second"), session.submit_id_for("second"))
        run = asyncio.create_task(anext(session.run([one])))
        while len(session.statistics().jobs) < 2:
            await asyncio.sleep(0)
        other = asyncio.create_task(session.submit(image("second"), submit_id=one.submit_id))
        await ticks()
        other.cancel()
        job = await run
        check_job(emulator, job)
        await (await first)
