"""The service's own tables of models: `get_common_config` for images and for videos.

Images: protocol notes 2.4 (AIC 11, JSP). For videos they name the call and `model_list[]`;
the fields read here are those that public clients read from it. A model that the catalogue
has keeps its name, regions and prices, and everything that the reply does not say; any other
gets a name that can be asked for, `key:...`. Prices are never read: no field is known to be one.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from attrs import evolve

from dreamina_async._core.calls import post, versions
from dreamina_async._core.envelope import open_envelope
from dreamina_async._core.profile import Caller
from dreamina_async._core.reading import Reader, as_list, unreadable
from dreamina_async._core.wire import HttpRequest, HttpResponse
from dreamina_async.catalogue import (
    IMAGE_MODELS,
    IMAGE_RATIOS,
    PASSED_ON,
    VIDEO_MODELS,
    ImageModel,
    Size,
    VideoModel,
    image_model,
    is_model_key,
    video_model,
)

IMAGE_CONFIG_PATH = "/mweb/v1/get_common_config"
VIDEO_CONFIG_PATH = "/mweb/v1/video_generate/get_common_config"

_MOST_IMAGES = 100
_MOST_SECONDS = 3600
_MOST_PIXELS = 100_000
_FRAMES_PER_SECOND = 24

_IMAGES = {key: model for model in IMAGE_MODELS for key in model.keys}
_VIDEOS = {key: model for model in VIDEO_MODELS for key in model.keys}
_RATIO_OF = {code: ratio for ratio, code in IMAGE_RATIOS.items()}
_RESOLUTION = re.compile(r"[0-9A-Za-z.]{1,16}")
_RATIO = re.compile(r"[0-9]{1,3}:[0-9]{1,3}")

_Model = TypeVar("_Model")


def encode_image_config(caller: Caller, now: float) -> HttpRequest:
    """Ask what image models the account has; free (AIC 11)."""
    page = "/ai-tool/generate?type=image"
    return post(IMAGE_CONFIG_PATH, versions(caller), {}, page, caller, now)


def encode_video_config(caller: Caller, now: float) -> HttpRequest:
    """Ask what video models the account has; free (AIC 11)."""
    body = {"scene": "generate_video", "params": {"needCache": True}}
    page = "/ai-tool/generate?type=video"
    return post(VIDEO_CONFIG_PATH, versions(caller), body, page, caller, now)


def decode_image_config(response: HttpResponse, now: float) -> tuple[ImageModel, ...]:
    """The image models that the account has, in the service's order.

    Raises:
        ApiError: a readable refusal.
        ProtocolError: there is no list of models in the reply.
    """
    return _each(_data(response, now), _image)


def decode_video_config(response: HttpResponse, now: float) -> tuple[VideoModel, ...]:
    """The video models that the account has, in the service's order.

    Raises:
        ApiError: a readable refusal.
        ProtocolError: there is no list of models in the reply.
    """
    data = _data(response, now)
    slider = _slider(data)
    return _each(data, lambda key, row: _video(key, row, slider))


def _data(response: HttpResponse, now: float) -> Reader:
    root, logid = open_envelope(response, "models", now)
    data = root.object("data")
    if as_list(data.raw("model_list")) is None:
        raise unreadable("it lists no models", response.body, status=200, logid=logid, charged="no")
    return data


def _each(data: Reader, read: Callable[[str, Reader], _Model]) -> tuple[_Model, ...]:
    rows: dict[str, _Model] = {}
    for row in data.objects("model_list"):
        key = row.text("model_req_key")
        if key is not None and is_model_key(key) and key not in rows:
            rows[key] = read(key, row)
    return tuple(rows.values())


# --- images ------------------------------------------------------------------------------------


def _image(key: str, row: Reader) -> ImageModel:
    ours = _IMAGES.get(key) or image_model(PASSED_ON + key)
    sizes = _sizes(row.object("resolution_map"))
    resolutions = tuple(sizes) or ours.resolutions
    counts = _counts(row)  # null where the number cannot be chosen (AIC)
    return evolve(
        ours,
        label=_label(row),
        resolutions=resolutions,
        default_resolution=_first_of(
            resolutions, row.text("default_resolution_type"), ours.default_resolution
        ),
        sizes=sizes or ours.sizes,
        counts=counts or ours.counts,
        default_count=row.integer("default_generate_count", least=1, most=_MOST_IMAGES)
        or ours.default_count,
        max_references=_most_references(row, ours.max_references),
        guessed=ours.guessed and not (sizes and counts),
    )


def _sizes(resolutions: Reader) -> dict[str, dict[str, Size]]:
    tables = {
        name: dict(_pixels(resolutions.object(name)))
        for name in resolutions.value
        if _RESOLUTION.fullmatch(name)
    }
    return {name: table for name, table in tables.items() if table}


def _pixels(resolution: Reader) -> Iterator[tuple[str, Size]]:
    for row in resolution.objects("image_ratio_sizes"):
        ratio = _RATIO_OF.get(row.integer("ratio_type") or 0)
        width = row.integer("width", least=1, most=_MOST_PIXELS)
        height = row.integer("height", least=1, most=_MOST_PIXELS)
        if ratio and width and height:
            yield ratio, (width, height)


def _counts(row: Reader) -> tuple[int, ...]:
    return _numbers(row.list("generate_count_options"), _MOST_IMAGES)


def _most_references(row: Reader, otherwise: int) -> int:
    for limit in row.objects("input_image_limit"):
        if limit.text("ability_name") == "byte_edit":
            found = limit.integer("max_image_num", most=_MOST_IMAGES)
            return otherwise if found is None else found
    return otherwise


# --- videos ------------------------------------------------------------------------------------


def _video(key: str, row: Reader, slider: tuple[int, ...]) -> VideoModel:
    ours = _VIDEOS.get(key) or _unlisted_video(key, slider)
    options = _options(row)
    resolution = options.get("resolution", Reader({}))
    resolutions = _texts(resolution, _RESOLUTION)
    durations = _durations(options.get("frames", Reader({})))
    chosen = resolution.integer("default_val_idx", most=len(resolutions) - 1)
    default = _first_of(
        resolutions or ours.resolutions,
        resolutions[chosen] if resolutions and chosen is not None else None,
        ours.default_resolution,
    )
    return evolve(
        ours,
        label=_label(row),
        resolutions=resolutions or ours.resolutions,
        default_resolution=default,
        durations=durations or ours.durations,
        ratios=_texts(options.get("video_aspect_ratio", Reader({})), _RATIO) or ours.ratios,
        benefit=ours.benefit or _benefit(row, default),
        guessed=ours.guessed and not (resolutions and durations),
    )


def _unlisted_video(key: str, slider: tuple[int, ...]) -> VideoModel:
    # what nobody says of it stays empty, rather than being all there is
    guess = video_model(PASSED_ON + key)
    return evolve(guess, durations=slider, resolutions=(), default_resolution="")


def _slider(data: Reader) -> tuple[int, ...]:
    """The seconds that the web page offers for every model alike."""
    span = data.object("video_duration_display_range")
    least = span.integer("min_duration_ms", least=1000, most=_MOST_SECONDS * 1000)
    most = span.integer("max_duration_ms", least=1000, most=_MOST_SECONDS * 1000)
    return tuple(range(least // 1000, most // 1000 + 1)) if least and most else ()


def _options(row: Reader) -> dict[str, Reader]:
    """What can be chosen, by name; `forbidden_display` is what the page does not offer."""
    return {
        name: option.object("enum_val")
        for option in row.objects("options")
        if (name := option.text("key")) and option.raw("forbidden_display") is not True
    }


def _durations(frames: Reader) -> tuple[int, ...]:
    found = _numbers(frames.list("int_value"), _MOST_SECONDS * _FRAMES_PER_SECOND)
    whole = {number // _FRAMES_PER_SECOND for number in found if number % _FRAMES_PER_SECOND == 0}
    return tuple(sorted(whole))


def _benefit(row: Reader, resolution: str) -> str:
    for priced in row.object("commercial_config").objects("resolution_price_configs"):
        if priced.text("resolution") == resolution:
            return priced.object("price").identifier("benefit_type") or ""
    return ""


# --- either ------------------------------------------------------------------------------------


def _label(row: Reader) -> str:
    return (row.text("model_name", limit=80) or "").strip()


def _texts(choices: Reader, pattern: re.Pattern[str]) -> tuple[str, ...]:
    texts = [one for one in choices.list("string_value") if isinstance(one, str)]
    return tuple(dict.fromkeys(one for one in texts if pattern.fullmatch(one)))


def _numbers(values: tuple[Any, ...], most: int) -> tuple[int, ...]:
    numbers = {one for one in values if type(one) is int and 1 <= one <= most}
    return tuple(sorted(numbers))


def _first_of(allowed: tuple[str, ...], *wishes: str | None) -> str:
    for wish in (*wishes, *allowed[:1]):
        if wish is not None and wish in allowed:
            return wish
    return ""
