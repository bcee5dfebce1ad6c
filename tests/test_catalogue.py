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
    ImageModel,
    SizeChoice,
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


# protocol notes 2.4: name, counts (default), references, regions, key; and 3.4
IMAGES = """
4.0            1-8 (4) 10 all     high_aes_general_v40
4.1            1-8 (4) 10 all     high_aes_general_v41
4.5            1-8 (4) 10 all     high_aes_general_v40l
4.6            1-8 (4) 10 cn+asia high_aes_general_v42
4.7            1-8 (4) 10 cn      high_aes_general_v43
5.0            1-8 (4) 10 cn+asia high_aes_general_v50
5.0-flash      1-4 (4) 10 cn      high_aes_general_v50_flash
5.0-pro        1-4 (2) 10 cn      high_aes_general_v50p_large
3.1            4-4 (4) 10 all     high_aes_general_v30l_art_fangzhou:general_v3.0_18b
3.0            4-4 (4) 10 all     high_aes_general_v30l:general_v3.0_18b
2.1            4-4 (4) 10 cn      high_aes_general_v21_L:general_v2.1_L
2.0-pro        4-4 (4) 10 cn      high_aes_general_v20_L:general_v2.0_L
2.0            4-4 (4) 10 cn      high_aes_general_v20:general_v2.0
1.4            4-4 (4) 10 cn      high_aes_general_v14:general_v1.4
xl-pro         4-4 (4) 10 cn      text2img_xl_sft
mj82           1-4 (4) 20 cn      jm_image_model_yc_mj82
nanobanana     4-4 (4) 10 abroad  external_model_gemini_flash_image_v25
nanobananapro  4-4 (4) 10 abroad  dreamina_image_lib_1
dreamina-lib-20260423   1-8 (4) 10 abroad dreamina_lib_img_20260423
gpt-image-2             1-8 (4) 10 us     gpt_image_2
gemini-3-image-pro      1-8 (4) 10 us     gemini_3_image_pro
gpt-image-2.5-flare     1-8 (4) 10 us     dreamina_gpt_image_2_5_flare
gpt-image-2.5-sunburst  1-8 (4) 10 us     dreamina_gpt_image_2_5_sunburst
"""
VIDEOS = """
3.0           5-10 all     dreamina_ic_generate_video_model_vgfm_3.0
3.0-fast      5-10 cn+asia dreamina_ic_generate_video_model_vgfm_3.0_fast
3.0-pro       3-10 cn+asia dreamina_ic_generate_video_model_vgfm_3.0_pro
3.5-pro       4-12 all     dreamina_ic_generate_video_model_vgfm_3.5_pro
s2.0          5-10 cn+asia dreamina_ic_generate_video_model_vgfm_lite
2.0-pro       5-10 cn+asia dreamina_ic_generate_video_model_vgfm1.0
seedance-2.5           4-30 cn   dreamina_seedance_45_pro
seedance-2.0           4-15 cn   dreamina_seedance_40_pro
seedance-2.0-fast      4-15 cn   dreamina_seedance_40
seedance-2.0-vip       4-15 cn   dreamina_seedance_40_pro_vision
seedance-2.0-fast-vip  4-15 cn   dreamina_seedance_40_vision
seedance-2.0-mini      4-15 cn   dreamina_seedance_40_mini
veo3          8-8  asia    dreamina_veo3_generate_video
veo3.1        8-8  asia    dreamina_veo3.1_generate_video
sora2         4-12 asia    dreamina_sora2_generate_video
"""
REGIONS = {
    "all": "CN US HK JP SG",
    "cn": "CN",
    "us": "US",
    "asia": "HK JP SG",
    "cn+asia": "CN HK JP SG",
    "abroad": "US HK JP SG",
}
IMAGE_ROWS = [line.split() for line in IMAGES.strip().splitlines()]
VIDEO_ROWS = [line.split() for line in VIDEOS.strip().splitlines()]
KEYS = {row[0]: row[-1] for row in IMAGE_ROWS}
VIDEO_KEYS = {row[0]: row[-1] for row in VIDEO_ROWS}


def regions(text):
    return {Region[name] for name in REGIONS[text].split()}


@pytest.mark.parametrize("row", IMAGE_ROWS, ids=lambda row: row[0])
def test_an_image_model_is_as_the_notes_have_it(row):
    name, counts, default, references, where, key = row
    model = image_model(name)
    assert model.key == key
    assert f"{model.counts[0]}-{model.counts[-1]}" == counts
    assert f"({model.default_count})" == default
    assert model.max_references == int(references)
    assert model.regions == regions(where)


@pytest.mark.parametrize("row", VIDEO_ROWS, ids=lambda row: row[0])
def test_a_video_model_is_as_the_notes_have_it(row):
    name, durations, where, key = row
    model = video_model(name)
    assert model.key == key
    assert f"{model.durations[0]}-{model.durations[-1]}" == durations
    assert model.regions == regions(where)


def test_the_notes_have_no_further_models():
    assert [model.key for model in IMAGE_MODELS] == list(KEYS.values())
    assert [model.key for model in VIDEO_MODELS] == list(VIDEO_KEYS.values())


@pytest.mark.parametrize(("alias", "key"), KEYS.items())
def test_an_image_model_is_found_by_name_alias_and_key(alias, key):
    model = image_model(alias)
    assert model.key == key
    assert image_model(key) is image_model(model.name) is model


@pytest.mark.parametrize(("alias", "key"), VIDEO_KEYS.items())
def test_a_video_model_is_found_by_name_alias_and_key(alias, key):
    model = video_model(alias)
    assert model.key == key
    assert video_model(key) is video_model(model.name) is model


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("jimeng-4.5", "jimeng-image-4.5"),
        ("5.0 Pro", "jimeng-image-5.0-pro"),
        ("5.0 Lite", "jimeng-image-5.0"),
        ("Jimeng-Image-4.0", "jimeng-image-4.0"),
        (" XL-Pro ", "jimeng-image-xl-pro"),
        ("jimeng-mj82", "mj82"),
    ],
)
def test_a_name_may_be_written_as_it_is_displayed(spelling, name):
    assert image_model(spelling).name == name


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("Seedance 2.0 fast VIP", "seedance-2.0-fast-vip"),
        ("2.0 mini", "seedance-2.0-mini"),
        ("jimeng-video-seedance-2.0", "seedance-2.0"),
        ("2.0 pro", "jimeng-video-2.0-pro"),
        ("S2.0", "jimeng-video-s2.0"),
        ("Seedance 1.5 pro", "jimeng-video-3.5-pro"),
        ("jimeng-video-veo3.1", "veo3.1"),
    ],
)
def test_so_may_a_videos(spelling, name):
    assert video_model(spelling).name == name


@pytest.mark.parametrize("models", [IMAGE_MODELS, VIDEO_MODELS])
def test_no_two_models_answer_to_one_name(models):
    names = [name for model in models for name in {*model.names, *model.keys}]
    assert len(names) == len(set(names))
    assert all(name == name.lower() for model in models for name in model.names)


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


@pytest.mark.parametrize(
    ("find", "typed", "meant"),
    [
        (image_model, "jimeng-image-45", "jimeng-image-4.5"),
        (image_model, "nanobannana", "nanobanana"),
        (video_model, "seedence-2.0-mini", "seedance-2.0-mini"),
    ],
)
def test_a_misspelt_model_is_told_the_close_one(find, typed, meant):
    with pytest.raises(InvalidRequest, match=f"did you mean {meant}\\?") as caught:
        find(typed)
    assert "key:" in str(caught.value)


def test_nothing_close_is_no_advice():
    with pytest.raises(InvalidRequest) as caught:
        image_model("x" * 1_000_000)
    assert "did you mean" not in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_an_unlisted_model_is_passed_on_on_purpose():
    image = image_model("key:some_new_model")
    assert (image.name, image.key) == ("key:some_new_model", "some_new_model")
    assert image.counts == tuple(range(1, 9))
    assert set(image.resolutions) == set(IMAGE_SIZES)
    assert image.regions == set(Region)
    assert image.guessed
    assert image.price("2k", 4) is None
    assert image.size("2k", "16:9", Region.CN) == SizeChoice(2560, 1440, "2k", 3)
    video = video_model("key:Some.new:Model")
    assert video.key == "Some.new:Model"
    assert video.durations == tuple(range(1, 61))
    assert video.resolutions == ("480p", "720p", "1080p", "4k")
    assert video.benefit == ""
    assert video.guessed
    assert video.price("720p", 5) is None


def test_a_key_that_is_listed_may_be_passed_on_too():
    model = image_model("key:high_aes_general_v30l:general_v3.0_18b")
    assert model.key == KEYS["3.0"]
    assert 1 in model.counts


@pytest.mark.parametrize("find", [image_model, video_model])
@pytest.mark.parametrize("key", ["", "a b", "模型", "a\nb", "a\0", "é", "k" * 129])
def test_what_is_no_key(find, key):
    with pytest.raises(InvalidRequest) as caught:
        find(f"key:{key}")
    assert caught.value.field == "model"
    assert find(f"key:{'k' * 128}").key == "k" * 128


def test_what_a_model_takes_when_nothing_is_said():
    defaults = {alias: image_model(alias).default_resolution for alias in KEYS}
    small = {alias for alias, text in defaults.items() if text == "1k"}
    assert small == {"3.1", "3.0", "2.1", "2.0-pro", "2.0", "1.4", "xl-pro", "mj82", "nanobanana"}
    assert set(defaults.values()) == {"1k", "2k"}
    assert video_model("3.0").default_resolution == "720p"
    assert video_model("3.0-pro").default_resolution == "1080p"
    assert video_model("seedance-2.5").default_resolution == "720p"
    assert video_model("veo3").default_resolution == ""


def test_every_model_can_be_asked_for():
    for model in IMAGE_MODELS:
        assert model.regions
        assert model.default_count in model.counts
        assert 4 in model.counts  # the default of a request
        for region in model.regions:
            assert model.size(model.default_resolution, "1:1", region)
            assert model.key_in(region) in model.keys
    for video in VIDEO_MODELS:
        assert video.regions
        assert video.benefit
        assert video.ratios == VIDEO_RATIOS
        assert video.default_resolution in (video.resolutions or ("",))


def test_the_defaults_work_in_every_region():
    assert image_model(DEFAULT_IMAGE_MODEL).regions == set(Region)
    assert video_model(DEFAULT_VIDEO_MODEL).regions == set(Region)


def test_only_two_video_models_are_offered_in_the_us():
    names = {model.name for model in VIDEO_MODELS if Region.US in model.regions}
    assert names == {"jimeng-video-3.0", "jimeng-video-3.5-pro"}


def test_one_model_has_another_key_abroad():
    model = image_model("3.1")
    abroad = "high_aes_general_v30l_art:general_v3.0_18b"
    assert model.key_in(Region.CN) == KEYS["3.1"]
    assert {model.key_in(region) for region in Region if region is not Region.CN} == {abroad}
    assert image_model(abroad) is model
    assert {image_model("4.0").key_in(region) for region in Region} == {KEYS["4.0"]}


def test_which_models_choose_the_ratio_by_themselves():
    found = {alias for alias in KEYS if image_model(alias).intelligent_ratio}
    assert found == {"4.0", "4.1", "4.5", "4.6", "5.0"}


def test_which_models_are_guesswork():
    found = {model.name for model in IMAGE_MODELS if model.guessed}
    assert found == {
        "dreamina-lib-20260423",
        "gpt-image-2",
        "gemini-3-image-pro",
        "gpt-image-2.5-flare",
        "gpt-image-2.5-sunburst",
    }
    assert not any(model.guessed for model in VIDEO_MODELS)


# protocol notes 2.5: the two tables for 1k
SMALL_1K = """
1:1 1024x1024  4:3 1024x768  3:4 768x1024  16:9 1024x576
9:16 576x1024  3:2 1024x682  2:3 682x1024  21:9 1195x512
"""


@pytest.mark.parametrize("name", ["mj82", "nanobanana", "nanobananapro", "5.0-pro"])
def test_newer_models_have_a_smaller_1k(name):
    words = SMALL_1K.split()
    for ratio, size in zip(words[::2], words[1::2], strict=True):
        choice = image_model(name).size("1k", ratio, Region.SG)
        assert f"{choice.width}x{choice.height}" == size
        assert (choice.resolution_type, choice.ratio_code) == ("1k", IMAGE_RATIOS[ratio])


@pytest.mark.parametrize("name", ["4.0", "4.6", "3.0", "2.1"])
def test_1k_of_the_others_is_what_real_logs_show(name):
    choice = image_model(name).size("1k", "1:1", Region.CN)
    assert choice == SizeChoice(1328, 1328, "1k", 1)


def test_4k_is_the_official_table():
    assert image_model("nanobananapro").size("4k", "16:9", Region.JP) == SizeChoice(
        5404, 3040, "4k", 3
    )


def test_nanobanana_has_one_shape_in_the_us():
    model = image_model("nanobanana")
    assert model.size("1k", "1:1", Region.US) == SizeChoice(1024, 1024, "2k", 1)
    assert model.size("1k", "16:9", Region.HK) == SizeChoice(1024, 576, "1k", 3)
    with pytest.raises(InvalidRequest) as caught:
        model.size("1k", "16:9", Region.US)
    assert (caught.value.field, caught.value.allowed) == ("ratio", ("1:1",))


@pytest.mark.parametrize(
    ("resolution", "ratio", "field"),
    [("1k", "1:1", "resolution"), ("8k", "1:1", "resolution"), ("2k", "5:4", "ratio")],
)
def test_a_size_that_there_is_not(resolution, ratio, field):
    with pytest.raises(InvalidRequest) as caught:
        image_model("4.7").size(resolution, ratio, Region.CN)
    assert caught.value.field == field
    assert caught.value.allowed


def test_a_model_with_tables_of_its_own():
    model = ImageModel("x", "x", ("2k",), sizes={"2k": {"3:2": (30, 20)}})
    assert model.ratios == ("3:2",)
    assert model.size("2k", "3:2", Region.CN) == SizeChoice(30, 20, "2k", 7)
    assert image_model("4.0").ratios == tuple(IMAGE_RATIOS)


# protocol notes 2.6 and 7
@pytest.mark.parametrize(
    ("name", "resolution", "count", "references", "cost"),
    [
        ("4.0", "2k", 4, 0, 16),
        ("4.7", "2k", 1, 0, 4),
        ("4.0", "1k", 4, 0, 1),
        ("4.1", "1k", 4, 3, 2),
        ("4.1", "2k", 4, 1, None),
        ("4.0", "4k", 1, 0, None),
        ("5.0", "2k", 1, 0, 3),
        ("5.0-flash", "1.5k", 2, 0, 6),
        ("5.0-pro", "2k", 2, 0, 16),
        ("5.0-pro", "1k", 2, 0, None),
        ("mj82", "1k", 4, 0, 20),
        ("mj82", "2k", 4, 0, 28),
        ("3.0", "1k", 4, 0, 4),
        ("3.0", "2k", 4, 0, None),
        ("nanobanana", "1k", 4, 0, None),
    ],
)
def test_what_images_cost(name, resolution, count, references, cost):
    assert image_model(name).price(resolution, count, references) == cost


@pytest.mark.parametrize(
    ("name", "resolution", "seconds", "cost"),
    [
        ("seedance-2.0-mini", "720p", 5, 24),
        ("seedance-2.0-mini", "720p", 10, 48),
        ("seedance-2.0-fast-vip", "720p", 5, 30),
        ("seedance-2.0-vip", "720p", 5, 70),
        ("seedance-2.0-vip", "1080p", 5, None),
        ("seedance-2.5", "480p", 5, 45),
        ("seedance-2.5", "720p", 5, None),
        ("seedance-2.0", "720p", 5, None),
        ("3.0", "720p", 5, None),
    ],
)
def test_what_videos_cost(name, resolution, seconds, cost):
    assert video_model(name).price(resolution, seconds) == cost


# protocol notes 3.4
@pytest.mark.parametrize(
    ("name", "resolution", "benefit"),
    [
        ("seedance-2.0-vip", "720p", "seedance_20_pro_720p_output"),
        ("seedance-2.0-vip", "1080p", "seedance_20_pro_1080p_output"),
        ("seedance-2.0-vip", "4k", "seedance_20_pro_4k_output"),
        ("seedance-2.0-mini", "720p", "seedance_20_mini_720p_output"),
        ("seedance-2.0", "720p", "dreamina_video_seedance_20_pro"),
        ("3.0", "1080p", "basic_video_operation_vgfm_v_three"),
        ("veo3.1", "", "generate_video_veo3.1"),
        ("sora2", "", "generate_video_sora2"),
    ],
)
def test_what_a_video_is_charged_as(name, resolution, benefit):
    assert video_model(name).benefit_in(resolution) == benefit
