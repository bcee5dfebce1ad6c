"""Retries of a whole session: a share of its first attempts, and a few besides."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async._core.budget import RetryBudget

shares = st.sampled_from([0.05, 0.2, 1.0])
spares = st.integers(2, 200)
steps = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 0.001, 0.3, 1.0, 20.0, 7200.0]) | st.floats(0, 100),
        st.booleans(),
    ),
    max_size=150,
)


def spent(budget, steps, start=0.0):
    """The retries of a caller that sends one whenever it may, and the first attempts."""
    now, retries, firsts = start, [], []
    for step, first in steps:
        now += step
        if first:
            budget.first(now)
            firsts.append(now)
        while budget.ready_at(now) <= now:
            budget.take(now)
            retries.append(now)
    return retries, firsts


@given(shares, spares, steps, st.sampled_from([0.0, 1e6]))
def test_g6_no_minute_holds_more_retries_than_its_share(share, spare, steps, start):
    retries, firsts = spent(RetryBudget(share, spare), steps, start)
    for n, begin in enumerate(retries):
        window = [one for one in retries[n:] if one <= begin + 60]
        earning = [one for one in firsts if begin <= one <= begin + 60]
        # the first attempt that the first retry of the window stands on is earlier by a hair
        assert len(window) <= share * (len(earning) + 1) + spare + 1e-3


@given(shares, spares, steps)
def test_the_instant_it_names_is_one_at_which_it_opens(share, spare, steps):
    budget, now = RetryBudget(share, spare), 1000.0
    for step, first in steps:
        now += step
        if first:
            budget.first(now)
        now = budget.ready_at(now)
        assert budget.ready_at(now) <= now
        budget.take(now)


@given(spares)
def test_whoever_waits_gets_one_without_any_first_attempt(spare):
    budget, now = RetryBudget(0.2, spare), 0.0
    for _ in range(3 * spare):
        at = budget.ready_at(now)
        assert at - now <= 120 / spare + 1e-6
        now = at
        budget.take(now)


def test_what_a_burst_of_first_attempts_earns():
    budget = RetryBudget(0.2, 20)
    for _ in range(10):
        budget.take(0.0)
    assert budget.ready_at(0.0) == pytest.approx(6.0)
    for _ in range(10):
        budget.first(0.0)
    assert [budget.ready_at(0.0), budget.take(0.0), budget.ready_at(0.0)][::2] == [0.0, 0.0]
    budget.take(0.0)
    assert budget.ready_at(0.0) == pytest.approx(6.0)


def test_an_hour_of_quiet_saves_up_half_a_minutes_worth():
    retries, _ = spent(RetryBudget(0.2, 20), [(3600.0, False), (0.0, False)])
    assert retries == [3600.0] * 10


def test_what_is_spent_after_a_long_quiet_is_spent_then():
    budget = RetryBudget(0.2, 20)
    budget.first(0.0)
    for _ in range(10):
        budget.take(3600.0)
    assert budget.ready_at(3600.0) == pytest.approx(3606.0)
