"""`models`: the catalogue for people and as JSON."""

import attrs
import pytest

import dreamina_async as da
from dreamina_async.cli.models import show
from dreamina_async.cli.output import Output


def shown(models, capsys):
    show(models, Output())
    return capsys.readouterr().out.splitlines()


def test_every_model_has_its_row_and_no_line_is_too_wide(cli):
    lines = cli("models").out.splitlines()
    assert max(map(len, lines)) <= 100
    for model in (*da.IMAGE_MODELS, *da.VIDEO_MODELS):
        (row,) = [
            line
            for line in lines
            if line.startswith((f"  {model.name} ", f"  {model.name}?"))
            and line.endswith(tuple(region.name for region in model.regions))
        ]
        assert f"{model.default_resolution}*" in row or not model.resolutions


def test_a_row(cli):
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in cli("models").out.splitlines()}
    row = "1k 2k* 4k         1 to 8       10   1k 0.25, 2k 4     CN US HK JP SG"
    assert rows["jimeng-image-4.1"].strip() == row
    assert "4, 8 or 12" in rows["sora2"]
    assert "480p 720p* 1080p  4 to 30" in rows["seedance-2.5"]


def test_each_table_of_sizes_stands_once_and_says_whose_it_is(cli):
    out = cli("models").out
    for size in ("1328×1328", "2048×2048", "6197×2656", "1195×512"):
        assert out.count(size) == 1
    assert "of jimeng-image-5.0-pro, mj82, nanobanana, nanobananapro:" in out
    assert "nanobanana in the US: 1024×1024 only" in out


def test_json_has_it_all(cli):
    found = {model["name"]: model for model in cli("models", "--json").events}
    image = found["jimeng-image-5.0-pro"]
    assert image["sizes"]["1k"]["21:9"] == [1195, 512]
    assert (image["default_count"], image["max_references"]) == (2, 10)
    assert image["credits_per_image"] == {"2k": 8.0}
    assert found["jimeng-image-3.1"]["international_key"].startswith("high_aes_general_v30l_art:")
    assert found["nanobanana"]["us_size"]["resolution_type"] == "2k"
    assert found["gpt-image-2"]["guessed"] is True
    video = found["seedance-2.0-mini"]
    assert video["durations"] == list(range(4, 16))
    assert video["ratios"] == list(da.VIDEO_RATIOS)
    assert video["benefit"] == "seedance_20_mini_720p_output"
    assert video["credits_for_five_seconds"] == {"720p": 24.0}


def test_models_that_the_service_has_told_of(capsys):
    image = attrs.evolve(
        da.image_model("key:" + "n" * 40), resolutions=("2k",), sizes={"2k": {"1:1": (9, 9)}}
    )
    video = attrs.evolve(da.video_model("key:new"), resolutions=(), durations=())
    lines = shown([image, video], capsys)
    assert any(line.startswith(f"  {image.name}? 2k*") for line in lines)
    assert "        1:1 9×9" in lines
    assert any(line.startswith("  key:new? ") for line in lines)


@pytest.mark.parametrize("model", [da.IMAGE_MODELS[0], da.VIDEO_MODELS[0]])
def test_one_kind_alone(model, capsys):
    lines = shown([model], capsys)
    other = "Video models" if isinstance(model, da.ImageModel) else "Image models"
    assert model.name in lines[1]
    assert not any(line.startswith(other) for line in lines)
