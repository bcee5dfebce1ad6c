"""What the journal acknowledged is there: after a reopening, a crash, a cancellation."""

import asyncio
import errno
import fcntl
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from dreamina_async._core.ledger import Entry
from dreamina_async._runtime import journal as module
from dreamina_async._runtime.journal import JOURNAL_NAME, Journal, read_records
from dreamina_async.errors import (
    JobFailed,
    JournalLocked,
    SessionClosed,
    StorageError,
)
from dreamina_async.models import JobState, MediaFile
from dreamina_async.requests import ImageRequest


def entry(number: int = 0, state: JobState = JobState.ACCEPTED, **changes) -> Entry:
    job = str(uuid.UUID(int=number))
    given = {"request": ImageRequest("柴犬"), "submit_id": job, "sent_at": 5.5, **changes}
    return Entry(job, "image", state, 1000.0 + number, **given)


def media(root: Path, one: Entry, index: int = 0) -> MediaFile:
    path = root / one.submit_id / f"image-{index}.png"
    return MediaFile(path, "image", index, 3, 2, "png", 70, "ab" * 32, None, f"tos/{index}")


def facts(one: Entry) -> dict:
    return {name: getattr(one, name) for name in Entry.__slots__ if not name.startswith("__")}


@asynccontextmanager
async def opened(root: Path, region: str = "cn") -> AsyncIterator[Journal]:
    journal = await Journal.open(root, region=region)
    try:
        yield journal
    finally:
        await journal.aclose()


@pytest.fixture
async def journal(tmp_path) -> AsyncIterator[Journal]:
    async with opened(tmp_path) as journal:
        yield journal


@pytest.fixture(autouse=True)
def no_thread_left():
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "dreamina-journal"]


def change(root: Path, *statements: str) -> None:
    """Meddle with a closed journal."""
    with closing(sqlite3.connect(root / JOURNAL_NAME, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


class Held:
    """The journal's thread, kept busy until released."""

    def __init__(self, journal: Journal) -> None:
        self._reached, self._go = threading.Event(), threading.Event()
        self._future = journal._submit(self._work)

    def _work(self, _connection: sqlite3.Connection) -> None:
        self._reached.set()
        assert self._go.wait(10)

    async def __aenter__(self) -> None:
        assert await asyncio.to_thread(self._reached.wait, 10)

    async def __aexit__(self, *_details) -> None:
        self._go.set()


# --- What was written


async def test_an_entry_comes_back_as_it_was(tmp_path):
    one = entry(1, JobState.READY, history_id="123", finished_at=7.25, missing=1)
    one.error = JobFailed("why", "yes", "job", "1000", "原因", "advice")
    one.saved = (media(tmp_path, one, 0), media(tmp_path, one, 2))
    async with opened(tmp_path) as journal:
        await journal.put(one, 9.0)
        for file in one.saved:
            await journal.put_media(one.job_id, file)
    async with opened(tmp_path) as journal:
        found = await journal.get(one.job_id)
        assert facts(found) == facts(one)
        assert facts(await journal.get("123")) == facts(one)
        assert await journal.get("unknown") is None


async def test_the_last_word_counts(journal):
    one = entry()
    for state in (JobState.INTENT, JobState.ACCEPTED, JobState.READY):
        one.state = state
        last = journal.put(one, 9.0)
    await last
    (found,) = await journal.owed()
    assert found.state is JobState.READY


async def test_owed_and_finished_are_told_apart_oldest_first(journal):
    for number, state in enumerate(JobState):
        journal.put(entry(number, state), 9.0)
        journal.put(entry(100 - number, state), 9.0)
    owed = await journal.owed()
    assert {one.state for one in owed} == {
        JobState.INTENT,
        JobState.ACCEPTED,
        JobState.READY,
        JobState.UNKNOWN,
    }
    assert [one.created_at for one in owed] == sorted(one.created_at for one in owed)
    assert {one.state for one in await journal.finished()} == {JobState.DONE}


async def test_the_row_is_taken_when_it_is_put(journal):
    one = entry(state=JobState.INTENT)
    written = journal.put(one, 9.0)
    one.state, one.history_id = JobState.FAILED, "later"
    await written
    found = await journal.get(one.job_id)
    assert (found.state, found.history_id) == (JobState.INTENT, None)


async def test_many_puts_share_few_transactions(journal, tmp_path):
    commits: list[str] = []

    def count(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(lambda text: commits.append(text) if text == "COMMIT" else 0)

    await journal._submit(count)
    commits.clear()
    async with Held(journal):
        puts = [journal.put(entry(number), 9.0) for number in range(500)]
        assert not any(put.done() for put in puts)
    await asyncio.gather(*puts)
    assert len(commits) <= 3
    assert len(await journal.owed()) == 500
    await journal._submit(lambda connection: connection.set_trace_callback(None))


async def test_every_commit_is_synced_in_full(journal):
    def settings(connection: sqlite3.Connection) -> tuple:
        names = ("journal_mode", "synchronous")
        return tuple(connection.execute(f"PRAGMA {name}").fetchone()[name] for name in names)

    assert await journal._submit(settings) == ("wal", 2)


async def test_a_cancelled_writer_loses_no_write(tmp_path):
    async def write(journal: Journal) -> None:
        await journal.put(entry(), 9.0)

    async with opened(tmp_path) as journal, Held(journal):
        task = asyncio.create_task(write(journal))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [one.job_id for one in read_records(tmp_path)] == [entry().job_id]


async def test_a_cancelled_reader_harms_nobody(journal):
    await journal.put(entry(), 9.0)
    async with Held(journal):
        task = asyncio.create_task(journal.owed())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert len(await journal.owed()) == 1


async def test_what_is_queued_at_closing_is_written(tmp_path):
    journal = await Journal.open(tmp_path, region="cn")
    async with Held(journal):
        puts = [journal.put(entry(number), 9.0) for number in range(50)]
        closing_ = asyncio.create_task(journal.aclose())
        await asyncio.sleep(0)
    await closing_
    await asyncio.gather(*puts)
    assert len(read_records(tmp_path)) == 50


async def test_closing_twice_and_at_once_is_fine(tmp_path):
    journal = await Journal.open(tmp_path, region="cn")
    await asyncio.gather(journal.aclose(), journal.aclose())
    descriptor = os.open(tmp_path, os.O_RDONLY)  # takes the number that the lock had
    await journal.aclose()
    os.close(descriptor)


async def test_after_closing_nobody_waits_for_ever(tmp_path):
    journal = await Journal.open(tmp_path, region="cn")
    await journal.aclose()
    with pytest.raises(SessionClosed):
        await journal.put(entry(), 9.0)
    with pytest.raises(SessionClosed):
        await journal.owed()


async def test_a_cancelled_close_closes(tmp_path):
    journal = await Journal.open(tmp_path, region="cn")
    async with Held(journal):
        task = asyncio.create_task(journal.aclose())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await task
    async with opened(tmp_path):
        pass


async def test_a_cancelled_open_lets_go_of_the_lock(tmp_path, monkeypatch):
    reached, go = threading.Event(), threading.Event()
    real = module._open

    def slow(*arguments):
        reached.set()
        assert go.wait(10)
        return real(*arguments)

    monkeypatch.setattr(module, "_open", slow)
    task = asyncio.create_task(Journal.open(tmp_path, region="cn"))
    assert await asyncio.to_thread(reached.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with opened(tmp_path):
        pass


async def test_X15_its_files_are_for_their_owner_alone(tmp_path):  # noqa: N802
    old = os.umask(0)
    try:
        async with opened(tmp_path) as journal:
            await journal.put(entry(), 9.0)
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(old)
    assert set(modes.values()) == {0o600}
    assert {JOURNAL_NAME, f"{JOURNAL_NAME}-wal", ".journal.lock"} <= set(modes)


# --- Crashes, in processes of their own

_PROGRAM = """
import asyncio, os, sys
from pathlib import Path
from dreamina_async._core.ledger import Entry
from dreamina_async._runtime.journal import Journal
from dreamina_async.models import (JobState)
from dreamina_async.requests import (ImageRequest)

def entry(number):
    job = f"00000000-0000-0000-0000-{number:012}"
    return Entry(job, "image", JobState.ACCEPTED, float(number),
                 request=ImageRequest("x"), submit_id=job)

async def main(root):
    journal = await Journal.open(root, region="cn")
    print("open", flush=True)
    BODY

asyncio.run(main(Path(sys.argv[1])))
"""


def program(body: str) -> str:
    return _PROGRAM.replace("BODY", body.strip().replace("\n", "\n    "))


@asynccontextmanager
async def process(root: Path, body: str):
    """A process with the journal open; killed at the end."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program(body),
        str(root),
        stdout=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.PIPE,
    )
    try:
        assert await child.stdout.readline() == b"open\n"
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


_WRITER = """
for number in range(100_000):
    await journal.put(entry(number), 1.0)
    print(number, flush=True)
"""


@pytest.mark.parametrize("kill_at", [0, 1, 17, 60])
async def test_P1_what_was_acknowledged_survives_sigkill(tmp_path, kill_at):  # noqa: N802
    async with process(tmp_path, _WRITER) as child:
        while int(await child.stdout.readline()) < kill_at:
            pass
        child.send_signal(signal.SIGKILL)
        told = kill_at
        async for line in child.stdout:
            if line.endswith(b"\n"):
                told = int(line)
    # a leftover WAL, and nobody at it: the reader first, then the next session
    assert len(read_records(tmp_path)) > told
    async with opened(tmp_path) as journal:
        assert [int(one.created_at) for one in await journal.owed()][: told + 1] == list(
            range(told + 1)
        )
    assert len(read_records(tmp_path)) > told


async def test_P7_a_second_process_is_told_who_holds_it(tmp_path):  # noqa: N802
    async with process(tmp_path, "await asyncio.Event().wait()") as child:
        with pytest.raises(JournalLocked) as caught:
            await Journal.open(tmp_path, region="cn")
        assert caught.value.pid == child.pid
        assert str(child.pid) in str(caught.value)
        assert read_records(tmp_path) == []
    # P8: killed, it holds nothing, though its pid still stands in the file
    async with opened(tmp_path):
        pass


async def test_a_second_opening_in_this_process_is_refused_too(tmp_path):
    async with opened(tmp_path):
        for _ in range(2):
            with pytest.raises(JournalLocked) as caught:
                await Journal.open(tmp_path, region="cn")
            assert caught.value.pid == os.getpid()
    async with opened(tmp_path):
        pass


async def test_a_forked_childs_copy_of_the_lock_does_not_hold_it(tmp_path):
    async with opened(tmp_path) as journal:
        copy = os.dup(journal._lock)
    try:
        async with opened(tmp_path):
            pass
    finally:
        os.close(copy)


async def test_a_lock_file_without_a_number_names_nobody(tmp_path):
    with (tmp_path / ".journal.lock").open("w") as lock:
        lock.write("garbage")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(JournalLocked) as caught:
            await Journal.open(tmp_path, region="cn")
    assert caught.value.pid is None


async def test_a_symlink_at_the_lock_is_not_followed(tmp_path):
    (tmp_path / "victim").write_text("precious")
    (tmp_path / ".journal.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(StorageError):
        await Journal.open(tmp_path, region="cn")
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_loop_closed_early_holds_up_nobody(tmp_path):
    body = "journal.put(entry(1), 1.0)\nreturn"
    done = subprocess.run(
        [sys.executable, "-c", program(body), str(tmp_path)], capture_output=True, timeout=20
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"open\n", b"")


# --- Opening what is not a journal of ours


async def assert_refused(root: Path, region: str = "cn") -> StorageError:
    with pytest.raises(StorageError) as caught:
        await Journal.open(root, region=region)
    assert not isinstance(caught.value, JournalLocked)
    assert caught.value.path
    return caught.value


async def test_P9_another_region_is_refused(tmp_path):  # noqa: N802
    async with opened(tmp_path) as journal:
        first = journal.journal_id
    error = await assert_refused(tmp_path, "us")
    assert "CN" in str(error)
    assert "US" in str(error)
    async with opened(tmp_path) as journal:  # the refusal let go of the lock
        assert journal.journal_id == first


@pytest.mark.parametrize("version", [0, 2, 99])
async def test_P10_another_version_is_refused(tmp_path, version):  # noqa: N802
    async with opened(tmp_path):
        pass
    change(tmp_path, f"PRAGMA user_version = {version}")
    assert f"version {version}" in str(await assert_refused(tmp_path))


def _noise(path: Path) -> None:
    path.write_bytes(os.urandom(8192))


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _truncated(size: int) -> Callable[[Path], None]:
    def truncate(path: Path) -> None:
        os.truncate(path, size)

    truncate.__name__ = f"truncated_to_{size}"
    return truncate


def _overwritten(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:4096] + os.urandom(len(data) - 4096))


def _foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
        connection.execute("PRAGMA user_version = 1")


def _without_id(path: Path) -> None:
    change(path.parent, "DELETE FROM meta WHERE name = 'journal_id'")


@pytest.mark.parametrize(
    "damage",
    [
        _noise,
        _empty,
        _zeros,
        *(_truncated(size) for size in (1, 16, 50, 100, 1000, 4096, 8192, 12_288)),
        _overwritten,
        _foreign,
        _without_id,
    ],
    ids=lambda damage: damage.__name__.strip("_"),
)
async def test_P10_damage_is_never_taken_for_an_empty_journal(tmp_path, damage):  # noqa: N802
    async with opened(tmp_path) as journal:
        await asyncio.gather(*(journal.put(entry(number), 9.0) for number in range(100)))
    damage(tmp_path / JOURNAL_NAME)
    before = (tmp_path / JOURNAL_NAME).read_bytes()
    await assert_refused(tmp_path)
    await assert_refused(tmp_path)  # and the refusal has let go of the lock
    assert (tmp_path / JOURNAL_NAME).read_bytes() == before


async def test_P10_a_journal_gone_from_beside_its_log_is_damage(tmp_path):  # noqa: N802
    async with process(tmp_path, _WRITER) as child:
        await child.stdout.readline()
    log = tmp_path / f"{JOURNAL_NAME}-wal"
    assert log.stat().st_size
    (tmp_path / JOURNAL_NAME).unlink()
    await assert_refused(tmp_path)
    assert log.stat().st_size


async def test_P3_a_crash_while_it_is_made_is_no_damage(tmp_path):  # noqa: N802
    (tmp_path / f".{JOURNAL_NAME}.part").write_bytes(b"SQLite format 3\0half")
    async with opened(tmp_path) as journal:
        await journal.put(entry(), 9.0)
    assert not (tmp_path / f".{JOURNAL_NAME}.part").exists()


async def test_a_folder_that_is_none_is_a_storage_error(tmp_path):
    await assert_refused(tmp_path / "missing")
    (tmp_path / "file").write_text("x")
    await assert_refused(tmp_path / "file")
    (tmp_path / JOURNAL_NAME).mkdir()
    await assert_refused(tmp_path)


async def test_a_lock_that_cannot_be_had_leaves_nothing_open(tmp_path, monkeypatch):
    def flock(descriptor, operation):
        raise OSError(errno.ENOLCK, "no locks here")

    before = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patch:
        patch.setattr(module.fcntl, "flock", flock)
        for _ in range(3):
            await assert_refused(tmp_path)
    assert len(os.listdir("/proc/self/fd")) <= before + 1
    async with opened(tmp_path):
        pass


# --- Rows


@pytest.mark.parametrize(
    "damage",
    ["state = 'nonsense'", "request = '{'", "request = '{}'", 'error = \'{"type": "No"}\''],
)
async def test_a_damaged_row_names_its_job_and_harms_no_other(tmp_path, damage):
    async with opened(tmp_path) as journal:
        await journal.put(entry(1), 9.0)
        await journal.put(entry(2), 9.0)
    change(tmp_path, f"UPDATE jobs SET {damage} WHERE job_id LIKE '%1'")
    async with opened(tmp_path) as journal:
        with pytest.raises(StorageError, match=entry(1).job_id):
            await journal.get(entry(1).job_id)
        assert await journal.get(entry(2).job_id)
        await journal.put(entry(3), 9.0)  # nor is the journal poisoned
    with pytest.raises(StorageError, match=entry(1).job_id):
        read_records(tmp_path)


@pytest.mark.parametrize("damage", ["created_at = 'noon'", "updated_at = 1e300"])
async def test_a_damaged_instant_is_a_storage_error_to_the_reader(tmp_path, damage):
    async with opened(tmp_path) as journal:
        await journal.put(entry(1), 9.0)
    change(tmp_path, f"UPDATE jobs SET {damage}")
    with pytest.raises(StorageError, match=entry(1).job_id):
        read_records(tmp_path)


@pytest.mark.parametrize("damage", ["request = '[]'", "request = '" + "[" * 100_000 + "'"])
async def test_whatever_a_row_holds_the_thread_lives(tmp_path, damage):
    async with opened(tmp_path) as journal:
        await journal.put(entry(1), 9.0)
    change(tmp_path, f"UPDATE jobs SET {damage}")
    async with opened(tmp_path) as journal:
        with pytest.raises(StorageError):
            await journal.owed()
        await journal.put(entry(2), 9.0)


@pytest.mark.parametrize("value", [{"missing": 2**63}, {"history_id": "\ud800"}])
async def test_what_cannot_be_written_fails_alone(journal, value):
    async with Held(journal):
        before, bad, after = (
            journal.put(one, 9.0) for one in (entry(1), entry(2, **value), entry(3))
        )
    await asyncio.gather(before, after)
    with pytest.raises(StorageError):
        await bad
    assert len(await journal.owed()) == 2


# --- Poison


async def assert_poisoned(journal: Journal) -> None:
    with pytest.raises(StorageError) as first:
        await journal.put(entry(50), 9.0)
    assert str(journal.root / JOURNAL_NAME) in str(first.value)
    for _ in range(2):
        with pytest.raises(StorageError):
            await journal.put(entry(51), 9.0)
        with pytest.raises(StorageError):
            await journal.owed()


async def test_F4_after_a_failed_write_nothing_is_trusted(tmp_path):  # noqa: N802
    async with opened(tmp_path) as journal:
        await journal.put(entry(1), 9.0)
        await journal._submit(lambda connection: connection.execute("PRAGMA query_only = ON"))
        await assert_poisoned(journal)
        # mending the cause mends nothing: only a new opening does
        journal._connection.execute("PRAGMA query_only = OFF")
        await assert_poisoned(journal)
    async with opened(tmp_path) as journal:
        assert [one.job_id for one in await journal.owed()] == [entry(1).job_id]
        await journal.put(entry(2), 9.0)


async def test_a_poisoned_batch_is_refused_as_a_whole(tmp_path):
    async with opened(tmp_path) as journal:
        async with Held(journal):
            good = journal.put(entry(1), 9.0)
            bad = journal._submit(lambda connection: connection.execute("no SQL"))
            other = journal.put(entry(2), 9.0)
        for future in (good, bad, other):
            with pytest.raises(StorageError):
                await future
    assert read_records(tmp_path) == []


async def test_a_closed_connection_poisons(tmp_path):
    async with opened(tmp_path) as journal:
        await journal._submit(lambda _: None)
        journal._connection.close()
        await assert_poisoned(journal)


_FULL = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
done = 0
try:
    for number in range(100_000):
        await journal.put(entry(number), 1.0)
        done += 1
except Exception as error:
    print(done, type(error).__name__, flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
try:
    await journal.put(entry(5), 1.0)
except Exception as error:
    print(type(error).__name__, flush=True)
await journal.aclose()
"""


async def test_F2_a_full_disk_poisons_and_loses_nothing_acknowledged(tmp_path):  # noqa: N802
    body = _FULL.replace("200_000, 200_000", "200_000, resource.RLIM_INFINITY")
    async with process(tmp_path, body) as child:
        done, kind = (await child.stdout.readline()).split()
        assert kind == b"StorageError"
        assert await child.stdout.readline() == b"StorageError\n"
        await child.wait()
    assert len(read_records(tmp_path)) >= int(done) > 0
    async with opened(tmp_path) as journal:
        assert len(await journal.owed()) >= int(done)


async def test_nobody_is_obliged_to_await_a_failed_write(tmp_path, caplog):
    async with opened(tmp_path) as journal:
        await journal._submit(lambda connection: connection.execute("PRAGMA query_only = ON"))
        journal.put(entry(1), 9.0)
    await asyncio.sleep(0)
    assert "never retrieved" not in caplog.text


# --- Reading beside a session


def test_without_a_journal_there_is_nothing_to_read(tmp_path):
    with pytest.raises(StorageError) as caught:
        read_records(tmp_path)
    assert caught.value.path == str(tmp_path / JOURNAL_NAME)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [_noise, _empty, _zeros, _foreign])
async def test_a_damaged_journal_is_not_an_empty_one_to_the_reader(tmp_path, damage):
    async with opened(tmp_path):
        pass
    damage(tmp_path / JOURNAL_NAME)
    with pytest.raises(StorageError):
        read_records(tmp_path)


async def test_records_are_read_while_a_session_writes(journal, tmp_path):
    for number in range(50):
        written = journal.put(entry(number), 9.0)
        if number % 10 == 9:
            await written
            records = await asyncio.to_thread(read_records, tmp_path)
            assert len(records) >= number + 1


async def test_records_are_read_in_the_middle_of_a_transaction(journal, tmp_path):
    await journal.put(entry(1), 9.0)
    async with Held(journal):
        assert len(await asyncio.to_thread(read_records, tmp_path)) == 1


async def test_a_record_tells_what_is_known(tmp_path):
    one = entry(1, JobState.DONE)
    async with opened(tmp_path) as journal:
        journal.put(one, 9.0)
        await journal.put_media(one.job_id, media(tmp_path, one))
    (record,) = read_records(tmp_path)
    assert (record.job_id, record.state, record.request) == (one.job_id, one.state, one.request)
    assert record.folder == tmp_path / one.submit_id
    assert record.media == (media(tmp_path, one),)
    assert record.updated_at.timestamp() == 9.0


async def test_reading_changes_nothing(tmp_path):
    async with opened(tmp_path) as journal:
        await journal.put(entry(), 9.0)
    before = (tmp_path / JOURNAL_NAME).read_bytes()
    read_records(tmp_path)
    assert (tmp_path / JOURNAL_NAME).read_bytes() == before
    async with opened(tmp_path):  # and leaves nothing in the way
        pass
