from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from cluster import cluster, missing, new_database
from fleet_files import on_a_file


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    if why := missing():
        pytest.skip(why)
    with cluster() as url:
        yield url


@pytest.fixture(params=[pytest.param("sqlite", marks=on_a_file), "postgres"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'fleet.db'}"
    return new_database(request.getfixturevalue("postgres"), f"t{uuid4().hex[:12]}")


@pytest.fixture
def postgres_db(postgres: str) -> str:
    return new_database(postgres, f"t{uuid4().hex[:12]}")
