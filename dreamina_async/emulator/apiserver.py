"""The API server: from bytes to a call, from a result or a refusal to bytes, faults between."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import attrs
from aiohttp import web

from .admission import check_caller, market_of
from .answering import answered, json_reply
from .api import ROUTES, Api, Route, named_ids
from .call import Call
from .chance import dice
from .drafts import prompt_of
from .envelope import Refusal, dump, log_id
from .front import Exchange, Service
from .unread import Json, as_object, read_json
from .uploadserver import answer_imagex

if TYPE_CHECKING:
    from collections.abc import Callable

_CLI = "/dreamina/cli/"
_BEARER = frozenset({"/mweb/v1/get_user_info", "/commerce/v1/benefits/user_credit_history"})


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
            return _shown(shown)
        if request.path == "/" and "Action" in request.rel_url.query:
            return await answer_imagex(self.service, request)
        route = ROUTES.get(request.path) if request.method == "POST" else None
        with Exchange.of(self.service, route.where if route else "unknown", request) as exchange:
            if route is None:
                exchange.reply = _nowhere(request.path)
            else:
                exchange.reply = await self._answer(route, exchange)
            return exchange.reply

    async def _answer(self, route: Route, exchange: Exchange) -> web.StreamResponse:
        raw = await exchange.request.read()
        body = {} if route.bodiless and not raw else _read_json(raw)
        exchange.ids = named_ids(body or {})
        return await answered(
            exchange,
            getattr(self.service.options.timing, route.latency),
            self._subject(route, exchange, body) if self.service.faults.pending else "",
            lambda: json_reply(dump(self._result(route, exchange, body))),
            lambda ret: self._refused(route, exchange, ret),
        )

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
        account = self.service.world.login(_sessionid(request))
        exchange.account = account.label
        options = self.service.options
        query, headers = request.rel_url.query, request.headers
        check_caller(options, request.path, query, headers, options.wall())
        if body is None:
            raise Refusal("1000")
        return Call(
            account=account,
            body=body,
            market=market_of(query),
            referer=request.headers.get("Referer", ""),
            now=self.service.now(),
            logid=logid,
        )

    def _subject(self, route: Route, exchange: Exchange, body: Json | None) -> str:
        """Say what the ``match`` of a fault is looked for in: ids, and prompts if known."""
        parts = [self.service.world.subject(each) for each in exchange.ids]
        if route.where in {"generate", "mcp"} and body is not None:
            parts += [str(body.get("submit_id")), prompt_of(body)]
        return "\n".join(parts)

    def _refused(self, route: Route, exchange: Exchange, ret: str) -> web.Response:
        now = self.service.options.wall()
        logid = log_id(now, dice(self.service.options.seed, "fault", exchange.number))
        return json_reply(dump(route.wrap(now, logid, None, ret, Refusal(ret).text)))


def _nowhere(path: str) -> web.Response:
    if path.startswith(_CLI) and path.endswith("/"):
        return web.Response(status=307, headers={"Location": path.rstrip("/")})  # CLH
    return web.Response(status=404, text="404 page not found")


def _read_json(raw: bytes) -> Json | None:
    try:
        return as_object(read_json(raw))
    except (ValueError, RecursionError):
        return None


def _sessionid(request: web.BaseRequest) -> str:
    """Find the session: the cookie alone suffices (protocol notes 1.5)."""
    sessionid = request.cookies.get("sessionid", "")
    bearer = request.headers.get("Authorization", "")
    knows_bearer = request.path in _BEARER or request.path.startswith(_CLI)
    if not sessionid and knows_bearer and bearer.startswith("Bearer "):
        # Measured equivalent to the cookie for these two (protocol notes 1.4); the
        # official CLI has nothing else (CLH), and its proof headers are not played.
        return bearer.removeprefix("Bearer ")
    return sessionid


def _shown(data: Json) -> web.Response:
    return json_reply(json.dumps(data, ensure_ascii=False, indent=1).encode())
