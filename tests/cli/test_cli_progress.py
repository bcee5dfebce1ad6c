"""The tally: events in, counts out."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

import dreamina_async as da
from dreamina_async.cli.meter import Pace, Rate
from dreamina_async.cli.progress import Tally, endings, spending, under_way

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def queued(job, position=None):
    return da.Progressed(job, 0.0, da.Progress(da.Phase.QUEUED), da.QueueInfo(position=position))


def generating(job):
    return da.Progressed(job, 0.0, da.Progress(da.Phase.GENERATING), None)


def file(job, kind="image"):
    media = da.MediaFile(Path("x.png"), kind, 0, 1, 1, "png", 9, "ab")
    return da.FileSaved(job, 0.0, media)


def saved(job):
    result = da.JobResult(job, None, None, (), None, NOW, NOW)
    return da.Saved(job, 0.0, result)


def tally_of(*events, total=None):
    tally = Tally(total)
    for event in events:
        tally.apply(event)
    return tally


def counts(tally):
    standing = tally.standing()
    names = (
        "waiting",
        "queued",
        "generating",
        "downloading",
        "done",
        "failed",
        "unsent",
        "pending",
    )
    return {name: count for name in names if (count := getattr(standing, name))}


def test_a_job_is_counted_once_on_its_way():
    tally = tally_of(da.SubmitWaits("a", 0.0, da.RateLimited("busy")))
    assert counts(tally) == {"waiting": 1}
    for event, stage in [
        (da.Submitted("a", 0.0, "1"), "queued"),
        (queued("a", 4), "queued"),
        (generating("a"), "generating"),
        (da.Finished("a", 0.0, 4, 0), "downloading"),
        (da.Downloading("a", 0.0, 0, 10, 20), "downloading"),
    ]:
        tally.apply(event)
        assert counts(tally) == {stage: 1}
    tally.apply(saved("a"))
    tally.ended("a", da.JobState.DONE)
    assert counts(tally) == {"done": 1}
    assert tally.standing().submitted == 1


def test_a_late_event_does_not_bring_a_job_back():
    tally = Tally()
    tally.ended("a", da.JobState.DONE)
    tally.apply(da.Submitted("a", 0.0, "1"))
    tally.apply(queued("a", 1))
    assert counts(tally) == {"done": 1}
    assert tally.standing().best_position is None


def test_the_best_position_is_that_of_jobs_still_queued():
    tally = tally_of(queued("a", 7), queued("b", 3), queued("c"))
    assert tally.standing().best_position == 3
    tally.apply(generating("b"))
    assert tally.standing().best_position == 7
    tally.apply(queued("a"))
    assert tally.standing().best_position is None


@pytest.mark.parametrize(
    ("state", "counted", "resumable"),
    [
        (da.JobState.DONE, "done", 0),
        (da.JobState.FAILED, "failed", 0),
        (da.JobState.PLANNED, "unsent", 0),
        (da.JobState.ABANDONED, "failed", 0),
        (da.JobState.UNKNOWN, "failed", 1),
        (da.JobState.READY, "failed", 1),
        (da.JobState.INTENT, "pending", 1),
        (da.JobState.ACCEPTED, "pending", 1),
    ],
)
def test_how_each_end_counts(state, counted, resumable):
    tally = Tally()
    tally.ended("a", state)
    assert counts(tally) == {counted: 1}
    assert tally.resumable == resumable


def test_files_by_kind_and_the_last_failures():
    tally = tally_of(file("a"), file("a"), file("b", "video"))
    assert tally.files == {"image": 2, "video": 1}
    for number in range(30):
        tally.ended(str(number), da.JobState.FAILED, label=f"line {number}")
    assert [failure.label for failure in tally.failures][-1] == "line 29"
    assert len(tally.failures) == 10
    assert tally.standing().failed == 30


def test_the_words_leave_out_what_is_zero():
    tally = tally_of(queued("a", 2), queued("b", 5), generating("c"))
    assert under_way(tally.standing()) == ["2 queued (positions 2 to 5)", "1 generating"]
    assert endings(tally.standing()) == ["0 done", "0 failed"]
    tally.apply(generating("a"))
    tally.ended("c", da.JobState.PLANNED)
    assert under_way(tally.standing()) == ["1 queued (position 5)", "1 generating"]
    assert endings(tally.standing()) == ["0 done", "0 failed", "1 not sent"]


def test_what_is_spent_is_what_was_accepted_less_what_cost_nothing():
    tally = Tally()
    for job, price in (("a", 4), ("b", 8), ("c", None), ("d", 16)):
        tally.spend(job, price)
    assert (tally.credits, tally.unpriced) == (28, 1)
    assert spending(28, 1) == ["about 28 credits spent", "price unknown for 1 job"]
    tally.ended("a", da.JobState.DONE)
    tally.ended("b", da.JobState.FAILED, error=da.JobFailed("", "no"))
    tally.ended("c", da.JobState.FAILED, error=da.JobFailed("", "no"))
    tally.ended("d", da.JobState.UNKNOWN, error=da.JobLost("", "unknown"))
    tally.ended("e", da.JobState.PLANNED, error=da.RateLimited(""))
    tally.spend("e", 32)  # an event that comes late
    assert (tally.credits, tally.unpriced) == (20, 0)
    assert spending(0, 0) == []


def test_nobody_knows_the_end_before_a_few_jobs_have_come():
    pace = Pace()
    assert pace(0.0, 0, 10) is None
    assert pace(5.0, 2, 8) is None
    assert pace(6.0, 3, 7) == 14.0
    assert pace(6.0, 3, None) is None
    assert pace(6.0, 10, 0) == 0.0


def test_a_slow_start_is_forgotten_and_a_standstill_is_told():
    pace = Pace()
    pace(0.0, 0, 1000)
    for second in range(100, 400):  # nothing for a while, then one a second
        left = pace(float(second), second - 99, 1000)
    assert left == pytest.approx(1000, rel=0.02)
    assert pace(500.0, 300, 700) > 700
    assert pace(2000.0, 300, 700) is None


def test_a_burst_is_not_a_pace():
    pace = Pace()
    pace(0.0, 0, 5000)
    pace(1.0, 500, 4500)  # what a first batch brings at once
    for second in range(2, 60):
        left = pace(float(second), 500 + second, 4500 - second)
    assert left == pytest.approx(4441, rel=0.1)


def test_a_rate_is_that_of_the_last_seconds():
    rate = Rate()
    assert rate(0.0, 0) == 0.0
    assert rate(1.0, 500) == 500.0
    assert rate(2.0, 1000) == 500.0
    for second in range(3, 20):
        last = rate(float(second), 1000)
    assert last == 0.0


def test_thousands_of_jobs_are_no_burden():
    tally = Tally(5000)
    for number in range(5000):
        tally.apply(da.Submitted(str(number), 0.0, None))
        tally.apply(queued(str(number), number + 1))
    assert tally.standing().best_position == 1
    for number in range(5000):
        tally.ended(str(number), da.JobState.DONE)
    assert counts(tally) == {"done": 5000}
    assert tally.standing().over == 5000
