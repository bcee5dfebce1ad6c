"""Clocks that are wrong, that jump, that stand still: nothing is lost, and no burst follows."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from session_kit import (
    check_job,
    check_result,
    image,
    leftovers,
    session_for,
    settings,
)
from virtual import EXACT, InlineWriter

from dreamina_async import (
    AuthenticationError,
    DownloadPolicy,
    DreaminaSession,
    PollingPolicy,
    Settings,
    VideoRequest,
)
from dreamina_async._core.wire import HttpRequest, HttpResponse
from dreamina_async._runtime.clock import LoopClock
from dreamina_async._runtime.parts import Doors
from dreamina_async._runtime.transport import AiohttpTransport
from dreamina_async.emulator import Emulator, Fault, Outcome

MINUTES, DAY, HOURS = 600.0, 86_400.0, 7200.0


class Turned(LoopClock):
    """This machine's clocks, as a test turns them.

    Attributes:
        wrong: what its wall clock is ahead.
        slept: what both clocks have leapt on while nobody was awake.
    """

    def __init__(self, wrong: float = 0.0) -> None:
        self.wrong = wrong
        self.slept = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.slept

    def wall(self) -> float:
        return super().wall() + self.wrong + self.slept

    async def wait(self, event: asyncio.Event, until: float | None) -> None:
        await super().wait(event, None if until is None else until - self.slept)


class Wire(AiohttpTransport):
    """The real one; it notes when each call's first byte leaves, and lets a test step in."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.clock: LoopClock = LoopClock()
        self.left: list[tuple[str, float]] = []
        self.before: Callable[[HttpRequest], None] = lambda _: None

    async def send(
        self, request: HttpRequest, announce: Callable[[], None] | None = None
    ) -> HttpResponse:
        def leaves() -> None:
            if announce is not None:
                announce()
            self.left.append((request.path.rsplit("/", 1)[-1], self.clock.monotonic()))

        self.before(request)
        return await super().send(request, leaves)

    def instants(self, path: str) -> list[float]:
        return [at for name, at in self.left if name == path]


@asynccontextmanager
async def world(
    folder: Path, clock: Turned, *, rules: Settings | None = None, **options: Any
) -> AsyncIterator[tuple[Emulator, DreaminaSession, Wire]]:
    """An emulator and a session on a machine with this clock."""
    before, wires = leftovers(), list[Wire]()

    def transport(*arguments: Any, **more: Any) -> Wire:
        wires.append(Wire(*arguments, **more))
        wires[0].clock = clock
        return wires[0]

    async with Emulator(**({"speed": 600} | options)) as emulator:
        session = session_for(emulator, folder, settings=rules or settings())
        session._doors = Doors(lambda: clock, transport, writer=InlineWriter)
        async with session:
            yield emulator, session, wires[0]
    assert leftovers() == before
    assert emulator.ledger.repeated() == {}


def check_ceiling(instants: list[float], rate: float, burst: int) -> None:
    """In every window of w seconds at most rate * w + burst."""
    for first, begin in enumerate(instants):
        for last in range(first, len(instants)):
            assert last - first + 1 <= rate * (instants[last] - begin) + burst + 1e-3


def refused(emulator: Emulator) -> int:
    return sum(one.ret == "1014" for one in emulator.requests)


STRICT = {"sign_mode": "require", "sign_tolerance": 60}


@pytest.mark.parametrize("wrong", [-DAY, -MINUTES, MINUTES, DAY])
async def test_t1_a_wrong_clock_costs_one_call(tmp_path: Path, wrong: float) -> None:
    async with world(tmp_path, Turned(wrong), **STRICT) as (emulator, session, _):
        check_result(emulator, await session.generate(image()))
        check_result(emulator, await session.generate(VideoRequest("sea")))
        assert refused(emulator) == 1
        assert len(emulator.ledger) == 2


@pytest.mark.parametrize("wrong", [-DAY, DAY])
async def test_t1_several_at_once_learn_it_together(tmp_path: Path, wrong: float) -> None:
    async with world(tmp_path, Turned(wrong), **STRICT) as (emulator, session, _):
        jobs = [job async for job in session.run(image(str(number)) for number in range(12))]
        for job in jobs:
            check_job(emulator, job)
        assert 1 <= refused(emulator) <= Settings().submits
        assert len(emulator.ledger) == 12


async def test_t1_any_call_may_be_the_first_to_learn_it(tmp_path: Path) -> None:
    async with world(tmp_path, Turned(-DAY), **STRICT) as (emulator, session, _):
        assert await session.status(["12345678901234"]) == {}
        assert (await session.credits()).total > 0
        assert refused(emulator) == 1


async def test_t1_a_refusal_that_no_time_mends_is_final(tmp_path: Path) -> None:
    """The service's clock is absurd: it is not believed, and nothing is sent twice."""
    options = STRICT | {"wall": lambda: time.time() - 10 * DAY}
    async with world(tmp_path, Turned(), **options) as (emulator, session, _):
        with pytest.raises(AuthenticationError) as caught:
            await session.generate(image())
        assert caught.value.code == "1014"
        assert caught.value.charged == "no"
        assert len(emulator.requests.to("generate")) == 1


@pytest.mark.parametrize("wrong", [-DAY, DAY])
async def test_t1_expiries_count_by_the_services_clock(tmp_path: Path, wrong: float) -> None:
    """A day ahead every URL looks dead, a day behind a dead one looks alive."""
    async with world(tmp_path, Turned(wrong), image_lifetime=900) as (emulator, session, _):
        jobs = [job async for job in session.run(image(str(number)) for number in range(4))]
        for job in jobs:
            check_job(emulator, job)
        assert session.statistics().refreshes == 0
        assert {one.status for one in emulator.requests.to("media")} == {200}


@pytest.mark.parametrize("jump", [-DAY, DAY])
async def test_t2_the_clock_is_set_in_the_middle_of_a_run(tmp_path: Path, jump: float) -> None:
    clock = Turned()
    async with world(tmp_path, clock, **STRICT) as (emulator, session, _):
        run = session.run(image(str(number)) for number in range(16))
        jobs = [await anext(run) for _ in range(4)]
        clock.wrong = jump
        jobs += [job async for job in run]
        assert len(jobs) == len(emulator.ledger) == 16
        for job in jobs:
            check_job(emulator, job)


class TestAtTheServicesOwnPace:
    """Virtual time and the default policies."""

    @pytest.fixture
    def anyio_backend(self) -> Any:
        return EXACT

    async def test_t2_a_jump_does_not_shorten_the_search_for_a_lost_submit(
        self, tmp_path: Path
    ) -> None:
        """The wall clock leaps two days while the request is on its way."""
        clock, rules = Turned(), Settings(polling=PollingPolicy(max_interval=10))
        options = {"faults": [Fault(where="generate", what="reset_after_charge")], "read_lag": 100}
        async with world(tmp_path, clock, rules=rules, speed=1, **options) as (
            emulator,
            session,
            wire,
        ):
            wire.before = lambda request: setattr(clock, "wrong", 2 * DAY)
            began = clock.monotonic()
            check_result(emulator, await session.generate(image()))
            assert clock.monotonic() - began > 100
            assert len(emulator.requests.to("generate")) == 1

    async def test_t8_a_loop_that_stood_still_makes_no_burst(self, tmp_path: Path) -> None:
        """500 jobs; the caller's own code blocks the loop, also while calls are about to go."""
        loop: Any = asyncio.get_running_loop()

        def blocked(seconds: float) -> None:
            loop.setup_looptime(start=loop.time() + seconds)

        async with world(tmp_path, Turned(), rules=Settings(), speed=1) as (
            emulator,
            session,
            wire,
        ):
            wire.before = lambda _: blocked(5.0) if len(wire.left) % 4 == 1 else None
            jobs = [session.attach(history_id=str(10**13 + number)) for number in range(500)]
            for seconds in (0.4, 7.0, 0.1, 90.0, 3.0):
                await asyncio.sleep(5.3)
                blocked(seconds)
            await emulator.until(lambda: len(emulator.requests.batches) >= 60)
            check_ceiling(wire.instants("get_history_by_ids"), 1.0, 2)
            assert emulator.requests.peaks["history"] <= 4
            assert len(jobs) == 500

    async def test_p6_two_hours_of_sleep(self, tmp_path: Path) -> None:
        """On waking the URLs are stale and every look is due: they go at the usual rate."""
        clock = Turned()
        rules = Settings(downloading=DownloadPolicy(parallel=1, durable=False))
        options = {
            "wall": lambda: time.time() + clock.slept,
            "image_lifetime": 3600,
            "media_latency": (5.0, 5.0),
            "outcomes": {"late": Outcome(run_seconds=120)},
        }
        async with world(tmp_path, clock, rules=rules, speed=1, **options) as (
            emulator,
            session,
            wire,
        ):
            requests = [image(f"{'late' if number % 2 else ''} {number}") for number in range(40)]
            jobs = [await session.submit(request) for request in requests]
            await emulator.until(lambda: len(emulator.requests.to("media")) >= 5)
            clock.slept = HOURS
            for job in jobs:
                await job
                check_job(emulator, job)
            check_ceiling(wire.instants("get_history_by_ids"), 1.0, 2)
            # only the fetch under way met a dead URL, and no live one was asked for anew
            assert [one.status for one in emulator.requests.to("media")].count(403) <= 1
            assert 1 <= session.statistics().refreshes <= 20
