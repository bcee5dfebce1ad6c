"""`find`: a job by its id, from whichever run; asking alone makes and sends nothing."""

from pathlib import Path
from uuid import uuid4

import pytest
from session_kit import check_job, image, rows, session_for

from dreamina_async import JobState, SessionClosed
from dreamina_async.emulator import Emulator, Outcome


async def test_a_job_of_this_session_is_the_same_one(tmp_path: Path) -> None:
    async with Emulator(speed=600) as emulator, session_for(emulator, tmp_path) as session:
        job = await session.submit(image())
        assert await session.find(job.job_id) is job
        assert await session.find(str(uuid4())) is None
        assert len(rows(tmp_path)) == 1


async def test_jobs_of_an_earlier_run_are_found_as_they_stand(tmp_path: Path) -> None:
    outcomes = {"slow": Outcome(run_seconds=450.0), "bad": "2038"}
    async with Emulator(speed=300, outcomes=outcomes) as emulator:
        async with session_for(emulator, tmp_path) as session:
            done = await session.submit(image("done"))
            bad = await session.submit(image("bad"))
            await session.drain()
            slow = await session.submit(image("slow"))
        with pytest.raises(SessionClosed):
            await session.find(done.job_id)
        async with session_for(emulator, tmp_path) as session:
            again = [await session.find(one.job_id) for one in (done, bad, slow)]
            states = [one and one.state for one in again]
            assert states == [JobState.DONE, JobState.FAILED, JobState.ACCEPTED]
            for one in (again[0], again[2]):
                assert one is not None
                await one  # the pending one is tracked from here on
                check_job(emulator, one)
        assert len(emulator.ledger) == 3
