"""PNG: every chunk with its CRC-32, from IHDR to IEND (PNG specification, section 5)."""

import struct
import zlib

from dreamina_async._core.content.facts import ContentFacts, sides
from dreamina_async._core.content.source import Source, Steps, label
from dreamina_async.errors import IncompleteDownload

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_HEADER = struct.Struct(">I4s")
_IHDR = _HEADER.pack(13, b"IHDR")
_MAX_LENGTH = 2**31 - 1


def walk_png(source: Source) -> Steps[ContentFacts]:
    """Nearly all the time goes into `zlib.crc32`; Python runs once per chunk and per feed."""
    yield from source.take(len(SIGNATURE))
    width, height = yield from _ihdr(source)
    kind, data = b"", 0
    while kind != b"IEND":
        kind, length = yield from _chunk(source)
        data += length if kind == b"IDAT" else 0
    if not data:
        raise IncompleteDownload("damaged: a PNG without picture data")
    yield from source.end()
    return ContentFacts("png", width, height, None, source.offset)


def _ihdr(source: Source) -> Steps[tuple[int, int]]:
    head = yield from source.take(_HEADER.size)
    if head != _IHDR:
        raise IncompleteDownload("damaged: a PNG that does not begin with its header")
    body = yield from source.take(13)
    yield from _matches(source, b"IHDR", zlib.crc32(body, zlib.crc32(b"IHDR")))
    return sides(*struct.unpack_from(">II", body))


def _chunk(source: Source) -> Steps[tuple[bytes, int]]:
    source.part()
    length, kind = _HEADER.unpack((yield from source.take(_HEADER.size)))
    if length > _MAX_LENGTH or not kind.isalpha():
        raise IncompleteDownload(f"damaged: no PNG chunk before byte {source.offset}")
    source.inside = f"chunk {label(kind)}"
    checksum = yield from source.crc32(length, zlib.crc32(kind))
    yield from _matches(source, kind, checksum)
    return kind, length


def _matches(source: Source, kind: bytes, checksum: int) -> Steps[None]:
    (told,) = struct.unpack(">I", (yield from source.take(4)))
    if told != checksum:
        raise IncompleteDownload(
            f"damaged: checksum of PNG chunk {label(kind)} before byte {source.offset}"
        )
