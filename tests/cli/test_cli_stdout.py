"""Where what a command says cannot be written, and where a folder is not what it was taken for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from session_kit import rows

from dreamina_async.emulator import Emulator, run_in_thread

COMMAND = (sys.executable, "-m", "dreamina_async")


def run(
    *words: str, stdout: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    with open(stdout or os.devnull, "w") as file:
        return subprocess.run(
            [*COMMAND, *words],
            stdout=file,
            stderr=subprocess.PIPE,
            env=os.environ | environment,
            text=True,
            timeout=60,
        )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_stdout_is_one_line_and_the_run_goes_on_next_time(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("月下独酌\na red fox\n", "utf-8")
    words = ("bulk", str(tmp_path / "prompts.txt"), "--out", str(tmp_path / "out"), "--json")
    with run_in_thread(speed=500) as emulator:
        assert isinstance(emulator, Emulator)
        broken = run(*words, stdout="/dev/full", **emulator.credentials_env())
        assert broken.returncode == 2
        assert "cannot write to stdout" in broken.stderr
        assert "to continue, run the same command again" in broken.stderr
        assert "Traceback" not in broken.stderr
        assert run(*words, **emulator.credentials_env()).returncode == 0
        assert len(emulator.ledger) == 2
        assert emulator.ledger.repeated() == {}
    assert set(rows(tmp_path / "out").values()) == {"done"}


@pytest.mark.parametrize("lost", ["pipe", "/dev/full"])
def test_a_stderr_that_is_lost_stops_nothing(tmp_path: Path, lost: str) -> None:
    if lost != "pipe" and not Path(lost).exists():
        pytest.skip("there is no /dev/full")
    (tmp_path / "prompts.txt").write_text("月下独酌\na red fox\n", "utf-8")
    words = ("bulk", str(tmp_path / "prompts.txt"), "--out", str(tmp_path / "out"), "--json", "-v")
    reader, stderr = os.pipe() if lost == "pipe" else (None, os.open(lost, os.O_WRONLY))
    if reader is not None:
        os.close(reader)
    with run_in_thread(speed=500) as emulator, open(stderr, "w") as file:
        assert isinstance(emulator, Emulator)
        environment = os.environ | emulator.credentials_env()
        found = subprocess.run(
            [*COMMAND, *words], stdout=subprocess.PIPE, stderr=file, env=environment, timeout=60
        )
        assert len(emulator.ledger) == 2
    assert found.returncode == 0
    summary = json.loads(found.stdout.splitlines()[-1])
    assert (summary["event"], summary["done"]) == ("summary", 2)


def test_a_mistyped_folder_owes_nothing_and_is_not_made(tmp_path: Path) -> None:
    with run_in_thread(speed=500) as emulator:
        found = run("resume", "--out", str(tmp_path / "typo"), **emulator.credentials_env())
    assert found.returncode == 2
    assert "there is no journal" in found.stderr
    assert not (tmp_path / "typo").exists()


def test_a_pipe_in_place_of_the_login_is_refused_at_once(tmp_path: Path) -> None:
    home = tmp_path / "config"
    (home / "dreamina-async").mkdir(parents=True)
    os.mkfifo(home / "dreamina-async" / "sessionid", 0o600)
    given = {"XDG_CONFIG_HOME": str(home), "DREAMINA_SESSIONID": ""}
    found = run("credits", PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring", **given)
    assert found.returncode == 3
    assert "is no file" in found.stderr
