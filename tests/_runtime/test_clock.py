"""The loop's clock, under virtual time."""

import asyncio
import time

import looptime
import pytest

from dreamina_async._runtime.clock import LoopClock


@pytest.fixture
def anyio_backend():
    return ("asyncio", {"loop_factory": looptime.new_event_loop})


@pytest.fixture
def clock() -> LoopClock:
    return LoopClock()


async def test_monotonic_is_the_loops_and_sleep_moves_it(clock):
    before = clock.monotonic()
    await clock.sleep(3600)
    assert clock.monotonic() - before == pytest.approx(3600)


async def test_wall_is_unix_time(clock):
    assert clock.wall() == pytest.approx(time.time(), abs=5)


async def test_wait_ends_at_its_instant(clock):
    start = clock.monotonic()
    await clock.wait(asyncio.Event(), start + 90)
    assert clock.monotonic() - start == pytest.approx(90)


async def test_wait_ends_with_the_event(clock):
    start, event = clock.monotonic(), asyncio.Event()
    asyncio.get_running_loop().call_later(7, event.set)
    await clock.wait(event, start + 90)
    assert clock.monotonic() - start == pytest.approx(7)


async def test_wait_without_an_instant_waits_for_the_event_alone(clock):
    start, event = clock.monotonic(), asyncio.Event()
    asyncio.get_running_loop().call_later(86_400, event.set)
    await clock.wait(event, None)
    assert clock.monotonic() - start == pytest.approx(86_400)


async def test_an_instant_gone_by_ends_at_once(clock):
    start = clock.monotonic()
    await clock.wait(asyncio.Event(), start - 10)
    assert clock.monotonic() == pytest.approx(start, abs=0.01)


@pytest.mark.parametrize("until", [None, 1e9])
async def test_a_cancelled_wait_is_cancelled(clock, until):
    task = asyncio.create_task(clock.wait(asyncio.Event(), until))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_C9_an_outer_deadline_at_the_same_instant_is_the_outer_ones(clock):  # noqa: N802
    until = clock.monotonic() + 5

    async def both() -> None:
        async with asyncio.timeout_at(until):
            await clock.wait(asyncio.Event(), until)
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await both()
    assert asyncio.current_task().cancelling() == 0
