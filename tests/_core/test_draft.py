"""The JSON inside a generate request, node by node (protocol notes 2.2, 3.2)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async._core.draft import (
    Stamp,
    dumps,
    image_draft,
    image_metrics,
    image_resolution,
    seed_of,
    video_draft,
    video_metrics,
    video_resolution,
)
from dreamina_async.catalogue import IMAGE_MODELS, IMAGE_RATIOS, IMAGE_SIZES
from dreamina_async.models import MAX_SEED, ImageRequest, VideoRequest

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
        for ratio, number in IMAGE_RATIOS.items():
            draft = image(model=model.name, ratio=ratio, resolution=resolution)
            core = dict(nodes(draft))["core_param"]
            info = core["large_image_info"]
            assert core["model"] == model.key
            assert core["image_ratio"] == number
            assert (info["width"], info["height"]) == IMAGE_SIZES[resolution][ratio]
            assert info["resolution_type"] == resolution


def test_a_wide_picture_is_wide():
    info = dict(nodes(image(ratio="21:9", resolution="4k")))["large_image_info"]
    assert (info["width"], info["height"]) == (6197, 2656)
    info = dict(nodes(image(ratio="9:16", resolution="4k")))["large_image_info"]
    assert (info["width"], info["height"]) == (3040, 5404)


def test_the_resolution_is_the_models_own_unless_given():
    assert image_resolution(ImageRequest("x")) == "2k"
    assert image_resolution(ImageRequest("x", model="3.0")) == "1k"
    assert image_resolution(ImageRequest("x", resolution="4k")) == "4k"
    assert video_resolution(VideoRequest("x")) == "720p"
    assert video_resolution(VideoRequest("x", model="3.0-pro")) == "1080p"
    assert video_resolution(VideoRequest("x", resolution="1080p")) == "1080p"


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
