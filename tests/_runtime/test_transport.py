"""The HTTP door against real sockets: where the cookie goes, and what a failure means."""

import asyncio
import gzip
import os
import pickle
import socket
import ssl
import threading
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
import trustme
from aiohttp import connector as aiohttp_connector
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from rawserver import (
    CLOSE,
    HANG,
    RESET,
    Reply,
    listening,
    raw,
    redirect,
    reply,
    reset,
    serving,
)

from dreamina_async._core.wire import HttpRequest, HttpResponse
from dreamina_async._runtime import transport as module
from dreamina_async._runtime.transport import MAX_REPLY, AiohttpTransport
from dreamina_async.errors import (
    DownloadError,
    DreaminaError,
    ProtocolError,
    StorageError,
    TransportError,
    TransportTimeout,
)
from dreamina_async.settings import DownloadPolicy, Settings

CANARY = "canary0123456789abcdef"
QUICK = Settings(connect_timeout=0.2, read_timeout=0.2)


@asynccontextmanager
async def opened(
    settings: Settings | None = None, *, loopback: bool = True
) -> AsyncIterator[AiohttpTransport]:
    transport = AiohttpTransport(settings or Settings(), loopback=loopback)
    try:
        yield transport
    finally:
        await transport.aclose()


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    async with opened() as transport:
        yield transport


@pytest.fixture
async def quick() -> AsyncIterator[AiohttpTransport]:
    """Impatient."""
    async with opened(QUICK) as transport:
        yield transport


@pytest.fixture
def names(monkeypatch) -> dict[str, list[str]]:
    """Host names and their addresses; every other name does not exist."""
    known: dict[str, list[str]] = {}

    def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):  # noqa: A002
        host = host.decode() if isinstance(host, bytes) else host
        if host not in known and not host[0].isdigit():
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        rows = []
        for address in known.get(host, [host]):
            kind = socket.AF_INET6 if ":" in address else socket.AF_INET
            where = (address, port, 0, 0) if ":" in address else (address, port)
            rows.append((kind, socket.SOCK_STREAM, 6, "", where))
        return rows

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def tls_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture
def trusted(authority, monkeypatch) -> None:
    """Our own authority is one that the client trusts."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    monkeypatch.setattr(aiohttp_connector, "_SSL_CONTEXT_VERIFIED", context)


def call(url: str, method: str = "POST", body: bytes = b"{}", **headers: str) -> HttpRequest:
    return HttpRequest(method, url, "/", {"Cookie": f"sessionid={CANARY}", **headers}, body)


async def failing(transport: AiohttpTransport, request: HttpRequest) -> DreaminaError:
    """The error of a call that must fail, proved to hold no secret."""
    with pytest.raises(DreaminaError) as caught:
        await transport.send(request)
    assert_clean(caught.value)
    return caught.value


def assert_clean(error: BaseException) -> None:
    """X5: nothing hangs on our errors, and they hold nothing of the request."""
    assert error.__cause__ is None
    assert error.__context__ is None
    for text in (repr(error), str(error), repr(vars(error)), repr(error.args)):
        assert CANARY not in text
    pickled = pickle.dumps(error)
    assert CANARY.encode() not in pickled
    assert pickle.loads(pickled) == error


async def fetched(transport: AiohttpTransport, url: str) -> tuple[int, dict, bytes]:
    async with transport.stream(url) as stream:
        return stream.status, dict(stream.headers), await whole(stream)


async def whole(stream) -> bytes:
    return b"".join([piece async for piece in stream.pieces()])


# --- A call and its reply


async def test_a_call_arrives_as_it_was_made(transport):
    async with serving(reply(b'{"ret":"0"}', "X-Tt-Logid: 42", "Set-Cookie: a=b")) as server:
        request = call(server.url("/mweb/v1/x?aid=1"), body="柴犬".encode(), Sign="abc")
        answer = await transport.send(request)
    assert isinstance(answer, HttpResponse)
    assert (answer.status, answer.body) == (200, b'{"ret":"0"}')
    assert answer.headers["x-tt-logid"] == "42"
    (asked,) = server.asked
    assert (asked.method, asked.target) == ("POST", "/mweb/v1/x?aid=1")
    assert asked.body == "柴犬".encode()
    assert (asked.header("Cookie"), asked.header("Sign")) == (f"sessionid={CANARY}", "abc")


@pytest.mark.parametrize("status", [201, 204, 205, 400, 401, 404, 429, 500, 504, 999])
async def test_any_status_is_a_reply(transport, status):
    async with serving(reply(status=f"{status} So")) as server:
        assert (await transport.send(call(server.url()))).status == status


async def test_N14_a_reply_in_any_pieces_is_the_same(transport):  # noqa: N802
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n" + "柴犬柴犬".encode()
    pieces = [Reply([data[:cut], data[cut:]]) for cut in range(1, len(data))]
    dribble = Reply([bytes([byte]) for byte in data])
    async with serving(*pieces, dribble) as server:
        for _ in range(len(data)):
            assert (await transport.send(call(server.url()))).body == "柴犬柴犬".encode()


async def test_a_compressed_reply_is_unpacked(transport):
    async with serving(reply(gzip.compress(b"{}" * 100), "Content-Encoding: gzip")) as server:
        assert (await transport.send(call(server.url()))).body == b"{}" * 100


# --- Where the cookie goes


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_H6_an_api_redirect_is_a_reply_and_not_followed(transport, status):  # noqa: N802
    async with serving() as other, serving(redirect(other.url(), status)) as server:
        answer = await transport.send(call(server.url()))
        assert answer.status == status
    assert len(server.asked) == 1
    assert other.asked == []


async def test_X1_media_hosts_never_see_the_cookie(transport):  # noqa: N802
    async with serving(reply(b"{}", f"Set-Cookie: sessionid={CANARY}; Path=/")) as server:
        await transport.send(call(server.url()))
        await fetched(transport, server.url("/media"))
        await fetched(transport, server.url("/media").replace("127.0.0.1", "localhost"))
    login, *media = server.asked
    assert login.header("Cookie")
    assert len(media) == 2
    assert CANARY not in repr(media)


async def test_X4_no_cookie_is_kept_from_a_reply(transport):  # noqa: N802
    """M3: aiohttp would hand it to sibling hosts."""
    async with serving(reply(b"{}", "Set-Cookie: given=1", "Set-Cookie: more=2; Path=/")) as server:
        bare = HttpRequest("GET", server.url(), "/", {}, b"")
        for _ in range(2):
            await transport.send(bare)
            await fetched(transport, server.url())
    assert [asked.header("Cookie") for asked in server.asked] == [None] * 4


async def test_a_media_request_carries_nothing_of_ours(transport):
    async with serving(reply(b"x")) as server:
        await fetched(transport, server.url())
    (asked,) = server.asked
    names = {name.lower() for name, _ in asked.headers}
    assert names == {"host", "accept", "accept-encoding", "user-agent"}
    assert asked.header("Accept-Encoding") == "identity"


async def test_X18_the_environment_adds_no_proxy_and_no_login(  # noqa: N802
    monkeypatch, tmp_path
):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with serving() as proxy, serving(reply(b"{}")) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url())
        async with opened() as transport:
            await transport.send(call(server.url()))
            await fetched(transport, server.url())
    assert proxy.asked == []
    assert [asked.header("Authorization") for asked in server.asked] == [None, None]


# --- What certainly was not sent


def assert_not_sent(error: DreaminaError) -> None:
    assert isinstance(error, TransportError)
    assert error.sent is False
    assert error.charged == "no"


async def test_N4_a_refused_connection_was_not_sent(transport):  # noqa: N802
    async with serving() as server:
        pass
    error = await failing(transport, call(server.url()))
    assert_not_sent(error)
    assert "refused" in str(error)


async def test_N1_an_unknown_name_was_not_sent(transport, names):  # noqa: N802
    error = await failing(transport, call("https://nowhere.test/x?secret=1"))
    assert_not_sent(error)
    assert "nowhere.test" in str(error)
    assert "secret" not in str(error)


async def test_N2_a_name_that_comes_back_works(transport, names):  # noqa: N802
    async with serving() as server:
        url = server.url(host="api.test")
        assert_not_sent(await failing(transport, call(url)))
        names["api.test"] = ["127.0.0.1"]
        assert (await transport.send(call(url))).status == 200


@pytest.mark.parametrize("door", ["api", "media"])
async def test_N3_a_name_service_that_hangs_was_not_sent(quick, monkeypatch, door):  # noqa: N802
    """aiohttp's time to connect does not count the lookup; ours does."""
    released = threading.Event()

    def getaddrinfo(*_, **__):
        released.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    try:
        if door == "api":
            error = await failing(quick, call("https://api.test/"))
        else:
            with pytest.raises(TransportError) as caught:
                await fetched(quick, "https://p3.byteimg.com/")
            error = caught.value
        assert_not_sent(error)
        assert "name service" in str(error)
        task = asyncio.create_task(quick.send(call("https://api.test/")))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
    finally:
        released.set()


async def test_N15_a_broken_ipv6_does_not_hide_an_ipv4_that_works(transport, names):  # noqa: N802
    async with serving(reply(b"{}")) as server:
        names["api.test"] = ["::1", "127.0.0.1"]
        assert (await transport.send(call(server.url(host="api.test")))).body == b"{}"


async def test_N5_a_silent_host_was_not_sent(quick):  # noqa: N802
    """A full backlog drops further SYNs."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        error = await failing(quick, call(f"http://127.0.0.1:{listener.getsockname()[1]}/"))
        for filler in fillers:
            filler.close()
    assert_not_sent(error)
    assert isinstance(error, TransportTimeout)


@pytest.mark.parametrize("host", ["127.0.0.1", "wrong.test"])
async def test_N6_a_bad_certificate_was_not_sent(  # noqa: N802
    transport, authority, host, request, names
):
    """Self-signed; and trusted, but for another name."""
    names["wrong.test"] = ["127.0.0.1"]
    if host == "wrong.test":
        request.getfixturevalue("trusted")
    async with serving(tls=tls_of(authority.issue_cert("127.0.0.1"))) as server:
        error = await failing(transport, call(server.url(host=host)))
    assert_not_sent(error)
    assert "certificate" in str(error)
    assert server.asked == []


async def test_N7_a_tls_handshake_that_breaks_was_not_sent(transport):  # noqa: N802
    async def breaks(reader, writer):
        await reader.read(5)
        reset(writer)

    async def babbles(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    for handler in (breaks, babbles):
        async with listening(handler) as port:
            assert_not_sent(await failing(transport, call(f"https://127.0.0.1:{port}/")))


async def test_N7_a_tls_handshake_that_stalls_was_not_sent(quick):  # noqa: N802
    async def silent(reader, writer):
        await reader.read()
        writer.close()

    async with listening(silent) as port:
        error = await failing(quick, call(f"https://127.0.0.1:{port}/"))
    assert_not_sent(error)
    assert isinstance(error, TransportTimeout)


# --- What may have arrived

OK = b"HTTP/1.1 200 OK\r\n"
BROKEN = {
    "N8 reset": Reply(then=RESET),
    "N8 closed": Reply(then=CLOSE),
    "closed in the head": raw(OK + b"Content-Le"),
    "H9 cut": reply(b"half", length=100, then=CLOSE),
    "H9 cut by reset": reply(b"half", length=100, then=RESET),
    "cut in chunks": raw(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    "bad chunk": raw(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"),
    "H13 no HTTP": raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "H13 bad status line": raw(b"HTTP/1.1 banana\r\n\r\n"),
    "H13 NUL in a header": raw(OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n"),
    "H13 huge header": raw(OK + b"X: " + b"a" * 100_000 + b"\r\n\r\n"),
    "H13 two lengths": raw(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    "H11 broken gzip": reply(b"\x1f\x8bnonsense", "Content-Encoding: gzip"),
    "H11 no gzip": reply(b"nonsense", "Content-Encoding: gzip"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_broken_reply_may_have_cost_something(transport, name, method):
    async with serving(BROKEN[name]) as server:
        error = await failing(transport, call(server.url("/x?secret=1"), method))
    assert isinstance(error, TransportError)
    assert (error.sent, error.charged) == (True, "unknown")
    assert "400" not in str(error)  # M11: a status that aiohttp made up
    assert "secret" not in str(error)
    if method == "POST":
        assert len(server.asked) == 1


async def test_N11_silence_after_the_request_may_have_cost_something(quick):  # noqa: N802
    silences = [Reply(then=HANG), raw(OK, HANG), reply(b"half", length=10, then=HANG)]
    async with serving(*silences) as server:
        for number in range(1, 4):
            error = await failing(quick, call(server.url()))
            assert isinstance(error, TransportTimeout)
            assert (error.sent, error.charged) == (True, "unknown")
            assert len(server.asked) == number


def flood(again: bytes, first: bytes = b""):
    """Something at every moment, and never an end."""
    yield first
    while True:
        yield again


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "H19 interim replies": lambda: flood(b"HTTP/1.1 102 Processing\r\n\r\n" * 50),
    "blank lines": lambda: flood(b"\r\n" * 50),
    "chunk extension": lambda: flood(b"a" * 50, CHUNKED + b"5;"),
}


@pytest.mark.parametrize("name", ENDLESS)
async def test_H19_H21_a_reply_that_says_nothing_for_ever_is_given_up(name):  # noqa: N802
    """M14: every byte winds aiohttp's own timer up again."""
    async with (
        opened(Settings(read_timeout=0.05)) as transport,
        serving(Reply(ENDLESS[name]()), reply(b"{}")) as server,
    ):
        error = await failing(transport, call(server.url()))
        assert isinstance(error, TransportTimeout)
        assert (error.sent, error.charged) == (True, "unknown")
        assert (await transport.send(call(server.url()))).body == b"{}"


async def test_H21_a_media_head_that_never_ends_is_given_up():  # noqa: N802
    async with (
        opened(Settings(read_timeout=0.05)) as transport,
        serving(Reply(ENDLESS["H19 interim replies"]())) as server,
    ):
        with pytest.raises(TransportTimeout):
            await fetched(transport, server.url())


async def test_H21_an_upload_s_reply_that_never_ends_is_given_up():  # noqa: N802
    async def blocks():
        yield b"x" * 1000

    async with (
        opened(Settings(read_timeout=0.05)) as transport,
        serving(Reply(ENDLESS["H19 interim replies"]())) as server,
    ):
        request = HttpRequest("POST", server.url("/upload/v1/x"), "/", {}, b"")
        with pytest.raises(TransportTimeout):
            await transport.upload(request, blocks(), 1000)


async def test_the_wait_for_a_place_in_the_pool_is_not_part_of_the_reply():
    """A call that queues behind slow ones has as long for its reply as any other."""
    count = 1 + 8
    slow = [Reply(ENDLESS["H19 interim replies"]()) for _ in range(count)]
    policy = Settings(submits=1, read_timeout=0.05)
    async with opened(policy) as transport, serving(*slow, reply(b"{}")) as server:
        calls = [asyncio.create_task(transport.send(call(server.url()))) for _ in range(count)]
        await server.requests(count)
        assert (await transport.send(call(server.url()))).body == b"{}"
        ended = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(one) for one in ended} == {TransportTimeout}


async def test_N10_a_reset_in_mid_upload_may_have_cost_something(transport):  # noqa: N802
    async def half(reader, writer):
        await reader.read(1000)
        reset(writer)

    async with listening(half) as port:
        request = call(f"http://127.0.0.1:{port}/", body=bytes(1_000_000))
        error = await failing(transport, request)
    assert isinstance(error, TransportError)
    assert error.sent is True


@pytest.mark.parametrize("end", [CLOSE, RESET])
async def test_N9_a_post_on_a_dying_connection_is_sent_once(transport, end):  # noqa: N802
    """M13: the server has read it; aiohttp repeats a GET by itself, but never a POST."""
    async with serving(reply(b"{}"), Reply(then=end), reply(b"{}")) as server:
        await transport.send(call(server.url()))
        error = await failing(transport, call(server.url()))
        assert error.sent is True
        assert [asked.connection for asked in server.asked] == [1, 1]
        assert (await transport.send(call(server.url()))).status == 200
    assert len(server.asked) == 3


async def test_N11_a_late_reply_answers_no_other_request(quick):  # noqa: N802
    async with serving(reply(b"half", length=8, then=HANG), reply(b"second")) as server:
        await failing(quick, call(server.url()))
        assert (await quick.send(call(server.url()))).body == b"second"
    assert [asked.connection for asked in server.asked] == [1, 2]


async def test_H12_leftover_bytes_answer_no_other_request(transport):  # noqa: N802
    """M12: aiohttp refuses even the first reply, if it sees the bytes in time."""
    left = raw(OK + b"Content-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n\r\nsmuggled", HANG)
    async with serving(left, reply(b"second")) as server:
        first = await asyncio.gather(transport.send(call(server.url())), return_exceptions=True)
        refused = TransportError("the reply is not valid HTTP", "unknown")
        assert first == [refused] or first[0].body == b"{}"
        assert (await transport.send(call(server.url()))).body == b"second"
    assert [asked.connection for asked in server.asked] == [1, 2]


# --- Too much


def bomb(mebibytes: int) -> bytes:
    packer = zlib.compressobj(wbits=31)
    data = b"".join(packer.compress(bytes(1 << 20)) for _ in range(mebibytes))
    return data + packer.flush()


def endless():
    yield OK + b"Transfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"10000\r\n" + bytes(0x10000) + b"\r\n"


@pytest.mark.parametrize(
    "name",
    ["plain", "bomb", "endless"],
)
async def test_H22_a_reply_is_cut_at_the_cap_and_memory_stays_flat(  # noqa: N802
    transport, name
):
    big = {
        "plain": lambda: reply(bytes(MAX_REPLY + 1), "X-Tt-Logid: 42"),
        "bomb": lambda: reply(bomb(300), "Content-Encoding: gzip", "X-Tt-Logid: 42"),
        "endless": lambda: Reply(endless()),
    }
    async with serving(big[name](), reply(b"{}")) as server:
        tracemalloc.start()
        error = await failing(transport, call(server.url()))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 5 * MAX_REPLY
        assert isinstance(error, ProtocolError)
        assert (error.status, error.charged) == (200, "unknown")
        assert error.logid == (None if name == "endless" else "42")
        assert (await transport.send(call(server.url()))).body == b"{}"


async def test_a_reply_at_the_cap_is_read(transport):
    async with serving(reply(bytes(MAX_REPLY))) as server:
        assert len((await transport.send(call(server.url()))).body) == MAX_REPLY


# --- Cancellation


async def test_cancelled_calls_free_the_pool(transport):
    count = 3 * (Settings().submits + 8)
    async with serving(*[Reply(then=HANG)] * (Settings().submits + 8), reply(b"{}")) as server:
        tasks = [asyncio.create_task(transport.send(call(server.url()))) for _ in range(count)]
        await server.requests(Settings().submits + 8)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)
        replies = await asyncio.gather(*(transport.send(call(server.url())) for _ in range(count)))
        assert [one.body for one in replies] == [b"{}"] * count


async def test_a_call_cancelled_in_mid_reply_frees_its_connection(transport):
    async with serving(reply(b"half", length=8, then=HANG), reply(b"{}")) as server:
        task = asyncio.create_task(transport.send(call(server.url())))
        await server.requests(1)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        await server.all_gone()
        assert (await transport.send(call(server.url()))).body == b"{}"


async def test_left_media_streams_free_the_pool():
    limit = 1 + 4
    policy = Settings(downloading=DownloadPolicy(parallel=1))
    async with opened(policy) as transport, serving(reply(b"half", length=8, then=HANG)) as server:

        async def leave_early() -> None:
            async with transport.stream(server.url()) as stream:
                async for _ in stream.pieces():
                    break

        for _ in range(3 * limit):
            await leave_early()
        await server.all_gone()


# --- Media


async def test_a_stream_brings_status_headers_and_the_bytes_as_they_are(transport):
    packed = gzip.compress(b"x" * 1000)
    async with serving(reply(packed, "Content-Encoding: gzip", "ETag: a")) as server:
        status, headers, body = await fetched(transport, server.url())
    assert (status, headers["etag"], headers["content-length"]) == (200, "a", str(len(packed)))
    assert body == packed


async def test_a_connection_read_to_the_end_serves_again(transport):
    async with serving(reply(b"x" * 100_000)) as server:
        for _ in range(3):
            await fetched(transport, server.url())
    assert {asked.connection for asked in server.asked} == {1}


@pytest.mark.parametrize("name", ["N8 closed", "H9 cut", "H9 cut by reset", "cut in chunks"])
async def test_a_media_body_cut_short_is_a_transport_error(transport, name):
    async with serving(BROKEN[name]) as server:
        with pytest.raises(TransportError) as caught:
            await fetched(transport, server.url("/x?x-signature=secret"))
    assert "secret" not in repr(caught.value)
    assert_clean(caught.value)


async def test_M7_a_body_without_a_length_ends_without_a_word(transport):  # noqa: N802
    async with serving(raw(OK + b"\r\nhalf")) as server:
        assert (await fetched(transport, server.url()))[2] == b"half"


async def test_a_stalled_media_body_is_a_timeout(quick):
    async with serving(reply(b"half", length=100, then=HANG)) as server:
        with pytest.raises(TransportTimeout) as caught:
            await fetched(quick, server.url())
    assert_clean(caught.value)


_PIECES = ["%2F", "%7E", "%2C", "%20", "%25", "%E6%9F%B4", "%2f", "~", "+", ",", ";", ":", "@"]
_PIECES += ["!", "$", "'", "(", ")", "*", "a", "Z", "0", "-", "_", ".", "..", "/", "//", "/../"]
_TEXT = st.lists(st.sampled_from([*_PIECES, "=", "&"]), min_size=1, max_size=12).map("".join)
_PATHS = st.lists(st.sampled_from(_PIECES), max_size=12).map(lambda parts: "/t/" + "".join(parts))


@settings(max_examples=30)
@given(st.lists(st.tuples(_PATHS, _TEXT), min_size=1, max_size=8))
async def test_M18_a_signed_url_arrives_byte_for_byte(parts):  # noqa: N802
    targets = [f"{path}?{query}" for path, query in parts]
    async with serving(reply(b"x")) as server, opened() as transport:
        for target in targets:
            await fetched(transport, server.url(target))
            await transport.send(call(server.url(target)))
    assert [asked.target for asked in server.asked] == [one for one in targets for _ in range(2)]


async def test_M18_a_redirect_is_followed_byte_for_byte(transport):  # noqa: N802
    target = "/a%2Fb~c?x-signature=a%2Bb%7E%2C%2f+=&x=1"
    async with serving(reply(b"x")) as other, serving(redirect(other.url(target))) as server:
        await fetched(transport, server.url())
    assert [asked.target for asked in other.asked] == [target]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_X11_three_hops_are_followed_and_no_more(transport, status):  # noqa: N802
    hops = [redirect(f"/{number}", status) for number in range(3)]
    async with serving(*hops, reply(b"x")) as server:
        assert (await fetched(transport, server.url("/start")))[2] == b"x"
        assert [asked.target for asked in server.asked] == ["/start", "/0", "/1", "/2"]
    async with serving(redirect("/again", status)) as server:
        with pytest.raises(ProtocolError):
            await fetched(transport, server.url())
        assert len(server.asked) == 4


REFUSED = [
    "http://10.0.0.1/x",
    "https://10.0.0.1/x",
    "https://192.168.1.1/x",
    "https://169.254.169.254/latest/meta-data",
    "https://[::ffff:10.0.0.1]/x",
    "https://[fd00::1]/x",
    "https://0.0.0.0/x",
    "http://media.example/x",
    "https://user@media.example/x",
    "file:///etc/passwd",
    "ftp://media.example/x",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "https:///x",
    "https://[bad/x",
]


@pytest.mark.parametrize("url", REFUSED)
async def test_X10_X11_every_hop_is_checked(transport, url):  # noqa: N802
    with pytest.raises(DownloadError):
        await fetched(transport, url)
    async with serving(redirect(url)) as server:
        with pytest.raises((DownloadError, ProtocolError)):
            await fetched(transport, server.url())


@pytest.fixture
def connects(monkeypatch) -> list:
    """Every address that a socket was to be connected to."""
    asked = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: asked.append(address))
    return asked


_THIS_MACHINE = (
    "127.0.0.1 localhost [::1] 127.1 2130706433 0x7f000001 0177.0.0.1 127.0.0.1. １２７.0.0.1 "
    "[::ffff:127.0.0.1] [::ffff:7f00:1] [::] 0 localhost."
)
_PRIVATE = (
    "127.0.0.1 10.1.2.3 169.254.169.254 ::1 fe80::1 fd00::1 ::ffff:127.0.0.1 0.0.0.0 224.0.0.1 "
    "100.64.0.1"
)


@pytest.mark.parametrize("host", _THIS_MACHINE.split())
async def test_X9_this_machine_is_refused_in_every_spelling(host, connects):  # noqa: N802
    async with opened(loopback=False) as transport:
        with pytest.raises(DreaminaError) as caught:
            await fetched(transport, f"https://{host}/x")
    assert connects == []
    assert isinstance(caught.value, DownloadError | TransportError)
    assert getattr(caught.value, "sent", False) is False


@pytest.mark.parametrize("loopback", [True, False])
@pytest.mark.parametrize("address", _PRIVATE.split())
async def test_X9_a_name_that_leads_into_a_private_network_is_refused(  # noqa: N802
    names, connects, address, loopback
):
    names["p3.byteimg.com"] = [address]
    async with opened(loopback=loopback) as transport:
        with pytest.raises(TransportError) as caught:
            await fetched(transport, "https://p3.byteimg.com/x")
    assert connects == []
    assert caught.value.sent is False
    assert "public address" in str(caught.value)
    assert_clean(caught.value)


async def test_X9_only_the_public_addresses_of_a_name_are_used(names):  # noqa: N802
    names["media.test"] = ["10.0.0.1", "93.184.215.14", "::1", "2606:2800:21f:cb07::1"]
    resolver = module._PublicOnlyResolver(1.0, loopback=False)
    found = await resolver.resolve("media.test", 443)
    assert [one["host"] for one in found] == ["93.184.215.14", "2606:2800:21f:cb07::1"]
    names["media.test"] = ["127.0.0.1"]  # rebinding: it has changed its mind
    with pytest.raises(OSError, match="public"):
        await resolver.resolve("media.test", 443)
    await resolver.close()


async def test_names_of_this_machine_are_for_sessions_on_this_machine(transport, names):
    names["localhost"] = ["127.0.0.1"]
    async with serving(reply(b"x")) as server:
        assert (await fetched(transport, server.url(host="localhost")))[2] == b"x"


# --- The end


def open_files() -> set[str]:
    links = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            links.add(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:
            continue
    return {link for link in links if link.startswith("socket")}


@pytest.mark.parametrize("tls", [False, True])
async def test_closing_leaves_no_socket(authority, trusted, tls):
    context = tls_of(authority.issue_cert("127.0.0.1")) if tls else None
    before = open_files()
    async with serving(reply(b"x" * 1000), tls=context) as server:
        async with opened() as transport:
            await asyncio.gather(
                *(transport.send(call(server.url())) for _ in range(5)),
                *(fetched(transport, server.url()) for _ in range(5)),
            )
        await server.all_gone()
    assert open_files() <= before


async def test_closing_twice_is_fine():
    async with opened() as transport:
        await transport.aclose()


async def test_a_usual_server_is_served_as_usual(transport):
    """Against aiohttp's own server: chunks, keep-alive, HEAD-less GET, errors with a body."""

    async def api(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(status=503)
        await answer.prepare(request)
        for piece in (b"a", b"b" * 70_000, await request.read()):
            await answer.write(piece)
        return answer

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", api)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    try:
        for _ in range(3):
            answer = await transport.send(call(f"http://127.0.0.1:{port}/x", body=b"c"))
            assert (answer.status, answer.body) == (503, b"a" + b"b" * 70_000 + b"c")
            status, _, body = await fetched(transport, f"http://127.0.0.1:{port}/x")
            assert (status, body) == (503, b"a" + b"b" * 70_000)
    finally:
        await runner.cleanup()


def test_the_errors_we_keep_clear_of_would_show_the_cookie():
    """M4: why nothing of aiohttp hangs on our errors."""
    url = aiohttp.client.URL("https://x/")
    headers = {"Cookie": CANARY}
    info = aiohttp.RequestInfo(url, "POST", headers, url)
    assert CANARY in repr(aiohttp.ClientResponseError(info, ()))


async def test_a_call_is_announced_before_its_first_byte_and_not_made_if_that_fails(transport):
    async with serving(reply(b"{}")) as server:
        told = []
        await transport.send(call(server.url()), lambda: told.append(len(server.asked)))
        assert told == [0]

        def refuse():
            raise StorageError("no room")

        with pytest.raises(StorageError, match="no room"):
            await transport.send(call(server.url()), refuse)
        await transport.send(call(server.url()))
        assert len(server.asked) == 2
