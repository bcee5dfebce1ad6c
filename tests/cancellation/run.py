"""The large tier: `python tests/cancellation/run.py --styles all --seeds 5`.

--styles NAMES   task, scope, twice, throw, or all; separated by commas
--seeds N        so many runs of each point and style
--first N        the first seed
--operation NAME that one alone
--at K           that suspension alone

Seed 0 strikes at once, seed 1 in the very turn in which the wait ends, every other one so many
turns later; from seed 1 on the ready tasks are jostled, and the service has a pace of its own.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import Random

from attrs import define, field, frozen

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]

from cancel_operations import OPERATIONS, Operation  # noqa: E402
from cancel_strike import FAIR, Point, Weather, count, reached  # noqa: E402
from cancel_sweep import ENDING, STYLES, Style  # noqa: E402
from cancel_traces import complaints, only_ours  # noqa: E402
from jostling import JostlingLoop  # noqa: E402


@frozen
class Task:
    """What one process does at a time: an operation at all its points."""

    operation: str
    styles: tuple[Style, ...]
    seeds: range
    at: int | None = None


@define
class Figures:
    """What came of it."""

    operations: int = 0
    points: int = 0
    runs: int = 0
    missed: int = 0
    violations: list[str] = field(factory=list)

    def add(self, other: "Figures") -> None:
        self.operations += other.operations
        self.points += other.points
        self.runs += other.runs
        self.missed += other.missed
        self.violations += other.violations


def play(task: Task) -> Figures:
    """Every point of an operation, each run in a loop and a folder of its own."""
    operation = next(one for one in OPERATIONS if one.name == task.operation)
    with only_ours(), tempfile.TemporaryDirectory() as folder:
        total = asyncio.run(count(operation, Path(folder) / "count"))
        places = range(1, total + 1) if task.at is None else [task.at]
        figures = Figures(1, len(places))
        for at in places:
            for style in task.styles:
                for seed in task.seeds:
                    run = Path(folder) / f"{at}-{style}-{seed}"
                    run.mkdir()
                    figures.runs += 1
                    _play_one(operation, run, at, style, seed, figures)
    return figures


def _play_one(
    operation: Operation, folder: Path, at: int, style: Style, seed: int, figures: Figures
) -> None:
    chance = Random(f"{operation.name} {at} {style} {seed}")
    moment = {0: 0, 1: ENDING}.get(seed) or (chance.randrange(1, 60) if seed else 0)
    weather = Weather(seed, chance.choice((500, 2000, 8000)), chance) if seed else FAIR
    try:
        if not _struck(operation, folder, Point(at, style, moment), weather):
            figures.missed += 1
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
        figures.violations.append(
            f"{operation.name}, {style} at {at}, seed {seed}: "
            f"{type(error).__name__}: {str(error)[:300]}\n"
            f"    python tests/cancellation/run.py --operation '{operation.name}' "
            f"--styles {style} --at {at} --first {seed} --seeds 1"
        )


def _struck(operation: Operation, folder: Path, point: Point, weather: Weather) -> bool:
    async def main() -> bool:
        with complaints() as said:
            struck = await reached(operation, folder, point, weather)
        assert said == [], said
        return struck

    chance = weather.chance
    factory = (lambda: JostlingLoop(chance)) if chance is not None else None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())


def many(tasks: Iterable[Task]) -> int:
    began = time.monotonic()
    figures = Figures()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for one in pool.map(play, tasks):
            figures.add(one)
            for violation in one.violations:
                print(violation, flush=True)
    print(
        f"{figures.operations} operations, {figures.points} points, {figures.runs} runs "
        f"({figures.missed} were over before the strike), {time.monotonic() - began:.0f} s: "
        f"{len(figures.violations)} violations"
    )
    return 1 if figures.violations else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--styles", default="all")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--operation", choices=[one.name for one in OPERATIONS], metavar="NAME")
    parser.add_argument("--at", type=int)
    given = parser.parse_args()
    names = STYLES if given.styles == "all" else given.styles.split(",")
    styles = tuple(one for one in STYLES if one in names)
    seeds = range(given.first, given.first + given.seeds)
    chosen = [one.name for one in OPERATIONS if given.operation in (None, one.name)]
    return many(Task(name, styles, seeds, given.at) for name in chosen)


if __name__ == "__main__":
    sys.exit(main())
