"""How a run is shown, and how it is summed up: no session, no clock, no terminal."""

import io
from pathlib import Path

import pytest
from rich.console import Console

import dreamina_async as da
from dreamina_async.cli import live
from dreamina_async.cli.output import Output
from dreamina_async.cli.progress import Tally
from dreamina_async.cli.summary import Summary, report, resume_hint


class Clock:
    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(live, "time", clock)
    return clock


def terminal(monkeypatch, output):
    screen = io.StringIO()
    output.console = Console(file=screen, force_terminal=True, width=60, color_system=None)
    return screen


def test_plain_lines_come_now_and_then_and_only_with_news(capsys, clock):
    view, tally = live.PlainView(Output()), Tally(40)
    seen = []
    for second in range(400):
        clock.now += 1
        if second < 390:
            tally.apply(da.Submitted(str(second), 0.0, None))
        view.show(tally, da.Statistics(bytes=2000 * second))
        if line := capsys.readouterr().err:
            seen.append((second, line))
    assert [second for second, _ in seen][:3] == [4, 9, 14]
    assert 15 < len(seen) < 45
    assert seen[1][1] == (
        "0 of 40: 10 queued · 0 done · 0 failed · 18.0 kB, 2.0 kB/s · 0 status calls\n"
    )


def test_nothing_new_is_not_said_again(capsys, clock):
    view = live.PlainView(Output())
    for _ in range(100):
        clock.now += 1
        view.show(Tally(), da.Statistics())
    assert capsys.readouterr().err.count("\n") == 1


def test_the_drawing_says_it_all_within_the_width(monkeypatch, clock):
    output = Output()
    screen = terminal(monkeypatch, output)
    tally = Tally(9)
    tally.apply(da.Submitted("a", 0.0, None))
    for number in range(5):
        error = da.JobFailed("很长的原因，" * 20)
        tally.ended(str(number), da.JobState.FAILED, label=f"line {number}", error=error)
    view = live.LiveView(output.console)
    clock.now += 3
    view.show(tally, da.Statistics(bytes=5_000_000, status_calls=1))
    view.close()
    drawn = screen.getvalue()
    assert "5 of 9" in drawn
    assert "1 queued · 0 done · 5 failed" in drawn
    assert "5.0 MB, 1.7 MB/s · 1 status call" in drawn
    assert "✗ line 4: 很长" in drawn
    assert "line 1" not in drawn


@pytest.mark.parametrize(
    ("flags", "on_terminal", "view"),
    [
        ({}, True, live.LiveView),
        ({}, False, live.PlainView),
        ({"verbose": True}, True, live.PlainView),
        ({"quiet": True}, True, live.NoView),
    ],
)
def test_the_view_suits_terminal_and_user(monkeypatch, flags, on_terminal, view):
    output = Output(**flags)
    if on_terminal:
        terminal(monkeypatch, output)
    chosen = live.view_for(output)
    chosen.show(Tally(), da.Statistics())
    chosen.close()
    assert type(chosen) is view


def summary(tally, **facts):
    usual = {
        "tally": tally,
        "statistics": da.Statistics(submits=3, status_calls=4, retries=1, bytes=7_000_000),
        "seconds": 12.3,
        "out": Path("o"),
        "status": 0,
        "owed": None,
        "skipped": 0,
        "interrupted": None,
        "again": resume_hint(Path("o")),
    }
    return Summary(**(usual | facts))


def test_a_summary_counts_what_came_and_what_did_not(capsys):
    tally = Tally(15)
    tally.ended("a", da.JobState.DONE, partial=True)
    for number in range(12):
        tally.ended(str(number), da.JobState.FAILED, label=f"line {number}")
    tally.ended("u", da.JobState.UNKNOWN, label="u", error=da.JobLost("nobody knows"))
    report(summary(tally, skipped=2), Output())
    assert capsys.readouterr().err.splitlines() == [
        "1 done (1 of them before), 13 failed, 2 rows skipped in 12.3 s",
        "0 images and 0 videos saved, 7.0 MB in o",
        "4 status calls, 3 submitted, 1 retry",
        "failed:",
        "  … and 3 before these",
        *(f"  line {number}: failed" for number in range(3, 12)),
        "  u: nobody knows",
        "1 job brought fewer files than the service was asked for",
        "1 job can still come home; continue with: dreamina-async resume --out o",
    ]


def test_an_interrupted_run_says_how_to_go_on(capsys):
    tally = Tally(3)
    report(summary(tally, interrupted="time is up", owed=2), Output())
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == (
        "time is up: 2 jobs still pending; continue with: dreamina-async resume --out o"
    )


def test_the_hint_can_be_pasted_into_a_shell():
    assert resume_hint(Path("my runs/一")).endswith("--out 'my runs/一'")
