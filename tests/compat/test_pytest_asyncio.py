"""A session in a fixture of pytest-asyncio, whose set-up and tear-down are different tasks."""

import os
import subprocess
import sys
from pathlib import Path

SUITE = """
import pytest_asyncio
import pytest

from dreamina_async import Credentials, DreaminaSession, ImageRequest


@pytest_asyncio.fixture
async def session(dreamina_emulator, tmp_path):
    async with DreaminaSession(
        Credentials("a"), base_url=dreamina_emulator.base_url, output_dir=tmp_path
    ) as session:
        yield session


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(tmp_path_factory):
    from dreamina_async.emulator import Emulator

    async with Emulator(speed=300) as emulator, DreaminaSession(
        Credentials("a"), base_url=emulator.base_url, output_dir=tmp_path_factory.mktemp("out")
    ) as session:
        yield session


@pytest.mark.asyncio
@pytest.mark.dreamina_emulator(speed=1000)
async def test_one(session, dreamina_emulator):
    job = await session.submit(ImageRequest("one", count=1))
    assert job.submit_id in dreamina_emulator.ledger.submit_ids


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("number", range(2))
async def test_shared(shared, number):
    await shared.submit(ImageRequest(str(number), count=1))
"""


def test_a_fixture_that_enters_and_leaves(tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
    command += ["-p", "no:looptime_plugin", "-p", "no:hypothesispytest"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*command, str(tmp_path)], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
