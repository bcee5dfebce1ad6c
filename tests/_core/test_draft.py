"""The JSON inside a generate request, node by node (protocol notes 2.2, 3.1, 3.2)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async._core.draft import (
    Stamp,
    dumps,
    image_draft,
    image_metrics,
    seed_of,
    video_draft,
    video_metrics,
)
from dreamina_async.catalogue import IMAGE_MODELS
from dreamina_async.credentials import Region
from dreamina_async.images import ImageRef
from dreamina_async.requests import MAX_SEED, ImageRequest, VideoRequest

SUBMIT_ID = "19637d71-15df-445e-b86d-490f3549cb85"
STAMP = Stamp(SUBMIT_ID, "3.3.9", 1757737934.387)
PROMPT = "一只戴着草帽的橘猫，水彩画，“柔和”的光"


def nodes(value, inside=""):
    """Every JSON object below `value`, with the name it stands under."""
    if isinstance(value, dict):
        yield inside, value
        for name, member in value.items():
            yield from nodes(member, name)
    elif isinstance(value, list):
        for member in value:
            yield from nodes(member, inside)


def image(**fields):
    return image_draft(ImageRequest(PROMPT, **fields), STAMP)


def video(**fields):
    return video_draft(VideoRequest(PROMPT, **fields), STAMP, dumps(video_metrics(SUBMIT_ID)))


@pytest.mark.parametrize("draft", [image(), video()], ids=["image", "video"])
def test_every_node_has_a_type_and_an_id_of_its_own(draft):
    found = [node for _, node in nodes(draft)]
    assert len(found) >= 7
    assert all("type" in node for node in found)
    ids = [node["id"] for node in found]
    assert len(set(ids)) == len(ids)
    assert draft["main_component_id"] == draft["component_list"][0]["id"]


def test_two_jobs_share_no_id():
    other = image_draft(
        ImageRequest(PROMPT), Stamp("00000000-0000-4000-8000-000000000001", "3.3.9", 0)
    )
    ids = [{node["id"] for _, node in nodes(draft)} for draft in (image(), other)]
    assert not ids[0] & ids[1]


def without_ids(value):
    if isinstance(value, dict):
        skipped = ("id", "main_component_id")
        return {name: without_ids(one) for name, one in value.items() if name not in skipped}
    return [without_ids(one) for one in value] if isinstance(value, list) else value


def test_the_image_draft_is_the_captured_one():
    draft = image(model="4.0", seed=1277902096)
    assert without_ids(draft) == {
        "type": "draft",
        "min_version": "3.0.2",
        "min_features": [],
        "is_from_tsn": True,
        "version": "3.3.9",
        "component_list": [
            {
                "type": "image_base_component",
                "min_version": "3.0.2",
                "aigc_mode": "workbench",
                "metadata": {
                    "type": "",
                    "created_platform": 3,
                    "created_platform_version": "",
                    "created_time_in_ms": "1757737934387",
                    "created_did": "",
                },
                "generate_type": "generate",
                "abilities": {
                    "type": "",
                    "generate": {
                        "type": "",
                        "core_param": {
                            "type": "",
                            "model": "high_aes_general_v40",
                            "prompt": PROMPT,
                            "negative_prompt": "",
                            "seed": 1277902096,
                            "sample_strength": 0.5,
                            "image_ratio": 1,
                            "large_image_info": {
                                "type": "",
                                "height": 2048,
                                "width": 2048,
                                "resolution_type": "2k",
                            },
                            "intelligent_ratio": False,
                            "generate_type": 0,
                        },
                    },
                    "gen_option": {"type": "", "gen_count": 4, "generate_all": False},
                },
            }
        ],
    }


def test_the_number_of_images_stands_beside_generate_not_inside():
    abilities = image(count=7)["component_list"][0]["abilities"]
    assert abilities["gen_option"]["gen_count"] == 7
    assert "gen_option" not in dict(nodes(abilities["generate"]))


@pytest.mark.parametrize("model", IMAGE_MODELS, ids=lambda model: model.name)
def test_size_and_ratio_come_from_the_tables(model):
    for resolution in model.resolutions:
        for ratio in model.ratios:
            size = model.size(resolution, ratio, Region.CN)
            count = model.counts[0]
            draft = image(model=model.name, ratio=ratio, resolution=resolution, count=count)
            core = dict(nodes(draft))["core_param"]
            info = core["large_image_info"]
            assert core["model"] == model.key
            assert core["image_ratio"] == size.ratio_code
            assert (info["width"], info["height"]) == (size.width, size.height)
            assert info["resolution_type"] == size.resolution_type


def test_a_wide_picture_is_wide():
    info = dict(nodes(image(ratio="21:9", resolution="4k")))["large_image_info"]
    assert (info["width"], info["height"]) == (6197, 2656)
    info = dict(nodes(image(ratio="9:16", resolution="4k")))["large_image_info"]
    assert (info["width"], info["height"]) == (3040, 5404)


def test_the_resolution_is_the_models_own_unless_given():
    def of(draft, node, name):
        return dict(nodes(draft))[node][name]

    for fields, expected in (({}, "2k"), ({"model": "3.0"}, "1k"), ({"resolution": "4k"}, "4k")):
        assert of(image(**fields), "large_image_info", "resolution_type") == expected
    for fields, expected in (({}, "720p"), ({"model": "3.0-pro"}, "1080p")):
        assert of(video(**fields), "video_gen_inputs", "resolution") == expected
    assert "resolution" not in dict(nodes(video(model="veo3")))["video_gen_inputs"]


def test_what_the_user_chose_is_sent():
    core = dict(nodes(image(negative_prompt="模糊", seed=0, sample_strength=0.0)))["core_param"]
    assert (core["negative_prompt"], core["seed"], core["sample_strength"]) == ("模糊", 0, 0.0)


def test_the_video_draft_is_the_documented_one():
    draft = video(ratio="9:16", duration=10, resolution="1080p", seed=5)
    metrics = dumps(video_metrics(SUBMIT_ID))
    (component,) = without_ids(draft)["component_list"]
    assert draft["min_version"] == "3.0.5"
    assert draft["min_features"] == []
    assert component["type"] == "video_base_component"
    assert component["min_version"] == "1.0.0"
    assert component["generate_type"] == "gen_video"
    assert component["process_type"] == 1
    assert component["abilities"] == {
        "type": "",
        "gen_video": {
            "type": "",
            "text_to_video_params": {
                "type": "",
                "video_gen_inputs": [
                    {
                        "type": "",
                        "min_version": "3.0.5",
                        "prompt": PROMPT,
                        "video_mode": 2,
                        "fps": 24,
                        "duration_ms": 10_000,
                        "resolution": "1080p",
                        "first_frame_image": None,
                        "end_frame_image": None,
                        "idip_meta_list": [],
                    }
                ],
                "video_aspect_ratio": "9:16",
                "seed": 5,
                "model_req_key": "dreamina_ic_generate_video_model_vgfm_3.0",
                "priority": 0,
            },
            "video_task_extra": metrics,
        },
    }
    assert json.loads(metrics)["originSubmitId"] == SUBMIT_ID


def test_the_telemetry_names_the_job():
    assert image_metrics(SUBMIT_ID) == {
        "promptSource": "custom",
        "generateCount": 1,
        "enterFrom": "click",
        "generateId": SUBMIT_ID,
        "isRegenerate": False,
    }


def test_json_is_compact_and_keeps_every_language():
    assert dumps({"a": ["猫", 1]}) == '{"a":["猫",1]}'


@given(st.uuids())
def test_a_seed_of_ours_lies_where_clients_draw_theirs_and_stays(submit_id):
    for request in (ImageRequest("x"), VideoRequest("x")):
        seed = seed_of(request, str(submit_id))
        assert 2_500_000_000 <= seed < 2_600_000_000 <= MAX_SEED
        assert seed_of(request, str(submit_id)) == seed


def test_two_jobs_with_one_prompt_get_two_seeds():
    seeds = {seed_of(ImageRequest("x"), f"00000000-0000-4000-8000-{n:012}") for n in range(100)}
    assert len(seeds) > 95


ONE = ImageRef("tos-cn-i-tb4s082cfz/0a1b", 640, 480, "png")
TWO = ImageRef("tos-cn-i-tb4s082cfz/2c3d")
METRICS = dumps(video_metrics(SUBMIT_ID, frames=True))


def blend(*references, prompt=PROMPT, **fields):
    paths = [f"{number}.png" for number, _ in enumerate(references)]
    request = ImageRequest(prompt, references=paths, **fields)
    return image_draft(request, STAMP, references)


def framed(*frames, prompt=PROMPT, **fields):
    paths = dict(zip(("first_frame", "last_frame"), ("a.png", "b.png"), strict=True))
    paths = {name: paths[name] for name, _ in zip(paths, frames, strict=False)}
    return video_draft(VideoRequest(prompt, **paths, **fields), STAMP, METRICS, frames)


def uploaded(uri, width=0, height=0, form=""):
    return {
        "type": "image",
        "source_from": "upload",
        "platform_type": 1,
        "name": "",
        "image_uri": uri,
        "width": width,
        "height": height,
        "format": form,
        "uri": uri,
    }


def test_the_blend_draft_is_the_documented_one():
    draft = blend(ONE, model="4.0", ratio="16:9", count=2, sample_strength=0.75)
    plain = without_ids(draft)
    (component,) = plain.pop("component_list")
    assert plain == {
        "type": "draft",
        "min_version": "3.2.9",
        "min_features": [],
        "is_from_tsn": True,
        "version": "3.3.9",
    }
    assert component.pop("metadata")["created_time_in_ms"] == "1757737934387"
    assert component == {
        "type": "image_base_component",
        "min_version": "3.0.2",
        "aigc_mode": "workbench",
        "generate_type": "blend",
        "abilities": {
            "type": "",
            "blend": {
                "type": "",
                "min_features": [],
                "core_param": {
                    "type": "",
                    "model": "high_aes_general_v40",
                    "prompt": f"##{PROMPT}",
                    "sample_strength": 0.75,
                    "image_ratio": 3,
                    "large_image_info": {
                        "type": "",
                        "height": 1440,
                        "width": 2560,
                        "resolution_type": "2k",
                    },
                    "intelligent_ratio": False,
                },
                "ability_list": [
                    {
                        "type": "",
                        "name": "byte_edit",
                        "image_uri_list": [ONE.uri],
                        "image_list": [uploaded(ONE.uri, 640, 480, "png")],
                        "strength": 0.75,
                    }
                ],
                "history_option": {"type": ""},
                "prompt_placeholder_info_list": [{"type": "", "ability_index": 0}],
                "postedit_param": {"type": "", "generate_type": 0},
            },
            "gen_option": {"type": "", "gen_count": 2, "generate_all": False},
        },
    }


def blend_of(draft):
    return draft["component_list"][0]["abilities"]["blend"]


@pytest.mark.parametrize("number", range(1, 11))
def test_each_reference_has_an_ability_a_placeholder_and_a_marker(number):
    references = [ImageRef(f"tos-cn-i/{one}", one, one) for one in range(number)]
    node = blend_of(blend(*references))
    uris = [reference.uri for reference in references]
    assert [one["image_uri_list"] for one in node["ability_list"]] == [[uri] for uri in uris]
    images = [image for one in node["ability_list"] for image in one["image_list"]]
    assert [(image["uri"], image["image_uri"]) for image in images] == [(uri, uri) for uri in uris]
    assert [image["width"] for image in images] == list(range(number))
    places = [one["ability_index"] for one in node["prompt_placeholder_info_list"]]
    assert places == list(range(number))
    assert node["core_param"]["prompt"] == "##" * number + PROMPT


def test_several_references_need_a_newer_version():
    assert "min_version" not in blend_of(blend(ONE))
    assert blend_of(blend(ONE, TWO))["min_version"] == "3.2.9"
    assert blend(ONE)["min_version"] == blend(ONE, TWO)["min_version"] == "3.2.9"


def test_a_blend_has_no_seed_and_no_negative_prompt_unless_given():
    core = blend_of(blend(ONE))["core_param"]
    assert not {"seed", "negative_prompt"} & core.keys()
    core = blend_of(blend(ONE, seed=0, negative_prompt="模糊"))["core_param"]
    assert (core["seed"], core["negative_prompt"]) == (0, "模糊")


def test_the_number_of_images_of_a_blend_stands_beside_it():
    abilities = blend(ONE, count=8)["component_list"][0]["abilities"]
    assert abilities["gen_option"]["gen_count"] == 8
    assert "gen_option" not in dict(nodes(abilities["blend"]))


def test_the_model_may_choose_the_ratio():
    core = dict(nodes(image(intelligent_ratio=True, ratio="16:9")))["core_param"]
    assert core["intelligent_ratio"] is True
    assert "image_ratio" not in core  # IPT drops it here, and keeps it in a blend
    assert core["large_image_info"]["width"] == 2560
    core = blend_of(blend(ONE, intelligent_ratio=True, ratio="16:9"))["core_param"]
    assert (core["intelligent_ratio"], core["image_ratio"]) == (True, 3)


def test_without_references_nothing_of_a_blend_is_sent():
    assert image_draft(ImageRequest(PROMPT), STAMP, ()) == image()
    assert "blend" not in dumps(image())


def frames_of(draft):
    node = dict(nodes(draft))["video_gen_inputs"]
    return node["first_frame_image"], node["end_frame_image"]


def test_frames_stand_in_the_input_as_documented():
    draft = framed(ONE, TWO)
    first, last = map(without_ids, frames_of(draft))
    assert first == uploaded(ONE.uri, 640, 480, "png")
    assert last == uploaded(TWO.uri)
    assert draft["min_version"] == "3.0.5"
    # ZHI sends 0 with frames; IPT, F3L and a capture (ASL) do not
    assert dict(nodes(draft))["video_gen_inputs"]["video_mode"] == 2


def test_a_first_frame_alone_leaves_the_last_one_empty():
    first, last = frames_of(framed(ONE, prompt=""))
    assert first["uri"] == ONE.uri
    assert last is None


def test_frames_change_nothing_else_of_a_video():
    plain = dict(nodes(video(seed=5)))["text_to_video_params"]
    params = dict(nodes(framed(ONE, TWO, seed=5)))["text_to_video_params"]
    for node in (plain, params):
        node["video_gen_inputs"][0] |= {"first_frame_image": None, "end_frame_image": None}
    assert params == plain


def test_the_telemetry_of_a_video_tells_of_frames():
    five = {"promptSource", "isDefaultSeed", "originSubmitId", "isRegenerate", "enterFrom"}
    assert video_metrics(SUBMIT_ID).keys() == five
    assert json.loads(METRICS) == {
        **video_metrics(SUBMIT_ID),
        "functionMode": "first_last_frames",
    }


uploads = st.builds(
    ImageRef,
    st.text("abc0-9/_~.", min_size=1, max_size=20),
    st.integers(0, 9999),
    st.integers(0, 9999),
    st.sampled_from(["", "png", "webp"]),
)
prompts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


def check_nodes(draft, again):
    found = [node for _, node in nodes(draft)]
    assert all(isinstance(node["type"], str) and node["id"] for node in found)
    assert len({node["id"] for node in found}) == len(found)
    assert dumps(again) == dumps(draft)
    assert draft["main_component_id"] == draft["component_list"][0]["id"]


@given(st.lists(uploads, min_size=1, max_size=10), prompts.filter(str.strip))
def test_any_blend_is_whole_and_the_same_however_often_it_is_made(references, prompt):
    draft = blend(*references, prompt=prompt)
    check_nodes(draft, blend(*references, prompt=prompt))
    assert blend_of(draft)["core_param"]["prompt"].removeprefix("##" * len(references)) == prompt


@given(st.lists(uploads, min_size=1, max_size=2), prompts)
def test_any_framed_video_is_whole_and_the_same_however_often_it_is_made(frames, prompt):
    draft = framed(*frames, prompt=prompt)
    check_nodes(draft, framed(*frames, prompt=prompt))
    assert dict(nodes(draft))["video_gen_inputs"]["prompt"] == prompt
