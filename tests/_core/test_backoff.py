"""Intervals stay within the policy; a submit is sent again only when that is safe."""

import math

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async import errors as e
from dreamina_async._core.backoff import (
    Step,
    backoff_after,
    first_look_after,
    jitter,
    next_look_after,
    refresh_helps,
    slows_all,
    spread,
    submit_verdict,
)
from dreamina_async._core.codes import error_for
from dreamina_async._core.foresight import Outlook
from dreamina_async._core.reconcile import Sight
from dreamina_async.models import Phase, Progress, QueueInfo
from dreamina_async.settings import PollingPolicy, RetryPolicy

POLLING, RETRYING = PollingPolicy(), RetryPolicy()
JOB = "19637d71-15df-445e-b86d-490f3549cb85"

odd_floats = st.none() | st.floats(-1e9, 1e9) | st.sampled_from([math.inf, -math.inf, math.nan])
odd_ints = st.none() | st.integers(-5, 10**6)
kinds = st.sampled_from(["image", "video"])
seconds = st.floats(0.1, 100)


@st.composite
def sights(draw):
    progress = Progress(draw(st.sampled_from(list(Phase))), forecast=draw(odd_floats))
    foretold = draw(odd_floats)
    queue = st.none() | st.builds(QueueInfo, odd_ints, odd_ints, odd_ints, odd_floats, odd_floats)
    return Sight(
        draw(kinds),
        since=0.0,
        looks_failed=draw(st.integers(0, 2)),
        foretold=foretold,
        progress=progress,
        queue=draw(queue),
    )


@st.composite
def policies(draw):
    names = ("image_interval", "video_interval", "image_median", "video_median", "max_interval")
    return PollingPolicy(**{name: draw(seconds) for name in names})


outlooks = st.builds(Outlook, st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1), st.booleans())


@given(sights(), st.floats(0, 1e7), policies(), outlooks)
def test_no_fact_takes_an_interval_out_of_the_policy(sight, age, policy, outlook):
    interval = policy.image_interval if sight.kind == "image" else policy.video_interval
    least = min(0.75 * interval, 5.0, policy.max_interval)
    assert least <= next_look_after(sight, age, policy, outlook) <= policy.max_interval
    assert min(least, 1.0) <= first_look_after(sight, policy, outlook) <= policy.max_interval


def sight(kind="image", phase=Phase.GENERATING, queue=None, forecast=None, **facts):
    progress = Progress(phase, forecast=forecast)
    return Sight(kind, since=0.0, progress=progress, queue=queue, **facts)


KINDS = [("image", 15.0), ("video", 120.0)]


@pytest.mark.parametrize(("kind", "median"), KINDS)
def test_the_first_look_comes_before_half_of_the_jobs_are_done(kind, median):
    assert 0.2 * median <= first_look_after(sight(kind), POLLING) < median / 2


@pytest.mark.parametrize(("kind", "median"), KINDS)
def test_a_wrong_forecast_moves_the_first_look_only_a_little(kind, median):
    def first(forecast):
        return first_look_after(sight(kind, forecast=forecast), POLLING)

    looks = [first(forecast) for forecast in (0.01, 1, 30, 90, 86_400)]
    assert looks == sorted(looks)
    assert looks[0] >= 1.0
    assert first(None) <= looks[-1] <= 0.6 * median


@pytest.mark.parametrize(
    ("kind", "forecast", "after"),
    [
        ("image", None, 6.0),  # one and a half intervals of 4
        ("video", None, 24.0),  # a fifth of the median of 120
        ("image", 0.5, 1.0),  # never sooner
        ("image", 1.0, 1.1),  # its latest end
        ("video", 20.0, 22.0),
        ("image", 20.0, 7.4),  # its earliest end
        ("image", 90.0, 8.0),  # two intervals
    ],
)
def test_the_first_look_in_figures(kind, forecast, after):
    assert first_look_after(sight(kind, forecast=forecast), POLLING) == pytest.approx(after)


@pytest.mark.parametrize(
    ("kind", "forecast", "age", "after"),
    [
        ("image", None, 1.0, 5.0),  # a free look does not bring the first one forward
        ("image", 60.0, 10.0, 4.8),  # stretched by a fifth while the forecast lasts
        ("image", 60.0, 60.0, 4.300697),  # 1.7 intervals times the root of 6 s in 15
        ("image", 60.0, 65.0, 4.0),  # never below the interval
        ("image", 60.0, 70.0, 4.0),  # run out
        ("image", 400.0, 200.0, 10.0),  # a long stretch gives way to age
        ("image", 150.0, 160.0, 4.0),  # and age to an end that is near
        ("image", 150.0, 164.5, 4.0),
        ("image", 100.0, 1.1 * 100, 5.5),  # the very end is past it
        ("video", 100.0, 60.0, 13.168143),
    ],
)
def test_the_next_look_in_figures(kind, forecast, age, after):
    wait = next_look_after(sight(kind, forecast=forecast), age, POLLING)
    assert wait == pytest.approx(after, abs=1e-6)


@pytest.mark.parametrize(
    ("forecast", "age", "after"),
    [
        (200.0, 100.0, 8.0),  # the forecast agrees
        (100.0, 37.0, 8.0),
        (100.0, 36.0, 9.0),  # it does not yet
        (100.0, 109.0, 8.0),
        (100.0, 1.1 * 100, 9.0),  # nor any more
        (None, 30.0, 9.0),
        (None, 239.0, 9.0),
        (None, 240.0, 12.0),  # two medians old: not believed
    ],
)
def test_a_video_about_to_finish_in_figures(forecast, age, after):
    one = sight("video", phase=Phase.FINISHING, forecast=forecast)
    assert next_look_after(one, age, POLLING) == pytest.approx(after)


@pytest.mark.parametrize(
    ("notice", "age", "after"),
    [
        (0.0, 20.0, 20.0),  # nothing ends before 0.4 of 100 s
        (0.0, 60.0, 4.8),  # then the cadence, and a fifth more
        (1.0, 60.0, 16.0),  # a state will announce the end: four times the cadence
        (0.5, 60.0, 10.4),
        (1.0, 89.0, 6.196773),  # it narrows: 6 intervals times the root of 1 s in 15
        (1.0, 90.0, 4.5),  # and past its end only age counts
    ],
)
def test_what_has_been_learnt_spares_looks(notice, age, after):
    one = evolve(sight(), foretold=100.0)
    wait = next_look_after(one, age, POLLING, Outlook(0.4, 0.9, notice))
    assert wait == pytest.approx(after, abs=1e-6)


def test_what_scatters_tells_nothing():
    told, blind = evolve(sight(), foretold=100.0), sight()
    for age in (1.0, 10.0, 50.0, 200.0):
        wait = next_look_after(told, age, POLLING, Outlook(0.1, 0.9, 1.0))
        assert wait == next_look_after(blind, age, POLLING)


def test_a_learnt_forecast_counts_from_the_first_one_that_was_told():
    """The service may count it down."""
    late = evolve(sight(forecast=20.0), foretold=100.0)
    assert next_look_after(late, 10.0, POLLING, Outlook(0.4, 0.9)) == 30.0
    assert next_look_after(late, 70.0, POLLING, Outlook(0.4, 0.9)) == pytest.approx(4.8)


def test_short_intervals_of_a_policy_are_kept():
    quick = PollingPolicy(image_interval=0.4, image_median=1.0)
    waiting = sight(phase=Phase.QUEUED, queue=QueueInfo(position=None, interval=30.0))
    for one in (sight(), waiting, sight(queue=QueueInfo(position=3, interval=30.0))):
        assert next_look_after(one, 0.5, quick) == 0.4
    assert next_look_after(sight(phase=Phase.FINISHING), 0.5, quick) == pytest.approx(0.3)


def test_ages_count_from_when_the_service_got_it():
    late = evolve(sight(), since=1000.0)
    assert next_look_after(late, 1001.0, POLLING) == 5.0
    assert next_look_after(late, 1200.0, POLLING) == 10.0


def test_growth_with_age_for_what_is_stuck():
    waits = [next_look_after(sight(), age, POLLING) for age in (20, 80, 200, 1200, 86_400)]
    assert waits == [4.0, 4.0, 10.0, 60.0, 60.0]


@pytest.mark.parametrize(("kind", "median"), KINDS)
def test_a_job_about_to_finish_is_seen_sooner(kind, median):
    finishing, running = sight(kind, phase=Phase.FINISHING), sight(kind)
    for age in (median / 2, median, 1.9 * median):
        soon, usual = (next_look_after(one, age, POLLING) for one in (finishing, running))
        assert soon < usual


def test_what_finishes_for_ever_is_asked_for_less_and_less():
    finishing = sight(phase=Phase.FINISHING)
    assert next_look_after(finishing, 600.0, POLLING) == 30.0


def test_a_failure_waits_only_to_be_confirmed():
    assert next_look_after(sight(looks_failed=1), 5_000.0, POLLING) == 4.0


def queued(position, interval=30.0, age=200.0):
    queue = QueueInfo(position=position, interval=interval)
    return next_look_after(sight(phase=Phase.QUEUED, queue=queue), age, POLLING)


def test_the_policys_longest_interval_binds_every_look():
    policy = PollingPolicy(max_interval=3.0)
    assert first_look_after(sight(), policy) == 3.0
    assert next_look_after(sight(), 20.0, policy) == 3.0
    assert next_look_after(sight(looks_failed=1), 20.0, policy) == 3.0


def test_the_first_in_the_queue_is_asked_as_the_server_says_by_its_age():
    assert queued(position=1) == 20.0
    assert queued(position=1, interval=15.0) == 15.0
    assert queued(position=1, interval=None) == 10.0


def test_in_the_queue_the_servers_own_interval_comes_to_hold():
    assert queued(position=0) == queued(position=None) == 10.0
    assert 10.0 < queued(position=463) <= queued(position=463, age=400.0) == 30.0
    assert queued(position=4795, interval=86_400.0, age=86_400.0) == 60.0


def test_the_servers_interval_does_not_hold_up_a_job_that_runs():
    running = sight(queue=QueueInfo(position=0, interval=30.0))
    assert next_look_after(running, 20.0, POLLING) == 4.0
    last_seen_third = sight(queue=QueueInfo(position=3, interval=30.0))
    assert next_look_after(last_seen_third, 100.0, POLLING) == 5.0


@given(sights(), st.floats(0, 1e6))
def test_what_the_server_asks_for_never_makes_it_faster(sight, age):
    calm = evolve(sight, queue=None)
    assert next_look_after(sight, age, POLLING) >= next_look_after(calm, age, POLLING)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 1000))
def test_jitter_is_a_fixed_number_below_one(key, attempt):
    assert 0 <= jitter(key, attempt) < 1
    assert jitter(key, attempt) == jitter(key, attempt)
    assert 0.95 * 8 <= spread(8, key, attempt) <= 1.05 * 8


def test_jitter_spreads_equal_timers():
    assert len({round(jitter(f"job-{n}", 1), 2) for n in range(1000)}) > 90
    assert jitter(JOB, 1) != jitter(JOB, 2)


def test_every_job_and_attempt_has_a_timer_of_its_own():
    error = e.TransportError("x", sent=False)
    turns = [("a", 10), ("b", 10), ("a", 11)]
    assert len({spread(8, *turn) for turn in turns}) == 3
    assert len({backoff_after(error, *turn, RETRYING) for turn in turns}) == 3
    assert len({submit_verdict(error, *turn, RETRYING).after for turn in turns}) == 3


def test_backoff_uses_the_whole_upper_half():
    waits = [backoff_after(e.TransportError("x"), str(n), 1, RETRYING) for n in range(200)]
    assert min(waits) == pytest.approx(0.5, abs=0.02)
    assert max(waits) == pytest.approx(1.0, abs=0.02)


def test_what_is_not_sent_again_waits_for_nothing():
    for error, step in STEPS.values():
        assert (verdict(error).after > 0) is (step in (Step.RETRY, Step.WAIT_FOR_SLOT))


@given(st.integers(1, 10_000), odd_floats, st.builds(RetryPolicy, base=seconds, cap=seconds))
def test_backoff_stays_between_half_its_base_and_the_cap(attempt, asked, policy):
    error = e.RateLimited("busy", retry_after=asked)
    wanted = backoff_after(error, JOB, attempt, policy)
    assert min(policy.base, policy.cap) / 2 <= wanted
    assert wanted <= max(policy.cap, policy.retry_after_cap)


def test_backoff_doubles():
    waits = [backoff_after(e.TransportError("x"), JOB, n, RETRYING) for n in range(1, 6)]
    for n, wait in enumerate(waits):
        assert 2**n / 2 <= wait <= 2**n


def test_backoff_stops_doubling_where_no_outage_lasts_longer():
    policy, error = RetryPolicy(cap=1e15), e.TransportError("x")

    def longest(attempt):
        return backoff_after(error, JOB, attempt, policy) / (0.5 + jitter(JOB, attempt) / 2)

    assert longest(1) == pytest.approx(1.0)
    assert longest(30) == pytest.approx(2**29)
    assert longest(31) == longest(32) == pytest.approx(2**30)


@pytest.mark.parametrize("cls", [e.RateLimited, e.ServiceUnavailable])
@pytest.mark.parametrize(("asked", "expected"), [(30.0, 30.0), (1e6, 600.0), (math.inf, 600.0)])
def test_retry_after_is_kept_but_clamped(cls, asked, expected):
    assert backoff_after(cls("x", retry_after=asked), JOB, 1, RETRYING) == expected


@pytest.mark.parametrize("asked", [0.0, -5.0, math.nan])
def test_a_senseless_retry_after_does_not_shorten_the_backoff(asked):
    plain = backoff_after(e.RateLimited("x"), JOB, 3, RETRYING)
    assert backoff_after(e.RateLimited("x", retry_after=asked), JOB, 3, RETRYING) == plain


def verdict(error, attempt=1):
    return submit_verdict(error, JOB, attempt, RETRYING)


# reliability, section 1: NOT_SENT, REJECTED, AMBIGUOUS
STEPS = {
    "not sent": (e.TransportError("dns", sent=False), Step.RETRY),
    "no connection in time": (e.TransportTimeout("connect", sent=False), Step.RETRY),
    "perhaps sent": (e.TransportError("reset", "unknown"), Step.LOOK_UP),
    "perhaps sent, says no": (e.TransportError("reset", "no", sent=True), Step.LOOK_UP),
    "no reply in time": (e.TransportTimeout("silent", "unknown"), Step.LOOK_UP),
    "odd reply": (e.ProtocolError("html", "unknown"), Step.LOOK_UP),
    "odd reply, careless": (e.ProtocolError("html"), Step.LOOK_UP),
    "unknown ret": (e.ApiError("777", "unknown"), Step.LOOK_UP),
    "5xx": (e.ServiceUnavailable("502", "unknown"), Step.LOOK_UP),
    "throttled, perhaps sent": (e.RateLimited("429", "unknown"), Step.LOOK_UP),
    "content, perhaps charged": (e.ContentRejected("2039", "unknown"), Step.LOOK_UP),
    "charged": (e.ApiError("x", "yes"), Step.LOOK_UP),
    "throttled": (e.RateLimited("1057", code="1057"), Step.RETRY),
    "throttled by a gateway": (e.RateLimited("429", status=429), Step.RETRY),
    "busy": (e.ServiceUnavailable("busy", code="2003"), Step.RETRY),
    "too many images": (e.RateLimited("1010", code="1010"), Step.WAIT_FOR_SLOT),
    "too many videos": (e.RateLimited("1310", code="1310"), Step.WAIT_FOR_SLOT),
    "login": (e.AuthenticationError("1015"), Step.STOP),
    "credit": (e.InsufficientCredit("1006"), Step.STOP),
    "risk": (e.AccountRestricted("1019"), Step.STOP),
    "disk": (e.StorageError("full"), Step.STOP),
    "locked": (e.JournalLocked("other"), Step.STOP),
    "content": (e.ContentRejected("2038"), Step.REFUSED),
    "parameter": (e.ApiError("1000"), Step.REFUSED),
    "our own check": (e.InvalidRequest("model"), Step.REFUSED),
}


@pytest.mark.parametrize(("error", "step"), STEPS.values(), ids=STEPS)
def test_what_follows_a_failed_submit(error, step):
    assert verdict(error).step is step


@pytest.mark.parametrize(("error", "step"), STEPS.values(), ids=STEPS)
def test_only_what_certainly_cost_nothing_is_ever_sent_again(error, step):
    again = verdict(error).step in (Step.RETRY, Step.WAIT_FOR_SLOT)
    not_sent = isinstance(error, e.TransportError) and not error.sent
    rejected = isinstance(error, e.ApiError) and error.charged == "no"
    assert not again or not_sent or rejected


@pytest.mark.parametrize(
    ("code", "step"),
    [
        ("1010", Step.WAIT_FOR_SLOT),
        ("1310", Step.WAIT_FOR_SLOT),
        ("1057", Step.RETRY),
        ("1", Step.RETRY),
        ("1006", Step.STOP),
        ("5000", Step.STOP),
        ("1015", Step.STOP),
        ("1019", Step.STOP),
        ("2038", Step.REFUSED),
        ("1002", Step.REFUSED),
        ("424242", Step.LOOK_UP),
    ],
)
def test_codes_of_the_service(code, step):
    assert verdict(error_for(code, "话", context="submit")).step is step


def test_what_never_arrives_is_sent_five_times():
    error = e.TransportError("refused", sent=False)
    steps = [verdict(error, attempt).step for attempt in range(1, 7)]
    assert steps == [Step.RETRY] * 4 + [Step.REFUSED] * 2


def test_a_busy_service_is_waited_for_as_long_as_it_takes():
    assert verdict(e.RateLimited("x", code="1057"), 500).step is Step.RETRY


def test_it_waits_as_the_server_asked():
    assert verdict(e.RateLimited("x", code="1057", retry_after=90.0)).after == 90.0
    assert verdict(e.RateLimited("x", code="1057")).after > 0


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_fresh_signature_may_help(status):
    assert refresh_helps(status)


@pytest.mark.parametrize("status", [200, 206, 416, 429, 500, 503])
def test_a_fresh_signature_does_not_help(status):
    assert not refresh_helps(status)


def test_n13_a_service_that_has_answered_is_waited_for():
    error = e.TransportError("no route", sent=False)

    def step(silent_for):
        return submit_verdict(error, JOB, 500, RETRYING, silent_for).step

    assert step(600.0) is step(RETRYING.outage) is Step.RETRY
    assert step(RETRYING.outage + 1) is step(math.inf) is Step.REFUSED


@pytest.mark.parametrize(
    ("error", "all_of_them"),
    [
        (e.RateLimited("x", status=429), True),
        (e.RateLimited("x", code="1057", retry_after=0.0), True),
        (e.ServiceUnavailable("x", status=503, retry_after=5.0), True),
        (e.TransportError("no route", sent=False), True),
        (e.RateLimited("x", code="1057", status=200), False),
        (e.RateLimited("x", code="1010", status=200), False),
        (e.ServiceUnavailable("x", status=503), False),
        (e.TransportError("reset", "unknown", sent=True), False),
        (e.AuthenticationError("x"), False),
    ],
)
def test_h3_what_slows_the_whole_session(error, all_of_them):
    assert slows_all(error) is all_of_them
