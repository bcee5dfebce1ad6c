"""What the first bytes of an image file tell: its format and its size in pixels."""

from __future__ import annotations

import attrs

_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_JPEG = b"\xff\xd8\xff"
# Frame headers are C0 to CF, except three other markers that lie among them.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@attrs.frozen
class Picture:
    """An image's format and size; all empty where the bytes are no image we can read."""

    format: str = ""
    width: int = 0
    height: int = 0


def read_picture(head: bytes) -> Picture:
    """Read the dimensions of a PNG, JPEG or WebP from the beginning of its file."""
    if head.startswith(_PNG) and len(head) >= 24:
        return Picture("png", int.from_bytes(head[16:20]), int.from_bytes(head[20:24]))
    if head.startswith(_JPEG):
        return _jpeg(head)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and len(head) >= 30:
        return _webp(head)
    return Picture()


def _jpeg(head: bytes) -> Picture:
    """Walk from segment to segment until the one with the frame's size."""
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker == 0xFF:
            at += 1  # a fill byte before the marker
            continue
        if marker in _JPEG_FRAMES:
            height, width = head[at + 5 : at + 7], head[at + 7 : at + 9]
            return Picture("jpeg", int.from_bytes(width), int.from_bytes(height))
        at += 2 + int.from_bytes(head[at + 2 : at + 4])
    return Picture()


def _webp(head: bytes) -> Picture:
    match head[12:16]:
        case b"VP8 ":
            width, height = (int.from_bytes(head[at : at + 2], "little") for at in (26, 28))
            return Picture("webp", width & 0x3FFF, height & 0x3FFF)
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            return Picture("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        case b"VP8X":
            width, height = (int.from_bytes(head[at : at + 3], "little") for at in (24, 27))
            return Picture("webp", width + 1, height + 1)
        case _:
            return Picture()
