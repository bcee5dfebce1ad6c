"""The upload's four calls, as they stand on the wire and as they are read."""

import json
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

import pytest
from attrs import evolve

from dreamina_async._core.picture import Picture
from dreamina_async._core.profile import caller_for
from dreamina_async._core.sigv4 import EMPTY_SHA256, sign_v4
from dreamina_async._core.upload import (
    Place,
    UploadToken,
    check_upload_url,
    decode_apply,
    decode_bytes,
    decode_commit,
    decode_token,
    encode_apply,
    encode_bytes,
    encode_commit,
    encode_token,
    rejected,
    token_refused,
    worth_repeating,
)
from dreamina_async._core.wire import HttpResponse
from dreamina_async.credentials import Credentials
from dreamina_async.errors import (
    ApiError,
    AuthenticationError,
    DreaminaError,
    ProtocolError,
    RateLimited,
    ServiceUnavailable,
)
from dreamina_async.images import ImageRef

NOW = 1_768_000_000.0
LOGIN = "canary0123456789abcdef"
KEYS = {
    "access_key_id": "AKTPcanary",
    "secret_access_key": "canarysecret+/",
    "session_token": "STS2canary+/==",
}
URI = "tos-cn-i-tb4s082cfz/0123456789abcdef0123456789abcdef"
PICTURE = Picture(sha256(b"x").hexdigest(), 0xBADCAFE, 12345, "png", 640, 480)
TOKEN = UploadToken(*KEYS.values(), "tb4s082cfz", NOW + 1000)
PLACE = Place(URI, ("tos-d-x-hl.bytedancevod.com",), "SpaceKey/canary", "canarykey==")


def caller(region="cn", base_url=None):
    login = Credentials(
        LOGIN,
        region=region,
        headers={"x-own": LOGIN},
        query={"msToken": LOGIN},
        cookies={"a": LOGIN},
    )
    return caller_for(login, base_url)


def answer(body=None, status=200, **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, headers, content)


def assert_no_login(request):
    """Nothing of the login reaches a host that is not the service's own."""
    assert LOGIN not in f"{request.url} {dict(request.headers)} {request.body!r}"
    assert "cookie" not in request.headers


# --- token -------------------------------------------------------------------------------------


def token_reply(**data):
    return answer({"ret": "0", "errmsg": "success", "data": {**KEYS, **data}})


def test_the_token_is_asked_for_with_the_login():
    request = encode_token(caller(), NOW)
    assert request.path == "/mweb/v1/get_upload_token"
    assert json.loads(request.body) == {"scene": 2}
    assert LOGIN in request.headers["cookie"]
    assert request.headers["sign"]


def instant(offset):
    return datetime.fromtimestamp(NOW + offset, UTC)


@pytest.mark.parametrize(
    ("data", "life"),
    [
        ({}, 1500),
        ({"expired_time": None}, 1500),
        ({"expired_time": "soon-ish"}, 1500),
        ({"expired_time": instant(3600).isoformat()}, 3480),
        ({"expired_time": "2026-01-10T08:06:40+08:00"}, 3480),
        ({"expired_time": NOW + 3600}, 3480),
        ({"expired_time": f"{NOW + 3600:.0f}"}, 3480),
        ({"expired_time": instant(100).isoformat()}, 75),
        ({"expired_time": NOW - 5}, 0),
        # our clock is two hours behind, or the service's ahead
        ({"current_time": NOW + 7200, "expired_time": NOW + 10800}, 3480),
        ({"current_time": "2026-01-10T02:00:00", "expired_time": "2026-01-10T03:00:00"}, 3480),
    ],
)
def test_how_long_a_token_is_used(data, life):
    token = decode_token(token_reply(**data), caller(), NOW)
    assert token.good_until == pytest.approx(NOW + life)


@pytest.mark.parametrize(
    ("region", "data", "service_id"),
    [
        ("cn", {"service_id": "own", "space_name": "dreamina"}, "own"),
        ("cn", {"space_name": "dreamina"}, "tb4s082cfz"),
        ("us", {"service_id": "other", "space_name": "own"}, "own"),
        ("jp", {}, "wopfjsm1ax"),
        ("cn", {"service_id": "a&b=c"}, "tb4s082cfz"),
    ],
)
def test_the_upload_service(region, data, service_id):
    assert decode_token(token_reply(**data), caller(region), NOW).service_id == service_id


@pytest.mark.parametrize(
    "data",
    [
        {"secret_access_key": ""},
        {"session_token": "two\r\nlines"},
        {"session_token": None},
        {"access_key_id": 7},
        {"session_token": "x" * (1 << 17)},
    ],
)
def test_a_token_that_cannot_be_used(data):
    with pytest.raises(ProtocolError) as caught:
        decode_token(token_reply(**data), caller(), NOW)
    assert "canary" not in repr(caught.value)


@pytest.mark.parametrize("code", ["1014", "1015", "3018"])
def test_a_login_that_gets_no_token(code):
    with pytest.raises(AuthenticationError) as caught:
        decode_token(answer({"ret": code, "errmsg": "no", "data": None}), caller(), NOW)
    assert caught.value.code == code


def test_no_key_is_ever_shown():
    """Not even that of a reply which breaks off."""
    token = decode_token(token_reply(), caller(), NOW)
    place = decode_apply(applied(), NOW)
    assert "canary" not in f"{token!r} {token} {place!r}"
    with pytest.raises(ProtocolError) as caught:
        decode_token(answer(json.dumps({"data": KEYS}).encode()[:-2]), caller(), NOW)
    assert "canary" not in repr(caught.value)
    with pytest.raises(ProtocolError) as caught:
        decode_apply(answer(applied().body[:-2]), NOW)
    assert "canary" not in repr(caught.value)


# --- place -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "host", "scope"),
    [
        ("cn", "imagex.bytedanceapi.com", "cn-north-1"),
        ("us", "imagex16-normal-us-ttp.capcutapi.us", "us-east-1"),
        ("hk", "imagex-normal-sg.capcutapi.com", "ap-southeast-1"),
        ("jp", "imagex-normal-sg.capcutapi.com", "ap-southeast-1"),
        ("sg", "imagex-normal-sg.capcutapi.com", "ap-southeast-1"),
    ],
)
def test_applying(region, host, scope):
    request = encode_apply(TOKEN, PICTURE, caller(region), NOW)
    parts = urlsplit(request.url)
    query = {name: value[0] for name, value in parse_qs(parts.query).items()}
    assert (request.method, parts.scheme, parts.netloc, parts.path) == ("GET", "https", host, "/")
    assert query.pop("device_platform", "") == ("" if region == "cn" else "web")
    assert query.pop("s") == PICTURE.sha256[:11]
    assert query == {
        "Action": "ApplyImageUpload",
        "Version": "2018-08-01",
        "ServiceId": "tb4s082cfz",
        "FileSize": "12345",
    }
    authorization = request.headers["authorization"]
    assert f"/{scope}/imagex/aws4_request, " in authorization
    assert "SignedHeaders=x-amz-date;x-amz-security-token, " in authorization
    assert_no_login(request)


def test_the_commit_signs_its_body():
    request = encode_commit(TOKEN, PLACE, caller(), NOW)
    assert json.loads(request.body) == {"SessionKey": "canarykey=="}
    digest = sha256(request.body).hexdigest()
    assert request.headers["x-amz-content-sha256"] == digest != EMPTY_SHA256
    expected = sign_v4(
        "POST",
        request.url,
        {"x-amz-content-sha256": digest},
        digest,
        access_key=KEYS["access_key_id"],
        secret_key=KEYS["secret_access_key"],
        session_token=KEYS["session_token"],
        region="cn-north-1",
        service="imagex",
        now=NOW,
    )
    assert request.headers.items() >= expected.items()
    names = "SignedHeaders=x-amz-content-sha256;x-amz-date;x-amz-security-token, "
    assert names in request.headers["authorization"]
    assert_no_login(request)


def applied(store=None, **address):
    store = {"StoreUri": URI, "Auth": "SpaceKey/canary", "UploadID": "x", **(store or {})}
    address = {"StoreInfos": [store], "SessionKey": "canarykey==", **address}
    if "UploadHost" not in address:
        address.setdefault("UploadHosts", [PLACE.hosts[0]])
    return answer({"ResponseMetadata": {"RequestId": "r1"}, "Result": {"UploadAddress": address}})


def test_a_place():
    assert decode_apply(applied(), NOW) == PLACE
    assert decode_apply(applied(UploadHost=PLACE.hosts[0]), NOW) == PLACE  # AIC
    both = decode_apply(
        applied(UploadHosts=["a.com", "b.com", 7, "a.com"], UploadHost="c.com"), NOW
    )
    assert both.hosts == ("a.com", "b.com", "c.com")


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "a/../../b",
        "../b",
        "a/./b",
        "a/..",
        "a//b",
        "/a",
        "a/",
        "a?b",
        "a#b",
        "a%2e%2e/b",
        "a\\..\\b",
        "a b",
        "a\r\nb",
        "a/" * 300 + "a",
        "ä",
        None,
        ["a"],
    ],
)
def test_a_path_that_leads_elsewhere(uri):
    with pytest.raises(ProtocolError):
        decode_apply(applied({"StoreUri": uri}), NOW)


@pytest.mark.parametrize(
    ("store", "address"),
    [
        ({"Auth": "a\r\nb"}, {}),
        ({"Auth": None}, {}),
        ({}, {"UploadHosts": []}),
        ({}, {"UploadHosts": None}),
        ({}, {"SessionKey": ""}),
        ({}, {"SessionKey": 7}),
        ({}, {"StoreInfos": []}),
        ({}, {"StoreInfos": "x"}),
    ],
)
def test_a_place_that_is_none(store, address):
    with pytest.raises(ProtocolError):
        decode_apply(applied(store, **address), NOW)


def refusal(status=403, **error):
    metadata = {"RequestId": "r1", "Error": error} if error else {}
    return answer({"ResponseMetadata": metadata}, status)


@pytest.mark.parametrize(
    ("reply", "kind", "code", "another_token"),
    [
        (refusal(403, Code="InvalidAuthorization", CodeN=100024), ApiError, "100024", True),
        (
            refusal(200, Code="Invalid", CodeN=30406, Message="invalid token"),
            ApiError,
            "30406",
            True,
        ),
        (refusal(400, Code="InvalidAuthorization"), ApiError, "InvalidAuthorization", True),
        (refusal(400, Code="InvalidParameter", CodeN=100002), ApiError, "100002", False),
        (answer(b"<html>", 403), ApiError, None, True),
        (answer(b"", 404), ApiError, None, False),
        (answer(b"<html>", 502), ServiceUnavailable, None, False),
        (refusal(500, Code="InternalError"), ServiceUnavailable, None, False),
        (answer(b"", 429, **{"retry-after": "7"}), RateLimited, None, False),
    ],
)
def test_refusals_of_imagex(reply, kind, code, another_token):
    for decode in (decode_apply, lambda reply, now: decode_commit(reply, PICTURE, now)):
        with pytest.raises(ApiError) as caught:
            decode(reply, NOW)
        error = caught.value
        assert (type(error), error.code, error.charged) == (kind, code, "no")
        assert token_refused(error) is another_token
        assert worth_repeating(error) is (kind is not ApiError)
    if kind is RateLimited:
        assert error.retry_after == 7


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"\xff"])
def test_a_reply_that_is_none_is_trouble_on_the_way(body):
    with pytest.raises(ProtocolError) as caught:
        decode_apply(answer(body), NOW)
    assert worth_repeating(caught.value)


# --- bytes -------------------------------------------------------------------------------------


def test_the_head_of_the_bytes():
    request = encode_bytes(PLACE, PLACE.hosts[0], PICTURE, caller())
    assert (request.method, request.url) == ("POST", f"https://{PLACE.hosts[0]}/upload/v1/{URI}")
    assert request.headers["authorization"] == "SpaceKey/canary"
    assert request.headers["content-crc32"] == "0badcafe"  # eight digits
    assert request.headers["content-type"] == "application/octet-stream"
    assert_no_login(request)


HERE = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("host", "base", "origin"),
    [
        ("up.example.com", None, "https://up.example.com"),
        ("https://up.example.com/", None, "https://up.example.com"),
        ("http://up.example.com", None, "https://up.example.com"),
        ("up.example.com:443", None, "https://up.example.com:443"),
        ("8.8.8.8", None, "https://8.8.8.8"),
        ("up.example.com", "https://proxy.example", "https://up.example.com"),
        ("127.0.0.1:9", HERE, "http://127.0.0.1:9"),
        ("http://localhost:9", HERE, "http://localhost:9"),
        ("[::1]:9", HERE, "http://[::1]:9"),
        ("https://127.0.0.1:9", HERE, "https://127.0.0.1:9"),
        ("up.example.com", HERE, "https://up.example.com"),
    ],
)
def test_upload_hosts(host, base, origin):
    assert encode_bytes(PLACE, host, PICTURE, caller("cn", base)).url == f"{origin}/upload/v1/{URI}"


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("127.0.0.1:9", None),
        ("localhost", None),
        ("127.0.0.1", "https://proxy.example"),
        ("10.0.0.1", HERE),
        ("169.254.169.254", None),
        ("[::ffff:10.0.0.1]", None),
        ("up.example.com:8443", None),
        ("up.example.com/x", None),
        ("up.example.com?x", None),
        ("up.example.com#", None),
        ("user@up.example.com", None),
        ("up.example.com\\@evil.com", None),
        ("up.example.com\r\nHost: x", None),
        ("ftp://up.example.com", None),
        ("//up.example.com", None),
        ("up.example.com:99999999", None),
        ("-", None),
        ("", None),
    ],
)
def test_upload_hosts_that_are_refused(host, base):
    with pytest.raises(ProtocolError) as caught:
        encode_bytes(PLACE, host, PICTURE, caller("cn", base))
    assert rejected(caught.value)


def test_urls_are_checked_once_more_at_the_door():
    up = "https://up.example.com/upload/v1/x"
    check_upload_url(up, loopback=False, hosts=("example.com",))
    with pytest.raises(ProtocolError, match="not known to be one of its own"):
        check_upload_url(up, loopback=False)
    check_upload_url("http://127.0.0.1:9/upload/v1/x", loopback=True)
    with pytest.raises(ProtocolError, match="the upload host leads to http://127"):
        check_upload_url("http://127.0.0.1:9/upload/v1/x", loopback=False)


@pytest.mark.parametrize("crc32", ["0badcafe", "badcafe", "BADCAFE", "", None])
def test_bytes_that_arrived(crc32):
    body = {"code": 2000, "message": "Success", "data": {"crc32": crc32}}
    decode_bytes(answer(body), PICTURE, NOW)
    decode_bytes(answer({"code": "2000"}), PICTURE, NOW)


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        (answer(b"", 204), ApiError, None),
        (answer({"code": 2000}, 201), ApiError, None),
        (answer(b"moved", 302, location="https://evil.com"), ApiError, None),
        (answer(b"", 403), ApiError, None),
        (answer({"code": 4006, "message": "crc32 mismatch"}), ApiError, "4006"),
        (answer({"message": "?"}), ProtocolError, None),
        (answer(b"<html>"), ProtocolError, None),
        (answer({"code": 2000, "data": {"crc32": "0badcaff"}}), ProtocolError, None),
        (answer({"code": 2000, "data": {"crc32": "zz"}}), ProtocolError, None),
        (answer(b"", 503), ServiceUnavailable, None),
        (answer(b"", 429), RateLimited, None),
    ],
)
def test_bytes_that_did_not_arrive(reply, kind, code):
    with pytest.raises(DreaminaError) as caught:
        decode_bytes(reply, PICTURE, NOW)
    assert (type(caught.value), getattr(caught.value, "code", None)) == (kind, code)
    assert caught.value.charged == "no"
    assert rejected(caught.value) is (kind in (ApiError, ProtocolError))


# --- commit ------------------------------------------------------------------------------------


def committed(status=2000, uri=URI, plugin=None):
    result = {"Results": [{"Uri": uri, "UriStatus": status}], "PluginResult": plugin}
    return answer({"ResponseMetadata": {"RequestId": "r1"}, "Result": result})


def test_what_the_service_found_goes_before_what_we_found():
    plugin = [{"ImageUri": URI, "ImageWidth": 64, "ImageHeight": 48, "ImageFormat": "PNG"}]
    assert decode_commit(committed(plugin=plugin), PICTURE, NOW) == ImageRef(URI, 64, 48, "png")


@pytest.mark.parametrize(
    "plugin", [None, [], [{}], [{"ImageWidth": 0, "ImageHeight": "x", "ImageFormat": ""}]]
)
def test_without_its_word_ours_counts(plugin):
    found = decode_commit(committed(plugin=plugin), PICTURE, NOW)
    assert found == ImageRef(URI, 640, 480, "png")
    unknown = evolve(PICTURE, width=0, height=0)
    assert decode_commit(committed(plugin=plugin), unknown, NOW) == ImageRef(URI, 0, 0, "png")


def test_an_image_that_was_not_taken():
    with pytest.raises(ApiError) as caught:
        decode_commit(committed(2001), PICTURE, NOW)
    assert caught.value.code == "2001"
    assert not worth_repeating(caught.value)


@pytest.mark.parametrize(
    "reply", [committed(None), committed(uri=""), committed(uri="a b"), committed(uri=7)]
)
def test_a_commit_that_says_nothing(reply):
    with pytest.raises(ProtocolError):
        decode_commit(reply, PICTURE, NOW)
