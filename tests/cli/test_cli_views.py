"""How a run is shown, and how it is summed up: no session, no clock, no terminal."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

import dreamina_async as da
from dreamina_async.cli import live
from dreamina_async.cli.meter import Meter
from dreamina_async.cli.output import Output
from dreamina_async.cli.progress import Tally
from dreamina_async.cli.summary import Summary, report

NARROW, USUAL = (40, 24), (80, 24)


class Watch:
    """A run whose clock the test moves."""

    def __init__(self, total=None):
        self.now = 1000.0
        self.tally = Tally(total)
        self._meter = Meter(self.now)

    def read(self, **statistics):
        return self._meter.read(self.now, self.tally, da.Statistics(**statistics))


class Screen(io.StringIO):
    def isatty(self):
        return True


def terminal(output, size=USUAL, **more):
    screen = Screen()
    width, height = size
    output.console = Console(
        file=screen, force_terminal=True, width=width, height=height, color_system=None, **more
    )
    return screen


def last_frame(screen):
    """What stands on the terminal: what was written since the last time it was wiped."""
    return re.split(r"\r?\x1b\[2K(?:\x1b\[1A\x1b\[2K)*", screen.getvalue())[-1].splitlines()


def crowd():
    """Five thousand jobs, in every stage, with failures by the hundred."""
    watch = Watch(5000)
    for number in range(5000):
        job = str(number)
        watch.tally.apply(da.Submitted(job, 0.0, None))
        watch.tally.spend(job, 4)
        queue = da.QueueInfo(position=number)
        watch.tally.apply(da.Progressed(job, 0.0, da.Progress(), queue))
    for number in range(1500):
        job, error = str(number), da.JobFailed("很长的原因，[red]" * 20, "yes", code="2038")
        if number % 5 == 0:
            watch.tally.apply(da.Failed(job, 0.0, da.JobState.FAILED, error))
            watch.tally.ended(job, da.JobState.FAILED, label=f"line {number}, 猫", error=error)
        else:
            watch.tally.apply(da.Saved(job, 0.0, None))
            watch.tally.ended(job, da.JobState.DONE)
    return watch


def test_plain_lines_come_now_and_then_and_only_with_news(capsys):
    view, watch = live.PlainView(Output()), Watch(40)
    seen = []
    for second in range(400):
        watch.now += 1
        if second < 390:
            watch.tally.apply(da.Submitted(str(second), 0.0, None))
        view.show(watch.read(bytes=2000 * second))
        if line := capsys.readouterr().err:
            seen.append((second, line))
    assert [second for second, _ in seen][:3] == [4, 9, 14]
    assert 15 < len(seen) < 45
    assert seen[1][1] == (
        "0 of 40 (0 %) · 0 done · 0 failed · 10 s, ETA — · 10 queued · "
        "18.0 kB, 2.0 kB/s · 0 status calls\n"
    )


def test_nothing_new_is_not_said_again(capsys):
    view, events, watch = live.PlainView(Output()), live.EventView(Output(json_lines=True)), Watch()
    for _ in range(100):
        watch.now += 1
        view.show(watch.read())
        events.show(watch.read())
    out, err = capsys.readouterr()
    assert (out.count("\n"), err.count("\n")) == (1, 1)


def test_progress_events_come_every_two_seconds_while_there_is_news(capsys):
    view, watch = live.EventView(Output(json_lines=True)), Watch(40)
    for second in range(20):
        watch.now += 0.5
        watch.tally.apply(da.Submitted(str(second), 0.0, None))
        watch.tally.spend(str(second), 3)
        view.show(watch.read(bytes=1000, status_calls=2))
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["seconds"] for event in events] == [2.0, 4.0, 6.0, 8.0, 10.0]
    assert events[-1] == {
        "v": 1,
        "event": "progress",
        "total": 40,
        "submitted": 20,
        "done": 0,
        "failed": 0,
        "unsent": 0,
        "pending": 0,
        "waiting": 0,
        "queued": 20,
        "best_position": None,
        "worst_position": None,
        "generating": 0,
        "downloading": 0,
        "seconds": 10.0,
        "eta": None,
        "bytes": 1000,
        "bytes_per_second": 0.0,
        "status_calls": 2,
        "calls_per_job": None,
        "credits": 60,
        "unpriced": 0,
    }


def test_five_thousand_jobs_are_a_handful_of_lines():
    output = Output()
    screen = terminal(output)
    watch = crowd()
    view = live.LiveView(output.console)
    watch.now += 100
    view.show(watch.read(bytes=5_000_000, status_calls=600))
    bar, *lines = last_frame(screen)
    assert bar.strip("\x1b[?25l ") == "━" * 18 + "─" * 42
    assert lines[:-3] == [
        "1500 of 5000 (30 %) · 1200 done · 300 failed · 1 min 40 s, ETA 3 min 53 s",
        "3500 queued (positions 1500 to 4999)",
        "5.0 MB, 50.0 kB/s · 600 status calls (0.50 a job) · about 20000 credits spent",
    ]
    assert [line.partition(":")[0] for line in lines[-3:]] == [
        "✗ line 1485, 猫",
        "✗ line 1490, 猫",
        "✗ line 1495, 猫",
    ]
    assert all(line.rstrip().endswith("…") and "[red]" in line for line in lines[-3:])
    view.close()


@pytest.mark.parametrize("size", [USUAL, NARROW, (20, 10), (200, 60)])
def test_the_drawing_stays_within_the_terminal(size):
    output = Output()
    screen = terminal(output, size)
    watch = crowd()
    view = live.LiveView(output.console)
    for _ in range(3):
        watch.now += 1
        view.show(watch.read())
    width, height = size
    frame = last_frame(screen)
    view.close()
    assert len(frame) <= height
    assert max(cell_len(line) for line in frame) <= width


def test_a_drawing_is_one_write_over_the_last_one():
    """Wiping and drawing in two steps would flicker."""
    output = Output()
    screen = terminal(output)
    watch = crowd()
    view = live.LiveView(output.console)
    view.show(watch.read())
    writes = []
    screen.write = writes.append
    watch.now += 1
    view.show(watch.read())
    assert len(writes) == 1
    assert "\x1b[2J" not in writes[0]
    view.close()


@pytest.mark.parametrize(
    ("flags", "on_terminal", "views"),
    [
        ({}, True, [live.LiveView]),
        ({}, False, [live.PlainView]),
        ({"verbose": True}, True, [live.PlainView]),
        ({"quiet": True}, True, []),
        ({"json_lines": True}, False, [live.PlainView, live.EventView]),
        ({"json_lines": True, "quiet": True}, True, [live.EventView]),
    ],
)
def test_the_views_suit_terminal_and_user(flags, on_terminal, views, capsys):
    output = Output(**flags)
    if on_terminal:
        terminal(output)
    chosen = live.views_for(output)
    for view in chosen:
        view.show(Watch().read())
        view.close()
    assert [type(view) for view in chosen] == views


def test_a_log_that_pretends_to_be_a_terminal_gets_lines(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert [type(view) for view in live.views_for(Output())] == [live.PlainView]


def test_a_dumb_terminal_gets_lines():
    output = Output()
    terminal(output, _environ={"TERM": "dumb"})
    assert [type(view) for view in live.views_for(output)] == [live.PlainView]


@pytest.mark.parametrize("no_color", ["", "1"])
def test_no_color_is_heeded(monkeypatch, no_color):
    monkeypatch.setenv("NO_COLOR", no_color)
    output, screen = Output(), Screen()
    output.console = Console(file=screen, force_terminal=True, color_system="standard")
    view = live.LiveView(output.console)
    view.show(crowd().read())
    view.close()
    assert ("\x1b[31m" in screen.getvalue()) is (not no_color)


def summary(tally, **facts):
    usual = {
        "tally": tally,
        "statistics": da.Statistics(submits=3, status_calls=4, retries=1, bytes=7_000_000),
        "seconds": 12.3,
        "out": Path("o"),
        "status": 0,
        "owed": 0,
        "never_sent": None,
        "skipped": 0,
        "interrupted": None,
        "again": None,
    }
    return Summary(**(usual | facts))


def test_a_summary_counts_what_came_and_what_did_not(capsys):
    tally = Tally(14)
    tally.ended("a", da.JobState.DONE, partial=True)
    for number in range(12):
        tally.ended(str(number), da.JobState.FAILED, label=f"line {number}")
    tally.ended("u", da.JobState.UNKNOWN, label="u", error=da.JobLost("nobody knows"))
    report(summary(tally, skipped=2), Output())
    assert capsys.readouterr().err.splitlines() == [
        "1 done (1 of them before), 13 failed, 2 rows skipped in 12.3 s",
        "no files saved, 7.0 MB in o",
        "4 status calls, 3 submit attempts, 1 retry",
        "failed:",
        "  … and 3 before these",
        *(f"  line {number}: failed" for number in range(3, 12)),
        "  u: nobody knows",
        "1 job brought fewer files than the service was asked for",
        "1 job can still come home; continue with: dreamina-async resume --out o",
    ]


def test_what_is_owed_is_counted_once_and_never_called_unsent(capsys):
    tally = Tally(6)
    for job, state in (("d", da.JobState.DONE), ("u", da.JobState.UNKNOWN)):
        tally.ended(job, state)
    report(summary(tally, interrupted="time is up", owed=3), Output(json_lines=True))
    facts = json.loads(capsys.readouterr().out)
    names = ("done", "failed", "unsent", "pending", "resumable")
    assert [facts[name] for name in names] == [1, 1, 1, 3, 4]


def test_an_interrupted_run_says_how_to_go_on(capsys):
    tally = Tally(3)
    report(summary(tally, interrupted="time is up", owed=2), Output())
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == (
        "time is up: 2 jobs still pending; continue with: dreamina-async resume --out o"
    )


def test_the_hint_can_be_pasted_into_a_shell(capsys):
    report(summary(Tally(3), interrupted="time is up", owed=2, out=Path("my runs/一")), Output())
    assert capsys.readouterr().err.endswith("resume --out 'my runs/一'\n")


def test_what_was_never_sent_is_not_called_failed(capsys):
    tally = Tally(30)
    for number in range(9):
        error = da.InsufficientCredit("not enough", code="1006", logid=str(number))
        tally.ended(str(number), da.JobState.PLANNED, label=f"line {number}", error=error)
    tally.ended("x", da.JobState.FAILED, label="line 10", error=da.JobFailed("no", "yes"))
    report(summary(tally, owed=8, status=4, again="run it again"), Output(json_lines=True))
    out, err = capsys.readouterr()
    assert err.splitlines() == [
        "0 done, 1 failed, 21 not sent, 8 still pending in 12.3 s",
        "no files saved, 7.0 MB in o",
        "4 status calls, 3 submit attempts, 1 retry",
        "failed:",
        "  line 0: not enough (code 1006; log id 0) (and 8 others)",
        "  line 10: no (charged: yes)",
        "8 jobs can still come home; run it again",
    ]
    facts = json.loads(out)
    assert (facts["failed"], facts["unsent"], facts["pending"]) == (1, 21, 8)


@pytest.mark.parametrize(
    ("again", "last"),
    [
        ("run it again", "4 jobs not sent; run it again"),
        (None, "0 status calls, 0 submit attempts, 0 retries"),
    ],
)
def test_only_a_command_that_never_pays_twice_is_to_be_run_again(again, last, capsys):
    tally = Tally(5)
    tally.ended("a", da.JobState.DONE)
    report(summary(tally, statistics=da.Statistics(), again=again), Output())
    assert capsys.readouterr().err.splitlines()[-1] == last


def test_many_failures_are_listed_by_another_command(capsys):
    tally = Tally(11)
    for number in range(11):
        tally.ended(str(number), da.JobState.FAILED, label=f"line {number}")
    report(summary(tally), Output())
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "all that failed: dreamina-async jobs --state failed --out o"
