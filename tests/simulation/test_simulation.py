"""Seeds and crashes, a small number of each; `run.py` knows many more."""

import os
import subprocess
import sys

import pytest
from run import kept_seeds
from simcrash import MODELS, boundaries, crashed, sweep
from simworld import play

pytestmark = pytest.mark.sweep

_SEEDS = range(60)


@pytest.mark.parametrize("first", range(0, len(_SEEDS), 10))
def test_whatever_goes_wrong_every_promise_holds(first: int) -> None:
    for seed in _SEEDS[first : first + 10]:
        outcome = play(seed, jobs=8)
        assert not outcome.violations, f"python tests/simulation/run.py --seed {seed} --jobs 8"


def test_what_failed_once_does_not_fail_again() -> None:
    for seed in kept_seeds():
        assert not play(seed).violations, f"python tests/simulation/run.py --seed {seed}"


def test_a_seed_is_one_story() -> None:
    once, again = play(4), play(4)
    assert once.trace == again.trace
    assert once.hash == again.hash


def test_p1_p3_f5_a_crash_at_any_step_loses_and_repeats_nothing() -> None:
    runs, broken = sweep(every=9)
    assert runs == 4 * len(range(1, boundaries() + 1, 9))
    assert not broken


@pytest.mark.parametrize("model", MODELS)
def test_p2_a_crash_between_charge_and_reply_is_found_again(model: str) -> None:
    """The step `received` stands between the two."""
    steps = [line.split()[1] for line in crashed(7, 3, None, None).trace]
    told = [kind for kind in steps if kind in _STEPS]
    at = told.index("received") + 1
    assert not crashed(7, 3, at, model).violations  # type: ignore[arg-type]


def test_p4_a_crash_while_it_recovers_is_a_crash_like_any_other() -> None:
    for again in range(1, 40, 8):
        assert not crashed(7, 3, 40, "names", again).violations


def test_a_seed_is_the_same_story_in_another_process() -> None:
    """Whatever order sets, addresses and folders have there."""
    seeds = (2, 13, 373)
    here = [play(seed, jobs=8).hash for seed in seeds]
    code = f"from simworld import play\nfor seed in {seeds}: print(play(seed, jobs=8).hash)"
    paths = os.pathsep.join(one for one in sys.path if one)
    there = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.split() == here


_STEPS = {"create", "write", "sync", "link", "replace", "unlink", "make", "open", "close"} | {
    "commit",
    "send",
    "received",
}
