"""The service's own model tables, as calls and as replies (protocol notes 2.4)."""

import json
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async._core.config import (
    decode_image_config,
    decode_video_config,
    encode_image_config,
    encode_video_config,
)
from dreamina_async._core.profile import caller_for
from dreamina_async._core.signing import sign
from dreamina_async._core.wire import HttpResponse
from dreamina_async.catalogue import VIDEO_RATIOS, image_model, video_model
from dreamina_async.credentials import Credentials, Region
from dreamina_async.errors import AuthenticationError, DreaminaError, ProtocolError

NOW = 1757737940.0

# the fields of protocol notes 2.4, with 1.5k and 2k as in 2.5
FLASH = {
    "model_req_key": "high_aes_general_v50_flash",
    "model_name": "图片 5.0 Flash",
    "feats": ["byte_edit"],
    "generate_count_options": [1, 2, 3, 4, 6],
    "default_generate_count": 2,
    "resolution_map": {
        "1.5k": {
            "resolution_name": "高清 1.5K",
            "image_ratio_sizes": [
                {"ratio_type": 1, "width": 1536, "height": 1536},
                {"ratio_type": 3, "width": 1920, "height": 1080},
            ],
        },
        "3k": {"image_ratio_sizes": [{"ratio_type": 1, "width": 3072, "height": 3072}]},
    },
    "default_resolution_type": "1.5k",
    "input_image_limit": [
        {"max_image_num": 1, "ability_name": "canny"},
        {"max_image_num": 12, "ability_name": "byte_edit"},
    ],
    "sample_steps": {"steps": 16, "min": 10, "max": 41},
    "commercial_config": {"commerce_info_map": {}},
}
NEW = {**FLASH, "model_req_key": "high_aes_general_v60:beta", "model_name": "图片 6.0"}
# the fields that public clients read
VIDEO = {
    "model_req_key": "dreamina_happyhorse_v1_1",
    "model_name": "HappyHorse 1.1 ",
    "options": [
        {
            "key": "resolution",
            "value_type": "enum",
            "enum_val": {"string_value": ["1080p", "720p"], "default_val_idx": 1},
        },
        {"key": "frames", "enum_val": {"int_value": [96, 120, 121, 240]}},
        {"key": "video_aspect_ratio", "enum_val": {"string_value": ["16:9", "5:4"]}},
        {"key": "fps", "forbidden_display": True, "enum_val": {"int_value": [24]}},
        {"key": "unified_edit", "unified_edit_val": {}},
    ],
    "commercial_config": {
        "resolution_price_configs": [
            {"resolution": "1080p", "price": {"benefit_type": "horse_1080p_output"}},
            {"resolution": "720p", "price": {"benefit_type": "horse_720p_output"}},
        ]
    },
}


def reply(*models, status=200, **data):
    envelope = {"ret": "0", "errmsg": "success", "data": {"model_list": list(models), **data}}
    return HttpResponse(status, {}, json.dumps(envelope).encode())


def images(*models, **data):
    return decode_image_config(reply(*models, **data), NOW)


def videos(*models, **data):
    return decode_video_config(reply(*models, **data), NOW)


CALLS = [
    (encode_image_config, "/mweb/v1/get_common_config", {}),
    (
        encode_video_config,
        "/mweb/v1/video_generate/get_common_config",
        {"scene": "generate_video", "params": {"needCache": True}},
    ),
]


@pytest.mark.parametrize(("encode", "path", "body"), CALLS)
def test_what_is_asked(encode, path, body):
    request = encode(caller_for(Credentials("0f1e2d3c", region="JP"), None), NOW)
    assert urlsplit(request.url).netloc == "mweb-api-sg.capcut.com"
    assert request.path == urlsplit(request.url).path == path
    assert json.loads(request.body) == body
    headers = request.headers
    signed = sign(path, int(NOW), pf=headers["pf"], appvr=headers["appvr"])
    assert headers["sign"] == signed


def test_a_listed_image_model_gets_the_services_numbers():
    (model,) = images(FLASH)
    ours = image_model("5.0-flash")
    assert (model.name, model.aliases, model.key) == (ours.name, ours.aliases, ours.key)
    assert model.label == "图片 5.0 Flash"
    assert model.counts == (1, 2, 3, 4, 6)
    assert model.default_count == 2
    assert model.resolutions == ("1.5k", "3k")
    assert model.default_resolution == "1.5k"
    assert model.max_references == 12
    assert model.ratios == ("1:1", "16:9")
    choice = model.size("3k", "1:1", Region.CN)
    assert (choice.width, choice.height, choice.resolution_type) == (3072, 3072, "3k")
    # what the reply does not tell
    assert model.regions == ours.regions
    assert model.price("1.5k", 1) == ours.price("1.5k", 1)


def test_a_model_that_is_not_listed_can_be_asked_for_by_its_name():
    (model,) = images(NEW)
    assert model.label == "图片 6.0"
    assert image_model(model.name).key == model.key == "high_aes_general_v60:beta"
    assert model.counts == (1, 2, 3, 4, 6)
    assert not model.guessed


def test_the_key_abroad_is_the_same_model():
    (model,) = images({"model_req_key": "high_aes_general_v30l_art:general_v3.0_18b"})
    assert model.name == "jimeng-image-3.1"


def test_what_is_missing_stays_as_the_catalogue_has_it():
    ours = image_model("5.0-flash")
    (model,) = images({"model_req_key": ours.key, "generate_count_options": None})
    assert model == ours
    (unlisted,) = images({"model_req_key": "new"})
    assert unlisted.guessed
    assert unlisted == image_model("key:new")


ODD = [None, 7, True, "x", [], {}, [None], [True, 0, -1, 1e9, "2"], {"2k": 5}, {"2k": []}]


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("field", [name for name in FLASH if name != "model_req_key"])
def test_an_odd_field_costs_itself_alone(field, odd):
    (model,) = images({**FLASH, field: odd})
    assert model.key == FLASH["model_req_key"]
    assert model.counts
    assert model.default_resolution in model.resolutions
    assert model.size(model.default_resolution, "1:1", Region.CN).width > 1000


@pytest.mark.parametrize(
    "row",
    [
        {"ratio_type": 99, "width": 5, "height": 5},
        {"ratio_type": 1, "width": 0, "height": 5},
        {"ratio_type": 1, "width": 5},
        {"width": 5, "height": 5},
    ],
)
def test_a_size_that_is_none_is_left_out(row):
    sizes = {"2k": {"image_ratio_sizes": [row, {"ratio_type": 2, "width": 3, "height": 4}]}}
    (model,) = images({**FLASH, "resolution_map": sizes})
    assert model.sizes == {"2k": {"3:4": (3, 4)}}
    assert model.default_resolution == "2k"


@pytest.mark.parametrize("key", [None, "", "模型", "a b", "k" * 129, 1.5, ["x"]])
def test_a_model_without_a_key_is_left_out(key):
    assert [model.key for model in images({**FLASH, "model_req_key": key}, NEW)] == [
        NEW["model_req_key"]
    ]
    assert len(images(NEW, NEW)) == 1


def test_a_video_model_that_is_not_listed():
    (model,) = videos(VIDEO)
    assert video_model(model.name).key == model.key == "dreamina_happyhorse_v1_1"
    assert model.label == "HappyHorse 1.1"
    assert model.resolutions == ("1080p", "720p")
    assert model.default_resolution == "720p"
    assert model.durations == (4, 5, 10)  # whole seconds at 24 frames
    assert model.ratios == ("16:9", "5:4")
    assert model.benefit_in("720p") == "horse_720p_output"
    assert model.benefit_in("1080p") == "horse_1080p_output"
    assert not model.guessed


def test_a_listed_video_model_keeps_what_the_reply_does_not_say():
    ours = video_model("seedance-2.0-vip")
    (model,) = videos({**VIDEO, "model_req_key": ours.key, "options": VIDEO["options"][:1]})
    assert model.name == ours.name
    assert model.resolutions == ("1080p", "720p")
    assert model.durations == ours.durations
    assert model.benefit == ours.benefit
    assert model.ratios == VIDEO_RATIOS
    assert model.price("720p", 5) == 70


def test_what_nobody_says_of_a_video_model_stays_empty():
    (model,) = videos({"model_req_key": "new"})
    assert (model.resolutions, model.durations, model.benefit) == ((), (), "")
    assert model.guessed
    span = {"min_duration_ms": 4000, "max_duration_ms": "15000"}
    (model,) = videos({"model_req_key": "new"}, video_duration_display_range=span)
    assert model.durations == tuple(range(4, 16))
    backwards = {"min_duration_ms": 9000, "max_duration_ms": 5000}
    (model,) = videos({"model_req_key": "new"}, video_duration_display_range=backwards)
    assert model.durations == ()


def test_an_option_that_the_page_does_not_offer_is_none():
    hidden = {**VIDEO["options"][0], "forbidden_display": True}
    (model,) = videos({**VIDEO, "options": [hidden]})
    assert model.resolutions == ()


@pytest.mark.parametrize("odd", [*ODD, [{"key": "resolution", "enum_val": 5}]], ids=repr)
@pytest.mark.parametrize("field", [name for name in VIDEO if name != "model_req_key"])
def test_an_odd_field_of_a_video_costs_itself_alone(field, odd):
    (model,) = videos({**VIDEO, field: odd})
    assert model.key == VIDEO["model_req_key"]
    assert model.default_resolution in (model.resolutions or ("",))


@pytest.mark.parametrize("decode", [decode_image_config, decode_video_config])
@pytest.mark.parametrize("data", [None, {}, [], {"model_list": None}, {"model_list": "none"}])
def test_a_reply_without_a_list_of_models(decode, data):
    body = json.dumps({"ret": "0", "data": data}).encode()
    with pytest.raises(ProtocolError) as caught:
        decode(HttpResponse(200, {}, body), NOW)
    assert caught.value.charged == "no"


def test_no_models_are_no_error():
    assert images() == videos() == ()


@pytest.mark.parametrize("decode", [decode_image_config, decode_video_config])
def test_a_refusal(decode):
    with pytest.raises(AuthenticationError):
        decode(HttpResponse(200, {}, b'{"ret":"1015","errmsg":"login error"}'), NOW)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
KEYS = ["a", "high_aes_general_v40", "dreamina_seedance_40"]
FIELDS = {name for name in (*FLASH, *VIDEO) if name != "model_req_key"}
rows = st.fixed_dictionaries(
    {"model_req_key": st.sampled_from(KEYS) | json_values},
    optional=dict.fromkeys(sorted(FIELDS), json_values),
)


@given(st.lists(rows, max_size=3), st.sampled_from([decode_image_config, decode_video_config]))
def test_any_rows_are_models_or_one_typed_error(models, decode):
    try:
        found = decode(reply(*models), NOW)
    except DreaminaError:
        return
    assert len({model.key for model in found}) == len(found)
    assert all(model.default_resolution in (*model.resolutions, "") for model in found)
