"""Which file, from which URL, under which name, until when (protocol notes 8.2)."""

import hashlib
import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from attrs import evolve, frozen

from dreamina_async._core.profile import is_loopback
from dreamina_async.errors import DownloadError, HostRefused
from dreamina_async.models import MediaFile, MediaItem

_UNKNOWN_LIFE = 3600.0
"""Seconds assumed for a URL that does not tell: the shortest life seen."""

_VIDEO_EXPIRY = re.compile(r"^/[^/]+/([0-9a-f]{8})/video/")
_PLAIN_NAME = re.compile(r"[0-9a-z.-]+")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_LATEST = 4_102_444_800.0  # the year 2100: later is nonsense


def expires_at(url: str, received_at: float) -> float:
    """When a signed URL stops working, in Unix seconds.

    Query `x-expires` (images), else the hexadecimal second path segment (videos), else
    query `expires`, else an hour from receipt.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return received_at + _UNKNOWN_LIFE
    query = parse_qs(parts.query)
    candidates = [query.get("x-expires", [""])[0]]
    segment = _VIDEO_EXPIRY.match(parts.path)
    if segment:
        candidates.append(str(int(segment[1], 16)))
    candidates += [query.get(name, [""])[0] for name in ("expires", "Expires")]
    for text in candidates:
        if text.isascii() and text.isdigit() and 0 < int(text[:12]) < _LATEST:
            return float(text[:12])
    return received_at + _UNKNOWN_LIFE


def refresh_margin(expiry: float, received_at: float, margin: float) -> float:
    """How much life a URL must have left to be used: the policy's, or a quarter of its own."""
    return min(margin, max(0.0, expiry - received_at) / 4)


_ORIGINALS = frozenset(
    {
        "video.transcoded_video.origin",
        "common_attr.transcoded_video.origin",
        "video.video_resource",
        "video.download_url",
    }
)


def lacks_original(item: MediaItem) -> bool:
    """Whether a record shows a video only in a smaller rendition (protocol notes 8.1)."""
    return item.kind == "video" and bool(item.item_id) and item.source not in _ORIGINALS


def with_original(item: MediaItem, found: MediaItem) -> MediaItem:
    """The same result, the file that a look at its item found before all others.

    The name stays the record's own: by it the result keeps its place in every report.
    """
    urls = tuple(dict.fromkeys(found.urls + item.urls))
    return evolve(found, urls=urls, uri=item.uri, item_id=item.item_id)


def mismatch(item: MediaItem, size: int, md5: str) -> str:
    """How a file differs from what its record says; empty if it does not."""
    if item.size is not None and item.size != size:
        return f"the file has {size} bytes where the record says {item.size}"
    if item.md5 and item.md5 != md5:
        return "the file's MD5 is not the record's"
    return ""


_STRONG = re.compile(r'"[\x21\x23-\x7e]{1,128}"')
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})")


@frozen
class Piece:
    """The beginning of a file that has come, and by what the rest may be known.

    Attributes:
        received: bytes that are there.
        size: bytes of the whole.
        validator: a strong ETag: the same one is the same bytes (RFC 9110 8.8.1).
    """

    received: int
    size: int
    validator: str

    def headers(self) -> dict[str, str]:
        """Ask for the rest, or for the whole if it has changed."""
        return {"Range": f"bytes={self.received}-", "If-Range": self.validator}

    def goes_on(self, status: int, headers: Mapping[str, str]) -> bool:
        """Whether a reply is the rest of just this file."""
        found = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
        if status != 206 or found is None or headers.get("etag") != self.validator:
            return False
        return tuple(map(int, found.groups())) == (self.received, self.size - 1, self.size)


def piece_of(received: int, size: int | None, headers: Mapping[str, str]) -> Piece | None:
    """The piece that a broken transfer leaves; None where its rest could be anything."""
    validator = headers.get("etag", "")
    if size is None or not 0 < received < size or not _STRONG.fullmatch(validator):
        return None
    return None if headers.get("accept-ranges") == "none" else Piece(received, size, validator)


def plan(items: Sequence[MediaItem], saved: Iterable[MediaFile]) -> list[tuple[int, MediaItem]]:
    """The files still to fetch, each with its place among the job's results.

    A result keeps its place by its `uri`, which is the same in every report; new ones take
    the next free places.
    """
    places = {file.uri: file.index for file in saved if file.uri}
    taken = {file.index for file in saved}
    free = (index for index in range(len(items) + len(taken)) if index not in taken)
    return [(next(free), item) for item in items if item.uri not in places]


def file_name(item: MediaItem, index: int, extension: str) -> str:
    """Ours alone: nothing of the service's text ever becomes part of a path."""
    return f"{item.kind}-{index}.{extension}"


def other_names(final: Path) -> Iterator[Path]:
    """A file's name, and those that it may take instead if others' files have it."""
    yield final
    for number in range(2, 100):
        yield final.with_stem(f"{final.stem}~{number}")


def folder_name(submit_id: str | None, history_id: str | None) -> str:
    """A job's folder; both ids have been checked to hold nothing but letters and digits.

    Ids that differ in case alone would be one folder where the file system tells no case, so
    capitals bring a digest along, behind a character that no id has (F12).
    """
    if submit_id or history_id is None or history_id == history_id.lower():
        return submit_id or f"history-{history_id}"
    return f"history-{history_id}~{hashlib.sha256(history_id.encode()).hexdigest()[:16]}"


MEDIA_HOSTS = (
    # China (protocol notes 8.2, 8.3): images, videos, covers, uploads
    "byteimg.com",
    "bytetos.com",
    "bytedance.com",
    "bytedance.net",
    "bytedancevod.com",
    "douyinpic.com",
    "jianying.com",
    "jimeng.com",
    "vlabvod.com",
    # the other regions
    "capcut.com",
    "capcutapi.com",
    "capcutapi.us",
    "capcutcdn.com",
    "capcutcdn-us.com",
    "capcutvod.com",
    "ibyteimg.com",
    "ibytedtos.com",
)
"""Domains whose hosts were seen to hold results or to take uploads; the digit in a host's
name changes with every query, and no region keeps to its own."""


def check_media_url(url: str, *, loopback: bool, hosts: Iterable[str] = MEDIA_HOSTS) -> None:
    """Refuse a URL that could lead anywhere but to a public media host.

    Args:
        url: as the service sent it.
        loopback: whether the session talks to a service on this machine.
        hosts: the domains that are trusted.

    Raises:
        HostRefused: it leads to a public host, but to none of these.
        DownloadError: scheme, user part, port or literal address are not allowed. Names are
            checked once more when they are resolved.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise DownloadError("the media URL is not a URL", "yes") from None
    if not host or parts.username is not None or parts.password is not None:
        raise DownloadError("the media URL has no host, or a user part", "yes")
    if loopback and is_loopback(host):
        if parts.scheme in ("http", "https"):
            return
    elif parts.scheme == "https" and port in (None, 443) and is_public_host(host):
        if is_within(host, hosts):
            return
        raise HostRefused(
            f"the service names the host {host}, which is not known to be one of its own; if you "
            "trust it, add it to DownloadPolicy.hosts and try again (`resume` takes the job up)",
            "yes",
            host=host,
        )
    raise DownloadError(f"the media URL leads to {parts.scheme}://{host}, which is refused", "yes")


def is_within(host: str, domains: Iterable[str]) -> bool:
    """Whether a host is one of these domains, or below one."""
    name = host.lower().removesuffix(".")
    plain = _PLAIN_NAME.fullmatch(name) is not None
    return any(name == one or (plain and name.endswith(f".{one}")) for one in domains)


def is_public_host(host: str) -> bool:
    """False for literal addresses that are not public; a name is left to the resolver."""
    try:
        return is_public_address(host)
    except ValueError:
        return host.lower() != "localhost"


def is_public_address(address: str) -> bool:
    """Whether an address is one of the public internet.

    Raises:
        ValueError: it is no literal address.
    """
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = _embedded(ip) or ip
    return ip.is_global and not ip.is_multicast


def _embedded(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for: mapped, compatible, 6to4, or NAT64."""
    if ip in _COMPATIBLE or ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour
