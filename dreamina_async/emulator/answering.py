"""Answering one call: how long it takes, and what goes wrong before or after its effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from .breakage import cut, plain_reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from .faults import Fault
    from .front import Exchange
    from .options import Span


async def answered(
    exchange: Exchange,
    span: Span,
    subject: str,
    act: Callable[[], web.Response],
    refuse: Callable[[str], web.Response],
) -> web.StreamResponse:
    """Answer a call, unless a fault stands before or after it.

    Args:
        exchange: The call.
        span: How long the real service takes.
        subject: What the ``match`` of a fault is looked for in.
        act: Does what was asked, all at once, and gives the good reply.
        refuse: Gives the refusal with this code, for a fault of the kind ``ret``.
    """
    service = exchange.service
    fault = service.faults.for_call(exchange.where, subject)
    exchange.fault = fault.what if fault else ""
    await service.linger(span, exchange.where, exchange.number)
    if fault is not None and not fault.comes_after:
        await service.wait_fault(fault, exchange.request)
        broken = _broken(exchange, fault, b"", refuse)
        if broken is not None:
            return broken
    good = act()
    if fault is not None and fault.comes_after:
        await service.wait_fault(fault, exchange.request)
        body = good.body if isinstance(good.body, bytes) else b""
        return _broken(exchange, fault, body, refuse) or good
    return good


def _broken(
    exchange: Exchange, fault: Fault, good: bytes, refuse: Callable[[str], web.Response]
) -> web.Response | None:
    match fault.kind:
        case "reset" | "close" | "hang":
            exchange.lost = True
            return cut(exchange.request, reset=fault.kind == "reset")
        case "ret":
            exchange.ret = fault.ret
            return refuse(fault.ret)
        case "truncated_json":
            return json_reply(good[: max(1, int(len(good) * fault.fraction))])
        case "empty_body":
            return json_reply(b"")
        case _:
            return plain_reply(fault)


def json_reply(body: bytes, status: int = 200) -> web.Response:
    """Send JSON as the service does."""
    return web.Response(body=body, status=status, content_type="application/json", charset="utf-8")
