"""What the journal says of itself, and how it refuses: always by name, leaving nothing open."""

import asyncio
import os
import sqlite3
import threading
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dreamina_async._core.ledger import Entry
from dreamina_async._runtime import journal as module
from dreamina_async._runtime.journal import JOURNAL_NAME, Journal, read_records
from dreamina_async._runtime.marks import MARKS_NAME
from dreamina_async.errors import StorageError
from dreamina_async.models import JobState

ONE = "00000000-0000-4000-8000-000000000001"


@asynccontextmanager
async def opened(root: Path):
    journal = await Journal.open(root, region="cn")
    try:
        yield journal
    finally:
        await journal.aclose()


def entry(state: JobState = JobState.ACCEPTED) -> Entry:
    return Entry(ONE, "image", state, 1000.0, submit_id=ONE)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_a_folder_holds_the_files_that_the_documentation_names(tmp_path):
    async with opened(tmp_path):
        names = {path.name for path in tmp_path.iterdir()}
    assert {"journal.sqlite3", ".journal.lock", ".journal.sent"} <= names


async def test_what_it_says_of_itself_outlives_the_session(tmp_path):
    async with opened(tmp_path) as journal:
        await journal.put_fact("owner", "one")
        await journal.put_fact("owner", "two")
        await journal.put_fact("seen", "yes")
        facts = await journal.facts()
        journal_id = journal.journal_id
    expected = {"region": "cn", "journal_id": journal_id, "owner": "two", "seen": "yes"}
    assert facts == expected
    async with opened(tmp_path) as journal:
        assert await journal.facts() == expected
        assert journal.journal_id == journal_id


async def test_two_folders_have_journals_of_their_own(tmp_path):
    ids = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        async with opened(tmp_path / name) as journal:
            ids.add(journal.journal_id)
    assert len(ids) == 2


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
async def test_x5_a_link_at_any_of_its_files_is_refused_by_name(tmp_path, suffix):
    folder = tmp_path / "out"
    folder.mkdir()
    link = folder / f"{JOURNAL_NAME}{suffix}"
    link.symlink_to(tmp_path / "elsewhere")
    before = descriptors()
    with pytest.raises(StorageError, match="symbolic link") as caught:
        await Journal.open(folder, region="cn")
    assert caught.value.path == str(link)
    assert not (tmp_path / "elsewhere").exists()
    assert descriptors() <= before + 1


async def test_a_refusal_names_the_cause_and_the_file(tmp_path):
    with pytest.raises(StorageError, match="cannot open the journal: No such file") as caught:
        await Journal.open(tmp_path / "missing", region="cn")
    assert caught.value.path == str(tmp_path / "missing" / JOURNAL_NAME)


async def test_a_damaged_journal_is_named_to_the_session_and_to_the_reader(tmp_path):
    async with opened(tmp_path):
        pass
    path = tmp_path / JOURNAL_NAME
    path.write_bytes(b"no database at all " * 300)
    with pytest.raises(StorageError, match="cannot open the journal: file is not") as caught:
        await Journal.open(tmp_path, region="cn")
    assert caught.value.path == str(path)
    with pytest.raises(StorageError, match="cannot read the journal: file is not") as caught:
        read_records(tmp_path)
    assert caught.value.path == str(path)


async def test_an_index_that_misses_a_row_is_damage(tmp_path):
    async with opened(tmp_path) as journal:
        await journal.put(entry(), 9.0)
    with sqlite3.connect(tmp_path / JOURNAL_NAME) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        wrong = "CREATE INDEX jobs_by_state ON jobs (kind)"
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'jobs_by_state'", [wrong])
    connection.close()
    with pytest.raises(StorageError, match="the journal is damaged: ") as caught:
        await Journal.open(tmp_path, region="cn")
    assert caught.value.path == str(tmp_path / JOURNAL_NAME)


async def test_a_folder_without_a_journal_is_told_so(tmp_path):
    with pytest.raises(StorageError, match="no journal here"):
        read_records(tmp_path)


async def test_a_cancelled_open_leaves_nothing_open(tmp_path, monkeypatch):
    reached, go = threading.Event(), threading.Event()
    real = module._open

    def slow(*arguments):
        reached.set()
        assert go.wait(10)
        return real(*arguments)

    async with opened(tmp_path):  # what the first opening loads stays open
        pass
    before = descriptors()
    monkeypatch.setattr(module, "_open", slow)
    task = asyncio.create_task(Journal.open(tmp_path, region="cn"))
    assert await asyncio.to_thread(reached.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert descriptors() == before


async def test_f4_what_was_queued_behind_a_failed_commit_is_refused_too(tmp_path):
    reached, go = threading.Event(), threading.Event()

    def bad(_connection: sqlite3.Connection) -> None:
        reached.set()
        assert go.wait(10)
        raise sqlite3.OperationalError("disk I/O error")

    async with opened(tmp_path) as journal:
        failing = journal._submit(bad)
        assert await asyncio.to_thread(reached.wait, 10)
        behind = journal.put(entry(), 9.0)
        go.set()
        for future in (failing, behind):
            async with asyncio.timeout(10):
                with pytest.raises(StorageError, match="disk I/O error"):
                    await future
    assert read_records(tmp_path) == []


async def test_f2_a_mark_that_cannot_be_written_stops_the_journal(tmp_path):
    async with opened(tmp_path) as journal:
        await journal.put(entry(JobState.INTENT), 9.0)
        readable = os.open(tmp_path / MARKS_NAME, os.O_RDONLY)
        os.dup2(readable, journal._marks)
        os.close(readable)
        with pytest.raises(StorageError, match="nothing more is submitted") as caught:
            journal.mark_sent(ONE)
        assert caught.value.path == str(tmp_path / MARKS_NAME)
        with pytest.raises(StorageError) as later:
            await journal.put(entry(), 9.0)
        assert later.value == caught.value
