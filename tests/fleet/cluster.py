"""A PostgreSQL of a test's own: a private folder, a unix socket, no port, no sync."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

_RULES = {"listen_addresses": "", "fsync": "off", "max_connections": "100"}


@cache
def program(name: str) -> str | None:
    """Debian keeps most of them out of the way."""
    found = [shutil.which(name), *map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))]
    return next((one for one in found if one), None)


def missing() -> str:
    """Why there can be none here; nothing if there can."""
    absent = [name for name in ("initdb", "postgres") if program(name) is None]
    return f"no PostgreSQL here: {', '.join(absent)} not found" if absent else ""


def _run_as() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}


@contextmanager
def cluster() -> Iterator[str]:
    """A running server; gives the URL of its first database."""
    # a socket's path is short, and its user must reach it: so not under pytest's own folder
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    who = _run_as()
    try:
        if who:
            shutil.chown(folder, who["user"], who["group"])
        _made(folder, who)
        with _running(folder, who):
            url = f"postgresql://fleet@/postgres?host={folder}"
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _made(folder: Path, who: dict[str, Any]) -> None:
    command = [str(program("initdb")), "-D", str(folder / "data"), "-U", "fleet", "-A", "trust"]
    subprocess.run(
        [*command, "--no-sync", "-E", "UTF8", "--locale=C"],
        check=True,
        capture_output=True,
        cwd=folder,
        **who,
    )


@contextmanager
def _running(folder: Path, who: dict[str, Any]) -> Iterator[None]:
    rules = [part for name, value in _RULES.items() for part in ("-c", f"{name}={value}")]
    command = [str(program("postgres")), "-D", str(folder / "data"), "-k", str(folder)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([*command, *rules], stdout=log, stderr=log, cwd=folder, **who)
    try:
        _until_ready(folder, server)
        yield
    finally:
        server.terminate()
        server.wait()


def _until_ready(folder: Path, server: "subprocess.Popen[bytes]") -> None:
    """Its own word for it stands in the log."""
    while b"ready to accept connections" not in (folder / "log").read_bytes():
        assert server.poll() is None, (folder / "log").read_text()
        time.sleep(0.02)


def new_database(url: str, name: str) -> str:
    """One more database in the cluster."""
    at = sa.make_url(url).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(at, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
    engine.dispose()
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)
