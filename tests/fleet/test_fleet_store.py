"""The store is the fence: of all who would send, it lets one, once."""

import sqlite3
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fleet_files import on_a_file

from dreamina_async import AccountMismatch, ImageRequest, InvalidRequest, StorageError
from dreamina_async.fleet import Account, Fleet, ItemState
from dreamina_async.fleet.dbos_engine import too_old
from dreamina_async.fleet.folder import digest_of
from dreamina_async.fleet.plan import Plan, plan
from dreamina_async.fleet.store import Store
from dreamina_async.fleet.store.database import Database
from dreamina_async.fleet.values import Claim, Seat, Ticket

Change = Callable[[Store, Claim], object]


@pytest.fixture
def store(db: str) -> Any:
    database = Database(db)
    store = Store(database)
    store.accounts.create("/out", [Account(workers=2, rate=10)])
    yield store
    database.close()


def planned_of(store: Store, requests: list[ImageRequest], size: int = 2) -> Plan:
    return plan(requests, "default", store.accounts.facts()["salt"], digest_of, size)


def with_run(store: Store, rows: int = 4, size: int = 2) -> list[Ticket]:
    requests = [ImageRequest(f"row {row}") for row in range(rows)]
    planned = planned_of(store, requests, size)
    assert store.runs.add(planned, "test") == rows
    assert store.runs.add(planned, "again") is None
    return sorted(store.shards.open(), key=lambda one: one.shard)


def claimed(store: Store) -> Claim:
    seat = store.seats.take("default", "me")
    assert seat is not None
    claim = store.shards.claim(with_run(store)[0], seat)
    assert claim is not None
    return claim


def first(store: Store, claim: Claim) -> Any:
    return store.items.of_shard(claim.ticket.shard)[0]


def test_p1_a_send_is_let_out_once_under_each_number(store: Store) -> None:
    claim = claimed(store)
    submit_id = first(store, claim).submit_id
    assert store.items.admit(claim, submit_id, 0)
    assert first(store, claim).state is ItemState.SENDING
    assert not store.items.admit(claim, submit_id, 0)
    assert store.items.admit(claim, submit_id, 1)
    store.items.accepted(submit_id, "4711")
    assert not store.items.admit(claim, submit_id, 2)
    assert first(store, claim).history_id == "4711"


LOSING: dict[str, Change] = {
    "its shard was moved": lambda store, claim: store.shards.move(claim.ticket),
    "its seat was freed": lambda store, _: store.seats.free_silent(-1),
    "it left its seat": lambda store, claim: store.seats.leave(claim.seat),
    "it claimed the shard anew": lambda store, claim: store.shards.claim(claim.ticket, claim.seat),
    "the fleet has fewer seats": lambda store, _: store.accounts.create(
        "/out", [Account(workers=1)]
    ),
}


@pytest.mark.parametrize("what", LOSING)
def test_p1_whoever_has_lost_its_hold_marks_nothing(store: Store, what: str) -> None:
    store.seats.take("default", "somebody")  # so that ours is the second
    claim = claimed(store)
    submit_id = first(store, claim).submit_id
    LOSING[what](store, claim)
    assert not store.items.admit(claim, submit_id, 0)
    assert first(store, claim).state is ItemState.PLANNED


def test_p1_a_judgement_counts_only_by_the_present_claim_a_file_always(store: Store) -> None:
    claim = claimed(store)
    submit_id = first(store, claim).submit_id
    store.items.admit(claim, submit_id, 0)
    store.shards.move(claim.ticket)
    store.items.ended(claim, submit_id, ItemState.PLANNED, {"error": "x"})
    assert first(store, claim).state is ItemState.SENDING
    store.items.done(submit_id, "4711", {"media": []})
    assert first(store, claim).state is ItemState.DONE


def test_p1_many_at_once_get_one_seat_each_one_claim_and_one_send(store: Store) -> None:
    (ticket, *_) = with_run(store)
    with ThreadPoolExecutor(6) as pool:
        seats = list(pool.map(lambda one: store.seats.take("default", str(one)), range(6)))
        held = [one for one in seats if one is not None]
        assert sorted(one.number for one in held) == [0, 1]
        claims = [
            one for one in pool.map(lambda seat: store.shards.claim(ticket, seat), held) if one
        ]
        (item, *_) = store.items.of_shard(ticket.shard)
        let_out = list(pool.map(lambda one: store.items.admit(one, item.submit_id, 0), claims * 3))
        assert let_out.count(True) == 1
        moved = list(pool.map(store.shards.move, [ticket] * 4))
    assert sum(one is not None for one in moved) == 1


def test_status_calls_of_all_workers_take_turns(store: Store) -> None:
    began = clock_of(store)
    waits = [store.accounts.next_look("default") for _ in range(10)]
    # ten a second: the tenth may go nine tenths of a second after the first, and not before
    assert clock_of(store) + waits[-1] >= began + 0.9 - 0.001
    assert waits[0] == 0
    assert max(waits) <= 0.9 + 0.001
    assert store.runs.progress().looks == 10


def clock_of(store: Store) -> float:
    with store.database.begin() as c:
        return store.database.now(c)


def test_a_seat_is_freed_after_its_silence_and_not_before(store: Store) -> None:
    seat = store.seats.take("default", "me")
    assert seat is not None
    assert store.seats.free_silent(60) == []
    assert store.seats.beat(seat)
    assert store.seats.free_silent(-1) == ["default/0 (me)"]
    assert not store.seats.beat(seat)
    again = store.seats.take("default", "you")
    assert again == Seat("default", 0, seat.epoch + 2)
    store.seats.leave(seat)  # comes too late
    assert again is not None
    assert store.seats.beat(again)


def test_p1_what_is_held_may_be_sent_what_the_service_has_may_not(store: Store) -> None:
    claim = claimed(store)
    submit_id = first(store, claim).submit_id
    assert store.items.admit(claim, submit_id, 0)
    store.items.ended(claim, submit_id, ItemState.HELD, {"error": "JobLost"})
    assert store.items.admit(claim, submit_id, 1)
    store.items.accepted(submit_id, "4711")
    store.items.ended(claim, submit_id, ItemState.HELD, {"error": "DownloadError"})
    assert not store.items.admit(claim, submit_id, 2)


def test_p6_word_that_comes_after_a_shard_was_closed_opens_it_again(store: Store) -> None:
    claim = claimed(store)
    for item in store.items.of_shard(claim.ticket.shard):
        store.items.admit(claim, item.submit_id, 0)
        store.items.ended(claim, item.submit_id, ItemState.HELD, {"error": "JobLost"})
    assert store.shards.close(claim)
    assert claim.ticket not in store.shards.open()
    late = first(store, claim).submit_id
    store.items.accepted(late, "4711")  # by a worker that had been asleep
    assert claim.ticket in store.shards.open()
    store.items.done(late, "4711", {"media": []})
    store.items.accepted(late, "4711")
    assert first(store, claim).state is ItemState.DONE


def test_a_shard_closes_when_all_of_it_is_over_and_opens_for_what_is_held(store: Store) -> None:
    claim = claimed(store)
    one, other = store.items.of_shard(claim.ticket.shard)
    store.items.done(one.submit_id, "1", {"media": []})
    assert not store.shards.close(claim)
    store.items.ended(claim, other.submit_id, ItemState.HELD, {"error": "JobLost"})
    assert store.shards.close(claim)
    (run,) = store.runs.statuses()
    assert run.items == {ItemState.DONE: 1, ItemState.HELD: 1, ItemState.PLANNED: 2}
    assert run.shards_open == 1
    (ticket,) = store.runs.reopen(run.run)
    assert (ticket.shard, ticket.attempt) == (claim.ticket.shard, 1)
    assert store.runs.reopen(run.run) == []
    assert ticket in store.shards.open(run.run)


def test_p1_a_manifest_that_grew_makes_only_what_is_new(store: Store) -> None:
    with_run(store, rows=3)
    rows = [ImageRequest(f"row {row}") for row in range(5)]
    grown = planned_of(store, rows[::-1])
    assert store.runs.add(grown, "grown") == 2
    items = store.items.of_run(grown.run)
    assert [one.request for one in items] == rows[::-1]
    assert [one.row for one in items] == [0, 1, 2, 3, 4]
    old, new = store.runs.statuses()
    assert (old.rows, old.items, old.shards_open) == (3, {ItemState.PLANNED: 3}, 2)
    assert (new.rows, new.items, new.shards_open) == (5, {ItemState.PLANNED: 5}, 3)
    assert store.runs.find("test") == old.run
    assert store.runs.find("grown") == grown.run
    assert len(store.shards.open(old.run)) == 2
    assert len(store.shards.open(grown.run)) == len(store.shards.open()) == 3
    assert store.runs.progress().total == 5
    assert store.runs.progress(old.run).total == 3


def test_p9_another_accounts_login_is_refused(store: Store) -> None:
    store.accounts.check_mark("default", "one")
    store.accounts.check_mark("default", "one")
    with pytest.raises(AccountMismatch, match="'default'"):
        store.accounts.check_mark("default", "two")


def test_p10_a_newer_fleet_is_refused_and_left_alone(store: Store) -> None:
    with store.database.begin() as c:
        c.execute(sa.text("UPDATE fleet_facts SET value = '2' WHERE name = 'version'"))
    for call in (store.accounts.facts, lambda: store.accounts.create("/out", [Account()])):
        with pytest.raises(StorageError, match="version 2"):
            call()


def test_runs_are_found_by_what_people_type(store: Store) -> None:
    with_run(store)
    (run,) = store.runs.statuses()
    assert (
        store.runs.find(run.run)
        == store.runs.find(run.run[:6])
        == store.runs.find("test")
        == run.run
    )
    grown = planned_of(store, [ImageRequest("another row")])
    store.runs.add(grown, "test")
    with store.database.begin() as c:
        c.execute(
            sa.text("UPDATE fleet_runs SET created_at = 0 WHERE run = :run"), {"run": run.run}
        )
    assert store.runs.find("test") == grown.run
    for nothing in ("", "zzz"):
        with pytest.raises(InvalidRequest, match="no run"):
            store.runs.find(nothing)


def test_limits_change_and_the_rest_stays(store: Store) -> None:
    salt = store.accounts.facts()["salt"]
    store.accounts.create("/elsewhere", [Account(workers=3, rate=2), Account(label="second")])
    assert store.accounts.facts() == {"version": "1", "salt": salt, "out": "/elsewhere"}
    assert store.accounts.of("default") == Account(workers=3, rate=2)
    with pytest.raises(InvalidRequest, match="default, second"):
        store.accounts.of("third")
    assert len(store.seats.statuses()) == 6


@pytest.mark.parametrize("url", ["fleet.db", "mysql://here/x", "sqlite://", "://", ""])
def test_what_is_no_database_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match="postgresql://"):
        Database(url)


async def test_before_it_is_made_there_is_no_fleet(db: str) -> None:
    async with Fleet(db) as fleet:
        for call in (fleet.status, fleet.reap, fleet.work, lambda: fleet.enqueue([])):
            with pytest.raises(InvalidRequest, match="fleet init"):
                await call()


@on_a_file
async def test_a_database_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    for url in ("postgresql://nobody@/none?host=/nowhere", f"sqlite:///{tmp_path}/no/x.db"):
        async with Fleet(url) as fleet:
            with pytest.raises(StorageError):
                await fleet.init(tmp_path)


@pytest.mark.parametrize(
    ("python", "sqlite", "refused"),
    [
        ((3, 11), (3, 40, 1), False),
        ((3, 12), (3, 40, 1), True),
        ((3, 13), (3, 41, 2), True),
        ((3, 13), (3, 42, 0), False),
        ((3, 14), (3, 50, 0), False),
    ],
)
def test_a_file_needs_an_sqlite_that_can_tell_milliseconds(
    python: tuple[int, ...], sqlite: tuple[int, ...], refused: bool
) -> None:
    assert too_old(python, sqlite) is refused


async def test_a_file_that_cannot_be_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dreamina_async.fleet.dbos_engine.sqlite3.sqlite_version_info", (3, 40, 1))
    monkeypatch.setattr("dreamina_async.fleet.dbos_engine.sys.version_info", (3, 13, 0, "final", 0))
    with pytest.raises(InvalidRequest, match=r"needs SQLite 3\.42 .* use PostgreSQL"):
        Fleet("sqlite:///fleet.db")
    assert list(tmp_path.iterdir()) == []


@on_a_file
async def test_x13_the_file_is_its_owners(tmp_path: Path) -> None:
    async with Fleet(f"sqlite:///{tmp_path / 'fleet.db'}") as fleet:
        await fleet.init(tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "fleet.db").stat().st_mode) == 0o600
    with sqlite3.connect(tmp_path / "fleet.db") as connection:
        assert connection.execute("SELECT count(*) FROM fleet_seats").fetchone() == (3,)
    connection.close()
