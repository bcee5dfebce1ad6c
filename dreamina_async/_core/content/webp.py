"""WebP: a RIFF container that tells its own length (RFC 9649)."""

import struct

from dreamina_async._core.content.facts import ContentFacts, sides
from dreamina_async._core.content.source import Source, Steps, label
from dreamina_async.errors import IncompleteDownload

_PICTURES = frozenset({b"VP8 ", b"VP8L", b"ANMF"})


def walk_webp(source: Source) -> Steps[ContentFacts]:
    """The first chunk tells the sides; the chunks must fit the RIFF, and the RIFF the file."""
    _, length = struct.unpack("<4sI4x", (yield from source.take(12)))
    end = length + 8
    kinds: set[bytes] = set()
    size: tuple[int, int] | None = None
    while source.offset + 8 <= end:
        kind, head = yield from _chunk(source, end)
        kinds.add(kind)
        size = size or _sides(kind, head)
    if size is None or not kinds & _PICTURES:
        raise IncompleteDownload("damaged: a WebP without picture data")
    yield from source.skip(max(0, end - source.offset))
    # RIFF lengths should be even. Encoders that say an odd one disagree about the pad byte.
    if length & 1 and (yield from source.more()):
        yield from source.skip(1)
    yield from source.end()
    return ContentFacts("webp", *size, None, source.offset)


def _chunk(source: Source, end: int) -> Steps[tuple[bytes, bytes]]:
    source.part()
    kind, length = struct.unpack("<4sI", (yield from source.take(8)))
    source.inside = f"chunk {label(kind)}"
    stop = source.offset + length
    if stop > end:
        raise IncompleteDownload(f"damaged: WebP chunk {label(kind)} is longer than its file")
    head = yield from source.take(min(length, 10))
    yield from source.skip(min(stop + (length & 1), end) - source.offset)
    return kind, head


def _sides(kind: bytes, head: bytes) -> tuple[int, int]:
    padded = head.ljust(10, b"\0")
    if kind == b"VP8X":
        width, height = padded[4:7], padded[7:10]
        return sides(int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1)
    if kind == b"VP8L" and padded[0] == 0x2F:
        bits = int.from_bytes(padded[1:5], "little")
        return sides((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 " and padded[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", padded, 6)
        return sides(width & 0x3FFF, height & 0x3FFF)
    raise IncompleteDownload("damaged: a WebP that does not begin with its header")
