"""What goes on the wire: URL, headers, body (protocol notes 1.1 to 1.6, 2.1, 3.2, 5.1)."""

import json
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async._core.dialects import PROFILES
from dreamina_async._core.encode import (
    GENERATE_PATH,
    ITEMS_PATH,
    MCP_PATH,
    STATUS_PATH,
    check_region,
    encode_generate,
    encode_items,
    encode_status,
)
from dreamina_async._core.profile import caller_for
from dreamina_async._core.signing import sign
from dreamina_async.catalogue import VIDEO_MODELS
from dreamina_async.credentials import Credentials, Region
from dreamina_async.errors import InvalidRequest
from dreamina_async.images import ImageRef
from dreamina_async.requests import ImageRequest, VideoRequest

SUBMIT_ID = "19637d71-15df-445e-b86d-490f3549cb85"
TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
NOW = 1757737934.987
PROMPT = "画一只熊猫在喝茶，题字：“你好”"
IMAGE = ImageRequest(PROMPT)
VIDEO = VideoRequest(PROMPT)
MCP = ImageRequest(PROMPT, model="4.5", ratio="21:9", via="mcp")


def caller(base_url=None, **credentials):
    return caller_for(Credentials(TOKEN, **credentials), base_url)


def generate(request=IMAGE, now=NOW, base_url=None, **credentials):
    return encode_generate(request, SUBMIT_ID, caller(base_url, **credentials), now)


def items(now=NOW, base_url=None, **credentials):
    return encode_items(["7395", "7396"], caller(base_url, **credentials), now)


def status(ids=("25594898552322",), kind="history", now=NOW, base_url=None, **credentials):
    return encode_status(ids, kind, caller(base_url, **credentials), now)


def query_of(request):
    pairs = parse_qsl(urlsplit(request.url).query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs), "a parameter stands twice"
    return dict(pairs)


# protocol notes 1.1, 1.2 and 1.4
REGIONS = {
    "CN": ("jimeng.jianying.com", 513695, "cn", "zh-Hans", "https://jimeng.jianying.com"),
    "US": ("dreamina-api.us.capcut.com", 513641, "US", "en", "https://dreamina.capcut.com"),
    "HK": ("mweb-api-sg.capcut.com", 513641, "HK", "en", "https://dreamina.capcut.com"),
    "JP": ("mweb-api-sg.capcut.com", 513641, "JP", "ja", "https://dreamina.capcut.com"),
    "SG": ("mweb-api-sg.capcut.com", 513641, "SG", "en", "https://dreamina.capcut.com"),
}


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("encode", [generate, status])
def test_each_region_has_its_own_hosts_and_language(region, encode):
    host, aid, query_region, lan, origin = REGIONS[region]
    request = encode(region=region)
    url = urlsplit(request.url)
    assert (url.scheme, url.netloc, url.path) == ("https", host, request.path)
    query = query_of(request)
    assert (query["aid"], query["region"]) == (str(aid), query_region)
    assert query["device_platform"] == "web"
    headers = request.headers
    assert (headers["appid"], headers["lan"], headers["loc"]) == (str(aid), lan, region.lower())
    assert headers["origin"] == origin
    assert headers["referer"].startswith(origin + "/")
    assert json.loads(request.body)["http_common_info"] == {"aid": aid}


@pytest.mark.parametrize("base", ["http://127.0.0.1:8765", "https://proxy.example/jimeng/"])
@pytest.mark.parametrize(("encode", "path"), [(generate, GENERATE_PATH), (status, STATUS_PATH)])
def test_a_base_url_replaces_the_host_and_nothing_else(base, encode, path):
    request, usual = encode(base_url=base), encode()
    assert request.url == usual.url.replace("https://jimeng.jianying.com", base.rstrip("/"))
    assert request.path == usual.path == path
    assert dict(request.headers) == dict(usual.headers)
    assert request.body == usual.body


@pytest.mark.parametrize("encode", [generate, status])
@pytest.mark.parametrize("now", [NOW, 1789742348.0, 4102444799.999])
def test_the_signed_second_is_the_one_in_the_header(encode, now):
    request = encode(now=now)
    headers = request.headers
    assert headers["device-time"] == str(int(now))
    pf, appvr = headers["pf"], headers["appvr"]
    assert headers["sign"] == sign(request.path, int(now), pf=pf, appvr=appvr)
    assert (pf, appvr, headers["sign-ver"], headers["tdid"]) == ("7", "8.4.0", "1", "")


def test_a_real_signature():
    assert generate(now=1789742348.5).headers["sign"] == "103979f37bb61af3a5a6d0a53f9e5992"
    assert status(now=1789742352.1).headers["sign"] == "a6def80120c292743fa98f189898e112"


def test_the_image_body():
    body = json.loads(generate(ImageRequest(PROMPT, model="4.5")).body)
    assert body["extend"] == {"root_model": "high_aes_general_v40l"}
    assert body["submit_id"] == SUBMIT_ID
    assert isinstance(body["draft_content"], str)  # an object is refused with 1002
    assert isinstance(body["metrics_extra"], str)
    draft = json.loads(body["draft_content"])
    core = draft["component_list"][0]["abilities"]["generate"]["core_param"]
    assert core["prompt"] == PROMPT
    assert json.loads(body["metrics_extra"])["generateId"] == SUBMIT_ID


@pytest.mark.parametrize("model", VIDEO_MODELS, ids=lambda model: model.name)
def test_the_video_body_says_what_is_paid_for(model):
    region = min(model.regions)
    body = json.loads(generate(VideoRequest(PROMPT, model=model.name), region=region).body)
    commerce = {
        "benefit_type": model.benefit_in(model.default_resolution),
        "resource_id": "generate_video",
        "resource_id_type": "str",
        "resource_sub_type": "aigc",
    }
    assert body["extend"] == {
        "root_model": model.key,
        "m_video_commerce_info": commerce,
        "m_video_commerce_info_list": [commerce],
    }
    gen_video = json.loads(body["draft_content"])["component_list"][0]["abilities"]["gen_video"]
    assert gen_video["video_task_extra"] == body["metrics_extra"]
    assert gen_video["text_to_video_params"]["video_gen_inputs"][0]["prompt"] == PROMPT


@pytest.mark.parametrize("resolution", ["720p", "1080p", "4k"])
def test_a_benefit_that_names_the_resolution_names_the_one_asked_for(resolution):
    request = VideoRequest(PROMPT, model="seedance-2.0-vip", resolution=resolution)
    extend = json.loads(generate(request).body)["extend"]
    benefit = f"seedance_20_pro_{resolution}_output"
    assert extend["m_video_commerce_info"]["benefit_type"] == benefit
    assert extend["m_video_commerce_info_list"] == [extend["m_video_commerce_info"]]


def test_what_is_charged_for_an_unlisted_model_is_not_guessed():
    body = json.loads(generate(VideoRequest(PROMPT, model="key:brand_new")).body)
    assert body["extend"] == {"root_model": "brand_new"}


UPLOADS = (ImageRef("tos-cn-i-tb4s082cfz/0a1b", 640, 480, "png"), ImageRef("tos-cn-i/2c3d"))


def test_references_go_out_by_the_names_of_their_uploads():
    request = ImageRequest(PROMPT, references=["in/secret-folder/a.png", b"CANARY"])
    sent = encode_generate(request, SUBMIT_ID, caller(), NOW, UPLOADS)
    component = json.loads(json.loads(sent.body)["draft_content"])["component_list"][0]
    assert component["generate_type"] == "blend"
    abilities = component["abilities"]["blend"]["ability_list"]
    assert [one["image_uri_list"] for one in abilities] == [[one.uri] for one in UPLOADS]
    assert sent.headers["referer"].endswith("?type=image")
    assert b"secret-folder" not in sent.body
    assert b"CANARY" not in sent.body


def test_frames_go_out_by_the_names_of_their_uploads():
    request = VideoRequest("", first_frame="a.png", last_frame="b.png")
    sent = encode_generate(request, SUBMIT_ID, caller(), NOW, UPLOADS)
    body = json.loads(sent.body)
    gen_video = json.loads(body["draft_content"])["component_list"][0]["abilities"]["gen_video"]
    (one,) = gen_video["text_to_video_params"]["video_gen_inputs"]
    uris = (one["first_frame_image"]["uri"], one["end_frame_image"]["uri"])
    assert uris == (UPLOADS[0].uri, UPLOADS[1].uri)
    assert json.loads(body["metrics_extra"])["functionMode"] == "first_last_frames"
    assert gen_video["video_task_extra"] == body["metrics_extra"]


def test_a_model_goes_out_by_its_key_in_the_region():
    request = ImageRequest(PROMPT, model="3.1")
    keys = {}
    for region in ("CN", "JP"):
        body = json.loads(generate(request, region=region).body)
        core = json.loads(body["draft_content"])["component_list"][0]["abilities"]["generate"]
        keys[region] = body["extend"]["root_model"]
        assert core["core_param"]["model"] == keys[region]
    # protocol notes 2.4
    assert keys["CN"] == "high_aes_general_v30l_art_fangzhou:general_v3.0_18b"
    assert keys["JP"] == "high_aes_general_v30l_art:general_v3.0_18b"


def test_originals_are_asked_for_as_f3l_and_ipt_do():
    sent = items()
    url = urlsplit(sent.url)
    assert (url.netloc, url.path) == ("jimeng.jianying.com", ITEMS_PATH)
    assert sent.path == "/mweb/v1/get_local_item_list"
    assert json.loads(sent.body) == {
        "item_id_list": ["7395", "7396"],
        "pack_item_opt": {"scene": 1, "need_data_integrity": True},
        "is_for_video_download": True,
    }
    assert sent.headers["sign"] == sign(ITEMS_PATH, int(NOW), pf="7", appvr="8.4.0")
    assert sent.headers["referer"].endswith("?type=video")


# S4, but for the values; of S1 the fields are a part
MCP_BODY = {
    "generate_type": "text2imageV2",
    "agent_scene": "creation_agent_v40",
    "prompt": PROMPT,
    "ratio": "21:9",
    "model_key": "high_aes_general_v40l",
    "subject_id": "default",
    "submit_id": SUBMIT_ID,
}
MCP_URL = "https://dreamina-agent-operation.bytedance.net/dreamina/mcp/v1/image_generate"


@pytest.mark.parametrize("dialect", PROFILES)
def test_mcp_is_a_cookie_and_a_body_in_every_dialect(dialect):
    who = caller_for(Credentials(TOKEN, query={"msToken": "CANARY"}), None, dialect)
    sent = encode_generate(MCP, SUBMIT_ID, who, NOW)
    assert (sent.method, sent.url, sent.path) == ("POST", MCP_URL, MCP_PATH)
    assert sent.headers == {
        "content-type": "application/json",
        "cookie": f"sessionid={TOKEN}",
        "accept": "application/json, text/plain, */*",
        "user-agent": "dreamina-async",
    }
    assert json.loads(sent.body) == MCP_BODY


def test_mcp_sends_the_login_of_a_browser_too():
    sent = generate(MCP, cookies={"ttwid": "1"}, headers={"User-Agent": "Mozilla/5.0", "Host": "x"})
    assert sent.headers["cookie"] == f"ttwid=1; sessionid={TOKEN}"
    assert sent.headers["user-agent"] == "Mozilla/5.0"
    assert "host" not in sent.headers


def test_mcp_follows_a_base_url():
    assert generate(MCP, base_url="http://127.0.0.1:9/").url == f"http://127.0.0.1:9{MCP_PATH}"


@pytest.mark.parametrize("region", [one for one in Region if one is not Region.CN])
@pytest.mark.parametrize("base_url", [None, "http://127.0.0.1:9"])
def test_mcp_is_refused_outside_china(region, base_url):
    with pytest.raises(InvalidRequest) as caught:
        generate(MCP, base_url=base_url, region=region)
    assert (caught.value.field, caught.value.allowed) == ("via", ("web",))


@pytest.mark.parametrize(("request_", "kind"), [(IMAGE, "image"), (VIDEO, "video")])
def test_the_page_fits_the_kind(request_, kind):
    assert generate(request_).headers["referer"].endswith(f"/ai-tool/generate?type={kind}")


@pytest.mark.parametrize("request_", [IMAGE, VIDEO])
def test_the_same_job_is_the_same_body(request_):
    assert generate(request_).body == generate(request_).body
    later = generate(request_, now=NOW + 100).body
    stamp, other = b"1757737934987", b"1757738034987"
    assert generate(request_).body.count(stamp) == 1
    assert generate(request_).body.replace(stamp, other) == later


@pytest.mark.parametrize("request_", [IMAGE, VIDEO])
def test_chinese_goes_out_as_utf_8(request_):
    assert "画一只熊猫在喝茶".encode() in generate(request_).body
    assert b"\\\\u" not in generate(request_).body


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_any_prompt_arrives_as_it_was_written(prompt):
    if not prompt.strip():
        return
    body = json.loads(generate(ImageRequest(prompt)).body.decode("utf-8", "strict"))
    draft = json.loads(body["draft_content"])
    core = draft["component_list"][0]["abilities"]["generate"]["core_param"]
    assert core["prompt"] == prompt


def test_the_status_body():
    ids = [f"2559489855232{n}" for n in range(10)]
    body = json.loads(status(ids).body)
    assert body == {"history_ids": ids, "http_common_info": {"aid": 513695}}
    body = json.loads(status([SUBMIT_ID], "submit").body)
    assert body == {"submit_ids": [SUBMIT_ID], "http_common_info": {"aid": 513695}}


def test_the_query():
    common = {"aid": "513695", "device_platform": "web", "region": "cn"}
    versions = {"da_version": "3.3.9", "web_version": "7.5.0", "aigc_features": "app_lip_sync"}
    assert query_of(status()) == common | versions
    assert query_of(generate()) == common | versions | {"web_component_open_flag": "1"}


BROWSER = {"msToken": "a+b/c=d%3D e&f?#", "a_bogus": "DJ8h/Q0=~!*'()"}


@pytest.mark.parametrize("encode", [generate, status])
def test_browser_tokens_pass_through_and_are_encoded_once(encode):
    request = encode(query=BROWSER)
    query = query_of(request)
    assert {name: query[name] for name in BROWSER} == BROWSER
    assert "msToken=a%2Bb%2Fc%3Dd%253D%20e%26f%3F%23" in request.url
    assert request.url.isascii()


@given(st.dictionaries(st.sampled_from(["msToken", "webId", "X-Bogus"]), st.text("aZ9%+/=& ?#")))
def test_any_token_comes_out_as_it_went_in(query):
    sent = query_of(status(query=query))
    assert {name: sent[name] for name in query} == query


OURS = """cookie sign sign-ver device-time appid appvr pf content-type origin referer tdid lan loc
accept app-sdk-version"""


@pytest.mark.parametrize("encode", [generate, status])
def test_headers_of_the_user_never_replace_ours(encode):
    theirs = {name.title(): "theirs" for name in OURS.split()}
    plain, mixed = encode(), encode(headers=theirs)
    assert dict(mixed.headers) == dict(plain.headers)


def test_other_headers_of_the_user_are_sent():
    headers = generate(headers={"User-Agent": "Mozilla/5.0", "X-Secsdk": "t"}).headers
    assert headers["user-agent"] == "Mozilla/5.0"
    assert headers["x-secsdk"] == "t"
    assert generate().headers["user-agent"] == "dreamina-async"


FRAMING = """host content-length transfer-encoding content-encoding connection keep-alive te trailer
upgrade expect accept-encoding"""


def test_headers_copied_from_a_browser_do_not_break_the_transfer():
    copied = {name.title(): "12" for name in FRAMING.split()}
    assert dict(generate(headers=copied).headers) == dict(generate().headers)


def test_the_cookie_stands_once():
    request = generate(cookies={"ttwid": "1%7Cx", "sessionid": "other"}, headers={"Cookie": "a=b"})
    names = [name.lower() for name in request.headers]
    assert names.count("cookie") == 1
    pairs = request.headers["cookie"].split("; ")
    assert sorted(pairs) == [f"sessionid={TOKEN}", "ttwid=1%7Cx"]


def test_no_secret_shows_in_a_request_or_its_path():
    request = generate(cookies={"a": "CANARY1"}, headers={"x": "CANARY2"}, query={"m": "CANARY3"})
    assert "CANARY" not in repr(request)
    assert TOKEN not in repr(request)
    assert TOKEN not in request.url
    assert TOKEN.encode() not in request.body
    assert "CANARY" not in repr(caller(query={"m": "CANARY4"}))


@pytest.mark.parametrize(
    ("request_", "region", "allowed"),
    [
        (ImageRequest("x", model="4.7"), "US", ("CN",)),
        (ImageRequest("x", model="4.6"), "US", ("CN", "HK", "JP", "SG")),
        (VideoRequest("x", model="seedance-2.0"), "JP", ("CN",)),
    ],
)
def test_a_model_that_the_region_lacks_is_refused_before_sending(request_, region, allowed):
    with pytest.raises(InvalidRequest) as caught:
        generate(request_, region=region)
    assert (caught.value.field, caught.value.allowed) == ("model", allowed)


@pytest.mark.parametrize("region", list(Region))
def test_the_defaults_are_offered_everywhere(region):
    for request in (IMAGE, VIDEO):
        check_region(request, caller(region=region))
