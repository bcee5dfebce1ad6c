"""Whom to ask next: due order, full calls, nobody twice, nobody forgotten."""

from collections import Counter
from itertools import count
from math import ceil
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dreamina_async._core.backoff import spread
from dreamina_async._core.ceiling import Ceiling
from dreamina_async._core.schedule import Ask, Idle, LookAgain, Schedule

OPEN = 1e9


def schedule(rate=OPEN, burst=1_000_000, batch=10):
    return Schedule(Ceiling(rate, burst), batch)


def filled(dues, kind="history", **options):
    made = schedule(**options)
    for key, due in enumerate(dues):
        made.put(key, due, kind)
    return made


def round_at(made, now):
    """All calls that may go out at `now`."""
    calls = []
    while isinstance(answer := made.next(now), Ask):
        calls.append(answer)
    return calls


def test_nothing_to_do():
    assert schedule().next(0.0) == Idle()


def test_not_yet():
    assert filled([5.0, 3.0]).next(1.0) == LookAgain(3.0)


def test_due():
    assert filled([1.0]).next(1.0) == Ask("history", (0,))


def test_what_was_handed_out_is_in_flight_until_it_comes_back():
    made = filled([0.0])
    assert made.next(0.0) == Ask("history", (0,))
    assert made.next(100.0) == Idle()
    assert len(made) == 0
    made.put(0, 101.0, "submit")
    assert made.next(100.0) == LookAgain(101.0)
    assert made.next(101.0) == Ask("submit", (0,))


def test_ten_ids_share_a_call_unless_told_otherwise():
    made = Schedule(Ceiling(OPEN, 1_000_000))
    for key in range(11):
        made.put(key, 0.0, "submit")
    assert [len(call.keys) for call in round_at(made, 0.0)] == [10, 1]


def test_of_two_kinds_due_at_once_the_one_put_in_first_is_asked_first():
    made = schedule()
    made.put("b", 1.0, "submit")
    made.put("a", 1.0, "history")
    assert round_at(made, 1.0) == [Ask("submit", ("b",)), Ask("history", ("a",))]


def test_a_call_is_filled_with_those_due_next():
    made = filled([0.0, 50.0, 10.0, 30.0])
    assert made.next(0.0) == Ask("history", (0, 2, 3, 1))


def test_ten_and_the_most_urgent_of_them():
    made = filled([float(20 - key) for key in range(20)])
    assert made.next(30.0).keys == tuple(range(19, 9, -1))
    assert made.next(30.0).keys == tuple(range(9, -1, -1))


def test_equal_dues_go_in_the_order_in_which_they_came():
    assert filled([1.0] * 4).next(1.0).keys == (0, 1, 2, 3)


@given(st.lists(st.floats(0, 100), max_size=120), st.integers(1, 10))
def test_a_round_asks_each_due_id_once(dues, batch):
    made = filled(dues, batch=batch)
    calls = round_at(made, 50.0)
    asked = Counter(key for call in calls for key in call.keys)
    assert set(asked.values()) <= {1}
    assert {key for key, due in enumerate(dues) if due <= 50.0} <= set(asked)
    assert all(1 <= len(call.keys) <= batch for call in calls)
    assert all(len(call.keys) == batch for call in calls[:-1])
    order = [dues[key] for call in calls for key in call.keys]
    assert order == sorted(order)


@given(st.lists(st.tuples(st.floats(0, 10), st.sampled_from(["history", "submit"])), max_size=60))
def test_a_call_holds_one_kind_of_id(jobs):
    made = schedule()
    for key, (due, kind) in enumerate(jobs):
        made.put(key, due, kind)
    calls = round_at(made, 10.0)
    assert sorted(key for call in calls for key in call.keys) == list(range(len(jobs)))
    for call in calls:
        assert {jobs[key][1] for key in call.keys} == {call.kind}


def test_the_kind_with_the_earliest_due_goes_first():
    made = schedule()
    made.put("late", 2.0, "history")
    made.put("early", 1.0, "submit")
    assert [call.keys for call in round_at(made, 5.0)] == [("early",), ("late",)]


@given(st.lists(st.tuples(st.floats(0, 10), st.sampled_from([None, 1, 2, 5])), max_size=60))
def test_a_reduced_call_stays_reduced(jobs):
    made = schedule()
    for key, (due, cap) in enumerate(jobs):
        made.put(key, due, "history", cap)
    calls = round_at(made, 10.0)
    assert sorted(key for call in calls for key in call.keys) == list(range(len(jobs)))
    for call in calls:
        assert len(call.keys) <= min(jobs[key][1] or 10 for key in call.keys)


def test_a_larger_wish_does_not_lift_the_limit():
    made = schedule(batch=3)
    for key in range(4):
        made.put(key, 0.0, "history", 10)
    assert [len(call.keys) for call in round_at(made, 0.0)] == [3, 1]


def test_a_second_put_replaces_the_first():
    made = filled([1.0])
    made.put(0, 9.0, "submit")
    assert len(made) == 1
    assert made.next(5.0) == LookAgain(9.0)
    made.put(0, 2.0, "submit")
    assert round_at(made, 50.0) == [Ask("submit", (0,))]


def test_what_was_dropped_is_not_asked_for():
    made = filled([1.0, 2.0])
    made.drop([0, "never seen"])
    assert made.next(0.0) == LookAgain(2.0)
    made.drop([1])
    assert made.next(50.0) == Idle()


def test_the_ceiling_names_the_instant():
    made = schedule(rate=1.0, burst=1, batch=1)
    for key in range(3):
        made.put(key, 0.0, "history")
    assert made.next(0.0) == Ask("history", (0,))
    assert made.next(0.25) == LookAgain(1.0)
    assert made.next(1.0) == Ask("history", (1,))
    made.ceiling.pause(60.0)
    assert made.next(2.0) == LookAgain(60.0)


@given(st.integers(20, 90), st.sampled_from([0.5, 1.0, 3.0]), st.sampled_from([1.0, 4.0, 12.0]))
@settings(max_examples=25)
def test_nobody_starves_under_a_saturated_ceiling(jobs, rate, interval):
    """Each job comes round again before any other has been asked much more often."""
    made, now = filled([0.0] * jobs, rate=rate, burst=2), 0.0
    asked = Counter()
    while now < 200.0:
        match made.next(now):
            case Ask(kind, keys):
                asked.update(keys)
                for key in keys:
                    made.put(key, now + interval, kind)
            case LookAgain(at):
                assert at > now
                now = at
    assert len(asked) == jobs
    assert max(asked.values()) - min(asked.values()) <= 1


@given(
    st.integers(0, 2**32),
    st.sampled_from([0.5, 1.0, 3.0]),
    st.sampled_from([1, 2, 5]),
    st.sampled_from([0.0, 5.0, 7200.0]),
)
@settings(max_examples=30)
def test_t8_p6_no_window_is_overfull_after_a_stall(seed, rate, burst, stall):
    """500 jobs at once, slow calls that overlap, a loop that stands still now and then."""
    chance = Random(seed)
    made, now = schedule(rate=rate, burst=burst), 0.0
    for key in range(500):
        made.put(key, chance.uniform(0, 20), "history")
    on_their_way, calls = [], []
    while len(calls) < 150:
        for back in [one for one in on_their_way if one[0] <= now]:
            on_their_way.remove(back)
            for key in back[1]:
                made.put(key, now + chance.uniform(1, 30), "history")
        answer = made.next(now) if len(on_their_way) < 4 else LookAgain(now + 0.1)
        if isinstance(answer, Ask):
            calls.append(now)
            on_their_way.append((now + chance.expovariate(1.0), answer.keys))
            continue
        now = answer.at if isinstance(answer, LookAgain) else now + 0.1
        if chance.random() < 0.05:
            now += stall
    for first, begin in enumerate(calls):
        for last in range(first, len(calls)):
            assert last - first + 1 <= rate * (calls[last] - begin) + burst + 1e-6


@given(st.integers(0, 2**32))
@settings(max_examples=20)
def test_t10_nobody_waits_longer_than_three_fair_shares(seed):
    """200 jobs, a third of them stuck for hours, and new ones come all the time."""
    chance, rate = Random(seed), 1.0
    made, now = schedule(rate=rate, burst=2), 0.0
    due, rivals = {}, {}

    def put(key, at):
        due[key], rivals[key] = at, len(made) + 1
        made.put(key, at, "history")

    for key in range(200):
        put(key, 0.0)
    fresh = count(200)
    while now < 1800:
        answer = made.next(now)
        if isinstance(answer, LookAgain):
            now = answer.at
            continue
        assert isinstance(answer, Ask)
        for key in answer.keys:
            share = ceil(max(rivals[key], len(made) + len(answer.keys)) / 10) / rate
            assert now - due[key] <= 3 * share
            stuck = key % 3 == 0 and key < 200
            if stuck or chance.random() < 0.7:
                put(key, now + spread(60.0 if stuck else 4.0, str(key), int(now)))
            else:
                put(next(fresh), now + chance.uniform(0, 5))


class RandomUse(RuleBasedStateMachine):
    """Puts, drops and calls in any order, against a plain dictionary."""

    def __init__(self):
        super().__init__()
        self.made = schedule(rate=1.0, burst=2)
        self.model, self.now = {}, 0.0

    @rule(
        key=st.integers(0, 30),
        after=st.floats(0, 20),
        kind=st.sampled_from(["history", "submit"]),
        cap=st.sampled_from([None, 1, 3]),
    )
    def put(self, key, after, kind, cap):
        self.made.put(key, self.now + after, kind, cap)
        self.model[key] = (self.now + after, kind, cap or 10)

    @rule(key=st.integers(0, 30))
    def drop(self, key):
        self.made.drop([key])
        self.model.pop(key, None)

    @rule(step=st.floats(0, 5))
    def wait(self, step):
        self.now += step

    @rule()
    def next(self):
        match self.made.next(self.now):
            case Ask(kind, keys):
                assert len(set(keys)) == len(keys) <= min(self.model[key][2] for key in keys)
                assert min(self.model.values())[0] == self.model[keys[0]][0] <= self.now
                assert all(self.model.pop(key)[1] == kind for key in keys)
            case LookAgain(at):
                assert at > self.now
                assert at >= min(self.model.values())[0]
            case Idle():
                assert not self.model

    @invariant()
    def same_number(self):
        assert len(self.made) == len(self.model)


TestRandomUse = RandomUse.TestCase
TestRandomUse.settings = settings(max_examples=60, stateful_step_count=40)
