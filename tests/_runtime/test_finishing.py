"""Work that cannot be stopped is waited for; the cancellation is raised afterwards."""

import asyncio
import gc
import logging

import anyio
import pytest

from dreamina_async._runtime.finishing import (
    carried,
    gathered,
    outlast,
    settled,
    to_completion,
)


class Work:
    """Begins, waits for leave to end, and ends."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.begun, self.leave = asyncio.Event(), asyncio.Event()
        self.failure = failure
        self.done = False

    async def run(self) -> str:
        self.begun.set()
        await self.leave.wait()
        self.done = True
        if self.failure is not None:
            raise self.failure
        return "fruit"


@pytest.fixture
def work() -> Work:
    return Work()


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_the_result_is_passed_on(work):
    work.leave.set()
    assert await to_completion(work.run()) == "fruit"


async def test_the_failure_is_passed_on():
    work = Work(ValueError("rotten"))
    work.leave.set()
    with pytest.raises(ValueError, match="rotten"):
        await to_completion(work.run())


@pytest.mark.parametrize("cancels", [1, 2, 3])
async def test_a_native_cancel_waits_for_the_end(work, cancels):
    task = asyncio.create_task(to_completion(work.run()))
    await work.begun.wait()
    for _ in range(cancels):
        task.cancel()
        await turns()
        assert not task.done()
    work.leave.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.done


async def test_a_cancel_that_was_due_before_waits_for_the_end_too(work):
    async def caller() -> None:
        asyncio.current_task().cancel()
        await to_completion(work.run())

    work.leave.set()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(caller())
    assert work.done


async def test_an_anyio_scope_waits_for_the_end(work):
    after = []

    async def caller() -> None:
        await to_completion(work.run())
        after.append("returned")
        await anyio.lowlevel.checkpoint()
        after.append("went on")

    async with anyio.create_task_group() as group:
        group.start_soon(caller)
        await work.begun.wait()
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await turns()
            assert not work.done
            work.leave.set()
    assert work.done
    assert "went on" not in after


async def test_a_scope_cancelled_beforehand_lets_the_work_end_too(work):
    work.leave.set()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await to_completion(work.run())
        await anyio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert work.done


async def test_asyncio_timeout_waits_for_the_end_and_is_a_timeout(work):
    async def late() -> None:
        async with asyncio.timeout(None) as limit:
            asyncio.get_running_loop().call_soon(limit.reschedule, 0)
            await to_completion(work.run())

    task = asyncio.create_task(late())
    await work.begun.wait()
    await turns(10)
    assert not task.done()
    work.leave.set()
    with pytest.raises(TimeoutError):
        await task
    assert work.done
    assert task.cancelling() == 0


async def test_wait_for_waits_for_the_end(work):
    task = asyncio.create_task(asyncio.wait_for(to_completion(work.run()), 1e-9))
    await work.begun.wait()
    await turns(10)
    work.leave.set()
    with pytest.raises(TimeoutError):
        await task
    assert work.done


async def test_a_cancelled_scope_does_not_spin_meanwhile(work, monkeypatch):
    """Anyio cancels again at every turn, until it is shielded off."""
    waits, real = [], asyncio.wait
    monkeypatch.setattr(asyncio, "wait", lambda futures: (waits.append(1), real(futures))[1])
    async with anyio.create_task_group() as group:
        group.start_soon(to_completion, work.run())
        await work.begun.wait()
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await turns(100)
            work.leave.set()
    assert work.done
    assert len(waits) <= 2


async def test_a_failure_overtaken_by_a_cancellation_is_no_news(work, caplog):
    work.failure = ValueError("rotten")
    task = asyncio.create_task(to_completion(work.run()))
    await work.begun.wait()
    task.cancel()
    await turns()
    work.leave.set()
    with caplog.at_level(logging.DEBUG, "asyncio"):
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
        gc.collect()
        await turns()
    assert "never retrieved" not in caplog.text


@pytest.mark.parametrize("times", [1, 2])
async def test_p5_work_begins_whoever_cancels_its_task_before(work, times):
    """As a loop that is torn down does; asyncio would drop it unheard."""
    strangers = asyncio.all_tasks()
    future = carried(work.run())
    for _ in range(times):
        (task,) = asyncio.all_tasks() - strangers
        task.cancel()
        await turns(2)
    work.leave.set()
    assert await future == "fruit"


async def test_p5_work_that_has_begun_can_be_cancelled(work):
    strangers = asyncio.all_tasks()
    future = carried(work.run())
    await work.begun.wait()
    (task,) = asyncio.all_tasks() - strangers
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await future
    assert not work.done


async def test_a_future_cancelled_by_others_is_a_cancellation():
    future = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(outlast(future))
    await turns()
    future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_settled_wait_leaves_what_it_waits_for_alone():
    future = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(settled(future))
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not future.cancelled()
    future.set_result(None)


class Interrupt(BaseException):
    """Stands for KeyboardInterrupt."""


async def test_c12_an_interrupt_of_the_waiter_is_held_back_until_the_end(work):
    waiter = to_completion(work.run()).__await__()
    waits_for = waiter.send(None)
    assert waiter.throw(Interrupt()) is not waits_for  # it waits on
    assert not work.done
    work.leave.set()
    await turns()
    assert work.done
    with pytest.raises(Interrupt):
        waiter.send(None)


async def test_c12_a_waiter_that_is_thrown_away_does_not_wait_on(work):
    waiter = to_completion(work.run()).__await__()
    waiter.send(None)
    waiter.close()
    work.leave.set()
    await turns()
    assert work.done


async def test_c12_gathering_that_is_interrupted_complains_of_nothing(work):
    loop, said = asyncio.get_running_loop(), []
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: said.append(context))
    try:
        waiter = gathered([work.run(), Work().run()]).__await__()
        waiter.send(None)
        with pytest.raises(Interrupt):
            waiter.throw(Interrupt())
        del waiter
        await turns()
        gc.collect()
        await turns()
    finally:
        loop.set_exception_handler(before)
    assert said == []
