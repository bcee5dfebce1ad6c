"""Fleets on a file, where this Python can have one."""

import sqlite3
import sys

import pytest

from dreamina_async.fleet.dbos_engine import too_old

on_a_file = pytest.mark.skipif(
    too_old(sys.version_info[:2], sqlite3.sqlite_version_info),
    reason=f"a fleet's file needs SQLite 3.42 here, and this is {sqlite3.sqlite_version}",
)
