"""The server's tables of models, made of the emulator's own catalogue (protocol notes 2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .blend import most_references
from .catalogue import IMAGE_MODELS, VIDEO_MODELS, VIDEO_RATIOS, ImageModel, VideoModel
from .sizes import RATIOS, size_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .call import Call
    from .sizes import Size
    from .unread import Json
    from .variants import SizeTables
    from .world import World

# What it declares; a count of 1 is honoured at times all the same (AIC, protocol notes 2.4).
_DECLARED = {"jm_image_model_yc_mj82": [4]}


def image_config(world: World, call: Call) -> Json:
    """List the image models of the caller's region."""
    tables = world.options.size_tables
    offered = [(k, m) for k, m in IMAGE_MODELS.items() if call.market in m.markets]
    return {"model_list": [_image(key, model, tables) for key, model in offered]}


def video_config(_world: World, call: Call) -> Json:
    """List the video models of the caller's region."""
    models = VIDEO_MODELS.items()
    return {"model_list": [_video(k, m) for k, m in models if call.market in m.markets]}


def _image(key: str, model: ImageModel, tables: SizeTables) -> Json:
    counts = list(range(1, model.most + 1)) or [model.default_count]
    return {
        "model_req_key": key,
        "model_name": model.name,
        "feats": ["byte_edit"],
        "generate_count_options": _DECLARED.get(key, counts),
        "default_generate_count": model.default_count,
        "resolution_map": {
            each: _sizes(each, size_table(each, tables, older=model.older))
            for each in model.resolutions
        },
        "default_resolution_type": model.default_resolution,
        "input_image_limit": [{"max_image_num": most_references(key), "ability_name": "byte_edit"}],
        "sample_steps": {"steps": 16, "min": 10, "max": 41},
        "commercial_config": {"commerce_info_map": {}},
    }


def _sizes(resolution: str, table: Mapping[str, Size]) -> Json:
    sizes = [
        {"ratio_type": code, "width": width, "height": height}
        for code, (width, height) in enumerate((table[ratio] for ratio in RATIOS), start=1)
    ]
    return {"image_ratio_sizes": sizes, "resolution_name": resolution.upper()}


def _video(key: str, model: VideoModel) -> Json:
    # Beyond key and name nobody wrote down the fields; these names are ours.
    return {
        "model_req_key": key,
        "model_name": model.name,
        "duration_options": list(model.durations),
        "resolution_options": list(model.resolutions),
        "video_aspect_ratio_options": list(VIDEO_RATIOS),
        "benefit_types": [each for r in model.resolutions for each in model.benefits_at(r)],
    }
