"""`jobs` and `status` as tables: on a terminal, in a pipe, and for thousands of jobs."""

import io
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve
from rich.cells import cell_len

import dreamina_async as da
from dreamina_async.cli import journal
from dreamina_async.cli.output import Output

NOW = datetime(2026, 11, 21, tzinfo=UTC)
AGES = {
    "planned": timedelta(minutes=2.5),
    "accepted": timedelta(minutes=9.5),
    "failed": timedelta(hours=30),
    "done": timedelta(hours=5.5),
    "unknown": timedelta(days=9.5),
}


def record(number, state, error=None):
    return da.JobRecord(
        job_id=str(uuid.UUID(int=number)),
        submit_id=str(uuid.UUID(int=number)),
        history_id=None if state == "planned" else f"47216064{number:05}",
        state=da.JobState(state),
        request=da.ImageRequest(f"第{number}幅\t雪夜 [bold]小屋 " * 8),
        folder=Path("o"),
        created_at=NOW - AGES[state],
        updated_at=NOW,
        error=error,
        submitted_at=None if state == "planned" else NOW - AGES[state],
    )


@pytest.fixture(scope="module")
def records():
    """Five thousand jobs, in four states."""
    states = ("done", "done", "failed", "accepted", "planned")
    errors = {
        "failed": da.JobFailed("the service says no", "unknown"),
        "planned": da.RateLimited("too many\njobs"),
    }
    return [
        record(number, states[number % 5], errors.get(states[number % 5])) for number in range(5000)
    ]


class Screen(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def on_terminal(monkeypatch):
    """What stands on a terminal of so many columns."""

    def call(columns, records):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys, "stdout", Screen())
        journal.show_records(records, Output(), NOW)
        return sys.stdout.getvalue().splitlines()

    return call


@pytest.mark.parametrize("columns", [100, 160])
def test_a_terminal_gets_aligned_columns_that_fit(columns, records, on_terminal):
    head, *rows = on_terminal(columns, records)
    assert len(rows) == 5000
    assert head.split()[:5] == ["id", "state", "age", "charged", "files"]
    assert max(map(cell_len, (head, *rows))) == columns
    assert {row.index(row.split()[1]) for row in rows} == {head.index("state")}
    assert "unknown  0      the service says no" in rows[2]
    assert ("– 第2幅 雪夜" in rows[2]) is (columns == 160)


def test_a_narrow_terminal_gets_the_shorter_ids(records, on_terminal):
    head, *rows = on_terminal(80, [one for one in records if one.state == "accepted"])
    assert rows[0] == (
        "4721606400003  accepted  9 min  yes      0      第3幅 雪夜 [bold]小屋 第3幅 雪 …"
    )
    assert max(map(cell_len, rows)) <= 80
    assert head.startswith("id             state     age    charged  files  why it failed, prompt")


def test_a_pipe_gets_tabs_and_whole_prompts(records, capsys):
    journal.show_records(records[-1:], Output(), NOW)
    (row,) = capsys.readouterr().out.splitlines()
    assert row.split("\t") == [
        str(uuid.UUID(int=4999)),
        "planned",
        "2 min",
        "no",
        "0",
        f"too many jobs – {'第4999幅 雪夜 [bold]小屋 ' * 8}",
    ]


@pytest.mark.parametrize(
    ("state", "age", "charged"),
    [
        ("planned", "2 min", "no"),
        ("accepted", "9 min", "yes"),
        ("done", "5 h", "yes"),
        ("failed", "1 d", "yes"),
        ("unknown", "9 d", "unknown"),
    ],
)
def test_ages_and_charges_by_state(state, age, charged, capsys):
    journal.show_records([record(1, state)], Output(), NOW)
    assert capsys.readouterr().out.split("\t")[2:4] == [age, charged]


def test_a_job_that_was_only_attached_may_be_nobodys(capsys):
    journal.show_records([evolve(record(1, "accepted"), submitted_at=None)], Output(), NOW)
    assert capsys.readouterr().out.split("\t")[3] == "unknown"


def test_a_state_that_is_none_is_a_wrong_call(cli):
    call = cli("jobs", "--state", "lost")
    assert call.status == 2
    assert "failed" in call.err


def test_what_is_filtered_is_filtered_for_programs_too(cli, emulator):
    assert cli("image", "月", "日", "星", "--count", "1", "--out", "o").status == 0
    assert cli("jobs", "--out", "o", "--state", "failed", "--json").events == []
    call = cli("jobs", "--out", "o", "--state", "done", "--limit", "2", "--json")
    assert [event["state"] for event in call.events] == ["done", "done"]
    assert call.err == "3 jobs in o: 3 done; 2 of them listed\n"
