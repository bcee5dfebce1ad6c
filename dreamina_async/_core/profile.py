"""Whom to talk to and how to introduce ourselves: hosts, `aid`, language, versions.

Hosts and `aid`: protocol notes 1.1 and 1.2. Header values: S1, S3 and 1.4.
"""

import ipaddress
import re
from urllib.parse import urlsplit

from attrs import evolve, frozen

from dreamina_async.credentials import Credentials, Region
from dreamina_async.errors import InvalidRequest


@frozen
class Site:
    """One region's service.

    Attributes:
        api: base URL of `/mweb/...`.
        commerce: base URL of `/commerce/...`.
        origin: the web page's origin, sent as Origin and Referer.
        aid: the application id; also header `appid` and `http_common_info.aid`.
        region: the value of the query parameter `region`.
        lan: header `lan`.
        loc: header `loc`.
    """

    api: str
    commerce: str
    origin: str
    aid: int
    region: str
    lan: str
    loc: str


_CN_HOST = "https://jimeng.jianying.com"
_INTERNATIONAL_ORIGIN = "https://dreamina.capcut.com"
_ASIA_API = "https://mweb-api-sg.capcut.com"
_ASIA_COMMERCE = "https://commerce-api-sg.capcut.com"


def _asia(region: Region, lan: str) -> Site:
    return Site(
        _ASIA_API,
        _ASIA_COMMERCE,
        _INTERNATIONAL_ORIGIN,
        513641,
        region.name,
        lan,
        region.value,
    )


SITES: dict[Region, Site] = {
    # `region=cn`: both spellings work (ZHI logs); this one is in the newer captures (S1, S3).
    Region.CN: Site(_CN_HOST, _CN_HOST, _CN_HOST, 513695, "cn", "zh-Hans", "cn"),
    Region.US: Site(
        "https://dreamina-api.us.capcut.com",
        "https://commerce.us.capcut.com",
        _INTERNATIONAL_ORIGIN,
        513641,
        "US",
        "en",
        "us",
    ),
    Region.HK: _asia(Region.HK, "en"),
    Region.JP: _asia(Region.JP, "ja"),
    Region.SG: _asia(Region.SG, "en"),
}


@frozen
class Profile:
    """Which client we say we are (protocol notes 1.3, 1.4)."""

    appvr: str = "8.4.0"
    pf: str = "7"
    app_sdk_version: str = "48.0.0"
    da_version: str = "3.3.9"
    web_version: str = "7.5.0"
    user_agent: str = "dreamina-async"


@frozen
class Caller:
    """Everything that every API call of one session shares."""

    credentials: Credentials
    site: Site
    profile: Profile = Profile()


def caller_for(credentials: Credentials, base_url: str | None) -> Caller:
    """Choose the site by region; a base URL replaces every API host, paths unchanged.

    Raises:
        InvalidRequest: the base URL is neither https nor on loopback.
    """
    site = SITES[credentials.region]
    if base_url is not None:
        base = check_base_url(base_url)
        site = evolve(site, api=base, commerce=base)
    return Caller(credentials, site)


_PLAIN_URL = re.compile(r"[^\s?#@\\\x00-\x1f]+")
"""No user, query or fragment, empty ones included; nothing that parsers read differently."""


def check_base_url(text: str) -> str:
    """A base URL without its trailing slash.

    The cookie goes there, so plain http is for this machine only.

    Raises:
        InvalidRequest: it is neither https nor http on a loopback address, or is no plain URL.
    """
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
