"""The scripted service's other half: a token, a place, the bytes of an image, and its commit.

It keeps what has arrived under each uri, so that a submit can be held against the picture that
its own request was given.
"""

import json
import re
import zlib
from collections.abc import AsyncIterable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from attrs import define, field
from simfaults import Faults

from dreamina_async._core.wire import HttpRequest, HttpResponse

TOKEN_LIFE = 900.0
_URI = re.compile(r"tos-up/[0-9]+")


@define(eq=False)
class Uploads:
    """What has been uploaded, through all lives of the client."""

    faults: Faults
    wall: Callable[[], float]
    reply: Callable[[Any], HttpResponse]
    contents: dict[str, bytes | None] = field(factory=dict)
    """By uri; None where nothing has arrived yet."""
    _tokens: dict[str, float] = field(factory=dict)
    """When each ends."""

    # ---- the four steps ----------------------------------------------------------------

    def token(self) -> HttpResponse:
        """Hand out what the next calls are signed with."""
        trouble = self._trouble("H1t")
        if trouble is not None:
            return trouble
        name = f"token-{len(self._tokens)}"
        self._tokens[name] = self.wall() + TOKEN_LIFE
        return self.reply(
            {
                "access_key_id": "key",
                "secret_access_key": "secret",
                "session_token": name,
                "current_time": self.wall(),
                "expired_time": self._tokens[name],
            }
        )

    def imagex(self, request: HttpRequest) -> HttpResponse:
        """Apply or commit, for whoever has a token."""
        trouble = self._trouble("H1x")
        if trouble is not None:
            return trouble
        until = self._tokens[request.headers["x-amz-security-token"]]
        if until < self.wall() or self.faults.hits("H7u"):
            return _refused("InvalidToken", 30406)
        action = parse_qs(urlsplit(request.url).query)["Action"][0]
        return self._apply() if action == "ApplyImageUpload" else self._commit(request)

    def _apply(self) -> HttpResponse:
        uri = f"tos-up/{len(self.contents)}"
        self.contents[uri] = None
        store = {"StoreUri": uri, "Auth": f"auth-{uri}"}
        hosts = ["up1.media.example", "up2.media.example"]
        return _result(
            {"UploadAddress": {"StoreInfos": [store], "UploadHosts": hosts, "SessionKey": uri}}
        )

    async def take(self, request: HttpRequest, body: AsyncIterable[bytes]) -> HttpResponse:
        """Take an image; some hosts do not, or say that they have got another one."""
        content = b"".join([piece async for piece in body])
        trouble = self._trouble("H1y")
        if trouble is not None:
            return trouble
        if self.faults.hits("H19u"):
            return HttpResponse(204, {}, b"")
        crc32 = f"{zlib.crc32(content):08x}"
        if crc32 != request.headers["content-crc32"]:
            return _json({"code": 4009, "message": "crc32"})
        self.contents[request.path.removeprefix("/upload/v1/")] = content
        told = "0" if self.faults.hits("F6u") else crc32
        return _json({"code": 2000, "message": "Success", "data": {"crc32": told}})

    def _commit(self, request: HttpRequest) -> HttpResponse:
        uri = json.loads(request.body)["SessionKey"]
        taken = self.contents[uri] is not None and not self.faults.hits("S17u")
        return _result({"Results": [{"Uri": uri, "UriStatus": 2000 if taken else 2001}]})

    def _trouble(self, kind: str) -> HttpResponse | None:
        if self.faults.hits(kind):
            return HttpResponse(self.faults.chance.choice((500, 502, 503, 429)), {}, b"")
        return None

    # ---- whose pictures a submit names -------------------------------------------------

    def named_in(self, request: HttpRequest) -> set[bytes | None]:
        """The contents behind the uris of a generate request."""
        return {self.contents.get(uri) for uri in _URI.findall(request.body.decode())}


def _json(value: Any) -> HttpResponse:
    return HttpResponse(200, {"content-type": "application/json"}, json.dumps(value).encode())


def _result(result: dict[str, Any]) -> HttpResponse:
    return _json({"ResponseMetadata": {"RequestId": "r"}, "Result": result})


def _refused(code: str, number: int) -> HttpResponse:
    error = {"Code": code, "CodeN": number, "Message": "no"}
    body = {"ResponseMetadata": {"RequestId": "r", "Error": error}}
    return HttpResponse(403, {}, json.dumps(body).encode())
