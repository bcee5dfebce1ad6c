"""What the installed aiohttp does where the reliability notes (section 0) count on it.

None of this is ours: these tests stand here so that an upgrade that changes it is noticed. A
test that fails says which of our precautions has become needless, or which one is missing.

`python tests/characterisation/everywhere.py` runs them in fresh virtual environments, against
the oldest and the newest versions that we allow.
"""

import asyncio
import gzip
import socket
import zlib
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver
from rawserver import CLOSE, HANG, RESET, Reply, raw, redirect, reply, serving
from yarl import URL

CANARY = "cookie-of-nobody"
OK = b"HTTP/1.1 200 OK\r\n"


class Here(AbstractResolver):
    """Every name is this machine."""

    async def resolve(self, host, port=0, family=socket.AF_INET):
        row = {"hostname": host, "host": "127.0.0.1", "port": port}
        return [row | {"family": socket.AF_INET, "proto": 0, "flags": 0}]

    async def close(self):
        pass


def client(**options) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Here()), **options)


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
async def plain() -> AsyncIterator[aiohttp.ClientSession]:
    async with client(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


# ---- M1 to M5: where a cookie goes -------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{"cookies": {"sessionid": CANARY}}, {"headers": {"Cookie": f"sessionid={CANARY}"}}]
)
async def test_m1_a_session_s_cookie_goes_to_every_host(options):
    async with serving(reply()) as server, client(**options) as session:
        await session.get(server.url(host="unrelated.test"))
    assert CANARY in server.asked[0].header("Cookie")


async def test_m2_a_cookie_bound_to_a_host_goes_there_over_plain_http_too():
    jar = aiohttp.CookieJar()
    jar.update_cookies({"sessionid": CANARY}, URL("https://api.test/"))
    assert not jar.filter_cookies(URL("https://other.test/"))
    assert not jar.filter_cookies(URL("https://sub.api.test/"))
    assert jar.filter_cookies(URL("http://api.test/"))


async def test_m3_a_cookie_for_the_parent_domain_goes_to_its_siblings():
    given = reply(b"", f"Set-Cookie: sessionid={CANARY}; Domain=example.test; Path=/")
    async with serving(given) as server, client() as session:
        await session.get(server.url(host="api.example.test"))
        await session.get(server.url(host="media.example.test"))
    assert CANARY in server.asked[1].header("Cookie")


async def test_m4_the_repr_of_an_error_shows_the_request_s_cookie(plain):
    async with serving(reply(b"x", "Content-Type: text/plain")) as server:
        answer = await plain.get(server.url(), headers={"Cookie": CANARY})
        with pytest.raises(aiohttp.ContentTypeError) as caught:
            await answer.json()
    assert CANARY in repr(caught.value)
    assert CANARY not in str(caught.value)
    assert issubclass(aiohttp.ContentTypeError, aiohttp.ClientResponseError)


async def test_m5_a_redirected_post_becomes_a_get_or_is_posted_again(plain):
    async with serving(reply()) as other:
        for status in (302, 307):
            async with serving(redirect(other.url(host="other.test"), status)) as server:
                await plain.post(server.url(host="api.test"), data=b"x", headers={"Cookie": CANARY})
    assert [(one.method, one.body) for one in other.asked] == [("GET", b""), ("POST", b"x")]
    assert [one.header("Cookie") for one in other.asked] == [None, None]  # another origin


# ---- M6 to M12: bodies and framings ------------------------------------------------------


@pytest.mark.parametrize(
    "cut",
    [
        reply(b"half", length=100, then=CLOSE),
        reply(b"half", length=100, then=RESET),
        raw(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    ],
)
async def test_m6_a_short_body_is_an_error(plain, cut):
    async with serving(cut) as server:
        with pytest.raises(aiohttp.ClientError) as caught:
            await (await plain.get(server.url())).read()
    # a reset may be told as such, or as what it did to the body
    assert isinstance(caught.value, aiohttp.ClientPayloadError | aiohttp.ClientOSError)


@pytest.mark.parametrize("end", [CLOSE, RESET])
async def test_m7_without_a_length_every_end_is_a_good_end(plain, end):
    async with serving(raw(OK + b"\r\nhalf", end)) as server:
        answer = await plain.get(server.url())
        assert (answer.status, await answer.read()) == (200, b"half")


async def test_m8_a_gzip_that_is_cut_is_no_error(plain):
    packed = gzip.compress(b"x" * 1000)
    head = OK + b"Content-Encoding: gzip\r\n"
    sized = b"Content-Length: %d\r\n" % (len(packed) - 8)
    cuts = [raw(head + b"\r\n" + packed[:10]), raw(head + sized + b"\r\n" + packed[:-8])]
    async with serving(*cuts) as server:
        assert await (await plain.get(server.url())).read() == b""
        assert await (await plain.get(server.url())).read() == b"x" * 1000  # unverified


async def test_m9_a_bomb_is_unpacked_whole(plain):
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(50)) + packer.flush()
    async with serving(reply(bomb, "Content-Encoding: gzip")) as server:
        body = await (await plain.get(server.url())).read()
    assert len(body) == 50 << 20
    assert len(bomb) < 1 << 16


async def test_m10_an_unasked_gzip_has_another_length_than_it_says(plain):
    packed = gzip.compress(b"x" * 10_000)
    async with serving(reply(packed, "Content-Encoding: gzip")) as server:
        answer = await plain.get(server.url(), headers={"Accept-Encoding": "identity"})
        assert int(answer.headers["Content-Length"]) == len(packed)
        assert len(await answer.read()) == 10_000
        async with client(auto_decompress=False) as session:
            assert await (await session.get(server.url())).read() == packed


MALFORMED = {
    "status line": b"HTTP/1.1 banana\r\n\r\n",
    "NUL in a header": OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n",
    "huge header": OK + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
    "two lengths": OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_m11_a_malformed_reply_is_given_the_status_400(plain, name):
    async with serving(raw(MALFORMED[name])) as server:
        with pytest.raises(aiohttp.ClientResponseError) as caught:
            await plain.post(server.url(), data=b"x")
    assert caught.value.status == 400


async def test_m12_leftover_bytes_spoil_a_reply_that_was_complete(plain):
    """If they are seen in time; in any case the connection is not used again."""
    left = raw(OK + b"Content-Length: 2\r\n\r\n{}garbage", HANG)
    async with serving(left, reply(b"second")) as server:
        (first,) = await asyncio.gather(plain.get(server.url()), return_exceptions=True)
        if isinstance(first, aiohttp.ClientResponse):
            assert await first.read() == b"{}"
        else:
            assert first.status == 400
        assert await (await plain.get(server.url())).read() == b"second"
    assert [asked.connection for asked in server.asked] == [1, 2]


# ---- M13 to M16: connections and errors --------------------------------------------------


@pytest.mark.parametrize(("method", "again"), [("GET", True), ("PUT", True), ("POST", False)])
async def test_m13_on_a_connection_that_died_all_but_a_post_is_sent_again(plain, method, again):
    async with serving(reply(b"1"), Reply(then=CLOSE), reply(b"3")) as server:
        await (await plain.request(method, server.url(), data=b"x")).read()
        if again:
            assert await (await plain.request(method, server.url(), data=b"x")).read() == b"3"
        else:
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await plain.request(method, server.url(), data=b"x")
    # the server had read the second one
    assert [asked.connection for asked in server.asked][:2] == [1, 1]
    assert len(server.asked) == (3 if again else 2)


async def test_m14_by_default_a_call_ends_after_five_minutes_and_a_silence_never():
    assert aiohttp.client.DEFAULT_TIMEOUT.total == 300
    assert aiohttp.client.DEFAULT_TIMEOUT.sock_read is None


async def test_m15_timeouts_and_refused_connections_are_os_errors(plain):
    assert issubclass(TimeoutError, OSError)
    assert issubclass(aiohttp.ServerTimeoutError, TimeoutError)
    assert issubclass(aiohttp.ClientConnectorError, OSError)
    async with serving() as server:
        pass
    with pytest.raises(OSError, match="connect"):
        await plain.get(server.url())
    async with serving(Reply(then=HANG)) as server:
        with pytest.raises(TimeoutError):
            await plain.get(server.url(), timeout=aiohttp.ClientTimeout(sock_read=0.05))


async def test_m15_a_lookup_is_not_part_of_the_time_to_connect():
    class Hangs(Here):
        async def resolve(self, host, port=0, family=socket.AF_INET):
            await asyncio.Event().wait()

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=0.01, sock_read=0.01)
    connector = aiohttp.TCPConnector(resolver=Hangs())
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        task = asyncio.create_task(session.get("http://api.test/"))
        done, _ = await asyncio.wait([task], timeout=0.1)
        assert not done
        task.cancel()
        await asyncio.wait([task])


async def test_m14_bytes_that_say_nothing_wind_the_timer_up(plain):
    def interim() -> Iterator[bytes]:
        while True:
            yield b"HTTP/1.1 102 Processing\r\n\r\n"

    async with serving(Reply(interim())) as server:
        timeout = aiohttp.ClientTimeout(total=None, sock_read=0.02)
        task = asyncio.create_task(plain.get(server.url(), timeout=timeout))
        done, _ = await asyncio.wait([task], timeout=0.2)
        assert not done
        task.cancel()
        await asyncio.wait([task])


@pytest.mark.parametrize(
    ("body", "label"),
    [
        (b'"\xff\xfe"', "application/json"),
        ("é".encode("latin-1"), "application/json; charset=utf-8"),
    ],
)
async def test_m16_json_that_is_not_utf8_fails_outside_aiohttp_s_errors(plain, body, label):
    async with serving(reply(body, f"Content-Type: {label}")) as server:
        answer = await plain.get(server.url())
        with pytest.raises(UnicodeDecodeError):
            await answer.json()
    assert not issubclass(UnicodeDecodeError, aiohttp.ClientError)


# ---- M21 and M22 -------------------------------------------------------------------------


async def test_m21_a_part_that_nobody_asked_for_is_ok(plain):
    part = reply(b"half", "Content-Range: bytes 0-3/8", status="206 Partial Content")
    async with serving(part) as server:
        answer = await plain.get(server.url())
        assert (answer.ok, await answer.read()) == (True, b"half")
        answer.raise_for_status()


@pytest.mark.parametrize("bad", ["\r", "\n", "\0"])
async def test_m22_a_bad_header_is_refused_once_connected(plain, bad):
    async with serving(reply()) as server:
        with pytest.raises(ValueError, match="header"):
            await plain.get(server.url(), headers={"X": f"a{bad}b"})
        assert server.connections == 1
        assert server.asked == []
