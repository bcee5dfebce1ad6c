"""The commands, as they are typed; one worker does what there is to do."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fleet_files import on_a_file

from dreamina_async.cli.entry import run
from dreamina_async.emulator import Emulator, run_in_thread

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with run_in_thread(speed=100, outcomes={"bad": "2038"}) as emulator:
        yield emulator


@pytest.fixture
def fleet(tmp_path: Path, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Command:
    for name, value in emulator.credentials_env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DREAMINA_FLEET_DB", f"sqlite:///{tmp_path / 'fleet.db'}")
    monkeypatch.chdir(tmp_path)

    def type_(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "dreamina_async", "fleet", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=55, check=False)

    return type_


def lines(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {one["v"] for one in found} == {1}
    return found


@on_a_file
@pytest.mark.sweep  # at the pace of the real service, which is what the command keeps
def test_from_a_manifest_to_its_results(fleet: Command, emulator: Emulator, tmp_path: Path) -> None:
    Path("prompts.txt").write_text("".join(f"row {row}\n" for row in range(6)) + "bad\n")
    assert fleet("init", "--out", "out", "--rate", "20").returncode == 0
    run = fleet("enqueue", "prompts.txt", "--count", "1").stdout.strip()
    (again,) = lines(fleet("enqueue", "prompts.txt", "--count", "1", "--json"))
    assert (again["event"], again["run"], again["new"]) == ("enqueued", run, False)

    worked = fleet("work", "--json")
    assert worked.returncode == 1, worked.stderr  # one of them failed
    assert {one["event"] for one in lines(worked)} <= {"progress"}
    assert "7 prompts: 6 done, 1 failed" in worked.stderr
    assert "emulated-session" not in worked.stdout + worked.stderr

    states = [one["state"] for one in lines(fleet("results", "prompts.txt", "--json"))]
    assert states == ["done"] * 6 + ["failed"]
    assert fleet("results", run[:8], "--to", "r.jsonl").returncode == 1
    rows = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    assert [one["request"]["prompt"] for one in rows] == [*(f"row {r}" for r in range(6)), "bad"]
    for one in rows[:6]:
        (file,) = one["media"]
        assert (tmp_path / "out" / file["path"]).stat().st_size == file["size"]
    assert rows[6]["error"]["error"] == "ContentRejected" or rows[6]["error"]["message"]
    assert len(emulator.ledger) == 7

    runs = lines(fleet("status", "--json"))
    assert runs[0]["items"] == {"done": 6, "failed": 1}
    assert [one["event"] for one in runs] == ["run", "worker", "worker", "worker"]
    assert lines(fleet("status", run[:8], "--json")) == runs


@on_a_file
def test_what_cannot_be_is_one_line_and_a_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DREAMINA_FLEET_DB", f"sqlite:///{tmp_path / 'fleet.db'}")
    monkeypatch.setenv("DREAMINA_SESSIONID", "a")
    monkeypatch.chdir(tmp_path)
    assert run(["fleet", "work"]) == 2
    assert "fleet init" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert run(["fleet", "init"]) == 0
    assert (tmp_path / "fleet.db").stat().st_mode & 0o777 == 0o600
    capsys.readouterr()
    Path("bad.csv").write_text("prompt,ratio\na,16:9\nb,77:1\n")
    refused = {
        ("enqueue", "bad.csv"): (2, "1 of 2 rows are bad"),
        ("results", "nothing"): (2, "no run is called"),
        ("status", "nothing"): (2, "no run is called"),
        ("status", "--db", "mysql://here/x"): (2, "postgresql://"),
        ("work", "--account", "other one"): (3, "DREAMINA_SESSIONID_OTHER_ONE"),
    }
    for words, (status, reason) in refused.items():
        assert run(["fleet", *words]) == status
        said = capsys.readouterr()
        assert said.out == ""
        assert reason in said.err


def test_without_its_engine_a_fleet_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys\nfor name in ('dbos', 'sqlalchemy'): sys.modules[name] = None\n"
        "from dreamina_async.cli.entry import run\nsys.exit(run(['fleet', 'status']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 2
    assert 'pip install "dreamina-async[fleet]"' in done.stderr
