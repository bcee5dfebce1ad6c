"""Requests refuse what the service would refuse, before anything is sent or spent."""

import json
import math
import pickle
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async.catalogue import (
    IMAGE_MODELS,
    VIDEO_MODELS,
    VIDEO_RATIOS,
    image_model,
    video_model,
)
from dreamina_async.errors import InvalidRequest
from dreamina_async.images import ImageData, ImageRef
from dreamina_async.requests import (
    MAX_PROMPT_CHARACTERS,
    MAX_SEED,
    ImageRequest,
    VideoRequest,
    request_from_dict,
    request_to_dict,
    same_job,
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

NOT_REFERENCES = [None, 5, "", b"", {}, {"uri": "x"}, [None], ["a.png", 5], [["a.png"]]]
NOT_A_FLAG = [None, 1, 0, "true", Odd()]
NOT_A_FRAME = [5, "", b"", [], ["a.png"], ("a.png",), {"uri": "x"}, True]
WITHOUT_A_LIST = {
    "seed",
    "sample_strength",
    "references",
    "intelligent_ratio",
    "first_frame",
    "last_frame",
}


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
        *refused(ImageRequest, "references", NOT_REFERENCES),
        *refused(ImageRequest, "intelligent_ratio", NOT_A_FLAG),
        *refused(ImageRequest, "via", ["", "MCP", "cli", None, True, Odd()]),
        *refused(VideoRequest, "model", ["jimeng-video-9", "", None, "4.0"]),
        *refused(VideoRequest, "ratio", [*NOT_A_RATIO, "2:3"]),
        *refused(VideoRequest, "resolution", [*NOT_A_RESOLUTION, "4k"]),
        *refused(VideoRequest, "duration", NOT_A_DURATION),
        *refused(VideoRequest, "seed", NOT_A_SEED),
        *refused(VideoRequest, "first_frame", NOT_A_FRAME),
        *refused(VideoRequest, "last_frame", NOT_A_FRAME),
    ],
)
def test_a_value_the_model_does_not_take(request_type, name, value):
    with pytest.raises(InvalidRequest) as caught:
        request_type(PROMPT, **{name: value})
    assert caught.value.field == name
    assert len(str(caught.value)) < 5000
    if name not in WITHOUT_A_LIST:
        assert caught.value.allowed


def test_what_is_allowed_is_the_models_own_list():
    with pytest.raises(InvalidRequest) as caught:
        ImageRequest(PROMPT, model="3.0", count=1)
    assert caught.value.allowed == ("4",)
    with pytest.raises(InvalidRequest) as caught:
        ImageRequest(PROMPT, model="4.7", resolution="1k")
    assert caught.value.allowed == ("2k", "4k")
    with pytest.raises(InvalidRequest) as caught:
        VideoRequest(PROMPT, model="3.0", duration=8)
    assert caught.value.allowed == ("5", "10")
    with pytest.raises(InvalidRequest) as caught:
        VideoRequest(PROMPT, model="3.0-pro", duration=11)
    assert caught.value.allowed == tuple(str(seconds) for seconds in range(3, 11))


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


@pytest.mark.parametrize("model", VIDEO_MODELS, ids=lambda model: model.name)
def test_a_video_lasts_five_seconds_unless_the_model_has_no_such_length(model):
    duration = VideoRequest(PROMPT, model=model.name).duration
    assert duration in model.durations
    assert duration == 5 or 5 not in model.durations


prompts = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=60
).filter(str.strip)
seeds = st.none() | st.integers(0, MAX_SEED)
images = st.one_of(
    st.builds(ImageRef, st.sampled_from(["tos-cn-i/a", "b"]), st.integers(0, 9999)),
    st.builds(ImageData.of, st.binary(min_size=1, max_size=9)),
    st.builds(Path, st.sampled_from(["a.png", "in/猫.png", "/in/a b.jpg", "../c.webp"])),
)


@st.composite
def image_requests(draw):
    model = draw(st.sampled_from(IMAGE_MODELS))
    return ImageRequest(
        draw(prompts),
        references=draw(st.lists(images, max_size=min(3, model.max_references))),
        intelligent_ratio=draw(st.booleans()) and model.intelligent_ratio,
        model=draw(st.sampled_from((model.name, model.key, *model.aliases))),
        ratio=draw(st.sampled_from(model.ratios)),
        resolution=draw(st.sampled_from((None, *model.resolutions))),
        count=draw(st.sampled_from(model.counts)),
        negative_prompt=draw(prompts | st.just("")),
        seed=draw(seeds),
        sample_strength=draw(st.floats(0, 1)),
    )


@st.composite
def video_requests(draw):
    model = draw(st.sampled_from(VIDEO_MODELS))
    first_frame = draw(st.none() | images)
    return VideoRequest(
        draw(prompts if first_frame is None else prompts | st.just("")),
        first_frame=first_frame,
        last_frame=None if first_frame is None else draw(st.none() | images),
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


CONTENT = b"\x89PNG CANARY"
REF = ImageRef("tos-cn-i/a", 640, 480, "png")


@pytest.mark.parametrize("model", IMAGE_MODELS, ids=lambda model: model.name)
def test_how_many_references_a_model_takes(model):
    most = model.max_references
    assert len(ImageRequest("x", model=model.name, references=["a.png"] * most).images) == most
    with pytest.raises(InvalidRequest, match=str(most)) as caught:
        ImageRequest("x", model=model.name, references=["a.png"] * (most + 1))
    assert caught.value.field == "references"


def test_ten_references_with_most_models_and_twenty_with_one():
    assert {image_model(name).max_references for name in ("4.0", "4.5", "5.0-pro")} == {10}
    assert image_model("mj82").max_references == 20


def test_references_of_every_kind_one_or_many():
    given = [REF, "in/a.png", CONTENT, BytesIO(CONTENT)]
    taken = (REF, Path("in/a.png"), ImageData.of(CONTENT), ImageData.of(CONTENT))
    assert ImageRequest("x", references=given).references == taken
    assert ImageRequest("x", references=(one for one in given[:3])).images == taken[:3]
    assert ImageRequest("x", references="in/a.png").references == taken[1:2]
    assert ImageRequest("x").images == ()


def test_frames_are_one_or_two_images_in_order():
    assert VideoRequest("x").images == ()
    assert VideoRequest("x", first_frame="a.png").images == (Path("a.png"),)
    both = VideoRequest("x", first_frame=CONTENT, last_frame=REF)
    assert both.images == (ImageData.of(CONTENT), REF)


def test_a_last_frame_alone_is_refused():
    with pytest.raises(InvalidRequest) as caught:
        VideoRequest("x", last_frame="b.png")
    assert caught.value.field == "last_frame"


@pytest.mark.parametrize("prompt", ["", " \n"])
def test_a_first_frame_speaks_for_itself(prompt):
    assert VideoRequest(prompt, first_frame="a.png").prompt == prompt
    with pytest.raises(InvalidRequest) as caught:
        ImageRequest(prompt, references="a.png")
    assert caught.value.field == "prompt"


@pytest.mark.parametrize("prompt", ["a\0b", "\ud83d", None, b"cat", "x" * 4001])
def test_a_first_frame_excuses_no_nonsense(prompt):
    with pytest.raises(InvalidRequest) as caught:
        VideoRequest(prompt, first_frame="a.png")
    assert caught.value.field == "prompt"


@pytest.mark.parametrize("model", IMAGE_MODELS, ids=lambda model: model.name)
def test_only_some_models_choose_the_ratio_themselves(model):
    if model.intelligent_ratio:
        assert ImageRequest("x", model=model.name, intelligent_ratio=True).intelligent_ratio
    else:
        with pytest.raises(InvalidRequest) as caught:
            ImageRequest("x", model=model.name, intelligent_ratio=True)
        assert caught.value.field == "intelligent_ratio"


def test_the_models_that_choose_the_ratio():
    able = {model.name for model in IMAGE_MODELS if model.intelligent_ratio}
    # protocol notes 2.6
    assert able == {f"jimeng-image-{version}" for version in ("4.0", "4.1", "4.5", "4.6", "5.0")}


def test_mcp_takes_a_prompt_a_model_and_a_ratio():
    request = ImageRequest("x", model="4.5", ratio="21:9", via="mcp")
    assert request.expected == 4
    assert request_from_dict(request_to_dict(request)) == request


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("resolution", "2k"),
        ("count", 1),
        ("negative_prompt", "blur"),
        ("seed", 0),
        ("sample_strength", 0.4),
        ("references", "a.png"),
        ("intelligent_ratio", True),
    ],
)
def test_mcp_refuses_what_it_would_drop_in_silence(name, value):
    ImageRequest("x", **{name: value})
    with pytest.raises(InvalidRequest, match="MCP") as caught:
        ImageRequest("x", via="mcp", **{name: value})
    assert caught.value.field == name


def test_no_bytes_of_an_image_stand_in_plain_data_or_show():
    image = ImageRequest("x", references=[CONTENT, "a.png", REF])
    video = VideoRequest("x", first_frame=CONTENT, last_frame=bytearray(CONTENT))
    digest = {"sha256": sha256(CONTENT).hexdigest(), "size": len(CONTENT)}
    upload = {"uri": "tos-cn-i/a", "width": 640, "height": 480, "format": "png"}
    assert request_to_dict(image)["references"] == [digest, "a.png", upload]
    plain = request_to_dict(video)
    assert (plain["first_frame"], plain["last_frame"]) == (digest, digest)
    for request in (image, video):
        assert "CANARY" not in json.dumps(request_to_dict(request))
        assert "CANARY" not in repr(request)


def test_images_in_plain_data_are_written_as_a_manifest_has_them():
    data = {"prompt": "x", "references": ["in/a.png", {"uri": "tos-cn-i/a"}]}
    taken = ImageRequest("x", references=["in/a.png", ImageRef("tos-cn-i/a")])
    assert request_from_dict(data) == taken
    assert request_from_dict(data | {"references": "in/a.png"}).images == (Path("in/a.png"),)
    video = {"prompt": "", "kind": "video", "first_frame": "a.png", "last_frame": None}
    assert request_from_dict(video) == VideoRequest("", first_frame="a.png")


@pytest.mark.parametrize(
    "data",
    [
        {"references": 5},
        {"references": [5]},
        {"references": None},
        {"references": [["a.png"]]},
        {"references": [{"url": "https://x"}]},
        {"references": ["a\0"]},
        {"kind": "video", "first_frame": ["a.png"]},
        {"kind": "video", "first_frame": {}},
        {"kind": "video", "last_frame": "a.png"},
        {"kind": "video", "references": ["a.png"]},
        {"first_frame": "a.png"},
    ],
    ids=str,
)
def test_plain_data_with_what_is_no_image(data):
    with pytest.raises(InvalidRequest):
        request_from_dict({"prompt": "x", **data})


def references(*sources, **fields):
    return ImageRequest("x", references=sources, **fields)


def frames(first, last=None):
    return VideoRequest("x", first_frame=first, last_frame=last)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ImageRequest("x"), ImageRequest("x")),
        (references("in/a.png"), references("/moved/to/a.png")),
        (references("in/a.png", "in/b.png"), references("a.png", Path("../b.png"))),
        (references(CONTENT), references(BytesIO(CONTENT))),
        (references(CONTENT), request_from_dict(request_to_dict(references(CONTENT)))),
        (references(REF, "a.png"), references(REF, "in/a.png")),
        (frames("in/a.png"), frames("a.png")),
        (frames("in/a.png", "in/b.png"), frames("a.png", "b.png")),
    ],
)
def test_the_same_job_although_a_folder_was_moved(one, other):
    assert same_job(one, other)
    assert same_job(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ImageRequest("x"), ImageRequest("y")),
        (ImageRequest("x"), VideoRequest("x")),
        (ImageRequest("x"), references("a.png")),
        (references("a.png"), references("b.png")),
        (references("a.png"), references("a.jpg")),
        (references("a.png"), references("a.png", "a.png")),
        (references("a.png", "b.png"), references("b.png", "a.png")),
        (references("a.png"), references("a.png", seed=1)),
        (references(CONTENT), references(CONTENT + b"x")),
        (references(CONTENT), references("a.png")),
        (references(REF), references(ImageRef("tos-cn-i/b", 640, 480, "png"))),
        (ImageRequest("x"), ImageRequest("x", via="mcp")),
        (frames("a.png"), frames("b.png")),
        (frames("a.png"), frames("a.png", "a.png")),
        (frames("a.png", "b.png"), frames("b.png", "a.png")),
        (frames(CONTENT), frames(CONTENT + b"x")),
    ],
)
def test_another_job(one, other):
    assert not same_job(one, other)
    assert not same_job(other, one)


@given(image_requests() | video_requests())
def test_a_request_is_the_same_job_as_what_the_journal_keeps_of_it(request):
    assert same_job(request, request_from_dict(json.loads(json.dumps(request_to_dict(request)))))


def test_a_model_passed_on_by_its_key_takes_images_too():
    assert len(ImageRequest("x", model="key:brand_new", references=["a.png"] * 10).images) == 10
    assert video_model("key:brand_new").guessed
    assert len(VideoRequest("", model="key:brand_new", first_frame="a", last_frame="b").images) == 2
