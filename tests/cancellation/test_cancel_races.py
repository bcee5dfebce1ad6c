"""Two things in the very same turn of the loop: exactly one outcome, and nothing is lost.

The loop's time stands still while a call begins, and is then turned to the instant at which
its timeout is due; a timer of the test's, due at that very instant, runs in the same turn, in
the order that is wanted.
"""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from session_kit import image, rows, session_for, ticks, world

from dreamina_async import DreaminaSession, Job, JobError, JobResult, JobTimeout
from dreamina_async.emulator import Emulator, Outcome

_INSTANT = 60.0


class StandingLoop(asyncio.SelectorEventLoop):
    """Its clock can be stopped, and set forward."""

    _shift = 0.0
    _stands: float | None = None

    def time(self) -> float:
        return super().time() + self._shift if self._stands is None else self._stands

    def stop_at(self, instant: float) -> None:
        self._shift += instant - self.time()
        self._stands = instant

    def go_on(self) -> None:
        self._stands = None


@pytest.fixture
def anyio_backend() -> object:
    return ("asyncio", {"loop_factory": StandingLoop})


Order = Literal["first", "last"]
Call = Callable[[Job], Coroutine[Any, Any, object]]


async def result(job: Job) -> object:
    return await job.result(timeout=_INSTANT)


async def users_timeout(job: Job) -> object:
    async with asyncio.timeout(_INSTANT):
        return await job


async def wait_for(job: Job) -> object:
    return await asyncio.wait_for(job.result(), _INSTANT)


async def at_one_instant(
    call: Coroutine[Any, Any, object],
    happens: Callable[[], object],
    order: Order,
    begun: Callable[[], bool] = lambda: True,
) -> object:
    """What `call` comes to when its timeout and something else are due together."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, StandingLoop)
    loop.stop_at(loop.time())
    due = loop.time() + _INSTANT
    if order == "first":
        loop.call_at(due, happens)
    task = asyncio.create_task(call)
    await ticks()
    loop.go_on()
    while not begun():
        await ticks()
    if order == "last":
        loop.call_at(due, happens)
    loop.stop_at(due)
    await ticks()
    loop.go_on()
    (outcome,) = await asyncio.gather(task, return_exceptions=True)
    return outcome


def finish(session: DreaminaSession) -> None:
    """The only job is over, all at once."""
    assert session._parts is not None
    jobs = session._parts.jobs
    (entry,) = jobs.ledger.entries()
    now = datetime.now(UTC)
    entry.result = JobResult(entry.submit_id, entry.history_id, entry.request, (), now, now, now)
    jobs.announce_end(entry)


def only_job(session: DreaminaSession) -> Job:
    assert session._parts is not None
    (entry,) = session._parts.jobs.ledger.entries()
    assert entry.submit_id is not None
    return session.attach(submit_id=entry.submit_id)


@pytest.mark.parametrize("order", ["first", "last"])
@pytest.mark.parametrize("call", [result, users_timeout, wait_for])
async def test_c9_the_time_is_up_as_the_job_ends(tmp_path: Path, call: Call, order: Order) -> None:
    async with world(tmp_path, outcome=Outcome(stuck=True)) as (_, session):
        job = await session.submit(image())
        outcome = await at_one_instant(call(job), lambda: finish(session), order)
        if call is result:  # it looks once more
            assert outcome is job.outcome
        else:  # the user's own clock is his: then the result is still there
            assert outcome is job.outcome or isinstance(outcome, TimeoutError)
        assert job.outcome is not None
        assert await job.result(timeout=0) is await job is job.outcome


@pytest.mark.parametrize("order", ["first", "last"])
async def test_c9_the_time_is_up_as_the_job_is_abandoned(tmp_path: Path, order: Order) -> None:
    async with Emulator(outcome=Outcome(stuck=True)) as service:
        async with session_for(service, tmp_path) as session:
            job = await session.submit(image())
            outcome = await at_one_instant(result(job), job.abandon, order)
            assert type(outcome) is JobError
        assert rows(tmp_path) == {job.job_id: "abandoned"}


@pytest.mark.parametrize("order", ["first", "last"])
@pytest.mark.parametrize("what", ["finished", "abandoned", "closed", "nothing"])
async def test_c9_generates_time_is_up_as_something_else_happens(
    tmp_path: Path, what: str, order: Order
) -> None:
    async with Emulator(outcome=Outcome(stuck=True)) as service:
        session = session_for(service, tmp_path)
        await session.__aenter__()
        closing: list[asyncio.Task[None]] = []

        def happens() -> None:
            if what == "finished":
                finish(session)
            elif what == "abandoned":
                only_job(session).abandon()
            elif what == "closed":
                closing.append(asyncio.ensure_future(session.aclose()))

        call = session.generate(image(), timeout=_INSTANT)
        outcome = await at_one_instant(
            call, happens, order, begun=lambda: session.statistics().accepted == 1
        )
        (submit_id,) = service.ledger.submit_ids
        if what == "finished":
            assert isinstance(outcome, JobResult)
        elif what == "abandoned":
            assert type(outcome) is JobError
        else:
            assert isinstance(outcome, JobTimeout)
        if isinstance(outcome, JobError):
            assert outcome.charged == "yes"
            assert outcome.job_id == submit_id
        await session.aclose()
        await asyncio.gather(*closing)
        assert set(rows(tmp_path)) == {submit_id}
