"""The upload of one image: token, place, bytes, commit (protocol notes 4).

The login goes to the first call alone. ImageX knows its caller by the token that this call
gave, and the upload host by the authorization that came with the place.
"""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from typing import TypeGuard
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from dreamina_async._core.calls import post, versions
from dreamina_async._core.content.facts import MAX_SIDE
from dreamina_async._core.envelope import open_envelope, retry_after
from dreamina_async._core.media import MEDIA_HOSTS, check_media_url
from dreamina_async._core.picture import Picture
from dreamina_async._core.profile import Caller, is_loopback, is_loopback_url
from dreamina_async._core.reading import Reader, as_object, read_json, words
from dreamina_async._core.sigv4 import EMPTY_SHA256, encoded, sign_v4
from dreamina_async._core.wire import HttpRequest, HttpResponse
from dreamina_async.credentials import Region
from dreamina_async.errors import (
    ApiError,
    DownloadError,
    DreaminaError,
    InvalidRequest,
    ProtocolError,
    RateLimited,
    ServiceUnavailable,
    TransportError,
)
from dreamina_async.images import ImageRef

TOKEN_PATH = "/mweb/v1/get_upload_token"  # noqa: S105 - a path

_TOKEN_LIFE = 1500.0
"""Seconds for which clients reuse a token that does not tell its end (AIC)."""

_TOKEN_MARGIN = 120.0
"""Seconds of a token's life that are kept for the commit that ends a long upload."""

_TOKEN_CODES = frozenset({"100024", "30406", "InvalidAuthorization"})
"""ImageX does not take the token (LUH); a new one may do."""

_TAKEN = 2000
"""What both `code` of the upload host and `UriStatus` of the commit say of a success."""

_AGAIN = "try again later; if it stays so, save the image as PNG or JPEG and give that"
_LONGEST = 1 << 16

_HOST = re.compile(
    r"(?:https?://)?((?:[0-9A-Za-z](?:[0-9A-Za-z.-]*[0-9A-Za-z])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)/?"
)
_SEGMENT = re.compile(r"[0-9A-Za-z._~:@=+,-]{1,256}")
_CRC32 = re.compile(r"[0-9A-Fa-f]{1,8}")


@frozen
class UploadToken:
    """Temporary keys for ImageX.

    Attributes:
        service_id: where uploads go.
        good_until: wall clock; afterwards another one is asked for.
    """

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str = field(repr=False)
    service_id: str
    good_until: float


@frozen
class Place:
    """Where one image's bytes are to go.

    Attributes:
        uri: the path behind `/upload/v1/`.
        hosts: the upload hosts, as they were sent, the best one first.
        authorization: for these bytes only.
        session_key: what the commit names them by.
    """

    uri: str
    hosts: tuple[str, ...]
    authorization: str = field(repr=False)
    session_key: str = field(repr=False)


# --- token -------------------------------------------------------------------------------------


def encode_token(caller: Caller, now: float) -> HttpRequest:
    """Ask for a token; 2 is ImageX (CAT; the official CLI counts otherwise)."""
    page = "/ai-tool/generate?type=image"
    return post(TOKEN_PATH, versions(caller), {"scene": 2}, page, caller, now)


def decode_token(response: HttpResponse, caller: Caller, now: float) -> UploadToken:
    """Read the token; `now` is wall time.

    Raises:
        ApiError: the login does not get one.
        ProtocolError: there is none to be read.
    """
    failure: ProtocolError
    try:
        root, logid = open_envelope(response, "upload", now)
    except ProtocolError as error:
        failure = _discreet(error)
    else:
        return _token(root.object("data"), response, logid, caller, now)
    raise failure  # outside the `except`: the reply's keys must not hang on it


def _token(
    data: Reader, response: HttpResponse, logid: str | None, caller: Caller, now: float
) -> UploadToken:
    names = ("access_key_id", "secret_access_key", "session_token")
    access, secret, session = (_header_text(data, name) for name in names)
    if not (access and secret and session):
        del access, secret, session  # reporters of errors send the variables of a frame away
        raise _unreadable("it holds no upload token", response, logid)
    good_until = _good_until(data, now)
    return UploadToken(access, secret, session, _service_id(data, caller), good_until)


def _service_id(data: Reader, caller: Caller) -> str:
    """China names it `service_id`, the others by the space (IPT)."""
    name = "service_id" if caller.credentials.region is Region.CN else "space_name"
    return data.identifier(name) or caller.site.service_id


def _good_until(data: Reader, now: float) -> float:
    end = _instant(data, "expired_time")
    if end is None:
        return now + _TOKEN_LIFE
    # against the service's own clock, for ours may be wrong
    life = end - (_instant(data, "current_time") or now)
    return now + max(0.0, life - min(_TOKEN_MARGIN, life / 4))


def _instant(data: Reader, name: str) -> float | None:
    """ISO 8601 (CLH), or Unix seconds as a number or as text."""
    text = data.text(name, limit=40) or ""
    if "-" not in text:
        return data.unix_seconds(name)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()


# --- place -------------------------------------------------------------------------------------


def encode_apply(token: UploadToken, picture: Picture, caller: Caller, now: float) -> HttpRequest:
    """Ask where the bytes may go. `s` is random for web clients; ours depends on the content."""
    query = {
        "Action": "ApplyImageUpload",
        "FileSize": str(picture.size),
        "s": picture.sha256[:11],
    }
    if caller.credentials.region is not Region.CN:  # IPT
        query["device_platform"] = "web"
    return _signed("GET", query, b"", token, caller, now)


def decode_apply(response: HttpResponse, now: float) -> Place:
    """Read where the bytes may go.

    Raises:
        ApiError: ImageX refuses.
        ProtocolError: it names no place that bytes could be sent to.
    """
    result, logid = _open_imagex(response, now)
    address = result.object("UploadAddress")
    stores = address.objects("StoreInfos")
    store = stores[0] if stores else Reader({})
    uri, authorization = _header_text(store, "StoreUri"), _header_text(store, "Auth")
    session_key = address.raw("SessionKey")
    hosts = [*address.list("UploadHosts"), address.raw("UploadHost")]  # AIC saw the second
    names = tuple(dict.fromkeys(one for one in hosts if isinstance(one, str) and one))
    if not _is_path(uri):
        raise _unreadable("its StoreUri is no plain path", response, logid)
    if not (authorization and names and _is_text(session_key)):
        raise _unreadable("it names no place for the image", response, logid)
    return Place(uri, names, authorization, session_key)


def _is_path(uri: str) -> bool:
    """Whether this can only be a path below `/upload/v1/`, whoever reads it."""
    parts = uri.split("/")
    plain = all(_SEGMENT.fullmatch(part) and part.strip(".") for part in parts)
    return plain and len(uri) <= 512


# --- bytes -------------------------------------------------------------------------------------


def encode_bytes(place: Place, host: str, picture: Picture, caller: Caller) -> HttpRequest:
    """The head of the request that carries the image; the body comes from the disk.

    Raises:
        ProtocolError: the upload host is none that bytes are sent to.
    """
    path = f"/upload/v1/{place.uri}"
    return HttpRequest(
        method="POST",  # the official CLI's PUT goes to the same URL (DCL)
        url=_origin(host, loopback=is_loopback_url(caller.site.api)) + path,
        path=path,
        headers={
            **_bare(caller),
            "authorization": place.authorization,
            "content-type": "application/octet-stream",
            "content-crc32": f"{picture.crc32:08x}",
        },
        body=b"",
    )


def _origin(host: str, *, loopback: bool) -> str:
    match = _HOST.fullmatch(host)
    if match is None:
        raise ProtocolError("the service names an upload host that is none", "no")
    name = urlsplit(f"//{match[1]}").hostname or ""
    plain = loopback and is_loopback(name) and not host.startswith("https:")
    url = f"{'http' if plain else 'https'}://{match[1]}"
    check_upload_url(url, loopback=loopback, hosts=(name,))  # which domains: the door knows
    return url


def check_upload_url(url: str, *, loopback: bool, hosts: Iterable[str] = MEDIA_HOSTS) -> None:
    """The rules for media hosts, for upload hosts: the service names both.

    Raises:
        ProtocolError: domain, scheme, port or literal address are not allowed. Names are
            checked once more when they are resolved.
    """
    try:
        check_media_url(url, loopback=loopback, hosts=hosts)
    except DownloadError as error:
        message = error.message.replace("the media URL", "the upload host", 1)
        raise ProtocolError(message, "no") from None


def decode_bytes(response: HttpResponse, picture: Picture, now: float) -> None:
    """Make sure that the upload host took the image.

    Raises:
        ApiError: it did not.
        ProtocolError: it does not say so, or has got other bytes.
    """
    _check_status(response, "the upload host", now)
    if response.status != 200:  # 204 from the edge: rejected (LUH 7.4)
        raise ApiError(
            f"the upload host refused the image with HTTP {response.status}",
            status=response.status,
            advice=_AGAIN,
        )
    root = _json(response)
    code = root.text("code", limit=64)
    if code is None:
        raise _unreadable("the upload host does not say whether it took the image", response)
    if code != str(_TAKEN):
        said = _scrubbed(root.text("message"))
        raise ApiError(
            f"the upload host refused the image: {said}", code=code, status=200, advice=_AGAIN
        )
    crc32 = root.object("data").text("crc32", limit=64)
    # ZHI leaves the zeros in front out; a service may, too
    same = not crc32 or (_CRC32.fullmatch(crc32) and int(crc32, 16) == picture.crc32)
    if not same:
        raise ProtocolError("the upload host has got other bytes than were sent", "no", status=200)


# --- commit ------------------------------------------------------------------------------------


def encode_commit(token: UploadToken, place: Place, caller: Caller, now: float) -> HttpRequest:
    """Say that the bytes are there."""
    body = json.dumps({"SessionKey": place.session_key}).encode()
    return _signed("POST", {"Action": "CommitImageUpload"}, body, token, caller, now)


def decode_commit(response: HttpResponse, picture: Picture, now: float) -> ImageRef:
    """Read the uploaded image; what ImageX does not say of it, its own head told us.

    Raises:
        ApiError: ImageX did not take it.
        ProtocolError: it cannot be read whether it did.
    """
    result, logid = _open_imagex(response, now)
    results = result.objects("Results")
    found = results[0] if results else Reader({})
    status = found.integer("UriStatus")
    if status is not None and status != _TAKEN:
        raise ApiError(
            "the service did not take the image",
            code=str(status),
            logid=logid,
            status=response.status,
            advice="see whether the file opens as an image, or save it as PNG or JPEG",
        )
    uri = found.raw("Uri")
    if status is None or not isinstance(uri, str):
        raise _unreadable("it does not say whether the image was taken", response, logid)
    plugins = result.objects("PluginResult")
    told = plugins[0] if plugins else Reader({})
    try:
        return ImageRef(
            uri,
            told.integer("ImageWidth", least=1, most=MAX_SIDE) or picture.width,
            told.integer("ImageHeight", least=1, most=MAX_SIDE) or picture.height,
            (told.text("ImageFormat", limit=16) or picture.format).lower(),
        )
    except InvalidRequest:
        raise _unreadable("the image's uri is none", response, logid) from None


# --- what an error means -----------------------------------------------------------------------


def worth_repeating(error: DreaminaError) -> bool:
    """Whether the same call may do later; uploads are free, so any may be repeated.

    What cannot be read is trouble on the way, too: an error page, half a reply (protocol
    notes 6.1).
    """
    return isinstance(error, TransportError | ProtocolError | RateLimited | ServiceUnavailable)


def rejected(error: DreaminaError) -> bool:
    """Whether an upload host does not want the bytes, or is none to send them to."""
    waiting = isinstance(error, RateLimited | ServiceUnavailable)
    return isinstance(error, ApiError | ProtocolError) and not waiting


def token_refused(error: ApiError) -> bool:
    """Whether another token may help."""
    return error.code in _TOKEN_CODES or error.status in {401, 403}


# --- ImageX ------------------------------------------------------------------------------------


def _signed(
    method: str,
    query: dict[str, str],
    body: bytes,
    token: UploadToken,
    caller: Caller,
    now: float,
) -> HttpRequest:
    """One call of ImageX, signed as IPT does: no host, and the body's digest if there is one."""
    query = {**query, "ServiceId": token.service_id, "Version": "2018-08-01"}
    pairs = sorted((encoded(name), encoded(value)) for name, value in query.items())
    url = f"{caller.site.imagex}/?{'&'.join(f'{name}={value}' for name, value in pairs)}"
    digest = sha256(body).hexdigest() if body else EMPTY_SHA256
    signed = {"x-amz-content-sha256": digest} if body else {}
    signature = sign_v4(
        method,
        url,
        signed,
        digest,
        access_key=token.access_key,
        secret_key=token.secret_key,
        session_token=token.session_token,
        region=caller.site.imagex_region,
        service="imagex",
        now=now,
    )
    kind = {"content-type": "application/json"} if body else {}
    headers = {**_bare(caller), **kind, **signed, **signature}
    return HttpRequest(method=method, url=url, path="/", headers=headers, body=body)


def _bare(caller: Caller) -> dict[str, str]:
    """Headers without the login: these hosts are not the service's own."""
    return {
        "user-agent": caller.profile.user_agent,
        "accept": "application/json, text/plain, */*",
        "origin": caller.site.origin,
        "referer": f"{caller.site.origin}/",
    }


def _open_imagex(response: HttpResponse, now: float) -> tuple[Reader, str | None]:
    """The result of an ImageX call and its request id; raises if there is none."""
    _check_status(response, "ImageX", now)
    try:
        root = _json(response)
    except ProtocolError:
        if 400 <= response.status <= 499:
            raise _refused_by_imagex(Reader({}), response) from None
        raise
    metadata = root.object("ResponseMetadata")
    if response.status != 200 or metadata.object("Error").value:
        raise _refused_by_imagex(metadata, response)
    return root.object("Result"), metadata.identifier("RequestId")


def _refused_by_imagex(metadata: Reader, response: HttpResponse) -> ApiError:
    error = metadata.object("Error")
    code = error.text("CodeN", "Code", limit=64)
    said = _scrubbed(error.text("Message"))
    return ApiError(
        f"ImageX refused the upload: {said}",
        code=words(code) if code else None,
        logid=metadata.identifier("RequestId"),
        status=response.status,
        advice="check this machine's clock, and try again later",
    )


# --- replies in general ------------------------------------------------------------------------


def _check_status(response: HttpResponse, who: str, now: float) -> None:
    """Raise for what waiting may mend."""
    status = response.status
    if status != 429 and status != 408 and not 500 <= status <= 599:
        return
    kind = RateLimited if status == 429 else ServiceUnavailable
    raise kind(
        f"{who} answers HTTP {status}",
        status=status,
        advice="wait, and try again",
        retry_after=retry_after(response.headers.get("retry-after"), now),
    )


def _json(response: HttpResponse) -> Reader:
    failure: ProtocolError
    try:
        value = read_json(response.body, status=response.status)
    except ProtocolError as error:
        failure = _discreet(error)
    else:
        if as_object(value) is not None:
            return Reader.of(value)
        del value  # as above
        failure = _unreadable("not a JSON object", response)
    raise failure


def _unreadable(what: str, response: HttpResponse, logid: str | None = None) -> ProtocolError:
    return ProtocolError(
        f"cannot read the upload's reply: {what}", "no", status=response.status, logid=logid
    )


def _discreet(error: ProtocolError) -> ProtocolError:
    """Without the start of the body: keys may stand in it."""
    return evolve(error, excerpt="", charged="no")


def _header_text(reader: Reader, name: str) -> str:
    """A text as it is, if it may stand in a header; else empty."""
    value = reader.raw(name)
    return value if _is_text(value) and value.isascii() and value.isprintable() else ""


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST


_KEYLIKE = re.compile(r"[0-9A-Za-z+/=_%&.:;~-]{16,}")


def _scrubbed(message: str | None) -> str:
    """The words of a refusal without what may be a key: such services repeat the request."""
    return words(_KEYLIKE.sub("…", message or "")) or "no reason given"
