"""What every benchmark shares: rounds side by side, quartiles, goals, results, plots.

A benchmark is a module with a `run(short, tell)` that returns its figures and goals as plain
data, and a `plot(figures, figure)` that draws them; `main` does the rest. Nothing here asserts a
time: a goal is met or missed, and the word is printed.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any, Protocol

from attrs import asdict, field, frozen

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("aiohttp", "anyio", "aiofiles", "attrs")

Sample = dict[str, float]
"""Figures of one run: seconds, bytes, or counts, by name."""

Tell = Callable[[str], None]


# ---- rounds ----------------------------------------------------------------------------


@frozen
class Spread:
    """The median of several rounds, and the quartiles around it."""

    median: float
    low: float
    high: float
    rounds: int

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles; with one value, that value thrice."""
    if len(values) < 2:
        return Spread(values[0], values[0], values[0], len(values))
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(middle, low, high, len(values))


def interleaved(
    ways: Mapping[str, Callable[[], Sample]],
    rounds: int,
    tell: Tell,
    seed: int = 1,
    patience: float = 10.0,
) -> dict[str, list[Sample]]:
    """Run every way once a round, in an order that differs from round to round.

    A machine drifts within minutes; two ways that are compared must feel the same drift.
    Before each run the machine is waited for, `patience` seconds at the most.
    """
    random, samples = Random(seed), {name: list[Sample]() for name in ways}
    for number in range(rounds):
        for name in random.sample(list(ways), len(ways)):
            settle(patience)
            samples[name].append(ways[name]())
            told = ", ".join(f"{key} {value:.3g}" for key, value in samples[name][-1].items())
            tell(f"round {number + 1}  {name:32} {told}")
    return samples


def side_by_side(samples: Mapping[str, list[Sample]], way: str, base: str, figure: str) -> Spread:
    """The ratio of two ways, taken inside each round, over all rounds."""
    pairs = zip(samples[way], samples[base], strict=True)
    return spread([ours[figure] / theirs[figure] for ours, theirs in pairs])


def settle(limit: float = 10.0, window: float = 0.3, idle: float = 0.8) -> None:
    """Wait until the machine has little else to do, `limit` seconds at the most."""
    until = time.monotonic() + limit
    while time.monotonic() < until:
        before = _busy_and_all()
        time.sleep(window)
        busy, every = (new - old for new, old in zip(_busy_and_all(), before, strict=True))
        if not every or busy / every <= 1 - idle:
            return


def _busy_and_all() -> tuple[int, int]:
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0, 0
    ticks = [int(part) for part in stat.read_text("ascii").splitlines()[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


# ---- goals -----------------------------------------------------------------------------


@frozen
class Goal:
    """A figure, and what it was to be at most, or with `at_least` at least."""

    what: str
    goal: float
    figure: float
    at_least: bool = field(default=False, kw_only=True)

    @property
    def met(self) -> bool:
        return self.figure >= self.goal if self.at_least else self.figure <= self.goal


def tell_goals(goals: Iterable[Goal], tell: Tell) -> None:
    tell("\nGoals")
    for goal in goals:
        word, sign = "met" if goal.met else "MISSED", ">=" if goal.at_least else "<="
        tell(f"{word:6} {goal.figure:8.2f} {sign} {goal.goal:<6g} {goal.what}")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], tell: Tell) -> None:
    """Tell a table with aligned columns, the first to the left."""
    lines = [head, *rows]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    for line in lines:
        first, *rest = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        tell("  ".join([first.strip().ljust(widths[0]), *rest]))


# ---- the run ---------------------------------------------------------------------------


class Run(Protocol):
    def __call__(self, short: bool, tell: Tell, /) -> dict[str, Any]: ...


class Plot(Protocol):
    def __call__(self, figures: dict[str, Any], canvas: Any, /) -> None: ...


def main(name: str, run: Run, plot: Plot, arguments: list[str] | None = None) -> int:
    """Measure, tell, and write `NAME.json` and `NAME.svg` into a folder."""
    parser = argparse.ArgumentParser(prog=f"benchmarks/{name}.py")
    parser.add_argument("--short", action="store_true", help="seconds, noisy: that it runs")
    parser.add_argument("--out", type=Path, help="write NAME.json and NAME.svg here")
    parser.add_argument("--plot", type=Path, metavar="JSON", help="measure nothing, draw these")
    options = parser.parse_args(arguments)
    if options.plot is not None:
        figures = json.loads(options.plot.read_text("utf-8"))
    else:
        figures = {"benchmark": name, "short": options.short, "machine": machine()}
        figures |= run(options.short, _tell)
        figures["goals"] = [_goal(goal) for goal in figures.get("goals", ())]
    if options.out is not None:
        write(name, _rounded(figures), plot, options.out)
    return 0


def _tell(line: str) -> None:
    print(line, flush=True)


def _goal(goal: Goal) -> dict[str, Any]:
    return asdict(goal) | {"met": goal.met}


def machine() -> dict[str, Any]:
    """What a figure depends on, without the machine's name."""
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
    } | {name: version(name) for name in PACKAGES}


def write(name: str, figures: dict[str, Any], plot: Plot, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(figures, indent=1, ensure_ascii=False)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        _tell("no plot: python -m pip install --group benchmark")
        return
    # the same figures give the same bytes
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "font.size": 9}):
        canvas = Figure(figsize=(8, 4.5), layout="constrained")
        plot(figures, canvas)
        canvas.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})


def _rounded(value: Any) -> Any:
    """Four significant digits: more would pretend."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {str(key): _rounded(one) for key, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value
