"""Several accounts in one fleet: each pays for its own, and keeps its own ceiling."""

import time
from pathlib import Path

import pytest
from fleeting import LATE, RATE, world

from dreamina_async import ImageRequest
from dreamina_async.fleet import Account


@pytest.mark.sweep
async def test_p9_each_account_pays_for_its_own_and_keeps_its_ceiling(
    tmp_path: Path, db: str
) -> None:
    async with world(db, tmp_path, 60, workers=2, in_flight=6, image_limit=6) as here:
        slow = Account(label="second", workers=2, in_flight=6, rate=RATE / 4)
        await here.fleet.init(tmp_path / "out", slow)
        began = time.monotonic()
        theirs = [ImageRequest(f"their {row}", count=1, resolution="1k") for row in range(20)]
        run = (await here.fleet.enqueue(theirs, account="second", shard=5)).run
        for login, account in 2 * (("a", "default"), ("b", "second")):
            await here.start("--login", login, "--account", account)
        assert await here.all_end() == [0, 0, 0, 0]
        stranger = await here.start("--login", "a", "--account", "second")
        assert await stranger.ended() == 1
        assert "AccountMismatch" in stranger.said[-1]

        payers: dict[str, set[str]] = {}
        for charge in here.emulator.ledger:
            payers.setdefault(charge.account, set()).add(charge.prompt)
        assert sorted(payers.values(), key=len) == [{one.prompt for one in theirs}, {*here.prompts}]
        assert len(here.emulator.ledger) == 80
        # the service takes six of an account at once, and never had to refuse a seventh
        assert len(here.emulator.requests.to("generate")) == 80
        assert {one.state.value for one in await here.fleet.results(run)} == {"done"}
        (second,) = [payer for payer, prompts in payers.items() if len(prompts) == 20]
        looks = [one for one in here.emulator.requests.to("history") if one.account == second]
        moments = [one.started_at for one in looks]
        assert len(moments) <= slow.rate * (time.monotonic() - began) + 1
        for last, moment in enumerate(moments):
            assert (
                sum(one > moment - 5 for one in moments[: last + 1]) <= slow.rate * (5 + LATE) + 1
            )
