"""Many seeds, one seed, or the crash sweep: `python tests/simulation/run.py --seeds 2000`.

--seeds N     that many seeds, on every core; failing ones are kept in regressions.txt
--seed N      one seed, with its trace
--crashes     the crash sweep: every step, every model
--first N     where to begin
--jobs N      jobs in a seed
"""

import argparse
import gc
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]

from simcrash import MODELS, SEED, boundaries, sweep  # noqa: E402
from simfaults import ELSEWHERE, KINDS, OUTCOMES, by_fault  # noqa: E402
from simworld import JOBS, Outcome, play  # noqa: E402

REGRESSIONS = HERE / "regressions.txt"
_ALL_FIRE_FROM = 2000
"""With so many seeds each kind of fault comes often enough to be missed if it does not."""


def kept_seeds() -> list[int]:
    """The seeds that once failed."""
    lines = REGRESSIONS.read_text("utf-8").splitlines()
    return [int(line.split()[0]) for line in lines if line.strip() and not line.startswith("#")]


def _play(seed: int, jobs: int) -> Outcome:
    if seed % 50 == 0:
        gc.collect()
    outcome = play(seed, jobs)
    # the trace is long, and is played again where it is wanted
    return Outcome(
        outcome.seed,
        (),
        outcome.fired,
        outcome.violations,
        outcome.lives,
        outcome.ops,
        outcome.jobs,
    )


def _begin() -> None:
    gc.freeze()
    gc.disable()  # a seed leaves little behind, and is collected every now and then


def many(seeds: Iterable[int], jobs: int) -> int:
    began = time.monotonic()
    fired: Counter[str] = Counter()
    states: Counter[str] = Counter()
    failing: list[Outcome] = []
    count = lives = 0
    with ProcessPoolExecutor(os.cpu_count(), initializer=_begin) as pool:
        seeds = list(seeds)
        for outcome in pool.map(_play, seeds, [jobs] * len(seeds), chunksize=8):
            count, lives = count + 1, lives + outcome.lives
            fired.update(outcome.fired)
            states.update(outcome.jobs)
            if outcome.violations:
                failing.append(outcome)
                _tell(outcome)
    seconds = time.monotonic() - began
    print(f"{count} seeds of {jobs} jobs, {lives} lives, {seconds:.0f} s: {len(failing)} failed")
    print("jobs:", ", ".join(f"{state} {number}" for state, number in sorted(states.items())))
    print("kinds:", ", ".join(f"{kind} {number}" for kind, number in sorted(fired.items())))
    counts = by_fault(fired)
    print("faults:", ", ".join(f"{fault} {number}" for fault, number in counts.items()))
    print(f"played elsewhere ({len(ELSEWHERE)}):", " ".join(sorted(ELSEWHERE)))
    silent = [kind for kind in (*KINDS, *OUTCOMES) if not fired[kind]]
    if count >= _ALL_FIRE_FROM and silent:
        print("never fired:", ", ".join(silent))
        return 1
    _keep(failing)
    return 1 if failing else 0


def _tell(outcome: Outcome) -> None:
    print(f"seed {outcome.seed}: python tests/simulation/run.py --seed {outcome.seed}")
    for text in outcome.violations[:5]:
        print(f"    {text}")


def _keep(failing: list[Outcome]) -> None:
    known = kept_seeds()
    with REGRESSIONS.open("a", encoding="utf-8") as file:
        for outcome in failing:
            if outcome.seed not in known:
                file.write(f"{outcome.seed} {outcome.violations[0][:100]}\n")


def one(seed: int, jobs: int) -> int:
    outcome = play(seed, jobs)
    print("\n".join(outcome.trace))
    print(f"seed {seed}: hash {outcome.hash}, {outcome.lives} lives, {outcome.jobs}")
    print("\n".join(outcome.violations) or "nothing is wrong")
    return 1 if outcome.violations else 0


def crashes(seeds: Iterable[int], jobs: int) -> int:
    began = time.monotonic()
    total = 0
    broken: list[str] = []
    for seed in seeds:
        runs, found = sweep(seed, jobs)
        print(f"seed {seed}: {boundaries(seed, jobs)} steps x {len(MODELS)} models = {runs} runs")
        total += runs
        broken += [f"seed {seed}, {one}" for one in found]
    print(f"{total} crashes, {time.monotonic() - began:.0f} s: {len(broken)} violations")
    print("\n".join(broken[:20]))
    return 1 if broken else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--crashes", action="store_true")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int)
    given = parser.parse_args()
    if given.seed is not None:
        return one(given.seed, given.jobs or JOBS)
    if given.crashes:
        first = given.first or SEED
        return crashes(range(first, first + (given.seeds or 1)), given.jobs or 3)
    return many(range(given.first, given.first + (given.seeds or 2000)), given.jobs or JOBS)


if __name__ == "__main__":
    sys.exit(main())
