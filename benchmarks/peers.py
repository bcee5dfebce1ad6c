"""The same forty prompts through this package, the notes' own loops and a plain aiohttp script.

    python benchmarks/peers.py [--short] [--out FOLDER]        # about four minutes

Each way is a program of its own (`peers_ours.py` and its neighbours), run against an emulator of
its own that is seeded alike: a prompt takes the same time in each. Services and pauses are sped
up by one factor, and every figure in seconds is told at the service's real pace. So what this
machine does itself (an fsync, a thread's turn) counts that many times as long as it takes, and
the images are smaller by that factor. The loop that does one job after another has hardly
anything to do at a time, and is played faster than the others. All others may have all jobs
under way at once.

- *wall*: from a program's first call to its last file; *calls*: status calls per finished job.
- *peak*: the most calls, submits and status calls together, that began within one second.
- *delay*: from the end of a job at the service until the last of its files has all its bytes,
  and here also its checks and its final name.
- *right*: files on disk, under whatever name, that the service has made (SHA-256).
- *killed*: SIGKILL when half of the files were fetched, then the same command once more.
  *paid* are the charges, *lost* the files that were paid for and are not on disk in the end,
  *broken* those on disk that are no file of the service's.
- *cpu*, *peak memory*, *threads*: of the whole program, its imports included.
"""

import importlib.util
import sys
from collections.abc import Callable, Iterable
from functools import partial
from statistics import median
from typing import Any

from attrs import evolve
from harness import Goal, Sample, Tell, interleaved, main, table, tell_goals
from peers_trial import FILES, SEED, Scale, Way, killed_trial, trial

OURS = "dreamina_async"
SLOW = "notes: one after another"
"""It sleeps nearly all the time, so one round of it, played faster, tells enough."""
RAMP = "notes: a thread a job, ramp"
"""As the other threads in all but the calls: not killed, and not in the README's table."""

WAYS = {
    OURS: Way(("peers_ours.py",)),
    "plain aiohttp script": Way(("peers_aiohttp.py",)),
    "notes: a thread a job": Way(("peers_threads.py", "peers_notes.py")),
    RAMP: Way(("peers_threads.py", "peers_notes.py"), ("ramp",)),
    "notes: batches": Way(("peers_batch.py", "peers_notes.py")),
    SLOW: Way(("peers_loop.py", "peers_notes.py")),
}
_IN_SHORT = (OURS, "plain aiohttp script", "notes: a thread a job")

FULL, SHORT = Scale(40, 6.0, 2), Scale(5, 60.0, 1)
SLOW_SPEED = 20.0

Samples = dict[str, list[Sample]]


def ways_here(short: bool, tell: Tell) -> dict[str, Way]:
    """The ways that can be run on this machine."""
    names: Iterable[str] = _IN_SHORT if short else WAYS
    if importlib.util.find_spec("requests") is None:
        tell("the package `requests` is not installed: the notes' own loops are left out")
        names = [name for name in names if not name.startswith("notes")]
    return {name: WAYS[name] for name in names}


def run(short: bool, tell: Tell) -> dict[str, Any]:
    scale = SHORT if short else FULL
    ways = ways_here(short, tell)
    tell("undisturbed")
    samples = _undisturbed(ways, scale, tell)
    tell("killed half way, and started again")
    after = {
        name: killed_trial(ways[name], _scale_of(name, scale)) for name in _killed(ways, short)
    }
    figures = {name: _row(ways[name], samples[name], after.get(name)) for name in ways}
    _tell_all(figures, tell)
    _tell_readme(figures, scale, tell)
    goals = _goals(figures[OURS], scale)
    tell_goals(goals, tell)
    return {
        "jobs": scale.jobs,
        "files_a_job": FILES,
        "speed": scale.speed,
        "speed_one_after_another": SLOW_SPEED,
        "rounds": scale.rounds,
        "seed": SEED,
        "ways": figures,
        "goals": goals,
    }


def _undisturbed(ways: dict[str, Way], scale: Scale, tell: Tell) -> Samples:
    calls = {name: partial(trial, way, _scale_of(name, scale)) for name, way in ways.items()}
    slow = {SLOW: calls.pop(SLOW)} if SLOW in calls else {}
    patience = 0.0 if scale is SHORT else 10.0
    quick = interleaved(calls, scale.rounds, tell, patience=patience)
    return quick | interleaved(slow, 1, tell)


def _scale_of(name: str, scale: Scale) -> Scale:
    return evolve(scale, speed=SLOW_SPEED) if name == SLOW else scale


def _killed(ways: Iterable[str], short: bool) -> list[str]:
    return [OURS] if short else [name for name in ways if name != RAMP]


def _row(way: Way, samples: list[Sample], after: Sample | None) -> dict[str, Any]:
    row = {key: median(sample[key] for sample in samples) for key in samples[0]}
    row["peak_calls"] = max(sample["peak_calls"] for sample in samples)
    return row | {"lines": way.lines, "killed": after}


# ---- what is told ----------------------------------------------------------------------


def _tell_all(figures: dict[str, dict[str, Any]], tell: Tell) -> None:
    head = (
        "way",
        "wall",
        "calls",
        "peak",
        "delay",
        "p95",
        "right",
        "cpu",
        "MiB",
        "threads",
        "lines",
    )
    rows = []
    for name, row in figures.items():
        seconds = [f"{row[key]:.1f}" for key in ("delay", "delay_p95")]
        counts = [f"{row['right']:.0f}", f"{row['cpu']:.2f}", f"{row['peak'] / 2**20:.0f}"]
        more = [f"{row['threads']:.0f}", str(row["lines"])]
        calls = [f"{row['wall']:.0f}", f"{row['calls']:.2f}", f"{row['peak_calls']:.0f}"]
        rows.append([name, *calls, *seconds, *counts, *more])
    tell("")
    table(head, rows, tell)


def _tell_readme(figures: dict[str, dict[str, Any]], scale: Scale, tell: Tell) -> None:
    tell(
        f"\n| {scale.jobs} prompts | time | status calls a job; most calls in a second "
        "| done until on disk, mean / p95 | killed half way and run again |"
    )
    tell("|---|---|---|---|---|")
    for name, row in figures.items():
        if name != RAMP:
            tell(
                f"| {name} | {row['wall']:.0f} s | {row['calls']:.1f}; {row['peak_calls']:.0f} "
                f"| {row['delay']:.1f} / {row['delay_p95']:.1f} s | {_fate(row['killed'])} |"
            )


def _fate(killed: Sample | None) -> str:
    if killed is None:
        return "not run"
    broken = f", {killed['broken']:.0f} broken" if killed["broken"] else ""
    return f"{killed['paid']:.0f} paid, {killed['lost']:.0f} files lost{broken}"


def _goals(ours: dict[str, Any], scale: Scale) -> list[Goal]:
    killed = ours["killed"]
    return [
        Goal("files right, of all", 1.0, ours["right"] / (scale.jobs * FILES), at_least=True),
        Goal("after a kill: paid, to the prompts", 1.0, killed["paid"] / scale.jobs),
        Goal("after a kill: files lost", 0.0, killed["lost"]),
        Goal("after a kill: files broken", 0.0, killed["broken"]),
    ]


# ---- the plot --------------------------------------------------------------------------

_PANELS: tuple[tuple[str, Callable[[dict[str, Any]], float | None]], ...] = (
    ("status calls\na job", lambda row: row["calls"]),
    ("most calls\nin a second", lambda row: row["peak_calls"]),
    ("done until on disk,\nmean, s", lambda row: row["delay"]),
    ("paid, if killed half\nway and run again", lambda row: (row["killed"] or {}).get("paid")),
)


def plot(figures: dict[str, Any], canvas: Any) -> None:
    names = [name for name in figures["ways"] if name != RAMP]
    panels = canvas.subplots(1, len(_PANELS), sharey=True)
    for axes, (label, value) in zip(panels, _PANELS, strict=True):
        values = [value(figures["ways"][name]) for name in names]
        colours = ["tab:blue" if name == OURS else "tab:gray" for name in names]
        bars = axes.barh(range(len(names)), [one or 0 for one in values], color=colours)
        told = ["not run" if one is None else f"{one:.2g}" for one in values]
        axes.bar_label(bars, labels=told, padding=2)
        axes.set_xlabel(label)
        axes.set_xlim(0, 1.3 * max(one or 0 for one in values))
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    canvas.suptitle(f"{figures['jobs']} image jobs through the same emulated service")


if __name__ == "__main__":
    sys.exit(main("peers", run, plot))
