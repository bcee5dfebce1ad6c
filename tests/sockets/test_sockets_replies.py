"""What HTTP does to a session: replies that lie about themselves, or are of somebody else."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from attrs import evolve
from faultproxy import (
    GENERATE,
    HISTORY,
    MEDIA,
    Fate,
    Seen,
    astray,
    befalling,
    body_of,
    header,
    proxied,
    saying,
    unsized,
    with_body,
    with_headers,
    with_status,
)
from rawserver import CLOSE, HANG, RESET, serving
from session_kit import check_result, downloading, image, polling, retrying, rows, settings

from dreamina_async import DownloadError, JobLost, JobState, Settings, UrlExpired

Change = Callable[[bytes], bytes]

PAGE = b"<!DOCTYPE html><html><body><h1>Log in to this network</h1></body></html>"
as_html = saying(PAGE, "Content-Type: text/html")


async def overcome(tmp_path: Path, *changes: Change, end: str = CLOSE, **options: Any) -> None:
    """Each in place of a submit's reply, of a poll's and of a file's: one charge, one result.

    The request itself takes effect: only the reply is spoilt.
    """
    fates = [Fate(change=change, end=end) for change in changes]
    where = [befalling(one, *fates) for one in (GENERATE, HISTORY, MEDIA)]
    patient = {"downloading": downloading(attempts=20), "retrying": retrying(lookup_window=30.0)}
    rules = options.pop("rules", None) or settings(**patient)
    async with proxied(tmp_path, *where, rules=rules, **options) as (emulator, proxy, session):
        for number in range(len(changes)):
            check_result(emulator, await session.generate(image(str(number))))
        assert len(proxy.to(GENERATE)) == len(emulator.ledger) == len(changes)
        assert session.statistics().retries >= 2 * len(changes)


# ---- the service is in trouble, or limits us ---------------------------------------------


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_h1_h2_a_gateway_that_fails_after_the_charge(tmp_path: Path, status: int) -> None:
    await overcome(tmp_path, saying(PAGE, status=f"{status} Oh"))


NONSENSE = ["-1", "NaN", "1e9", "99999999999", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", "", "0x10"]


async def test_h4_an_absurd_retry_after_is_clamped_or_passed_over(tmp_path: Path) -> None:
    """Whatever the header says, the next try comes within the policy's own cap."""
    rules = settings(retrying=retrying(retry_after_cap=0.03), polling=polling(burst=50))
    busy = [
        Fate(change=saying(b"", f"Retry-After: {text}", status="429 Slow")) for text in NONSENSE
    ]
    refused = [evolve(one, ask=astray) for one in busy]  # such a submit cost nothing
    fates = befalling(GENERATE, *refused), befalling(HISTORY, *busy)
    async with proxied(tmp_path, *fates, rules=rules) as (emulator, proxy, session):
        check_result(emulator, await session.generate(image()))
        assert session.statistics().retries == 2 * len(busy)
        assert len(proxy.to(GENERATE)) == len(busy) + 1
        assert len(emulator.ledger) == 1


@pytest.mark.parametrize("status", [413, 414, 431])
async def test_h8_a_batch_that_is_too_large_is_halved(tmp_path: Path, status: int) -> None:
    """A gateway that takes four ids at most; every job is told of nevertheless."""
    most, too_large = 4, Fate(change=saying(PAGE, status=f"{status} Too Large"))
    async with proxied(tmp_path) as (emulator, proxy, session):

        def limited(target: str) -> Fate | None:
            many = HISTORY in target and len(ids_in(proxy.seen[-1])) > most
            return too_large if many else None

        jobs = [job async for job in session.run(image(str(number)) for number in range(12))]
        before = len(proxy.seen)
        proxy.fates.append(limited)
        told = await session.status([str(job.history_id) for job in jobs])
        assert set(told) == {job.history_id for job in jobs}
        sizes = [len(ids_in(one)) for one in proxy.seen[before:]]
        assert max(sizes) == 10
        assert len(sizes) <= 14
        assert len(emulator.ledger) == 12


def ids_in(status_call: Seen) -> list[str]:
    asked = json.loads(body_of(status_call.request))
    return [*asked.get("history_ids", ()), *asked.get("submit_ids", ())]


@pytest.mark.parametrize("status", [413, 414, 431])
async def test_h8_a_submit_that_is_called_too_large_is_looked_up(
    tmp_path: Path, status: int
) -> None:
    fate = Fate(change=saying(PAGE, status=f"{status} Too Large"))
    submit_id = str(uuid4())
    async with proxied(tmp_path, befalling(GENERATE, fate)) as (emulator, _, session):
        # it took effect, so it is found; a gateway's page is no proof of the contrary
        job = await session.submit(image(), submit_id=submit_id)
        check_result(emulator, await job)
        assert len(emulator.ledger) == 1


# ---- somebody else answers ---------------------------------------------------------------


async def test_h5_h15_a_page_with_200(tmp_path: Path) -> None:
    """A captive portal: never a reply, never a file."""
    await overcome(tmp_path, as_html, saying(PAGE), saying(b'{"ret":', "Content-Type: text/plain"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_h6_an_api_redirect_is_not_followed(tmp_path: Path, status: int) -> None:
    """M5: as a GET, or worse as a second POST, with the cookie."""
    async with serving() as other:
        elsewhere = Fate(
            change=saying(b"", f"Location: {other.url('/login')}", status=f"{status} Moved")
        )
        fates = befalling(GENERATE, elsewhere), befalling(HISTORY, elsewhere)
        async with proxied(tmp_path, *fates) as (emulator, proxy, session):
            check_result(emulator, await session.generate(image()))
            assert len(proxy.to(GENERATE)) == len(emulator.ledger) == 1
        assert other.asked == []


async def test_h7_a_closed_door_on_a_submit_that_was_charged(tmp_path: Path) -> None:
    """403 without a word is no verdict on the submit: it is looked up."""
    fate = Fate(change=saying(PAGE, status="403 Forbidden"))
    async with proxied(tmp_path, befalling(GENERATE, fate)) as (emulator, proxy, session):
        check_result(emulator, await session.generate(image()))
        assert len(proxy.to(GENERATE)) == len(emulator.ledger) == 1


# ---- lengths and framings ----------------------------------------------------------------


def claiming(more: int) -> Change:
    def change(message: bytes) -> bytes:
        return with_headers(message, f"Content-Length: {len(body_of(message)) + more}")

    return change


@pytest.mark.parametrize("end", [CLOSE, RESET])
async def test_h9_a_body_shorter_than_it_claims(tmp_path: Path, end: str) -> None:
    await overcome(tmp_path, claiming(1), claiming(1000), end=end)


async def test_h10_a_file_without_a_length_that_ends_early(tmp_path: Path) -> None:
    """M7: no error from aiohttp; the content itself has to tell."""
    early = [Fate(change=unsized, upto=upto, end=CLOSE) for upto in (900, 3000, 5000)]
    async with proxied(tmp_path, befalling(MEDIA, *early)) as (emulator, _, session):
        check_result(emulator, await session.generate(image()))
        assert session.statistics().retries == 3


def zipped(cut: int = 0, *, sized: bool) -> Change:
    """In gzip although nobody asked for it, some bytes short."""

    def change(message: bytes) -> bytes:
        packed = gzip.compress(body_of(message))
        short = with_body(message, packed[: len(packed) - cut], "Content-Encoding: gzip")
        return short if sized else unsized(short)

    return change


async def test_h11_a_gzip_that_is_cut(tmp_path: Path) -> None:
    """M8: what is missing is no error to aiohttp, with a length or without."""
    await overcome(tmp_path, zipped(30, sized=False), zipped(30, sized=True))
    await overcome(tmp_path / "nothing", zipped(10**6, sized=False), zipped(10**6, sized=True))


async def test_h11_a_gzip_without_its_trailer_is_judged_by_what_is_in_it(tmp_path: Path) -> None:
    """The JSON is whole; a file that was packed on its way has another length, and is refused."""
    fates = [Fate(change=zipped(8, sized=True)), Fate(change=zipped(8, sized=False), end=CLOSE)]
    where = [befalling(one, *fates) for one in (GENERATE, HISTORY, MEDIA)]
    async with proxied(tmp_path, *where) as (emulator, proxy, session):
        for number in range(2):
            check_result(emulator, await session.generate(image(str(number))))
        assert len(proxy.to(GENERATE)) == len(emulator.ledger) == 2
        assert session.statistics().retries >= 2  # the files


async def test_h11_other_encodings_that_nobody_asked_for(tmp_path: Path) -> None:
    def deflated(message: bytes) -> bytes:
        packed = zlib.compress(body_of(message))[:-5]
        return with_body(message, packed, "Content-Encoding: deflate")

    def called(name: str) -> Change:
        return lambda message: with_headers(message, f"Content-Encoding: {name}")

    await overcome(tmp_path, deflated, called("br"), called("gzip"))


async def test_h12_leftover_bytes_answer_nobody(tmp_path: Path) -> None:
    """A forged reply behind the real one must not be taken for the next call's (M12)."""

    def smuggling(message: bytes) -> bytes:
        forged = b'{"ret":"0","data":{}}'
        return message + with_body(message, forged)

    fates = [Fate(change=smuggling)] * 3
    where = [befalling(one, *fates) for one in (GENERATE, HISTORY, MEDIA)]
    async with proxied(tmp_path, *where) as (emulator, proxy, session):
        for number in range(4):
            check_result(emulator, await session.generate(image(str(number))))
        assert len(proxy.to(GENERATE)) == len(emulator.ledger) == 4


def starting(start: bytes) -> Change:
    """Another status line and more, in place of the first line."""
    return lambda message: start + message[message.index(b"\r\n") + 2 :]


GARBAGE = {
    "no HTTP": lambda _: b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "bad status line": starting(b"HTTP/1.1 banana\r\n"),
    "bad version": starting(b"HTTP/9.9 200 OK\r\n"),
    "NUL in a header": starting(b"HTTP/1.1 200 OK\r\nX: a\0b\r\n"),
    "huge header": starting(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n"),
    "many headers": starting(b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 20_000),
    "two lengths": starting(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"),
    "bad length": lambda message: with_headers(message, "Content-Length: -1"),
    "bad chunk": lambda message: with_headers(
        message, "Transfer-Encoding: chunked", without=["Content-Length"]
    ),
    "nothing but a head": lambda _: b"HTTP/1.1 200 OK\r\n\r\n",
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_h13_a_reply_that_is_no_http(tmp_path: Path, name: str) -> None:
    """M11: aiohttp makes a 400 of it, which the service never said."""
    await overcome(tmp_path, GARBAGE[name])


async def test_h14_labels_that_lie(tmp_path: Path) -> None:
    """What it is decides, not what it is called."""
    labels = ["text/html; charset=utf-16", "application/octet-stream", "image/jpeg", "no type", ""]
    fates = [
        Fate(change=lambda message, one=one: with_headers(message, f"Content-Type: {one}"))
        for one in labels
    ]
    where = [befalling(one, *fates) for one in (GENERATE, HISTORY, MEDIA)]
    async with proxied(tmp_path, *where) as (emulator, _, session):
        for number in range(len(labels)):
            check_result(emulator, await session.generate(image(str(number))))
        assert session.statistics().retries == 0


# ---- parts, and statuses of no use -------------------------------------------------------


def half(message: bytes) -> bytes:
    body = body_of(message)
    part = body[: len(body) // 2]
    ranged = f"Content-Range: bytes 0-{len(part) - 1}/{len(body)}"
    return with_status(with_body(message, part, ranged), "206 Partial Content")


def whole_as_part(message: bytes) -> bytes:
    return with_status(message, "206 Partial Content")


async def test_h16_a_part_that_nobody_asked_for(tmp_path: Path) -> None:
    """M21: `ok`, and half a file; on the API it is no reply either."""
    await overcome(tmp_path, half, whole_as_part)


def without_a_condition(request: bytes) -> bytes:
    """A host that passes over If-Range."""
    return with_headers(request, without=["If-Range"])


@pytest.mark.parametrize(
    "second",
    [
        saying(b"", "Content-Range: bytes */1", status="416 Range Not Satisfiable"),
        lambda message: with_headers(message, 'ETag: "another"'),
        lambda message: with_headers(message, 'ETag: "one"', "Content-Range: bytes 0-9/10"),
        lambda message: with_headers(message, 'ETag: "one"', without=["Content-Range"]),
    ],
    ids=["h17-416", "h20-another-file", "h16-wrong-range", "h16-no-range"],
)
async def test_h16_h17_h20_a_broken_transfer_that_cannot_go_on_begins_anew(
    tmp_path: Path, second: Change
) -> None:
    """The first reply breaks off behind a strong ETag; the answer to the range does not fit."""
    first = Fate(
        change=lambda message: with_headers(message, 'ETag: "one"'),
        upto=4000,
        slices=1500,
        pause=0.01,  # or it is all one event to aiohttp, which forgets what it holds
        end=CLOSE,
    )
    rules = settings(downloading=downloading(resume_from=1))
    fates = befalling(MEDIA, first, Fate(ask=without_a_condition, change=second))
    async with proxied(tmp_path, fates, rules=rules) as (emulator, proxy, session):
        check_result(emulator, await session.generate(image()))
        ranges = [header(one.request, "Range") for one in proxy.to(MEDIA)]
        assert ranges[0] is None
        assert ranges[1] is not None
        assert ranges[2] is None


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_h18_a_media_url_that_is_refused(tmp_path: Path, status: int) -> None:
    """Signed anew, and in the end told with the ids that another day needs."""
    refused = Fate(change=saying(PAGE, status=f"{status} No"))
    rules = settings(downloading=downloading(refreshes=2))
    async with proxied(tmp_path, befalling(MEDIA, refused), rules=rules) as (emulator, _, session):
        check_result(emulator, await session.generate(image("once")))
        assert session.statistics().refreshes == 1
    async with proxied(
        tmp_path / "ever", befalling(MEDIA, refused, for_ever=True), rules=rules
    ) as (emulator, proxy, session):
        job = await session.submit(image())
        with pytest.raises(UrlExpired) as caught:
            await job
        assert (caught.value.job_id, caught.value.charged) == (job.job_id, "yes")
        assert len(proxy.to(MEDIA)) == 3
        assert job.state is JobState.READY
        assert rows(tmp_path / "ever") == {job.job_id: "ready"}


STATUSES = ["204 No Content", "205 Reset", "304 Not Modified", "101 Switching", "999 So", "600 So"]


@pytest.mark.parametrize("status", STATUSES)
async def test_h19_a_status_of_no_use(tmp_path: Path, status: str) -> None:
    await overcome(tmp_path, lambda message: with_status(message, status))


async def test_h19_interim_replies_come_before_the_real_one(tmp_path: Path) -> None:
    interim = b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 20
    fate = Fate(change=lambda message: interim + message)
    where = [befalling(one, fate) for one in (GENERATE, HISTORY, MEDIA)]
    async with proxied(tmp_path, *where) as (emulator, _, session):
        check_result(emulator, await session.generate(image()))
        assert session.statistics().retries == 0


# ---- too much ----------------------------------------------------------------------------


def bomb(mebibytes: int, wbits: int = 31) -> bytes:
    packer = zlib.compressobj(wbits=wbits)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(mebibytes)) + packer.flush()


async def test_h22_bombs_and_bodies_without_an_end(tmp_path: Path) -> None:
    """Cut at the cap after decompression, and memory stays flat."""
    packed, plain = bomb(40), bytes(12 << 20)
    tracemalloc.start()
    await overcome(
        tmp_path,
        saying(packed, "Content-Encoding: gzip"),
        saying(bomb(40, 15), "Content-Encoding: deflate"),
        lambda message: unsized(with_body(message, plain)),
        rules=Settings(
            polling=polling(),
            retrying=retrying(lookup_window=30.0),
            downloading=downloading(attempts=20, max_image=1 << 30),
        ),
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 << 20  # the emulator's side and the proxy's included


async def test_h22_a_file_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    rules = settings(downloading=downloading(max_image=100_000))
    endless = Fate(change=lambda message: unsized(with_body(message, bytes(1 << 20))), end=HANG)
    async with proxied(tmp_path, befalling(MEDIA, endless), rules=rules) as (_, _, session):
        job = await session.submit(image())
        with pytest.raises(DownloadError) as caught:
            await job
        assert caught.value.charged == "yes"
        assert job.state is JobState.READY


# ---- nothing of it was ever charged ------------------------------------------------------


async def test_h1_h5_h13_what_never_reached_the_service_is_held(tmp_path: Path) -> None:
    """The same replies, given by somebody before the service: no charge, no second POST."""
    changes = [as_html, GARBAGE["no HTTP"], saying(PAGE, status="504 Gateway Timeout")]
    async with proxied(tmp_path) as (emulator, proxy, session):
        for change in changes:
            proxy.fates[:] = [befalling(GENERATE, Fate(ask=astray, change=change))]
            with pytest.raises(JobLost) as caught:
                await session.submit(image())
            assert caught.value.charged == "unknown"
        assert len(emulator.ledger) == 0
        assert len(proxy.to(GENERATE)) == len(changes)
    assert set(rows(tmp_path).values()) == {"unknown"}
