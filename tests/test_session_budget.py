"""What a run may cost: quotes before, and a sum that is not passed."""

import asyncio
from pathlib import Path

import pytest
from session_kit import SECRET, image, session_for, world

from dreamina_async import BudgetReached, InvalidRequest, Job, Submission, VideoRequest
from dreamina_async.emulator import Outcome

FOUR_CREDITS = {"count": 1, "resolution": "2k"}


async def run_until_spent(run: "asyncio.Future[Job] | object") -> tuple[list[Job], BudgetReached]:
    jobs: list[Job] = []
    with pytest.raises(BudgetReached) as caught:
        async for job in run:  # type: ignore[attr-defined]
            jobs.append(job)  # noqa: PERF401
    return jobs, caught.value


async def test_a_quote_is_what_the_service_then_charges(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        requests = [
            image("一只猫"),
            image("a fox", count=4, resolution="1k"),
            image("a hare", model="5.0", count=2),
            VideoRequest("a wave", model="seedance-2.0-mini"),
        ]
        quote = session.quote(requests)
        assert quote.unpriced == 0
        assert emulator.requests.counts == {}  # it is arithmetic
        async for job in session.run(requests):
            assert job.error is None
        assert quote.credits == emulator.ledger.credits
        charges = {charge.prompt: charge.credits for charge in emulator.ledger}
        assert [charges[one.prompt] for one in requests] == list(quote.prices)


async def test_a_quote_takes_submissions_too(tmp_path: Path) -> None:
    async with world(tmp_path) as (_, session):
        one = Submission(image(**FOUR_CREDITS), "19637d71-15df-445e-b86d-490f3549cb85")
        assert session.quote([one, one.request]).prices == (4, 4)


async def test_nothing_is_submitted_that_would_pass_the_sum(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        requests = (image(f"number {number}", **FOUR_CREDITS) for number in range(9))
        jobs, error = await run_until_spent(session.run(requests, max_credits=14))
        assert len(jobs) == 3
        assert all(job.error is None for job in jobs)
        assert emulator.ledger.credits == 12
        assert (error.limit, error.spent, error.charged) == (14, 12, "no")


async def test_a_sum_that_suffices_is_never_heard_of(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        requests = [image(f"number {number}", **FOUR_CREDITS) for number in range(3)]
        jobs = [job async for job in session.run(requests, max_credits=12)]
        assert len(jobs) == 3
        assert emulator.ledger.credits == 12


async def test_jobs_of_an_earlier_run_count_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        known = [
            Submission(image(f"{n}", **FOUR_CREDITS), session.submit_id_for(f"{n}"))
            for n in range(3)
        ]
        assert len([job async for job in session.run(known)]) == 3
        new = Submission(image("new", **FOUR_CREDITS), session.submit_id_for("new"))
        jobs = [job async for job in session.run([*known, new], max_credits=4)]
        assert len(jobs) == 4
        assert emulator.ledger.credits == 16


async def test_what_was_turned_away_unpaid_gives_its_price_back(tmp_path: Path) -> None:
    outcomes = {"bad": Outcome(ret="2038")}
    async with world(tmp_path, outcomes=outcomes) as (emulator, session):
        words = ["bad 1", "bad 2", "bad 3", "good 1", "good 2"]
        run = session.run(
            (image(word, **FOUR_CREDITS) for word in words), max_credits=8, max_in_flight=1
        )
        jobs = [job async for job in run]
        assert [job.error is None for job in jobs] == [False, False, False, True, True]
        assert emulator.ledger.credits == 8


async def test_without_a_known_price_no_sum_can_be_kept(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        strange = image("x", model="key:a_model_of_tomorrow")
        (job,) = [job async for job in session.run([strange], max_credits=100)]
        assert isinstance(job.error, InvalidRequest)
        assert "max_credits" in str(job.error)
        assert emulator.requests.counts.get("generate", 0) == 0


@pytest.mark.parametrize("value", [0, -1, 2.5, True, "10"])
async def test_a_sum_is_a_whole_number(tmp_path: Path, value: object) -> None:
    async with world(tmp_path) as (_, session):
        with pytest.raises(InvalidRequest) as caught:
            session.run([], max_credits=value)  # type: ignore[arg-type]
        assert caught.value.field == "max_credits"


async def test_the_rest_can_be_run_later(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        rows = [
            Submission(image(f"{n}", **FOUR_CREDITS), session.submit_id_for(f"{n}"))
            for n in range(4)
        ]
        await run_until_spent(session.run(rows, max_credits=8))
        await session.aclose()
        async with session_for(emulator, tmp_path) as again:
            jobs = [job async for job in again.run(rows, max_credits=8)]
        assert [job.error for job in jobs] == [None] * 4
        assert emulator.ledger.credits == 16
        assert SECRET not in repr(jobs)


async def test_what_may_still_come_back_is_waited_for(tmp_path: Path) -> None:
    """Jobs at once: some of them turn out to have cost nothing, and others fit in their place."""
    outcomes = {"bad": Outcome(ret="2038")}
    async with world(tmp_path, outcomes=outcomes) as (emulator, session):
        words = [*(f"bad {n}" for n in range(5)), *(f"good {n}" for n in range(9))]
        run = session.run((image(word, **FOUR_CREDITS) for word in words), max_credits=20)
        jobs, error = await run_until_spent(run)
        assert sum(job.error is None for job in jobs) == 5
        assert emulator.ledger.credits == 20
        assert error.spent == 20


@pytest.mark.parametrize("timeout", [float("nan"), "5", True])
async def test_u10_a_timeout_is_a_number(tmp_path: Path, timeout: object) -> None:
    async with world(tmp_path) as (emulator, session):
        with pytest.raises(InvalidRequest) as caught:
            await session.generate(image(), timeout=timeout)  # type: ignore[arg-type]
        assert caught.value.field == "timeout"
        job = await session.submit(image())
        with pytest.raises(InvalidRequest):
            await job.result(timeout)  # type: ignore[arg-type]
        await job
        assert len(emulator.ledger) == 1
