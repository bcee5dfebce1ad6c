"""A crash after every step that leaves a trace, under every model of what a crash loses.

A calm seed with three jobs is run once to count its steps: each write, sync, name, commit and
send. Then it is run again for every step and every model, dies there, and is lived on until
nothing is owed; some of these runs die once more while they recover.
"""

import shutil
import tempfile
from pathlib import Path
from random import Random

from simdisk import MODELS, Model
from simworld import _RAM, Outcome, World, perform

SEED = 7


def boundaries(seed: int = SEED, jobs: int = 3) -> int:
    """How many steps the scenario has when nothing goes wrong."""
    return crashed(seed, jobs, None, None).ops


def crashed(
    seed: int, jobs: int, at: int | None, model: Model | None, again: int | None = None
) -> Outcome:
    """Run the scenario with a crash after step `at`, and another one `again` steps later."""
    folder = Path(tempfile.mkdtemp(prefix="dreamina-crash-", dir=_RAM if _RAM.is_dir() else None))
    try:
        world = World.calm(seed, folder, jobs)
        world.crash_at, world.crash_model, world.crash_again = at, model, again
        return perform(world)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(seed: int = SEED, jobs: int = 3, every: int = 1, first: int = 1) -> tuple[int, list[str]]:
    """Crash after every `every`-th step under all models; how many runs, and what they broke."""
    chance = Random(seed)
    runs, broken = 0, []
    for at in range(first, boundaries(seed, jobs) + 1, every):
        for model in MODELS:
            again = chance.randint(1, 60) if chance.random() < 0.25 else None
            outcome = crashed(seed, jobs, at, model, again)
            runs += 1
            broken += [f"step {at}, {model}, again {again}: {one}" for one in outcome.violations]
    return runs, broken
