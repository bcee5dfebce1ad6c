"""WebP: an XMP chunk at the end, which the extended header (VP8X) has to announce (RFC 9649)."""

import struct
from collections.abc import Mapping

from attrs import frozen

from dreamina_async._core.content import ContentFacts
from dreamina_async._core.embed.pieces import MOST_PARTS, NotUnderstood, Piece, Read, signed
from dreamina_async._core.embed.xmp import merged, packet

_HAS_ALPHA, _HAS_XMP = 0x10, 0x04


@frozen
class _Chunk:
    kind: bytes
    start: int
    stop: int
    """Behind its padding."""
    length: int


def embed_webp(read: Read, content: ContentFacts, facts: Mapping[str, str]) -> tuple[Piece, ...]:
    """Announce a packet in the header and put it at the end, instead of an older one."""
    chunks = _chunks(read, content.size)
    if any(one.kind == b"C2PA" for one in chunks):
        raise signed("C2PA")
    old = [one for one in chunks if one.kind == b"XMP "]
    if len(old) > 1:
        raise NotUnderstood("it has two XMP packets")
    xmp = merged(read(old[0].start + 8, old[0].length), facts) if old else packet(facts)
    kept = [one for one in chunks if one.kind not in (b"VP8X", b"XMP ")]
    header = _chunk(b"VP8X", _header(read, chunks[0], content))
    stretches = [range(one.start, one.stop) for one in kept]
    body: list[Piece] = [b"WEBP", header, *stretches, _chunk(b"XMP ", xmp)]
    return struct.pack("<4sI", b"RIFF", sum(map(len, body))), *body


def _chunks(read: Read, size: int) -> list[_Chunk]:
    found: list[_Chunk] = []
    at = 12
    while at + 8 <= size and len(found) < MOST_PARTS:
        kind, length = struct.unpack("<4sI", read(at, 8))
        found.append(_Chunk(kind, at, at + 8 + length + (length & 1), length))
        at = found[-1].stop
    (told,) = struct.unpack("<I", read(4, 4))
    if at != size or told + 8 != size or not found:
        raise NotUnderstood("its chunks do not fill it exactly")
    return found


def _header(read: Read, first: _Chunk, content: ContentFacts) -> bytes:
    if first.kind == b"VP8X":
        body = read(first.start + 8, first.length)
        return bytes((body[0] | _HAS_XMP,)) + body[1:]
    assert content.width is not None
    assert content.height is not None
    flags = _HAS_XMP | (_HAS_ALPHA if _has_alpha(read, first) else 0)
    sides = (side.to_bytes(3, "little") for side in (content.width - 1, content.height - 1))
    return bytes((flags, 0, 0, 0)) + b"".join(sides)


def _has_alpha(read: Read, first: _Chunk) -> bool:
    """Lossless pictures say it in their own header; lossy ones need VP8X to have any."""
    return first.kind == b"VP8L" and bool(read(first.start + 12, 1)[0] & 0x10)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack("<4sI", kind, len(body)) + body + b"\0" * (len(body) & 1)
