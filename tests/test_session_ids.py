"""Services that know one kind of id only, as S0 and S1 each describe one."""

from pathlib import Path

import pytest
from session_kit import check_result, image, world

from dreamina_async import JobLost, JobState
from dreamina_async.emulator import Fault

KINDS = ["both", "history", "submit", "history_only", "submit_only"]


@pytest.mark.parametrize("kinds", KINDS)
async def test_jobs_are_found_by_whichever_id_the_service_knows(tmp_path: Path, kinds: str) -> None:
    async with world(tmp_path, id_kinds=kinds) as (emulator, session):
        jobs = [job async for job in session.run(image(f"第{n}幅", count=1) for n in range(12))]
        assert [job.state for job in jobs] == [JobState.DONE] * 12
        for job in jobs:
            check_result(emulator, await job)
        assert len(emulator.ledger) == 12
        refused = [one for one in emulator.requests.to("history") if one.ret == "1000"]
        assert len(refused) <= 3  # it is learnt, not tried for each job


async def test_a_lost_reply_where_submit_ids_cannot_be_asked_is_held(tmp_path: Path) -> None:
    lost = [Fault(where="generate", what="reset_after_charge")]
    async with world(tmp_path, id_kinds="history_only", faults=lost) as (emulator, session):
        with pytest.raises(JobLost) as caught:
            await session.submit(image())
        assert caught.value.charged == "unknown"
        assert session.statistics().jobs == {JobState.UNKNOWN: 1}
        assert len(emulator.ledger) == 1
