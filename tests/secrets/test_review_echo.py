"""What a reviewer found: a secret that is said back in another spelling."""

import json
from collections.abc import Callable
from urllib.parse import quote, unquote

import pytest

from dreamina_async._core.wire import HttpRequest, HttpResponse
from dreamina_async._runtime.discreet import DiscreetTransport
from dreamina_async._runtime.transport import WrappedTransport

SAID = "0123456789/abcdef+x%7Cy=="


class Echo(WrappedTransport):
    """Says its request's body back."""

    async def send(
        self, request: HttpRequest, announce: Callable[[], None] | None = None
    ) -> HttpResponse:
        return HttpResponse(200, {"x": request.body.decode()}, request.body)


@pytest.mark.parametrize(
    "spelling",
    [
        SAID,
        quote(SAID, safe=""),
        unquote(SAID),
        SAID.replace("/", "\\/"),
        SAID.replace("+", "\\u002b").replace("=", "\\u003d"),
    ],
)
async def test_x6_a_secret_in_another_spelling_is_not_quoted(spelling: str) -> None:
    request = HttpRequest("POST", "", "", {}, f'{{"errmsg": "no {spelling}!"}}'.encode())
    reply = await DiscreetTransport(Echo(None), (SAID,)).send(request)  # type: ignore[arg-type]
    assert json.loads(reply.body)["errmsg"] == "no ***!"
    assert reply.headers["x"] == '{"errmsg": "no ***!"}'


@pytest.mark.parametrize("secret", ["OnlyLettersAndNothingElse", "with:colons:and~tildes*"])
async def test_x6_a_login_of_any_alphabet_is_not_quoted(secret: str) -> None:
    request = HttpRequest("POST", "", "", {}, f'{{"errmsg": "no {secret}!"}}'.encode())
    reply = await DiscreetTransport(Echo(None), (secret,)).send(request)  # type: ignore[arg-type]
    assert json.loads(reply.body)["errmsg"] == "no ***!"
