"""A proxy on loopback, between a session and the emulator, that does what networks do.

It knows where a request and a reply end, so a fault befalls just the exchange it is meant for;
what it does to that exchange, it does to bytes.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from rawserver import CLOSE, HANG, KEEP, RESET, listening, reset
from session_kit import check_folder, leftovers, session_for

from dreamina_async import DreaminaSession
from dreamina_async.emulator import Emulator

GENERATE, HISTORY = "/mweb/v1/aigc_draft/generate", "/mweb/v1/get_history_by_ids"
MEDIA = "/tos-cn-i-"

_API = ("/mweb/", "/commerce/", "/?Action")
_END = b"\r\n\r\n"


@frozen
class Fate:
    """What becomes of one exchange.

    Attributes:
        asks: bytes of the request that are passed on; with fewer than all there is no reply.
        ask: makes another request of the session's.
        change: makes another reply of the emulator's.
        upto: bytes of the reply that are passed on.
        slices: bytes passed on at a time; 0 for all at once.
        pause: seconds before each slice.
        sealed: over TLS, encrypted bytes of the reply that are passed on.
        end: what becomes of the connection then.
    """

    asks: int | None = None
    ask: Callable[[bytes], bytes] | None = None
    change: Callable[[bytes], bytes] | None = None
    upto: int | None = None
    slices: int = 0
    pause: float = 0.0
    sealed: int | None = None
    end: str = KEEP


BARE = "bare"
"""An end of the connection that TLS was not told of: no close_notify."""

LOST = Fate(upto=0, end=RESET)
"""The request takes effect, the reply is lost."""

Fates = Callable[[str], Fate | None]
"""The fate of the exchange with this target; None leaves it alone."""


def befalling(where: str, *fates: Fate, for_ever: bool = False) -> Fates:
    """One fate after the other, to the exchanges whose target holds `where`."""
    left = list(fates)

    def next_of(target: str) -> Fate | None:
        if where not in target or not left:
            return None
        return left[0] if for_ever else left.pop(0)

    return next_of


@define
class Seen:
    """One exchange as it passed; the reply as the emulator gave it, empty if there was none."""

    target: str
    request: bytes
    connection: int
    reply: bytes = b""


@define(eq=False)
class FaultProxy:
    """Passes exchanges on, each as its fate has it."""

    api: int
    media: int
    fates: list[Fates] = field(factory=list)
    seen: list[Seen] = field(factory=list)
    port: int = 0
    connections: int = 0
    watch: Callable[[str], None] = lambda _: None
    """Called with the target of each request, before it is passed on."""
    _tasks: set["asyncio.Task[Any]"] = field(factory=set)

    def url(self, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}"

    def to(self, where: str) -> list[Seen]:
        return [one for one in self.seen if where in one.target]

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        lines: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        try:
            while await self._exchange(reader, writer, lines, number):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for _, onward in lines.values():
                onward.transport.abort()
            writer.transport.abort()
            self._tasks.discard(task)

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        lines: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]],
        number: int,
    ) -> bool:
        request = await read_message(reader)
        target = request.split(b" ", 2)[1].decode("latin-1")
        self.watch(target)
        seen = Seen(target, request, number)
        self.seen.append(seen)
        fate = next(filter(None, (one(target) for one in self.fates)), Fate())
        port = self.api if target.startswith(_API) else self.media
        if port not in lines:
            lines[port] = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        back, onward = lines[port]
        asked = fate.ask(request) if fate.ask else request
        onward.write(asked[: fate.asks])
        await onward.drain()
        if fate.asks is not None and fate.asks < len(request):
            reset(onward)
            reset(writer)
            return False
        seen.reply = await read_message(back)
        await self._deliver(fate, seen.reply, writer)
        return await _afterwards(fate.end, reader, writer)

    async def _deliver(self, fate: Fate, data: bytes, writer: asyncio.StreamWriter) -> None:
        data = (fate.change(data) if fate.change else data)[: fate.upto]
        if fate.sealed is not None:
            write_sealed(writer, data, fate.sealed)
            return
        step = fate.slices or len(data) or 1
        for start in range(0, max(1, len(data)), step):
            if fate.pause:
                await asyncio.sleep(fate.pause)
            writer.write(data[start : start + step])
            await writer.drain()
            if fate.slices:
                await asyncio.sleep(0)

    async def close(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _afterwards(end: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    if end == HANG:
        await reader.read()  # until the client goes away
    if end == RESET:
        reset(writer)
    if end == BARE:
        writer.transport.abort()
    if end == CLOSE:
        writer.close()
        await writer.wait_closed()
    return end == KEEP


def write_sealed(writer: asyncio.StreamWriter, data: bytes, upto: int) -> None:
    """So many bytes of what TLS makes of the data, and never all of them."""
    tls = writer.transport._ssl_protocol  # type: ignore[attr-defined]
    below, sealed = tls._transport, bytearray()
    tls._transport = _Catching(below, sealed)
    try:
        writer.write(data)
    finally:
        tls._transport = below
    below.write(bytes(sealed[: min(upto, len(sealed) - 1)]))


@define
class _Catching:
    """In place of the transport below TLS: keeps what it is given."""

    _below: Any
    _kept: bytearray

    def write(self, data: bytes) -> None:
        self._kept += data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)


async def read_message(reader: asyncio.StreamReader) -> bytes:
    """One request or reply; the emulator announces the length of all that it sends."""
    head = await reader.readuntil(_END)
    return head + await reader.readexactly(int(header(head, "Content-Length") or 0))


# ---- other messages ----------------------------------------------------------------------


def header(message: bytes, name: str) -> str | None:
    for line in message.partition(_END)[0].decode("latin-1").split("\r\n")[1:]:
        key, _, value = line.partition(":")
        if key.lower() == name.lower():
            return value.strip()
    return None


def body_of(message: bytes) -> bytes:
    return message.partition(_END)[2]


def head_length(message: bytes) -> int:
    return message.index(_END) + len(_END)


def with_headers(message: bytes, *more: str, without: Iterable[str] = ()) -> bytes:
    """The same message with other headers; those given replace those of their name."""
    gone = {name.lower() for name in (*without, *(one.partition(":")[0] for one in more))}
    head, _, body = message.partition(_END)
    first, *lines = head.decode("latin-1").split("\r\n")
    kept = [line for line in lines if line.partition(":")[0].lower() not in gone]
    return "\r\n".join([first, *kept, *more]).encode("latin-1") + _END + body


def with_status(message: bytes, status: str) -> bytes:
    """The same message under another status line."""
    return f"HTTP/1.1 {status}".encode() + message[message.index(b"\r\n") :]


def with_body(message: bytes, body: bytes, *more: str) -> bytes:
    """The same head, with a body of the length it announces."""
    whole = message[: head_length(message)] + body
    return with_headers(whole, f"Content-Length: {len(body)}", *more)


def unsized(message: bytes) -> bytes:
    """The same message, its end shown by the connection's end alone."""
    return with_headers(message, "Connection: close", without=["Content-Length"])


def chunked(message: bytes, size: int = 64) -> bytes:
    """The same message in chunks."""
    head, body = (
        with_headers(message, "Transfer-Encoding: chunked", without=["Content-Length"]),
        b"",
    )
    plain = body_of(message)
    for start in range(0, len(plain), size):
        piece = plain[start : start + size]
        body += f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    return head[: head_length(head)] + body + b"0\r\n\r\n"


def astray(request: bytes) -> bytes:
    """The same request to another target, where it has no effect."""
    return request.replace(b"/mweb/", b"/mweb/nowhere/", 1)


def saying(body: bytes, *more: str, status: str = "200 OK") -> Callable[[bytes], bytes]:
    """A `Fate.change` that puts another body, and perhaps status, in place of the reply's."""
    return lambda message: with_status(with_body(message, body, *more), status)


# ---- the world behind it -----------------------------------------------------------------


@asynccontextmanager
async def proxying(
    emulator: Emulator, *fates: Fates, tls: ssl.SSLContext | None = None
) -> AsyncIterator[FaultProxy]:
    """A proxy before an emulator, media included."""
    ports = (int(url.rpartition(":")[2]) for url in (emulator.base_url, emulator.media_url))
    proxy = FaultProxy(*ports, list(fates))
    async with listening(proxy.handle, tls) as proxy.port:
        if tls is None:
            emulator._world.links.base_url = proxy.url()
        try:
            yield proxy
        finally:
            await proxy.close()


@asynccontextmanager
async def proxied(
    folder: Path,
    *fates: Fates,
    rules: Any = None,
    tls: ssl.SSLContext | None = None,
    **options: Any,
) -> AsyncIterator[tuple[Emulator, FaultProxy, DreaminaSession]]:
    """An emulator, a proxy and an open session; nothing may be left over, or charged twice."""
    before = leftovers()
    async with (
        Emulator(**({"speed": 2000} | options)) as emulator,
        proxying(emulator, *fates, tls=tls) as proxy,
    ):
        if tls is not None:
            emulator._world.links.base_url = proxy.url(scheme="https")
        given = {"base_url": emulator._world.links.base_url}
        given |= {"settings": rules} if rules else {}
        async with session_for(emulator, folder, **given) as session:
            yield emulator, proxy, session
    assert leftovers() == before
    assert emulator.ledger.repeated() == {}
    assert emulator.requests.media_cookies == 0
    check_folder(folder)
