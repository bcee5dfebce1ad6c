"""What a session learns from the jobs that have ended."""

import math

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async._core.foresight import LOGGED, Foresight
from dreamina_async._core.reconcile import Sight
from dreamina_async.models import Progress


def seen(took, forecast=100.0, kind="image", finishing=None, lag=0.0):
    """A job that was looked at just before and just after its end."""
    return Sight(
        kind, since=0.0, foretold=forecast, looked_at=took - lag, finishing_since=finishing
    )


def learnt(*jobs, kind="image"):
    foresight = Foresight()
    for job in jobs:
        foresight.ended(job, job.looked_at)
    return foresight.outlook(kind)


def test_the_logs_count_until_a_few_have_ended():
    jobs = [seen(took) for took in (20.0, 21.0, 22.0, 23.0)]
    assert learnt(*jobs) is LOGGED
    assert learnt(*jobs, seen(24.0)).learnt


def test_forecasts_that_are_wrong_alike_are_as_good_as_true_ones():
    outlook = learnt(*(seen(took, forecast=4 * took) for took in range(10, 50)))
    assert outlook.useful
    assert outlook.low < 0.25 <= outlook.high < 0.3


def test_forecasts_that_tell_nothing_are_not_believed():
    assert not learnt(*(seen(took, forecast=30.0) for took in range(5, 100, 5))).useful


def test_an_end_lies_between_two_looks():
    foresight = Foresight()
    for _ in range(5):
        foresight.ended(seen(54.0, lag=4.0), 54.0)
    assert foresight.outlook("image").high == pytest.approx(0.52)


def test_jobs_that_end_before_their_first_look_bring_it_forward():
    foresight = Foresight()
    for _ in range(5):
        foresight.ended(seen(50.0), 50.0)
    before = foresight.outlook("image").low
    unseen = Sight("image", since=0.0, progress=Progress(forecast=100.0))
    for _ in range(3):
        foresight.ended(unseen, 100 * foresight.outlook("image").low)
    assert foresight.outlook("image").low < 0.8 * before


def test_one_that_hangs_says_nothing_of_the_others():
    jobs = [seen(took) for took in range(40, 60)]
    assert learnt(*jobs, seen(90_000.0)).high < 0.6


def test_a_state_that_is_seen_just_before_the_end_announces_it():
    soon = [seen(50.0, finishing=42.0)] * 6
    assert learnt(*soon).notice == 1.0
    assert learnt(*soon, *[seen(50.0)] * 6).notice == 0.5
    assert learnt(*[seen(50.0, finishing=4.0)] * 6).notice == 0.0  # 45 from the start


def test_only_the_latest_count():
    jobs = [*(seen(50.0) for _ in range(40)), *(seen(5.0) for _ in range(40))]
    assert learnt(*jobs).high == pytest.approx(0.05)


def test_kinds_are_learnt_apart():
    jobs = [seen(50.0, kind="video")] * 6
    assert learnt(*jobs) is LOGGED
    assert learnt(*jobs, kind="video").learnt


@given(
    st.floats() | st.none(),
    st.floats(-1e9, 1e9),
    st.floats(0, 1e9),
    st.floats(-1e9, 1e9) | st.none(),
)
def test_no_fact_makes_an_outlook_that_is_none(forecast, since, age, looked):
    foresight = Foresight()
    for _ in range(6):
        odd = evolve(seen(1.0), foretold=forecast, since=since, looked_at=looked)
        foresight.ended(odd, since + age)
    outlook = foresight.outlook("image")
    assert math.isfinite(outlook.low)
    assert math.isfinite(outlook.high)
