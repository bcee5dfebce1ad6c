"""Requests refuse what the service would refuse, before anything is sent or spent."""

import json
import math
import pickle

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async.catalogue import IMAGE_MODELS, IMAGE_RATIOS, VIDEO_MODELS, VIDEO_RATIOS
from dreamina_async.errors import InvalidRequest
from dreamina_async.models import (
    MAX_PROMPT_CHARACTERS,
    MAX_SEED,
    ImageRequest,
    JobState,
    MediaItem,
    Statistics,
    VideoRequest,
    canonical_submit_id,
    check_history_id,
    request_from_dict,
    request_to_dict,
)

PROMPT = "一只柴犬在太空中漂浮，赛博朋克风格 🚀"


class Odd:
    """Equal to everything; a check by equality would take it."""

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 1


BAD_PROMPTS = [
    "",
    "   ",
    "\n\t",
    "\u3000",
    "猫" * 1_000_000,
    "a\0b",
    "\ud83d",
    None,
    7,
    b"cat",
    ["cat"],
]


@pytest.mark.parametrize("request_type", [ImageRequest, VideoRequest])
@pytest.mark.parametrize("prompt", BAD_PROMPTS, ids=lambda value: repr(value)[:12])
def test_a_prompt_that_is_no_prompt(request_type, prompt):
    with pytest.raises(InvalidRequest) as caught:
        request_type(prompt)
    assert caught.value.field == "prompt"
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("prompt", ["a\0", "\udc00", "x" * (MAX_PROMPT_CHARACTERS + 1), None])
def test_a_negative_prompt_that_is_none(prompt):
    with pytest.raises(InvalidRequest) as caught:
        ImageRequest(PROMPT, negative_prompt=prompt)
    assert caught.value.field == "negative_prompt"


NOT_A_RATIO = ["5:4", "16/9", "16：9", "", None, 1, True, Odd()]
NOT_A_RESOLUTION = ["3k", "2K", "", 2, True, Odd()]
NOT_A_COUNT = [0, 9, -1, True, 4.0, "4", None, math.nan, math.inf, 10**5000, Odd()]
NOT_A_DURATION = [0, 6, -5, True, 5.0, "5", None, math.nan, 10**5000, Odd()]
NOT_A_SEED = [-1, MAX_SEED + 1, True, False, 1.0, "1", math.nan, 10**5000]
NOT_A_STRENGTH = [-0.1, 1.1, math.nan, math.inf, -math.inf, True, False, "0.5", None, 10**400, 1j]


def _short(value):
    return (
        f"{type(value).__name__}-{value!r:.8}" if not isinstance(value, int) else f"{value % 997}"
    )


def refused(request_type, name, values):
    return [pytest.param(request_type, name, one, id=f"{name}-{n}") for n, one in enumerate(values)]


@pytest.mark.parametrize(
    ("request_type", "name", "value"),
    [
        *refused(ImageRequest, "model", ["jimeng-image-9", "", None, 4.0, "3.5-pro"]),
        *refused(ImageRequest, "ratio", NOT_A_RATIO),
        *refused(ImageRequest, "resolution", NOT_A_RESOLUTION),
        *refused(ImageRequest, "count", NOT_A_COUNT),
        *refused(ImageRequest, "seed", NOT_A_SEED),
        *refused(ImageRequest, "sample_strength", NOT_A_STRENGTH),
        *refused(VideoRequest, "model", ["jimeng-video-9", "", None, "4.0"]),
        *refused(VideoRequest, "ratio", [*NOT_A_RATIO, "2:3"]),
        *refused(VideoRequest, "resolution", [*NOT_A_RESOLUTION, "4k"]),
        *refused(VideoRequest, "duration", NOT_A_DURATION),
        *refused(VideoRequest, "seed", NOT_A_SEED),
    ],
)
def test_a_value_the_model_does_not_take(request_type, name, value):
    with pytest.raises(InvalidRequest) as caught:
        request_type(PROMPT, **{name: value})
    assert caught.value.field == name
    assert len(str(caught.value)) < 5000
    if name not in ("seed", "sample_strength"):
        assert caught.value.allowed


def test_what_is_allowed_is_the_models_own_list():
    with pytest.raises(InvalidRequest) as caught:
        ImageRequest(PROMPT, model="3.0", count=1)
    assert caught.value.allowed == ("4",)
    with pytest.raises(InvalidRequest) as caught:
        ImageRequest(PROMPT, model="4.7", resolution="1k")
    assert caught.value.allowed == ("2k", "4k")
    with pytest.raises(InvalidRequest) as caught:
        VideoRequest(PROMPT, model="3.0-pro", duration=8)
    assert caught.value.allowed == ("5", "10")


def test_the_values_at_the_edges_are_taken():
    for request in (
        ImageRequest("x" * MAX_PROMPT_CHARACTERS, seed=0, sample_strength=0, count=1),
        ImageRequest("x", seed=MAX_SEED, sample_strength=1, count=8),
        VideoRequest("\u202eאב", seed=MAX_SEED, duration=10),
    ):
        assert request_from_dict(request_to_dict(request)) == request


def test_how_many_files_to_expect():
    assert ImageRequest(PROMPT).expected == 4
    assert ImageRequest(PROMPT, count=7).expected == 7
    assert VideoRequest(PROMPT).expected == 1


prompts = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=60
).filter(str.strip)
seeds = st.none() | st.integers(0, MAX_SEED)


@st.composite
def image_requests(draw):
    model = draw(st.sampled_from(IMAGE_MODELS))
    return ImageRequest(
        draw(prompts),
        model=draw(st.sampled_from((model.name, model.key, *model.aliases))),
        ratio=draw(st.sampled_from(tuple(IMAGE_RATIOS))),
        resolution=draw(st.sampled_from((None, *model.resolutions))),
        count=draw(st.sampled_from(model.counts)),
        negative_prompt=draw(prompts | st.just("")),
        seed=draw(seeds),
        sample_strength=draw(st.floats(0, 1)),
    )


@st.composite
def video_requests(draw):
    model = draw(st.sampled_from(VIDEO_MODELS))
    return VideoRequest(
        draw(prompts),
        model=draw(st.sampled_from((model.name, model.key, *model.aliases))),
        ratio=draw(st.sampled_from(VIDEO_RATIOS)),
        duration=draw(st.sampled_from(model.durations)),
        resolution=draw(st.sampled_from((None, *model.resolutions))),
        seed=draw(seeds),
    )


@given(image_requests() | video_requests())
def test_a_request_survives_json_and_pickle(request):
    text = json.dumps(request_to_dict(request))
    assert request_from_dict(json.loads(text)) == request
    assert pickle.loads(pickle.dumps(request)) == request


def test_a_request_cannot_be_changed():
    request = ImageRequest(PROMPT)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        request.count = 8
    assert request == ImageRequest(PROMPT)
    assert len({request, ImageRequest(PROMPT), VideoRequest(PROMPT)}) == 2


def test_a_changed_copy_is_checked_again():
    with pytest.raises(InvalidRequest):
        attrs.evolve(ImageRequest(PROMPT), model="3.0", count=2)


def test_an_image_is_meant_unless_it_says_video():
    assert request_from_dict({"prompt": PROMPT}) == ImageRequest(PROMPT)
    assert request_from_dict({"prompt": PROMPT, "kind": "video"}) == VideoRequest(PROMPT)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "prompt"),
        ({"prompt": PROMPT, "kind": "audio"}, "kind"),
        ({"prompt": PROMPT, "kind": ["image"]}, "kind"),
        ({"prompt": PROMPT, "duration": 5}, "field"),
        ({"prompt": PROMPT, "kind": "video", "count": 4}, "field"),
        ({"prompt": PROMPT, "__class__": "x"}, "field"),
        ({"prompt": PROMPT, 5: "x"}, "field"),
        ({"prompt": None}, "prompt"),
        ({"prompt": PROMPT, "count": "4"}, "count"),
    ],
)
def test_plain_data_that_is_no_request(data, field):
    with pytest.raises(InvalidRequest) as caught:
        request_from_dict(data)
    assert caught.value.field == field


@pytest.mark.parametrize("data", [[], "prompt", None, 5])
def test_json_that_is_no_object(data):
    with pytest.raises(InvalidRequest):
        request_from_dict(data)


UUID = "19637d71-15df-445e-b86d-490f3549cb85"


@pytest.mark.parametrize("text", [UUID, UUID.upper(), UUID.replace("-", ""), f"{{{UUID}}}"])
def test_a_submit_id_has_one_spelling(text):
    assert canonical_submit_id(text) == UUID


@pytest.mark.parametrize("text", ["", "x", "../../etc", UUID[:-1], None, 5, "１" * 32 + "x"])
def test_what_is_no_submit_id(text):
    with pytest.raises(InvalidRequest) as caught:
        canonical_submit_id(text)
    assert caught.value.field == "submit_id"


@pytest.mark.parametrize("text", ["25594898552322", "a-b_c"])
def test_a_history_id(text):
    assert check_history_id(text) == text


@pytest.mark.parametrize("text", ["", "a/b", "..", "1\n", "历史", "1" * 65, None, 25594898552322])
def test_what_is_no_history_id(text):
    with pytest.raises(InvalidRequest) as caught:
        check_history_id(text)
    assert caught.value.field == "history_id"


def test_a_media_item_never_shows_its_signed_urls():
    item = MediaItem("image", ("https://p3.byteimg.com/a?x-signature=CANARY",), uri="a")
    assert "CANARY" not in repr(item)


def test_terminal_states():
    over = {state for state in JobState if state.terminal}
    assert over == {JobState.DONE, JobState.FAILED, JobState.UNKNOWN, JobState.ABANDONED}


def test_calls_per_job():
    assert Statistics().calls_per_job is None
    assert Statistics(status_calls=6, jobs={JobState.DONE: 4}).calls_per_job == 1.5
