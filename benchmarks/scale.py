"""Many pending jobs in one session: memory, CPU at rest, lag, opening and resuming.

    python benchmarks/scale.py [--short] [--out FOLDER]

For each number of jobs a journal is written (by the package's `Journal`, one row a job, as their
submits would have left it), and a fresh process (`scale_child.py`) opens a session on it:

- *open*: entering the session; the journal's integrity is checked. *resume*: `resume()` to the list
  of jobs. The requests differ from each other, as prompts do.
- *memory*: growth of the resident set over the open session, after a collection, over the jobs.
  First with `resume()`'s result dropped (`unawaited`), then with every handle held (`held`), then
  with a task a job in `await job` (`awaited`).
- *at rest*: the shipped ceiling (one status call a second), the service answers "still running".
  CPU without, loop lag with a ticker of 5 ms.
- *a poll*: CPU of one status call for ten jobs, at 333 calls a second: 10,000 jobs each 3 s.
- *done*: resuming finished jobs instead, each with four files whose presence is checked.

The service is `submitting_service.py`, in a process of its own; it knows any history id.
"""

import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import Goal, Tell, main, settle, table
from submitting_service import service

from dreamina_async._core.ceiling import Ceiling
from dreamina_async._core.schedule import Ask, Schedule

HERE = Path(__file__).parent
SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
DONE = 10_000
CHILD_LIMIT = 150.0

# ---- one number of jobs, in a process of its own ---------------------------------------


def child(step: str, folder: Path, **more: Any) -> dict[str, float]:
    """What `scale_child.py` measures in one step."""
    task = json.dumps({"step": step, "folder": str(folder), **more})
    command = [sys.executable, str(HERE / "scale_child.py"), task]
    ended = subprocess.run(command, stdout=-1, check=True, timeout=CHILD_LIMIT, text=True)
    found: dict[str, float] = json.loads(ended.stdout)
    return found


def pending(size: int, url: str, seconds: float) -> dict[str, float]:
    """Everything about `size` pending jobs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        child("write", folder, jobs=size, files=0)
        return child("pending", folder, jobs=size, url=url, seconds=seconds)


def done(size: int, url: str) -> dict[str, float]:
    """Resuming `size` finished jobs with four files each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        child("write", folder, jobs=size, files=4)
        return child("done", folder, jobs=size, url=url)


# ---- the scheduler alone ---------------------------------------------------------------


def decision_us(size: int, decisions: int) -> float:
    """CPU microseconds of one decision: a call for ten, and their places for the next one."""
    schedule: Schedule[str] = Schedule(Ceiling(1e9, 10**9))
    for number in range(size):
        schedule.put(f"job-{number}", number / size, "history")
    best = math.inf
    for turn in range(1, 4):
        began = time.process_time()
        for number in range(decisions):
            _decide(schedule, turn + number / decisions)
        best = min(best, (time.process_time() - began) / decisions)
    return best * 1e6


def _decide(schedule: Schedule[str], now: float) -> None:
    match schedule.next(now):
        case Ask(kind, keys):
            for key in keys:
                schedule.put(key, now, kind)
        case _:
            raise AssertionError("nothing is due")


# ---- the run ---------------------------------------------------------------------------


def run(short: bool, tell: Tell) -> dict[str, Any]:
    sizes = (100, 300) if short else SIZES
    figures: dict[int, dict[str, float]] = {}
    with service() as url:
        for size in sizes:
            settle(0 if short else 10)
            figures[size] = pending(size, url, 0.5 if short else 5.0)
            figures[size]["decision_us"] = decision_us(size, 200 if short else 3000)
            tell(f"{size} jobs: " + ", ".join(f"{k} {v:.4g}" for k, v in figures[size].items()))
        finished = done(100 if short else DONE, url)
    tell(f"done: {finished}\n")
    _tell(figures, tell)
    return {"pending": figures, "done": finished, "goals": goals(figures, finished)}


def goals(figures: dict[int, dict[str, float]], finished: dict[str, float]) -> list[Goal]:
    usual, most = figures.get(10_000, {}), figures[max(figures)]
    if not usual:  # the short form measures nothing worth a word
        return []
    return [
        Goal("KB a pending job that nobody awaits", 0.7, usual["unawaited"] / 1000),
        Goal("KB a pending job that a task awaits", 1.5, usual["awaited"] / 1000),
        Goal("% of a core, 10,000 pending, each looked at every 3 s", 30, usual["busy_cpu"]),
        Goal("ms of lag (p99), 100,000 pending, shipped ceiling", 10, most["lag_p99"]),
        Goal("s to resume 10,000 pending jobs", 2, usual["resume"]),
        Goal("s to resume 10,000 finished jobs, 40,000 files", 2, finished["resume"]),
        *(
            Goal(f"{what}: 100,000 jobs to 10,000", allowed, most[key] / usual[key] * share)
            for what, key, share, allowed in _BENDS
        ),
    ]


_BENDS = (
    ("memory a job", "unawaited", 1.0, 1.1),
    ("CPU of a poll", "poll_us", 1.0, 1.25),
    ("time to resume a job", "resume", 0.1, 1.25),
    ("scheduler work a decision", "decision_us", 1.0, 1.25),  # log n grows so much
)


_COLUMNS = (
    ("B unawaited", "unawaited", "{:.0f}"),
    ("B held", "held", "{:.0f}"),
    ("B awaited", "awaited", "{:.0f}"),
    ("open s", "open", "{:.2f}"),
    ("resume s", "resume", "{:.2f}"),
    ("CPU % at rest", "rest_cpu", "{:.2f}"),
    ("lag p99 ms", "lag_p99", "{:.1f}"),
    ("max", "lag_max", "{:.1f}"),
    ("us a poll", "poll_us", "{:.0f}"),
    ("us a decision", "decision_us", "{:.1f}"),
)


def _tell(figures: dict[int, dict[str, float]], tell: Tell) -> None:
    rows = [
        (f"{size:,}", *(text.format(one[key]) for _, key, text in _COLUMNS))
        for size, one in figures.items()
    ]
    table(("jobs", *(title for title, _, _ in _COLUMNS)), rows, tell)


def plot(figures: dict[str, Any], canvas: Any) -> None:
    by_size = {int(size): one for size, one in figures["pending"].items()}
    memory, times, polls, lags = canvas.subplots(2, 2).flat
    for axes, unit, lines in (
        (memory, "bytes a job", {"unawaited": 1, "held": 1, "awaited": 1}),
        (times, "us a job", {"open": 1e6, "resume": 1e6}),
        (polls, "CPU, us", {"poll_us": 1, "decision_us": 1}),
        (lags, "loop lag, ms", {"lag_p99": 1, "lag_max": 1}),
    ):
        for key, factor in lines.items():
            values = [
                one[key] * factor / (size if axes is times else 1) for size, one in by_size.items()
            ]
            axes.plot(list(by_size), values, "o-", label=key.replace("_", " "))
        axes.set(xscale="log", ylabel=unit, ylim=(0, None))
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    polls.set(xlabel="pending jobs")
    lags.set(xlabel="pending jobs")
    canvas.suptitle("One session, many pending jobs: what each of them costs")


if __name__ == "__main__":
    sys.exit(main("scale", run, plot))
