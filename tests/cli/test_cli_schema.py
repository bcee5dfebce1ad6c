"""The table of `--json` events in the reference is what really comes."""

import io
import re
import sys
from pathlib import Path

import pytest
from fleet_files import on_a_file

from dreamina_async.emulator import Outcome

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "command-line.md"
ROW = re.compile(r"^\| `(\w+)` \|[^|]*\| (.*) \|$", re.MULTILINE)
FIELD = re.compile(r"`(\w+)(\??)`")


def documented():
    """Event -> the fields that each of its lines has, and those that it may have."""
    _, _, section = PAGE.read_text("utf-8").partition("## JSON lines")
    section, *_ = section.partition("\n## ")
    for name, cells in ROW.findall(section):
        fields = FIELD.findall(cells)
        always = {field for field, maybe in fields if not maybe}
        yield name, (always, always | {field for field, _ in fields})


SCHEMA = dict(documented())


@pytest.fixture
def seen(cli, emulator, monkeypatch, tmp_path):
    """Every event that a tour through all commands brings."""
    events = []

    def tour(*tokens):
        events.extend(cli(*tokens, "--json").events)
        return events

    monkeypatch.setattr(sys, "stdin", io.StringIO("kept0123456789abcdef\n"))
    (tmp_path / "rows.txt").write_text("雪\n雨\n风\n")
    (tmp_path / "bad.csv").write_text("prompt,count\nx,99\n")
    tour("bulk", "rows.txt", "--dry-run", "--out", "o")
    tour("bulk", "rows.txt", "--out", "o", "--count", "1")
    tour("bulk", "bad.csv", "--out", "o")
    tour("jobs", "--out", "o")
    tour("status", events[-1]["job_id"])
    tour("credits", "--receive", "--out", "o")
    tour("models")
    tour("gallery", "o")
    tour("export", "o", "--to", "jobs.jsonl")
    for words in (("init",), ("enqueue", "rows.txt"), ("status",), ("reap",)):
        tour("fleet", *words)
    tour("fleet", "results", "rows.txt")
    tour("fleet", "results", "rows.txt", "--to", "results.jsonl")
    tour("login", "--stdin")
    return tour("logout")


@on_a_file
# slow enough for `progress`, which comes every two seconds
@pytest.mark.dreamina_emulator(
    speed=25, queue=(30.0, 30.0), image_limit=1, outcomes={"雨": Outcome(fail_code="2038")}
)
def test_every_event_and_field_is_in_the_reference_and_nothing_else(seen):
    # `emulator` has a process of its own, see `test_cli_process`
    assert {event["event"] for event in seen} == SCHEMA.keys() - {"emulator"}
    for event in seen:
        assert event.pop("v") == 1
        name = event.pop("event")
        always, may = SCHEMA[name]
        assert always <= event.keys() <= may, name
