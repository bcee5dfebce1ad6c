"""Done to disk: from the end of a job at the service until its four verified files stand.

    python benchmarks/delivery.py [--short] [--out FOLDER]        # about three minutes

The emulator, a process of its own, makes four images of 500 kB a job and serves them itself; a
whole session submits 1, 100 or 1,000 jobs at once and awaits them all, fsync and checks included.
Jobs take what captures show (7.5 to 14.5 s) over the speed, and the default polling policy runs
at the same speed, so that calls, jobs and lag keep their proportions; files do not get faster by
it. All times told are those that passed: multiply the lag by the speed for that of the service.

*lag*: from the job's end, which the service knows, until the session had read the reply that told
it. *download*: from there until the last of the job's files had its final name. *curl*: `curl -Z`
fetching the four files of one job from the same server afterwards, with nothing else under way;
the median of several jobs. The goal for the median is the mean lag and twice that.
"""

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path
from statistics import fmean, median
from tempfile import TemporaryDirectory
from typing import Any

from attrs import asdict, frozen
from downloads_service import Service, serving
from harness import Goal, Tell, main, table, tell_goals
from peers_pace import sped_up

from dreamina_async import (
    Credentials,
    DreaminaSession,
    ImageRequest,
    JobResult,
    PollingPolicy,
    Settings,
)

FILES = 4
_BYTES = 500_000
_CURLS = 9
_AT_ONCE = (0.0, 0.0)
_OPTIONS = {
    "generate_latency": _AT_ONCE,  # else a thousand jobs would not be under way together
    "history_latency": _AT_ONCE,
    "image_bytes": _BYTES,
    "log_size": 1000,
}


@frozen
class Case:
    """So many jobs together, one set after another, so many times as fast."""

    jobs: int
    sets: int
    speed: float


CASES = (Case(1, 30, 10.0), Case(100, 3, 4.0), Case(1000, 1, 2.0))
SHORT = (Case(1, 2, 30.0), Case(20, 1, 30.0))


@frozen
class Delivered:
    """One job: seconds from its end at the service."""

    lag: float
    download: float

    @property
    def whole(self) -> float:
        return self.lag + self.download


@frozen
class Row:
    """What a case came to, in seconds.

    Attributes:
        p50: from the end to the files, as p95.
        curl: for one job's files; 0 without it.
    """

    jobs: int
    speed: float
    p50: float
    p95: float
    lag: float
    lag_p50: float
    download_p50: float
    download_p95: float
    curl: float


# ---- one case --------------------------------------------------------------------------


def measured(case: Case) -> Row:
    with TemporaryDirectory(prefix="delivery-") as name:
        folder = Path(name)
        with serving(folder, speed=case.speed, **_OPTIONS) as service:
            service.ask("lead_to emulator")
            found: list[Delivered] = []
            for number in range(case.sets):
                out = folder / "out"
                results = asyncio.run(_deliver(case, number, service, out))
                found += _delivered(results, service)
                shutil.rmtree(out)
            curl = _curl(service, folder, results) if shutil.which("curl") else 0.0
    return _row(case, found, curl)


async def _deliver(case: Case, number: int, service: Service, out: Path) -> list[JobResult]:
    settings = Settings(
        polling=sped_up(PollingPolicy(), case.speed), submits=32, check_account=False
    )
    login = Credentials("emulated-session")
    async with DreaminaSession(
        login, base_url=service.facts["api"], output_dir=out, settings=settings
    ) as session:
        requests = (ImageRequest(f"{number}, {n}", count=FILES) for n in range(case.jobs))
        return await asyncio.gather(*(session.generate(request) for request in requests))


def _delivered(results: list[JobResult], service: Service) -> Iterator[Delivered]:
    ends: dict[str, float] = service.ask("ends")
    for result in results:
        assert result.submit_id is not None
        assert len(result.media) == FILES
        seen, saved = result.finished_at.timestamp(), result.saved_at.timestamp()
        yield Delivered(seen - ends[result.submit_id], saved - seen)


def _curl(service: Service, folder: Path, results: list[JobResult]) -> float:
    """For the files of one job, over several jobs; the same one again if there are fewer."""
    took: list[float] = []
    for number in range(_CURLS):
        urls = service.ask(f"urls {results[number % len(results)].submit_id}")
        command = ["curl", "-fsSgZ", "--no-progress-meter"]
        for place, url in enumerate(urls):
            command += [url, "-o", str(folder / f"{number}-{place}.png")]
        began = time.perf_counter()
        subprocess.run(command, check=True)
        took.append(time.perf_counter() - began)
    return median(took)


def _row(case: Case, found: list[Delivered], curl: float) -> Row:
    whole, downloads = (
        sorted(one.whole for one in found),
        sorted(one.download for one in found),
    )
    lags = [one.lag for one in found]
    return Row(
        jobs=case.jobs,
        speed=case.speed,
        p50=median(whole),
        p95=_p95(whole),
        lag=fmean(lags),
        lag_p50=median(lags),
        download_p50=median(downloads),
        download_p95=_p95(downloads),
        curl=curl,
    )


def _p95(values: list[float]) -> float:
    return values[ceil(0.95 * len(values)) - 1]


# ---- the run ---------------------------------------------------------------------------


def run(short: bool, tell: Tell) -> dict[str, Any]:
    rows = [measured(case) for case in (SHORT if short else CASES)]
    columns = ("p50", "p95", "lag", "lag_p50", "download_p50", "download_p95", "curl")
    head = [column.replace("_", " ") + ", ms" for column in columns]
    table(("jobs", "speed", *head), (_cells(row, columns) for row in rows), tell)
    # a handful of jobs tells of nothing but chance
    goals = [] if short else [_goal(row) for row in rows if row.curl]
    if goals:
        tell_goals(goals, tell)
    return {"rows": [asdict(row) for row in rows], "goals": goals}


def _cells(row: Row, columns: Sequence[str]) -> list[str]:
    times = (f"{getattr(row, column) * 1e3:.0f}" for column in columns)
    return [str(row.jobs), f"{row.speed:g}", *times]


def _goal(row: Row) -> Goal:
    goal = (row.lag + 2 * row.curl) * 1e3
    return Goal(f"{row.jobs} jobs: p50 from end to files, ms", round(goal, 1), row.p50 * 1e3)


def plot(figures: dict[str, Any], canvas: Any) -> None:
    """Medians of lag and download, one upon the other, as shares of the goal."""
    rows = [row for row in figures["rows"] if row["curl"]]
    axes = canvas.subplots()
    for place, row in enumerate(rows):
        goal = row["lag"] + 2 * row["curl"]
        lag, p50, p95 = (row[name] / goal for name in ("lag_p50", "p50", "p95"))
        for name, start, end, colour in (
            ("lag", 0, lag, "#2a6f97"),
            ("download", lag, p50, "#c77d32"),
            ("p95", p50, p95, "#dddddd"),
        ):
            label = name if place == 0 else None
            axes.barh(place, end - start, left=start, height=0.5, color=colour, label=label)
        axes.text(p95, place, f" p50 {row['p50']:.2f} s, p95 {row['p95']:.2f} s", va="center")
    axes.axvline(1, color="black", linewidth=1)
    axes.set_yticks(range(len(rows)), [f"{row['jobs']} jobs" for row in rows])
    axes.set_xlabel("from a job's end until its files stand; the goal for p50 is 1")
    axes.margins(x=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))


if __name__ == "__main__":
    sys.exit(main("delivery", run, plot))
