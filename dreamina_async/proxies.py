"""A proxy of the user's own, on the way to the service."""

import os
import re
from collections.abc import Mapping
from typing import Any, NoReturn, Self
from urllib.parse import unquote, urlsplit

from dreamina_async.errors import InvalidRequest

_ALLOWED = "http://HOST:PORT or http://USER:PASSWORD@HOST:PORT"
_HOST = re.compile(r"[0-9A-Za-z._:-]+")


class Proxy:
    """An HTTP proxy that every request goes through: calls, uploads and downloads.

    What passes is a tunnel: the proxy learns host names, and neither login nor content. Its
    password is shown to nobody who does not ask by name. A service on this machine, such as
    the emulator, is reached without it.

    Args:
        url: `http://HOST:PORT`, with `USER:PASSWORD@` before the host if the proxy asks.

    Raises:
        InvalidRequest: it is no such URL; the message never shows it.
    """

    __slots__ = ("__url", "host", "port")

    def __init__(self, url: str) -> None:
        place = _place(url)
        self.host: str = place[0] if place else ""
        self.port: int = place[1] if place else 0
        self.__url: str = url.strip() if place else ""
        del url  # reporters of errors send away what the variables of every frame hold
        if not self.host:
            raise InvalidRequest(f"the proxy is not {_ALLOWED}", field="proxy")

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self | None:
        """Read `DREAMINA_PROXY`; None if there is none.

        Raises:
            InvalidRequest: it is no such URL.
        """
        url = environ.get("DREAMINA_PROXY", "").strip()
        return cls(url) if url else None

    def reveal_url(self) -> str:
        """The URL, password included. For the transport only."""
        return self.__url

    def secrets(self) -> tuple[str, ...]:
        """What must not be seen."""
        password = unquote(urlsplit(self.__url).password or "")
        return (password,) if password else ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Proxy) and other.__url == self.__url

    def __hash__(self) -> int:
        return hash((self.host, self.port))

    def __repr__(self) -> str:
        return f"<Proxy {self.host}:{self.port}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a proxy is not copied or pickled; make it anew where needed")


def _place(url: Any) -> tuple[str, int] | None:
    """Host and port, if nothing about the URL is odd."""
    if not isinstance(url, str) or not (url.isascii() and url.isprintable()):
        return None
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    plain = parts.scheme == "http" and parts.path in ("", "/") and not parts.query
    return (host, port) if plain and port and _HOST.fullmatch(host) else None
