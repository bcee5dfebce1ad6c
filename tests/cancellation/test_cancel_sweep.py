"""Every call of a session, interfered with at every suspension: nothing is lost, nothing stays.

The default run strikes each point once by `task.cancel()`, at once or in the very turn in which
the wait ends, and samples the other styles. `DREAMINA_TESTS=large` takes all four styles at
every point, at five moments each; `python tests/cancellation/run.py` varies more than that.
"""

import inspect
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from cancel_operations import CALLS, OPERATIONS, Operation
from cancel_strike import Point, count, reached
from cancel_sweep import ENDING, STYLES
from cancel_traces import complaints, only_ours

from dreamina_async import DreaminaSession, Job
from dreamina_async._runtime.account import CreditHistory
from dreamina_async._runtime.hub import Subscription
from dreamina_async.run import Run

pytestmark = pytest.mark.sweep

_LARGE = os.environ.get("DREAMINA_TESTS") == "large"


@pytest.fixture(scope="module", autouse=True)
def quick_looks() -> Iterator[None]:
    with only_ours():
        yield


def points(total: int, operation: Operation) -> list[Point]:
    """All of them, or each once and a sample."""
    choice = random.Random(operation.name)
    if _LARGE:
        moments = [0, ENDING, *choice.sample(range(1, 60), 3)]
        every = [(at, moment) for at in range(1, total + 1) for moment in moments]
        return [Point(at, style, moment) for style in STYLES for at, moment in every]
    each = [Point(at, "task") for at in range(1, total + 1)]
    others = STYLES[1:] if operation.ends else [choice.choice(STYLES[1:])]
    sample = [Point(choice.randint(1, total), style) for style in others]
    return [*each, *sample, Point(choice.randint(1, total), "task", ENDING)]


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_c_rows_interfered_with_at_every_suspension(
    operation: Operation, tmp_path: Path
) -> None:
    with complaints() as said:
        total = await count(operation, tmp_path / "count")
        assert total > 0
        every = points(total, operation)
        for number, point in enumerate(every):
            folder = tmp_path / str(number)
            folder.mkdir()
            if not await reached(operation, folder, point) and point.moment <= 0:
                again = await count(operation, folder / "count")
                assert again < point.at, f"{point} was never reached"
    assert said == []
    print(f"swept: {operation}, {total} suspensions, {len(every)} runs")  # shown by -rP


def test_every_public_call_that_waits_is_among_the_operations() -> None:
    public = {
        f"{one.__name__}.{name}"
        for one in (DreaminaSession, Job, Run, Subscription, CreditHistory)
        for name, call in vars(one).items()
        if inspect.iscoroutinefunction(call) and (name[0] != "_" or name in _WAITING)
    }
    assert public == set(CALLS)
    assert set(CALLS.values()) <= {operation.name for operation in OPERATIONS}


_WAITING = ("__aenter__", "__aexit__", "__anext__")
