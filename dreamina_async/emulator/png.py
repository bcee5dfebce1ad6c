"""Real PNG images that cost almost nothing: one cached body a size, one palette an image."""

from __future__ import annotations

import colorsys
import math
import zlib
from functools import lru_cache

Parts = tuple[bytes, ...]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FIRST_ROW_FILTER, _UP_FILTER = b"\x01", b"\x02"


def png(width: int, height: int, name: bytes, about: str, size: int = 0) -> Parts:
    """Make an image whose palette and text come from ``name``, padded to about ``size`` bytes."""
    parts = (
        _SIGNATURE,
        _header(width, height),
        _chunk(b"PLTE", _palette(name)),
        # The name makes every file unique, even where two palettes agree.
        _chunk(b"tEXt", b"Comment\x00" + f"{about} {name.hex()}".encode("latin-1", "replace")),
        _pixels(width, height),
        _END,
    )
    missing = size - sum(map(len, parts)) - 12
    return parts if missing < 0 else (*parts[:-1], _padding(missing), parts[-1])


def _chunk(kind: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(kind + data)
    return len(data).to_bytes(4) + kind + data + crc.to_bytes(4)


_END = _chunk(b"IEND", b"")


def _header(width: int, height: int) -> bytes:
    # Bit depth 8, colour type 3: one byte a pixel, an index into the palette.
    return _chunk(b"IHDR", width.to_bytes(4) + height.to_bytes(4) + b"\x08\x03\x00\x00\x00")


@lru_cache(maxsize=8)
def _padding(size: int) -> bytes:
    # An ancillary, private chunk that is safe to copy: every decoder skips it.
    return _chunk(b"paDd", bytes(size))


def _palette(name: bytes) -> bytes:
    """Make a smooth cycle of 256 colours; three bytes of the name choose its hues."""
    base, span, tint = (byte / 255 for byte in name[:3])
    colours = bytearray()
    for index in range(256):
        wave = 0.5 - 0.5 * math.cos(2 * math.pi * index / 256)
        red, green, blue = colorsys.hsv_to_rgb(
            (base + (0.15 + 0.35 * span) * wave) % 1,
            0.5 + 0.3 * tint - 0.4 * wave,
            0.35 + 0.6 * wave,
        )
        colours += bytes((round(red * 255), round(green * 255), round(blue * 255)))
    return bytes(colours)


@lru_cache(maxsize=64)
def _pixels(width: int, height: int) -> bytes:
    """Compress a pattern f(x) + g(y): after the Up filter each row is one byte repeated."""
    across = _wave(width, 2.0, 0.7)
    down = _wave(height, 1.5, 2.1)
    press = zlib.compressobj(6)
    first = bytes((across[x] - across[x - 1] if x else across[0]) % 256 for x in range(width))
    data = bytearray(press.compress(_FIRST_ROW_FILTER + first))
    for y in range(1, height):
        step = (down[y] - down[y - 1]) % 256
        data += press.compress(_UP_FILTER + bytes((step,)) * width)
    return _chunk(b"IDAT", bytes(data) + press.flush())


def _wave(length: int, turns: float, phase: float) -> list[int]:
    angle = 2 * math.pi * turns / max(length, 1)
    return [
        round(90 * math.sin(angle * i + phase) + 40 * math.sin(2.7 * angle * i) + 128)
        for i in range(length)
    ]
