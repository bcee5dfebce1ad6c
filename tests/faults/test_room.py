"""F15: money is spent only while there is room for what it brings."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from session_kit import (
    check_job,
    collect,
    downloading,
    image,
    rows,
    session_for,
    settings,
    world,
)

from dreamina_async import DreaminaSession, Job, JobState, StorageError, Submission
from dreamina_async._runtime.disk import Disk
from dreamina_async._runtime.parts import Doors
from dreamina_async._runtime.room import JOB_BYTES
from dreamina_async.emulator import Emulator, Fault

PLENTY = 1 << 40


class Narrow(Disk):
    """A disk that says how much room it has."""

    left: int | OSError | None = PLENTY

    def free(self, folder: Path) -> int | None:
        if isinstance(self.left, OSError):
            raise self.left
        return self.left


@asynccontextmanager
async def on(
    disk: Disk, folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> AsyncIterator[tuple[Emulator, DreaminaSession]]:
    monkeypatch.setattr(DreaminaSession, "_doors", Doors(disk=lambda: disk))
    async with world(folder, **options) as pair:
        yield pair


async def test_f15_without_room_nothing_is_sent_and_jobs_under_way_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Narrow()
    slow = Fault(where="media", what="drip", seconds=0.2)
    async with on(disk, tmp_path, monkeypatch, faults=[slow]) as (emulator, session):
        first = await session.submit(image("first"))
        disk.left = 2 * JOB_BYTES - 1
        row = session.submit_id_for("second")
        with pytest.raises(StorageError) as caught:
            await session.submit(image("second"), submit_id=row)
        assert caught.value.charged == "no"
        assert caught.value.path == str(tmp_path)
        assert caught.value.job_id == row
        assert "63 MiB are free" in caught.value.message
        assert "2 jobs may need 64 MiB" in caught.value.message
        assert emulator.requests.counts["generate"] == 1
        await first
        check_job(emulator, first)
        # the first job's files are home: there is room for another one
        second = await session.submit(image("second"), submit_id=row)
        await second
        check_job(emulator, second)
        assert [charge.prompt for charge in emulator.ledger] == ["first", "second"]
    assert rows(tmp_path)[row] == "done"


async def test_f15_a_run_ends_and_is_gone_on_with_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Narrow()
    disk.left = 3 * JOB_BYTES
    async with on(disk, tmp_path, monkeypatch) as (emulator, session):
        requests = [Submission(image(str(n)), session.submit_id_for(str(n))) for n in range(20)]
        jobs: list[Job] = []
        with pytest.raises(StorageError, match="make room"):
            await collect(session.run(requests, max_in_flight=8), jobs)
        assert len(emulator.ledger) < 20
        sent = [job for job in jobs if job.state is not JobState.PLANNED]
        assert [job.state for job in sent] == [JobState.DONE] * len(emulator.ledger)
        await session.aclose()
        disk.left = PLENTY
        async with session_for(emulator, tmp_path) as later:
            await collect(later.run(requests, max_in_flight=8), jobs)
        assert len(emulator.ledger) == 20
    assert list(rows(tmp_path).values()) == ["done"] * 20


async def test_f15_it_can_be_forced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Narrow()
    disk.left = 0
    rules = settings(downloading=downloading(reserve=False))
    async with on(disk, tmp_path, monkeypatch, rules=rules) as (emulator, session):
        job = await session.submit(image())
        await job
        check_job(emulator, job)


@pytest.mark.parametrize("unsaid", [None, OSError("Function not implemented")])
async def test_f15_where_the_system_does_not_say_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unsaid: OSError | None
) -> None:
    disk = Narrow()
    disk.left = unsaid
    async with on(disk, tmp_path, monkeypatch) as (emulator, session):
        job = await session.submit(image())
        await job
        check_job(emulator, job)


def test_f15_free_room_is_what_a_user_may_still_fill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs(tmp_path)
    for blocks, expected in ((1000, 30 * 512), (0, None)):
        values = list(real)
        values[1:5] = [512, blocks, 50, 30]  # frsize, blocks, bfree, bavail
        monkeypatch.setattr(os, "statvfs", lambda _, v=values: os.statvfs_result(v))
        assert Disk().free(tmp_path) == expected
    monkeypatch.undo()
    assert 0 <= (Disk().free(tmp_path) or 0) <= real.f_blocks * real.f_frsize
