"""Real SIGKILLs on a real process: `python tests/kill/loop.py --kills 1000 --seed 1`.

--kills N     so many in all, up to ten in each folder
--seed N      where to begin: each folder has a seed of its own
--jobs N      folders at a time
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from attrs import define, field

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]

from killing import MOMENTS, Tally, drawn_kills, one_world  # noqa: E402

_ENOUGH = 100
_KILLS = 10
"""In one folder, at most."""


@define
class _Loop:
    """Folders one after another, several at a time, until there were kills enough."""

    left: int
    seeds: Iterator[int]
    total: Tally = field(factory=Tally)

    async def work(self) -> None:
        while self.left > 0 and len(self.total.violations) < _ENOUGH:
            kills = min(self.left, _KILLS)
            self.left -= kills
            tally = await _one(next(self.seeds), kills)
            self.left += kills - tally.kills.total()  # the work was done before
            self.total.add(tally)


async def _one(seed: int, kills: int) -> Tally:
    folder = Path(tempfile.mkdtemp(prefix="dreamina-kill-"))
    try:
        tally = await one_world(folder / "out", drawn_kills(seed, kills), seed=seed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if tally.violations:
        print(f"seed {seed}: python tests/kill/loop.py --seed {seed} --kills {kills}")
        print("\n".join(f"    {text}" for text in tally.violations[:5]), flush=True)
    return tally


async def many(kills: int, first: int, jobs: int) -> int:
    began = time.monotonic()
    loop = _Loop(kills, count(first))
    await asyncio.gather(*(loop.work() for _ in range(jobs)))
    seconds = time.monotonic() - began
    total = loop.total
    print("kills:", ", ".join(f"{one} {total.kills[one]}" for one in MOMENTS))
    print(
        f"{total.kills.total()} kills, {total.lives} lives, {total.jobs} jobs, "
        f"{total.charges} charges, {total.unknown} unknown, {seconds:.0f} s: "
        f"{len(total.violations)} violations"
    )
    return 1 if total.violations else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    given = parser.parse_args()
    return asyncio.run(many(given.kills, given.seed, given.jobs))


if __name__ == "__main__":
    sys.exit(main())
