"""A real process, killed for real: started again, it finishes, and nothing is paid twice."""

from collections import Counter
from pathlib import Path

import pytest
from killing import Kill, drawn_kills, one_world


async def test_p1_p2_killed_again_and_again(tmp_path: Path) -> None:
    """Between the charge and the reply, before the charge, while it looks, while files come."""
    kills = [
        # the submits first, and the files at once: a slow machine gets no further than they tell
        Kill("submit charged", after=1),
        Kill("submit read", after=2),
        Kill("look read"),
        Kill("file under way", after=5),
        Kill("file saved", after=3, seconds=0.01),
    ]
    tally = await one_world(tmp_path / "out", kills, number=20)
    assert tally.violations == []
    assert tally.kills == Counter(kill.moment for kill in kills)
    # what may have been paid is held: it was sent, and shows no trace
    assert tally.unknown >= 1
    assert tally.charges + tally.unknown == 20


async def test_p4_killed_while_it_recovers_again_and_again(tmp_path: Path) -> None:
    """As it opens, at its first look and at its first file, whether or not it has work to do."""
    kills = [
        Kill("submit charged", after=4),
        Kill("recovery", seconds=0.01),
        Kill("look read", resuming=True),
        Kill("file asked for"),
    ]
    tally = await one_world(tmp_path / "out", kills, number=12)
    assert tally.violations == []
    assert tally.kills == Counter(kill.moment for kill in kills)


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(1, 7))
async def test_p1_p2_p4_killed_at_drawn_moments(tmp_path: Path, seed: int) -> None:
    """`python tests/kill/loop.py --kills 1000` is the large one."""
    tally = await one_world(tmp_path / "out", drawn_kills(seed, 12), seed=seed)
    assert tally.violations == []
    assert tally.kills.total() >= 2
