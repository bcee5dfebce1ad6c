"""`asyncio.run` comes to its end while another task is closing the session.

It cancels every task that it finds, once, also those that have not made a first step yet; what
is still waited for by one of them is run to its end.
"""

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from session_kit import image, rows, session_for

from dreamina_async import DreaminaSession, Settings
from dreamina_async.emulator import Emulator, run_in_thread

pytestmark = [
    pytest.mark.sweep,
    # anyio makes the coroutine of a task before the task begins
    pytest.mark.filterwarnings("ignore:coroutine 'Supervisor._run.*' was never awaited"),
]


def close_at_once(session: DreaminaSession) -> "asyncio.Task[None]":
    return asyncio.create_task(session.aclose())


def close_in_the_last_turn(session: DreaminaSession) -> None:
    """Its first step is made in the turn in which the loop stops, for one turn to wait."""
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: loop.create_task(session.aclose()))


async def main(
    service: Emulator, folder: Path, close: Callable[[DreaminaSession], object], turns: int
) -> None:
    session = session_for(service, folder)
    await session.__aenter__()
    task = asyncio.create_task(session.submit(image()))
    task.add_done_callback(lambda one: one.cancelled() or one.exception())
    for _ in range(turns):
        await asyncio.sleep(0)
    close(session)
    for _ in range(max(1, turns // 2)):
        await asyncio.sleep(0)


async def taken_up(service: Emulator, folder: Path) -> None:
    async with session_for(service, folder) as later:
        for job in await later.resume():
            await job


@pytest.mark.parametrize("close", [close_at_once, close_in_the_last_turn])
def test_p5_the_loop_ends_while_a_task_closes_the_session(
    tmp_path: Path, close: Callable[[DreaminaSession], object]
) -> None:
    """The folder is free afterwards, no thread is left, nobody waited out the grace."""
    with run_in_thread(speed=2000) as service:
        for turns in (0, 1, 2, 3, 5, 8, 13, 21, 34):
            folder = tmp_path / str(turns)
            began = time.monotonic()
            asyncio.run(main(service, folder, close, turns))
            assert time.monotonic() - began < Settings().close_timeout / 2
            gc.collect()
            assert _ours() == set(), turns
            asyncio.run(taken_up(service, folder))
            mine = set(rows(folder).items())
            assert {state for _, state in mine} <= {"done", "planned"}
        assert set(service.ledger.repeated()) == set()


def _ours() -> set[str]:
    names = {one.name for one in threading.enumerate() if one.name.startswith("dreamina-")}
    return names - {"dreamina-emulator"}
