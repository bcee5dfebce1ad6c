"""Who pays: the account's region and its session cookie.

The cookie is a bearer of money, so it has one home. `Credentials` shows it to nobody who
does not ask by name: not in `repr`, `str`, `vars`, pickles, copies or logs.
"""

import hmac
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NoReturn, Self

from dreamina_async.errors import AuthenticationError, InvalidRequest


class Region(StrEnum):
    """Where the account lives; it selects hosts, `aid` and language (protocol notes 1.1, 1.2)."""

    CN = "cn"
    US = "us"
    HK = "hk"
    JP = "jp"
    SG = "sg"

    @classmethod
    def parse(cls, text: str) -> "Region":
        """Read a region in either case.

        Raises:
            InvalidRequest: it is none of ours.
        """
        with suppress(ValueError, AttributeError):
            return cls(text.strip().lower())
        del text  # not shown: it may be a cookie that was put in the wrong place
        allowed = tuple(region.name for region in cls)
        raise InvalidRequest("the region is unknown", field="region", allowed=allowed)


_PREFIXES = {f"{region.value}-": region for region in Region if region is not Region.CN}


class Credentials:
    """One account's login, as its user copied it from their own browser.

    Args:
        sessionid: the value of the `sessionid` cookie. A pasted `sessionid=...`, quotes and
            blanks are forgiven; a prefix `us-`, `hk-`, `jp-` or `sg-` names the region.
        region: the account's region; it must agree with the prefix if both are given.
        cookies: further cookies of the same browser session, if you want them sent.
        headers: further headers, passed through as they are.
        query: further query parameters, such as `msToken` and `a_bogus`: passed through,
            never computed.

    Raises:
        InvalidRequest: a value that cannot stand in a header; the message never shows it.
    """

    __slots__ = ("__cookies", "__explicit", "__headers", "__query", "__sessionid", "region")

    def __init__(
        self,
        sessionid: str,
        *,
        region: Region | str | None = None,
        cookies: Mapping[str, str] = MappingProxyType({}),
        headers: Mapping[str, str] = MappingProxyType({}),
        query: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.region: Region = Region.CN
        complaint: InvalidRequest | None = None
        try:
            self.__take(sessionid, region, cookies, headers, query)
        except InvalidRequest as error:
            complaint = error.with_traceback(None)
        # reporters of errors send away what the variables of every frame hold
        del sessionid, region, cookies, headers, query
        if complaint is not None:
            raise complaint

    def __take(
        self,
        sessionid: str,
        region: Region | str | None,
        cookies: Mapping[str, str],
        headers: Mapping[str, str],
        query: Mapping[str, str],
    ) -> None:
        token, prefix_region = _split_prefix(_clean_token(sessionid))
        given = Region.parse(region) if region is not None else None
        if given and prefix_region and given is not prefix_region:
            raise InvalidRequest(
                f"the session id is prefixed for {prefix_region.name}, but the region given is "
                f"{given.name}",
                field="region",
            )
        self.region = given or prefix_region or Region.CN
        self.__explicit = bool(given or prefix_region)
        self.__sessionid = token
        self.__cookies = _clean_pairs("cookies", cookies)
        self.__headers = _clean_pairs("headers", headers)
        self.__query = _clean_pairs("query", query)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read `DREAMINA_SESSIONID` and `DREAMINA_REGION`.

        Raises:
            AuthenticationError: there is no session id in the environment.
        """
        sessionid = environ.get("DREAMINA_SESSIONID", "").strip()
        if not sessionid:
            raise AuthenticationError(
                "no credentials: set DREAMINA_SESSIONID to the value of your browser's "
                "'sessionid' cookie"
            )
        region = environ.get("DREAMINA_REGION", "").strip() or None
        try:
            return cls(sessionid, region=region)
        except InvalidRequest as error:
            complaint = error.with_traceback(None)
        del sessionid, region, environ  # as in the constructor
        raise complaint

    def in_region(self, region: "Region | str | None") -> "Credentials":
        """The same login for a region, unless it is bound to another one already.

        Raises:
            InvalidRequest: it is.
        """
        wanted = Region.parse(region) if region is not None else self.region
        if wanted is self.region:
            return self
        if self.__explicit:
            raise InvalidRequest(
                f"the credentials are for region {self.region.name}, not {wanted.name}",
                field="region",
            )
        return Credentials(
            self.__sessionid,
            region=wanted,
            cookies=self.__cookies,
            headers=self.__headers,
            query=self.__query,
        )

    def reveal_cookies(self) -> dict[str, str]:
        """The cookies to send, secrets included. For the encoder only."""
        return {**self.__cookies, "sessionid": self.__sessionid}

    def reveal_headers(self) -> dict[str, str]:
        """The user's own further headers. For the encoder only."""
        return dict(self.__headers)

    def reveal_query(self) -> dict[str, str]:
        """The user's own further query parameters. For the encoder only."""
        return dict(self.__query)

    def fingerprint(self, key: str) -> str:
        """By what this login is known again under a key; the login cannot be had from it."""
        return hmac.new(key.encode(), self.__sessionid.encode(), "sha256").hexdigest()[:32]

    def secrets(self) -> tuple[str, ...]:
        """Every value that must not be seen, for scrubbing text that comes from outside."""
        values = (self.__sessionid, *self.__cookies.values(), *self.__headers.values())
        return tuple(value for value in (*values, *self.__query.values()) if len(value) >= 8)

    def __repr__(self) -> str:
        return f"<Credentials region={self.region.name} sessionid=***>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("credentials are not copied or pickled; make them anew where needed")


def _clean_token(sessionid: Any) -> str:
    if not isinstance(sessionid, str):
        raise InvalidRequest("the session id is not text", field="sessionid")
    token = sessionid.strip().strip("\"'").strip()
    token = token.removeprefix("sessionid=").strip().strip("\"'")
    if not token:
        raise InvalidRequest("the session id is empty", field="sessionid")
    if any(character in token for character in " ;,=\t"):
        raise InvalidRequest(
            "the session id holds blanks, ';', ',' or '=': give the value of the one cookie "
            "named sessionid, not the whole Cookie header",
            field="sessionid",
        )
    _require_header_safe("sessionid", token)
    return token


def _split_prefix(token: str) -> tuple[str, Region | None]:
    """Protocol notes 1.5: a three-character prefix, in either case, stripped before sending."""
    region = _PREFIXES.get(token[:3].lower())
    if region is None:
        return token, None
    if len(token) == 3:
        raise InvalidRequest("the session id is only a region prefix", field="sessionid")
    return token[3:], region


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What the names of headers and cookies are made of (RFC 9110 5.6.2)."""


def _clean_pairs(field: str, given: Mapping[str, str]) -> dict[str, str]:
    try:
        pairs = dict(given)
    except (TypeError, ValueError):
        message = f"{field} is not a mapping of names to values"
        raise InvalidRequest(message, field=field) from None
    for name, value in pairs.items():
        _require_header_safe(field, name)
        _require_header_safe(field, value)
        if field != "query" and not _TOKEN.fullmatch(name):
            raise InvalidRequest(f"{field} holds a name that no such thing can have", field=field)
        if field == "cookies" and ";" in value:
            raise InvalidRequest("cookies holds a value with ';': give each by itself", field=field)
    return pairs


def _require_header_safe(field: str, text: Any) -> None:
    if not isinstance(text, str):
        raise InvalidRequest(f"{field} holds something that is not text", field=field)
    if not (text.isascii() and text.isprintable()):
        raise InvalidRequest(
            f"{field} holds a line break, a control or a non-ASCII character", field=field
        )
