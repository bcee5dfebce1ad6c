"""Images on their way to the service: once each, however often asked, whatever goes wrong."""

import asyncio
import gc
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from rawserver import HANG, RESET, reply, serving
from session_kit import SECRET, retrying
from session_kit import settings as quick

from dreamina_async._core.profile import caller_for
from dreamina_async._core.wire import HttpRequest, HttpResponse
from dreamina_async._runtime import files as files_module
from dreamina_async._runtime.clock import LoopClock
from dreamina_async._runtime.files import Files
from dreamina_async._runtime.jobs import Counters
from dreamina_async._runtime.pace import Pace
from dreamina_async._runtime.supervisor import Supervisor
from dreamina_async._runtime.transport import AiohttpTransport
from dreamina_async._runtime.uploader import Uploader
from dreamina_async.credentials import Credentials
from dreamina_async.emulator import Emulator, Fault
from dreamina_async.emulator.uploads import Upload
from dreamina_async.errors import (
    ApiError,
    AuthenticationError,
    DreaminaError,
    InvalidRequest,
    ProtocolError,
    ServiceUnavailable,
    SessionClosed,
    TransportError,
    TransportTimeout,
)
from dreamina_async.images import MAX_IMAGE_BYTES, ImageData, ImageRef
from dreamina_async.settings import Settings

STEPS = ("token", "apply", "upload", "commit")
ONCE = dict.fromkeys(STEPS, 1)


def picture(text: str = "", size: int = 0) -> bytes:
    """A GIF of 300 x 200, with something behind its head to tell it from others."""
    head = b"GIF89a" + (300).to_bytes(2, "little") + (200).to_bytes(2, "little")
    return (head + text.encode()).ljust(size, b"\0")


class World:
    """An uploader, and the service that it talks to."""

    def __init__(self, emulator: Emulator, uploader: Uploader) -> None:
        self.emulator = emulator
        self.uploader = uploader

    async def upload(self, image: object, field: str = "references") -> ImageRef:
        async with asyncio.timeout(10):
            return await self.uploader.upload(image, field)  # type: ignore[arg-type]

    async def failing(self, image: object, field: str = "references") -> DreaminaError:
        with pytest.raises(DreaminaError) as caught:
            await self.upload(image, field)
        assert caught.value.charged == "no"
        assert SECRET not in repr(caught.value)
        return caught.value

    def counts(self) -> dict[str, int]:
        return {name: self.emulator.requests.counts.get(name, 0) for name in STEPS}

    def committed(self) -> list[str]:
        """Digests of what the service has."""
        return [one.sha256 for one in self.uploads()]

    def uploads(self) -> tuple[Upload, ...]:
        return self.emulator.uploads


@asynccontextmanager
async def world(
    *, rules: Settings | None = None, region: str = "cn", base: str | None = None, **options: object
) -> AsyncIterator[World]:
    rules = rules or quick()
    async with Emulator(**({"speed": 600} | options)) as emulator:
        async with shell(base or emulator.base_url, rules, region) as uploader:
            yield World(emulator, uploader)
        assert emulator.requests.media_cookies == 0


@asynccontextmanager
async def shell(base: str, rules: Settings, region: str = "cn") -> AsyncIterator[Uploader]:
    """As a session has it; nothing may be left over."""
    crashes: list[BaseException] = []
    supervisor, files = Supervisor(crashes.append), Files()
    transport = AiohttpTransport(rules, loopback=True)
    caller = caller_for(Credentials(SECRET, region=region), base)
    await supervisor.start()
    pace = Pace(LoopClock(), Counters(), rules.retrying)
    uploader = Uploader(transport, files, caller, LoopClock(), rules, pace, supervisor.spawn)
    try:
        yield uploader
    finally:
        await supervisor.stop(0)
        uploader.close(SessionClosed("closed"))
        await transport.aclose()
        files.close()
    assert not crashes
    assert not [one for one in threading.enumerate() if one.name.startswith("dreamina-")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "a picture.gif"
    file.write_bytes(picture())
    return file


# --- the way there -----------------------------------------------------------------------------


@pytest.mark.parametrize("region", ["cn", "us", "jp"])
async def test_a_file_arrives(path: Path, region: str) -> None:
    """The emulator checks both signatures, the size and the checksum."""
    async with world(region=region) as there:
        found = await there.upload(path)
        (upload,) = there.uploads()
        assert found.uri == upload.uri
        assert (upload.size, upload.sha256) == (len(picture()), ImageData.of(picture()).sha256)
        # the emulator knows no GIF, so these are ours
        assert (found.width, found.height, found.format) == (300, 200, "gif")
        assert there.counts() == ONCE


async def test_bytes_arrive() -> None:
    async with world() as there:
        content = picture(size=(1 << 20) + 1)
        found = await there.upload(ImageData.of(content))
        assert there.committed() == [ImageData.of(content).sha256]
        assert found.format == "gif"


async def test_what_is_uploaded_already_goes_nowhere() -> None:
    async with world() as there:
        ref = ImageRef("tos-cn-i-tb4s082cfz/0", 1, 1, "png")
        assert await there.upload(ref) is ref
        assert not any(there.counts().values())


async def test_a_host_that_is_told_in_the_singular(path: Path) -> None:
    async with world(upload_hosts="singular") as there:
        assert await there.upload(path)


async def test_a_file_is_never_in_memory_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its blocks leave with their length announced, not in chunks."""
    blocks: list[int] = []
    take = files_module._ImageFile.take

    def counted(self: files_module._ImageFile) -> bytes:
        block = take(self)
        blocks.append(len(block))
        return block

    monkeypatch.setattr(files_module._ImageFile, "take", counted)
    file = tmp_path / "large.gif"
    file.write_bytes(picture(size=5 << 20))
    async with world() as there:
        await there.upload(file)
        assert there.committed() == [ImageData.of(file.read_bytes()).sha256]
    assert max(blocks) <= 256 << 10
    assert sum(blocks) == 5 << 20


# --- what is no image --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"%PDF-1.7 and so on", "is no image"),
        (b"<html>" * 100, "is no image"),
        (None, "No such file"),
    ],
)
async def test_files_that_are_refused_before_anything_is_sent(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    file = tmp_path / "x.png"
    if content is not None:
        file.write_bytes(content)
    async with world() as there:
        error = await there.failing(file, "first_frame")
        assert isinstance(error, InvalidRequest)
        assert error.field == "first_frame"
        assert words in str(error)
        assert str(file) in str(error)
        assert "PNG" in str(error)
        assert not any(there.counts().values())


async def test_what_is_no_plain_file(tmp_path: Path) -> None:
    """A pipe that nobody writes to would keep its reader for ever."""
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    async with world() as there:
        assert "is a folder" in str(await there.failing(tmp_path))
        assert "is no plain file" in str(await there.failing(pipe))
        assert "is no plain file" in str(await there.failing(Path("/dev/zero")))


async def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    file = tmp_path / "x.gif"
    with file.open("wb") as opened:
        opened.write(picture())
        opened.truncate(MAX_IMAGE_BYTES + 1)
    async with world() as there:
        assert str(MAX_IMAGE_BYTES) in str(await there.failing(file))
        assert not any(there.counts().values())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
async def test_a_file_that_may_not_be_read(path: Path) -> None:
    path.chmod(0)
    async with world() as there:
        assert "Permission denied" in str(await there.failing(path))


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (ImageData("0" * 64, 10), "give the image again"),
        (ImageData.of(b"no image at all"), "no image"),
    ],
)
async def test_bytes_that_are_refused(image: ImageData, words: str) -> None:
    async with world() as there:
        error = await there.failing(image, "last_frame")
        assert isinstance(error, InvalidRequest)
        assert error.field == "last_frame"
        assert words in str(error)
        assert not any(there.counts().values())


# --- once each ---------------------------------------------------------------------------------


async def test_the_same_content_is_uploaded_once(path: Path, tmp_path: Path) -> None:
    """Whatever it is called, whoever asks, then or later."""
    twin = tmp_path / "twin.gif"
    twin.write_bytes(picture())
    async with world() as there:
        images = [path, twin, ImageData.of(picture()), path]
        found = await asyncio.gather(*map(there.upload, images))
        assert len({one.uri for one in found}) == 1
        assert await there.upload(twin) == found[0]
        assert there.counts() == ONCE


async def test_one_token_for_all_of_them_and_three_at_once() -> None:
    async with world(upload_latency=(20.0, 20.0)) as there:
        images = [ImageData.of(picture(str(number))) for number in range(9)]
        found = await asyncio.gather(*map(there.upload, images))
        assert len({one.uri for one in found}) == 9
        assert there.counts() == {"token": 1, "apply": 9, "upload": 9, "commit": 9}
        assert there.emulator.requests.peaks["upload"] <= 3


async def test_a_waiter_that_goes_away_takes_nothing_along(path: Path) -> None:
    async with world(upload_latency=(30.0, 30.0)) as there:
        first = asyncio.create_task(there.upload(path))
        second = asyncio.create_task(there.upload(path))
        while not there.emulator.requests.counts.get("token"):
            await asyncio.sleep(0.001)
        first.cancel()
        assert (await second).uri
        with pytest.raises(asyncio.CancelledError):
            await first
        assert there.counts() == ONCE


async def test_a_failure_reaches_every_waiter_and_is_forgotten(path: Path) -> None:
    faults = [Fault(where="apply", what="ret", ret="100002", times=2)]
    async with world(faults=faults) as there:
        asked = [there.upload(path) for _ in range(3)]
        errors = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(one) for one in errors} == {ApiError}
        assert len({id(one) for one in errors}) == 3
        assert (await there.upload(path)).uri


async def test_closing_reaches_those_who_wait(path: Path) -> None:
    faults = [Fault(where="upload", what="hang", times=None)]
    async with Emulator(speed=600, faults=faults) as emulator:
        async with shell(emulator.base_url, quick()) as uploader:
            waiting = asyncio.create_task(uploader.upload(path))
            while "upload" not in emulator.requests.peaks:
                await asyncio.sleep(0.001)
        with pytest.raises(SessionClosed):
            await waiting
        with pytest.raises(SessionClosed):
            await uploader.upload(path)


async def test_nobody_waits_for_a_group_that_is_gone(path: Path) -> None:
    """A session that crashed starts no task any more."""
    async with Emulator(speed=600) as emulator, shell(emulator.base_url, quick()) as uploader:
        uploader.spawn = lambda *_: None
        waiting = asyncio.create_task(uploader.upload(path))
        while not uploader._uploads:
            await asyncio.sleep(0.001)
        uploader.close(SessionClosed("crashed"))
        with pytest.raises(SessionClosed, match="crashed"):
            await waiting


# --- tokens ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ret", ["1015", "1014", "3018"])
async def test_a_login_that_gets_no_token(path: Path, ret: str) -> None:
    async with world(faults=[Fault(where="token", what="ret", ret=ret)]) as there:
        error = await there.failing(path)
        assert isinstance(error, AuthenticationError)
        assert error.code == ret
        assert there.counts() == {"token": 1, "apply": 0, "upload": 0, "commit": 0}


@pytest.mark.parametrize("where", ["apply", "commit"])
@pytest.mark.parametrize("code", ["100024", "30406"])
async def test_a_token_that_is_not_taken_is_replaced(path: Path, where: str, code: str) -> None:
    async with world(faults=[Fault(where=where, what="ret", ret=code)]) as there:
        assert (await there.upload(path)).uri
        assert there.counts() == ONCE | {"token": 2, where: 2}


async def test_tokens_are_replaced_once_only(path: Path) -> None:
    async with world(faults=[Fault(where="apply", what="ret", ret="100024", times=None)]) as there:
        error = await there.failing(path)
        assert isinstance(error, ApiError)
        assert error.code == "100024"
        assert there.counts() == {"token": 2, "apply": 2, "upload": 0, "commit": 0}


async def test_a_token_is_not_used_when_its_time_is_over(path: Path) -> None:
    now = 1_768_000_000.0

    class Wall(LoopClock):
        def wall(self) -> float:
            return now

    async with world(wall=lambda: now, token_life=3600.0) as there:
        there.uploader.clock = Wall()
        for passed, tokens in ((0.0, 1), (3400.0, 1), (100.0, 2)):
            now += passed
            await there.upload(ImageData.of(picture(str(now))))
            assert there.counts()["token"] == tokens


# --- trouble -----------------------------------------------------------------------------------


@pytest.mark.parametrize("where", STEPS)
@pytest.mark.parametrize("what", ["status", "reset", "close", "reset_after_charge"])
async def test_every_step_is_repeated(path: Path, where: str, what: str) -> None:
    async with world(faults=[Fault(where=where, what=what, times=2)]) as there:
        assert (await there.upload(path)).uri
        assert there.committed() == [ImageData.of(picture()).sha256]
        assert there.counts() == ONCE | {where: 3}


@pytest.mark.parametrize("where", ["token", "apply", "commit"])
async def test_a_page_in_place_of_a_reply_is_trouble_on_the_way(path: Path, where: str) -> None:
    faults = [Fault(where=where, what="html"), Fault(where=where, what="truncated_json")]
    async with world(faults=faults) as there:
        assert (await there.upload(path)).uri


@pytest.mark.parametrize("where", STEPS)
async def test_trouble_that_stays_is_an_error(path: Path, where: str) -> None:
    rules = quick(retrying=retrying(attempts=2))
    async with world(rules=rules, faults=[Fault(where=where, what="status", times=None)]) as there:
        error = await there.failing(path)
        assert isinstance(error, ServiceUnavailable)
        assert there.counts()[where] == 2


async def test_a_service_that_is_not_there(path: Path) -> None:
    rules = quick(retrying=retrying(attempts=2))
    async with shell("http://127.0.0.1:1", rules) as uploader:
        with pytest.raises(TransportError) as caught:
            await uploader.upload(path)
        assert caught.value.charged == "no"


async def test_a_host_that_refuses_makes_us_ask_for_another_place(path: Path) -> None:
    """204 from the edge (LUH)."""
    async with world(faults=[Fault(where="upload", what="ret", ret="4006")]) as there:
        assert (await there.upload(path)).uri
        assert there.counts() == {"token": 1, "apply": 2, "upload": 2, "commit": 1}


async def test_an_edge_that_always_says_no(path: Path) -> None:
    async with world(upload_edge="reject_first") as there:
        error = await there.failing(path)
        assert isinstance(error, ApiError)
        assert error.status == 204
        assert there.counts() == {"token": 1, "apply": 2, "upload": 2, "commit": 0}


async def test_a_commit_that_is_refused_is_tried_from_the_place_on(path: Path) -> None:
    faults = [Fault(where="commit", what="ret", ret="100002", times=2)]
    async with world(faults=faults) as there:
        assert (await there.upload(path)).uri
        assert there.counts() == {"token": 2, "apply": 2, "upload": 2, "commit": 3}


class Named:
    """A transport that lets the service name other upload hosts."""

    def __init__(self, uploader: Uploader, *hosts: str) -> None:
        self._inner = uploader.transport
        self._hosts = ",".join(f'"{host}"' for host in hosts).encode()
        uploader.transport = self

    async def send(self, request: HttpRequest, announce: object = None) -> HttpResponse:
        response = await self._inner.send(request)
        start, found, rest = response.body.partition(b'"UploadHosts":[')
        if not found:
            return response
        own, end, rest = rest.partition(b"]")
        body = start + found + self._hosts.replace(b'"own"', own) + end + rest
        return HttpResponse(response.status, response.headers, body)

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


@pytest.mark.parametrize(
    "other", ["10.0.0.1", "localhost.evil@x", "up.example.com:8443", "http://169.254.169.254"]
)
async def test_a_host_inside_somebodys_network_is_passed_over(path: Path, other: str) -> None:
    async with world() as there:
        Named(there.uploader, other, "own")
        assert (await there.upload(path)).uri
        assert there.counts() == ONCE


async def test_no_host_that_bytes_are_sent_to(path: Path) -> None:
    async with world() as there:
        Named(there.uploader, "10.0.0.1")
        error = await there.failing(path)
        assert isinstance(error, ProtocolError)
        assert there.counts() == {"token": 1, "apply": 2, "upload": 0, "commit": 0}


async def test_a_host_in_trouble_gets_another_turn_after_the_others(path: Path) -> None:
    async with serving(reply(b"", status="503 Busy")) as busy, world() as there:
        Named(there.uploader, f"127.0.0.1:{busy.port}", "own")
        assert (await there.upload(path)).uri
        assert len(busy.asked) == 1
        assert there.counts() == ONCE


@pytest.mark.parametrize(
    "answer", [reply(b"", status="204 No"), reply(b'{"code":4006}'), reply(b"<html>")]
)
async def test_a_refusal_leads_to_the_next_host(path: Path, answer: object) -> None:
    async with serving(answer) as other, world() as there:
        Named(there.uploader, f"127.0.0.1:{other.port}", "own")
        assert (await there.upload(path)).uri
        assert len(other.asked) == 1
        assert there.counts() == ONCE


async def test_what_the_upload_host_is_shown(path: Path) -> None:
    """No cookie, no login; one length, no chunks; and a redirect leads nowhere."""
    moved = reply(b"", "Location: http://127.0.0.1:1/", status="307 Moved")
    async with serving(moved) as other, world() as there:
        Named(there.uploader, f"127.0.0.1:{other.port}", "own")
        await there.upload(path)
        (asked,) = other.asked
        assert asked.method == "POST"
        assert asked.target.startswith("/upload/v1/tos-cn-i-tb4s082cfz/")
        assert asked.body == picture()
        assert asked.header("Content-Length") == str(len(picture()))
        assert asked.header("Transfer-Encoding") is None
        assert asked.header("Content-Type") == "application/octet-stream"
        assert asked.header("Cookie") is None
        assert SECRET not in repr(asked)
        assert len(asked.header("Content-CRC32") or "") == 8


async def test_a_host_that_answers_before_it_has_read_all(tmp_path: Path) -> None:
    """The reader of the file is at rest before the file is read again."""
    file = tmp_path / "large.gif"
    file.write_bytes(picture(size=8 << 20))

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await reader.read(1 << 16)  # and no further; the client is the one to leave
        while await reader.read(1 << 16):
            pass
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with world() as there:
        Named(there.uploader, f"127.0.0.1:{port}", "own")
        assert (await there.upload(file)).uri
    server.close()
    await server.wait_closed()
    gc.collect()  # a generator left open would be heard of now


async def test_the_door_returns_when_nobody_reads_the_body_any_more() -> None:
    """A thread that reads a block cannot be stopped, only waited for."""
    files, reads, goes_on = Files(), threading.Event(), threading.Event()

    def slow_read() -> bytes:
        reads.set()
        goes_on.wait(5)
        return b"x"

    async def blocks() -> AsyncIterator[bytes]:
        yield b"x"
        yield await files.run(slow_read)

    transport, body = AiohttpTransport(quick(), loopback=True), blocks()
    async with serving(reply()) as server:  # waits for the whole body, in vain
        request = HttpRequest("POST", server.url(), "/", {"Content-Length": "9"}, b"")
        sending = asyncio.create_task(transport.upload(request, body, 9))
        while not reads.is_set():
            await asyncio.sleep(0.001)
        sending.cancel()
        done, _ = await asyncio.wait([sending], timeout=0.05)
        assert not done
        goes_on.set()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await body.aclose()  # type: ignore[attr-defined]
        await transport.aclose()
    files.close()


async def test_a_host_that_reads_nothing_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    file = tmp_path / "large.gif"
    file.write_bytes(picture(size=32 << 20))
    held = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.transport.abort()

    server = await asyncio.start_server(hold, "127.0.0.1", 0, limit=1 << 10)
    port = server.sockets[0].getsockname()[1]
    rules = quick(read_timeout=0.1, retrying=retrying(attempts=1))
    async with world(rules=rules) as there:
        Named(there.uploader, f"127.0.0.1:{port}")
        assert isinstance(await there.failing(file), TransportTimeout)
    held.set()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("then", [RESET, HANG])
async def test_a_connection_that_breaks_ends_as_transport_trouble(path: Path, then: str) -> None:
    rules = quick(read_timeout=0.1, retrying=retrying(attempts=1))
    async with serving(reply(b"", length=10, then=then)) as other, world(rules=rules) as there:
        Named(there.uploader, f"127.0.0.1:{other.port}")
        assert isinstance(await there.failing(path), TransportError)


# --- files that change -------------------------------------------------------------------------


@pytest.fixture
def after_each_look(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Callable[[Path], object]]]:
    """What somebody does to a file between its two passes, one for each time."""
    left: list[Callable[[Path], object]] = []
    read = files_module._read_image

    def read_then_change(path: Path, field: str) -> object:
        found = read(path, field)
        if left:
            left.pop(0)(path)
        return found

    monkeypatch.setattr(files_module, "_read_image", read_then_change)
    yield left
    assert not left


def rewritten(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


@pytest.mark.parametrize(
    "content", [picture("longer"), picture()[:-1], picture()[:-1] + b"\1", picture(size=1 << 20)]
)
async def test_a_file_that_changed_is_read_again(
    path: Path, content: bytes, after_each_look: list
) -> None:
    """What has arrived is one of its contents, never a mixture."""
    after_each_look.append(rewritten(content))
    async with world() as there:
        await there.upload(path)
        assert there.committed() == [ImageData.of(content).sha256]


async def test_a_file_that_changes_all_the_time(path: Path, after_each_look: list) -> None:
    after_each_look += [rewritten(picture("b")), rewritten(picture("c"))]
    async with world() as there:
        error = await there.failing(path, "first_frame")
        assert type(error) is InvalidRequest
        assert error.field == "first_frame"
        assert "changes while" in str(error)
        assert there.committed() == []


async def test_a_file_that_vanished(path: Path, after_each_look: list) -> None:
    after_each_look.append(Path.unlink)
    async with world() as there:
        error = await there.failing(path)
        assert isinstance(error, InvalidRequest)
        assert "No such file" in str(error)


# --- secrets -----------------------------------------------------------------------------------


async def test_no_secret_reaches_the_log(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    faults = [
        Fault(where="apply", what="ret", ret="100024"),
        Fault(where="upload", what="ret", ret="4006"),
        Fault(where="commit", what="status"),
    ]
    async with world(faults=faults) as there:
        caplog.set_level(logging.DEBUG)
        await there.upload(path)
        token = there.uploader._known_token
        assert token is not None
        shown = caplog.text + repr(token) + repr(there.uploader)
        for secret in (SECRET, token.access_key, token.secret_key, token.session_token):
            assert secret not in shown
        assert "another token" in caplog.text
