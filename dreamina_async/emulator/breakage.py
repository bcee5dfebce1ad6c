"""Performing faults on a connection: what the client gets in place of the good reply."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .unread import as_list, as_object

if TYPE_CHECKING:
    from .faults import Fault
    from .jobs import MediaFile

HTML = (
    b"<!DOCTYPE html><html><head><title>Service unavailable</title></head>"
    b"<body><h1>The page you requested cannot be shown</h1></body></html>"
)
_DRIPS = 20


def cut(request: web.BaseRequest, *, reset: bool) -> web.Response:
    """End the connection without a further byte, by RST or by FIN."""
    transport = request.transport
    if transport is not None:
        plug = transport.get_extra_info("socket")
        if reset and plug is not None:
            # Linger 0 makes the kernel send RST instead of FIN.
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            transport.close()
    return web.Response(status=499)


def plain_reply(fault: Fault) -> web.Response | None:
    """Give the reply of the faults that need neither a body nor the connection."""
    headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    match fault.kind:
        case "status":
            return web.Response(status=fault.status, headers=headers, text=f"{fault.status}")
        case "html":
            return web.Response(body=HTML, content_type="text/html", headers=headers)
        case "expired":
            return web.Response(status=403, text="AccessDenied: request has expired")
        case "not_found":
            return web.Response(status=404, text="NoSuchKey")
        case _:
            return None


async def break_media(
    request: web.BaseRequest, fault: Fault, file: MediaFile, etag: str
) -> web.StreamResponse | None:
    """Send a file the wrong way; ``None`` if this fault has nothing to say about files."""
    body = file.body()
    part = body[: max(1, int(len(body) * fault.fraction))]
    match fault.kind:
        case "truncated":
            return _raw(request, _head(file, etag, length=len(body)), part)
        case "truncated_unsized":
            return _raw(request, _head(file, etag), part)
        case "reset":
            return _raw(request, _head(file, etag, length=len(body)), part, reset=True)
        case "drip":
            return await _drip(request, fault, file, body)
        case "partial":
            ranged = f"bytes 0-{len(part) - 1}/{len(body)}"
            return _whole(file, part, 206, {"Content-Range": ranged})
        case "wrong_length":
            return _whole(file, part)
        case "corrupt":
            middle = len(body) // 2
            return _whole(file, body[:middle] + bytes([body[middle] ^ 0xFF]) + body[middle + 1 :])
        case _:
            return None


def _whole(
    file: MediaFile, body: bytes, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    return web.Response(body=body, status=status, content_type=file.content_type, headers=headers)


def _head(file: MediaFile, etag: str, length: int | None = None) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Type: {file.content_type}", "Connection: close"]
    if etag:
        lines.append(f"ETag: {etag}")
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def _raw(
    request: web.BaseRequest, head: bytes, body: bytes, *, reset: bool = False
) -> web.Response:
    """Write a reply past the server's own framing, then end the connection."""
    transport = request.transport
    if transport is not None and not transport.is_closing():
        transport.write(head + body)
    cut(request, reset=reset)
    return web.Response()  # for the log alone: nothing more can be sent


async def _drip(
    request: web.BaseRequest, fault: Fault, file: MediaFile, body: bytes
) -> web.StreamResponse:
    reply = web.StreamResponse()
    reply.content_type, reply.content_length = file.content_type, len(body)
    step = max(1, -(-len(body) // _DRIPS))
    with contextlib.suppress(ConnectionError):
        await reply.prepare(request)
        for start in range(0, len(body), step):
            await reply.write(body[start : start + step])
            await asyncio.sleep(fault.seconds / _DRIPS)
        await reply.write_eof()
    return reply


def _without(value: Any, names: set[str]) -> Any:
    """Leave keys out of every object of a record, however deep."""
    fields, elements = as_object(value), as_list(value)
    if fields is not None:
        return {key: _without(each, names) for key, each in fields.items() if key not in names}
    return value if elements is None else [_without(each, names) for each in elements]


def _other_outcome(record: dict[str, object], damage: str) -> object:
    if damage == "no_uris":
        return _without(record, {"image_uri", "cover_uri", "id", "local_item_id", "effect_id"})
    status = {"status": 100 if damage == "deleted" else 30}
    return {**record, **status, "task": status, "item_list": [], "failed_item_list": []}


def damage_record(record: dict[str, object], fault: Fault) -> object:
    """Spoil one record of a status reply; its neighbours stay good."""
    match fault.damage:
        case "text_record":
            return "record"
        case "null_record":
            return None
        case "list_record":
            return [record]
        case "null_item_list":
            return record | {"item_list": None}
        case "wrong_types":
            return record | {"status": {"code": 50}, "item_list": "none", "task": "none"}
        case "null_items":
            return record | {"item_list": [None, 7, "item"]}
        case "empty_urls":
            image = {"image_uri": "", "image_url": ""}
            return record | {"item_list": [{"image": {"large_images": [image]}}]}
        case "deleted" | "failed" | "no_uris":
            return _other_outcome(record, fault.damage)
        case "no_status":
            return {key: value for key, value in record.items() if key not in {"status", "task"}}
