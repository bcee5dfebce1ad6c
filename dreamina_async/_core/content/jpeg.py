"""JPEG: marker segments from SOI to EOI (ITU-T T.81, annex B)."""

import struct

from dreamina_async._core.content.facts import ContentFacts, sides
from dreamina_async._core.content.source import Source, Steps
from dreamina_async.errors import IncompleteDownload

SIGNATURE = b"\xff\xd8\xff"

_SOI, _EOI, _SOS = 0xD8, 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def walk_jpeg(source: Source) -> Steps[ContentFacts]:
    """Segments are passed by their length, so a preview's EOI inside one is no end.

    Scans are searched for their end by a compiled pattern, not byte by byte. Stray bytes
    between segments pass, as decoders skip them; zeros after EOI do too, as encoders align.
    """
    yield from source.take(2)
    size: tuple[int, int] | None = None
    scans = 0
    while (marker := (yield from source.jpeg_marker())) != _EOI:
        if marker == _SOI:
            raise IncompleteDownload("damaged: a JPEG begins inside another one")
        source.part()
        source.inside = "its picture data" if marker == _SOS else "its headers"
        head = yield from _segment(source)
        scans += marker == _SOS
        if marker in _FRAMES and size is None:
            size = _frame(head)
    if size is None or not scans:
        raise IncompleteDownload("damaged: a JPEG without picture data")
    yield from source.end()
    return ContentFacts("jpeg", *size, None, source.offset)


def _segment(source: Source) -> Steps[bytes]:
    (length,) = struct.unpack(">H", (yield from source.take(2)))
    if length < 2:
        raise IncompleteDownload(f"damaged: no JPEG segment before byte {source.offset}")
    head = yield from source.take(min(length - 2, 5))
    yield from source.skip(length - 2 - len(head))
    return head


def _frame(head: bytes) -> tuple[int, int]:
    if len(head) < 5:
        raise IncompleteDownload("damaged: the JPEG's frame header is too short")
    height, width = struct.unpack_from(">HH", head, 1)
    return sides(width, height)
