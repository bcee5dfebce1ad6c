"""In any window of w seconds at most `rate * w + burst` calls go out."""

from itertools import accumulate

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
