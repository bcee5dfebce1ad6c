"""In any window of w seconds at most `rate * w + burst` calls go out."""

from itertools import accumulate
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async._core.ceiling import Ceiling

steps = st.lists(
    st.sampled_from([0.0, 0.0, 1e-9, 0.001, 0.1, 0.5, 1.0, 5.0]) | st.floats(0, 10_000), max_size=80
)
rates = st.sampled_from([0.1, 0.3, 1.0, 2.0, 7.0]) | st.floats(0.01, 100)
bursts = st.integers(1, 5)


def taken(ceiling, instants):
    """The calls of a caller that goes whenever it may."""
    calls = []
    for now in instants:
        while ceiling.ready_at(now) <= now:
            ceiling.take(now)
            calls.append(now)
    return calls


@given(rates, bursts, steps, st.sampled_from([0.0, -5.0, 1e6]))
def test_no_window_holds_more_than_its_share(rate, burst, steps, start):
    calls = taken(Ceiling(rate, burst), accumulate(steps, initial=start))
    for first, begin in enumerate(calls):
        for last in range(first, len(calls)):
            assert last - first + 1 <= rate * (calls[last] - begin) + burst + 1e-3


@given(rates, bursts, steps)
def test_the_instant_it_names_is_one_at_which_it_opens(rate, burst, steps):
    ceiling, now = Ceiling(rate, burst), 1000.0
    for step in steps:
        at = ceiling.ready_at(now)
        assert at >= now
        assert ceiling.ready_at(at) <= at
        now = max(at, now + step)
        ceiling.take(now)


@given(rates, bursts)
def test_a_patient_caller_gets_the_full_rate(rate, burst):
    ceiling, now = Ceiling(rate, burst), 50.0
    for _ in range(100):
        now = max(now, ceiling.ready_at(now))
        ceiling.take(now)
    assert now - 50.0 == pytest.approx((100 - burst) / rate)


def test_a_stalled_loop_earns_one_burst_and_no_more():
    ceiling = Ceiling(1.0, 2)
    assert taken(ceiling, [0.0, 0.0, 0.5, 1.0]) == [0.0, 0.0, 1.0]
    assert taken(ceiling, [86_400.0, 86_400.0]) == [86_400.0] * 2


def test_a_pause_is_kept_and_a_shorter_one_does_not_end_it():
    ceiling = Ceiling(1.0, 2)
    ceiling.pause(30.0)
    ceiling.pause(10.0)
    assert ceiling.ready_at(0.0) == 30.0
    assert ceiling.ready_at(29.9) == 30.0
    assert ceiling.ready_at(30.0) == 30.0
    assert taken(ceiling, [15.0, 31.0]) == [31.0, 31.0]


def test_a_pause_does_not_forgive_what_was_spent():
    ceiling = Ceiling(0.1, 1)
    ceiling.take(0.0)
    ceiling.pause(3.0)
    assert ceiling.ready_at(4.0) == pytest.approx(10.0)


delays = st.lists(st.tuples(st.floats(0, 3), st.floats(0, 20)), max_size=60)


@given(rates, bursts, delays)
def test_t8_no_window_holds_more_than_its_share_however_late_calls_leave(rate, burst, delays):
    """Slow connections and a loop that stands still: what counts is the first byte."""
    ceiling, now = Ceiling(rate, burst), 0.0
    waiting, left = [], []

    def leave(until):
        for at in sorted(one for one in waiting if one <= until):
            waiting.remove(at)
            ceiling.left(at)
            left.append(at)

    for step, delay in delays:
        now += step
        leave(now)
        if not ceiling.full and ceiling.ready_at(now) <= now:
            ceiling.take(now)
            ceiling.hold(now)
            waiting.append(now + delay)
    leave(float("inf"))
    for first, begin in enumerate(left):
        for last in range(first, len(left)):
            assert last - first + 1 <= rate * (left[last] - begin) + burst + 1e-3


def test_as_many_are_held_as_may_leave_at_once():
    ceiling = Ceiling(1.0, 2)
    for _ in range(2):
        assert not ceiling.full
        ceiling.take(0.0)
        ceiling.hold(0.0)
    assert ceiling.full
    ceiling.left(90.0)
    assert not ceiling.full
    assert ceiling.ready_at(90.0) == pytest.approx(91.0)


def test_when_all_that_were_held_have_left_the_whole_burst_is_free_again():
    ceiling = Ceiling(1.0, 2)
    for _ in range(2):
        ceiling.take(0.0)
        ceiling.hold(0.0)
    for _ in range(2):
        ceiling.left(5.0)
    assert taken(ceiling, [90.0, 90.0, 90.0]) == [90.0, 90.0]


def test_t2_a_clock_that_goes_back_earns_nothing():
    ceiling = Ceiling(1.0, 1)
    ceiling.take(100.0)
    assert ceiling.ready_at(40.0) > 40.0
    assert ceiling.ready_at(100.5) == pytest.approx(101.0)


def test_what_a_retry_waits_for_is_taken_back_when_it_succeeds() -> None:
    """Or the first good reply after an outage would leave every other job waiting on."""
    ceiling = Ceiling(1.0, 2)
    ceiling.retry_at = 30.0
    assert ceiling.ready_at(0.0) == 30.0
    ceiling.retry_at = -inf
    assert ceiling.ready_at(0.0) == 0.0
