"""Takes our own secrets out of every reply, before anybody quotes it.

A service, or a page before it, may say the cookie back: in a message, an error page, a header.
From there it would come into logs, errors and the journal.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, unquote

from dreamina_async._core.wire import HttpRequest, HttpResponse
from dreamina_async._runtime.transport import Transport, WrappedTransport

_HIDDEN = "***"

_TOKEN = re.compile(r"(?=\D*\d)[0-9A-Za-z._%+=/-]{16,}")
"""What is long and odd enough to be a secret: taking out less would garble innocent replies."""

_LONG = 16
"""Characters from which a value as a whole is taken out, whatever it is made of."""

_ODD = re.compile(r"[^0-9A-Za-z._%/|,-]")
"""What careful encoders of JSON write by its number; the slash has a way of its own."""


class DiscreetTransport(WrappedTransport):
    """A transport whose API replies hold none of the given secrets."""

    def __init__(self, transport: Transport, secrets: Iterable[str]) -> None:
        super().__init__(transport)
        known = tuple(secrets)
        parts = filter(_TOKEN.fullmatch, {part for secret in known for part in secret.split()})
        whole = (secret for secret in known if len(secret) >= _LONG)
        found = {spelling for one in (*parts, *whole) for spelling in _spellings(one)}
        self._secrets = tuple(sorted(found, key=len, reverse=True))

    async def send(
        self, request: HttpRequest, announce: Callable[[], None] | None = None
    ) -> HttpResponse:
        response = await super().send(request, announce)
        body, headers = response.body, dict(response.headers)
        for secret in self._secrets:
            body = body.replace(secret.encode(), _HIDDEN.encode())
            headers = {name: one.replace(secret, _HIDDEN) for name, one in headers.items()}
        return HttpResponse(response.status, headers, body)


def _spellings(secret: str) -> Iterator[str]:
    """As it was sent, and as encoders of URLs and of JSON write it."""
    for one in (secret, quote(secret, safe=""), unquote(secret)):
        yield one
        yield one.replace("/", "\\/")
        yield _ODD.sub(lambda found: f"\\u{ord(found[0]):04x}", one)
