"""How many jobs at once: opened by successes, narrowed by refusals."""

from hypothesis import given
from hypothesis import strategies as st

from dreamina_async._core.window import Window


def test_open_until_the_service_refuses():
    assert Window().allows(10_000)
    window = Window()
    window.finished()
    assert window.allows(10_000)


def test_a_refusal_shows_the_limit():
    window = Window()
    window.busy(3)
    assert [running for running in range(6) if window.allows(running)] == [0, 1, 2]


def test_one_may_always_be_tried():
    window = Window()
    window.busy(0)
    assert window.allows(0)
    assert not window.allows(1)


def test_a_refusal_never_widens():
    window = Window()
    window.busy(2)
    window.busy(50)
    assert not window.allows(2)


def test_after_a_round_of_finished_jobs_one_more_is_tried():
    window = Window()
    window.busy(4)
    for _ in range(4):
        assert not window.allows(4)
        window.finished()
    # 4 + 1/4 + 1/4.25 + ... is short of 5 by a little: the next one opens it
    window.finished()
    assert window.allows(4)
    assert not window.allows(6)


def test_from_one_at_a_time_a_single_finished_job_opens_a_second_place():
    window = Window()
    window.busy(1)
    assert not window.allows(1)
    window.finished()
    assert window.allows(1)
    assert not window.allows(2)


@given(st.integers(1, 40), st.integers(200, 400))
def test_it_settles_at_the_services_own_limit(limit, rounds):
    """As many jobs as the window allows, against a service that runs `limit` of them."""
    window, running, refusals = Window(), 0, 0
    for _ in range(rounds):
        while window.allows(running):
            if running >= limit:
                window.busy(running)
                refusals += 1
                break
            running += 1
        assert running <= limit
        running -= 1
        window.finished()
    assert running >= limit - 2
    assert refusals <= rounds / limit + 2


@given(st.lists(st.tuples(st.integers(1, 12), st.integers(20, 60)), min_size=2, max_size=5))
def test_s21_it_follows_a_limit_that_changes_while_jobs_run(phases):
    """Fewer slots are learnt from refusals, more of them are felt for; nobody waits for ever."""
    window, running, finished = Window(), 0, 0
    for limit, rounds in phases:
        refusals = 0
        for _ in range(rounds):
            while window.allows(running):
                if running >= limit:
                    window.busy(running)
                    refusals += 1
                    break
                running += 1
            assert running >= 1
            running -= 1
            finished += 1
            window.finished()
        assert refusals <= rounds / limit + 14  # the first of them while more still run
    assert finished == sum(rounds for _, rounds in phases)


def test_s21_throughput_recovers_when_the_limit_is_lifted():
    window, running, rounds = Window(), 0, 0
    window.busy(1)
    while running < 12:
        while window.allows(running) and running < 12:
            running += 1
        if running < 12:
            running -= 1
            window.finished()
            rounds += 1
    assert rounds <= 12 * 13 / 2 + 12  # each slot more costs a round of the present ones
