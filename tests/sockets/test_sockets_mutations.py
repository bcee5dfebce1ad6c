"""Recorded replies, spoilt in a thousand ways: each is a value or a typed error, and its own.

A thousand inputs by default; 20,000 for each decoder, and the slowest parse of all, by

    DREAMINA_TESTS=large pytest tests/sockets -s -k mutations -o faulthandler_timeout=900
"""

import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from faultproxy import GENERATE, HISTORY, Fate, befalling, body_of, proxied, with_body
from mutator import mutated
from session_kit import image, polling, retrying, settings

from dreamina_async import DreaminaError, JobState, VideoRequest
from dreamina_async._core.commerce import decode_credits, decode_history
from dreamina_async._core.decode import StatusReply, decode_items, decode_status, decode_submit
from dreamina_async._core.wire import HttpResponse

pytestmark = pytest.mark.sweep

LARGE = os.environ.get("DREAMINA_TESTS") == "large"
INPUTS = 20_000 if LARGE else 200
SLOW = 0.1
"""Seconds of this thread; measured and told, not asserted: machines differ."""
NOW = 1_790_000_000.0


@define
class Recorded:
    """Bodies that the emulator gave, and the ids that they are about."""

    submit: bytes = b""
    status: bytes = b""
    videos: bytes = b""
    balance: bytes = b""
    ledger: bytes = b""
    submit_id: str = ""
    ids: tuple[str, ...] = ()
    video_id: str = ""


async def recording(tmp_path: Path) -> Recorded:
    """One session's replies: three jobs in one status call, a video, the balance, the ledger."""
    async with proxied(tmp_path) as (_, proxy, session):
        found = Recorded()
        jobs = [await session.submit(image(str(number), count=2)) for number in range(3)]
        found.submit_id = str(jobs[-1].submit_id)
        found.submit = body_of(proxy.to(GENERATE)[-1].reply)
        for job in jobs:
            await job
        found.ids = tuple(str(job.history_id) for job in jobs)
        await session.status(found.ids)
        found.status = body_of(proxy.to(HISTORY)[-1].reply)
        found.video_id = str((await session.generate(VideoRequest("sea"))).history_id)
        found.videos = body_of(proxy.to(HISTORY)[-1].reply)
        await session.credits()
        found.balance = body_of(proxy.seen[-1].reply)
        [entry async for entry in session.credit_history()]
        found.ledger = body_of(proxy.seen[-1].reply)
        return found


def spoilt(body: bytes, seed: int) -> bytes:
    """Mostly as a document; now and then as bytes."""
    chance = random.Random(seed)
    if chance.random() < 0.1:
        place = chance.randrange(len(body))
        return body[:place] + chance.randbytes(chance.randrange(4)) + body[place + 1 :]
    return json.dumps(mutated(json.loads(body), seed)).encode()


def swept(name: str, body: bytes, decode: Callable[[HttpResponse], Any]) -> dict[str, int]:
    """Every outcome of one decoder, counted by its kind."""
    outcomes: dict[str, int] = {}
    slowest, slow = 0.0, 0
    for seed in range(INPUTS):
        response = HttpResponse(200, {}, spoilt(body, seed))
        began = time.thread_time()
        try:
            value = decode(response)
        except DreaminaError as error:
            value = error
        seconds = time.thread_time() - began
        slowest, slow = max(slowest, seconds), slow + (seconds > SLOW)
        if isinstance(value, DreaminaError):
            assert str(value).isprintable(), f"{name}, seed {seed}"
        kind = type(value).__name__
        outcomes[kind] = outcomes.get(kind, 0) + 1
    print(f"\n{name}: {INPUTS} inputs, slowest {slowest * 1000:.1f} ms, {slow} slow, {outcomes}")
    return outcomes


async def test_j5_j11_j12_a_spoilt_reply_is_a_value_or_a_typed_error(tmp_path: Path) -> None:
    recorded = await recording(tmp_path)
    video = (recorded.video_id,)

    def submit(response: HttpResponse) -> Any:
        reply = decode_submit(response, recorded.submit_id, now=NOW)
        assert reply.submit_id in (None, recorded.submit_id)
        assert reply.history_id != "None"
        return reply

    def status(response: HttpResponse) -> StatusReply:
        reply = decode_status(response, recorded.ids, now=NOW)
        told = [*reply.reports, *reply.absent, *reply.damaged]
        assert sorted(told) == sorted(recorded.ids)  # each in one of the three, and no other
        for asked, report in reply.reports.items():
            assert report.history_id in (None, asked)
            assert all(url.startswith("http") for item in report.items for url in item.urls)
        return reply

    for outcomes in (
        swept("submit", recorded.submit, submit),
        swept("status", recorded.status, status),
        swept("videos", recorded.videos, lambda one: decode_status(one, video, now=NOW)),
        swept("items", recorded.videos, lambda one: decode_items(one, now=NOW)),
        swept("balance", recorded.balance, lambda one: decode_credits(one, now=NOW)),
        swept("ledger", recorded.ledger, lambda one: decode_history(one, now=NOW)),
    ):
        assert len(outcomes) >= 2
        assert sum(outcomes.values()) == INPUTS


async def test_j12_spoilt_polls_never_cost_a_job(tmp_path: Path) -> None:
    """End to end: whatever polls say, each job comes to an end, and none is paid twice."""
    rounds = 600 if LARGE else 60

    def spoiling(seed: int) -> Callable[[bytes], bytes]:
        return lambda message: with_body(message, spoilt(body_of(message), seed))

    fates = befalling(HISTORY, *[Fate(change=spoiling(seed)) for seed in range(rounds)])
    rules = settings(
        polling=polling(burst=50), retrying=retrying(base=0.001, cap=0.002, lookup_window=30.0)
    )
    async with proxied(tmp_path, fates, rules=rules, speed=100) as (emulator, proxy, session):
        jobs = [await session.submit(image(str(number))) for number in range(5)]
        await session.drain()
        # a spoilt record may claim a failure, or a result from elsewhere: then it is believed,
        # and what it costs is that job's files, never another charge
        assert {job.state for job in jobs} <= {JobState.DONE, JobState.READY, JobState.FAILED}
        assert sum(job.state is JobState.DONE for job in jobs) >= 1
        assert len(proxy.to(GENERATE)) == len(emulator.ledger) == 5
