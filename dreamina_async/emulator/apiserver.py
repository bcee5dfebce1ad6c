"""The API server: from bytes to a call, from a result or a refusal to bytes, faults between."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import attrs
from aiohttp import web

from .api import ROUTES, Api, Call, Route, asked_ids
from .breakage import cut, plain_reply
from .chance import dice
from .envelope import Refusal, dump, log_id
from .front import Exchange, Service
from .order import read_order
from .signing import sign_accepted
from .unread import Json, as_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from .faults import Fault


@attrs.frozen
class ApiServer:
    """Answers requests to the API's port."""

    service: Service
    api: Api
    control: Callable[[str], Json | None]

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        shown = self.control(request.path) if request.method == "GET" else None
        if shown is not None:
            return _json_reply(shown)
        route = ROUTES.get(request.path) if request.method == "POST" else None
        with Exchange.of(self.service, route.where if route else "unknown", request) as exchange:
            if route is None:
                exchange.reply = web.Response(status=404, text="404 page not found")
            else:
                exchange.reply = await self._answer(route, exchange)
            return exchange.reply

    async def _answer(self, route: Route, exchange: Exchange) -> web.StreamResponse:
        body = _read_json(await exchange.request.read())
        exchange.ids = asked_ids(body or {})
        faults = self.service.faults
        subject = self._subject(route, exchange, body) if faults.pending else ""
        fault = faults.for_call(route.where, subject)
        exchange.fault = fault.what if fault else ""
        span = getattr(self.service.options.timing, route.latency)
        await self.service.linger(span, route.where, exchange.number)
        if fault is not None and not fault.comes_after:
            await self.service.wait_fault(fault)
            broken = self._broken(route, exchange, fault, b"")
            if broken is not None:
                return broken
        good = dump(self._result(route, exchange, body))
        if fault is not None and fault.comes_after:
            await self.service.wait_fault(fault)
            broken = self._broken(route, exchange, fault, good)
            if broken is not None:
                return broken
        return _reply(good)

    def _result(self, route: Route, exchange: Exchange, body: Json | None) -> Json:
        """Do what was asked, all at once, and wrap the outcome."""
        now = self.service.options.wall()
        logid = log_id(now, dice(self.service.options.seed, "log", exchange.where, exchange.number))
        try:
            data = route.answer(self.api, self._call(exchange, body, logid))
        except Refusal as refusal:
            exchange.ret = refusal.ret
            return route.wrap(now, logid, refusal.data, refusal.ret, refusal.text)
        finally:
            self.service.changed()
        exchange.ret = "0"
        return route.wrap(now, logid, data)

    def _call(self, exchange: Exchange, body: Json | None, logid: str) -> Call:
        request = exchange.request
        account = self.service.world.login(_sessionid(request, exchange.where))
        exchange.account = account.label
        if not sign_accepted(self.service.options.sign_mode, request.path, request.headers):
            raise Refusal("1014")
        if body is None:
            raise Refusal("1000")
        return Call(
            account=account,
            body=body,
            aid=request.rel_url.query.get("aid", ""),
            referer=request.headers.get("Referer", ""),
            now=self.service.now(),
            logid=logid,
        )

    def _subject(self, route: Route, exchange: Exchange, body: Json | None) -> str:
        """Say what the ``match`` of a fault is looked for in: ids, and prompts if known."""
        jobs = self.service.world.jobs
        parts = [jobs[each].subject if each in jobs else each for each in exchange.ids]
        if route.where == "generate" and body is not None:
            parts.append(str(body.get("submit_id")))
            try:
                parts.append(read_order(body, "").prompt)
            except Refusal:
                parts.append("")
        return "\n".join(parts)

    def _broken(
        self, route: Route, exchange: Exchange, fault: Fault, good: bytes
    ) -> web.StreamResponse | None:
        match fault.kind:
            case "reset" | "close" | "hang":
                exchange.lost = True
                return cut(exchange.request, reset=fault.kind == "reset")
            case "ret":
                exchange.ret = fault.ret
                now = self.service.options.wall()
                logid = log_id(now, dice(self.service.options.seed, "fault", exchange.number))
                text = Refusal(fault.ret).text
                return _reply(dump(route.wrap(now, logid, None, fault.ret, text)))
            case "truncated_json":
                return _reply(good[: max(1, int(len(good) * fault.fraction))])
            case "empty_body":
                return _reply(b"")
            case _:
                return plain_reply(fault)


def _read_json(raw: bytes) -> Json | None:
    try:
        return as_object(json.loads(raw))
    except (ValueError, RecursionError):
        return None


def _sessionid(request: web.BaseRequest, where: str) -> str:
    """Find the session: the cookie alone suffices (protocol notes 1.5)."""
    sessionid = request.cookies.get("sessionid", "")
    bearer = request.headers.get("Authorization", "")
    if not sessionid and where == "credit_history" and bearer.startswith("Bearer "):
        # Measured equivalent to the cookie for the credit history (protocol notes 1.4).
        return bearer.removeprefix("Bearer ")
    return sessionid


def _reply(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json", charset="utf-8")


def _json_reply(data: Json) -> web.Response:
    return _reply(json.dumps(data, ensure_ascii=False, indent=1).encode())
