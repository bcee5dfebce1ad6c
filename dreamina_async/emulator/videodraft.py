"""Reading the video component of a draft: from text, or from one or two frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .catalogue import VIDEO_RATIOS, VideoModel, video_model
from .envelope import Refusal, refused
from .fields import image_uri, node, number, text
from .order import Order
from .unread import Json, as_list, as_object

if TYPE_CHECKING:
    from .catalogue import Market
    from .sizes import Size
    from .variants import Variants

_MOST_OUTPUTS = 4


@attrs.frozen
class _Frame:
    uri: str = ""
    size: Size = (0, 0)


def read_video(component: Json, extend: Json, market: Market, rules: Variants, ids: Json) -> Order:
    """Read what a video component orders (protocol notes 3.2)."""
    if component.get("generate_type") != "gen_video":
        raise Refusal("1002", "common error: this generate_type is not emulated")
    params = node(component, "abilities", "gen_video", "text_to_video_params")
    key = text(params, "model_req_key", needed=True)
    model = video_model(key, market)
    inputs = as_list(params.get("video_gen_inputs")) or []
    given = as_object(inputs[0]) if inputs else None
    if given is None or len(inputs) > _MOST_OUTPUTS:
        raise Refusal("1002", "common error: video_gen_inputs")
    duration_ms, resolution = _video_length(given, model)
    first, last = _frames(given, rules)
    _check_benefit(extend, model, resolution)
    return Order(
        kind="video",
        model=key,
        model_name=model.name,
        prompt=text(given, "prompt", needed=not first.uri),
        count=len(inputs),
        credits=model.price(duration_ms // 1000, resolution, len(inputs)),
        width=0,
        height=0,
        resolution=resolution,
        ratio=_ratio(params, first),
        seed=number(params, "seed", 0),
        duration_ms=duration_ms,
        first_frame=first.uri,
        last_frame=last.uri,
        frame_size=first.size,
        video_mode=number(given, "video_mode", 2),
        market=market,
        **ids,
    )


def _video_length(given: Json, model: VideoModel) -> tuple[int, str]:
    duration_ms = number(given, "duration_ms", 5000)
    if duration_ms % 1000 or duration_ms // 1000 not in model.durations:
        raise Refusal("1000", "invalid parameter: duration_ms")
    # Left out for models without a choice (protocol notes 3.2).
    resolution = text(given, "resolution") or model.resolutions[0]
    if resolution not in model.resolutions:
        raise Refusal("1000", "invalid parameter: resolution")
    return duration_ms, resolution


def _frames(given: Json, rules: Variants) -> tuple[_Frame, _Frame]:
    first, last = (_frame(given, name) for name in ("first_frame_image", "end_frame_image"))
    if last.uri and not first.uri:
        # Not seen from any client (protocol notes 3.2), so this answer is our choice.
        raise Refusal("1000", "invalid parameter: end_frame_image without first_frame_image")
    mode = number(given, "video_mode", 2)
    expected = 0 if rules.video_mode == "by_frames" and first.uri else 2
    if rules.video_mode != "any" and mode != expected:
        raise Refusal("1000", "invalid parameter: video_mode")
    return first, last


def _frame(given: Json, name: str) -> _Frame:
    if given.get(name) is None:
        return _Frame()
    frame = as_object(given[name]) or {}
    uri = image_uri(frame)
    if not uri:
        raise Refusal("1000", f"invalid parameter: {name}")
    # Zeros are accepted (IPT, ZHI, protocol notes 3.2).
    return _Frame(uri, (number(frame, "width", 0), number(frame, "height", 0)))


def _ratio(params: Json, first: _Frame) -> str:
    """Read the ratio, which a frame overrules (F3L, protocol notes 3.2)."""
    ratio = text(params, "video_aspect_ratio")
    if not first.uri and ratio not in VIDEO_RATIOS:
        raise Refusal("1000", "invalid parameter: video_aspect_ratio")
    return ratio


def _check_benefit(extend: Json, model: VideoModel, resolution: str) -> None:
    """Refuse a wrong ``benefit_type``: the credits cannot be set aside then (INT, notes 3.2)."""
    info = as_object(extend.get("m_video_commerce_info")) or {}
    benefits = model.benefits_at(resolution)
    if benefits and info.get("benefit_type") not in benefits:
        raise refused("1006", "credit pre-deduct failed: benefit_type")
