"""Processes that end in the middle of things (P rows)."""

import asyncio
from pathlib import Path

from session_kit import (
    check_result,
    image,
    retrying,
    rows,
    session_for,
    settings,
    ticks,
    world,
)

from dreamina_async.emulator import Fault, Outcome


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
