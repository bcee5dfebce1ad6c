"""What is owed, on disk. sqlite3 appears here and nowhere else.

One thread owns the one writing connection and commits whatever has gathered while it was
busy (group commit), so a full fsync per commit (WAL, `synchronous=FULL`) costs next to
nothing: a commit that was acknowledged survives power loss. A lock file keeps a second
process out. A failed write poisons the journal: after it nothing is trusted and nothing is
spent until the folder is opened anew.
"""

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from attrs import define, field

from dreamina_async._core.destination import Destination
from dreamina_async._core.ledger import Entry
from dreamina_async._core.rows import (
    JOB_COLUMNS,
    MEDIA_COLUMNS,
    Row,
    entry_from_rows,
    job_row,
    media_row,
    record_of,
)
from dreamina_async._runtime.claim import holder, is_held, withdraw_claim, write_claim
from dreamina_async._runtime.finishing import outlast, settled
from dreamina_async._runtime.marks import (
    MARKS_NAME,
    boot_id,
    read_marks,
    start_marks,
    write_mark,
)
from dreamina_async._runtime.writer import ThreadWriter, Writer
from dreamina_async.errors import DreaminaError, JournalLocked, SessionClosed, StorageError
from dreamina_async.models import JobRecord, JobState, MediaFile

T = TypeVar("T")

JOURNAL_NAME = "journal.sqlite3"
_LOCK_NAME = ".journal.lock"
_VERSION = 1
_URL = "output_url"

_OWED = tuple(state for state in JobState if state.owed)

_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE jobs (
    job_id TEXT PRIMARY KEY,
    submit_id TEXT UNIQUE,
    history_id TEXT,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    request TEXT,
    created_at REAL NOT NULL,
    sent_at REAL,
    maybe_sent INTEGER NOT NULL,
    finished_at REAL,
    saved_at REAL,
    updated_at REAL NOT NULL,
    missing INTEGER NOT NULL,
    error TEXT
);
CREATE INDEX jobs_by_state ON jobs (state);
CREATE INDEX jobs_by_history ON jobs (history_id);
CREATE TABLE media (
    job_id TEXT NOT NULL,
    place INTEGER NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    format TEXT NOT NULL,
    width INTEGER,
    height INTEGER,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    duration_ms INTEGER,
    uri TEXT NOT NULL,
    PRIMARY KEY (job_id, place)
);
"""


def _replace(table: str, columns: Sequence[str]) -> str:
    marks = ", ".join("?" for _ in columns)
    return f"INSERT OR REPLACE INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608


_PUT_JOB = _replace("jobs", JOB_COLUMNS)
_PUT_MEDIA = _replace("media", MEDIA_COLUMNS)

Work = Callable[[sqlite3.Connection], Any]


@define
class _Item:
    work: Work
    future: "asyncio.Future[Any]"


@define(eq=False)
class Journal:
    """The open journal of one output folder."""

    journal_id: str
    _loop: asyncio.AbstractEventLoop
    _connection: sqlite3.Connection
    _lock: int
    _marks: int
    _writer: Writer
    destination: Destination
    _poison: StorageError | None = None
    _closed: bool = False
    _identity: tuple[int, int] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._identity = _identity_of(self.root)

    @property
    def root(self) -> Path:
        """The folder that it stands in."""
        return self.destination.folder

    @classmethod
    async def open(
        cls,
        root: Path,
        *,
        region: str,
        url: str | None = None,
        writer: Writer | None = None,
        boot: Callable[[], str] = boot_id,
    ) -> "Journal":
        """Open or make the journal in `root`, which must exist.

        Args:
            root: the output folder.
            region: the account's region; a journal serves one region only.
            url: the object store that the files go to; a journal serves one destination only.
            writer: where commits are made; None takes a thread.
            boot: tells one boot of the machine from another.

        Raises:
            JournalLocked: another process has it open.
            StorageError: it cannot be opened, is damaged, or is of another region or destination.
        """
        loop = asyncio.get_running_loop()
        destination = Destination(root, url)
        opening = loop.run_in_executor(None, _open, destination, region, boot)
        try:
            connection, lock, marks, journal_id = await outlast(opening)
        except asyncio.CancelledError:
            if not opening.exception():  # opened, but nobody is left to close it
                connection, lock, marks, _ = opening.result()
                connection.close()
                os.close(marks)
                _unlock(lock)
            raise
        writer = writer or ThreadWriter()
        journal = cls(journal_id, loop, connection, lock, marks, writer, destination)
        writer.start(journal._commit, connection.close)
        return journal

    def put(self, entry: Entry, now: float) -> "asyncio.Future[None]":
        """Write down how a job stands; the future is done when it is on the disk.

        The row is taken now, in the caller's turn, whether or not the future is awaited.
        """
        row = job_row(entry, now)
        return self._submit(lambda connection: connection.execute(_PUT_JOB, row))

    def mark_sent(self, submit_id: str) -> None:
        """Note that a submit is about to leave; see `marks`. Takes microseconds.

        Raises:
            StorageError: it cannot be noted, so it must not leave.
        """
        try:
            if _identity_of(self.root) != self._identity:
                raise OSError("somebody has removed or replaced it")
            write_mark(self._marks, submit_id)
        except OSError as error:
            self._poison = StorageError(
                f"the journal cannot be written ({error}); nothing more is submitted",
                path=str(self.root / MARKS_NAME),
            )
            raise self._poison from error

    def put_media(self, job_id: str, file: MediaFile) -> "asyncio.Future[None]":
        """Write down one file that stands complete under its final name."""
        row = media_row(job_id, file)
        return self._submit(lambda connection: connection.execute(_PUT_MEDIA, row))

    async def get(self, job_id: str) -> Entry | None:
        """The job with this id, if the journal knows it."""
        found = await self._read("job_id = ? OR history_id = ?", (job_id, job_id))
        return found[0] if found else None

    async def owed(self) -> list[Entry]:
        """Every job that may still bring something, oldest first."""
        return await self._read("state IN (?, ?, ?, ?)", tuple(s.value for s in _OWED))

    async def finished(self) -> list[Entry]:
        """Every job whose files are on disk, oldest first."""
        return await self._read("state = ?", (JobState.DONE.value,))

    async def facts(self) -> dict[str, str]:
        """What the journal says of itself, by name."""
        found: list[Row] = await settled(self._submit(_facts))
        return {row["name"]: row["value"] for row in found}

    def put_fact(self, name: str, value: str) -> "asyncio.Future[None]":
        """Add to what the journal says of itself."""
        put = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
        return self._submit(lambda connection: connection.execute(put, (name, value)))

    async def _read(self, where: str, values: tuple[Any, ...]) -> list[Entry]:
        destination = self.destination
        return await settled(self._submit(lambda c: _select(c, where, values, destination)))

    def _submit(self, work: Work) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = self._loop.create_future()
        # nobody is obliged to await a write: the poison tells of its failure
        future.add_done_callback(_consume)
        if self._poison is not None:
            future.set_exception(self._poison)
        elif self._closed:  # its thread is gone: the future would never be done
            future.set_exception(SessionClosed("the journal is closed"))
        else:
            self._writer.put(_Item(work, future))
        return future

    async def aclose(self) -> None:
        """Commit what is queued, close, and let go of the lock. Twice is fine."""
        self._closed = True
        try:
            await self._writer.stop()
        finally:
            lock, self._lock = self._lock, -1
            if lock >= 0:
                os.close(self._marks)
                _unlock(lock)

    # ---- in the writer's thread --------------------------------------------------------

    def _commit(self, items: list[_Item]) -> None:
        if self._poison is not None:
            self._answer([(item, None, self._poison) for item in items])
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            results = [(item, *_attempt(item.work, self._connection)) for item in items]
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - a dead thread would answer nobody
            self._poison = StorageError(
                f"the journal cannot be written ({error}); nothing more is submitted",
                path=str(self.root / JOURNAL_NAME),
            )
            self._answer([(item, None, self._poison) for item in items])
        else:
            self._answer(results)

    def _answer(self, results: list[tuple[_Item, Any, DreaminaError | None]]) -> None:
        try:
            self._loop.call_soon_threadsafe(_resolve, results)
        except RuntimeError:  # the loop was closed under us; the commit stands all the same
            return


def _attempt(work: Work, connection: sqlite3.Connection) -> tuple[Any, DreaminaError | None]:
    """A damaged row is its reader's trouble; an SQLite error is everybody's."""
    try:
        return work(connection), None
    except sqlite3.Error:
        raise
    except StorageError as error:
        return None, error
    except Exception as error:  # noqa: BLE001 - whatever a row holds, the thread must live
        name = type(error).__name__
        return None, StorageError(f"the journal cannot hold or read one job's row ({name})")


def _resolve(results: list[tuple[_Item, Any, DreaminaError | None]]) -> None:
    for item, result, error in results:
        if item.future.done():
            continue
        if error is not None:
            item.future.set_exception(error)
        else:
            item.future.set_result(result)


def _consume(future: "asyncio.Future[Any]") -> None:
    if not future.cancelled():
        future.exception()


def _as_dict(cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip((column[0] for column in cursor.description), values, strict=True))


def _select(
    connection: sqlite3.Connection, where: str, values: tuple[Any, ...], destination: Destination
) -> list[Entry]:
    rows = connection.execute(
        f"SELECT * FROM jobs WHERE {where} ORDER BY created_at, rowid",  # noqa: S608
        values,
    )
    return [_entry(connection, row, destination) for row in rows]


def _entry(connection: sqlite3.Connection, row: Row, destination: Destination) -> Entry:
    media = _media_of(connection, row["job_id"])
    return entry_from_rows(row, media, destination.root, destination.url)


def _facts(connection: sqlite3.Connection) -> list[Row]:
    rows: list[Row] = connection.execute("SELECT name, value FROM meta").fetchall()
    return rows


def _media_of(connection: sqlite3.Connection, job_id: str) -> list[Row]:
    found: list[Row] = connection.execute(
        "SELECT * FROM media WHERE job_id = ? ORDER BY place", (job_id,)
    ).fetchall()
    return found


def _open(
    destination: Destination, region: str, boot: Callable[[], str]
) -> tuple[sqlite3.Connection, int, int, str]:
    root = destination.folder
    path = root / JOURNAL_NAME
    try:
        with ExitStack() as undo:
            lock = _lock(root / _LOCK_NAME, boot)
            undo.callback(_unlock, lock)
            _refuse_links(path)
            if not path.exists():
                _create(path, region, destination.url)
            connection = undo.enter_context(closing(_connect(path, "rw")))
            journal_id = _prepare(connection, region, destination.url, path)
            _settle_intents(connection, read_marks(root, boot()))
            marks = start_marks(root, boot())
            undo.pop_all()
            return connection, lock, marks, journal_id
    except (sqlite3.Error, OSError, KeyError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StorageError(f"cannot open the journal: {reason}", path=str(path)) from error


def _settle_intents(connection: sqlite3.Connection, marks: frozenset[str] | None) -> None:
    """Tell the intents that never left from those that perhaps did, before the note goes.

    One that perhaps left stays so for ever, whatever later sessions try with it.
    """
    rows = connection.execute(
        "SELECT job_id, submit_id FROM jobs WHERE state = ? AND NOT maybe_sent",
        (JobState.INTENT.value,),
    ).fetchall()
    never = [row["job_id"] for row in rows if marks is not None and row["submit_id"] not in marks]
    perhaps = [row["job_id"] for row in rows if row["job_id"] not in set(never)]
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(
        "UPDATE jobs SET state = ? WHERE job_id = ?",
        [(JobState.PLANNED.value, job_id) for job_id in never],
    )
    connection.executemany(
        "UPDATE jobs SET maybe_sent = 1 WHERE job_id = ?", [(job_id,) for job_id in perhaps]
    )
    connection.execute("COMMIT")


def _lock(path: Path, boot: Callable[[], str]) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_held(lock, boot):  # the lock lies, as on some network file systems
            raise BlockingIOError
        write_claim(lock, boot)
    except BlockingIOError:
        pid = holder(lock)
        os.close(lock)
        raise JournalLocked(
            "another process works in this folder: wait for it, or choose another one with --out "
            "(output_dir)",
            path=str(path.parent),
            pid=pid,
        ) from None
    except OSError:
        os.close(lock)
        raise
    return lock


def _identity_of(root: Path) -> tuple[int, int]:
    """Which file stands under the journal's name: what is written to another one is lost."""
    status = os.stat(root / JOURNAL_NAME)
    return status.st_dev, status.st_ino


def _unlock(lock: int) -> None:
    try:
        withdraw_claim(lock)
        fcntl.flock(lock, fcntl.LOCK_UN)  # closing is not enough where a forked child has a copy
    finally:
        os.close(lock)


def _refuse_links(path: Path) -> None:
    """SQLite follows a link at any of its files, and would write to wherever it leads."""
    for name in ("", "-wal", "-shm", "-journal"):
        one = path.with_name(f"{path.name}{name}")
        if one.is_symlink():
            raise StorageError("the journal is a symbolic link; remove it", path=str(one))


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=5,
    )
    connection.row_factory = _as_dict
    # the file may come from anywhere: what it defines must not call anything
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _prepare(connection: sqlite3.Connection, region: str, url: str | None, path: Path) -> str:
    version = connection.execute("PRAGMA user_version").fetchone()["user_version"]
    if version != _VERSION:
        raise StorageError(
            f"the journal is damaged, or of another program: it has version {version}, this "
            f"program reads {_VERSION}",
            path=str(path),
        )
    # the quick one does not hold the rows against their indexes: an id with a flipped bit
    # would pass
    verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()["integrity_check"]
    if verdict != "ok":
        raise StorageError(f"the journal is damaged: {verdict}", path=str(path))
    rows = connection.execute("SELECT name, value FROM meta").fetchall()
    meta = {row["name"]: row["value"] for row in rows}
    if meta.get("region") != region:
        raise StorageError(
            f"this folder's journal belongs to region {meta.get('region', '?').upper()}, the "
            f"credentials to {region.upper()}: choose another folder",
            path=str(path),
        )
    _refuse_elsewhere(meta.get(_URL), url, path)
    journal_id = meta["journal_id"]
    # only now is it ours to change
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return str(journal_id)


def _refuse_elsewhere(known: str | None, url: str | None, path: Path) -> None:
    """Looked for in another place, every file would seem to be gone."""
    if known != url:
        where = f"in {known}: give that as output_dir" if known else "in this folder itself"
        raise StorageError(
            f"the files of this journal are {where}; or choose another journal_dir", path=str(path)
        )


def _create(path: Path, region: str, url: str | None) -> None:
    """Made whole under another name: so an empty journal is a damaged one, never a new one."""
    if path.with_name(f"{path.name}-wal").exists():
        raise StorageError(
            "the journal is gone, but what was written to it last is still there (-wal): put it "
            "back, or choose another folder",
            path=str(path),
        )
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    # 0600 before SQLite sees it; its -wal and -shm files take the same mode
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(_connect(part, "rw")) as connection:
        connection.execute("PRAGMA journal_mode = MEMORY")  # leaves no file of its own behind
        connection.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        meta = [("journal_id", str(uuid4())), ("region", region)]
        meta += [(_URL, url)] if url is not None else []
        connection.executemany("INSERT INTO meta VALUES (?, ?)", meta)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("COMMIT")
    part.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_records(root: Path) -> list[JobRecord]:
    """List a journal without opening it for writing; works while a session is at it.

    Raises:
        StorageError: there is none, or it cannot be read.
    """
    return list(each_record(root))


def each_record(root: Path) -> Iterator[JobRecord]:
    """The same one by one, as they stood at the first: for more of them than fit in memory.

    Raises:
        StorageError: there is none, or it cannot be read.
    """
    path = root / JOURNAL_NAME
    if not path.is_file():
        raise StorageError("there is no journal here: nothing was submitted yet", path=str(path))
    try:
        with closing(_connect(path, "ro")) as connection:
            connection.execute("BEGIN")  # rows and media of one instant
            url = {row["name"]: row["value"] for row in _facts(connection)}.get(_URL)
            for row in connection.execute("SELECT * FROM jobs ORDER BY created_at, rowid"):
                yield _record(connection, row, Destination(root, url))
    except (sqlite3.Error, KeyError, UnicodeDecodeError) as error:  # columns lose their names, too
        raise StorageError(f"cannot read the journal: {error}", path=str(path)) from error


def _record(connection: sqlite3.Connection, row: Row, destination: Destination) -> JobRecord:
    entry = _entry(connection, row, destination)
    try:
        return record_of(entry, row["updated_at"], destination.root)
    except (ValueError, TypeError, OverflowError) as error:
        raise StorageError(f"the journal's row of job {entry.job_id!r} is damaged") from error
