"""The media server: signed files, and uploads, on an origin of their own (protocol notes 8.3)."""

from __future__ import annotations

import contextlib
import re
from collections import deque
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs
from aiohttp import web

from .breakage import break_media, cut, plain_reply
from .front import Exchange, Service
from .uploadserver import UPLOAD_PATH, receive_upload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .faults import Fault
    from .jobs import MediaFile

_SITES = frozenset({"jimeng.jianying.com", "dreamina.capcut.com"})
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_PIECE = 256 * 1024


@attrs.frozen
class MediaServer:
    """Answers requests to the media port."""

    service: Service
    _recent: deque[float] = attrs.field(factory=deque)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        if request.path.startswith(UPLOAD_PATH):
            return await receive_upload(self.service, request)
        with Exchange.of(self.service, "media", request) as exchange:
            exchange.reply = await self._answer(exchange)
            return exchange.reply

    async def _answer(self, exchange: Exchange) -> web.StreamResponse:
        request = exchange.request
        span = self.service.options.timing.media_latency
        await self.service.linger(span, "media", exchange.number)
        file = self._file(request)
        if isinstance(file, web.Response):
            return file
        exchange.ids = (file.submit_id,)
        fault = self.service.faults.for_call("media", f"{request.path}\n{file.subject}")
        if fault is not None:
            exchange.fault = fault.what
            broken = await self._broken(exchange, fault, file)
            if broken is not None:
                return broken
        return await self._send(exchange, file)

    def _file(self, request: web.BaseRequest) -> MediaFile | web.Response:
        """Find the file, or say why not."""
        if request.method != "GET":
            # HEAD may be refused even when GET works (protocol notes 8.3).
            return _denied("method")
        if self._hammered():
            return web.Response(status=429, text="Too Many Requests")
        if self.service.options.hotlink_check and not _own_referer(request):
            return _denied("referer")
        # The raw target, byte for byte: a URL that was decoded and encoded again is another URL.
        link = self.service.world.links.read(request.raw_path)
        if link is None:
            return _denied("signature does not match")
        if self.service.options.wall() >= link.expires_at:
            return _denied("request has expired")
        file = self.service.world.linked_file(link)
        return web.Response(status=404, text="NoSuchKey") if file is None else file

    def _hammered(self) -> bool:
        rate = self.service.options.media_rate
        if rate is None:
            return False
        now = self.service.now()
        while self._recent and now - self._recent[0] >= 1.0:
            self._recent.popleft()
        self._recent.append(now)
        return len(self._recent) > rate

    async def _broken(
        self, exchange: Exchange, fault: Fault, file: MediaFile
    ) -> web.StreamResponse | None:
        await self.service.wait_fault(fault, exchange.request)
        if fault.kind in {"close", "hang"}:
            exchange.lost = True
            return cut(exchange.request, reset=False)
        reply = plain_reply(fault)
        return reply or await break_media(exchange.request, fault, file, self._etag(file))

    def _etag(self, file: MediaFile) -> str:
        form = self.service.options.etags
        return form.format(file.md5) if form else ""

    async def _send(self, exchange: Exchange, file: MediaFile) -> web.StreamResponse:
        start, stop, ranged = 0, file.size, False
        asked = exchange.request.headers.get("Range", "")
        etag = self._etag(file)
        if exchange.request.headers.get("If-Range", etag) != etag or etag.startswith("W/"):
            asked = ""
        if asked and self.service.options.ranges:
            found = _read_range(asked, file.size)
            if found is not None:
                start, stop, ranged = *found, True
            if start >= stop:
                headers = {"Content-Range": f"bytes */{file.size}"}
                return web.Response(status=416, headers=headers)
        headers = {"Accept-Ranges": "bytes"} if self.service.options.ranges else {}
        if etag:
            headers["ETag"] = etag
        if ranged:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.size}"
        headers["Content-Type"] = file.content_type
        status = 206 if ranged else 200
        if stop - start <= _PIECE:
            return web.Response(body=file.body()[start:stop], status=status, headers=headers)
        return await _stream(exchange, file, start, stop, status, headers)


async def _stream(
    exchange: Exchange, file: MediaFile, start: int, stop: int, status: int, headers: dict[str, str]
) -> web.StreamResponse:
    """Send a large file piece by piece, without ever joining its parts."""
    reply = web.StreamResponse(status=status, headers=headers)
    reply.content_length = stop - start
    with contextlib.suppress(ConnectionError):  # a client may leave when it likes
        await reply.prepare(exchange.request)
        for piece in _pieces(file, start, stop):
            await reply.write(piece)
            exchange.sent += len(piece)
        await reply.write_eof()
    return reply


def _pieces(file: MediaFile, start: int, stop: int) -> Iterator[memoryview]:
    position = 0
    for part in file.parts:
        view = memoryview(part)[max(0, start - position) : max(0, stop - position)]
        for offset in range(0, len(view), _PIECE):
            yield view[offset : offset + _PIECE]
        position += len(part)


def _read_range(asked: str, size: int) -> tuple[int, int] | None:
    """Read one byte range as (start, stop); ``None`` for anything we may ignore."""
    found = _RANGE.fullmatch(asked.strip())
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size


def _own_referer(request: web.BaseRequest) -> bool:
    referer = request.headers.get("Referer")
    return referer is None or urlsplit(referer).hostname in _SITES


def _denied(why: str) -> web.Response:
    return web.Response(status=403, text=f"AccessDenied: {why}")
