"""The simulated polling figures once more, over real sockets.

    python benchmarks/sockets.py [--short] [--out FOLDER]        # about three minutes

`polling.py` runs the policy on a virtual clock. Here whole sessions (submits, journal, poller,
downloads of one small image a job) talk to the emulator, which is a process of its own. Its jobs
take exactly as long as those of the simulation's seeds: lognormal, median 15 s, p95 60 s, the
status 20 until they are done. Service and policy are sped up by one factor; replies take no time
of their own, as in the simulation. Calls and lag are read from the emulator's log: *lag* is the
time from the end of a job until the call arrived that saw it.

Each scenario has three rows. *sockets* is what happened. *simulated alike* is the simulation
with the same durations, the submits at the instants at which they came, and the emulator's
forecast (the time left); both go through `polling.measure`. *polling.py* is its own figure for
as many jobs: all submits of a burst at one instant, no forecast. The first two are to agree.
"""

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from random import Random
from typing import Any

import polling
from attrs import asdict, evolve, frozen
from harness import Goal, Tell, main, tell_goals
from peers_pace import sped_up
from peers_service import Book, Service, service
from polling import Row, Scenario, burst, steady
from polling_world import Client, Hints, Job, Ours, Outcome, make_job, polled

import dreamina_async as da
from dreamina_async._core.ceiling import Ceiling
from dreamina_async.emulator import Outcome as Fate

AT_ONCE = 5
"""Sessions side by side, where a scenario has that many runs."""
FORECAST = Hints(forecast=1.0, countdown=True)
APART = 0.1


@frozen
class Case:
    """A scenario of `polling.py`, and how many times as fast it is played."""

    scenario: Scenario
    speed: float

    @property
    def policy(self) -> da.PollingPolicy:
        rate, size = self.scenario.ceiling
        return sped_up(da.PollingPolicy(rate=rate, burst=size), self.speed)

    @property
    def seeds(self) -> range:
        return range(polling.FIRST_SEED, polling.FIRST_SEED + self.scenario.runs)


def cases(short: bool) -> list[Case]:
    if short:
        return [Case(burst("image", 10, 20), 30.0)]
    limited = burst("image", 200, 200, rate=1.0)
    return [
        Case(burst("image", 10, 200), 10.0),
        Case(burst("image", 200, 400), 10.0),
        Case(evolve(limited, name=f"{limited.name}, r=1"), 10.0),
        Case(steady("image", 50, 800), 10.0),
    ]


# ---- what happens over sockets ---------------------------------------------------------


_WITHOUT_TIME = (
    "image_thinking",
    "image_running",
    "image_complete",
    "generate_latency",
    "history_latency",
)


def prompt_of(job: Job) -> str:
    return f"<{job.key}>"  # no prompt is a part of another one


async def played(case: Case) -> Book:
    """Bring every job of a case to its end; what the service saw of it."""
    draws = [case.scenario.draw(seed) for seed in case.seeds]
    fates = {prompt_of(job): Fate(run_seconds=job.duration) for jobs in draws for job in jobs}
    timing = dict.fromkeys(_WITHOUT_TIME, (0.0, 0.0)) | {"image_submitted": (1.0, 1.0)}
    with service(speed=case.speed, outcomes=fates, log_size=1_000_000, **timing) as there:
        for first in range(0, len(draws), AT_ONCE):
            async with asyncio.TaskGroup() as group:
                for jobs in draws[first : first + AT_ONCE]:
                    group.create_task(_run(case, jobs, there))
        return there.book()


async def _run(case: Case, jobs: list[Job], there: Service) -> None:
    settings = da.Settings(
        polling=case.policy,
        downloading=da.DownloadPolicy(durable=False),  # nothing is measured of the disk
        submits=32,
        check_account=False,
    )
    with tempfile.TemporaryDirectory(prefix="sockets-") as folder:
        async with (
            da.DreaminaSession(
                da.Credentials("emulated-session"),
                base_url=there.base_url,
                output_dir=folder,
                settings=settings,
            ) as session,
            asyncio.TaskGroup() as group,
        ):
            begun = asyncio.get_running_loop().time()
            for job in jobs:
                at = begun + job.start / case.speed
                group.create_task(_one(session, prompt_of(job), at))


async def _one(session: da.DreaminaSession, prompt: str, at: float) -> None:
    await asyncio.sleep(at - asyncio.get_running_loop().time())
    await session.generate(da.ImageRequest(prompt, count=1))


# ---- the same in the simulation --------------------------------------------------------


@frozen(kw_only=True)
class Alike(Scenario):
    """A scenario as it was played: its submits at the instants at which they came."""

    came: dict[str, float]
    """By prompt, on the wall's clock."""

    def draw(self, seed: int) -> list[Job]:
        jobs = [self._as_it_came(job) for job in super().draw(seed)]
        return sorted(jobs, key=lambda job: job.start)

    def _as_it_came(self, drawn: Job) -> Job:
        job = make_job(
            drawn.key, drawn.kind, self.came[prompt_of(drawn)], drawn.duration, Random(0)
        )
        job.forecast = job.duration  # the emulator's is true
        return job


def as_played(case: Case, book: Book) -> Alike:
    """The case in sped up seconds, from the first submit on."""
    given = asdict(case.scenario, recurse=False)
    began = min(charge.at for charge in book.charges)
    came = {charge.prompt: charge.at - began for charge in book.charges}
    changes = {"rate": case.policy.rate, "pace": 1 / case.speed, "came": came}
    return Alike(**(given | changes))


def replayed(book: Book) -> Client:
    """A "client" of the simulation that did what the service saw."""
    began = min(charge.at for charge in book.charges)

    def run(jobs: list[Job], ceiling: Ceiling, hints: Hints) -> Outcome:
        prompts, outcome = {prompt_of(job): job for job in jobs}, Outcome(jobs)
        ids = {
            id_: prompts[charge.prompt]
            for charge in book.charges
            if charge.prompt in prompts
            for id_ in (charge.submit_id, charge.history_id)
        }
        for call in book.to("history"):
            asked = [ids[id_] for id_ in call.ids if id_ in ids]
            if asked:
                outcome.calls.append(call.at - began)
            for job in asked:  # after the call that saw its end no other one names it
                job.seen_at = max(job.end, call.at - began)
        return outcome

    return run


def measured(case: Case, book: Book) -> list[Row]:
    """What happened, the same simulated, and the figure of `polling.py`; at the real pace."""
    scenario = as_played(case, book)
    simulated = polled(lambda: Ours(case.policy))
    rows = [
        polling.measure(scenario, "sockets", replayed(book)),
        polling.measure(evolve(scenario, hints=FORECAST), "simulated alike", simulated),
    ]
    paced = [evolve(row, lag=row.lag * case.speed, p95=row.p95 * case.speed) for row in rows]
    return [*paced, polling.measure(case.scenario, "polling.py", polling.OURS)]


# ---- the run ---------------------------------------------------------------------------


def run(short: bool, tell: Tell) -> dict[str, Any]:
    results: dict[str, dict[str, Row]] = {}
    chosen = cases(short)
    for case in chosen:
        book = asyncio.run(played(case))
        rows = measured(case, book)
        results[case.scenario.name] = {row.way: row for row in rows}
        for row in rows:
            tell(
                f"{case.scenario.name:24} {row.way:16} {row.calls:6.3f} calls/job  "
                f"lag {row.lag:6.2f}  p95 {row.p95:6.2f}  over the ceiling {row.over:.1f}"
            )
    goals = [goal for name, ways in results.items() for goal in _goals(name, ways)]
    if not short:  # a handful of jobs tells of nothing but chance
        tell_goals(goals, tell)
    return {
        "cases": {
            case.scenario.name: {
                "jobs": case.scenario.jobs * case.scenario.runs,
                "speed": case.speed,
                "ways": {way: asdict(row) for way, row in results[case.scenario.name].items()},
            }
            for case in chosen
        },
        "goals": goals,
    }


def _goals(name: str, ways: dict[str, Row]) -> Iterator[Goal]:
    real, simulated = ways["sockets"], ways["simulated alike"]
    yield Goal(
        f"{name}: calls, apart from the simulation", APART, _apart(real.calls, simulated.calls)
    )
    yield Goal(
        f"{name}: mean lag, apart from the simulation", APART, _apart(real.lag, simulated.lag)
    )
    yield Goal(f"{name}: jobs never seen to end", 0, real.missed)


def _apart(one: float, other: float) -> float:
    return abs(one / other - 1)


def plot(figures: dict[str, Any], canvas: Any) -> None:
    names = list(figures["cases"])
    panels = canvas.subplots(1, 2)
    for axes, key, label in zip(
        panels, ("calls", "lag"), ("status calls a job", "mean lag, s"), strict=True
    ):
        for place, way in enumerate(("sockets", "simulated alike", "polling.py")):
            values = [figures["cases"][name]["ways"][way][key] for name in names]
            spots = [n + (place - 1) * 0.27 for n in range(len(names))]
            bars = axes.barh(spots, values, height=0.25, label=way)
            axes.bar_label(bars, labels=[f"{one:.3g}" for one in values], padding=2)
        axes.set_yticks(range(len(names)), names if key == "calls" else [""] * len(names))
        axes.invert_yaxis()
        axes.set_xlabel(label)
        axes.margins(x=0.15)
        axes.spines[["top", "right"]].set_visible(False)
    panels[1].legend(loc="lower right")
    canvas.suptitle("Polling over real sockets, and simulated")


if __name__ == "__main__":
    sys.exit(main("sockets", run, plot))
