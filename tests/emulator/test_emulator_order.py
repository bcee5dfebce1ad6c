import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async.emulator.drafts import read_order
from dreamina_async.emulator.envelope import Refusal
from dreamina_async.emulator.order import Order
from dreamina_async.emulator.variants import Variants

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 5000),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from(["2k", "16:9", "image_base_component", "video_base_component", "提示词"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["id", "type", "uri"]), st.text(max_size=2), max_size=3),
)
CORE = {
    "model": "high_aes_general_v40",
    "prompt": "柴犬",
    "seed": 1,
    "image_ratio": 3,
    "large_image_info": {"width": 2560, "height": 1440, "resolution_type": "2k"},
}
INPUT = {"prompt": "海浪", "duration_ms": 5000, "resolution": "720p", "first_frame_image": None}
VIDEO = {
    "video_gen_inputs": [INPUT],
    "video_aspect_ratio": "16:9",
    "seed": 7,
    "model_req_key": "dreamina_ic_generate_video_model_vgfm_3.0",
}
BENEFIT = {"benefit_type": "basic_video_operation_vgfm_v_three"}
BLEND = {
    "core_param": CORE,
    "ability_list": [{"name": "byte_edit", "image_uri_list": ["tos/a", "tos/b"], "strength": 0.5}],
    "history_option": {},
    "prompt_placeholder_info_list": [{"ability_index": 0}],
    "postedit_param": {"generate_type": 0},
}
FRAME = {"image_uri": "tos/a", "uri": "tos/a", "width": 9, "height": 16, "format": "png"}
FRAMED = INPUT | {"first_frame_image": FRAME, "end_frame_image": FRAME | {"uri": "tos/b"}}
DRAFTS = {
    "frames": (
        "video_base_component",
        "gen_video",
        {"gen_video": {"text_to_video_params": VIDEO | {"video_gen_inputs": [FRAMED]}}},
    ),
    "blend": ("image_base_component", "blend", {"blend": BLEND}),
    "image": ("image_base_component", "generate", {"generate": {"core_param": CORE}}),
    "video": ("video_base_component", "gen_video", {"gen_video": {"text_to_video_params": VIDEO}}),
}


def draft(name):
    kind, generate_type, abilities = copy.deepcopy(DRAFTS[name])
    component = {"type": kind, "generate_type": generate_type, "abilities": abilities}
    whole = {"type": "draft", "component_list": [component]}
    for number, node in enumerate(nodes(whole)):
        node.setdefault("type", "")
        node["id"] = str(number + 1)
    whole["main_component_id"] = component["id"]
    return whole


def nodes(value):
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value:
        if isinstance(child, dict | list):
            yield from nodes(child)


def places(value):
    keys = value if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


def read(whole, root_model=None, **rules):
    extend = {"root_model": root_model or model_of(whole), "m_video_commerce_info": BENEFIT}
    body = {"submit_id": "s-1", "extend": extend, "draft_content": json.dumps(whole)}
    return read_order(body, "cn", Variants(**rules))


def model_of(whole):
    abilities = whole["component_list"][0]["abilities"]
    for kind, inner, key in [
        ("generate", "core_param", "model"),
        ("blend", "core_param", "model"),
        ("gen_video", "text_to_video_params", "model_req_key"),
    ]:
        if kind in abilities:
            return abilities[kind][inner][key]
    return ""


def test_good_drafts_are_read():
    image, video = read(draft("image")), read(draft("video"))
    assert (image.kind, image.count, image.width, image.height) == ("image", 4, 2560, 1440)
    assert (video.kind, video.count, video.duration_ms, video.ratio) == ("video", 1, 5000, "16:9")
    assert (image.prompt, video.prompt) == ("柴犬", "海浪")


@pytest.mark.parametrize("name", DRAFTS)
@given(data=st.data())
def test_an_odd_value_anywhere_is_refused_or_harmless_never_a_crash(name, data):
    whole = draft(name)
    root_model = model_of(whole)
    parent, key = data.draw(st.sampled_from(list(places(whole))))
    parent[key] = data.draw(ODD)
    try:
        order = read(whole, root_model)
    except Refusal as refusal:
        outcome = refusal.ret
    else:
        outcome = type(order).__name__
    assert outcome in {"1000", "1002", "2061", Order.__name__}


@given(ODD)
def test_an_odd_draft_is_refused(content):
    with pytest.raises(Refusal):
        read_order({"submit_id": "s-1", "draft_content": content}, "cn")


def test_gen_count_counts_beside_generate_only():
    whole = draft("image")
    abilities = whole["component_list"][0]["abilities"]
    option = {"type": "", "id": "o", "gen_count": 2, "generate_all": False}
    abilities["generate"]["gen_option"] = option
    assert read(whole).count == 4
    abilities["gen_option"] = option
    assert read(whole).count == 2
    for model, count in [
        ("high_aes_general_v30l:general_v3.0_18b", 4),
        ("high_aes_general_v50p_large", 2),
    ]:
        abilities["generate"]["core_param"]["model"] = model
        assert read(whole).count == count
