"""Who waits for a place out of reach: few knocks, in turn, and nobody is forgotten."""

from math import inf

import pytest

from dreamina_async._runtime.reach import Reach
from dreamina_async.errors import TransportError
from dreamina_async.settings import RetryPolicy

OUT = TransportError("no route", "no", sent=False)


class Clock:
    """A clock that a test turns."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reach(clock):
    return Reach(clock, RetryPolicy())


def knocks(reach, clock, seconds, place="a"):
    """How often somebody may knock while nobody gets through."""
    found = []
    until = clock.now + seconds
    while reach.knock_at <= until:
        clock.now = reach.knock_at
        one = reach.due()
        if one is not None:
            found.append(one)
            reach.failed(place, one, OUT)
    clock.now = until
    return found


def test_all_is_well_and_nobody_knocks(reach):
    assert reach.knock_at == inf
    assert reach.due() is None
    assert reach.back("a") == ()
    assert not reach.is_out("a")


def test_many_wait_and_few_knock_each_in_its_turn(reach, clock):
    for number in range(100):
        reach.failed("a", number, OUT)
    found = knocks(reach, clock, 600)
    assert found == list(range(len(found)))
    assert 10 <= len(found) <= 30


def test_nobody_knocks_before_it_is_time(reach, clock):
    reach.failed("a", 1, OUT)
    clock.now = reach.knock_at - 0.1
    assert reach.due() is None
    clock.now = reach.knock_at
    assert reach.due() == 1


def test_while_one_knocks_the_others_do_not(reach, clock):
    reach.failed("a", 1, OUT)
    reach.failed("a", 2, OUT)
    clock.now = reach.knock_at
    assert reach.due() == 1
    assert reach.due() is None
    assert reach.knock_at > clock.now


def test_who_gets_through_frees_those_of_its_own_place(reach, clock):
    reach.failed("a", 1, OUT)
    reach.put_aside("a", 2)
    reach.failed("b", 3, OUT)
    assert reach.back("a") == (1, 2)
    assert not reach.is_out("a")
    assert reach.is_out("b")
    assert knocks(reach, clock, 60, "b")[0] == 3


def test_every_place_has_its_turn(reach, clock):
    for place in "abc":
        reach.failed(place, place, OUT)
    seen = []
    for _ in range(6):
        clock.now = reach.knock_at
        one = reach.due()
        seen.append(one)
        reach.failed(one, one, OUT)
    assert seen == list("abcabc")


def test_one_that_knocked_and_was_never_heard_of_again_holds_up_nobody(reach, clock):
    """It was abandoned, or its fresh URL led elsewhere."""
    reach.failed("a", 1, OUT)
    clock.now = reach.knock_at
    assert reach.due() == 1
    clock.now = reach.knock_at
    assert reach.due() is None
    assert reach.knock_at == inf
    reach.put_aside("a", 2)
    clock.now = reach.knock_at
    assert reach.due() == 2


def test_who_has_waited_long_enough_leaves_the_line(reach):
    for number in range(4):
        reach.failed("ab"[number % 2], number, OUT)
    assert sorted(reach.without(lambda number: number < 2)) == [0, 1]
    assert sorted(reach.everybody()) == [2, 3]
