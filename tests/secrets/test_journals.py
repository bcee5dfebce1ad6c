"""Journals that somebody, or a failing disk, has been at: refused by name, or read right."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
from session_kit import JOURNAL, check_result, image, session_for, world

from dreamina_async import JobState, StorageError, journal_jobs
from dreamina_async._core.ledger import Entry
from dreamina_async._runtime.journal import Journal, read_records

LARGE = os.environ.get("DREAMINA_TESTS") == "large"
SEEDS = 5000 if LARGE else 200
JOBS = 30

STATES = (JobState.INTENT, JobState.ACCEPTED, JobState.READY, JobState.UNKNOWN)
Facts = set[tuple[str, str, str | None]]


def entry(number: int) -> Entry:
    chance = Random(number)
    id_ = str(UUID(int=chance.getrandbits(128), version=4))
    one = Entry(id_, "image", STATES[number % 4], 1.0 + number, image(f"p{number}"), id_)
    one.history_id = None if number % 4 == 0 else str(chance.randrange(10**13, 10**14))
    one.sent_at, one.maybe_sent = 2.0, True
    return one


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A journal's bytes, with jobs in every state that is owed."""
    import asyncio

    root = tmp_path_factory.mktemp("whole")

    async def write() -> None:
        journal = await Journal.open(root, region="cn")
        for number in range(JOBS):
            await journal.put(entry(number), 3.0)
        await journal.aclose()

    asyncio.run(write())
    return (root / JOURNAL).read_bytes()


def mutated(data: bytes, chance: Random) -> bytes:
    """One of the ways in which files go bad."""
    at, length = chance.randrange(len(data)), chance.choice((1, 4, 100, 4096))
    match chance.randrange(6):
        case 0:  # one bit
            return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
        case 1:
            return data[:at]
        case 2:  # a hole
            return data[:at] + bytes(min(length, len(data) - at)) + data[at + length :]
        case 3:
            return data[:at] + chance.randbytes(length) + data[at + length :]
        case 4:  # everything moves up
            return data[:at] + chance.randbytes(length) + data[at:]
        case _:  # a block from elsewhere in the file
            other = chance.randrange(len(data))
            return data[:at] + data[other : other + length] + data[at + length :]


def facts_of(entries: list[Entry]) -> Facts:
    return {(one.job_id, str(one.submit_id), one.history_id) for one in entries}


async def read_back(root: Path) -> Facts | None:
    """What a session would take up; None if it is refused."""
    try:
        journal = await Journal.open(root, region="cn")
    except StorageError:
        return None
    try:
        return facts_of(await journal.owed())
    except StorageError:
        return None
    finally:
        await journal.aclose()


async def test_p10_x16_a_damaged_journal_is_refused_or_read_right(
    tmp_path: Path, whole: bytes
) -> None:
    expected = facts_of([entry(number) for number in range(JOBS)])
    refused = 0
    for seed in range(SEEDS):
        for left in tmp_path.iterdir():
            left.unlink()
        data = mutated(whole, Random(seed))
        (tmp_path / JOURNAL).write_bytes(data)
        try:
            listed = len(read_records(tmp_path))
        except StorageError:
            listed = JOBS
        assert listed == JOBS, seed  # never fewer, and never none
        found = await read_back(tmp_path)
        refused += found is None
        assert found in (None, expected), seed
    assert 0.2 < refused / SEEDS < 0.98
    print(f"{SEEDS} damaged journals: {refused} refused, the others read right")


Change = Callable[[sqlite3.Connection], Any]


def updates(column: str, value: object) -> Change:
    return lambda connection: connection.execute(f"UPDATE jobs SET {column} = ?", (value,))


@pytest.mark.parametrize(
    "change",
    [
        updates("request", b"\x80\x04\x95csystem\x94."),  # a pickle is only bytes
        updates("request", "[" * 100_000),
        updates("request", '{"prompt": ' + "9" * 5000 + "}"),
        updates("request", '{"__class__": "os.system", "prompt": "x"}'),
        updates("request", "x" * (9 << 20)),
        updates("error", "{" * 50_000),
        updates("error", '{"kind": "SystemExit", "message": "x"}'),
        updates("submit_id", "../../x"),
        updates("history_id", "../../x"),
        updates("kind", "../../x"),
        updates("sent_at", "nan"),
    ],
)
async def test_x16_a_made_up_row_costs_a_typed_error_and_calls_nothing(
    tmp_path: Path, change: Change
) -> None:
    out = tmp_path / "out"
    async with world(out) as (emulator, session):
        await session.generate(image())
        await session.aclose()
        with closing(sqlite3.connect(out / JOURNAL)) as connection:
            connection.execute("UPDATE jobs SET state = 'accepted'")
            change(connection)
            connection.commit()
        with pytest.raises(StorageError):
            await journal_jobs(out)
        async with session_for(emulator, out) as later:
            with pytest.raises(StorageError):
                await later.resume()
            check_result(emulator, await later.generate(image("alive")))
    assert list(tmp_path.iterdir()) == [out]


async def test_x16_what_a_journal_defines_calls_no_function(tmp_path: Path) -> None:
    """SQLite runs what a file defines when rows are read or written; nothing of it may act."""
    async with world(tmp_path) as (emulator, session):
        await session.generate(image())
        await session.aclose()
        with closing(sqlite3.connect(tmp_path / JOURNAL)) as connection:
            connection.execute(
                "CREATE TRIGGER theirs AFTER INSERT ON jobs BEGIN "
                "SELECT load_extension('/tmp/theirs.so'); END"
            )
            connection.commit()
        async with session_for(emulator, tmp_path) as later:
            with pytest.raises(StorageError):
                await later.submit(image("two"))
        assert len(emulator.ledger) == 1


@pytest.mark.parametrize("version", [0, 2, 99, 2**31 - 1, -1])
async def test_p10_another_programs_version_names_both_and_changes_nothing(
    tmp_path: Path, whole: bytes, version: int
) -> None:
    path = tmp_path / JOURNAL
    path.write_bytes(whole)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
        connection.commit()
    before = path.read_bytes()
    with pytest.raises(StorageError, match=f"version {version}, this program reads"):
        await Journal.open(tmp_path, region="cn")
    assert path.read_bytes() == before
