"""Replies cut over TLS: with its own goodbye, without one, and in the middle of a record.

TLS tells a connection that was ended from one that was cut; asyncio and aiohttp do not pass that
on. So all that protects a body of unknown length is what is in it.

A sample of the cuts by default. Every one, and how many that were:

    DREAMINA_TESTS=large pytest -m sweep tests/sockets/test_sockets_tls.py -s \
        -o faulthandler_timeout=900
"""

import gzip
import os
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import connector as aiohttp_connector
from faultproxy import (
    BARE,
    GENERATE,
    HISTORY,
    MEDIA,
    Fate,
    befalling,
    body_of,
    chunked,
    head_length,
    proxied,
    unsized,
    with_body,
)
from rawserver import CLOSE, RESET
from session_kit import check_job, check_result, downloading, image, polling, retrying, settings

from dreamina_async import Settings

pytestmark = pytest.mark.sweep

LARGE = os.environ.get("DREAMINA_TESTS") == "large"
FRAMINGS: dict[str, Callable[[bytes], bytes]] = {
    "sized": bytes,
    "unsized": unsized,
    "chunked": chunked,
}
ENDS = (CLOSE, BARE, RESET)
RECORD = 1 << 14
"""Bytes that a record holds at most; it adds 22."""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's context, of an authority that the client trusts."""
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    monkeypatch.setattr(aiohttp_connector, "_SSL_CONTEXT_VERIFIED", trusting)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def impatient() -> Settings:
    return settings(
        polling=polling(rate=5000.0),
        retrying=retrying(base=0.0005, cap=0.0005, lookup_window=30.0),
        downloading=downloading(attempts=100_000),
    )


def places(length: int, sample: int) -> Iterator[int]:
    return iter(range(0, length, 1 if LARGE else -(-length // sample)))


def cuts(reply: bytes, framing: str = "sized", sample: int = 4) -> list[Fate]:
    """In the plain bytes with each end, and in the encrypted ones, which have no goodbye."""
    change = FRAMINGS[framing]
    whole = change(reply)
    sealed = len(whole) + 22 * -(-len(whole) // RECORD)
    heads = () if LARGE else (head_length(whole),)
    return [
        *(
            Fate(change=cut_at(change, place), end=end)
            for end in ENDS
            for place in (*heads, *places(len(whole), sample))
        ),
        *(
            Fate(change=change, sealed=place, end=end)
            for end in (BARE, RESET)
            for place in places(sealed, sample)
        ),
    ]


def cut_at(change: Callable[[bytes], bytes], place: int) -> Callable[[bytes], bytes]:
    """Replies differ in length by some bytes from each other; no cut is ever a whole one."""
    return lambda message: change(message)[: min(place, len(change(message)) - 1)]


async def test_h9_j2_a_generate_reply_cut_over_tls_costs_once(
    tmp_path: Path, tls: ssl.SSLContext
) -> None:
    async with proxied(tmp_path, rules=impatient(), tls=tls) as (emulator, proxy, session):
        await session.generate(image())
        fates = cuts(proxy.to(GENERATE)[0].reply)
        proxy.fates.append(befalling(GENERATE, *fates))
        async for job in session.run(image(str(number)) for number in range(len(fates))):
            check_job(emulator, job)
        assert len(proxy.to(GENERATE)) == len(emulator.ledger) == 1 + len(fates)
        print(f"\n{len(fates)} cuts of a generate reply over TLS")


async def test_h9_j2_a_status_reply_cut_over_tls_changes_nothing(
    tmp_path: Path, tls: ssl.SSLContext
) -> None:
    async with proxied(tmp_path, rules=impatient(), tls=tls) as (emulator, proxy, session):
        await session.generate(image())
        fates = cuts(proxy.to(HISTORY)[-1].reply)
        proxy.fates.append(befalling(HISTORY, *fates))
        known: list[tuple[Any, ...]] = []
        job = await session.submit(image("cut"))
        proxy.watch = lambda _: known.append((job.state, job.progress, job.queue, job.error))
        await job
        check_job(emulator, job)
        assert len(set(known[: len(fates) + 1])) == 1
        assert session.statistics().retries == len(fates)
        assert len(emulator.ledger) == 2
        print(f"\n{len(fates)} cuts of a status reply over TLS")


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_h9_h10_a_media_reply_cut_over_tls_is_never_published(
    tmp_path: Path, tls: ssl.SSLContext, framing: str
) -> None:
    """Whichever way the connection ends: the whole file stands there, or none."""
    published: set[Path] = set()
    async with proxied(tmp_path, rules=impatient(), tls=tls) as (emulator, proxy, session):
        before = (await session.generate(image("whole"))).media[0].path.parent
        fates = cuts(proxy.to(MEDIA)[0].reply, framing)
        proxy.fates.append(befalling(MEDIA, *fates))
        proxy.watch = lambda _: published.update(tmp_path.glob("*/*.png"))
        check_result(emulator, await session.generate(image("cut")))
        assert {path.parent for path in published} == {before}
        assert len(proxy.to(MEDIA)) >= 2 + len(fates)
        assert len(emulator.ledger) == 2
        print(f"\n{len(fates)} cuts of a media reply over TLS, {framing}")


@pytest.mark.parametrize("end", ENDS)
async def test_n9_a_kept_tls_connection_dies_under_the_second_request(
    tmp_path: Path, tls: ssl.SSLContext, end: str
) -> None:
    """The server has read it: what is free is asked again, a submit never."""
    fates = [befalling(one, Fate(), Fate(upto=0, end=end)) for one in (GENERATE, HISTORY, MEDIA)]
    async with proxied(tmp_path, *fates, tls=tls) as (emulator, proxy, session):
        for number in range(3):
            check_result(emulator, await session.generate(image(str(number))))
        first, second = proxy.to(GENERATE)[:2]
        assert first.connection == second.connection
        assert len(proxy.to(GENERATE)) == len(emulator.ledger) == 3


async def test_h11_a_gzip_that_is_cut_over_tls(tmp_path: Path, tls: ssl.SSLContext) -> None:
    """Its own end is missing, and the goodbye of TLS as well."""

    def zipped(message: bytes) -> bytes:
        short = gzip.compress(body_of(message))[:-30]
        return unsized(with_body(message, short, "Content-Encoding: gzip"))

    fates = [Fate(change=zipped, end=end) for end in ENDS]
    where = [befalling(one, *fates) for one in (GENERATE, HISTORY, MEDIA)]
    async with proxied(tmp_path, *where, rules=impatient(), tls=tls) as (emulator, proxy, session):
        for number in range(len(fates)):
            check_result(emulator, await session.generate(image(str(number))))
        assert len(proxy.to(GENERATE)) == len(emulator.ledger) == len(fates)
