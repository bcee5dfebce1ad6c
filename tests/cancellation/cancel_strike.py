"""One run: a world of its own, a call that is interfered with, and what must hold afterwards."""

import asyncio
from pathlib import Path
from random import Random

from attrs import frozen
from cancel_operations import LATE, Operation, Stage, enter, live, stage_for
from cancel_sweep import Interrupt, Style, interfered, suspensions
from cancel_traces import Traces, nothing_left
from session_kit import check_folder, check_result, image, rows, session_for

from dreamina_async.emulator import Emulator, Outcome

_KNOWN = {"intent", "accepted", "ready", "done"}
_PATIENCE = 5


@frozen
class Point:
    """Where and how a call is interfered with."""

    at: int
    style: Style
    moment: int = 0


@frozen
class Weather:
    """What else differs from run to run: how fast the service is, and in which order tasks run.

    Attributes:
        seed: of the service's own times.
        speed: of the service.
        chance: draws the order; None leaves it as asyncio has it.
    """

    seed: int = 0
    speed: float = 2000
    chance: Random | None = None


FAIR = Weather()


def emulator(weather: Weather) -> Emulator:
    outcomes = {f"{LATE} {one}": Outcome(run_seconds=60 + 200 * one) for one in range(3)}
    outcomes[LATE] = Outcome(run_seconds=60)
    return Emulator(speed=weather.speed, seed=weather.seed, outcomes=outcomes)


async def staged(operation: Operation, service: Emulator, folder: Path) -> Stage:
    folder.mkdir()
    stage = stage_for(operation, service, folder)
    await operation.earlier(stage)
    service.faults.add(*operation.faults)
    if operation.act not in (enter, live):
        await stage.session.__aenter__()
    await operation.prepare(stage)
    return stage


async def count(operation: Operation, folder: Path, weather: Weather = FAIR) -> int:
    """How often the call suspends when it is left alone."""
    async with emulator(weather) as service:
        stage = await staged(operation, service, folder)
        try:
            return await suspensions(operation.act(stage))
        finally:
            await stage.session.aclose()


async def strike(operation: Operation, folder: Path, point: Point, weather: Weather = FAIR) -> bool:
    """One run in a world of its own; whether the point was reached."""
    before = Traces()
    async with emulator(weather) as service:
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


async def reached(
    operation: Operation, folder: Path, point: Point, weather: Weather = FAIR
) -> bool:
    """Strike until the point was reached, for a few times; a late one may come too late for ever.

    How often a call waits may depend on who is quicker.
    """
    for turn in range(_PATIENCE):
        if await strike(operation, folder / str(turn), point, weather):
            return True
        if point.moment > 0:
            break
    return False


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
