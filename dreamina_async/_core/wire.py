"""The only shape HTTP takes in this package."""

from collections.abc import Mapping

from attrs import field, frozen


@frozen
class HttpRequest:
    """One API call. Its headers and body may hold secrets, so it shows neither."""

    method: str
    url: str = field(repr=False)
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@frozen
class HttpResponse:
    """One complete reply: status, lower-case header names, decoded body."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
