"""Processes that end in the middle of things (P rows)."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from session_kit import (
    check_folder,
    check_result,
    image,
    retrying,
    rows,
    session_for,
    settings,
    ticks,
    world,
)

from dreamina_async.emulator import Emulator, Fault, Outcome, run_in_thread

PROGRAM = Path(__file__).parents[1] / "bulk_program.py"
ROWS = 12


def started(emulator: Emulator, folder: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, str(PROGRAM), emulator.base_url, str(folder), str(ROWS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def kill_at(moment: Callable[[], bool], process: "subprocess.Popen[bytes]") -> bool:
    """Whether it was still there to be killed."""
    deadline = time.monotonic() + 20
    while not moment() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.0005)  # another process: there is no event to wait for
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return alive


def test_p4_killed_while_it_recovers_again_and_again(tmp_path: Path) -> None:
    """With the lock just taken, at the first look, and at the first file."""
    slow = Fault(where="history", what="delay", seconds=0.05, times=None, after=3)
    with run_in_thread(speed=40, seed=5, faults=[slow], read_lag=2.0) as emulator:

        def another(where: str) -> Callable[[], bool]:
            before = emulator.requests.counts.get(where, 0)
            return lambda: emulator.requests.counts.get(where, 0) > before

        def locked_by(process: "subprocess.Popen[bytes]") -> Callable[[], bool]:
            lock = tmp_path / ".journal.lock"
            return lambda: lock.is_file() and str(process.pid).encode() in lock.read_bytes()

        process = started(emulator, tmp_path)
        assert kill_at(lambda: len(emulator.ledger) >= 5, process)
        known = set(emulator.ledger.submit_ids)

        kills = 0
        for where in ("", "history", "media"):
            process = started(emulator, tmp_path)
            kills += kill_at(another(where) if where else locked_by(process), process)
            assert known <= set(rows(tmp_path))  # no recovery forgets a job
            known = set(emulator.ledger.submit_ids)
        assert kills >= 2

        process = started(emulator, tmp_path)
        output, _ = process.communicate(timeout=30)
        assert process.returncode == 0, output.decode()
        assert emulator.ledger.repeated() == {}
        assert len(emulator.ledger) == ROWS
        assert set(rows(tmp_path).values()) == {"done"}
        check_folder(tmp_path)


async def test_p4_a_recovery_that_is_broken_off_changes_nothing(tmp_path: Path) -> None:
    """Twenty of them, each a little longer than the last, and not one submit among them."""
    columns = "job_id, state, history_id"
    faults = [
        Fault(where="generate", what="reset_after_charge", match="lost"),
        Fault(where="history", what="missing", match="lost", times=None),
    ]
    rules = settings(retrying=retrying(lookup_window=60.0))
    options = {"faults": faults, "outcomes": {"stuck": Outcome(stuck=True)}, "rules": rules}
    async with world(tmp_path, **options) as (emulator, session):
        lost = asyncio.create_task(session.submit(image("lost")))
        await emulator.until(lambda: len(emulator.ledger) == 1)
        await (await session.submit(image("done")))
        await session.submit(image("stuck"))
        await session.aclose()
        await asyncio.gather(lost, return_exceptions=True)
        before = rows(tmp_path, columns)
        assert sorted(row[0] for row in before.values()) == ["accepted", "done", "intent"]

        for length in range(20):
            async with session_for(emulator, tmp_path, settings=rules) as again:
                resuming = asyncio.create_task(again.resume())
                await ticks(length)
                resuming.cancel()
                await asyncio.gather(resuming, return_exceptions=True)
            assert rows(tmp_path, columns) == before

        emulator.faults.clear()
        async with session_for(emulator, tmp_path, settings=rules) as last:
            jobs = await last.resume()
            (found,) = [job for job in jobs if job.request and job.request.prompt == "lost"]
            check_result(emulator, await found)
        assert emulator.requests.counts["generate"] == 3
