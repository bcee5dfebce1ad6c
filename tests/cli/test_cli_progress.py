"""The tally: events in, counts out."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

import dreamina_async as da
from dreamina_async.cli.progress import Rate, Tally, stage_line

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
    names = ("waiting", "queued", "generating", "downloading", "done", "failed", "pending")
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
        (da.JobState.PLANNED, "failed", 0),
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


def test_the_line_leaves_out_what_is_zero():
    tally = tally_of(queued("a", 2), queued("b", 5), generating("c"))
    line = stage_line(tally.standing())
    assert line == "2 queued (best position 2) · 1 generating · 0 done · 0 failed"


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
