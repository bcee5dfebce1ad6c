"""`draft_content` and `metrics_extra`: the two JSON documents inside a generate request.

Shapes: S3 (captured 2025-09) with the `gen_option` of the WWW capture (2026-02) for images,
IPT and ZHD for videos (protocol notes 2.2, 2.3, 3.2).

Every node carries a `type` and an `id` (without them: 1002). The ids are derived from the
submit id, so that one job has one body however often it is encoded.
"""

import json
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

from attrs import frozen

from dreamina_async.catalogue import IMAGE_RATIOS, IMAGE_SIZES, image_model, video_model
from dreamina_async.models import ImageRequest, VideoRequest

JsonObject = dict[str, Any]

_IMAGE_MIN_VERSION = "3.0.2"
_VIDEO_MIN_VERSION = "3.0.5"
_FRAMES_PER_SECOND = 24


@frozen
class Stamp:
    """What a draft needs beside the request: its identity, versions and time."""

    submit_id: str
    da_version: str
    now: float

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


def image_draft(request: ImageRequest, stamp: Stamp) -> JsonObject:
    return _draft(stamp, _IMAGE_MIN_VERSION, _image_component(request, stamp))


def video_draft(request: VideoRequest, stamp: Stamp, metrics: str) -> JsonObject:
    return _draft(stamp, _VIDEO_MIN_VERSION, _video_component(request, stamp, metrics))


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


def _image_component(request: ImageRequest, stamp: Stamp) -> JsonObject:
    return {
        "type": "image_base_component",
        "id": stamp.node_id("component"),
        "min_version": _IMAGE_MIN_VERSION,
        "aigc_mode": "workbench",
        "metadata": stamp.metadata(),
        "generate_type": "generate",
        "abilities": stamp.node(
            "abilities",
            generate=stamp.node("generate", core_param=_core_param(request, stamp)),
            # beside `generate`, not inside it: there it is ignored (AIC) or refused (JSP)
            gen_option=stamp.node("gen_option", gen_count=request.count, generate_all=False),
        ),
    }


def _core_param(request: ImageRequest, stamp: Stamp) -> JsonObject:
    model = image_model(request.model)
    resolution = image_resolution(request)
    width, height = IMAGE_SIZES[resolution][request.ratio]
    return stamp.node(
        "core_param",
        model=model.key,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        seed=seed_of(request, stamp.submit_id),
        sample_strength=request.sample_strength,
        image_ratio=IMAGE_RATIOS[request.ratio],
        large_image_info=stamp.node(
            "large_image_info", height=height, width=width, resolution_type=resolution
        ),
        intelligent_ratio=False,
        generate_type=0,
    )


def image_resolution(request: ImageRequest) -> str:
    return request.resolution or image_model(request.model).default_resolution


def video_resolution(request: VideoRequest) -> str:
    return request.resolution or video_model(request.model).default_resolution


def _video_component(request: VideoRequest, stamp: Stamp, metrics: str) -> JsonObject:
    params = stamp.node(
        "text_to_video_params",
        video_gen_inputs=[_video_input(request, stamp)],
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


def _video_input(request: VideoRequest, stamp: Stamp) -> JsonObject:
    return stamp.node(
        "video_gen_input",
        min_version=_VIDEO_MIN_VERSION,
        prompt=request.prompt,
        video_mode=2,
        fps=_FRAMES_PER_SECOND,
        duration_ms=request.duration * 1000,
        resolution=video_resolution(request),
        first_frame_image=None,
        end_frame_image=None,
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


def video_metrics(submit_id: str) -> JsonObject:
    """Telemetry of the web page for videos (ZHI: these five keys suffice)."""
    return {
        "promptSource": "custom",
        "isDefaultSeed": 1,
        "originSubmitId": submit_id,
        "isRegenerate": False,
        "enterFrom": "click",
    }
