"""The lifecycle as a table, and counts that are always true."""

from collections import Counter
from contextlib import suppress

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async._core.ledger import Entry, Ledger
from dreamina_async.models import JobState
from dreamina_async.requests import ImageRequest

P, I, A, R, D, F, U, X = JobState  # noqa: E741
ALLOWED = {
    P: {I, F, X},  # never sent: nothing to look up
    I: {P, A, F, U, X},
    A: {R, F, U, X},
    R: {D, A, F, U, X},
    U: {I, A, X},
    D: {A},  # files have vanished, and the user asks
    F: set(),
    X: set(),
}


def entry(state=P, job_id="job", kind="image", **facts):
    return Entry(job_id, kind, state, 1757737934.0, **facts)


def test_the_letters_above_are_the_states():
    names = ["planned", "intent", "accepted", "ready", "done", "failed", "unknown", "abandoned"]
    assert [state.value for state in (P, I, A, R, D, F, U, X)] == names


@pytest.mark.parametrize("before", JobState)
@pytest.mark.parametrize("after", JobState)
def test_moves(before, after):
    ledger, one = Ledger(), entry(before)
    ledger.add(one)
    if after in ALLOWED[before] | {before}:
        ledger.move(one, after)
        assert one.state is after
    else:
        with pytest.raises(AssertionError, match="job"):
            ledger.move(one, after)
        assert one.state is before
    assert ledger.counts() == {one.state: 1}


def test_what_failed_or_was_abandoned_stays_so():
    for state in (F, X):
        assert not ALLOWED[state]


def test_no_road_leads_to_done_but_through_ready():
    assert [state for state, after in ALLOWED.items() if D in after] == [R]


def test_a_job_just_taken_in_has_nothing_behind_it():
    one = entry()
    assert (one.over, one.maybe_sent, one.waiters, one.missing) == (False, False, 0, 0)
    unknown = (one.request, one.submit_id, one.history_id, one.sight, one.error, one.result)
    assert {*unknown, one.sent_at, one.finished_at, one.saved_at} == {None}


def test_one_job_one_entry():
    ledger, one = Ledger(), entry()
    ledger.add(one)
    with pytest.raises(KeyError, match="job"):
        ledger.add(entry())
    assert ledger.get("job") is one
    assert ledger.get("other") is None
    assert ledger.counts() == {P: 1}


def test_by_history_id():
    ledger = Ledger()
    ledger.add(entry(job_id="a"))
    ledger.add(entry(job_id="b", history_id="25594898552322"))
    assert ledger.by_history("25594898552322").job_id == "b"
    assert ledger.by_history("1") is None


def test_a_history_id_is_known_from_when_it_is_told():
    ledger, one = Ledger(), entry(job_id="a")
    ledger.add(one)
    ledger.name(one, None)
    ledger.name(one, "1")
    ledger.name(one, "2")  # an id does not change
    assert (one.history_id, ledger.by_history("1"), ledger.by_history("2")) == ("1", one, None)


def test_a_job_taken_over_keeps_the_ids_of_the_one_that_was_known():
    ledger, attached = Ledger(), entry(A, "history-1", history_id="1")
    ledger.add(attached)
    ledger.take_over(attached, entry(R, "uuid", history_id="2"))
    assert (ledger.by_history("1"), ledger.by_history("2")) == (None, attached)


@given(
    st.lists(st.tuples(st.sampled_from(["image", "video"]), st.sampled_from(JobState)), max_size=9),
    st.lists(st.tuples(st.integers(0, 8), st.sampled_from(JobState)), max_size=60),
)
def test_counts_are_true_after_any_walk(jobs, moves):
    ledger = Ledger()
    for number, (kind, state) in enumerate(jobs):
        ledger.add(entry(state, f"job-{number}", kind))
    entries = ledger.entries()
    for number, state in moves:
        if number < len(entries):
            with suppress(AssertionError):
                ledger.move(entries[number], state)
        assert ledger.counts() == Counter(one.state for one in entries)
        for kind in ("image", "video"):
            running = [one for one in entries if one.kind == kind and one.state in (I, A)]
            assert ledger.at_service(kind) == len(running)
    assert [one.job_id for one in entries] == [f"job-{n}" for n in range(len(jobs))]


def test_an_attached_job_that_the_journal_knew():
    ledger = Ledger()
    attached = entry(A, "history-1", history_id="1")
    known = entry(R, "uuid", "video", submit_id="uuid", history_id="1", missing=2)
    known = evolve(known, request=ImageRequest("猫"), finished_at=5.0)
    ledger.add(attached)
    ledger.take_over(attached, known)
    assert ledger.get("history-1") is None
    assert ledger.get("uuid") is attached
    facts = (attached.state, attached.kind, attached.submit_id, attached.missing)
    assert facts == (R, "video", "uuid", 2)
    assert attached.request == ImageRequest("猫")
    assert ledger.counts() == {R: 1}
    assert ledger.at_service("image") == ledger.at_service("video") == 0


def test_a_job_attached_by_its_submit_id_is_taken_over_too():
    ledger, attached = Ledger(), entry(A, "uuid", submit_id="uuid")
    ledger.add(attached)
    ledger.take_over(attached, entry(R, "uuid", submit_id="uuid", history_id="1"))
    assert ledger.by_history("1") is attached
    assert ledger.entries() == [attached]


def test_a_job_that_is_here_already_is_not_taken_over_twice():
    ledger = Ledger()
    attached, here = entry(A, "history-1"), entry(A, "uuid")
    ledger.add(attached)
    ledger.add(here)
    with pytest.raises(KeyError, match="uuid"):
        ledger.take_over(attached, entry(R, "uuid"))
    assert ledger.get("history-1") is attached
    assert ledger.get("uuid") is here
    assert ledger.counts() == {A: 2}
