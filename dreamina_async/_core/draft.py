"""`draft_content` and `metrics_extra`: the two JSON documents inside a generate request.

Shapes: S3 (captured 2025-09) with the `gen_option` of the WWW capture (2026-02) for images,
IPT and ZHD for blends and videos (protocol notes 2.2, 2.3, 3.1, 3.2).

Every node carries a `type` and an `id` (without them: 1002). The ids are derived from the
submit id, so that one job has one body however often it is encoded.
"""

import json
from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

from attrs import frozen

from dreamina_async.catalogue import image_model, video_model
from dreamina_async.credentials import Region
from dreamina_async.images import ImageRef
from dreamina_async.requests import ImageRequest, VideoRequest

JsonObject = dict[str, Any]

_IMAGE_MIN_VERSION = "3.0.2"
_BLEND_MIN_VERSION = "3.2.9"
_VIDEO_MIN_VERSION = "3.0.5"
_FRAMES_PER_SECOND = 24


@frozen
class Stamp:
    """What a draft needs beside the request: its identity, versions, time and place."""

    submit_id: str
    da_version: str
    now: float
    region: Region = Region.CN

    def node(self, name: str, /, **members: Any) -> JsonObject:
        return {"type": "", "id": self.node_id(name), **members}

    def node_id(self, name: str) -> str:
        return str(uuid5(UUID(self.submit_id), name))

    def metadata(self) -> JsonObject:
        return self.node(
            "metadata",
            created_platform=3,
            created_platform_version="",
            created_time_in_ms=str(int(self.now * 1000)),
            created_did="",
        )


def dumps(value: Any) -> str:
    """Compact JSON; characters of any language as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def seed_of(request: ImageRequest | VideoRequest, submit_id: str) -> int:
    """The seed to send: the user's, or one drawn from the submit id.

    Clients draw from [2.5e9, 2.6e9) (S4, ZHI, IPT), so that is where ours lies.
    """
    if request.seed is not None:
        return request.seed
    digest = sha256(submit_id.encode()).digest()
    return 2_500_000_000 + int.from_bytes(digest[:8]) % 100_000_000


def image_draft(
    request: ImageRequest, stamp: Stamp, references: Sequence[ImageRef] = ()
) -> JsonObject:
    if not references:
        return _draft(stamp, _IMAGE_MIN_VERSION, _generate_component(request, stamp))
    return _draft(stamp, _BLEND_MIN_VERSION, _blend_component(request, stamp, references))


def video_draft(
    request: VideoRequest, stamp: Stamp, metrics: str, frames: Sequence[ImageRef] = ()
) -> JsonObject:
    return _draft(stamp, _VIDEO_MIN_VERSION, _video_component(request, stamp, metrics, frames))


def _draft(stamp: Stamp, min_version: str, component: JsonObject) -> JsonObject:
    return {
        "type": "draft",
        "id": stamp.node_id("draft"),
        "min_version": min_version,
        "min_features": [],
        "is_from_tsn": True,
        "version": stamp.da_version,
        "main_component_id": component["id"],
        "component_list": [component],
    }


def _generate_component(request: ImageRequest, stamp: Stamp) -> JsonObject:
    core = _core_param(request, stamp, generate_type=0)
    core |= {"negative_prompt": request.negative_prompt, "seed": seed_of(request, stamp.submit_id)}
    if request.intelligent_ratio:
        del core["image_ratio"]  # as IPT does; the size is only a hint then
    return _image_component(stamp, request, "generate", stamp.node("generate", core_param=core))


def _image_component(
    stamp: Stamp, request: ImageRequest, ability: str, node: JsonObject
) -> JsonObject:
    return {
        "type": "image_base_component",
        "id": stamp.node_id("component"),
        "min_version": _IMAGE_MIN_VERSION,
        "aigc_mode": "workbench",
        "metadata": stamp.metadata(),
        "generate_type": ability,
        "abilities": stamp.node(
            "abilities",
            **{ability: node},
            # beside the ability, not inside it: there it is ignored (AIC) or refused (JSP)
            gen_option=stamp.node("gen_option", gen_count=request.count, generate_all=False),
        ),
    }


def _core_param(request: ImageRequest, stamp: Stamp, **more: Any) -> JsonObject:
    model = image_model(request.model)
    resolution = request.resolution or model.default_resolution
    size = model.size(resolution, request.ratio, stamp.region)
    return stamp.node(
        "core_param",
        model=model.key_in(stamp.region),
        prompt=request.prompt,
        sample_strength=request.sample_strength,
        image_ratio=size.ratio_code,
        large_image_info=stamp.node(
            "large_image_info",
            height=size.height,
            width=size.width,
            resolution_type=size.resolution_type,
        ),
        intelligent_ratio=request.intelligent_ratio,
        **more,
    )


def _blend_component(
    request: ImageRequest, stamp: Stamp, references: Sequence[ImageRef]
) -> JsonObject:
    """Image to image: one ability and one placeholder for each reference (IPT, AIC)."""
    core = _core_param(request, stamp)
    core["prompt"] = "##" * len(references) + request.prompt
    # no capture of a blend has these two, so they are sent only for somebody who wants them
    if request.negative_prompt:
        core["negative_prompt"] = request.negative_prompt
    if request.seed is not None:
        core["seed"] = request.seed
    blend = stamp.node(
        "blend",
        min_features=[],
        core_param=core,
        ability_list=[
            _byte_edit(request, stamp, reference, index)
            for index, reference in enumerate(references)
        ],
        history_option=stamp.node("history_option"),
        prompt_placeholder_info_list=[
            stamp.node(f"placeholder-{index}", ability_index=index)
            for index in range(len(references))
        ],
        postedit_param=stamp.node("postedit_param", generate_type=0),
    )
    if len(references) > 1:
        blend["min_version"] = _BLEND_MIN_VERSION
    return _image_component(stamp, request, "blend", blend)


def _byte_edit(request: ImageRequest, stamp: Stamp, image: ImageRef, index: int) -> JsonObject:
    return stamp.node(
        f"ability-{index}",
        name="byte_edit",
        image_uri_list=[image.uri],
        image_list=[_image(stamp, f"reference-{index}", image)],
        strength=request.sample_strength,
    )


def _image(stamp: Stamp, name: str, image: ImageRef) -> JsonObject:
    """An uploaded image inside a draft; zeros and an empty format are accepted (IPT, ZHI)."""
    return {
        "type": "image",
        "id": stamp.node_id(name),
        "source_from": "upload",
        "platform_type": 1,
        "name": "",
        "image_uri": image.uri,
        "width": image.width,
        "height": image.height,
        "format": image.format,
        "uri": image.uri,
    }


def _video_component(
    request: VideoRequest, stamp: Stamp, metrics: str, frames: Sequence[ImageRef]
) -> JsonObject:
    params = stamp.node(
        "text_to_video_params",
        video_gen_inputs=[_video_input(request, stamp, frames)],
        video_aspect_ratio=request.ratio,
        seed=seed_of(request, stamp.submit_id),
        model_req_key=video_model(request.model).key,
        priority=0,
    )
    return {
        "type": "video_base_component",
        "id": stamp.node_id("component"),
        "min_version": "1.0.0",
        "aigc_mode": "workbench",
        "metadata": stamp.metadata(),
        "generate_type": "gen_video",
        "process_type": 1,
        "abilities": stamp.node(
            "abilities",
            gen_video=stamp.node(
                "gen_video", text_to_video_params=params, video_task_extra=metrics
            ),
        ),
    }


def _video_input(request: VideoRequest, stamp: Stamp, frames: Sequence[ImageRef]) -> JsonObject:
    names = ("first_frame_image", "end_frame_image")
    images = {name: _image(stamp, name, one) for name, one in zip(names, frames, strict=False)}
    resolution = request.resolution or video_model(request.model).default_resolution
    return stamp.node(
        "video_gen_input",
        min_version=_VIDEO_MIN_VERSION,
        prompt=request.prompt,
        video_mode=2,  # ZHI sends 0 with frames; IPT, F3L and a capture (ASL) do not
        fps=_FRAMES_PER_SECOND,
        duration_ms=request.duration * 1000,
        # models without a choice take none (F3L)
        **({"resolution": resolution} if resolution else {}),
        **{name: images.get(name) for name in names},
        idip_meta_list=[],
    )


def image_metrics(submit_id: str) -> JsonObject:
    """Telemetry of the web page (S3); it does not control the number of images."""
    return {
        "promptSource": "custom",
        "generateCount": 1,
        "enterFrom": "click",
        "generateId": submit_id,
        "isRegenerate": False,
    }


def video_metrics(submit_id: str, *, frames: bool = False) -> JsonObject:
    """Telemetry of the web page for videos (ZHI: these five keys suffice; F3L: the mode)."""
    mode = {"functionMode": "first_last_frames"} if frames else {}
    return {
        **mode,
        "promptSource": "custom",
        "isDefaultSeed": 1,
        "originSubmitId": submit_id,
        "isRegenerate": False,
        "enterFrom": "click",
    }
