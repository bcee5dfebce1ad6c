"""One task owns the group: whoever starts it, whoever stops it, whatever crashes in it."""

import asyncio
import gc

import anyio
import looptime
import pytest

from dreamina_async._runtime.finishing import to_completion
from dreamina_async._runtime.supervisor import Supervisor


@pytest.fixture
def anyio_backend():
    return ("asyncio", {"loop_factory": looptime.new_event_loop})


class Group:
    """A supervisor, and what it told of crashes."""

    def __init__(self) -> None:
        self.crashes: list[BaseException] = []
        self.supervisor = Supervisor(self.crashes.append)
        self.ended: list[str] = []

    async def forever(self, name: str = "task") -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.append(name)

    async def lasting(self, seconds: float, name: str = "errand") -> None:
        await asyncio.sleep(seconds)
        self.ended.append(name)


@pytest.fixture
def group() -> Group:
    return Group()


def now() -> float:
    return asyncio.get_running_loop().time()


def others() -> set[asyncio.Task]:
    return {task for task in asyncio.all_tasks() if task.get_name() == "dreamina-session"}


async def test_started_in_one_task_and_stopped_in_another(group):
    await asyncio.create_task(group.supervisor.start())
    group.supervisor.spawn(group.forever)
    await asyncio.sleep(0)
    await asyncio.create_task(group.supervisor.stop(1))
    assert group.ended == ["task"]
    assert group.crashes == []
    assert not others()


async def test_stopping_twice_and_unstarted_is_fine(group):
    await group.supervisor.stop(1)
    await group.supervisor.start()
    await group.supervisor.stop(1)
    await group.supervisor.stop(1)
    assert not others()


async def test_a_crash_is_told_unwrapped_and_ends_the_others(group):
    trouble = ValueError("a bug")

    async def crash() -> None:
        raise trouble

    await group.supervisor.start()
    group.supervisor.spawn(group.forever)
    group.supervisor.spawn(crash)
    await asyncio.sleep(1)
    assert group.crashes == [trouble]
    assert group.ended == ["task"]
    await group.supervisor.stop(1)


async def test_a_crash_in_a_childs_own_group_is_told_unwrapped_too(group):
    trouble = ValueError("a bug")

    async def crash() -> None:
        async with anyio.create_task_group() as inner:
            inner.start_soon(fail)

    async def fail() -> None:
        raise trouble

    await group.supervisor.start()
    group.supervisor.spawn(crash)
    await asyncio.sleep(1)
    assert group.crashes == [trouble]
    await group.supervisor.stop(1)


async def test_two_crashes_at_once_are_told_as_a_group(group):
    async def crash() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("a bug")

    async def first() -> None:
        raise KeyError("the first")

    await group.supervisor.start()
    group.supervisor.spawn(crash)
    await asyncio.sleep(1)
    group.supervisor.spawn(first)
    await asyncio.sleep(1)
    (told,) = group.crashes
    assert isinstance(told, ExceptionGroup)
    assert {type(error) for error in told.exceptions} == {KeyError, ValueError}
    await group.supervisor.stop(1)


async def test_stop_waits_for_errands(group):
    await group.supervisor.start()
    for seconds in (3, 5):
        group.supervisor.spawn_errand(group.lasting, seconds)
    start = now()
    await group.supervisor.stop(60)
    assert now() - start == pytest.approx(5)
    assert len(group.ended) == 2


async def test_stop_waits_for_an_errand_that_an_errand_started(group):
    async def parent() -> None:
        await asyncio.sleep(1)
        group.supervisor.spawn_errand(group.lasting, 2)

    await group.supervisor.start()
    group.supervisor.spawn_errand(parent)
    await group.supervisor.stop(60)
    assert group.ended == ["errand"]


async def test_stop_waits_for_errands_no_longer_than_the_grace(group):
    await group.supervisor.start()
    group.supervisor.spawn_errand(group.forever, "stuck errand")
    start = now()
    await group.supervisor.stop(7)
    assert now() - start == pytest.approx(7)
    assert group.ended == ["stuck errand"]


async def test_after_a_crash_stop_waits_for_no_errand(group):
    async def crash() -> None:
        raise ValueError("a bug")

    await group.supervisor.start()
    group.supervisor.spawn_errand(group.forever)
    group.supervisor.spawn_errand(crash)
    start = now()
    await group.supervisor.stop(60)
    assert now() == pytest.approx(start)
    assert len(group.crashes) == 1


@pytest.mark.filterwarnings("ignore:coroutine 'Supervisor._run_errand' was never awaited")
async def test_p5_an_errand_dropped_before_it_began_does_not_hold_up_stop(group):
    """A loop that is torn down cancels every task it finds, also those without a first step."""
    strangers = asyncio.all_tasks()
    await group.supervisor.start()
    group.supervisor.spawn_errand(group.lasting, 1)
    for task in asyncio.all_tasks() - strangers:
        task.cancel()
    await asyncio.sleep(0)
    start = now()
    await group.supervisor.stop(60)
    assert now() == pytest.approx(start)
    assert group.ended == []
    gc.collect()  # anyio makes the coroutine before its task begins: it complains here


async def test_a_spawned_task_does_not_hold_up_stop(group):
    await group.supervisor.start()
    group.supervisor.spawn(group.forever)
    start = now()
    await group.supervisor.stop(60)
    assert now() == pytest.approx(start)


@pytest.mark.parametrize("spawn", ["spawn", "spawn_errand"])
async def test_spawning_after_stop_is_harmless(group, spawn):
    await group.supervisor.start()
    await group.supervisor.stop(1)
    getattr(group.supervisor, spawn)(group.forever)
    gc.collect()  # a coroutine made and never awaited would show here
    await asyncio.sleep(1)
    await group.supervisor.stop(1)
    assert group.ended == []


@pytest.mark.parametrize("turns", [0, 1, 2])
async def test_a_cancelled_start_can_be_stopped(group, turns):
    task = asyncio.create_task(group.supervisor.start())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await group.supervisor.stop(1)
    assert not others()
    assert group.crashes == []


async def test_a_cancelled_stop_still_ends_everything(group):
    await group.supervisor.start()
    group.supervisor.spawn_errand(group.forever)
    task = asyncio.create_task(to_completion(group.supervisor.stop(5)))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not others()
    assert group.ended == ["task"]


async def test_stop_cancelled_in_its_grace_gives_up_the_grace(group):
    await group.supervisor.start()
    group.supervisor.spawn_errand(group.forever)
    task = asyncio.create_task(group.supervisor.stop(60))
    await asyncio.sleep(1)
    start = now()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert now() == pytest.approx(start)
    assert not others()


async def test_a_stranger_who_cancels_the_group_is_told_as_a_crash(group):
    """Else whoever waits for one of its tasks would wait for ever."""
    await group.supervisor.start()
    group.supervisor.spawn(group.forever)
    await asyncio.sleep(0)
    (task,) = others()
    task.cancel()
    await asyncio.sleep(1)
    assert [type(error) for error in group.crashes] == [asyncio.CancelledError]
    assert group.ended == ["task"]
    await group.supervisor.stop(1)


async def test_what_is_no_exception_is_a_crash_too(group):
    class Hard(BaseException):
        pass

    async def crash() -> None:
        raise Hard

    await group.supervisor.start()
    group.supervisor.spawn(crash)
    await asyncio.sleep(1)
    assert [type(error) for error in group.crashes] == [Hard]
    await group.supervisor.stop(1)


@pytest.mark.parametrize("spawn", ["spawn", "spawn_errand"])
async def test_it_knows_its_own_tasks_and_those_they_start(group, spawn):
    known: list[bool] = []

    async def ask() -> None:
        known.append(group.supervisor.owns_caller())

    async def work() -> None:
        await ask()
        await asyncio.create_task(ask())

    await group.supervisor.start()
    getattr(group.supervisor, spawn)(work)
    await asyncio.sleep(1)
    await ask()
    assert known == [True, True, False]
    await group.supervisor.stop(1)
