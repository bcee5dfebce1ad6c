"""Reading a generate request: its bytes become an order, or the refusal the service utters."""

from __future__ import annotations

import json
from typing import Literal

import attrs

from .catalogue import CN_AID, IMAGE_MODELS, VIDEO_MODELS, VIDEO_RATIOS, ImageModel, VideoModel
from .envelope import Refusal
from .sizes import RATIO_CODES, RESOLUTIONS, Size, output_size, resolution_of
from .unread import Json, as_list, as_object

Kind = Literal["image", "video"]


@attrs.frozen(kw_only=True)
class Order:
    """What a generate request asks for."""

    kind: Kind
    submit_id: str
    model: str
    model_name: str
    prompt: str
    count: int
    credits: int
    width: int
    height: int
    resolution: str
    ratio: str = ""
    seed: int | None = None
    duration_ms: int = 0
    first_frame: str = ""
    last_frame: str = ""
    draft_content: str = attrs.field(repr=False)


def read_order(body: Json, aid: str) -> Order:
    """Read the outer body and the draft inside it (protocol notes 2.1, 2.2, 3.2)."""
    submit_id, draft_content = body.get("submit_id"), body.get("draft_content")
    if not isinstance(submit_id, str) or not submit_id or draft_content is None:
        raise Refusal("1000")
    component = _component(_read_draft(draft_content))
    readers = {"image_base_component": _read_image, "video_base_component": _read_video}
    reader = readers.get(component["type"])
    if reader is None:
        raise Refusal("1002", "unknown component")
    return reader(component, aid, {"submit_id": submit_id, "draft_content": draft_content})


def _read_draft(content: object) -> Json:
    if not isinstance(content, str):
        # An object in place of a JSON string was refused like this (protocol notes 2.1).
        raise Refusal("1002", "common error: draft_content is not a string")
    try:
        draft = as_object(json.loads(content))
    except (ValueError, RecursionError):
        raise Refusal("1002", "common error: draft_content is not JSON") from None
    if draft is None:
        raise Refusal("1002")
    _check_nodes(draft)
    return draft


def _check_nodes(node: object) -> None:
    """Refuse a node without ``id`` and ``type`` (protocol notes 2.2)."""
    fields = as_object(node)
    if fields is not None and not (fields.get("id") and isinstance(fields.get("type"), str)):
        raise Refusal("1002", "common error: a draft node lacks id or type")
    for child in fields.values() if fields else as_list(node) or ():
        _check_nodes(child)


def _component(draft: Json) -> Json:
    for each in as_list(draft.get("component_list")) or ():
        component = as_object(each)
        if component is not None and component["id"] == draft.get("main_component_id"):
            return component
    raise Refusal("1002", "common error: main_component_id names no component")


def _node(parent: Json, *path: str) -> Json:
    for name in path:
        child = as_object(parent.get(name))
        if child is None:
            raise Refusal("1002", f"common error: no {name}")
        parent = child
    return parent


def _text(node: Json, name: str, *, needed: bool = False) -> str:
    value = node.get(name, "")
    if not isinstance(value, str) or (needed and not value.strip()):
        raise Refusal("1000", f"invalid parameter: {name}")
    return value


def _number(node: Json, name: str, default: int) -> int:
    value = node.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refusal("1000", f"invalid parameter: {name}")
    return value


def _read_image(component: Json, aid: str, ids: Json) -> Order:
    if component.get("generate_type") != "generate":
        # Blend and post-edit (protocol notes 3.1) are not played yet.
        raise Refusal("1002", "common error: this generate_type is not emulated")
    abilities = _node(component, "abilities")
    core = _node(abilities, "generate", "core_param")
    key = _text(core, "model", needed=True)
    model = IMAGE_MODELS.get(key)
    if model is None or (aid == CN_AID and not model.cn):
        raise Refusal("2061")
    resolution, (width, height) = _image_size(core, model)
    count = _image_count(abilities, model)
    return Order(
        kind="image",
        model=key,
        model_name=model.name,
        prompt=_text(core, "prompt", needed=True),
        count=count,
        credits=model.price(resolution, count),
        width=width,
        height=height,
        resolution=resolution,
        seed=_number(core, "seed", 0),
        **ids,
    )


def _image_size(core: Json, model: ImageModel) -> tuple[str, Size]:
    info = _node(core, "large_image_info")
    width, height = _number(info, "width", 0), _number(info, "height", 0)
    asked = (width, height) if width > 0 and height > 0 else None
    code = _number(core, "image_ratio", 1)
    resolution = info.get("resolution_type") or (asked and resolution_of(asked))
    if not isinstance(resolution, str) or resolution not in RESOLUTIONS or code not in RATIO_CODES:
        raise Refusal("1000", "invalid parameter: resolution_type or image_ratio")
    if resolution not in model.resolutions:
        raise Refusal("1000", f"invalid parameter: {resolution} with this model")
    return resolution, output_size(asked, resolution, code)


def _image_count(abilities: Json, model: ImageModel) -> int:
    """Read ``gen_count``: beside ``generate`` it counts, inside it is ignored (2.2)."""
    option = as_object(abilities.get("gen_option"))
    if not model.most or option is None or "gen_count" not in option:
        return model.default_count
    count = _number(option, "gen_count", model.default_count)
    if not 1 <= count <= model.most:
        raise Refusal("1000", "invalid parameter: gen_count")
    return count


def _read_video(component: Json, aid: str, ids: Json) -> Order:
    if component.get("generate_type") != "gen_video":
        raise Refusal("1002", "common error: this generate_type is not emulated")
    params = _node(component, "abilities", "gen_video", "text_to_video_params")
    key = _text(params, "model_req_key", needed=True)
    model = VIDEO_MODELS.get(key)
    if model is None or (aid == CN_AID and not model.cn):
        raise Refusal("2061")
    inputs = as_list(params.get("video_gen_inputs")) or []
    first = as_object(inputs[0]) if inputs else None
    if first is None or len(inputs) > 4:
        raise Refusal("1002", "common error: video_gen_inputs")
    duration_ms, resolution = _video_length(first, model)
    frames = [_frame(first, name) for name in ("first_frame_image", "end_frame_image")]
    ratio = _text(params, "video_aspect_ratio")
    if not (frames[0] or ratio in VIDEO_RATIOS):
        raise Refusal("1000", "invalid parameter: video_aspect_ratio")
    return Order(
        kind="video",
        model=key,
        model_name=model.name,
        prompt=_text(first, "prompt", needed=not frames[0]),
        count=len(inputs),
        credits=model.price(duration_ms // 1000, len(inputs)),
        width=0,
        height=0,
        resolution=resolution,
        ratio=ratio,
        seed=_number(params, "seed", 0),
        duration_ms=duration_ms,
        first_frame=frames[0],
        last_frame=frames[1],
        **ids,
    )


def _video_length(first: Json, model: VideoModel) -> tuple[int, str]:
    duration_ms = _number(first, "duration_ms", 5000)
    if duration_ms % 1000 or duration_ms // 1000 not in model.durations:
        raise Refusal("1000", "invalid parameter: duration_ms")
    # Left out for models without a choice (protocol notes 3.2).
    resolution = _text(first, "resolution") or model.resolutions[0]
    if resolution not in model.resolutions:
        raise Refusal("1000", "invalid parameter: resolution")
    return duration_ms, resolution


def _frame(first: Json, name: str) -> str:
    if first.get(name) is None:
        return ""
    frame = as_object(first[name]) or {}
    uri = frame.get("image_uri") or frame.get("uri")
    if not isinstance(uri, str) or not uri:
        raise Refusal("1000", f"invalid parameter: {name}")
    return uri
