"""The simulation's own eyes: each watch sees what it is there for, and nothing else."""

import tomllib
from math import inf, nan
from pathlib import Path

import pytest
from attrs import frozen
from simfaults import ELSEWHERE, KINDS, OUTCOMES, by_fault, fault_of
from simwatch import Fairness, Retries, Spending, odd_wait

from dreamina_async import PollingPolicy, RetryPolicy

CATALOGUE = tomllib.loads(
    (Path(__file__).parent.parent / "fault_catalogue.toml").read_text("utf-8")
)


@frozen
class Running:
    submit_id: str = "a"
    kind: str = "image"
    lasts: float = 0.0


def test_every_kind_has_an_id_of_the_catalogue_and_none_is_forgotten() -> None:
    here = {fault_of(kind) for kind in (*KINDS, *OUTCOMES)}
    assert len({*KINDS, *OUTCOMES}) == len(KINDS) + len(OUTCOMES)
    assert here | ELSEWHERE == set(CATALOGUE)
    assert not here & ELSEWHERE


def test_kinds_are_counted_under_their_id() -> None:
    counts = by_fault({"H1a": 2, "H1b": 3, "resumed": 9})
    assert counts["H1"] == 5
    assert counts["N8"] == 0
    assert list(counts)[-1] == "H1"


@pytest.mark.parametrize("seconds", [-0.1, nan, inf, 602.0])
def test_an_odd_wait_is_seen(seconds: float) -> None:
    assert odd_wait(seconds) is not None
    assert odd_wait(0.0) is odd_wait(600.0) is None


def test_u11_a_job_beyond_the_budget_is_seen() -> None:
    watch, charged = Spending(10, {1: 6, 2: 6}), set[str]()
    assert watch.leaves("a", 1, charged.__contains__) is None
    assert watch.leaves("b", 2, charged.__contains__) is None  # the first one was turned away
    charged |= {"a", "b"}
    assert watch.leaves("a", 1, charged.__contains__) == "4: 12 of 10 credits"
    assert Spending(10, {1: 16}).leaves("a", 1, charged.__contains__) is None


def test_more_retries_than_the_share_are_seen() -> None:
    watch = Retries(RetryPolicy(share=0.2, spare=4))
    for second in range(10):
        assert watch.attempt(float(second), again=False) is None
    found = [watch.attempt(10.0 + number, again=True) for number in range(8)]
    assert found[:7] == [None] * 7
    assert found[7] is not None
    assert watch.attempt(90.0, again=True) is None


def test_t10_a_job_that_is_passed_over_is_seen_but_not_after_trouble() -> None:
    watch = Fairness(PollingPolicy(), least=10.0, hinted=False, clock_errs=False)
    watch.shown("a", 100.0)
    assert watch.called(129.0, [Running()], {}) is None
    assert watch.called(131.0, [Running()], {}) == "20: a waits for a look since 31 s"
    watch.trouble(131.0)
    assert watch.called(300.0, [Running()], {}) is None
    assert watch.called(331.0, [Running()], {}) is not None


def test_t10_a_job_may_wait_for_an_end_that_is_foreseen() -> None:
    watch = Fairness(PollingPolicy(), least=10.0, hinted=False, clock_errs=False)
    watch.shown("a", 100.0)
    assert watch.called(159.0, [Running(lasts=40.0)], {}) is None
    assert watch.called(161.0, [Running(lasts=40.0)], {}) is not None


def test_t10_a_look_that_shows_nothing_is_a_look() -> None:
    watch = Fairness(PollingPolicy(), least=10.0, hinted=False, clock_errs=False)
    watch.shown("a", 100.0)
    watch.asked("a", 115.0)
    assert watch.called(131.0, [Running()], {}) is None
    assert watch.called(146.0, [Running()], {}) is not None
