"""Each dialect sends what its note shows: these headers, these parameters, this body.

Beyond the note goes only what `BEYOND` lists. Names of headers are case-insensitive.
"""

import json
from urllib.parse import parse_qsl, urlsplit

import pytest

from dreamina_async._core.dialects import PROFILES
from dreamina_async._core.encode import encode_generate, encode_items, encode_status
from dreamina_async._core.profile import caller_for
from dreamina_async._core.signing import sign
from dreamina_async.credentials import Credentials, Region
from dreamina_async.requests import ImageRequest

SUBMIT_ID = "19637d71-15df-445e-b86d-490f3549cb85"
HISTORY_ID = "25594898552322"
TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
NOW = 1757737938.25
ORIGIN = "https://jimeng.jianying.com"
STATUS_URL = f"{ORIGIN}/mweb/v1/get_history_by_ids"
GENERATE_URL = f"{ORIGIN}/mweb/v1/aigc_draft/generate"
# protocol notes 1.6, for version code 5.8.0
STATUS_SIGN = "117e6bfe04378cca2ef068dc67479561"
GENERATE_SIGN = "4939ed1766ddd85525fcfe79243a1904"

BEYOND = {
    "user-agent": "dreamina-async",  # every client has one; a note's is its library's own
    "accept": "application/json, text/plain, */*",
    "cookie": f"sessionid={TOKEN}",
}
# S0 and S4 sign alike, with the same names.
SKILL = {
    "content-type": "application/json",
    "appid": "513695",
    "appvr": "5.8.0",
    "pf": "7",
    "origin": ORIGIN,
    "referer": ORIGIN,
    "sign-ver": "1",
}


def caller(dialect, region=None, **credentials):
    return caller_for(Credentials(TOKEN, region=region, **credentials), None, dialect)


def status(dialect, ids, kind, now=NOW, **credentials):
    return encode_status(ids, kind, caller(dialect, **credentials), now)


def generate(dialect, now=1757737934.987, **credentials):
    request = ImageRequest("一只可爱的小猫咪在花园里玩耍", model="4.0")
    return encode_generate(request, SUBMIT_ID, caller(dialect, **credentials), now)


def query_of(request):
    pairs = parse_qsl(urlsplit(request.url).query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs), "a parameter stands twice"
    return dict(pairs)


def address(request):
    return request.url.partition("?")[0]


SKILL_QUERY = {"aid": "513695", "device_platform": "web", "region": "CN"}


def test_s0_status():
    """Headers, parameters and body of its `query_result`."""
    request = status("s0", [HISTORY_ID], "history")
    stamp = {"device-time": "1757737938", "sign": STATUS_SIGN}
    assert request.headers == BEYOND | SKILL | stamp
    assert address(request) == STATUS_URL
    assert query_of(request) == SKILL_QUERY
    assert json.loads(request.body) == {
        "history_ids": [HISTORY_ID],
        "http_common_info": {"aid": 513695},
    }


def test_s1_status():
    """Its curl command, sign and all that belongs to it absent."""
    request = status("s1", [SUBMIT_ID], "submit")
    assert request.headers == {
        "content-type": "application/json",
        "accept": "application/json, text/plain, */*",
        "appid": "513695",
        "appvr": "8.4.0",
        "pf": "3",
        "lan": "zh-Hans",
        "loc": "cn",
        "origin": ORIGIN,
        "referer": f"{ORIGIN}/ai-tool/generate?type=image",
        "cookie": f"sessionid={TOKEN}",
        "user-agent": "dreamina-async",
    }
    assert request.url == f"{STATUS_URL}?aid=513695&device_platform=web&region=cn"
    assert json.loads(request.body) == {"submit_ids": [SUBMIT_ID]}


def test_s1_signs_nothing():
    for request in (generate("s1"), encode_items(["7395"], caller("s1"), NOW)):
        assert not {"sign", "sign-ver", "device-time", "tdid"} & request.headers.keys()
        assert request.headers["pf"] == "3"


S2_QUERY = {
    "aid": "513695",
    "device_platform": "web",
    "region": "cn",
    "webId": "7539210196167607844",
    "da_version": "3.3.2",
    "web_version": "7.5.0",
    "aigc_features": "app_lip_sync",
    "web_component_open_flag": "1",
}
WEB_ID = {"_tea_web_id": "7539210196167607844"}


def test_s2_parameters():
    """Its parameter table, for China and abroad."""
    assert query_of(status("s2", [HISTORY_ID], "history", cookies=WEB_ID)) == S2_QUERY
    abroad = query_of(status("s2", [HISTORY_ID], "history", cookies=WEB_ID, region="us"))
    assert abroad == S2_QUERY | {"aid": "513641", "region": "US"}


def test_s2_body():
    """Its basic query, with its whole list of sizes."""
    body = json.loads(status("s2", [HISTORY_ID, "25594898552323"], "history").body)
    assert body.keys() == {"history_ids", "image_info"}
    assert body["history_ids"] == [HISTORY_ID, "25594898552323"]
    info = body["image_info"]
    scenes = info.pop("image_scene_list")
    assert info == {"width": 2048, "height": 2048, "format": "webp"}
    assert scenes[0] == {
        "scene": "smart_crop",
        "width": 360,
        "height": 360,
        "uniq_key": "smart_crop-w:360-h:360",
        "format": "webp",
    }
    assert [one["uniq_key"] for one in scenes] == [
        "smart_crop-w:360-h:360",
        "smart_crop-w:480-h:480",
        "smart_crop-w:720-h:720",
        "smart_crop-w:720-h:480",
        "2400",
        "1080",
        "720",
        "480",
        "360",
    ]
    for one in scenes[4:]:
        assert (one["scene"], one["width"], one["height"]) == (
            "normal",
            int(one["uniq_key"]),
            int(one["uniq_key"]),
        )


TOKENS = {"msToken": "m5T0ken", "a_bogus": "a-b0gus"}
S3_VERSIONS = "da_version=3.2.9&web_version=6.6.0&aigc_features=app_lip_sync"
S3_COMMON = "aid=513695&device_platform=web&region=cn&webId=7539210196167607844"
S3_TOKENS = "msToken=m5T0ken&a_bogus=a-b0gus"


def test_s3_status_url():
    """The captured URL, character by character."""
    request = status("s3", [SUBMIT_ID], "submit", cookies=WEB_ID, query=TOKENS)
    assert request.url == f"{STATUS_URL}?{S3_COMMON}&{S3_VERSIONS}&{S3_TOKENS}"
    assert json.loads(request.body) == {"submit_ids": [SUBMIT_ID]}


def test_s3_generate_url():
    captured = f"{S3_COMMON}&{S3_VERSIONS}&web_component_open_flag=1&{S3_TOKENS}"
    request = generate("s3", cookies=WEB_ID, query=TOKENS)
    assert address(request) == GENERATE_URL
    assert query_of(request) == dict(parse_qsl(captured))
    body = json.loads(request.body)
    assert json.loads(body["draft_content"])["version"] == "3.2.9"
    assert body["http_common_info"] == {"aid": 513695}


@pytest.mark.parametrize(
    ("request_", "stamp"),
    [
        (
            status("s3", [SUBMIT_ID], "submit"),
            {"device-time": "1757737938", "sign": STATUS_SIGN},
        ),
        (generate("s3"), {"device-time": "1757737934", "sign": GENERATE_SIGN}),
    ],
    ids=["status", "generate"],
)
def test_s3_headers(request_, stamp):
    """Its list of headers; an Origin is what a browser adds to every POST."""
    headers = dict(request_.headers)
    # the list has the page without its query, which says what kind of page it is (JSP)
    page, _, kind = headers.pop("referer").partition("?")
    assert (page, kind) == (f"{ORIGIN}/ai-tool/generate", "type=image")
    assert headers == BEYOND | stamp | {
        "content-type": "application/json",
        "accept": "application/json, text/plain, */*",
        "app-sdk-version": "48.0.0",
        "appid": "513695",
        "appvr": "5.8.0",
        "lan": "zh-Hans",
        "loc": "cn",
        "pf": "7",
        "sign-ver": "1",
        "origin": ORIGIN,
    }


def test_s4_generate():
    """Headers and parameters of its `generate_image`."""
    request = generate("s4")
    stamp = {"device-time": "1757737934", "sign": GENERATE_SIGN}
    assert request.headers == BEYOND | SKILL | stamp
    assert address(request) == GENERATE_URL
    assert query_of(request) == SKILL_QUERY | {"da_version": "3.3.8"}
    body = json.loads(request.body)
    assert json.loads(body["draft_content"])["version"] == "3.3.8"
    assert body["http_common_info"] == {"aid": 513695}


def test_s4_status():
    """Its `query_result`, which leaves out three headers that its submit has."""
    request = status("s4", [HISTORY_ID], "history")
    stamp = {"device-time": "1757737938", "sign": STATUS_SIGN}
    assert request.headers == BEYOND | SKILL | stamp
    assert query_of(request) == SKILL_QUERY
    assert json.loads(request.body) == {
        "history_ids": [HISTORY_ID],
        "http_common_info": {"aid": 513695},
    }


def test_web_status():
    """The web page of 2026 (protocol notes 1.3, 1.4)."""
    request = status("web", [SUBMIT_ID], "submit", cookies=WEB_ID)
    versions = "da_version=3.3.9&web_version=7.5.0&aigc_features=app_lip_sync"
    assert request.url == f"{STATUS_URL}?{S3_COMMON}&{versions}"
    assert request.headers == BEYOND | {
        "cookie": f"_tea_web_id=7539210196167607844; sessionid={TOKEN}",
        "content-type": "application/json",
        "app-sdk-version": "48.0.0",
        "appid": "513695",
        "appvr": "8.4.0",
        "lan": "zh-Hans",
        "loc": "cn",
        "pf": "7",
        "device-time": "1757737938",
        "sign": sign("/mweb/v1/get_history_by_ids", 1757737938, pf="7", appvr="8.4.0"),
        "sign-ver": "1",
        "tdid": "",
        "origin": ORIGIN,
        "referer": f"{ORIGIN}/ai-tool/generate?type=image",
    }


def test_web_is_what_is_spoken_unless_told_otherwise():
    assert caller_for(Credentials(TOKEN), None).profile is PROFILES["web"]


@pytest.mark.parametrize("dialect", ["s0", "s1", "s4"])
def test_the_skill_notes_know_no_web_id(dialect):
    for request in (status(dialect, ["1"], "history", cookies=WEB_ID), generate(dialect)):
        assert "webId" not in query_of(request)


@pytest.mark.parametrize("dialect", PROFILES)
def test_the_web_id_is_not_made_up(dialect):
    assert "webId" not in query_of(status(dialect, ["1"], "history"))
    assert "webId" not in query_of(generate(dialect))


@pytest.mark.parametrize("dialect", PROFILES)
def test_a_web_id_of_the_users_own_goes_before_the_cookies(dialect):
    request = status(dialect, ["1"], "history", cookies=WEB_ID, query={"webId": "1"})
    assert query_of(request)["webId"] == "1"


@pytest.mark.parametrize("dialect", PROFILES)
@pytest.mark.parametrize("region", [one for one in Region if one is not Region.CN])
def test_regions_abroad_are_upper_case_in_every_dialect(dialect, region):
    request = status(dialect, ["1"], "history", region=region)
    query = query_of(request)
    assert (query["aid"], query["region"]) == ("513641", region.name)
    assert request.headers["appid"] == "513641"
    assert request.headers["origin"] == "https://dreamina.capcut.com"
    assert request.headers.get("loc", region.value) == region.value


@pytest.mark.parametrize("dialect", PROFILES)
@pytest.mark.parametrize("encode", [generate, lambda name: status(name, ["1"], "submit", NOW)])
def test_what_is_signed_is_what_is_said(dialect, encode):
    request = encode(dialect)
    headers = request.headers
    if "sign" not in headers:
        assert dialect == "s1"
        return
    second = int(headers["device-time"])
    expected = sign(request.path, second, pf=headers["pf"], appvr=headers["appvr"])
    assert headers["sign"] == expected


@pytest.mark.parametrize("dialect", PROFILES)
def test_the_draft_and_the_parameter_speak_of_one_version(dialect):
    request = generate(dialect)
    version = json.loads(json.loads(request.body)["draft_content"])["version"]
    assert query_of(request).get("da_version", version) == version


def test_whom_each_dialect_asks_by():
    asked = {name: profile.ids for name, profile in PROFILES.items()}
    assert asked == {
        "web": None,  # what the service answers is learnt
        "s0": "history",
        "s1": "submit",
        "s2": "history",
        "s3": "submit",
        "s4": "history",
    }
