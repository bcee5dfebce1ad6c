"""Many submits that wait for a slot at the service: one looks around for all of them."""

import asyncio
from pathlib import Path

import pytest
from session_kit import check_job, world

from dreamina_async import DreaminaSession, ImageRequest
from dreamina_async._runtime.clock import LoopClock
from dreamina_async._runtime.parts import Doors

JOBS = 60


class CrowdClock(LoopClock):
    """Knows how many were waiting at once, at the most."""

    def __init__(self) -> None:
        self.waiting = self.most = 0

    async def wait(self, event: asyncio.Event, until: float | None) -> None:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        try:
            await super().wait(event, until)
        finally:
            self.waiting -= 1


async def test_a_job_that_ends_wakes_the_first_in_line_and_not_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = CrowdClock()
    monkeypatch.setattr(DreaminaSession, "_doors", Doors(lambda: clock))
    async with world(tmp_path, image_limit=2) as (emulator, session):
        jobs = [job async for job in session.run(map(_request, range(JOBS)), max_in_flight=JOBS)]
    assert len(jobs) == JOBS
    for job in jobs:
        check_job(emulator, job)
    # four slots, a line for each kind and for those sent again, the poller
    assert clock.most <= JOBS / 4


def _request(number: int) -> ImageRequest:
    return ImageRequest(f"{number}: a red fox")
