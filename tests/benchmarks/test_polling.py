"""The polling benchmark runs, keeps under the ceiling and sees every job end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).parents[2] / "benchmarks" / "polling.py"


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("polling")
    command = [sys.executable, str(_SCRIPT), "--short", "--out", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "polling.json").read_text(encoding="utf-8"))


def _rows(figures: dict) -> list[tuple[str, str, dict]]:
    return [
        (name, way, row)
        for name, scenario in figures["scenarios"].items()
        for way, row in scenario["ways"].items()
    ]


def test_every_scenario_has_our_own_figures(figures):
    assert figures["short"] is True
    assert figures["goals"]
    assert all("ours" in scenario["ways"] for scenario in figures["scenarios"].values())


def test_every_job_is_seen_to_end(figures):
    assert [(name, way) for name, way, row in _rows(figures) if row["missed"]] == []


def test_our_calls_never_pass_the_ceiling(figures):
    ours = [(name, row) for name, way, row in _rows(figures) if way == "ours"]
    assert [name for name, row in ours if row["over"]] == []
    assert any(row["shares"] is not None for _, row in ours)
