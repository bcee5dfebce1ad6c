"""A server on loopback that answers with bytes as they are, and keeps what it was asked."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from attrs import define, field

RESET, CLOSE, KEEP, HANG = "reset", "close", "keep", "hang"


@define
class Asked:
    """One request as it stood on the wire."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int

    def header(self, name: str) -> str | None:
        found = [value for one, value in self.headers if one.lower() == name.lower()]
        return ", ".join(found) if found else None


@define
class Reply:
    """What is written, in which pieces, and what becomes of the connection then."""

    pieces: Iterable[bytes] = ()
    then: str = KEEP


def reply(
    body: bytes = b"",
    *headers: str,
    status: str = "200 OK",
    length: int | None = None,
    then: str = KEEP,
) -> Reply:
    """A proper reply; `length` may lie."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}"]
    head = "\r\n".join([*lines, *headers, "", ""]).encode("latin-1")
    return Reply([head + body], then)


def redirect(location: str, status: int = 302) -> Reply:
    return reply(b"moved", f"Location: {location}", status=f"{status} Moved")


def raw(data: bytes, then: str = CLOSE) -> Reply:
    return Reply([data], then)


@define(eq=False)
class RawServer:
    """Gives its replies in order, the last one for ever."""

    replies: list[Reply]
    asked: list[Asked] = field(factory=list)
    connections: int = 0
    tls: bool = False
    port: int = 0
    arrived: asyncio.Condition = field(factory=asyncio.Condition)
    _writers: set[asyncio.StreamWriter] = field(factory=set)

    def url(self, target: str = "/", host: str = "127.0.0.1") -> str:
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{target}"

    async def requests(self, count: int) -> None:
        """Return when so many have been read."""
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.asked) >= count)

    async def all_gone(self) -> None:
        """Return when no client is connected any more."""
        async with self.arrived:
            await self.arrived.wait_for(lambda: not self._writers)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self._writers.add(writer)
        try:
            while await self._answer(reader, writer, number):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            async with self.arrived:
                self.arrived.notify_all()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        pairs = [(name, value.strip()) for name, _, value in (one.partition(":") for one in lines)]
        asked = Asked(method, target, pairs, b"", number)
        asked.body = await reader.readexactly(int(asked.header("Content-Length") or 0))
        async with self.arrived:
            answer = self.replies[min(len(self.asked), len(self.replies) - 1)]
            self.asked.append(asked)
            self.arrived.notify_all()
        for piece in answer.pieces:
            writer.write(piece)
            await writer.drain()
        return await self._afterwards(answer.then, reader, writer)

    async def _afterwards(
        self, then: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if then == HANG:
            await reader.read()  # until the client goes away
        if then == RESET:
            reset(writer)
        if then == CLOSE:
            writer.close()
            await writer.wait_closed()
        return then == KEEP

    async def close(self) -> None:
        for writer in tuple(self._writers):
            writer.transport.abort()
        await self.all_gone()


def reset(writer: asyncio.StreamWriter) -> None:
    """Break the connection with RST instead of FIN."""
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


@asynccontextmanager
async def serving(*replies: Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    server = RawServer(list(replies) or [reply(b"{}")], tls=tls is not None)
    async with listening(server._serve, tls) as server.port:
        try:
            yield server
        finally:
            await server.close()


@asynccontextmanager
async def listening(handler: Callable, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Any handler of connections; yields the port."""
    listener = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=tls, limit=1 << 22)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        await listener.wait_closed()
