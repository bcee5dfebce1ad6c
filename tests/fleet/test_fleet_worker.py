"""One worker and one shard, in this process: what it takes over, and what it leaves to others."""

from pathlib import Path

import pytest
from fleet_kit import asked, scene

from dreamina_async import (
    AuthenticationError,
    DreaminaError,
    ImageRequest,
    InsufficientCredit,
    LeaseLost,
)
from dreamina_async.emulator import Fault
from dreamina_async.fleet import ItemState
from dreamina_async.fleet.lease import Fence, Lease


async def test_p1_what_an_earlier_worker_may_have_sent_is_held_and_the_rest_made(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, *asked(3)) as here:
        here.died_after_marking(1)
        async with here.worker() as worker:
            await worker.perform(here.ticket)
        assert here.states() == ["held", "done", "done"]
        assert len(here.emulator.ledger) == 2
        assert here.store.shards.open() == []


async def test_p1_what_is_held_is_sent_again_only_by_a_worker_that_may(tmp_path: Path) -> None:
    async with scene(tmp_path, *asked(2)) as here:
        here.died_after_marking(1)
        async with here.worker() as worker:
            await worker.perform(here.ticket)
            here.store.runs.reopen(here.run)
            await worker.perform(here.ticket)
        assert here.states() == ["held", "done"]
        here.store.runs.reopen(here.run)
        async with here.worker(unanswered="resubmit_same_id") as worker:
            await worker.perform(here.ticket)
        assert here.states() == ["done", "done"]
        assert [one.sends for one in here.store.items.of_run(here.run)] == [2, 1]
        assert len(here.emulator.ledger) == 2


async def test_p1_a_worker_that_cannot_even_ask_does_not_make_a_sent_job_unsent(
    tmp_path: Path,
) -> None:
    elsewhere = ImageRequest("not to be had in this region", model="gpt-image-2")
    async with scene(tmp_path, elsewhere, ImageRequest("nor this", model="gpt-image-2")) as here:
        here.died_after_marking(1)
        async with here.worker() as worker:
            await worker.perform(here.ticket)
        assert here.states() == ["held", "failed"]
        assert len(here.emulator.ledger) == 0


@pytest.mark.parametrize(
    ("ret", "error"), [("1015", AuthenticationError), ("1006", InsufficientCredit)]
)
async def test_p2_a_worker_without_login_or_credit_ends_and_the_next_one_goes_on(
    tmp_path: Path, ret: str, error: type[DreaminaError]
) -> None:
    async with scene(tmp_path, *asked(6)) as here:
        here.emulator.faults.add(Fault(where="generate", what="ret", ret=ret, after=2, times=None))
        async with here.worker() as worker:
            await worker.perform(here.ticket)
            assert isinstance(worker.failure, error)
        assert set(here.states()) <= {"planned", "accepted", "done"}
        assert here.states().count("planned") == 4
        here.emulator.faults.clear()
        async with here.worker() as worker:
            await worker.perform(here.ticket)
        assert here.states() == ["done"] * 6
        assert len(here.emulator.ledger) == 6


async def test_p6_whoever_loses_its_seat_sends_nothing_and_judges_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path, *asked(3)) as here:
        async with here.worker() as worker:
            claim = here.store.shards.claim(here.ticket, worker.fence.lease.seat)
            assert claim is not None
            here.store.seats.free_silent(-1)
            item = here.store.items.of_shard(claim.ticket.shard)[0]
            worker.fence.expect(claim, item.submit_id, 0)
            with pytest.raises(LeaseLost):
                await worker.session.submit(item.request, submit_id=item.submit_id)
            await worker.perform(here.ticket)
        assert here.states() == ["planned"] * 3
        assert len(here.emulator.ledger) == 0


async def test_a_worker_that_is_told_to_stop_puts_its_shard_back(tmp_path: Path) -> None:
    async with scene(tmp_path, *asked(3)) as here:
        async with here.worker() as worker:
            before = here.ticket
            await worker.stop()
            await worker.perform(before)
            assert here.ticket.attempt == before.attempt + 1
            assert set(here.queue.tickets) == {here.ticket.id}
        assert here.states() == ["planned"] * 3


async def test_a_file_that_is_gone_is_fetched_again_and_not_made_again(tmp_path: Path) -> None:
    async with scene(tmp_path, *asked(2)) as here:
        async with here.worker() as worker:
            claim = here.store.shards.claim(here.ticket, worker.fence.lease.seat)
            assert claim is not None
            await worker.perform(claim.ticket)
        files = sorted((tmp_path / "out").glob("*/*.png"))
        bodies = [one.read_bytes() for one in files]
        files[0].unlink()
        first = here.store.items.of_run(here.run)[0]
        here.store.items.ended(claim, first.submit_id, ItemState.HELD, {})  # what is done stays so
        assert here.states() == ["done", "done"]
        here.open_again()
        async with here.worker() as worker:
            await worker.perform(here.ticket)
        assert [one.read_bytes() for one in files] == bodies
        assert len(here.emulator.ledger) == 2


async def test_files_that_could_not_be_had_are_asked_for_again_by_the_same_worker(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, *asked(1)) as here:
        here.emulator.faults.add(Fault(where="media", what="not_found", times=None))
        async with here.worker() as worker:
            await worker.perform(here.ticket)
            assert here.states() == ["held"]
            here.emulator.faults.clear()
            here.store.runs.reopen(here.run)
            await worker.perform(here.ticket)
        assert here.states() == ["done"]
        assert len(here.emulator.ledger) == 1


async def test_p6_a_lease_that_has_run_out_lets_nothing_out(tmp_path: Path) -> None:
    async with scene(tmp_path, *asked(1)) as here:
        claim = here.claim()
        (item,) = here.store.items.of_shard(claim.ticket.shard)
        fence = Fence(Lease(here.store, claim.seat, 0.0))
        fence.expect(claim, item.submit_id, 0)
        with pytest.raises(LeaseLost):
            await fence.admit(item.submit_id)
        with pytest.raises(LeaseLost):
            await fence.before_look()
        assert not fence.may_leave(item.submit_id)
        assert here.states() == ["planned"]


async def test_a_lease_ends_when_its_seat_is_anothers(tmp_path: Path) -> None:
    async with scene(tmp_path, *asked(1)) as here:
        seat = here.claim().seat
        kept, lost = Lease(here.store, seat, 3600), Lease(here.store, seat, 0.6)
        here.store.seats.free_silent(-1)
        await lost.keep()
        assert lost.lost.is_set()
        assert not lost.holds
        assert kept.holds  # it has not asked yet
