"""JPEG: an XMP packet in a segment of its own (APP1), behind JFIF and Exif."""

import struct
from collections.abc import Iterator, Mapping

from attrs import frozen

from dreamina_async._core.embed.pieces import MOST_PARTS, NotUnderstood, Piece, Read, signed
from dreamina_async._core.embed.xmp import merged, packet

_APP0, _APP1, _APP11, _SOS = 0xE0, 0xE1, 0xEB, 0xDA
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_LONGEST = 65_535 - 2
"""Bytes that a segment can hold; its length counts its own two bytes."""


@frozen
class _Segment:
    marker: int
    start: int
    stop: int
    head: bytes

    @property
    def xmp(self) -> bool:
        return self.marker == _APP1 and self.head == _XMP


def embed_jpeg(read: Read, size: int, facts: Mapping[str, str]) -> tuple[Piece, ...]:
    """Put a packet behind the first segments, or into the one that is there."""
    segments = list(_before_scans(read, size))
    if any(one.marker == _APP11 and one.head[:2] == b"JP" for one in segments):
        raise signed("JUMBF")
    there = [one for one in segments if one.xmp]
    if len(there) > 1:
        raise NotUnderstood("it has two XMP packets")
    for one in there:
        old = read(one.start + 4 + len(_XMP), one.stop - one.start - 4 - len(_XMP))
        return range(one.start), _segment(merged(old, facts)), range(one.stop, size)
    at = _behind_the_first(segments)
    return range(at), _segment(packet(facts)), range(at, size)


def _before_scans(read: Read, size: int) -> Iterator[_Segment]:
    at = 2
    for _ in range(MOST_PARTS):
        if at + 4 > size:
            break
        filling, marker, length = struct.unpack(">BBH", read(at, 4))
        if filling != 0xFF or not _has_length(marker) or length < 2:
            break
        if marker == _SOS:
            return
        stop = at + 2 + length
        yield _Segment(marker, at, stop, read(at + 4, min(length - 2, len(_XMP))))
        at = stop
    raise NotUnderstood("its headers are written in an unknown way")


def _has_length(marker: int) -> bool:
    return 0xC0 <= marker < 0xFF and not 0xD0 <= marker <= 0xD9


def _behind_the_first(segments: list[_Segment]) -> int:
    at = 2
    for one in segments:
        if one.marker != _APP0 and not (one.marker == _APP1 and one.head[:4] == b"Exif"):
            break
        at = one.stop
    return at


def _segment(xmp: bytes) -> bytes:
    body = _XMP + xmp
    if len(body) > _LONGEST:
        raise NotUnderstood("the facts are too long for one segment")
    return struct.pack(">BBH", 0xFF, _APP1, len(body) + 2) + body
