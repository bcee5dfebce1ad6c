"""PNG: text chunks in UTF-8 (iTXt), right behind the header."""

import struct
import zlib
from collections.abc import Iterator, Mapping

from dreamina_async._core.embed.pieces import MOST_PARTS, NotUnderstood, Piece, Read, signed
from dreamina_async._core.embed.provenance import TOOL

_START = 33
"""Where the header ends: signature, IHDR with 13 bytes, CRC."""


def embed_png(read: Read, size: int, facts: Mapping[str, str]) -> tuple[Piece, ...]:
    """Every fact under its own keyword; the prompt also as the registered `Description`."""
    if b"caBX" in set(_before_pixels(read, size)):
        raise signed("caBX")
    texts = {f"dreamina:{name}": value for name, value in facts.items()}
    if "prompt" in facts:
        texts = {"Description": facts["prompt"], **texts}
    chunks = [_itxt(keyword, text) for keyword, text in {"Software": TOOL, **texts}.items()]
    return range(_START), b"".join(chunks), range(_START, size)


def _before_pixels(read: Read, size: int) -> Iterator[bytes]:
    at = 8
    for _ in range(MOST_PARTS):
        if at + 12 > size:
            return
        length, kind = struct.unpack(">I4s", read(at, 8))
        if kind == b"IDAT":
            return
        yield kind
        at += 12 + length
    raise NotUnderstood("it has too many chunks")


def _itxt(keyword: str, text: str) -> bytes:
    # not compressed; neither language nor translated keyword
    body = b"iTXt" + keyword.encode("latin-1") + b"\0\0\0\0\0" + text.encode()
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
