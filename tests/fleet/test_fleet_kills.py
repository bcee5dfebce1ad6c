"""Real workers, killed for real: nothing is paid twice, nothing that was paid is lost."""

import signal
from pathlib import Path
from random import Random

import pytest
from fleet_files import on_a_file
from fleeting import World, world

from dreamina_async.emulator import Fault


async def killed_at_random(here: World, seed: int, kills: int) -> None:
    """Some workers die somewhere in the run; one of them comes back."""
    chance = Random(f"fleet {seed}")
    moments = sorted(chance.randint(1, len(here.prompts) - 100) for _ in range(kills))
    for moment, victim in zip(moments, chance.sample(here.lives, kills), strict=True):
        await here.until_charged(moment)
        await here.until_asked(chance.randint(0, 40))
        await here.kill(victim)
    await here.start()


@on_a_file
async def test_p1_two_workers_on_one_file_and_one_is_killed(tmp_path: Path) -> None:
    db = f"sqlite:///{tmp_path / 'fleet.db'}"
    async with world(db, tmp_path, 60, workers=2, shard=10, in_flight=20) as here:
        first, second = await here.start(), await here.start()
        await here.until_sent_by(first, 5)
        await here.kill(first)
        assert await second.ended() == 0, second.said
        ends = await here.check(every=False)
        # at most what the dead one had on its way at that moment
        assert ends["held"] <= 2


@pytest.mark.sweep
async def test_p1_three_workers_two_killed_every_prompt_charged_once(
    tmp_path: Path, postgres_db: str
) -> None:
    async with world(postgres_db, tmp_path, 600, "--resend") as here:
        for _ in range(3):
            await here.start()
        await killed_at_random(here, 1, kills=2)
        await here.all_end()
        ends = await here.check(every=True)
        assert ends == {"done": 600}


@pytest.mark.sweep
async def test_p1_three_workers_two_killed_none_charged_twice(
    tmp_path: Path, postgres_db: str
) -> None:
    async with world(postgres_db, tmp_path, 200) as here:
        for _ in range(3):
            await here.start()
        await killed_at_random(here, 3, kills=2)
        await here.all_end()
        ends = await here.check(every=False)
        assert ends["done"] + ends["held"] == 200
        # of each that was killed, the one that was on its way
        assert ends["held"] <= 2


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("db", "where"),
    [
        pytest.param("sqlite", "marked", marks=on_a_file),
        ("postgres", "marked"),
        pytest.param("sqlite", "answered", marks=on_a_file),
        ("postgres", "published"),
    ],
    indirect=["db"],
)
async def test_p1_p2_killed_between_two_of_its_steps(tmp_path: Path, db: str, where: str) -> None:
    """Between mark and send, between reply and record, between files and record."""
    resend = db.startswith("postgresql")
    options = ["--resend"] if resend else []
    async with world(db, tmp_path, 24, *options, workers=2, shard=8, in_flight=8) as here:
        first = await here.start("--die", where)
        assert await first.ended() == -signal.SIGKILL, first.said
        await here.bury(first)
        second = await here.start()
        assert await second.ended() == 0, second.said
        ends = await here.check(every=resend)
        assert ends["done"] + ends["held"] == 24
        # a worker of two has two requests on their way: what was marked may never have left, with
        # what was answered beside it; `check` has seen that whatever was charged is in place
        held = {"marked": {1, 2}, "answered": {0, 1}}[where] if not resend else {0}
        assert ends["held"] in held


@pytest.mark.sweep
@pytest.mark.parametrize("what", ["hang", "hang_after_charge"])
async def test_p1_p2_killed_while_it_waits_for_the_reply(
    tmp_path: Path, postgres_db: str, what: str
) -> None:
    """Between send and charge, between charge and reply."""
    async with world(
        postgres_db, tmp_path, 40, "--resend", workers=2, shard=10, in_flight=20
    ) as here:
        first = await here.start()
        await here.held_up(Fault(where="generate", what=what, after=3))
        await here.kill(first)
        second = await here.start()
        assert await second.ended() == 0, second.said
        assert await here.check(every=True) == {"done": 40}


@pytest.mark.sweep
async def test_p6_a_worker_that_comes_back_from_the_dead_sends_nothing(
    tmp_path: Path, db: str
) -> None:
    async with world(db, tmp_path, 80, workers=2, shard=20, in_flight=8) as here:
        first = await here.start("--stay", "--lease", "15")
        await here.until_sent_by(first, 3)
        await first.freeze(db)
        await here.bury(first)
        second = await here.start()
        await here.until_charged(60)
        sent = here.sent_by(first)
        first.signal(signal.SIGCONT)
        assert await second.ended() == 0, second.said
        assert await first.ended() == 1
        assert "LeaseLost" in first.said[-1]
        # what had passed the fence when it stopped
        assert here.sent_by(first) <= sent + 2
        # what came of that after it was given up is found when somebody asks again
        await here.enqueue()
        assert await (await here.start()).ended() == 0
        ends = await here.check(every=False)
        assert ends["held"] <= 2


@pytest.mark.sweep
async def test_a_dead_worker_is_noticed_by_its_silence(tmp_path: Path, postgres_db: str) -> None:
    async with world(postgres_db, tmp_path, 60, "--lease", "4", workers=2, shard=10) as here:
        first, _ = await here.start(), await here.start()
        await here.until_sent_by(first, 5)
        first.signal(signal.SIGKILL)
        await here.all_end()
        while (await here.fleet.progress()).left:  # on a slow machine the other lost its lease, too
            await (await here.start()).ended()
        assert (await here.check(every=False))["held"] <= 2 * len(here.lives)


@on_a_file
@pytest.mark.sweep
async def test_a_worker_that_is_told_to_stop_hands_its_shards_back(tmp_path: Path) -> None:
    db = f"sqlite:///{tmp_path / 'fleet.db'}"
    async with world(db, tmp_path, 60, workers=2, shard=20, in_flight=20) as here:
        first = await here.start()
        await here.until_sent_by(first, 5)
        first.signal(signal.SIGTERM)
        await first.ended()
        second = await here.start()
        assert await second.ended() == 0, second.said
        assert await here.check(every=True) == {"done": 60}
