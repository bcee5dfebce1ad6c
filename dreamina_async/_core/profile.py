"""Whom to talk to and how to introduce ourselves: hosts, `aid`, language, versions.

Hosts and `aid`: protocol notes 1.1 and 1.2. Header values: S1, S3 and 1.4.
"""

import ipaddress
import re
from urllib.parse import urlsplit

from attrs import evolve, frozen

from dreamina_async._core.dialects import PROFILES, Profile
from dreamina_async.credentials import Credentials, Region
from dreamina_async.errors import InvalidRequest
from dreamina_async.settings import Dialect


@frozen(kw_only=True)
class Site:
    """One region's service.

    Attributes:
        api: base URL of `/mweb/...`.
        commerce: base URL of `/commerce/...`.
        imagex: base URL of the image upload's API.
        imagex_region: the region that its requests are signed for.
        service_id: the upload's service, where the token names none.
        mcp: base URL of the intranet's MCP endpoint; empty where there is none.
        origin: the web page's origin, sent as Origin and Referer.
        aid: the application id; also header `appid` and `http_common_info.aid`.
        region: the value of the query parameter `region`.
        lan: header `lan`.
        loc: header `loc`.
    """

    api: str
    commerce: str
    imagex: str
    imagex_region: str
    service_id: str = "wopfjsm1ax"
    mcp: str = ""
    origin: str = "https://dreamina.capcut.com"
    aid: int = 513641
    region: str
    lan: str
    loc: str


_CN_HOST = "https://jimeng.jianying.com"


def _asia(region: Region, lan: str) -> Site:
    return Site(
        api="https://mweb-api-sg.capcut.com",
        commerce="https://commerce-api-sg.capcut.com",
        imagex="https://imagex-normal-sg.capcutapi.com",
        imagex_region="ap-southeast-1",
        region=region.name,
        lan=lan,
        loc=region.value,
    )


SITES: dict[Region, Site] = {
    Region.CN: Site(
        api=_CN_HOST,
        commerce=_CN_HOST,
        imagex="https://imagex.bytedanceapi.com",
        imagex_region="cn-north-1",
        service_id="tb4s082cfz",
        mcp="https://dreamina-agent-operation.bytedance.net",
        origin=_CN_HOST,
        aid=513695,
        # both spellings work (ZHI logs); this one is in the newer captures (S1, S3)
        region="cn",
        lan="zh-Hans",
        loc="cn",
    ),
    # A newer cluster answers at dreamina-api-us-ttp2 (INT); which accounts live there is not
    # known, so it is reached by a base URL.
    Region.US: Site(
        api="https://dreamina-api.us.capcut.com",
        commerce="https://commerce.us.capcut.com",
        imagex="https://imagex16-normal-us-ttp.capcutapi.us",
        imagex_region="us-east-1",
        region="US",
        lan="en",
        loc="us",
    ),
    Region.HK: _asia(Region.HK, "en"),
    Region.JP: _asia(Region.JP, "ja"),
    Region.SG: _asia(Region.SG, "en"),
}


@frozen
class Caller:
    """Everything that every API call of one session shares."""

    credentials: Credentials
    site: Site
    profile: Profile = PROFILES["web"]


def caller_for(credentials: Credentials, base_url: str | None, dialect: Dialect = "web") -> Caller:
    """Choose the site by region; a base URL replaces every API host, paths unchanged.

    Raises:
        InvalidRequest: the base URL is neither https nor on loopback.
    """
    site = SITES[credentials.region]
    if base_url is not None:
        base = check_base_url(base_url)
        mcp = base if site.mcp else ""
        site = evolve(site, api=base, commerce=base, imagex=base, mcp=mcp)
    return Caller(credentials, site, PROFILES[dialect])


_PLAIN_URL = re.compile(r"[^\s?#@\\\x00-\x1f]+")
"""No user, query or fragment, empty ones included; nothing that parsers read differently."""


def check_base_url(text: str) -> str:
    """A base URL without its trailing slash.

    The cookie goes there, so plain http is for this machine only.

    Raises:
        InvalidRequest: it is neither https nor http on a loopback address, or is no plain URL.
    """
    if not isinstance(text, str):
        raise InvalidRequest("the base URL is not text", field="base_url")
    try:
        url = urlsplit(text.strip())
        host, _ = url.hostname or "", url.port
    except ValueError:
        raise InvalidRequest("the base URL is not a URL", field="base_url") from None
    if not host or not _PLAIN_URL.fullmatch(text.strip()):
        raise InvalidRequest(
            "the base URL must be a scheme, a host and perhaps a port and a path",
            field="base_url",
        )
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(host)):
        raise InvalidRequest(
            f"the base URL's scheme {url.scheme!r} is not allowed for {host}: the session cookie "
            "goes there, so use https (http is accepted for loopback addresses only)",
            field="base_url",
        )
    return text.strip().rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether a URL's host is this machine, by its literal address or the name localhost."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_loopback_url(url: str) -> bool:
    """Whether a URL leads to this machine."""
    return is_loopback(urlsplit(url).hostname or "")
