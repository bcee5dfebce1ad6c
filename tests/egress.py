"""Writes down where requests go, and what must not go there (invariants 16 and 17)."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from attrs import frozen

from dreamina_async._core.profile import SITES, is_loopback
from dreamina_async._runtime.transport import AiohttpTransport

_LOGIN_HOSTS = frozenset(
    urlsplit(url).hostname
    for site in SITES.values()
    for url in (site.api, site.commerce, site.mcp)
    if url
)
"""Those that the cookie may go to, beside this machine."""

_MADE_UP = (".test", ".example", ".invalid")
"""Names that a test's own resolver leads to this machine."""


@frozen
class Request:
    """One request as it left."""

    door: str
    scheme: str
    host: str
    path: str
    cookie: bool
    authorization: bool


class Egress:
    """Every request of the sessions of one test.

    Attributes:
        requests: in the order in which they left.
        found: what was wrong with them, in words.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.found: list[str] = []

    def watching(self, init: Callable[..., None]) -> Callable[..., None]:
        """A constructor of the transport that lets both of its doors be watched."""

        def watched(transport: AiohttpTransport, *arguments: Any, **options: Any) -> None:
            init(transport, *arguments, **options)
            for door, client in (("api", transport._api), ("media", transport._media)):
                client.trace_configs.append(self._trace(door))

        return watched

    def _trace(self, door: str) -> aiohttp.TraceConfig:
        async def sent(_: object, __: object, what: aiohttp.TraceRequestHeadersSentParams) -> None:
            self._note(door, what)

        async def redirected(
            _: object, __: object, what: aiohttp.TraceRequestRedirectParams
        ) -> None:
            self.found.append(f"aiohttp followed a redirect by itself, at {what.url.host}")

        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(sent)
        trace.on_request_redirect.append(redirected)
        trace.freeze()
        return trace

    def _note(self, door: str, what: aiohttp.TraceRequestHeadersSentParams) -> None:
        headers = {name.lower() for name in what.headers}
        one = Request(
            door,
            what.url.scheme,
            what.url.host or "",
            what.url.raw_path,
            cookie="cookie" in headers,
            authorization="authorization" in headers,
        )
        self.requests.append(one)
        if complaint := _complaint(one):
            self.found.append(f"{complaint}: {one}")


def _complaint(one: Request) -> str:
    here = is_loopback(one.host) or one.host.endswith(_MADE_UP)
    if one.door == "media" and one.cookie:
        return "the cookie went through the door for media"
    if one.door == "media" and one.authorization and not one.path.startswith("/upload/"):
        return "an authorization went with a download"
    if one.cookie and not here and one.host not in _LOGIN_HOSTS:
        return "the cookie went to a host that is none of the service's"
    if one.scheme != "https" and not here:
        return "a request went over plain http"
    return ""
