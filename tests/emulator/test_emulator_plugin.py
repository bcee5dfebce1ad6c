import ast
import asyncio
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import aiohttp
import pytest

import dreamina_async.pytest_plugin
from dreamina_async.emulator import Emulator, EmulatorOptions, Fault, run_in_thread, serve

ROOT = Path(dreamina_async.pytest_plugin.__file__).parent


def ask(emulator, *ids):
    """Ask for the status synchronously, with the standard library alone."""
    env = emulator.credentials_env()
    request = urllib.request.Request(
        env["DREAMINA_BASE_URL"] + "/mweb/v1/get_history_by_ids",
        json.dumps({"submit_ids": ids}).encode(),
        {"Cookie": f"sessionid={env['DREAMINA_SESSIONID']}"},
    )
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)


def test_the_fixture_serves_synchronous_tests(dreamina_emulator):
    assert dreamina_emulator.options.speed == 100
    assert ask(dreamina_emulator, "nobody")["ret"] == "0"
    assert dreamina_emulator.requests.batches == (("nobody",),)


@pytest.mark.anyio
async def test_the_fixture_serves_asynchronous_tests(dreamina_emulator):
    url = dreamina_emulator.base_url + "/_emulator/stats"
    async with aiohttp.ClientSession() as http, http.get(url) as reply:
        assert (await reply.json(content_type=None))["charges"] == 0


@pytest.mark.dreamina_emulator(numbering="s1", seed=4)
class TestMarker:
    def test_of_the_class(self, dreamina_emulator):
        options = dreamina_emulator.options
        assert (options.numbering, options.seed, options.speed) == ("s1", 4, 100)

    @pytest.mark.dreamina_emulator(seed=5, speed=7)
    def test_of_the_test_goes_first(self, dreamina_emulator):
        options = dreamina_emulator.options
        assert (options.numbering, options.seed, options.speed) == ("s1", 5, 7)


@pytest.mark.dreamina_emulator(sessionids=["only-me"])
def test_the_environment_names_a_session_that_may_log_in(dreamina_emulator):
    assert dreamina_emulator.credentials_env()["DREAMINA_SESSIONID"] == "only-me"
    assert ask(dreamina_emulator, "a")["ret"] == "0"


@pytest.mark.dreamina_fault("history", "status", status=502)
class TestFaults:
    @pytest.mark.dreamina_emulator(image_running=(3, 4))
    @pytest.mark.dreamina_fault("generate", "reset_after_charge", times=2)
    def test_those_of_class_and_test_add_up(self, dreamina_emulator):
        faults = {(one.where, one.what, one.times) for one in dreamina_emulator.faults.pending}
        assert faults == {("history", "status", 1), ("generate", "reset_after_charge", 2)}
        assert dreamina_emulator.options.timing.image_running == (3, 4)
        with pytest.raises(urllib.error.HTTPError, match="502"):
            ask(dreamina_emulator, "nobody")


USER_TESTS = """
import asyncio, urllib.request
import pytest

def stats(emulator):
    with urllib.request.urlopen(emulator.base_url + "/_emulator/stats") as reply:
        return reply.read()

def test_plain(dreamina_emulator):
    assert b'"charges": 0' in stats(dreamina_emulator)

@pytest.mark.dreamina_emulator(speed=9)
def test_inside_a_loop(dreamina_emulator):
    async def main():
        return await asyncio.to_thread(stats, dreamina_emulator)
    assert b'"charges": 0' in asyncio.run(main())
    assert dreamina_emulator.options.speed == 9
"""


def test_the_plugin_serves_a_project_that_knows_nothing_else(tmp_path):
    (tmp_path / "test_user.py").write_text(USER_TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "--strict-markers"]
    command += ["-p", "dreamina_async.pytest_plugin", "-p", "no:cacheprovider", str(tmp_path)]
    environment = os.environ | {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": str(ROOT.parent),
    }
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True)
    assert b"2 passed" in done.stdout, done.stdout + done.stderr


def test_the_plugin_alone_imports_nothing_heavy():
    code = (
        "import sys, dreamina_async.pytest_plugin\n"
        "heavy = {'aiohttp', 'asyncio.events', 'dreamina_async.emulator'}\n"
        "print(sorted(heavy & set(sys.modules) - before))"
    )
    code = "import sys, pytest; before = set(sys.modules)\n" + code
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True)
    assert done.stdout.strip() == b"[]", done.stderr


def test_the_emulator_imports_nothing_else_of_the_package():
    for path in (ROOT / "emulator").glob("*.py"):
        for statement in ast.walk(ast.parse(path.read_text())):
            if isinstance(statement, ast.ImportFrom):
                assert statement.level < 2, path
                assert not (statement.module or "").startswith("dreamina_async"), path
            if isinstance(statement, ast.Import):
                names = [alias.name.split(".")[0] for alias in statement.names]
                assert "dreamina_async" not in names, path


def test_errors_at_the_start_reach_the_caller():
    with pytest.raises(TypeError, match="sped"), run_in_thread(sped=1):
        pass
    with (
        run_in_thread() as emulator,
        pytest.raises(OSError, match="address"),
        run_in_thread(port=int(emulator.base_url.rpartition(":")[2])),
    ):
        pass


@pytest.mark.anyio
async def test_serve_runs_until_cancelled():
    ready = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(serve(ready=ready.set_result, speed=50))
        emulator = await ready
        async with aiohttp.ClientSession() as http, http.get(emulator.base_url + "/x") as reply:
            assert reply.status == 404
        assert emulator.requests.counts == {"unknown": 1}
        task.cancel()
    assert "0 charges" in repr(emulator)


@pytest.mark.anyio
async def test_an_emulator_starts_once_and_takes_options_or_keywords():
    async with Emulator(EmulatorOptions(speed=3), faults=[Fault(where="*", what="html")]) as one:
        assert len(one.faults.pending) == 1
        with pytest.raises(RuntimeError, match="once"):
            await one.__aenter__()
    with pytest.raises(TypeError, match="not both"):
        Emulator(EmulatorOptions(), speed=3)
