"""What every API call with the login has in common: URL, headers, signature (protocol notes 1)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from attrs import evolve

from dreamina_async._core.draft import dumps
from dreamina_async._core.profile import Caller
from dreamina_async._core.signing import sign
from dreamina_async._core.wire import HttpRequest

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


def versions(caller: Caller) -> dict[str, str]:
    """The version parameters of every call but a submit, as the dialect has them."""
    return caller.profile.parameters(caller.profile.query)


def post(
    path: str,
    query: Mapping[str, str],
    body: Mapping[str, Any],
    page: str,
    caller: Caller,
    now: float,
    *,
    host: str | None = None,
) -> HttpRequest:
    """One signed call with the login, to the API host or to the commerce host.

    Args:
        path: the URL's path.
        query: parameters beside those that every call has.
        body: becomes JSON.
        page: path and query of the web page that would send this, for the Referer.
        caller: who asks.
        now: wall clock, Unix seconds.
        host: base URL; None is the API host.
    """
    parameters = {**_common(caller), **query, **caller.credentials.reveal_query()}
    url = f"{host or caller.site.api}{path}?{urlencode(parameters, quote_via=quote)}"
    return HttpRequest(
        method="POST",
        url=url,
        path=path,
        headers={**_headers(page, caller), **_signature(path, caller, int(now))},
        body=dumps(body).encode(),
    )


def signed_anew(request: HttpRequest, now: float) -> HttpRequest | None:
    """The same call with the time of `now`; None if it carries no signature."""
    headers = request.headers
    if "sign" not in headers:
        return None
    device_time = int(now)
    fresh = {
        "device-time": str(device_time),
        "sign": sign(request.path, device_time, pf=headers["pf"], appvr=headers["appvr"]),
    }
    return evolve(request, headers={**headers, **fresh})


def _common(caller: Caller) -> dict[str, str]:
    region = caller.site.region
    common = {
        "aid": str(caller.site.aid),
        "device_platform": "web",
        "region": region.upper() if caller.profile.upper_region else region,
    }
    # the two are one number in every capture (S3, WWW)
    web_id = caller.credentials.reveal_cookies().get("_tea_web_id")
    return {**common, "webId": web_id} if web_id and caller.profile.query else common


def bare_headers(caller: Caller) -> dict[str, str]:
    """The login, and what the user's own browser adds to it; no sign of the web page's code."""
    theirs = {name.lower(): value for name, value in caller.credentials.reveal_headers().items()}
    theirs = {name: value for name, value in theirs.items() if name not in _FRAMING}
    cookies = caller.credentials.reveal_cookies()
    return {
        "user-agent": caller.profile.user_agent,
        **theirs,
        "accept": "application/json, text/plain, */*",
        "content-type": "application/json",
        "cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
    }


def _headers(page: str, caller: Caller) -> dict[str, str]:
    profile, site = caller.profile, caller.site
    headers = {
        **bare_headers(caller),
        "appid": str(site.aid),
        "appvr": profile.appvr,
        "pf": profile.pf,
        "origin": site.origin,
        "referer": site.origin + page if profile.full_referer else site.origin,
    }
    if profile.app_sdk_version is not None:
        headers["app-sdk-version"] = profile.app_sdk_version
    return headers | ({"lan": site.lan, "loc": site.loc} if profile.localized else {})


def _signature(path: str, caller: Caller, device_time: int) -> dict[str, str]:
    profile = caller.profile
    if not profile.signed:
        return {}
    headers = {
        "device-time": str(device_time),
        "sign": sign(path, device_time, pf=profile.pf, appvr=profile.appvr),
        "sign-ver": "1",
    }
    return headers | ({"tdid": ""} if profile.tdid else {})
