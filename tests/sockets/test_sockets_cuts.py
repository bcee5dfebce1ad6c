"""Replies cut after every byte of their heads and bodies, in three framings, by FIN and by RST.

A sample of the cuts by default. Every one, in some ten minutes, and how many that were:

    DREAMINA_TESTS=large pytest tests/sockets/test_sockets_cuts.py -s -o faulthandler_timeout=900
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faultproxy import (
    GENERATE,
    HISTORY,
    MEDIA,
    Fate,
    befalling,
    chunked,
    head_length,
    proxied,
    unsized,
)
from rawserver import CLOSE, RESET
from session_kit import check_job, check_result, downloading, image, polling, retrying, settings

from dreamina_async import JobState, Settings, VideoRequest

pytestmark = pytest.mark.sweep

LARGE = os.environ.get("DREAMINA_TESTS") == "large"
VIDEO = "/video/"

Framing = Callable[[bytes], bytes]
FRAMINGS: dict[str, Framing] = {"sized": bytes, "unsized": unsized, "chunked": chunked}


def impatient(**changes: Any) -> Settings:
    """Hardly any pause between two tries."""
    rules = {
        "polling": polling(rate=5000.0),
        "retrying": retrying(base=0.0005, cap=0.0005, lookup_window=30.0),
        "downloading": downloading(attempts=100_000),
    }
    return settings(**(rules | changes))


def places(reply: bytes, framing: Framing, sample: int) -> Iterator[int]:
    """Where to cut: everywhere, or at about so many places of the head and of the body."""
    whole, head = len(framing(reply)), head_length(framing(reply))
    if LARGE:
        yield from range(whole)
        return
    yield from range(0, head, -(-3 * head // sample))
    yield from range(head, whole, -(-3 * (whole - head) // (2 * sample)))
    yield whole - 1


def cuts(reply: bytes, framing: Framing, sample: int) -> list[Fate]:
    """Replies differ in length by some bytes from each other; no cut is ever a whole one."""

    def at(place: int) -> Callable[[bytes], bytes]:
        return lambda message: framing(message)[: min(place, len(framing(message)) - 1)]

    return [
        Fate(change=at(place), end=RESET if number % 2 else CLOSE)
        for number, place in enumerate(places(reply, framing, sample))
    ]


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_h9_j2_a_generate_reply_cut_anywhere_costs_once(tmp_path: Path, framing: str) -> None:
    """Each job is charged once, found by its submit id, and comes home."""
    async with proxied(tmp_path, rules=impatient()) as (emulator, proxy, session):
        await session.generate(image())
        fates = cuts(proxy.to(GENERATE)[0].reply, FRAMINGS[framing], 33)
        proxy.fates.append(befalling(GENERATE, *fates))
        requests = (image(str(number)) for number in range(len(fates)))
        async for job in session.run(requests):
            check_job(emulator, job)
        assert len(proxy.to(GENERATE)) == len(emulator.ledger) == 1 + len(fates)
        print(f"\n{len(fates)} cuts of a generate reply, {framing}")


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_h9_j2_a_status_reply_cut_anywhere_changes_nothing(
    tmp_path: Path, framing: str
) -> None:
    """The call is repeated, and nothing is known of the job until a reply is whole."""
    async with proxied(tmp_path, rules=impatient()) as (emulator, proxy, session):
        await session.generate(image())
        fates = cuts(proxy.to(HISTORY)[-1].reply, FRAMINGS[framing], 33)
        proxy.fates.append(befalling(HISTORY, *fates))
        known: list[tuple[Any, ...]] = []
        job = await session.submit(image("cut"))
        proxy.watch = lambda _: known.append((job.state, job.progress, job.queue, job.error))
        await job
        check_job(emulator, job)
        # as it was before each cut reply, and still after the last of them
        assert len(set(known[: len(fates) + 1])) == 1
        assert known[0][0] is JobState.ACCEPTED
        assert session.statistics().retries == len(fates)
        assert len(emulator.ledger) == 2
        print(f"\n{len(fates)} cuts of a status reply, {framing}")


@pytest.mark.parametrize("kind", ["image", "video"])
@pytest.mark.parametrize("framing", FRAMINGS)
async def test_h9_h10_a_media_reply_cut_anywhere_is_never_published(
    tmp_path: Path, framing: str, kind: str
) -> None:
    """M7: without a length the end of the connection is the end of the body, for aiohttp."""
    make = image if kind == "image" else VideoRequest
    where = MEDIA if kind == "image" else VIDEO
    published: set[Path] = set()
    async with proxied(tmp_path, rules=impatient(), speed=20_000) as (emulator, proxy, session):
        before = (await session.generate(make("whole"))).media[0].path.parent
        fates = cuts(proxy.to(where)[0].reply, FRAMINGS[framing], 16)
        proxy.fates.append(befalling(where, *fates))
        proxy.watch = lambda _: published.update(tmp_path.glob("*/*.png"), tmp_path.glob("*/*.mp4"))
        check_result(emulator, await session.generate(make("cut")))
        assert {path.parent for path in published} == {before}
        assert len(proxy.to(where)) >= 2 + len(fates)
        assert len(emulator.ledger) == 2
        print(f"\n{len(fates)} cuts of a media reply, {framing}, {kind}")
