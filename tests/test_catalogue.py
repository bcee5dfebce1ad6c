"""The tables against the protocol notes, copied there by hand."""

import pytest

from dreamina_async.catalogue import (
    DEFAULT_IMAGE_MODEL,
    DEFAULT_VIDEO_MODEL,
    IMAGE_MODELS,
    IMAGE_RATIOS,
    IMAGE_SIZES,
    VIDEO_MODELS,
    VIDEO_RATIOS,
    image_model,
    video_model,
)
from dreamina_async.credentials import Region
from dreamina_async.errors import InvalidRequest

# protocol notes 2.5: ratio, official number, then the sizes at 1k, 1.5k, 2k and 4k
TABLE = """
1:1   1  1328x1328  1536x1536  2048x2048  4096x4096
3:4   2  1104x1472  1296x1728  1728x2304  3520x4693
16:9  3  1664x936   1920x1080  2560x1440  5404x3040
4:3   4  1472x1104  1728x1296  2304x1728  4693x3520
9:16  5  936x1664   1080x1920  1440x2560  3040x5404
2:3   6  1056x1584  1248x1872  1664x2496  3328x4992
3:2   7  1584x1056  1872x1248  2496x1664  4992x3328
21:9  8  2016x864   2268x972   3024x1296  6197x2656
"""
ROWS = [line.split() for line in TABLE.strip().splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_ratio_numbers_and_sizes(row):
    ratio, number, *sizes = row
    assert IMAGE_RATIOS[ratio] == int(number)
    for resolution, size in zip(("1k", "1.5k", "2k", "4k"), sizes, strict=True):
        assert IMAGE_SIZES[resolution][ratio] == tuple(map(int, size.split("x")))


def test_there_are_no_further_ratios_or_resolutions():
    ratios = {row[0] for row in ROWS}
    assert set(IMAGE_RATIOS) == ratios
    assert set(IMAGE_SIZES) == {"1k", "1.5k", "2k", "4k"}
    assert all(set(sizes) == ratios for sizes in IMAGE_SIZES.values())
    assert set(VIDEO_RATIOS) == {"21:9", "16:9", "4:3", "1:1", "3:4", "9:16"}


# protocol notes 2.4 and 3.4: the service's keys
KEYS = {
    "4.0": "high_aes_general_v40",
    "4.1": "high_aes_general_v41",
    "4.5": "high_aes_general_v40l",
    "4.6": "high_aes_general_v42",
    "4.7": "high_aes_general_v43",
    "5.0": "high_aes_general_v50",
    "5.0-flash": "high_aes_general_v50_flash",
    "5.0-pro": "high_aes_general_v50p_large",
    "3.1": "high_aes_general_v30l_art_fangzhou:general_v3.0_18b",
    "3.0": "high_aes_general_v30l:general_v3.0_18b",
}
VIDEO_KEYS = {
    "3.0": "dreamina_ic_generate_video_model_vgfm_3.0",
    "3.0-fast": "dreamina_ic_generate_video_model_vgfm_3.0_fast",
    "3.0-pro": "dreamina_ic_generate_video_model_vgfm_3.0_pro",
    "3.5-pro": "dreamina_ic_generate_video_model_vgfm_3.5_pro",
    "seedance-2.0": "dreamina_seedance_40_pro",
    "seedance-2.0-fast": "dreamina_seedance_40",
    "seedance-2.0-mini": "dreamina_seedance_40_mini",
}


@pytest.mark.parametrize(("alias", "key"), KEYS.items())
def test_an_image_model_is_found_by_name_alias_and_key(alias, key):
    model = image_model(alias)
    assert model.key == key
    assert image_model(key) is image_model(model.name) is image_model(f"jimeng-{alias}") is model


@pytest.mark.parametrize(("alias", "key"), VIDEO_KEYS.items())
def test_a_video_model_is_found_by_name_alias_and_key(alias, key):
    model = video_model(alias)
    assert model.key == key
    assert video_model(key) is video_model(model.name) is model


@pytest.mark.parametrize("models", [IMAGE_MODELS, VIDEO_MODELS])
def test_no_two_models_answer_to_one_name(models):
    names = [name for model in models for name in {model.name, model.key, *model.aliases}]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("find", "models"), [(image_model, IMAGE_MODELS), (video_model, VIDEO_MODELS)]
)
@pytest.mark.parametrize(
    "name", ["jimeng-9", "", "HIGH_AES_GENERAL_V40", "即梦", None, 4.0, ["4.0"]]
)
def test_an_unknown_model_lists_those_there_are(find, models, name):
    with pytest.raises(InvalidRequest) as caught:
        find(name)
    assert caught.value.field == "model"
    assert caught.value.allowed == tuple(model.name for model in models)


def test_what_a_model_takes_when_nothing_is_said():
    resolutions = {alias: image_model(alias).default_resolution for alias in KEYS}
    assert {alias for alias, text in resolutions.items() if text == "1k"} == {"3.1", "3.0"}
    assert set(resolutions.values()) == {"1k", "2k"}
    assert video_model("3.0").default_resolution == "720p"
    assert video_model("3.0-pro").default_resolution == "1080p"


def test_counts():
    assert image_model("4.0").counts == tuple(range(1, 9))
    assert image_model("5.0-flash").counts == (1, 2, 3, 4)
    assert image_model("3.0").counts == (4,)


def test_every_model_can_be_asked_for():
    for model in IMAGE_MODELS:
        assert model.regions
        assert set(model.resolutions) <= set(IMAGE_SIZES)
        assert 4 in model.counts  # the default of a request
    for video in VIDEO_MODELS:
        assert video.regions
        assert 5 in video.durations
        assert video.benefit


def test_the_defaults_work_in_every_region():
    assert image_model(DEFAULT_IMAGE_MODEL).regions == set(Region)
    assert video_model(DEFAULT_VIDEO_MODEL).regions == set(Region)
