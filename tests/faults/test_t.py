"""Clocks, expiries and intervals that make no sense (T rows)."""

import asyncio
import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from altering import Json, between
from session_kit import check_job, check_result, image, polling, world

from dreamina_async import VideoRequest
from dreamina_async.emulator import Fault, Outcome


class Wall:
    """A wall clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


async def test_t3_every_attempt_is_signed_anew(tmp_path: Path) -> None:
    """A minute passes between two attempts, and an old signature would be refused."""
    wall = Wall()

    def generate(_: Json) -> None:
        wall.now += 61

    faults = [Fault(where="generate", what="ret", ret="1057", times=3)]
    options = {"faults": faults, "wall": wall, "sign_mode": "require"}
    async with between(tmp_path, generate=generate, **options) as (emulator, session, middle):
        session._parts.jobs.clock.wall = wall  # type: ignore[method-assign,union-attr]
        check_result(emulator, await session.generate(image()))
        sent = middle.to("/generate")
        assert len(sent) == 4
        headers = [{name.lower(): value for name, value in one.headers.items()} for one in sent]
        times = [int(one["device-time"]) for one in headers]
        assert all(later - earlier >= 61 for earlier, later in pairwise(times))
        assert len({one["sign"] for one in headers}) == len(sent)
        assert len({json.loads(one.body)["submit_id"] for one in sent}) == 1
        assert len(emulator.ledger) == 1


async def test_t5_a_transfer_that_outlives_its_url_is_finished(tmp_path: Path) -> None:
    """The host looks at the expiry when a transfer begins; what it goes on sending is taken."""
    wall = Wall()
    drip = Fault(where="media", what="drip", seconds=0.3)
    options = {"wall": wall, "image_lifetime": 1000, "faults": [drip], "image_bytes": 200_000}
    async with world(tmp_path, **options) as (emulator, session):
        session._parts.jobs.clock.wall = wall  # type: ignore[method-assign,union-attr]
        job = await session.submit(image())
        events = session.events()
        async for event in events:
            if type(event).__name__ == "Downloading":
                wall.now += 5000
                break
        await job
        check_job(emulator, job)
        assert session.statistics().refreshes == 0


@pytest.mark.parametrize("kind", ["image", "video"])
async def test_t5_a_transfer_cut_off_after_its_url_died_goes_on_with_a_fresh_one(
    tmp_path: Path, kind: str
) -> None:
    faults = [Fault(where="media", what="reset"), Fault(where="media", what="expired", times=2)]
    async with world(tmp_path, faults=faults, speed=2000) as (emulator, session):
        job = await session.submit(image() if kind == "image" else VideoRequest("sea"))
        await job
        check_job(emulator, job)
        assert session.statistics().retries == 1
        assert session.statistics().refreshes == 2


@pytest.mark.parametrize("lifetime", [3e9, 1e12, 9e15])
async def test_t6_an_absurd_expiry_counts_as_an_hour(tmp_path: Path, lifetime: float) -> None:
    """The URL is used while it is fresh, and signed anew when it has lain for an hour."""
    wall = Wall()
    async with world(tmp_path, wall=wall, image_lifetime=lifetime) as (emulator, session):
        session._parts.jobs.clock.wall = wall  # type: ignore[method-assign,union-attr]
        check_result(emulator, await session.generate(image("fresh")))
        assert session.statistics().refreshes == 0

        emulator.faults.add(Fault(where="media", what="reset", seconds=0.05))
        job = await session.submit(image("stale"))
        while not emulator.faults.hits:  # it is being fetched
            await asyncio.sleep(0)
        wall.now += 3500
        await job
        check_job(emulator, job)
        assert session.statistics().refreshes == 1


FINISHED = 1_760_000_000
TIMES = [
    (FINISHED, FINISHED),
    (FINISHED * 1000, FINISHED),  # S2 tells milliseconds
    (f"{FINISHED}", FINISHED),
    (FINISHED + 0.25, FINISHED + 0.25),
    (2**31 + 5, 2**31 + 5),  # after January 2038
    (0, None),
    (-5, None),
    (1e30, None),
    (10**400, None),
    ("soon", None),
    ({"seconds": 5}, None),
]


@pytest.mark.parametrize(("told", "meant"), TIMES, ids=[repr(one)[:12] for one, _ in TIMES])
async def test_t7_times_are_told_in_seconds_milliseconds_or_nonsense(
    tmp_path: Path, told: Any, meant: float | None
) -> None:
    def history(reply: Json) -> None:
        for record in reply["data"].values():
            if record.get("finish_time"):
                record["finish_time"] = record["task"]["finish_time"] = told
            record["created_time"] = told

    async with between(tmp_path, history=history) as (emulator, session, _):
        job = await session.submit(image())
        result = await job
        check_result(emulator, result)
        (report,) = (await session.status([str(job.submit_id)])).values()
        assert (report.created_at, report.finish_time) == (meant, meant)
        # what is told of a result are the moments at which it was seen and saved, by our clock
        assert result.finished_at <= result.saved_at <= datetime.now(UTC)


INTERVALS = [0, -5, 1e-9, "0", 1e300, 10**400, "NaN"]


@pytest.mark.parametrize("interval", INTERVALS, ids=[repr(one)[:6] for one in INTERVALS])
async def test_t9_a_server_sets_no_interval_below_ours_and_none_without_end(
    tmp_path: Path, interval: Any
) -> None:
    def history(reply: Json) -> None:
        config = {"interval_seconds": interval, "timeout_seconds": interval}
        reply["polling_config"] = config
        for record in reply["data"].values():
            record.setdefault("queue_info", {})["polling_config"] = config

    options = {"outcome": Outcome(queue_seconds=240)}  # four tenths of a second here
    async with between(tmp_path, history=history, **options) as (emulator, session, _):
        job = await session.submit(image())
        await job
        check_job(emulator, job)
        looks = [one.started_at for one in emulator.requests.to("history")]
        shortest = polling().image_interval * 0.9  # jitter takes a tenth
        assert 2 <= len(looks) <= (looks[-1] - looks[0]) / shortest + 2
