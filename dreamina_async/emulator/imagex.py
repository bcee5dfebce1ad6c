"""What an upload asks the service for: a token, then the two signed calls of ImageX."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import attrs

from .sigv4 import Signing, canonical_request, signature
from .unread import as_object
from .uploads import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .call import Call
    from .unread import Json
    from .uploads import Slot, Token, Upload
    from .world import World

VERSION = "2018-08-01"
# Every action with its method and the name it goes by in the log and in faults.
_ACTIONS = {("GET", "ApplyImageUpload"): "apply", ("POST", "CommitImageUpload"): "commit"}
_SKEW_SECONDS = 15 * 60
_NOT_ARRIVED = 2001
_ARRIVED = 2000
_SIGNED = frozenset({"x-amz-date", "x-amz-security-token"})
_INTEGER = re.compile(r"\d{1,18}", re.ASCII)


@attrs.define
class ImagexRefusal(Exception):
    """A refusal in the words of ``ResponseMetadata.Error`` (protocol notes 6.1)."""

    status: int
    code: str
    number: int
    message: str


@attrs.frozen(kw_only=True)
class ImagexCall:
    """A request to the ImageX API as it arrived.

    Attributes:
        query: The query as it was sent, not decoded.
    """

    method: str
    path: str
    query: str
    parameters: Mapping[str, str] = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)

    @property
    def where(self) -> str:
        """The name of what is asked for."""
        return where_of(self.method, self.parameters)


def where_of(method: str, parameters: Mapping[str, str]) -> str:
    """Name the call that a request to ``/`` makes."""
    action = parameters.get("Action", "")
    known = parameters.get("Version") == VERSION and (method, action) in _ACTIONS
    return _ACTIONS[method, action] if known else "unknown"


@attrs.frozen
class Imagex:
    """The actions; each returns its whole reply or raises a refusal."""

    world: World

    def token(self, call: ImagexCall) -> Token:
        """Find out whose call it is, or refuse it."""
        if call.where == "unknown":
            # The name and both numbers are of the vendor's public list of common errors.
            raise ImagexRefusal(
                404, "InvalidActionOrVersion", 100008, "Could not find operation for version"
            )
        signing = Signing.read(call.headers.get("Authorization", ""))
        if signing is None:
            raise _unauthorized("the Authorization header is missing or malformed")
        token = self.world.uploads.token(call.headers.get("X-Amz-Security-Token", ""))
        if token is None:
            # The number and the message are of LUH, the name is ours.
            raise ImagexRefusal(403, "InvalidToken", 30406, "invalid token")
        self._check_scope(signing, token, call)
        self._check_signature(signing, token, call)
        self._check_right(token, call)
        return token

    def answer(self, call: ImagexCall, token: Token, request_id: str) -> Json:
        """Apply or commit."""
        result = self._apply(call, token) if call.where == "apply" else self._commit(call, token)
        metadata = self.metadata(call, request_id)
        return {"ResponseMetadata": metadata, "Result": {**result, "RequestId": request_id}}

    def refused(self, call: ImagexCall, request_id: str, refusal: ImagexRefusal) -> Json:
        """Write a refusal."""
        error = {"Code": refusal.code, "CodeN": refusal.number, "Message": refusal.message}
        return {"ResponseMetadata": {**self.metadata(call, request_id), "Error": error}}

    @staticmethod
    def metadata(call: ImagexCall, request_id: str) -> Json:
        """Write what every reply begins with."""
        signing = Signing.read(call.headers.get("Authorization", ""))
        return {
            "RequestId": request_id,
            "Action": call.parameters.get("Action", ""),
            "Version": call.parameters.get("Version", ""),
            "Service": "imagex",
            "Region": signing.region if signing else "",
        }

    def commits(self, call: ImagexCall) -> str:
        """Say which uri a commit is about, for the log; empty if there is none."""
        slot = self.world.uploads.session(_session_key(call.body))
        return slot.uri if slot is not None and call.where == "commit" else ""

    def _check_scope(self, signing: Signing, token: Token, call: ImagexCall) -> None:
        moment = call.headers.get("X-Amz-Date", "")
        if signing.access_key_id != token.access_key_id:
            raise _unauthorized("the access key is not the token's")
        if signing.service != "imagex" or signing.region != token.region:
            raise _unauthorized("the credential is for another service or region")
        if signing.day != moment[:8]:
            raise _unauthorized("the credential is for another day than x-amz-date")
        signed_at = _read_moment(moment)
        if signed_at is None or abs(signed_at - self.world.options.wall()) > _SKEW_SECONDS:
            raise _unauthorized("x-amz-date is not within 15 minutes")

    @staticmethod
    def _check_signature(signing: Signing, token: Token, call: ImagexCall) -> None:
        # The web signs without a host, unlike AWS's own clients (protocol notes 4).
        needed = _SIGNED | {"x-amz-content-sha256"} if call.method == "POST" else _SIGNED
        if not needed <= set(signing.headers):
            raise _unauthorized(f"{', '.join(sorted(needed))} must be signed")
        if list(signing.headers) != sorted({name.lower() for name in signing.headers}):
            raise _unauthorized("SignedHeaders must be lower-case, sorted and named once")
        if any(name not in call.headers for name in signing.headers):
            raise _unauthorized("a signed header is missing")
        told = call.headers.get("X-Amz-Content-Sha256")
        if told is not None and told != hashlib.sha256(call.body).hexdigest():
            raise _unauthorized("x-amz-content-sha256 is not the body's")
        headers = {name: call.headers[name] for name in signing.headers}
        canonical = canonical_request(call.method, call.path, call.query, headers, call.body)
        moment = call.headers.get("X-Amz-Date", "")
        expected = signature(token.secret_access_key, signing.scope, moment, canonical)
        if not hmac.compare_digest(signing.signature, expected):
            raise _unauthorized("the signature does not match")

    @staticmethod
    def _check_right(token: Token, call: ImagexCall) -> None:
        named = call.parameters.get("ServiceId", "")
        if named == token.service_id and token.kind == "image":
            return
        # Of the vendor's public list of common errors; that it applies here is our guess.
        message = f"User is not authorized to perform this on resource: {named or 'none'}"
        raise ImagexRefusal(403, "AccessDenied", 100013, message)

    def _apply(self, call: ImagexCall, token: Token) -> Json:
        size = call.parameters.get("FileSize", "")
        if not _INTEGER.fullmatch(size) or not 0 < int(size) <= MOST_BYTES:
            raise _bad_parameter("FileSize")
        slot = self.world.uploads.apply(token, int(size))
        store = {"StoreUri": slot.uri, "Auth": slot.auth, "UploadID": slot.upload_id}
        address = {"StoreInfos": [store], **self._host(), "SessionKey": slot.session_key}
        return {"UploadAddress": address}

    def _host(self) -> Json:
        """Name the media server's origin as the real service names hosts: without a scheme."""
        host = self.world.links.base_url.partition("://")[2]
        if self.world.options.upload_hosts == "singular":
            return {"UploadHost": host}
        return {"UploadHosts": [host]}

    def _commit(self, call: ImagexCall, token: Token) -> Json:
        slot = self.world.uploads.session(_session_key(call.body))
        if slot is None or slot.account != token.account:
            raise _bad_parameter("SessionKey")
        upload = self.world.uploads.commit(slot)
        if upload is None:
            return {"Results": [_status(slot, _NOT_ARRIVED)], "PluginResult": []}
        return {"Results": [_status(slot, _ARRIVED)], "PluginResult": [_described(upload)]}


def upload_token(world: World, call: Call) -> Json:
    """Hand out what an upload is signed with (protocol notes 4)."""
    return world.uploads.issue(call.account, call.market, call.body.get("scene")).data()


def _unauthorized(why: str) -> ImagexRefusal:
    # One code for everything about the signature (protocol notes 4): the message tells which.
    return ImagexRefusal(403, "InvalidAuthorization", 100024, f"Invalid Authorization: {why}")


def _bad_parameter(name: str) -> ImagexRefusal:
    # Not measured: the number is of the vendor's public list, where it is a missing parameter.
    return ImagexRefusal(400, "InvalidParameter", 100002, f"The parameter {name} is invalid")


def _status(slot: Slot, status: int) -> Json:
    return {"Uri": slot.uri, "UriStatus": status}


def _described(upload: Upload) -> Json:
    """Write what the service found in an image (IPT, and the vendor's public reference)."""
    return {
        "FileName": upload.uri.partition("/")[2],
        "SourceUri": upload.uri,
        "ImageUri": upload.uri,
        "ImageWidth": upload.width,
        "ImageHeight": upload.height,
        "ImageFormat": upload.format,
        "ImageSize": upload.size,
    }


def _session_key(body: bytes) -> object:
    try:
        read = as_object(json.loads(body))
    except (ValueError, RecursionError):
        return None
    return read.get("SessionKey") if read else None


def _read_moment(text: str) -> float | None:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
