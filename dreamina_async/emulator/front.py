"""What both servers share: timing, logging, and turning a request into a log entry."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import attrs

from .chance import dice
from .requestlog import ReceivedRequest, RequestLog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from aiohttp import web

    from .faults import Fault, Faults
    from .options import EmulatorOptions, Span
    from .world import World

# Opaque parameters are the user's own: accepted, never kept.
_OPAQUE = frozenset({"msToken", "a_bogus", "X-Bogus", "X-Gnarly", "verifyFp"})


@attrs.frozen
class Service:
    """What both servers work with."""

    options: EmulatorOptions
    world: World
    faults: Faults
    requests: RequestLog
    changed: Callable[[], None]
    until: Callable[[Callable[[], bool]], Awaitable[None]]
    closing: asyncio.Event

    def now(self) -> float:
        """Read the loop's clock, which a test may drive."""
        return asyncio.get_running_loop().time()

    async def linger(self, span: Span, *names: object) -> None:
        """Take as long as the real service would, sped up."""
        seconds = dice(self.options.seed, "latency", *names).uniform(*span) / self.options.speed
        if seconds > 0:
            await asyncio.sleep(seconds)

    async def wait_fault(self, fault: Fault, request: web.BaseRequest) -> None:
        """Take the extra time a fault asks for; a hanging one waits until its client leaves."""
        self.changed()  # whoever waits for it to act, by `until`
        if fault.kind != "drip" and fault.seconds > 0:
            await asyncio.sleep(fault.seconds)
        if fault.kind == "hang":
            await self.until(lambda: request.transport is None or self.closing.is_set())


@attrs.define
class Exchange:
    """One request while it is being answered."""

    service: Service
    where: str
    request: web.BaseRequest
    started_at: float
    number: int
    account: str = ""
    ids: tuple[str, ...] = ()
    ret: str = ""
    fault: str = ""
    lost: bool = False
    sent: int = 0

    reply: web.StreamResponse | None = None

    @classmethod
    @contextlib.contextmanager
    def of(cls, service: Service, where: str, request: web.BaseRequest) -> Generator[Exchange]:
        """Note that a request is in hand and, in the end, what became of it."""
        number = service.requests.begin(where)
        service.changed()
        exchange = cls(service, where, request, service.now(), number)
        try:
            yield exchange
        finally:
            exchange._log()

    def _log(self) -> None:
        headers, url, reply = self.request.headers, self.request.rel_url, self.reply
        body = getattr(reply, "body", None)
        self.service.requests.end(
            ReceivedRequest(
                where=self.where,
                method=self.request.method,
                path=url.raw_path,
                started_at=self.started_at,
                ended_at=self.service.now(),
                status=0 if reply is None or self.lost else reply.status,
                ret=self.ret,
                ids=self.ids,
                account=self.account,
                had_cookie="Cookie" in headers,
                had_sign="sign" in headers,
                range=headers.get("Range", ""),
                referer=headers.get("Referer", ""),
                user_agent=headers.get("User-Agent", ""),
                query={name: value for name, value in url.query.items() if name not in _OPAQUE},
                fault=self.fault,
                bytes_sent=len(body) if isinstance(body, bytes) else self.sent,
            )
        )
        self.service.changed()
