"""One database for all workers: an SQLite file on one host, PostgreSQL on many.

SQLAlchemy's errors become ours here. Time is the database's own: workers' clocks may differ.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from dreamina_async import InvalidRequest, StorageError

NOT_INITIALISED = "there is no fleet in this database yet: run `dreamina-async fleet init` first"
_BUSY_SECONDS = 20
_IDLE_SECONDS = 10
_POSTGRES = ("postgres", "postgresql", "postgresql+psycopg")
_SQLITE_NOW: sa.TextClause = sa.text("(julianday('now') - 2440587.5) * 86400.0")
_POSTGRES_NOW: sa.TextClause = sa.text("extract(epoch from clock_timestamp())")


class Database:
    """Transactions that see one another in one order."""

    def __init__(self, url: str) -> None:
        """Take a URL; nothing is asked yet.

        Raises:
            InvalidRequest: it is none of `sqlite:///PATH` and `postgresql://...`.
        """
        self.url: str = engine_url(url)
        self._engine = _engine_for(self.url)

    @property
    def _file(self) -> str | None:
        return sa.make_url(self.url).database if self.url.startswith("sqlite") else None

    def make_file(self) -> None:
        """An SQLite file holds prompts: nobody else is to read it.

        Raises:
            StorageError: it cannot be made.
        """
        if self._file is None:
            return
        try:
            os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise StorageError.of(error, self._file) from error

    @contextmanager
    def begin(self) -> Generator[sa.Connection, None, None]:
        """One transaction; all of it or nothing.

        Raises:
            InvalidRequest: there is no such file; asking makes none.
            StorageError: the database does not answer, or refuses.
        """
        if self._file is not None and not os.path.exists(self._file):
            raise InvalidRequest(NOT_INITIALISED, field="db")
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise StorageError(f"the fleet's database: {_reason(error)}") from error

    def now(self, connection: sa.Connection) -> float:
        """Unix seconds, by the database's clock."""
        sqlite = self._engine.dialect.name == "sqlite"
        return float(
            connection.execute(sa.select(_SQLITE_NOW if sqlite else _POSTGRES_NOW)).scalar_one()
        )

    def close(self) -> None:
        """Let the connections go."""
        self._engine.dispose()


def engine_url(url: str) -> str:
    """The URL as both the engine and we spell it.

    Raises:
        InvalidRequest: it is no URL of a database that we work with.
    """
    try:
        parsed = sa.make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is not None and parsed.drivername == "sqlite" and parsed.database:
        return url
    if parsed is not None and parsed.drivername in _POSTGRES:
        return parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    raise InvalidRequest(
        "a fleet's database is sqlite:///PATH or postgresql://USER@HOST/NAME", field="db"
    )


def _engine_for(url: str) -> sa.Engine:
    if url.startswith("sqlite"):
        engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS})
        event.listen(engine, "connect", _without_its_own_begin)
        event.listen(engine, "begin", _begin_immediate)
        return engine
    parsed = sa.make_url(url).set(drivername="postgresql+psycopg")
    # one that stands still within a transaction must not hold everybody else up
    limit = f"-c idle_in_transaction_session_timeout={_IDLE_SECONDS}s"
    return sa.create_engine(parsed, pool_pre_ping=True, connect_args={"options": limit})


def _without_its_own_begin(connection: Any, _: object) -> None:
    connection.isolation_level = None


def _begin_immediate(connection: sa.Connection) -> None:
    """A transaction that reads first and writes then must not find its ground moved."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _reason(error: SQLAlchemyError) -> str:
    """The driver's words without the statement and its values."""
    return " ".join(str(getattr(error, "orig", None) or error).split())[:300]
