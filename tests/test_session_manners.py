"""Manners under load and in trouble: one pace for the whole session, and nobody is forgotten."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from attrs import evolve
from session_kit import (
    check_job,
    check_result,
    collect,
    image,
    polling,
    rows,
    session_for,
    settings,
)
from session_kit import world as kit_world
from virtual import EXACT, InlineWriter

from dreamina_async import (
    AccountRestricted,
    DownloadPolicy,
    DreaminaSession,
    ImageRequest,
    InsufficientCredit,
    Job,
    JobFailed,
    JobState,
    PollingPolicy,
    Settings,
    Submission,
    TransportError,
    VideoRequest,
)
from dreamina_async._core.wire import HttpRequest, HttpResponse
from dreamina_async._runtime.parts import Doors
from dreamina_async._runtime.transport import AiohttpTransport
from dreamina_async.emulator import Emulator, Fault, Outcome

LARGE = os.environ.get("DREAMINA_TESTS") == "large"
"""Hundreds of jobs where otherwise a few dozen do."""

GENERATE, HISTORY = "generate", "get_history_by_ids"


class Wire(AiohttpTransport):
    """The real one, with a network that can be down, a gateway that may answer by itself, and
    a record of every attempt to send.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.tries: list[tuple[str, float, bytes]] = []
        self.down = False
        self.gateway: Callable[[str], HttpResponse | None] = lambda _: None

    async def send(
        self, request: HttpRequest, announce: Callable[[], None] | None = None
    ) -> HttpResponse:
        name = request.path.rsplit("/", 1)[-1]
        self.tries.append((name, asyncio.get_running_loop().time(), request.body))
        if self.down:
            raise TransportError("the network is down", "no", sent=False)
        return self.gateway(name) or await super().send(request, announce)

    def at(self, name: str, since: float = 0.0) -> list[float]:
        return [at for path, at, _ in self.tries if path == name and at >= since]


@asynccontextmanager
async def world(
    folder: Path, rules: Settings | None = None, **options: Any
) -> AsyncIterator[tuple[Emulator, DreaminaSession, Wire]]:
    """An emulator at its own pace, a session with the default policies, and the wire between."""
    wires: list[Wire] = []

    def transport(*arguments: Any, **more: Any) -> Wire:
        wires.append(Wire(*arguments, **more))
        return wires[0]

    async with Emulator(**({"speed": 1} | options)) as emulator:
        session = session_for(emulator, folder, settings=rules or Settings())
        session._doors = Doors(transport=transport, writer=InlineWriter)
        async with session:
            yield emulator, session, wires[0]
    assert emulator.ledger.repeated() == {}


def check_ceiling(instants: list[float], rate: float = 1.0, burst: int = 2) -> None:
    """In every window of w seconds at most rate * w + burst; the wire takes milliseconds."""
    for first, begin in enumerate(instants):
        for last in range(first, len(instants)):
            assert last - first + 1 <= rate * (instants[last] - begin) + burst + 0.01


def check_retries(wire: Wire, since: float, until: float) -> None:
    """Invariant 19: in every minute at most a fifth of the first attempts, and twenty."""
    seen: set[bytes] = set()
    firsts, retries = list[float](), list[float]()
    for name, at, body in wire.tries:
        known = body in seen
        seen.add(body)
        if name == GENERATE:
            (retries if known else firsts).append(at)
        elif name == HISTORY:
            (retries if since < at < until else firsts).append(at)
    for begin in retries:
        window = sum(begin <= at <= begin + 60 for at in retries)
        earned = 0.2 * (1 + sum(begin <= at <= begin + 60 for at in firsts))
        assert window <= earned + 20 + 1e-6


@pytest.fixture
def anyio_backend() -> Any:
    """Virtual time throughout: outages of minutes and hours cost nothing."""
    return EXACT


def now() -> float:
    return asyncio.get_running_loop().time()


# ---- the service says "slowly" -----------------------------------------------------------


def throttled(wire: Wire, where: str, retry_after: str) -> list[float]:
    """The gateway says 429 to the next call there; the list tells when it has."""
    told: list[float] = []

    def gateway(name: str) -> HttpResponse | None:
        if name != where or told:
            return None
        told.append(now())
        return HttpResponse(429, {"retry-after": retry_after}, b"")

    wire.gateway = gateway
    return told


@pytest.mark.parametrize("where", [GENERATE, HISTORY])
async def test_h3_one_429_slows_the_whole_session(tmp_path: Path, where: str) -> None:
    """Submits and looks alike: the limit is the account's."""
    async with world(tmp_path) as (emulator, session, wire):
        running = [await session.submit(image(str(number))) for number in range(3)]
        told = throttled(wire, where, "90")
        tasks = [asyncio.create_task(session.generate(image("the first")))]
        while not told:
            await asyncio.sleep(0.5)
        tasks += [asyncio.create_task(session.generate(image(str(n)))) for n in range(5)]
        for job in running:
            await job
        for result in await asyncio.gather(*tasks):
            check_result(emulator, result)
        # others were on their way when it was said
        late = [at for name in (GENERATE, HISTORY) for at in wire.at(name, told[0] + 0.001)]
        assert min(late) >= told[0] + 90 - 1e-6
        assert len(emulator.ledger) == 9


async def test_h3_a_code_slows_its_own_kind_of_call(tmp_path: Path) -> None:
    """1057 on submits: jobs that run are looked at as ever."""
    faults = [Fault(where="generate", what="ret", ret="1057", times=6, match="new")]
    async with world(tmp_path, faults=faults) as (emulator, session, wire):
        running = await session.submit(image("runs"))
        waiting = asyncio.create_task(session.generate(image("new")))
        await running
        check_job(emulator, running)
        assert len(wire.at(HISTORY)) >= 2
        assert not waiting.done()
        check_result(emulator, await waiting)


H4 = {"7": 7.0, "0": 0.0, "600": 600.0, "1000000": 600.0, "-1": 0.0, "NaN": 0.0, "soon": 0.0}


@pytest.mark.parametrize(("text", "least"), H4.items(), ids=H4)
async def test_h4_the_wait_is_as_long_as_asked_within_ten_minutes(
    tmp_path: Path, text: str, least: float
) -> None:
    async with world(tmp_path) as (emulator, session, wire):
        job = await session.submit(image())
        told = throttled(wire, HISTORY, text)
        await job
        check_job(emulator, job)
        wait = wire.at(HISTORY, told[0] + 0.001)[0] - told[0]
        assert max(least, 0.4) <= wait + 1e-6 <= least + 60


async def test_a_lasting_trouble_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A refused look is a warning once, and again when its reason changes."""
    submit_id = str(uuid4())
    rules = settings(polling=polling(pending_limit=1e6))
    outcome = {"culprit": Outcome(stuck=True)}
    async with kit_world(tmp_path, rules=rules, outcomes=outcome) as (emulator, session):
        job = await session.submit(image("culprit"), submit_id=submit_id)
        with caplog.at_level(logging.WARNING, "dreamina_async"):
            for ret in ("2002", "1000"):
                caplog.clear()
                emulator.faults.clear()
                for match in (submit_id, "culprit"):
                    emulator.faults.add(
                        Fault(where="history", what="ret", ret=ret, match=match, times=None)
                    )
                asked = len(emulator.requests.batches)
                await emulator.until(lambda: len(emulator.requests.batches) >= asked + 30)  # noqa: B023
                said = [one.getMessage() for one in caplog.records]
                assert len([text for text in said if "refuses" in text]) == 1, said
        job.abandon()


# ---- limits of the account ---------------------------------------------------------------


async def test_s21_a_limit_that_changes_while_jobs_run(tmp_path: Path) -> None:
    """4, then 1, then 6 at once: nobody fails, and the throughput comes back."""
    outcome = Outcome(run_seconds=20)
    async with world(tmp_path, image_limit=4, outcome=outcome) as (emulator, session, _):
        jobs: list[Job] = []
        ends: list[float] = []
        async for job in session.run((image(str(n)) for n in range(100)), max_in_flight=30):
            jobs.append(job)
            ends.append(now())
            limit = {20: 1, 40: 6}.get(len(jobs))
            if limit is not None:
                emulator._world.options = evolve(emulator._world.options, image_limit=limit)
        for job in jobs:
            check_job(emulator, job)
        assert len(emulator.ledger) == 100
        narrow, wide = ends[39] - ends[20], ends[99] - ends[80]
        assert wide < narrow / 2.5
        assert emulator.requests.counts["generate"] <= 100 + 60


async def test_s20_risk_control_stops_the_submits_for_ten_minutes(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session, wire):
        running = await session.submit(image("runs"))
        emulator.faults.add(Fault(where="generate", what="ret", ret="1019"))
        waiting = [asyncio.create_task(session.submit(image(str(n)))) for n in range(20)]
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        refused = [one for one in outcomes if isinstance(one, AccountRestricted)]
        stopped, sent = now(), len(wire.at(GENERATE))
        assert len(refused) >= 20 - Settings().submits  # the others were on their way
        assert sent <= 2 + Settings().submits
        await running
        check_job(emulator, running)
        while now() < stopped + 590:
            with pytest.raises(AccountRestricted):
                await session.submit(image("too early"))
            await asyncio.sleep(60)
        assert len(wire.at(GENERATE)) == sent
        await asyncio.sleep(60)
        check_result(emulator, await session.generate(image("later")))


async def test_s19_credit_ends_in_the_middle_of_a_run(tmp_path: Path) -> None:
    """What is paid comes home, nothing is hammered, and the same run goes on another day."""
    wanted = [Submission(image(str(number)), str(uuid4())) for number in range(60)]
    async with world(tmp_path) as (emulator, session, wire):
        emulator.faults.add(Fault(where="generate", what="ret", ret="1006", after=25, times=None))
        jobs: list[Job] = []
        with pytest.raises(InsufficientCredit):
            await collect(session.run(wanted), jobs)
        done = [job for job in jobs if job.state is JobState.DONE]
        unpaid = [job for job in jobs if job.state is JobState.PLANNED]
        assert len(done) == len(emulator.ledger) == 25
        assert len(done) + len(unpaid) == len(jobs)
        assert {type(job.error) for job in unpaid} == {InsufficientCredit}
        assert len(wire.at(GENERATE)) <= 25 + Settings().submits

        emulator.faults.clear()
        later = [job async for job in session.run(wanted)]
        for job in later:
            check_job(emulator, job)
        assert len(emulator.ledger) == 60
        assert set(rows(tmp_path).values()) == {"done"}


@pytest.mark.parametrize("code", ["2039", "2040"])
async def test_s18_a_generation_that_failed_may_have_cost(tmp_path: Path, code: str) -> None:
    async with world(tmp_path, outcome=Outcome(fail_code=code)) as (emulator, session, _):
        with pytest.raises(JobFailed) as caught:
            await session.generate(image())
        assert caught.value.charged == "unknown"
        assert caught.value.code == code
        assert len(emulator.requests.to("generate")) == len(emulator.ledger) == 1


# ---- outages -----------------------------------------------------------------------------


async def test_n13_the_network_is_down_for_ten_minutes_in_a_bulk_run(tmp_path: Path) -> None:
    """200 jobs: none fails, the load falls, and afterwards everything catches up."""
    async with world(tmp_path) as (emulator, session, wire):
        jobs: list[Job] = []
        run = session.run((image(str(n)) for n in range(200)), max_in_flight=200)
        taking = asyncio.create_task(collect(run, jobs))
        await emulator.until(lambda: len(emulator.ledger) >= 60)
        wire.down, began = True, now()
        await asyncio.sleep(600)
        wire.down, ended = False, now()
        await taking

        assert len(jobs) == len(emulator.ledger) == 200
        for job in jobs:
            check_job(emulator, job)
        tried = [at for name in (GENERATE, HISTORY) for at in wire.at(name) if began < at < ended]
        assert len(tried) <= 60
        assert sum(at > began + 300 for at in tried) <= 20
        check_retries(wire, began, ended)
        check_ceiling(wire.at(HISTORY))
        assert now() - ended < 240  # a pause of a minute at most, then the usual pace


async def test_n13_the_submit_endpoint_alone_is_out_of_reach(tmp_path: Path) -> None:
    """Gateway errors: each that perhaps arrived is looked up, and the others wait behind it."""
    async with world(tmp_path) as (emulator, session, wire):
        jobs: list[Job] = []
        run = session.run((image(str(n)) for n in range(60)), max_in_flight=60)
        taking = asyncio.create_task(collect(run, jobs))
        await emulator.until(lambda: len(emulator.ledger) >= 20)
        emulator.faults.add(
            Fault(where="generate", what="status_after_charge", status=504, times=None)
        )
        began = now()
        await asyncio.sleep(600)
        emulator.faults.clear()
        sent = [at for at in wire.at(GENERATE) if at > began + 1]
        assert len(sent) <= 20
        await taking
        for job in jobs:
            check_job(emulator, job)
        assert len(emulator.ledger) == 60


async def test_g6_a_service_that_is_not_there_is_given_up_soon(tmp_path: Path) -> None:
    """It has never answered: its jobs do not each try five times."""
    many = 200 if LARGE else 60
    async with world(tmp_path) as (_, session, wire):
        wire.down = True
        jobs: list[Job] = []
        await collect(session.run((image(str(n)) for n in range(many)), max_in_flight=50), jobs)
        assert {type(job.error) for job in jobs} == {TransportError}
        assert {job.state for job in jobs} == {JobState.PLANNED}
        assert len(jobs) == many
        assert len(wire.tries) <= many + 20
        assert now() < 300


async def test_g6_media_that_break_off_wait_for_the_budget(tmp_path: Path) -> None:
    faults = [Fault(where="media", what="reset", times=60, chance=0.6)]
    rules = Settings(downloading=DownloadPolicy(attempts=60, durable=False))
    async with world(tmp_path, rules, faults=faults) as (emulator, session, _):
        jobs = [job async for job in session.run(image(str(n)) for n in range(40))]
        for job in jobs:
            check_job(emulator, job)
        again = [one.ended_at for one in emulator.requests.to("media") if one.fault]
        assert len(again) == 60
        calls = [one.ended_at for one in emulator.requests if not one.fault]
        for begin in again:
            firsts = sum(begin - 60 <= at <= begin + 60 for at in calls)
            assert sum(begin <= at <= begin + 60 for at in again) <= 20 + 0.2 * firsts + 8


# ---- many at once ------------------------------------------------------------------------


async def test_t10_nobody_waits_long_for_his_look(tmp_path: Path) -> None:
    """Some are stuck for hours, new ones come all the time: each look comes in its turn."""
    many = 60 if LARGE else 20
    outcomes = {"stuck": Outcome(stuck=True)}
    async with world(tmp_path, outcomes=outcomes) as (emulator, session, wire):
        stuck = [image(f"stuck {number}") for number in range(many)]
        others = [image(str(number)) for number in range(2 * many)]
        jobs: list[Job] = []
        run = session.run([*stuck, *others], max_in_flight=200)
        taking = asyncio.create_task(collect(run, jobs))
        await emulator.until(lambda: len(jobs) >= 2 * many)
        hours = now() + 3600
        while now() < hours:
            check_result(emulator, await session.generate(image(f"new {now()}")))
            await asyncio.sleep(120)
        check_ceiling(wire.at(HISTORY))
        for job in jobs:
            check_job(emulator, job)
        looks = last_looks(emulator)
        waiting = [job for job in session._handles.values() if job.state is JobState.ACCEPTED]
        assert len(waiting) == many
        # every sixtieth second, give or take the jitter, and three fair shares of the ceiling
        share = 3 * many / 10
        assert max(max_gap(looks[str(job.history_id)]) for job in waiting) <= 63 + 3 * share
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking


def last_looks(emulator: Emulator) -> dict[str, list[float]]:
    looks: dict[str, list[float]] = {}
    for one in emulator.requests.to("history"):
        for id_ in one.ids:
            looks.setdefault(id_, []).append(one.started_at)
    return looks


def max_gap(instants: list[float]) -> float:
    return max(later - earlier for earlier, later in pairwise(instants))


async def test_u7_a_hundred_thousand_prompts_are_drawn_as_they_are_needed(tmp_path: Path) -> None:
    drawn = 0

    def prompts() -> Iterator[ImageRequest]:
        nonlocal drawn
        for number in range(100_000):
            drawn += 1
            yield image(str(number))

    async with world(tmp_path) as (emulator, session, wire):
        run = session.run(prompts())
        for taken in range(1, 31):
            check_job(emulator, await anext(run))
            assert drawn <= taken + Settings().max_in_flight + 1
        assert wire.at(GENERATE)[0] < 1.0
        await run.aclose()


async def test_a_burst_of_jobs_keeps_the_ceiling(tmp_path: Path) -> None:
    """The emulator's replies are slow, so that calls overlap."""
    many = 500 if LARGE else 80
    options = {"history_latency": (3.0, 9.0), "generate_latency": (0.01, 0.02)}
    rules = Settings(polling=PollingPolicy(rate=2.0, burst=3), submits=20)
    async with world(tmp_path, rules, **options) as (emulator, session, wire):
        run = session.run((image(str(n)) for n in range(many)), max_in_flight=many)
        jobs = [job async for job in run]
        assert len(jobs) == len(emulator.ledger) == many
        assert all(job.outcome is not None for job in jobs)
        check_ceiling(wire.at(HISTORY), 2.0, 3)
        assert emulator.requests.peaks["history"] <= 4


async def test_what_jobs_have_shown_spares_calls_for_the_next(tmp_path: Path) -> None:
    """The emulator forecasts as the real service did: its jobs need a share of the forecast."""
    async with world(tmp_path, video_running=(119.0, 121.0)) as (emulator, session, wire):
        calls = [0]
        for jobs in (1, 6, 1):
            async for job in session.run(VideoRequest(f"{n}") for n in range(jobs)):
                check_job(emulator, job)
            calls.append(len(wire.at(HISTORY)))
        alone, _, informed = (after - before for before, after in pairwise(calls))
        assert informed < alone
