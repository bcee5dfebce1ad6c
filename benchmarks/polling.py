"""Calls and detection lag of the polling policy, on virtual time.

    python benchmarks/polling.py [--short] [--out DIR]

The policy is the package's own code; the service and the other ways of polling are in
`polling_world.py`. Every row of one scenario sees the same jobs with the same seeds.
"""

import math
import sys
from collections.abc import Iterator
from itertools import pairwise
from random import Random
from statistics import fmean
from typing import Any

from attrs import asdict, evolve, field, frozen
from harness import Goal, Tell, main, tell_goals
from polling_world import (
    BATCH,
    LAWS,
    NO_HINTS,
    Client,
    Hints,
    Job,
    Ours,
    Outcome,
    Ramp,
    alone,
    in_turn,
    make_job,
    mixed_k,
    over_the_ceiling,
    polled,
)

from dreamina_async._core.ceiling import Ceiling
from dreamina_async.requests import MediaKind

FIRST_SEED = 1
_WARM_UP = 0.2
"""The share of a run with arrivals in which the number of pending jobs still settles."""

UNBOUND = 1e6
"""A rate that never binds."""

_EXACT: dict[MediaKind, tuple[tuple[float, float], ...]] = {
    "image": ((1.0, 1.02), (2.0, 1.08), (4.0, 1.20), (8.0, 1.45)),
    "video": ((5.0, 1.02), (10.0, 1.045), (20.0, 1.10), (40.0, 1.22)),
}
"""Mean lag, and by how much the exact bound (dynamic programme) lies above the formula."""


# ---- scenarios -------------------------------------------------------------------------


@frozen(kw_only=True)
class Scenario:
    """Jobs and a ceiling.

    Attributes:
        videos: the share of video jobs.
        burst: jobs submitted at once; 0 for Poisson arrivals.
        pending: jobs pending on average, with Poisson arrivals.
        jobs: jobs in one run.
        runs: runs, each with a seed of its own.
        rate: calls a second, at most.
        pace: every duration is multiplied by this.
        stuck: the share of jobs that hang for `stuck_for` seconds instead.
    """

    name: str
    videos: float = 0.0
    burst: int = 0
    pending: int = 0
    jobs: int = 0
    runs: int = 1
    rate: float = UNBOUND
    pace: float = 1.0
    stuck: float = 0.0
    stuck_for: float = 900.0
    hints: Hints = field(default=NO_HINTS)

    @property
    def ceiling(self) -> tuple[float, int]:
        return (self.rate, 2) if self.rate < UNBOUND else (UNBOUND, int(UNBOUND))

    def draw(self, seed: int) -> list[Job]:
        """The jobs of one run; the hints have a random source of their own."""
        random, hints, now, jobs = Random(seed), Random(-seed), 0.0, list[Job]()
        for n in range(self.jobs):
            kind: MediaKind = "video" if random.random() < self.videos else "image"
            duration = LAWS[kind].draw(random) * self.pace
            if random.random() < self.stuck:
                duration = self.stuck_for
            if not self.burst:
                now += random.expovariate(self.pending / self._mean())
            jobs.append(make_job(f"{seed}-{n}", kind, now, duration, hints))
        return jobs

    def _mean(self) -> float:
        return self.pace * (
            self.videos * LAWS["video"].mean + (1 - self.videos) * LAWS["image"].mean
        )


def burst(kind: MediaKind, jobs: int, total: int, **more: Any) -> Scenario:
    name = f"{kind}s, burst {jobs}"
    runs = max(1, total // jobs)
    videos = float(kind == "video")
    return Scenario(name=name, videos=videos, burst=jobs, jobs=jobs, runs=runs, **more)


def steady(kind: MediaKind, pending: int, total: int, **more: Any) -> Scenario:
    name = f"{kind}s, steady {pending}"
    return Scenario(name=name, videos=float(kind == "video"), pending=pending, jobs=total, **more)


def plain_scenarios(total: int) -> Iterator[Scenario]:
    """No ceiling that binds, no hints."""
    for size in (1, 10, 200, 1000):
        yield burst("image", size, min(total, 300) if size == 1 else total)
    for pending in (20, 50, 200):
        yield steady("image", pending, total)
    for size in (10, 200, 1000):
        yield burst("video", size, total)
    for pending in (50, 200):
        yield steady("video", pending, total)
    yield Scenario(name="mixed 80:20, steady 100", videos=0.2, pending=100, jobs=total)
    base = burst("image", 200, total)
    yield evolve(base, name="images, burst 200, 4x slower", pace=4.0)
    yield evolve(base, name="images, burst 200, 4x faster", pace=0.25)
    yield evolve(base, name="images, burst 200, 2 % stuck", stuck=0.02)
    video = burst("video", 200, total)
    yield evolve(video, name="videos, burst 200, 4x slower", pace=4.0)
    yield evolve(video, name="videos, burst 200, 4x faster", pace=0.25)
    yield evolve(video, name="videos, burst 200, 2 % stuck", stuck=0.02, stuck_for=36_000.0)


def ceiling_scenarios(total: int) -> Iterator[Scenario]:
    """With a ceiling of one or two calls a second, burst 2; no hints."""
    kinds: tuple[MediaKind, ...] = ("image", "video")
    for kind in kinds:
        for size, rate in ((10, 1.0), (200, 1.0), (200, 2.0), (1000, 1.0), (1000, 2.0)):
            scenario = burst(kind, size, total, rate=rate)
            yield evolve(scenario, name=f"{scenario.name}, r={rate:g}")
        for pending in (50, 200):
            scenario = steady(kind, pending, total, rate=1.0)
            yield evolve(scenario, name=f"{scenario.name}, r=1")
    mixed = Scenario(name="", videos=0.2, jobs=total, rate=2.0)
    for pending in (100, 400):
        yield evolve(mixed, name=f"mixed 80:20, steady {pending}, r=2", pending=pending)
    stuck = burst("image", 200, total, rate=2.0, stuck=0.02)
    yield evolve(stuck, name="images, burst 200, 2 % stuck, r=2")


HINTS = {
    "absent": NO_HINTS,
    "all, true": Hints(forecast=1.0, states="late", queue="falls"),
    "forecast alone": Hints(forecast=1.0),
    "states alone": Hints(states="late"),
    "queue alone": Hints(queue="falls"),
    "forecast 4x too high": Hints(forecast=4.0),
    "forecast 4x too low": Hints(forecast=0.25),
    "forecast 4x too high, rest true": Hints(forecast=4.0, states="late", queue="falls"),
    "forecast 4x too low, rest true": Hints(forecast=0.25, states="late", queue="falls"),
    "forecast counts down": Hints(forecast=1.0, countdown=True),
    "45 from the start": Hints(states="early"),
    "queue stuck": Hints(queue="stuck"),
}


def hint_scenarios(total: int) -> Iterator[Scenario]:
    """The same jobs, as the service tells more, less, or the untruth."""
    kinds: tuple[MediaKind, ...] = ("image", "video")
    for kind in kinds:
        for size in (200, 10):
            scenario = burst(kind, size, total)
            for name, hints in HINTS.items():
                yield evolve(scenario, name=f"{scenario.name}: {name}", hints=hints)


# ---- ways of polling -------------------------------------------------------------------

OURS: Client = polled(Ours)

PLAIN_WAYS: dict[str, Client] = {
    "ours": OURS,
    "per job, 3 s": alone(Ramp(3.0)),
    "per job, ramp": alone(Ramp(2.0, 5)),
    "batches in turn": in_turn,
}

CEILING_WAYS: dict[str, Client] = {
    "ours": OURS,
    "batched, fixed 3 s": polled(lambda: Ramp(3.0)),
    "batches in turn": in_turn,
}

PER_JOB: dict[str, Client] = {"per job, 3 s": polled(lambda: Ramp(3.0), batch=1)}
"""Under a ceiling they queue for it; shown where that ends in reasonable time."""


# ---- figures ---------------------------------------------------------------------------


@frozen(kw_only=True)
class Row:
    """The figures of one way in one scenario; seconds and calls."""

    way: str
    calls: float
    lag: float
    p95: float
    formula: float
    """Calls a job to max(1, K / lag) / 10."""
    exact: float | None
    """The same to the exact bound, by the factors of `_EXACT`; None for a mixture."""
    over: float
    """Calls by which any window passed the ceiling."""
    shares: float | None
    """The longest wait past the due instant, in fair shares of the ceiling."""
    missed: int
    """Jobs that were never seen to end."""


def measure(scenario: Scenario, way: str, client: Client) -> Row:
    """Run one way through every seed of a scenario."""
    rate, size = scenario.ceiling
    outcomes = [
        client(scenario.draw(seed), Ceiling(rate, size), scenario.hints)
        for seed in range(FIRST_SEED, FIRST_SEED + scenario.runs)
    ]
    settled = [_settled(scenario, outcome) for outcome in outcomes]
    jobs = [job for some, _ in settled for job in some]
    lags = sorted(job.seen_at - job.end for job in jobs if job.seen_at is not None)
    calls, lag = sum(calls for _, calls in settled) / len(jobs), fmean(lags)
    bound = max(1.0, mixed_k(jobs) * scenario.pace / lag) / BATCH
    factor = _exact_factor(scenario, lag)
    bound_by_ceiling = rate < UNBOUND
    return Row(
        way=way,
        calls=calls,
        lag=lag,
        p95=lags[math.ceil(0.95 * len(lags)) - 1],
        formula=calls / bound,
        exact=calls / bound / factor if factor else None,
        over=max(over_the_ceiling(outcome.calls, rate, size) for outcome in outcomes),
        shares=max(outcome.shares for outcome in outcomes) if bound_by_ceiling else None,
        missed=sum(job.seen_at is None for outcome in outcomes for job in outcome.jobs),
    )


def _settled(scenario: Scenario, outcome: Outcome) -> tuple[list[Job], int]:
    """Jobs and calls that count: with arrivals, only those after a fifth of the run."""
    if scenario.burst:
        return outcome.jobs, len(outcome.calls)
    end = outcome.jobs[-1].start
    start = _WARM_UP * end
    jobs = [job for job in outcome.jobs if job.start >= start]
    return jobs, sum(start <= at < end for at in outcome.calls)


def _exact_factor(scenario: Scenario, lag: float) -> float | None:
    """Between the points of `_EXACT`, straight in the logarithm of the lag."""
    if scenario.videos not in (0.0, 1.0) or scenario.stuck:
        return None
    points = _EXACT["video" if scenario.videos else "image"]
    lag /= scenario.pace
    for (left, low), (right, high) in pairwise(points):
        if left <= lag <= right:
            return low + (high - low) * math.log(lag / left) / math.log(right / left)
    return points[0][1] if lag < points[0][0] else points[-1][1]


def fluid_lag(scenario: Scenario) -> float | None:
    """The mean lag that no policy on age alone beats under the ceiling (fluid bound)."""
    if scenario.rate >= UNBOUND:
        return None
    if scenario.burst:
        return scenario.burst / (4 * BATCH * scenario.rate)
    mean_k = sum(share * math.sqrt(LAWS[kind].k) for kind, share in _shares(scenario)) ** 2
    mean = sum(share * LAWS[kind].mean for kind, share in _shares(scenario))
    return mean_k * scenario.pending / mean / (BATCH * scenario.rate)


def _shares(scenario: Scenario) -> tuple[tuple[MediaKind, float], ...]:
    return ("video", scenario.videos), ("image", 1 - scenario.videos)


# ---- goals -----------------------------------------------------------------------------

Results = dict[str, dict[str, Row]]


def goals(results: Results) -> Iterator[Goal]:
    """The goals of the project, each with its figure of this run."""
    yield from _age_goals({name: ways["ours"] for name, ways in results.items()})
    yield from _ceiling_goals(results)
    yield from _hint_goals({name: ways["ours"] for name, ways in results.items()})
    rows = [row for ways in results.values() for row in ways.values() if row.way == "ours"]
    yield Goal("ceiling passed in any window, calls", 0.0, max(row.over for row in rows))
    yield Goal("longest wait, fair shares", 3.0, max(row.shares or 0.0 for row in rows))
    yield Goal("jobs never seen to end", 0, sum(row.missed for row in rows))


def _age_goals(ours: dict[str, Row]) -> Iterator[Goal]:
    limits = {"burst 10": 3.0, "burst 200": 1.35, "burst 1000": 1.15}
    limits |= {"steady 50": 1.15, "steady 200": 1.15}
    for kind, lag, p95 in (("images", 2.2, 4.2), ("videos", 9.5, 25.0)):
        for shape, limit in limits.items():
            row = ours[f"{kind}, {shape}"]
            yield Goal(f"{kind}, {shape}: calls to the exact bound", limit, row.exact or 0.0)
            yield Goal(f"{kind}, {shape}: mean lag", lag, row.lag)
            yield Goal(f"{kind}, {shape}: p95 lag", p95, row.p95)


def _ceiling_goals(results: Results) -> Iterator[Goal]:
    for name, ways in results.items():
        if "batched, fixed 3 s" not in ways or name.startswith("mixed"):
            continue
        ours, fixed = ways["ours"], ways["batched, fixed 3 s"]
        binds = ours.lag > (2.5 if name.startswith("images") else 9.5)
        if binds:
            limit = 1.05 if name.startswith("images") else 1.9
            yield Goal(f"{name}: lag to batched fixed 3 s", limit, ours.lag / fixed.lag)


def _hint_goals(ours: dict[str, Row]) -> Iterator[Goal]:
    for kind, calls, lag in (("images", 0.45, 2.0), ("videos", 1.0, 8.5)):
        row = ours[f"{kind}, burst 200: all, true"]
        yield Goal(f"{kind}, burst 200, true hints: calls a job", calls, row.calls)
        yield Goal(f"{kind}, burst 200, true hints: mean lag", lag, row.lag)
        few = ours[f"{kind}, burst 10: all, true"]
        yield Goal(f"{kind}, burst 10, true hints: calls a job", 1.0, few.calls)
        plain = ours[f"{kind}, burst 200: absent"]
        for name in HINTS:
            row = ours[f"{kind}, burst 200: {name}"]
            product = row.calls * row.lag / (plain.calls * plain.lag)
            what = f"{kind}, burst 200, {name}"
            yield Goal(f"{what}: calls x lag to age alone", 1.05, product)
            yield Goal(f"{what}: lag to age alone", 1.05, row.lag / plain.lag)


# ---- the run ---------------------------------------------------------------------------


def run(short: bool, tell: Tell) -> dict[str, Any]:
    """Everything, as plain data."""
    total = 300 if short else 6000
    results: Results = {}
    fluid: dict[str, float | None] = {}
    sets = (
        ("No ceiling that binds, no hints", plain_scenarios(total), PLAIN_WAYS),
        ("With a ceiling, no hints", ceiling_scenarios(total), CEILING_WAYS),
        ("With hints, true and wrong", hint_scenarios(total), {"ours": OURS}),
    )
    for title, scenarios, ways in sets:
        tell(f"\n{title}\n{_HEAD}")
        for scenario in scenarios:
            more = PER_JOB if scenario.burst == 200 and ways is CEILING_WAYS else {}
            every = ways | more
            rows = {way: measure(scenario, way, client) for way, client in every.items()}
            results[scenario.name], fluid[scenario.name] = rows, fluid_lag(scenario)
            for row in rows.values():
                tell(_line(scenario.name, row, fluid[scenario.name]))
    reached = list(goals(results))
    tell_goals(reached, tell)
    return {
        "first_seed": FIRST_SEED,
        "jobs_a_scenario": total,
        "laws": {kind: asdict(law) | {"k": law.k} for kind, law in LAWS.items()},
        "scenarios": {
            name: {
                "fluid_lag": fluid[name],
                "ways": {way: asdict(row) for way, row in rows.items()},
            }
            for name, rows in results.items()
        },
        "goals": reached,
    }


_HEAD = (
    f"{'scenario':46} {'way':19} {'calls/job':>9} {'lag':>7} {'p95':>7} "
    f"{'formula':>8} {'exact':>6} {'fluid lag':>9} {'shares':>6}"
)


def _line(name: str, row: Row, fluid: float | None) -> str:
    return (
        f"{name:46} {row.way:19} {row.calls:9.2f} {row.lag:7.2f} {row.p95:7.2f} "
        f"{row.formula:8.2f} {_cell(row.exact):>6} {_cell(fluid):>9} {_cell(row.shares):>6}"
    )


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def plot(figures: dict[str, Any], canvas: Any) -> None:
    """Calls a job against lag: every way, and the bound that age alone cannot beat."""
    for panel, (kind, lags) in enumerate(_PANELS.items(), 1):
        axes = canvas.add_subplot(1, 2, panel)
        bound = figures["laws"][kind]["k"]
        axes.plot(lags, [max(1.0, bound / lag) / BATCH for lag in lags], "k--", label="bound")
        for way, label in _LABELS.items():
            row = figures["scenarios"][f"{kind}s, burst 200"]["ways"][way]
            axes.plot(row["lag"], row["calls"], "o", label=label)
        hinted = figures["scenarios"][f"{kind}s, burst 200: all, true"]["ways"]["ours"]
        axes.plot(hinted["lag"], hinted["calls"], "*", markersize=11, label="ours, with hints")
        axes.set(xscale="log", yscale="log", title=f"{kind}s, 200 at once")
        axes.set_xlabel("mean detection lag, seconds")
        axes.set_ylabel("status calls a job")
    canvas.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)


_PANELS: dict[MediaKind, tuple[float, ...]] = {
    "image": (1.0, 2.0, 4.0, 8.0, 12.0),
    "video": (1.0, 2.0, 5.0, 10.0, 20.0),
}
_LABELS = {
    "ours": "ours",
    "per job, 3 s": "a loop a job, 3 s",
    "per job, ramp": "a loop a job, ramp to 10 s",
    "batches in turn": "batches in turn",
}


if __name__ == "__main__":
    sys.exit(main("polling", run, plot))
