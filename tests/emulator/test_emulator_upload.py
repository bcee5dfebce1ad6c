"""Uploading an image: token, apply, bytes, commit, signed apart from the emulator's own code."""

import asyncio
import hashlib
import hmac
import io
import json
import re
import time
import zlib
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import attrs
import pytest
from yarl import URL

from dreamina_async.emulator import Fault
from dreamina_async.emulator.picture import Picture, read_picture

pytestmark = pytest.mark.anyio
TOKEN = "/mweb/v1/get_upload_token"
APPLY, COMMIT = "ApplyImageUpload", "CommitImageUpload"
SHORT = ("x-amz-date", "x-amz-security-token")
CHINA, US, ASIA = "cn-north-1", "us-east-1", "ap-southeast-1"
AIDS = {CHINA: "513695", US: "513641&region=US", ASIA: "513641&region=JP"}


def png(width, height, more=b""):
    def chunk(kind, data):
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    rows = zlib.compress(b"".join(b"\0" + bytes(width) for _ in range(height)))
    head = width.to_bytes(4) + height.to_bytes(4) + b"\x08\0\0\0\0"
    chunks = (
        chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"teXt", more) + chunk(b"IEND", b"")
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


def signed(token, method, query, headers, body, *, names, region, service="imagex", day=None):
    """Sign as AWS describes it; the headers sent are those given, the names those signed."""
    told = {name.lower(): value for name, value in headers.items()}
    day = day or told["x-amz-date"][:8]
    pairs = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in query.items())
    lines = [method, "/", "&".join(f"{k}={v}" for k, v in pairs)]
    lines += [f"{name}:{told.get(name, '').strip()}" for name in names]
    lines += ["", ";".join(names), hashlib.sha256(body).hexdigest()]
    scope = [day, region, service, "aws4_request"]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", told["x-amz-date"], "/".join(scope), digest])
    key = ("AWS4" + token["secret_access_key"]).encode()
    for part in [*scope, text]:
        key = hmac.new(key, part.encode(), "sha256").digest()
    credential = "/".join([token["access_key_id"], *scope])
    listed = ";".join(names)
    return (
        f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={listed}, Signature={key.hex()}"
    )


@attrs.define
class Uploader:
    """The four steps, each with what a test may want to do differently."""

    wire: object
    token: dict = attrs.field(factory=dict)
    region: str = CHINA
    service_id: str = "tb4s082cfz"
    body: bytes = png(3, 2)

    async def get_token(self, scene=2, aid="513695"):
        reply = await self.wire.post(f"{TOKEN}?aid={aid}", {"scene": scene})
        self.token = reply["data"] or {}
        return reply

    async def call(
        self, method, query, body=b"", *, names=SHORT, sent=(), signing=(), spoil=None, minutes=0
    ):
        """Make an ImageX call; `sent` changes its headers, `signing` what is signed."""
        moment = datetime.now(UTC) + timedelta(minutes=minutes)
        headers = {"x-amz-date": moment.strftime("%Y%m%dT%H%M%SZ")}
        headers |= {"x-amz-security-token": self.token["session_token"], **dict(sent)}
        if "host" in names:
            headers["Host"] = urlsplit(self.wire.emulator.base_url).netloc
        options = {"names": names, "region": self.region} | dict(signing)
        authorization = signed(self.token, method, query, headers, body, **options)
        headers["Authorization"] = spoil(authorization) if spoil else authorization
        text = urlencode(query, quote_via=quote)
        url = URL(f"{self.wire.emulator.base_url}/?{text}", encoded=True)
        async with self.wire.http.request(
            method, url, data=body or None, headers=headers, skip_auto_headers=["Content-Type"]
        ) as reply:
            return reply.status, json.loads(await reply.read())

    async def apply(self, size=None, **options):
        query = {"Action": APPLY, "Version": "2018-08-01", "ServiceId": self.service_id}
        query |= {"FileSize": str(len(self.body) if size is None else size), "s": "k3v9x0a2b1c"}
        return await self.call("GET", query, **options)

    async def address(self):
        status, reply = await self.apply()
        assert status == 200
        return reply["Result"]["UploadAddress"]

    async def send(self, address, body=None, method="POST", **headers):
        body = self.body if body is None else body
        store = address["StoreInfos"][0]
        good = {"Authorization": store["Auth"], "Content-CRC32": f"{zlib.crc32(body):08x}"}
        headers = {name: value for name, value in {**good, **headers}.items() if value is not None}
        (host,) = address["UploadHosts"]
        url = f"http://{host}/upload/v1/{store['StoreUri']}"
        async with self.wire.http.request(
            method, url, data=io.BytesIO(body), headers=headers
        ) as reply:
            return reply.status, await reply.read()

    async def sent(self, address, *args, **headers):
        status, raw = await self.send(address, *args, **headers)
        assert status == 200
        return json.loads(raw)

    async def commit(self, session_key, **options):
        query = {"Action": COMMIT, "Version": "2018-08-01", "ServiceId": self.service_id}
        body = json.dumps({"SessionKey": session_key}).encode()
        names = ("x-amz-content-sha256", *SHORT)
        sent = {"x-amz-content-sha256": hashlib.sha256(body).hexdigest()}
        options = {"names": names, "sent": sent} | options
        return await self.call("POST", query, body, **options)

    async def upload(self, body=None):
        """Go all the way; give the uri."""
        self.body = self.body if body is None else body
        address = await self.address()
        assert (await self.sent(address))["code"] == 2000
        status, reply = await self.commit(address["SessionKey"])
        assert status == 200
        (result,) = reply["Result"]["Results"]
        assert result["UriStatus"] == 2000
        return result["Uri"]


@pytest.fixture
def uploader(start):
    async def run(region=CHINA, **options):
        made = Uploader(await start(**options), region=region)
        if region != CHINA:
            made.service_id = "wopfjsm1ax"
        await made.get_token(aid=AIDS[region])
        return made

    return run


def known(uploader, uri):
    world = uploader.wire.emulator._world
    return world.uploads.known(world.login(uploader.wire.sessionid), uri)


def refusal(answer):
    status, reply = answer
    assert set(reply) == {"ResponseMetadata"}
    error = reply["ResponseMetadata"]["Error"]
    return status, error["Code"], error["CodeN"]


UNAUTHORIZED = (403, "InvalidAuthorization", 100024)


async def test_an_image_goes_all_the_way(uploader):
    up = await uploader()
    token = up.token
    assert token["access_key_id"].startswith("AKTP")
    assert token["session_token"].startswith("STS2")
    assert (token["region"], token["space_type"], token["service_id"]) == ("cn", 2, "tb4s082cfz")
    assert token["upload_domain"] == "imagex.bytedanceapi.com"
    times = [datetime.fromisoformat(token[name]) for name in ("current_time", "expired_time")]
    assert (times[1] - times[0]).total_seconds() == 3600
    assert abs(times[0].timestamp() - time.time()) < 60

    status, reply = await up.apply()
    assert status == 200
    metadata, result = reply["ResponseMetadata"], reply["Result"]
    assert (metadata["Action"], metadata["Service"], metadata["Region"]) == (APPLY, "imagex", CHINA)
    assert metadata["RequestId"] == result["RequestId"] != ""
    address = result["UploadAddress"]
    (store,) = address["StoreInfos"]
    assert re.fullmatch(r"tos-cn-i-tb4s082cfz/[0-9a-f]{32}", store["StoreUri"])
    assert store["UploadID"]
    assert address["UploadHosts"] == [urlsplit(up.wire.emulator.media_url).netloc]

    crc32 = f"{zlib.crc32(up.body):08x}"
    told = {"code": 2000, "message": "Success", "data": {"crc32": crc32}}
    assert await up.sent(address) == told
    assert known(up, store["StoreUri"]) is None
    status, reply = await up.commit(address["SessionKey"])
    assert status == 200
    uri = store["StoreUri"]
    assert reply["Result"]["Results"] == [{"Uri": uri, "UriStatus": 2000}]
    (found,) = reply["Result"]["PluginResult"]
    assert (found["ImageUri"], found["ImageFormat"], found["ImageSize"]) == (
        uri,
        "png",
        len(up.body),
    )
    assert (found["ImageWidth"], found["ImageHeight"]) == (3, 2)

    upload = known(up, uri)
    assert (upload.width, upload.height, upload.format) == (3, 2, "png")
    assert (upload.crc32, upload.sha256) == (crc32, hashlib.sha256(up.body).hexdigest())
    assert upload.size == len(up.body)
    assert up.wire.emulator._world.uploads.all() == (upload,)
    counts = up.wire.emulator.requests.counts
    assert counts == {"token": 1, "apply": 1, "upload": 1, "commit": 1}
    assert {entry.account for entry in up.wire.emulator.requests} == {upload.account}
    assert up.wire.emulator.requests.media_cookies == 0


async def test_the_same_bytes_twice_are_two_uris(uploader):
    up = await uploader()
    first, second = await up.upload(), await up.upload()
    assert first != second
    assert known(up, first).sha256 == known(up, second).sha256


async def test_an_upload_belongs_to_one_account(uploader):
    up = await uploader()
    uri = await up.upload()
    address = await up.address()
    await up.sent(address)
    up.wire.sessionid = "another-session"
    assert known(up, uri) is None
    await up.get_token()
    assert refusal(await up.commit(address["SessionKey"]))[0] == 400


async def test_the_seed_and_a_serial_make_tokens_and_uris(uploader):
    ups = [await uploader(seed=7, wall=lambda: 1779778155.0) for _ in range(2)]
    assert ups[0].token == ups[1].token
    assert ups[0].token["current_time"] == "2026-05-26T14:49:15+08:00"
    first = ups[0].token
    await ups[0].get_token()
    names = ("access_key_id", "secret_access_key", "session_token")
    assert all(first[name] != ups[0].token[name] for name in names)


@pytest.mark.parametrize("region", [US, ASIA])
async def test_international_uploads(uploader, region):
    up = await uploader(region)
    assert up.token["space_name"] == "wopfjsm1ax"
    assert "service_id" not in up.token
    domains = {US: "imagex16-normal-us-ttp.capcutapi.us", ASIA: "imagex-normal-sg.capcutapi.com"}
    assert up.token["upload_domain"] == domains[region]
    uri = await up.upload()
    assert uri.partition("/")[0] == "tos-useast5-i-wopfjsm1ax-tx"
    for up.region in {CHINA, US, ASIA} - {region}:
        assert refusal(await up.apply()) == UNAUTHORIZED


@pytest.mark.parametrize(
    ("numbering", "scene", "ret", "status"),
    [
        ("web", 2, "0", 200),
        ("web", 1, "0", 403),
        ("web", 3, "0", 403),
        ("web", 4, "1000", None),
        ("web", "2", "1000", None),
        ("web", None, "1000", None),
        ("cli", 1, "0", 200),
        ("cli", 2, "0", 403),
    ],
)
async def test_scenes(uploader, numbering, scene, ret, status):
    up = await uploader(upload_scenes=numbering)
    reply = await up.get_token(scene)
    assert reply["ret"] == ret
    if status is not None:
        answer = await up.apply()
        assert answer[0] == status
        if status == 403:
            assert refusal(answer) == (403, "AccessDenied", 100013)
            assert up.token["upload_domain"] == "vod.bytedanceapi.com"


async def test_a_token_needs_a_session(uploader):
    up = await uploader()
    up.wire.sessionid = ""
    assert (await up.get_token())["ret"] == "1015"


async def test_a_single_upload_host(uploader):
    up = await uploader(upload_hosts="singular")
    address = await up.address()
    assert "UploadHosts" not in address
    address["UploadHosts"] = [address["UploadHost"]]
    assert (await up.sent(address))["code"] == 2000


@pytest.mark.parametrize("names", [SHORT, ("host", *SHORT)])
async def test_any_list_of_signed_headers_but_a_body_is_signed_too(uploader, names):
    up = await uploader()
    assert (await up.apply(names=names))[0] == 200
    address = await up.address()
    await up.sent(address)
    assert refusal(await up.commit(address["SessionKey"], names=names)) == UNAUTHORIZED
    assert refusal(await up.commit(address["SessionKey"], names=names, sent={})) == UNAUTHORIZED


@pytest.mark.parametrize("others", [(), ("content-type", "host")])
async def test_any_list_of_signed_headers_that_holds_the_bodys_digest(uploader, others):
    up = await uploader()
    names = (*others, "x-amz-content-sha256", *SHORT)
    address = await up.address()
    await up.sent(address)
    digest = hashlib.sha256(json.dumps({"SessionKey": address["SessionKey"]}).encode())
    sent = {"Content-Type": "application/json", "X-Amz-Content-Sha256": digest.hexdigest()}
    status, reply = await up.commit(address["SessionKey"], names=names, sent=sent)
    assert status == 200
    assert reply["Result"]["Results"][0]["UriStatus"] == 2000


async def test_a_query_is_signed_as_it_was_meant(uploader):
    up = await uploader()
    query = {"Version": "2018-08-01", "Action": APPLY, "ServiceId": up.service_id}
    query |= {"FileSize": "10", "FileExtension": ".p n/g+é", "UploadNum": "1"}
    assert (await up.call("GET", query))[0] == 200


@pytest.mark.parametrize(
    "options",
    [
        {"spoil": lambda header: ""},
        {"spoil": lambda header: header.replace("AWS4-HMAC-SHA256", "AWS4")},
        {"spoil": lambda header: header[:-1] + ("0" if header[-1] != "0" else "1")},
        {"spoil": lambda header: header.replace("Credential=AKTP", "Credential=AKLT")},
        {"signing": {"region": US}},
        {"signing": {"region": "cn"}},
        {"signing": {"service": "vod"}},
        {"signing": {"day": "20150830"}},
        {"names": ("x-amz-date",)},
        {"names": ("x-amz-security-token",)},
        {"names": ("x-amz-security-token", "x-amz-date")},
        {"spoil": lambda header: header.replace(";".join(SHORT), ";".join(SHORT[::-1]))},
        {"names": (*SHORT, "x-nothing")},
        {"sent": {"x-amz-date": "now"}},
        {"minutes": -16},
        {"minutes": 16},
        {"sent": {"x-amz-content-sha256": hashlib.sha256(b"x").hexdigest()}},
    ],
    ids=[
        "no header",
        "algorithm",
        "signature",
        "access key",
        "region",
        "token's region",
        "service",
        "day",
        "token unsigned",
        "date unsigned",
        "unsorted",
        "listed unsorted",
        "header not sent",
        "no date",
        "too early",
        "too late",
        "payload hash",
    ],
)
async def test_a_wrong_signature_is_refused(uploader, options):
    up = await uploader()
    assert refusal(await up.apply(**options)) == UNAUTHORIZED
    assert up.wire.emulator.requests.to("apply")[0].ret == "100024"
    assert (await up.apply(minutes=-14))[0] == 200


async def test_another_query_or_secret_or_body_than_was_signed_is_refused(uploader):
    up = await uploader()
    good = up.token["secret_access_key"]
    up.token["secret_access_key"] = good[:-1]
    assert refusal(await up.apply()) == UNAUTHORIZED
    up.token["secret_access_key"] = good
    other = {"x-amz-content-sha256": hashlib.sha256(b"{}").hexdigest()}
    assert refusal(await up.commit("x", sent=other)) == UNAUTHORIZED
    authorization = []
    await up.apply(10, spoil=lambda header: authorization.append(header) or header)
    assert refusal(await up.apply(11, spoil=lambda _: authorization[0])) == UNAUTHORIZED


async def test_a_token_that_expired_or_never_was(uploader):
    clock = [time.time()]
    up = await uploader(token_life=600, wall=lambda: clock[0])
    address = await up.address()
    clock[0] += 599
    assert (await up.apply())[0] == 200
    clock[0] += 1
    expired = (403, "InvalidToken", 30406)
    assert refusal(await up.apply()) == expired
    assert refusal(await up.commit(address["SessionKey"])) == expired
    await up.get_token()
    assert (await up.apply())[0] == 200
    up.token["session_token"] = "STS2x"
    assert refusal(await up.apply()) == expired


@pytest.mark.parametrize("size", [0, -1, 100 * 1024 * 1024 + 1, "many", "", "1e3", "٣"])
async def test_a_wrong_size_is_refused(uploader, size):
    up = await uploader()
    assert refusal(await up.apply(size)) == (400, "InvalidParameter", 100002)
    assert (await up.apply(100 * 1024 * 1024))[0] == 200


async def test_a_wrong_service_or_action_is_refused(uploader):
    up = await uploader()
    up.service_id = "wopfjsm1ax"
    assert refusal(await up.apply()) == (403, "AccessDenied", 100013)
    assert refusal(await up.commit("x"))[0] == 403
    unknown = (404, "InvalidActionOrVersion", 100008)
    query = {"Action": APPLY, "Version": "2018-08-02"}
    assert refusal(await up.call("GET", query)) == unknown
    assert refusal(await up.call("POST", query | {"Version": "2018-08-01"})) == unknown
    async with up.wire.http.get(up.wire.emulator.base_url + "/") as reply:
        assert reply.status == 404


async def test_a_commit_needs_the_bytes_and_its_own_key(uploader):
    up = await uploader()
    address = await up.address()
    _, reply = await up.commit(address["SessionKey"])
    assert reply["Result"]["Results"][0]["UriStatus"] == 2001
    assert reply["Result"]["PluginResult"] == []
    await up.sent(address)
    answers = [await up.commit(address["SessionKey"]) for _ in range(2)]
    assert [each["Result"]["Results"][0]["UriStatus"] for _, each in answers] == [2000, 2000]
    assert len(up.wire.emulator._world.uploads.all()) == 1
    for key in ("no such key", None, 7):
        assert refusal(await up.commit(key)) == (400, "InvalidParameter", 100002)


async def test_bytes_may_be_put_and_their_checksum_unpadded(uploader):
    up = await uploader()
    up.body = next(
        each for each in map(str.encode, map(str, range(99))) if zlib.crc32(each) < 2**28
    )
    address = await up.address()
    crc32 = f"{zlib.crc32(up.body):x}"
    assert len(crc32) < 8
    reply = await up.sent(address, None, "PUT", **{"Content-CRC32": crc32})
    assert (reply["code"], reply["data"]["crc32"]) == (2000, crc32.zfill(8))


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (None, {"Authorization": None}, 10403),
        (None, {"Authorization": "SpaceKey/x"}, 10401),
        (None, {"Content-CRC32": None}, 10406),
        (None, {"Content-CRC32": "00000000"}, 4006),
        (None, {"Content-CRC32": f"{zlib.crc32(png(3, 2)):08X}"}, 4006),
        (png(3, 2)[:-1], {}, 4007),
        (b"", {}, 4007),
    ],
    ids=["no auth", "wrong auth", "no crc32", "wrong crc32", "upper case", "short", "empty"],
)
async def test_wrong_bytes_are_not_kept(uploader, body, headers, code):
    up = await uploader()
    address = await up.address()
    reply = await up.sent(address, body, **headers)
    assert reply["code"] == code
    assert reply["message"]
    assert "data" not in reply
    _, told = await up.commit(address["SessionKey"])
    assert told["Result"]["Results"][0]["UriStatus"] == 2001
    assert (await up.sent(address))["code"] == 2000


async def test_bytes_for_nothing(uploader):
    up = await uploader()
    address = await up.address()
    assert (await up.send(address, b"", "DELETE"))[0] == 405
    await up.sent(address)
    await up.commit(address["SessionKey"])
    assert (await up.sent(address))["code"] == 4009
    address["StoreInfos"][0]["StoreUri"] += "0"
    assert (await up.sent(address))["code"] == 4004


async def test_an_edge_that_rejects_the_first_attempt_at_every_file(uploader):
    up = await uploader(upload_edge="reject_first")
    for _ in range(2):
        address = await up.address()
        assert await up.send(address) == (204, b"")
        assert (await up.sent(address))["code"] == 2000
    assert [entry.status for entry in up.wire.emulator.requests.to("upload")] == [204, 200] * 2


async def test_a_cookie_sent_to_a_stranger_is_counted(uploader):
    up = await uploader()
    address = await up.address()
    await up.sent(address, Cookie="sessionid=a-session")
    assert up.wire.emulator.requests.media_cookies == 1
    await up.apply(sent={"Cookie": "sessionid=a-session"})
    assert up.wire.emulator.requests.media_cookies == 2
    assert up.wire.emulator.statistics()["media_cookies"] == 2


async def test_a_large_image_streams_through(uploader):
    up = await uploader()
    uri = await up.upload(png(5, 4, bytes(3 * 1024 * 1024)))
    upload = known(up, uri)
    assert (upload.size, upload.width, upload.height) == (len(up.body), 5, 4)
    assert upload.sha256 == hashlib.sha256(up.body).hexdigest()


async def test_bytes_that_are_no_image_have_no_dimensions(uploader):
    up = await uploader()
    upload = known(up, await up.upload(b"not an image"))
    assert (upload.width, upload.height, upload.format) == (0, 0, "")


SOF = b"\xff\xc2\x00\x11\x08" + (480).to_bytes(2) + (640).to_bytes(2) + b"\x03"
APP = b"\xff\xe1\x00\x06Exif" + b"\xff\xc4\x00\x04ht" + b"\xff"


@pytest.mark.parametrize(
    ("head", "picture"),
    [
        (png(70000, 1)[:33], Picture("png", 70000, 1)),
        (b"\xff\xd8" + APP + SOF, Picture("jpeg", 640, 480)),
        (b"\xff\xd8" + SOF[:6], Picture()),
        (b"\xff\xd8\xff\xda\x00\x02" + bytes(20), Picture()),
        (
            b"RIFF\0\0\0\0WEBPVP8 " + bytes(10) + b"\x80\x42\xe0\x81",
            Picture("webp", 640, 480),
        ),
        (
            b"RIFF\0\0\0\0WEBPVP8L"
            + bytes(4)
            + b"\x2f"
            + (639 | 479 << 14).to_bytes(4, "little")
            + bytes(5),
            Picture("webp", 640, 480),
        ),
        (
            b"RIFF\0\0\0\0WEBPVP8X"
            + bytes(8)
            + (639).to_bytes(3, "little")
            + (479).to_bytes(3, "little"),
            Picture("webp", 640, 480),
        ),
        (b"RIFF\0\0\0\0WEBPJUNK" + bytes(20), Picture()),
        (b"GIF89a" + bytes(40), Picture()),
        (b"", Picture()),
    ],
)
def test_pictures_are_read_from_their_beginning(head, picture):
    assert read_picture(head) == picture


@pytest.mark.parametrize("where", ["apply", "upload", "commit"])
@pytest.mark.parametrize("what", ["reset", "close", "reset_after_charge", "status", "empty_body"])
async def test_faults_on_the_way_leave_an_upload_that_can_be_tried_again(uploader, where, what):
    up = await uploader()
    # For both, since aiohttp itself asks a second time when a reused connection ends at once.
    up.wire.emulator.faults.add(Fault(where=where, what=what, times=None))
    with pytest.raises((aiohttp.ClientError, AssertionError, ValueError)):
        await up.upload()
    entry = up.wire.emulator.requests.to(where)[-1]
    lost = what not in {"status", "empty_body"}
    assert (entry.fault, entry.status == 0) == (what, lost)
    took_effect = where == "commit" and what in {"reset_after_charge", "empty_body"}
    assert len(up.wire.emulator._world.uploads.all()) == took_effect
    up.wire.emulator.faults.clear()
    assert known(up, await up.upload()) is not None


async def test_faults_that_are_refusals(uploader):
    up = await uploader()
    faults = up.wire.emulator.faults
    faults.add(Fault(where="token", what="ret", ret="1019"))
    faults.add(Fault(where="apply", what="ret", ret="30406"))
    faults.add(Fault(where="upload", what="ret", ret="5000"))
    token = up.token
    reply = await up.get_token()
    assert (reply["ret"], reply["data"]) == ("1019", None)
    up.token = token
    assert refusal(await up.apply())[2] == 30406
    address = await up.address()
    assert (await up.sent(address))["code"] == 5000
    faults.add(
        Fault(where="commit", what="truncated_json", match=address["StoreInfos"][0]["StoreUri"])
    )
    await up.sent(address)
    with pytest.raises(ValueError):
        await up.commit(address["SessionKey"])
    assert len(faults.hits) == 4
    assert [entry.ret for entry in up.wire.emulator.requests.to("upload")] == ["5000", "2000"]


async def test_a_hanging_upload_ends_with_its_client(uploader):
    up = await uploader()
    up.wire.emulator.faults.add(Fault(where="upload", what="hang"))
    address = await up.address()
    call = asyncio.create_task(up.send(address))
    await up.wire.emulator.until(lambda: up.wire.emulator.requests.peaks.get("upload") == 1)
    call.cancel()
    assert (await up.sent(address))["code"] == 2000


async def test_secrets_stay_out_of_what_is_shown(uploader):
    up = await uploader()
    await up.upload()
    world = up.wire.emulator._world
    token = world.uploads.token(up.token["session_token"])
    shown = repr([world.uploads, token, list(up.wire.emulator.requests), world.uploads.all()])
    for name in ("secret_access_key", "session_token"):
        assert up.token[name] not in shown
