"""Our values -> HTTP requests, signed and ready to send (protocol notes 1, 2.1, 5.1)."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote, urlencode

from dreamina_async._core.draft import (
    Stamp,
    dumps,
    image_draft,
    image_metrics,
    video_draft,
    video_metrics,
)
from dreamina_async._core.profile import Caller
from dreamina_async._core.signing import sign
from dreamina_async._core.wire import HttpRequest
from dreamina_async.catalogue import image_model, video_model
from dreamina_async.errors import InvalidRequest
from dreamina_async.models import ImageRequest, Request, VideoRequest

GENERATE_PATH = "/mweb/v1/aigc_draft/generate"
STATUS_PATH = "/mweb/v1/get_history_by_ids"

IdKind = Literal["history", "submit"]

# Headers copied from a browser may hold these; they belong to its connection, not to ours.
_FRAMING = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def encode_generate(request: Request, submit_id: str, caller: Caller, now: float) -> HttpRequest:
    """One paid submit (S3, S4).

    Args:
        request: what to make.
        submit_id: the client-made UUID under which the job can be looked up.
        caller: who asks.
        now: wall clock, Unix seconds.

    Raises:
        InvalidRequest: the account's region does not have the model.
    """
    check_region(request, caller)
    stamp = Stamp(submit_id, caller.profile.da_version, now)
    body = _video_body(request, stamp) if request.kind == "video" else _image_body(request, stamp)
    body["http_common_info"] = {"aid": caller.site.aid}
    query = {"web_component_open_flag": "1", **_versions(caller)}
    # the page must fit the kind: an image sent from the video page is refused (JSP)
    page = f"/ai-tool/generate?type={request.kind}"
    return _post(GENERATE_PATH, query, body, page, caller, now)


def encode_status(ids: Sequence[str], kind: IdKind, caller: Caller, now: float) -> HttpRequest:
    """One free look at up to ten jobs, all by the same kind of id (S0, S1, S3)."""
    body = {f"{kind}_ids": list(ids), "http_common_info": {"aid": caller.site.aid}}
    page = "/ai-tool/generate?type=image"
    return _post(STATUS_PATH, _versions(caller), body, page, caller, now)


def check_region(request: Request, caller: Caller) -> None:
    """Refuse a model that the account's region does not have.

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


def _model(request: Request) -> Any:
    find = video_model if request.kind == "video" else image_model
    return find(request.model)


def _image_body(request: Request, stamp: Stamp) -> dict[str, Any]:
    assert isinstance(request, ImageRequest)
    return {
        "extend": {"root_model": _model(request).key},
        "submit_id": stamp.submit_id,
        "metrics_extra": dumps(image_metrics(stamp.submit_id)),
        "draft_content": dumps(image_draft(request, stamp)),
    }


def _video_body(request: Request, stamp: Stamp) -> dict[str, Any]:
    assert isinstance(request, VideoRequest)
    metrics = dumps(video_metrics(stamp.submit_id))
    commerce = {
        "benefit_type": _model(request).benefit,
        "resource_id": "generate_video",
        "resource_id_type": "str",
        "resource_sub_type": "aigc",
    }
    return {
        "extend": {
            "root_model": _model(request).key,
            "m_video_commerce_info": commerce,
            "m_video_commerce_info_list": [commerce],
        },
        "submit_id": stamp.submit_id,
        "metrics_extra": metrics,
        "draft_content": dumps(video_draft(request, stamp, metrics)),
    }


def _versions(caller: Caller) -> dict[str, str]:
    return {
        "da_version": caller.profile.da_version,
        "web_version": caller.profile.web_version,
        "aigc_features": "app_lip_sync",
    }


def _post(
    path: str,
    query: Mapping[str, str],
    body: Mapping[str, Any],
    page: str,
    caller: Caller,
    now: float,
) -> HttpRequest:
    common = {
        "aid": str(caller.site.aid),
        "device_platform": "web",
        "region": caller.site.region,
    }
    parameters = {**common, **query, **caller.credentials.reveal_query()}
    url = f"{caller.site.api}{path}?{urlencode(parameters, quote_via=quote)}"
    return HttpRequest(
        method="POST",
        url=url,
        path=path,
        headers=_headers(path, page, caller, int(now)),
        body=dumps(body).encode(),
    )


def _headers(path: str, page: str, caller: Caller, device_time: int) -> dict[str, str]:
    profile, site = caller.profile, caller.site
    signature = sign(path, device_time, pf=profile.pf, appvr=profile.appvr)
    cookies = caller.credentials.reveal_cookies()
    theirs = {name.lower(): value for name, value in caller.credentials.reveal_headers().items()}
    theirs = {name: value for name, value in theirs.items() if name not in _FRAMING}
    return {
        "user-agent": profile.user_agent,
        **theirs,
        "accept": "application/json, text/plain, */*",
        "content-type": "application/json",
        "appid": str(site.aid),
        "appvr": profile.appvr,
        "pf": profile.pf,
        "app-sdk-version": profile.app_sdk_version,
        "lan": site.lan,
        "loc": site.loc,
        "device-time": str(device_time),
        "sign": signature,
        "sign-ver": "1",
        "tdid": "",
        "origin": site.origin,
        "referer": site.origin + page,
        "cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
    }
