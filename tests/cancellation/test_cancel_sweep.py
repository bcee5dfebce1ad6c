"""Every call of a session, interfered with at every suspension: nothing is lost, nothing stays.

The default run strikes each point once by `task.cancel()`, at once or in the very turn in which
the wait ends, and samples the other styles. `DREAMINA_TESTS=large` takes all four styles at
every point, at five moments each.
"""

import asyncio
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen
from cancel_operations import LATE, OPERATIONS, Operation, Stage, stage_for
from cancel_sweep import ENDING, STYLES, Interrupt, Style, interfered, suspensions
from cancel_traces import Traces, complaints, nothing_left, only_ours
from session_kit import check_folder, check_result, image, rows, session_for

from dreamina_async.emulator import Emulator, Outcome

pytestmark = pytest.mark.sweep

_LARGE = os.environ.get("DREAMINA_TESTS") == "large"
_KNOWN = {"intent", "accepted", "ready", "done"}
_PATIENCE = 5
"""Tries to reach a point: how often a call waits may depend on who is quicker."""


@pytest.fixture(scope="module", autouse=True)
def quick_looks() -> Iterator[None]:
    with only_ours():
        yield


@frozen
class Point:
    """Where and how a call is interfered with."""

    at: int
    style: Style
    moment: int = 0


def emulator() -> Emulator:
    outcomes = {f"{LATE} {one}": Outcome(run_seconds=60 + 200 * one) for one in range(3)}
    return Emulator(speed=2000, outcomes=outcomes | {LATE: Outcome(run_seconds=60)})


async def staged(operation: Operation, service: Emulator, folder: Path) -> Stage:
    folder.mkdir()
    stage = stage_for(operation, service, folder)
    await operation.earlier(stage)
    service.faults.add(*operation.faults)
    if not operation.name.startswith("enter"):
        await stage.session.__aenter__()
    await operation.prepare(stage)
    return stage


async def count(operation: Operation, folder: Path) -> int:
    """How often the call suspends when it is left alone."""
    async with emulator() as service:
        stage = await staged(operation, service, folder)
        try:
            return await suspensions(operation.act(stage))
        finally:
            await stage.session.aclose()


async def strike(operation: Operation, folder: Path, point: Point) -> bool:
    """One run in a world of its own; whether the point was reached."""
    before = Traces()
    async with emulator() as service:
        stage = await staged(operation, service, folder)
        struck, error = await interfered(
            operation.act(stage),
            point.at,
            point.style,
            point.moment,
            lambda: operation.until(stage),
        )
        if struck:
            check_raised(point, error)
        elif error is not None:
            raise error
        del error  # its traceback holds what was waited for
        await check_usable(operation, stage)
        await stage.session.aclose()
        stage = None
        await check_owed(operation, service, folder)
    await nothing_left(before)
    return struck


def check_raised(point: Point, error: BaseException | None) -> None:
    """It re-raised what it was struck with."""
    wanted = Interrupt if point.style == "throw" else asyncio.CancelledError
    assert type(error) is wanted, repr(error)


async def check_usable(operation: Operation, stage: Stage) -> None:
    """The same session does another job; one that was being closed is closed by now."""
    if not operation.ends:
        stage.emulator.faults.clear()
        check_result(stage.emulator, await stage.session.generate(image("afterwards")))


async def check_owed(operation: Operation, service: Emulator, folder: Path) -> None:
    """What was charged stands in the journal, and the next session brings it home."""
    assert service.ledger.repeated() == {}
    elsewhere = set(rows(folder / "other")) if (folder / "other").exists() else set()
    mine = set(service.ledger.submit_ids) - elsewhere
    given_up = {"abandoned"} if operation.name == "abandon" else set()
    states = {rows(folder).get(one) for one in mine}
    assert states <= _KNOWN | given_up
    check_folder(folder)
    if states <= {"done"} and not operation.ends:
        return
    service.faults.clear()
    charges = len(service.ledger)
    async with session_for(service, folder) as later:
        for job in await later.resume():
            await job
    assert {rows(folder)[one] for one in mine} <= {"done"} | given_up
    assert len(service.ledger) == charges


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
            for turn in range(_PATIENCE):
                struck = await strike(operation, tmp_path / f"{number}-{turn}", point)
                if struck or point.moment > 0:
                    break
            else:
                again = await count(operation, tmp_path / f"{number}-count")
                assert again < point.at, f"{point} was never reached"
    assert said == []
    print(f"swept: {operation}, {total} suspensions, {len(every)} runs")  # shown by -rP
