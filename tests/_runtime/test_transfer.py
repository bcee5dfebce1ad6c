"""One file's bytes: where a broken transfer goes on, and where it must begin anew."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from rawserver import HANG, Asked, RawServer, Reply, reply, serving
from session_kit import check_job, downloading, polling, settings, world

from dreamina_async import DownloadPolicy, IncompleteDownload, TransportError, VideoRequest
from dreamina_async._core.media import Piece, piece_of
from dreamina_async._runtime.clock import LoopClock
from dreamina_async._runtime.files import Files
from dreamina_async._runtime.transfer import Refused, Transfer, _Meter
from dreamina_async._runtime.transport import AiohttpTransport
from dreamina_async.emulator import Fault
from dreamina_async.emulator.mp4 import mp4, sample_for

FILE = b"".join(mp4(sample_for("16:9").of("origin"), "one", 60_000))
OTHER = b"".join(mp4(sample_for("16:9").of("origin"), "two", 60_000))
HALF = len(FILE) // 2
ETAG = 'ETag: "one"'


def test_a_meter_notices_a_stall_and_forgives_a_long_transfer() -> None:
    meter = _Meter(0.0, DownloadPolicy(stall_after=30, stall_bytes=1000))
    assert meter.due(0.0, 1)
    assert not meter.due(0.1, 1)
    assert meter.due(0.3, 1)
    assert meter.due(31.0, 1000)
    assert meter.due(62.0, 1000)
    with pytest.raises(IncompleteDownload):
        meter.due(93.0, 10)


def broken(body: bytes = FILE, *headers: str) -> Reply:
    """The first half of a file that was announced as a whole, and then silence.

    Not an end: aiohttp throws away what it has buffered when the connection breaks.
    """
    return reply(body[:HALF], *(headers or (ETAG,)), length=len(body), then=HANG)


def rest(start: int = HALF, *, etag: str = ETAG, size: int | None = None) -> Reply:
    total = len(FILE) if size is None else size
    headers = (f"Content-Range: bytes {start}-{total - 1}/{total}", *([etag] if etag else []))
    return reply(FILE[start:], *headers, status="206 Partial Content")


@asynccontextmanager
async def receiving(
    folder: Path, *replies: Reply, **policy: object
) -> AsyncIterator[tuple[RawServer, Callable[[], object], Transfer]]:
    rules = downloading(**({"resume_from": 1000, "block": 1 << 20} | policy))
    files, seen = Files(), []
    async with serving(*replies) as server:
        transport = AiohttpTransport(settings(read_timeout=0.1), loopback=True)
        transfer = Transfer(
            transport,
            files,
            LoopClock(),
            rules,
            folder / "0-1",
            "video",
            lambda received, size: seen.append((received, size)),
        )
        try:
            yield server, lambda: transfer.bring(server.url("/video.mp4")), transfer
        finally:
            await transfer.discard()
            await transport.aclose()
            files.close()
    assert list(folder.rglob("*.part")) == []


def asked_range(asked: Asked) -> tuple[str | None, str | None]:
    return asked.header("Range"), asked.header("If-Range")


async def test_it_goes_on_where_it_broke_off(tmp_path: Path) -> None:
    async with receiving(tmp_path, broken(), rest()) as (server, bring, transfer):
        with pytest.raises(TransportError):
            await bring()
        assert transfer.received == HALF
        written = await bring()
        assert written.facts.size == len(FILE)
        assert asked_range(server.asked[0]) == (None, None)
        assert asked_range(server.asked[1]) == (f"bytes={HALF}-", '"one"')
        assert transfer.part is not None
        assert transfer.part.path.read_bytes() == FILE


ANEW = {
    "the whole, for it has changed": (broken(), reply(OTHER, 'ETag: "two"')),
    "the whole, for ranges are not known there": (broken(), reply(OTHER)),
    "no etag": (broken(FILE, "X-Nothing: 1"), reply(OTHER)),
    "a weak etag": (broken(FILE, 'ETag: W/"one"'), reply(OTHER)),
    "an etag that is none": (broken(FILE, "ETag: one"), reply(OTHER)),
    "ranges are refused": (broken(FILE, ETAG, "Accept-Ranges: none"), reply(OTHER)),
}


@pytest.mark.parametrize("why", ANEW)
async def test_it_begins_anew(tmp_path: Path, why: str) -> None:
    async with receiving(tmp_path, *ANEW[why]) as (server, bring, transfer):
        with pytest.raises(TransportError):
            await bring()
        await bring()
        assert transfer.part is not None
        assert transfer.part.path.read_bytes() == OTHER
        has_range = asked_range(server.asked[1]) != (None, None)
        assert has_range is why.startswith("the whole")


SPLICED = {
    "another file's rest": rest(etag='ETag: "two"'),
    "a rest without a name": rest(etag=""),
    "from another place": rest(HALF - 1),
    "of another length": rest(size=len(FILE) + 1),
    "nothing is left": reply(b"", status="416 Range Not Satisfiable"),
    "a range that says nothing": reply(FILE[HALF:], ETAG, status="206 Partial Content"),
}


@pytest.mark.parametrize("what", SPLICED)
async def test_h16_h20_two_halves_are_never_spliced(tmp_path: Path, what: str) -> None:
    replies = (broken(), SPLICED[what], reply(OTHER))
    async with receiving(tmp_path, *replies) as (server, bring, transfer):
        with pytest.raises(TransportError):
            await bring()
        with pytest.raises(IncompleteDownload):
            await bring()
        await bring()
        assert transfer.part is not None
        assert transfer.part.path.read_bytes() == OTHER
        assert asked_range(server.asked[2]) == (None, None)


@pytest.mark.parametrize("status", ["403 Forbidden", "404 Not Found"])
async def test_an_expired_url_takes_nothing_away(tmp_path: Path, status: str) -> None:
    replies = (broken(), reply(status=status), rest())
    async with receiving(tmp_path, *replies) as (_, bring, transfer):
        with pytest.raises(TransportError):
            await bring()
        with pytest.raises(Refused):
            await bring()
        assert transfer.received == HALF
        await bring()
        assert transfer.part is not None
        assert transfer.part.path.read_bytes() == FILE


async def test_a_host_in_trouble_takes_nothing_away(tmp_path: Path) -> None:
    replies = (broken(), reply(status="503 Busy"), rest())
    async with receiving(tmp_path, *replies) as (_, bring, _part):
        for _ in range(2):
            with pytest.raises(TransportError):
                await bring()
        assert (await bring()).facts.size == len(FILE)


async def test_a_small_file_begins_anew(tmp_path: Path) -> None:
    replies = (broken(), reply(FILE, ETAG))
    async with receiving(tmp_path, *replies, resume_from=HALF + 1) as (server, bring, _):
        with pytest.raises(TransportError):
            await bring()
        await bring()
        assert asked_range(server.asked[1]) == (None, None)


async def test_what_is_no_video_is_not_gone_on_with(tmp_path: Path) -> None:
    page = b"<!doctype html>" + bytes(5000)
    replies = (reply(page, ETAG, length=9000, then=HANG), reply(FILE, ETAG))
    async with receiving(tmp_path, *replies) as (server, bring, transfer):
        with pytest.raises(IncompleteDownload):
            await bring()
        assert transfer.part is None
        await bring()
        assert asked_range(server.asked[1]) == (None, None)


@pytest.mark.parametrize(
    ("received", "size", "headers", "good"),
    [
        (10, 20, {"etag": '"a"'}, True),
        (0, 20, {"etag": '"a"'}, False),
        (20, 20, {"etag": '"a"'}, False),
        (10, None, {"etag": '"a"'}, False),
        (10, 20, {}, False),
        (10, 20, {"etag": 'W/"a"'}, False),
        (10, 20, {"etag": '"a\r\nX: y"'}, False),
        (10, 20, {"etag": '"a"', "accept-ranges": "none"}, False),
    ],
)
def test_a_piece_is_kept_only_if_its_rest_can_be_known(
    received: int, size: int | None, headers: dict[str, str], good: bool
) -> None:
    assert piece_of(received, size, headers) == (Piece(received, 20, '"a"') if good else None)


async def test_h9_a_large_video_is_not_fetched_twice(tmp_path: Path) -> None:
    faults = [Fault(where="media", what="truncated", fraction=0.9, times=1)]
    rules = settings(downloading=downloading(resume_from=100_000), polling=polling())
    async with world(tmp_path, rules=rules, faults=faults, video_bytes=4_000_000) as (
        emulator,
        session,
    ):
        job = await session.submit(VideoRequest("长镜头"))
        result = await job
        check_job(emulator, job)
        whole = result.media[0].size
        assert session.statistics().bytes == whole
        assert [call.range for call in emulator.requests.to("media")][1].startswith("bytes=")


async def test_a_video_that_changed_meanwhile_is_fetched_whole(tmp_path: Path) -> None:
    faults = [Fault(where="media", what="truncated", fraction=0.9, times=1)]
    rules = settings(downloading=downloading(resume_from=100_000))
    options = {"faults": faults, "video_bytes": 1_000_000, "etags": 'W/"{}"'}
    async with world(tmp_path, rules=rules, **options) as (emulator, session):
        job = await session.submit(VideoRequest("长镜头"))
        await job
        check_job(emulator, job)
        assert [call.range for call in emulator.requests.to("media")] == ["", ""]
