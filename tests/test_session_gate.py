"""The gate: a session that shares its account asks before anything leaves."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from attrs import define, field
from session_kit import check_job, image, retrying, rows, session_for, settings

from dreamina_async import DreaminaError, JobLost, JobState, LeaseLost
from dreamina_async.emulator import Emulator


@define(eq=False)
class Counting:
    """Lets through what it is told to, and counts."""

    refusal: DreaminaError | None = None
    closed: int = 0
    asked: list[str] = field(factory=list)
    looks: int = 0

    async def admit(self, submit_id: str) -> None:
        self.asked.append(submit_id)
        if self.refusal is not None:
            raise self.refusal

    def may_leave(self, submit_id: str) -> bool:
        self.closed -= 1
        return self.closed < 0

    async def before_look(self) -> None:
        self.looks += 1


async def test_every_call_is_asked_for_and_marked_before_it_leaves(tmp_path: Path) -> None:
    gate = Counting()
    async with Emulator(speed=600) as emulator:
        async with session_for(emulator, tmp_path, gate=gate) as session:
            job = await session.submit(image())
            await job
        check_job(emulator, job)
        assert gate.asked == [job.submit_id]
        assert gate.looks == emulator.requests.counts["history"]


async def test_p1_what_the_gate_refuses_is_not_sent_and_may_be_sent_later(tmp_path: Path) -> None:
    gate, submit_id = Counting(LeaseLost("it is another's", "no")), str(uuid4())
    async with Emulator(speed=600) as emulator:
        async with session_for(emulator, tmp_path, gate=gate) as session:
            with pytest.raises(LeaseLost) as caught:
                await session.submit(image(), submit_id=submit_id)
            assert caught.value.charged == "no"
        assert rows(tmp_path) == {submit_id: "planned"}
        assert len(emulator.ledger) == 0
        async with session_for(emulator, tmp_path, gate=Counting()) as session:
            await (await session.submit(image(), submit_id=submit_id))
        assert emulator.ledger.submit_ids == (submit_id,)


async def test_p1_a_gate_that_closes_on_the_way_keeps_it_back(tmp_path: Path) -> None:
    gate = Counting(closed=2)
    async with Emulator(speed=600) as emulator:
        async with session_for(emulator, tmp_path, gate=gate) as session:
            job = await session.submit(image())
            await job
        assert len(gate.asked) == 3
        assert emulator.ledger.submit_ids == (job.submit_id,)


async def test_a_gate_that_holds_status_calls_up_fails_no_job(tmp_path: Path) -> None:
    class Late(Counting):
        async def before_look(self) -> None:
            await super().before_look()
            if self.looks < 4:
                raise LeaseLost("not now", "no")

    async with Emulator(speed=600) as emulator:
        async with session_for(emulator, tmp_path, gate=Late()) as session:
            job = await session.submit(image())
            async with asyncio.timeout(20):
                await job
        check_job(emulator, job)


async def test_p1_what_somebody_else_may_have_sent_is_looked_for(tmp_path: Path) -> None:
    async with Emulator(speed=600) as emulator:
        async with session_for(emulator, tmp_path / "one") as session:
            sent = await session.submit(image())
        async with session_for(emulator, tmp_path / "two") as session:
            job = await session.submit(image(), submit_id=sent.submit_id, perhaps_sent=True)
            await job
        check_job(emulator, job)
        assert len(emulator.ledger) == 1


@pytest.mark.parametrize("unanswered", ["hold", "resubmit_same_id"])
async def test_p1_what_shows_no_trace_is_the_policys_to_judge(
    tmp_path: Path, unanswered: str
) -> None:
    rules = settings(retrying=retrying(unanswered=unanswered))
    gate, submit_id = Counting(), str(uuid4())
    async with Emulator(speed=600) as emulator:
        async with session_for(emulator, tmp_path, settings=rules, gate=gate) as session:
            if unanswered == "hold":
                with pytest.raises(JobLost) as caught:
                    await session.submit(image(), submit_id=submit_id, perhaps_sent=True)
                assert caught.value.charged == "unknown"
                assert gate.asked == []
            else:
                job = await session.submit(image(), submit_id=submit_id, perhaps_sent=True)
                await job
                assert job.state is JobState.DONE
                assert gate.asked == [submit_id]
        assert rows(tmp_path) == {submit_id: "unknown" if unanswered == "hold" else "done"}
        assert len(emulator.ledger) == (unanswered != "hold")


async def test_p1_the_doubt_outweighs_a_local_journal_that_says_never_sent(tmp_path: Path) -> None:
    gate, submit_id = Counting(LeaseLost("it is another's", "no")), str(uuid4())
    async with Emulator(speed=600) as emulator:
        async with session_for(emulator, tmp_path, gate=gate) as session:
            with pytest.raises(LeaseLost):
                await session.submit(image(), submit_id=submit_id)
            gate.refusal = None
            with pytest.raises(JobLost):
                await session.submit(image(), submit_id=submit_id, perhaps_sent=True)
        assert len(emulator.ledger) == 0


async def test_an_account_has_one_mark_whichever_login(tmp_path: Path) -> None:
    async with Emulator(speed=600) as emulator, session_for(emulator, tmp_path) as session:
        mark = await session.account("salt")
        assert mark is not None
        assert await session.account("salt") == mark != await session.account("other")
