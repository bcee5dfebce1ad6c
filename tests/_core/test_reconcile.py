"""The table of protocol notes 5.6 and 5.7: what a report means, whatever the numbering.

A story is a list of looks, `(seconds since the submit, report)`; None is an absent record.
"""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async._core.reconcile import (
    Lost,
    Over,
    Pending,
    Ready,
    Sight,
    Unanswered,
    reconcile,
    strange_status,
)
from dreamina_async.errors import JobFailed, JobLost
from dreamina_async.models import JobReport, MediaItem, Phase, QueueInfo
from dreamina_async.settings import PollingPolicy, RetryPolicy

POLLING, RETRYING = PollingPolicy(), RetryPolicy()
RUNNING = [0, 20, 42, 45, None, 46, 999, -7]
FAILED = [30, 40, -1, 60, 70, 80]
SUCCESS = [50, 21]
START = 1000.0


def items(number, kind="image"):
    return tuple(
        MediaItem(kind, (f"https://p3.byteimg.com/{n}",), uri=f"tos-cn-i/{n}")
        for n in range(number)
    )


def report(status=None, results=0, **facts):
    return JobReport(history_id="25594898552322", status=status, items=items(results), **facts)


def story(*looks, kind="image", expected=4, since=START, **facts):
    """All verdicts, one a look; nobody looks again at what is over."""
    sight = Sight(kind, since=since, expected=expected, **facts)
    verdicts = []
    for seconds, seen in looks:
        sight, verdict = reconcile(sight, seen, since + seconds, POLLING, RETRYING)
        verdicts.append(verdict)
        if not isinstance(verdict, Pending):
            break
    return verdicts


def outcome(*looks, **facts):
    return story(*looks, **facts)[-1]


def every(seconds, seen, looks, start=5.0):
    return [(start + n * seconds, seen) for n in range(looks)]


# ---- success needs results -----------------------------------------------------------------

COMPLETE = [*SUCCESS, 10, 20, 42, 45, None, 777]


@pytest.mark.parametrize("status", COMPLETE)
def test_all_results_are_success_at_once_under_every_number(status):
    verdict = outcome((15, report(status, 4)))
    assert verdict == Ready(items(4), 0)


@pytest.mark.parametrize("status", COMPLETE)
def test_one_video_is_all(status):
    seen = evolve(report(status), items=items(1, "video"))
    assert outcome((90, seen), kind="video", expected=1) == Ready(items(1, "video"), 0)


@pytest.mark.parametrize(
    ("status", "task_status"), [(45, 50), (50, 45), (20, 50), (10, 20), (0, 21)]
)
def test_it_does_not_matter_where_the_two_numbers_disagree(status, task_status):
    seen = report(status, 4, task_status=task_status)
    assert outcome((15, seen)) == Ready(items(4), 0)


@pytest.mark.parametrize("status", RUNNING)
def test_without_results_a_running_job_never_ends(status):
    assert outcome(*every(30, report(status), 2000)) == Pending()


def test_ten_seconds_of_empty_45_then_four_images_at_once():
    """Four real runs of the ZHI logs."""
    looks = [
        (1, report(20)),
        (3, report(42)),
        (6, report(45)),
        (12, report(45)),
        (13, report(45, 4)),
    ]
    assert outcome(*looks) == Ready(items(4), 0)


# ---- S0 S1 S2 S3 LUP ZHI AIC JSP LUH -------------------------------------------------------

ROADS = {
    "S0": [20, 42, 45, 50],
    "S1": [10, 10, 20, 50],
    "S2": [20, 42, 45, 10],
    "S3": [45, 45, 50],
    "LUP": [20, 10, 50],
    "ZHI": [20, 42, 45, 45],
    "ZHI old": [20, 21],
    "AIC": [0, 20, 42, 50],
    "AIC 45": [20, 45],
    "JSP image": [20, 45],
    "JSP video": [20, 50],
    "LUH": [20, 45, 42, 50],
    "UNKNOWN": [20, 46, 47],
}
BAD_ENDS = {"S0": 30, "S1": -1, "S2": 30, "LUP": 30, "ZHI": 30, "AIC": 30, "AIC post": 40}
BAD_ENDS |= {"JSP": 30, "JSP 60": 60, "JSP 70": 70, "JSP 80": 80, "LUH": 30}


@pytest.mark.parametrize("numbers", ROADS.values(), ids=ROADS)
@pytest.mark.parametrize("where", ["status", "task_status", "both"])
def test_each_numbering_comes_to_its_results(numbers, where):
    def numbered(number, results):
        names = ("status", "task_status") if where == "both" else (where,)
        return evolve(report(results=results), **dict.fromkeys(names, number))

    looks = [(4 * n, numbered(number, 0)) for n, number in enumerate(numbers[:-1], 1)]
    verdicts = story(*looks, (40, numbered(numbers[-1], 4)))
    assert verdicts == [Pending()] * len(looks) + [Ready(items(4), 0)]


@pytest.mark.parametrize("number", BAD_ENDS.values(), ids=BAD_ENDS)
def test_each_numbering_comes_to_its_failure(number):
    failed = report(number, fail_code="2038", fail_message="InputTextRisk")
    verdicts = story((4, report(20)), (8, failed), (12, failed))
    assert verdicts[:2] == [Pending(), Pending()]
    error = verdicts[2].error
    assert (type(error), error.code, error.charged) == (JobFailed, "2038", "unknown")


# ---- failure is believed when seen twice ---------------------------------------------------


@pytest.mark.parametrize("status", [*FAILED, 100])
def test_one_failed_look_is_not_enough(status):
    assert story((9, report(status)), (13, report(20)), (17, report(status))) == [Pending()] * 3
    assert outcome((9, report(status)), (13, report(50, 4))) == Ready(items(4), 0)


@pytest.mark.parametrize("status", FAILED)
def test_an_absent_record_in_between_does_not_confirm(status):
    assert outcome((9, report(status)), (13, None)) == Pending()


def test_failed_without_a_reason():
    error = outcome((9, report(30)), (13, report(30))).error
    assert isinstance(error, JobFailed)
    assert error.charged == "unknown"


def test_deleted_at_the_service():
    error = outcome((9, report(100)), (13, report(100))).error
    assert (type(error), error.charged, error.code) == (JobFailed, "unknown", "100")
    assert "deleted" in error.message


@pytest.mark.parametrize("status", FAILED)
def test_failed_with_results_brings_what_there_is(status):
    seen = report(status, 2)
    assert story((9, seen), (13, seen)) == [Pending(), Ready(items(2), 2)]


@pytest.mark.parametrize("status", [0, 20, 42, 45])
def test_a_fail_code_on_a_running_number_is_believed_the_third_time(status):
    seen = report(status, fail_code="2038")
    verdicts = story(*every(4, seen, 5))
    assert verdicts[:2] == [Pending(), Pending()]
    assert verdicts[2].error.code == "2038"


@pytest.mark.parametrize("status", [46, None, 10, 50])
def test_a_fail_code_elsewhere_the_second_time(status):
    verdicts = story(*every(4, report(status, fail_code="1006"), 5))
    assert len(verdicts) == 2
    assert verdicts[1].error.code == "1006"


def test_a_fail_code_beside_all_results_is_no_failure():
    assert outcome((9, report(50, 4, fail_code="2043"))) == Ready(items(4), 0)


def test_a_failed_queue_without_results():
    queue = QueueInfo(status=4)
    assert isinstance(outcome(*every(4, report(10, queue=queue), 5)), Over)
    assert isinstance(outcome(*every(4, report(20, queue=queue), 5)), Over)
    assert outcome((9, report(20, 4, queue=queue))) == Ready(items(4), 0)


# ---- three meanings of 10 ------------------------------------------------------------------


def test_ten_is_success_with_results():
    assert outcome((9, report(10, 4))) == Ready(items(4), 0)


def test_ten_is_refused_with_a_code():
    verdict = outcome(*every(4, report(10, fail_code="2038"), 3))
    assert verdict.error.code == "2038"


def test_ten_is_queueing_otherwise():
    assert outcome(*every(60, report(10), 500)) == Pending()


# ---- 50 without results --------------------------------------------------------------------


@pytest.mark.parametrize("status", SUCCESS)
@pytest.mark.parametrize("where", ["status", "task_status"])
def test_success_without_results_is_looked_at_again_then_failed_and_charged(status, where):
    seen = evolve(report(), **{where: status})
    verdicts = story(*every(10, seen, 20))
    assert len(verdicts) >= 3
    assert (len(verdicts) - 1) * 10 >= POLLING.empty_grace
    assert verdicts[:-1] == [Pending()] * (len(verdicts) - 1)
    assert (type(verdicts[-1].error), verdicts[-1].error.charged) == (JobFailed, "yes")


def test_three_looks_at_least_however_far_apart():
    verdicts = story(*every(300, report(50), 5))
    assert len(verdicts) == 3


def test_the_patience_with_an_empty_success_begins_at_the_first_one():
    """Minutes of an empty 45 before it must not use it up."""
    running = every(10, report(45), 30)
    assert story(*running, *every(10, report(50), 3, start=310))[-1] == Pending()
    late = outcome(*running, (310, report(50)), (314, report(50)), (318, report(50, 4)))
    assert late == Ready(items(4), 0)


def test_an_empty_45_between_begins_it_anew():
    looks = [*every(20, report(50), 3), (70, report(45)), *every(20, report(50), 3, start=75)]
    assert outcome(*looks) == Pending()


# ---- fewer than asked for ------------------------------------------------------------------


@pytest.mark.parametrize("status", SUCCESS)
def test_three_of_four_at_success_settle_after_three_looks(status):
    verdicts = story(*every(4, report(status, 3), 5))
    assert verdicts == [Pending(), Pending(), Ready(items(3), 1)]


def test_the_fourth_may_still_come():
    looks = [*every(4, report(50, 3), 2), (13, report(50, 4))]
    assert outcome(*looks) == Ready(items(4), 0)


def test_results_and_failures_that_add_up_are_all():
    assert outcome((9, report(45, 3, failed_items=1))) == Ready(items(3), 1)


@pytest.mark.parametrize("status", [20, 42, 45, 10, 46])
def test_a_running_job_may_pause_between_its_results(status):
    """AIC saw minutes between items."""
    verdicts = story(*every(10, report(status, 3), 30))
    seconds = (len(verdicts) - 1) * 10
    assert POLLING.stable_after <= seconds <= POLLING.stable_after + 10
    assert verdicts[-1] == Ready(items(3), 1)


def test_each_new_result_begins_the_wait_anew():
    looks = [(40.0 * n, report(45, 1 + n // 2)) for n in range(6)]
    assert story(*looks, (240, report(45, 4)))[-1] == Ready(items(4), 0)


def test_a_finish_time_ends_the_wait():
    verdicts = story(*every(4, report(45, 3, finish_time=1757738000.0), 5))
    assert verdicts == [Pending(), Pending(), Ready(items(3), 1)]


def test_the_wait_also_ends_on_a_clock_that_began_at_nought():
    looks = every(30, report(45, 3), 8, start=0.0)
    assert outcome(*looks, since=0.0) == Ready(items(3), 1)


def test_more_than_asked_for_are_all_taken():
    assert outcome((9, report(50, 6))) == Ready(items(6), 0)


@pytest.mark.parametrize(
    ("facts", "results", "missing"),
    [
        ({"listed_items": ("a", "b", "c"), "total_count": 7}, 3, 0),
        ({"total_count": 2}, 2, 0),
        ({"total_count": 0}, 4, 0),
        ({}, 4, 0),
    ],
)
def test_whoever_asked_elsewhere_is_told_by_the_record(facts, results, missing):
    fewer = report(45, results - 1, **facts)
    assert outcome((9, fewer), expected=None) == Pending()
    assert outcome((9, report(45, results, **facts)), expected=None) == Ready(
        items(results), missing
    )


def test_what_was_asked_for_goes_before_what_the_record_counts():
    """`total_image_count` counts the references at times (protocol notes 2.7)."""
    assert outcome((9, report(45, 1, total_count=1))) == Pending()
    assert outcome((9, report(45, 1, total_count=4)), expected=1) == Ready(items(1), 0)


# ---- flapping ------------------------------------------------------------------------------


def test_flapping_between_success_and_running():
    looks = [
        (5, report(50)),
        (9, report(45)),
        (13, report(50)),
        (17, report(45)),
        (21, report(50, 4)),
    ]
    assert outcome(*looks) == Ready(items(4), 0)


@given(st.lists(st.sampled_from([20, 42, 45, 10, 50, 30, -1, 46, None]), max_size=30))
def test_no_walk_of_numbers_ends_without_results_or_a_repeated_verdict(numbers):
    verdicts = story(*((4.0 * n, report(number)) for n, number in enumerate(numbers, 1)))
    if verdicts and isinstance(verdicts[-1], Over):
        ended = numbers[: len(verdicts)]
        assert set(ended[-2:]) <= {30, -1} or set(ended[-3:]) == {50}
    assert not any(isinstance(verdict, Ready | Lost | Unanswered) for verdict in verdicts)


# ---- absent records ------------------------------------------------------------------------


def test_just_after_its_submit_a_job_may_be_missing():
    assert outcome(*every(4, None, 29)) == Pending()
    assert outcome(*every(4, None, 20), (100, report(50, 4))) == Ready(items(4), 0)


def test_missing_for_longer_than_the_grace_it_is_lost_not_failed():
    verdict = outcome(*every(4, None, 200))
    assert (type(verdict), type(verdict.error)) == (Lost, JobLost)
    assert verdict.error.charged == "unknown"


def test_one_late_look_is_not_enough_to_lose_it():
    assert story((500, None), (504, None)) == [Pending(), Pending()]
    assert isinstance(outcome((500, None), (504, None), (508, None)), Lost)


def test_a_gap_later_on_is_not_an_end():
    looks = [(5, report(20)), *every(60, None, 1000, start=10)]
    assert outcome(*looks) == Pending()
    assert outcome(*looks, (70_000, report(50, 4))) == Ready(items(4), 0)


def test_gone_for_good_is_lost():
    looks = [(5, report(20)), (POLLING.pending_limit + 1, None)]
    assert isinstance(outcome(*looks), Lost)


# ---- unanswered submits --------------------------------------------------------------------


def test_an_unanswered_submit_needs_looks_and_time():
    quick = every(4, None, 28)
    assert story(*quick, answered=False) == [Pending()] * 28
    late = story((121, None), (125, None), (129, None), answered=False)
    assert late == [Pending(), Pending(), Unanswered()]


def test_a_trace_of_it_answers():
    looks = [*every(40, None, 3), (119, report(20)), *every(4, None, 10, start=125)]
    assert story(*looks, answered=False)[-1] == Pending()


@given(st.lists(st.floats(0, 60), max_size=30), st.integers(1, 6), st.floats(1, 600))
def test_it_is_never_given_up_early(steps, lookups, window):
    policy = RetryPolicy(lookups=lookups, lookup_window=window)
    sight, now = Sight("image", since=0.0, answered=False), 0.0
    for looks, step in enumerate(steps, 1):
        now += step
        sight, verdict = reconcile(sight, None, now, POLLING, policy)
        assert isinstance(verdict, Unanswered) == (looks >= lookups and now > window)
        if isinstance(verdict, Unanswered):
            break


# ---- patience ends -------------------------------------------------------------------------


@pytest.mark.parametrize("seen", [report(20), report(45), report(10), report(46)])
def test_after_the_limit_a_pending_job_is_lost_but_never_failed(seen):
    verdict = outcome((POLLING.pending_limit + 1, seen))
    assert (type(verdict), type(verdict.error)) == (Lost, JobLost)
    assert verdict.error.charged == "unknown"


def test_after_the_limit_an_empty_success_is_still_looked_at_to_its_end():
    late = POLLING.pending_limit + 1
    assert outcome((late, report(50))) == Pending()
    looks = [(late + after, report(50)) for after in (0, 30, 1 + POLLING.empty_grace)]
    assert isinstance(outcome(*looks), Over)


def test_results_count_however_late():
    assert outcome((POLLING.pending_limit + 1, report(50, 4))) == Ready(items(4), 0)


AT_LEAST = [(5, report(50)), (30, report(50)), (5 + POLLING.empty_grace, report(50))]
STABLE = [(5, report(45, 3)), (30, report(45, 3)), (5 + POLLING.stable_after, report(45, 3))]


@pytest.mark.parametrize("looks", [AT_LEAST, STABLE])
def test_a_wait_that_is_over_is_over_to_the_second(looks):
    verdicts = story(*looks)
    assert verdicts[:-1] == [Pending()] * 2
    assert isinstance(verdicts[-1], Over | Ready)


@pytest.mark.parametrize(
    ("age", "seen", "facts"),
    [
        (POLLING.missing_grace, None, {}),
        (POLLING.attached_grace, None, {"ours": False}),
        (POLLING.pending_limit, None, {"seen": True}),
        (POLLING.pending_limit, report(20), {}),
        (RETRYING.lookup_window, None, {"answered": False}),
    ],
)
def test_patience_lasts_to_the_second_and_then_ends(age, seen, facts):
    facts = {"looks_absent": 99, **facts}
    assert outcome((age, seen), **facts) == Pending()
    assert isinstance(outcome((age + 0.1, seen), **facts), Lost | Unanswered)


# ---- what is shown meanwhile ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "phase"),
    [
        (report(20), Phase.GENERATING),
        (report(10), Phase.QUEUED),
        (report(42), Phase.FINISHING),
        (report(45), Phase.FINISHING),
        (report(20, 1), Phase.FINISHING),
        (report(20, queue=QueueInfo(status=1, position=463)), Phase.QUEUED),
        (report(20, queue=QueueInfo(status=2)), Phase.GENERATING),
        (report(None), Phase.QUEUED),
    ],
)
def test_phase(seen, phase):
    sight, _ = reconcile(Sight("image", START, 4), seen, START + 5, POLLING, RETRYING)
    assert sight.progress.phase is phase


@pytest.mark.parametrize(
    ("kind", "seen", "expected"),
    [
        ("image", report(20), 4),
        ("video", report(20), 1),
        ("image", evolve(report(20), items=items(1, "video")), 1),  # only attached: it is a video
    ],
)
def test_without_a_word_on_the_number_the_kind_decides(kind, seen, expected):
    sight, _ = reconcile(Sight(kind, START), seen, START + 5, POLLING, RETRYING)
    assert sight.progress.expected == expected


def test_only_a_number_that_no_source_has_shown_is_strange():
    known = [None, 10, 100, *SUCCESS, *FAILED, 0, 20, 42, 45]
    assert {strange_status(report(number)) for number in known} == {None}
    assert [strange_status(report(number)) for number in (46, 999, -7)] == [46, 999, -7]
    assert strange_status(report(20, task_status=46)) == 46


def test_progress_keeps_what_later_reports_leave_out():
    """Polls lack `queue_info` and often the forecast (protocol notes 5.3)."""
    queue = QueueInfo(position=3, status=1)
    first = report(20, forecast=22.0, queue=queue)
    sight, _ = reconcile(Sight("image", START, 4), first, START + 5, POLLING, RETRYING)
    sight, _ = reconcile(sight, report(45, 2), START + 9, POLLING, RETRYING)
    progress = sight.progress
    assert (progress.forecast, progress.finished, progress.expected) == (22.0, 2, 4)
    assert progress.status == 45
    assert sight.queue == queue


@given(
    st.lists(
        st.builds(
            report,
            st.none() | st.sampled_from([-1, 0, 10, 20, 21, 30, 40, 42, 45, 46, 50, 60, 100]),
            st.integers(0, 6),
            task_status=st.none() | st.sampled_from([10, 20, 30, 45, 50]),
            fail_code=st.none() | st.just("2038"),
            failed_items=st.integers(0, 5),
            total_count=st.none() | st.integers(0, 9),
            finish_time=st.none() | st.just(1.0),
        )
        | st.none(),
        max_size=12,
    )
)
def test_ready_has_results_and_over_has_none(reports):
    for seen, verdict in zip(
        reports, story(*((4.0 * n, one) for n, one in enumerate(reports, 1))), strict=False
    ):
        match verdict:
            case Ready(found, missing):
                assert found == seen.items != ()
                assert missing == max(0, 4 - len(found))
            case Over(error):
                assert not seen.items
                assert isinstance(error, JobFailed)
            case _:
                assert verdict == Pending()
