"""Our values -> HTTP requests, signed and ready to send (protocol notes 2.1, 5.1, 8.1, 9)."""

from collections.abc import Sequence
from typing import Any, Literal

from dreamina_async._core.calls import bare_headers, post, versions
from dreamina_async._core.dialects import image_info
from dreamina_async._core.draft import (
    Stamp,
    dumps,
    image_draft,
    image_metrics,
    video_draft,
    video_metrics,
)
from dreamina_async._core.profile import Caller
from dreamina_async._core.wire import HttpRequest
from dreamina_async.catalogue import ImageModel, VideoModel, image_model, video_model
from dreamina_async.errors import InvalidRequest
from dreamina_async.images import ImageRef
from dreamina_async.requests import ImageRequest, Request, VideoRequest

GENERATE_PATH = "/mweb/v1/aigc_draft/generate"
STATUS_PATH = "/mweb/v1/get_history_by_ids"
ITEMS_PATH = "/mweb/v1/get_local_item_list"
MCP_PATH = "/dreamina/mcp/v1/image_generate"

IdKind = Literal["history", "submit"]


def encode_generate(
    request: Request,
    submit_id: str,
    caller: Caller,
    now: float,
    images: Sequence[ImageRef] = (),
) -> HttpRequest:
    """One paid submit (S3, S4; by MCP: S1, S4).

    Args:
        request: what to make.
        submit_id: the client-made UUID under which the job can be looked up.
        caller: who asks.
        now: wall clock, Unix seconds.
        images: `request.images`, uploaded.

    Raises:
        InvalidRequest: the account's region does not have the model.
    """
    # stays on in production: better stop than pay for a picture without its references
    assert len(images) == len(request.images), "the images are not uploaded"
    check_region(request, caller)
    if isinstance(request, ImageRequest) and request.via == "mcp":
        return _mcp(request, submit_id, caller)
    stamp = Stamp(submit_id, caller.profile.da_version, now, caller.credentials.region)
    if isinstance(request, VideoRequest):
        body = _video_body(request, stamp, images)
    else:
        body = _image_body(request, stamp, images)
    body["http_common_info"] = {"aid": caller.site.aid}
    query = caller.profile.parameters(caller.profile.generate_query)
    # the page must fit the kind: an image sent from the video page is refused (JSP)
    page = f"/ai-tool/generate?type={request.kind}"
    return post(GENERATE_PATH, query, body, page, caller, now)


def encode_status(ids: Sequence[str], kind: IdKind, caller: Caller, now: float) -> HttpRequest:
    """One free look at up to ten jobs, all by the same kind of id (S0, S1, S3)."""
    body: dict[str, Any] = {f"{kind}_ids": list(ids)}
    if caller.profile.image_info:
        body["image_info"] = image_info()
    if caller.profile.common_info:
        body["http_common_info"] = {"aid": caller.site.aid}
    page = "/ai-tool/generate?type=image"
    return post(STATUS_PATH, versions(caller), body, page, caller, now)


def encode_items(item_ids: Sequence[str], caller: Caller, now: float) -> HttpRequest:
    """Ask for the original files of finished videos (protocol notes 8.1: F3L, IPT)."""
    body = {
        "item_id_list": list(item_ids),
        "pack_item_opt": {"scene": 1, "need_data_integrity": True},
        "is_for_video_download": True,
    }
    page = "/ai-tool/generate?type=video"
    return post(ITEMS_PATH, versions(caller), body, page, caller, now)


def check_region(request: Request, caller: Caller) -> None:
    """Refuse what the account's region does not have.

    Raises:
        InvalidRequest: it does not; the error names the regions that do.
    """
    model = _model(request)
    region = caller.credentials.region
    if region not in model.regions:
        raise InvalidRequest(
            f"{model.name} is not offered in region {region.name}",
            field="model",
            allowed=tuple(sorted(one.name for one in model.regions)),
        )
    if not isinstance(request, ImageRequest):
        return
    if request.via == "mcp" and not caller.site.mcp:
        raise InvalidRequest(
            f"the MCP endpoint is not offered in region {region.name}",
            field="via",
            allowed=("web",),
        )
    image = image_model(request.model)
    image.size(request.resolution or image.default_resolution, request.ratio, region)


def _model(request: Request) -> ImageModel | VideoModel:
    if request.kind == "video":
        return video_model(request.model)
    return image_model(request.model)


def _image_body(request: ImageRequest, stamp: Stamp, images: Sequence[ImageRef]) -> dict[str, Any]:
    return {
        "extend": {"root_model": image_model(request.model).key_in(stamp.region)},
        "submit_id": stamp.submit_id,
        "metrics_extra": dumps(image_metrics(stamp.submit_id)),
        "draft_content": dumps(image_draft(request, stamp, images)),
    }


def _video_body(request: VideoRequest, stamp: Stamp, images: Sequence[ImageRef]) -> dict[str, Any]:
    metrics = dumps(video_metrics(stamp.submit_id, frames=bool(images)))
    return {
        "extend": {"root_model": video_model(request.model).key, **_commerce(request)},
        "submit_id": stamp.submit_id,
        "metrics_extra": metrics,
        "draft_content": dumps(video_draft(request, stamp, metrics, images)),
    }


def _commerce(request: VideoRequest) -> dict[str, Any]:
    """What is to be charged: a wrong benefit fails the deduction (INT), so none is guessed."""
    model = video_model(request.model)
    benefit = model.benefit_in(request.resolution or model.default_resolution)
    if not benefit:
        return {}
    info = {
        "benefit_type": benefit,
        "resource_id": "generate_video",
        "resource_id_type": "str",
        "resource_sub_type": "aigc",
    }
    return {"m_video_commerce_info": info, "m_video_commerce_info_list": [info]}


def _mcp(request: ImageRequest, submit_id: str, caller: Caller) -> HttpRequest:
    """The intranet endpoint: cookie and nothing else to identify by (S1, S4)."""
    body = {
        "generate_type": "text2imageV2",
        "agent_scene": "creation_agent_v40",
        "prompt": request.prompt,
        "ratio": request.ratio,
        "model_key": image_model(request.model).key_in(caller.credentials.region),
        "subject_id": "default",
        "submit_id": submit_id,
    }
    return HttpRequest(
        method="POST",
        url=caller.site.mcp + MCP_PATH,
        path=MCP_PATH,
        headers=bare_headers(caller),
        body=dumps(body).encode(),
    )
