"""The command line as a process of its own: imports, signals, pipes."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from dreamina_async.emulator import Outcome

LIMIT = 30.0


def python(*arguments, **options):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=LIMIT, **options
    )


def until(condition):
    """Look until it is so; the thing looked at lives in another process or thread."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.01)


@pytest.fixture
def start(tmp_path):
    """Start a command in an empty folder; whatever still runs at the end is killed."""
    running = []

    def starter(*tokens):
        process = subprocess.Popen(
            [sys.executable, "-m", "dreamina_async", *map(str, tokens)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
        running.append(process)
        return process

    yield starter
    for process in running:
        process.kill()
        process.communicate(timeout=LIMIT)


def event_named(process, name):
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == name:
            return event
    raise AssertionError(f"no {name}: {process.stderr.read()}")


# ---- imports ---------------------------------------------------------------------------

HEAVY = {
    "aiohttp",
    "sqlite3",
    "keyring",
    "rich.live",
    "rich.progress",
    "dreamina_async.session",
    "dbos",
}


@pytest.mark.parametrize(
    "tokens",
    [["--help"], ["--version"], ["bulk", "--help"], ["fleet", "work", "--help"], ["paint"]],
)
def test_help_and_version_import_nothing_heavy(tokens):
    code = f"""
import sys
from dreamina_async.cli.entry import run
try:
    run({tokens!r})
finally:
    print(sorted({HEAVY!r} & set(sys.modules)))
"""
    found = python("-c", code)
    assert found.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("missing", ["cyclopts", "platformdirs", "rich"])
def test_without_the_extra_it_says_what_to_install(missing):
    code = (
        f"import sys; sys.modules[{missing!r}] = None\nfrom dreamina_async.__main__ import main\n"
    )
    found = python("-c", code + "sys.argv = ['dreamina-async', 'logout']\nmain()")
    assert found.returncode == 2
    assert 'pip install "dreamina-async[cli]"' in found.stderr
    assert found.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        "",
        "bulk",
        "completion",
        "credits",
        "demo",
        "emulator",
        "fetch",
        "image",
        "jobs",
        "login",
        "logout",
        "models",
        "resume",
        "status",
        "video",
    ],
)
def test_every_help_has_an_example_or_the_statuses(command, cli):
    call = cli(*command.split(), "--help")
    assert call.status == 0
    assert ("Example: dreamina-async" if command else "Exit status:") in call.out


def test_the_version_is_the_packages(cli):
    assert cli("--version").out.strip() == __import__("dreamina_async").__version__


# ---- signals ---------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_bulk_goes_on_when_run_again(
    number, start, cli, emulator, generated, tmp_path
):
    (tmp_path / "rows.txt").write_text("第一盏灯\n第二盏灯\n第三盏灯\n")
    tokens = ["bulk", "rows.txt", "--out", "o", "--count", "1", "--max-in-flight", "2", "--json"]
    process = start(*tokens)
    event_named(process, "submitted")
    process.send_signal(number)
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 5
    summary = json.loads(out.splitlines()[-1])
    assert (summary["event"], summary["interrupted"]) == ("summary", "interrupted")
    assert 1 <= summary["pending"] <= 2
    assert "still pending; to continue, run the same command again" in err
    assert "Traceback" not in err

    again = cli(*tokens)
    assert again.status == 0
    assert again.events[-1]["done"] == 3
    assert generated() == 3
    assert not emulator.ledger.repeated()


def test_an_interrupted_image_can_be_resumed(start, cli, emulator, generated, tmp_path):
    process = start("image", "风筝", "--count", "1", "--out", "o o", "--json")
    event_named(process, "submitted")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 5
    assert "1 job still pending; continue with: dreamina-async resume --out 'o o'" in err
    assert [job["state"] for job in cli("jobs", "--out", "o o", "--json").events] == ["accepted"]
    assert cli("resume", "--out", "o o").status == 0
    assert len(list((tmp_path / "o o").glob("*/*.png"))) == 1
    assert generated() == 1


@pytest.mark.parametrize(
    "early", ["cyclopts", "dreamina_async.cli.bulk", "dreamina_async.cli.manifest", "aiohttp"]
)
def test_an_interrupt_before_anything_is_sent_is_status_5(early, emulator, generated, tmp_path):
    (tmp_path / "rows.txt").write_text("早\n")
    code = f"""
import signal, sys
class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == {early!r}:
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupts())
sys.argv = ["dreamina-async", "bulk", "rows.txt", "--out", "o"]
from dreamina_async.__main__ import main
main()
"""
    found = python("-c", code, cwd=tmp_path)
    assert found.returncode == 5
    assert "Traceback" not in found.stderr
    assert "dreamina-async resume" in found.stderr
    assert generated() == 0


@pytest.mark.dreamina_emulator(speed=1, generate_latency=(60.0, 60.0))
def test_a_second_signal_leaves_at_once(start, cli, emulator):
    process = start("image", "慢", "--out", "o")
    until(lambda: emulator.requests.peaks.get("generate"))
    process.send_signal(signal.SIGINT)
    assert "press Ctrl-C again" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=LIMIT) == 130
    assert [job["state"] for job in cli("jobs", "--out", "o", "--json").events] == ["intent"]


@pytest.mark.dreamina_emulator(outcome=Outcome(stuck=True))
def test_two_processes_do_not_share_a_folder(start, cli, emulator, tmp_path):
    process = start("image", "门", "--out", "o", "--json")
    event_named(process, "submitted")
    call = cli("image", "窗", "--out", "o")
    assert call.status == 2
    assert "another process" in call.err
    (job,) = cli("jobs", "--out", "o", "--json").events
    assert cli("status", job["submit_id"], "--out", "o").status == 0
    (tmp_path / "rows.txt").write_text("门\n")
    assert "an unknown number of them new" in cli("bulk", "rows.txt", "--dry-run", "--out", "o").err
    assert [job["state"] for job in cli("jobs", "--out", "o", "--json").events] == ["accepted"]


# ---- the emulator, pipes ---------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_emulator_serves_until_it_is_interrupted(number, start, cli, monkeypatch):
    process = start("emulator", "--speed", "500", "--json")
    ready = event_named(process, "emulator")
    for name, value in ready["environment"].items():
        monkeypatch.setenv(name, value)
    assert ready["environment"]["DREAMINA_BASE_URL"] == ready["base_url"]
    assert cli("image", "灯塔", "--count", "1").status == 0
    process.send_signal(number)
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 0
    assert out == ""
    assert f"export DREAMINA_BASE_URL={ready['base_url']}\n" in err
    assert "export DREAMINA_SESSIONID=" in err


def test_a_port_that_is_taken_is_status_2(cli, emulator):
    port = emulator.base_url.rsplit(":", 1)[1]
    call = cli("emulator", "--port", port)
    assert call.status == 2
    assert f"cannot serve at 127.0.0.1:{port}" in call.err


@pytest.mark.parametrize(
    ("host", "port", "shown"),
    [
        ("127.0.0.1", 99999, "127.0.0.1:99999"),
        ("127.0.0.1", -1, "127.0.0.1:-1"),
        ("::1", 99999, "[::1]:99999"),
    ],
)
def test_a_port_that_cannot_be_is_status_2(cli, host, port, shown):
    call = cli("emulator", "--host", host, f"--port={port}")
    assert call.status == 2
    assert f"cannot serve at {shown}: " in call.err
    assert call.err.count("\n") == 1


def test_a_reader_that_leaves_early_is_no_traceback(start):
    process = start("models")
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, err) == (141, "")


def test_a_terminal_gets_a_drawing_and_its_cursor_back(tmp_path):
    pty = pytest.importorskip("pty")
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    with subprocess.Popen(
        [sys.executable, "-m", "dreamina_async", "demo", "--json"],
        stdout=subprocess.DEVNULL,
        stderr=child,
        cwd=tmp_path,
        env=environment,
    ) as process:
        os.close(child)
        drawn = b""
        try:
            while block := os.read(parent, 65536):
                drawn += block
        except OSError:
            pass  # how Linux says that the other end of a terminal has closed
        os.close(parent)
        assert process.wait(timeout=LIMIT) == 0
    text = drawn.decode()
    assert "of 10" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    assert "10 done, 0 failed" in text
