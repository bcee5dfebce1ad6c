"""The HTTP side of an upload: the two ImageX calls, and the bytes on an origin of their own."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from aiohttp import web

from .answering import answered, json_reply
from .chance import dice
from .envelope import dump, log_id
from .front import Exchange
from .imagex import Imagex, ImagexCall, ImagexRefusal, where_of
from .uploads import Intake

if TYPE_CHECKING:
    from .front import Service
    from .uploads import Content, Slot

UPLOAD_PATH = "/upload/v1/"
_PIECE = 64 * 1024
_GOOD = 2000
# Of the vendor's public list of the upload gateway's codes.
_WRONG_AUTH, _NO_AUTH, _NO_PARAMETER = 10401, 10403, 10406
# Ours: what the real edge answers to wrong bytes was never seen.
_NO_SUCH_UPLOAD, _WRONG_CRC32, _WRONG_SIZE, _COMMITTED = 4004, 4006, 4007, 4009


async def answer_imagex(service: Service, request: web.BaseRequest) -> web.StreamResponse:
    """Answer a call to the ImageX API, which shares the API's port."""
    where = where_of(request.method, request.rel_url.query)
    with Exchange.of(service, where, request) as exchange:
        call = ImagexCall(
            method=request.method,
            path=request.rel_url.raw_path,
            query=request.rel_url.raw_query_string,
            parameters=request.rel_url.query,
            headers=request.headers,
            body=await request.read(),
        )
        uri = Imagex(service.world).commits(call)
        exchange.ids = (uri,) if uri else ()
        exchange.reply = await answered(
            exchange,
            service.options.timing.upload_latency,
            uri,
            lambda: _imagex_reply(exchange, call),
            lambda code: _imagex_fault(exchange, call, code),
        )
        return exchange.reply


async def receive_upload(service: Service, request: web.BaseRequest) -> web.StreamResponse:
    """Take the bytes of a file (protocol notes 4); the web sends POST, the CLI's SDK PUT."""
    with Exchange.of(service, "upload", request) as exchange:
        uri = request.rel_url.raw_path.removeprefix(UPLOAD_PATH)
        exchange.ids = (uri,)
        intake = Intake()
        async for piece in request.content.iter_chunked(_PIECE):
            intake.feed(piece)
        content = intake.content()
        exchange.reply = await answered(
            exchange,
            service.options.timing.upload_latency,
            uri,
            lambda: _store(exchange, uri, content),
            lambda code: _edge_reply(exchange, int(code), "refused"),
        )
        return exchange.reply


def _imagex_reply(exchange: Exchange, call: ImagexCall) -> web.Response:
    imagex, request_id = Imagex(exchange.service.world), _request_id(exchange)
    try:
        token = imagex.token(call)
        exchange.account = token.account
        reply = imagex.answer(call, token, request_id)
    except ImagexRefusal as refusal:
        exchange.ret = str(refusal.number)
        return json_reply(dump(imagex.refused(call, request_id, refusal)), refusal.status)
    exchange.ret = "0"
    return json_reply(dump(reply))


def _imagex_fault(exchange: Exchange, call: ImagexCall, code: str) -> web.Response:
    refusal = ImagexRefusal(403, "Refused", int(code), "refused")
    imagex = Imagex(exchange.service.world)
    reply = imagex.refused(call, _request_id(exchange), refusal)
    return json_reply(dump(reply), refusal.status)


def _request_id(exchange: Exchange) -> str:
    options = exchange.service.options
    return log_id(options.wall(), dice(options.seed, "log", exchange.where, exchange.number))


def _store(exchange: Exchange, uri: str, content: Content) -> web.Response:
    """Keep what came, or say what is wrong with it."""
    world = exchange.service.world
    if exchange.request.method not in {"POST", "PUT"}:
        return web.Response(status=405)
    slot = world.uploads.slot(uri)
    if slot is None:
        return _edge_reply(exchange, _NO_SUCH_UPLOAD, "no such upload")
    exchange.account = slot.account
    slot.attempts += 1
    if world.options.upload_edge == "reject_first" and slot.attempts == 1:
        return web.Response(status=204)
    if world.uploads.committed(slot):
        return _edge_reply(exchange, _COMMITTED, "upload is over")
    code, message = _complaint(exchange.request, slot, content)
    if code == _GOOD:
        slot.content = content
    return _edge_reply(exchange, code, message, content.crc32)


def _complaint(request: web.BaseRequest, slot: Slot, content: Content) -> tuple[int, str]:
    auth, crc32 = request.headers.get("Authorization"), request.headers.get("Content-CRC32")
    if not auth:
        return _NO_AUTH, "Miss the Authorization header"
    if not hmac.compare_digest(auth.encode(), slot.auth.encode()):
        return _WRONG_AUTH, "the signature does not match"
    if not crc32:
        return _NO_PARAMETER, "the parameter Content-CRC32 is missing"
    # ZHI sends it without padding; upper case was never seen.
    if crc32 not in {content.crc32, f"{int(content.crc32, 16):x}"}:
        return _WRONG_CRC32, "crc32 mismatch"
    if content.size != slot.size:
        return _WRONG_SIZE, "size mismatch"
    return _GOOD, "Success"


def _edge_reply(exchange: Exchange, code: int, message: str, crc32: str = "") -> web.Response:
    exchange.ret = str(code)
    reply = {"code": code, "message": message}
    return json_reply(dump({**reply, "data": {"crc32": crc32}} if code == _GOOD else reply))
