"""Pixel sizes by resolution and ratio (protocol notes 2.5)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .variants import RatioCodes, SizeTables

Size = tuple[int, int]

# Order of columns: the official ratio codes 1 to 8.
RATIOS = ("1:1", "3:4", "16:9", "4:3", "9:16", "2:3", "3:2", "21:9")

_LANDSCAPE = {
    "1k": [(1024, 1024), (1024, 576), (1024, 768), (1024, 682), (1195, 512)],
    "1.5k": [(1536, 1536), (1920, 1080), (1728, 1296), (1872, 1248), (2268, 972)],
    "2k": [(2048, 2048), (2560, 1440), (2304, 1728), (2496, 1664), (3024, 1296)],
    "4k": [(4096, 4096), (5404, 3040), (4693, 3520), (4992, 3328), (6197, 2656)],
}
# The same request was seen with these as well: older models at 1k, older clients at 4k.
_LANDSCAPE_OLDER = {
    "1k": [(1328, 1328), (1664, 936), (1472, 1104), (1584, 1056), (2016, 864)],
    "4k": [(4096, 4096), (5120, 2880), (4608, 3456), (4992, 3328), (6048, 2592)],
}
_ODD = {"1k": {(2016, 846)}}  # ZHD's figure for 21:9
RESOLUTIONS = tuple(_LANDSCAPE)

# The families of ratio codes; requests with either of the first two succeed.
_OFFICIAL = dict(enumerate(RATIOS, start=1))
_S4 = {8: "1:1", 4: "3:4", 1: "16:9", 3: "4:3", 6: "9:16", 5: "2:3", 2: "3:2", 0: "21:9"}
_HUNDREDS = {100 + code: ratio for code, ratio in _OFFICIAL.items()}


def _upright(size: Size) -> Size:
    return size[1], size[0]


def _by_ratio(row: list[Size]) -> dict[str, Size]:
    square, wide, four_three, three_two, ultra = row
    return {
        "1:1": square,
        "3:4": _upright(four_three),
        "16:9": wide,
        "4:3": four_three,
        "9:16": _upright(wide),
        "2:3": _upright(three_two),
        "3:2": three_two,
        "21:9": ultra,
    }


TABLE = {resolution: _by_ratio(row) for resolution, row in _LANDSCAPE.items()}
_OLDER = TABLE | {resolution: _by_ratio(row) for resolution, row in _LANDSCAPE_OLDER.items()}


def _known(resolution: str) -> set[Size]:
    sizes = {*TABLE[resolution].values(), *_OLDER[resolution].values()}
    return sizes | _ODD.get(resolution, set()) | {_upright(size) for size in sizes}


_KNOWN = {resolution: _known(resolution) for resolution in RESOLUTIONS}


def ratio_of(code: int, resolution: str, family: RatioCodes) -> str | None:
    """Say which ratio a code stands for; ``None`` for one the family does not have.

    Where every family is let in, 1 to 8 are read officially and 0 as S4's 21:9; the pixels tell
    the shape anyway.
    """
    match family:
        case "official":
            return _OFFICIAL.get(code)
        case "s4":
            return _S4.get(code)
        case "hundreds":
            # IPT and GDT count from 101 at 4k, officially elsewhere.
            return (_HUNDREDS if resolution == "4k" else _OFFICIAL).get(code)
        case "any":
            return (_S4 | _OFFICIAL | _HUNDREDS).get(code)


def size_table(resolution: str, tables: SizeTables, *, older: bool) -> Mapping[str, Size]:
    """Give the sizes by ratio that a model makes, if none is asked for."""
    like_older = older if tables == "any" else tables == "older"
    return (_OLDER if like_older else TABLE)[resolution]


def output_size(
    asked: Size | None, resolution: str, ratio: str, tables: SizeTables, *, older: bool
) -> Size:
    """Say how large the image becomes.

    ``resolution_type`` wins over the pixel count when they disagree: 1024x1024 with "2k" gave
    2048x2048 (protocol notes 2.5), and S4 sends the 2k pixels with "1k".
    """
    if tables == "any" and asked in _KNOWN[resolution]:
        return asked
    table = size_table(resolution, tables, older=older)
    if asked is None:
        return table[ratio]
    return min(table.values(), key=lambda size: _apart(size, asked))


def nearest_ratio(shape: Size, ratios: Iterable[str]) -> str:
    """Say which of some ratios a picture of this size is nearest to."""
    return min(ratios, key=lambda ratio: _apart(_size(ratio), shape))


def resolution_of(asked: Size) -> str | None:
    """Say which resolution's table holds this size."""
    return next((name for name, sizes in _KNOWN.items() if asked in sizes), None)


def _size(ratio: str) -> Size:
    across, _, down = ratio.partition(":")
    return int(across), int(down)


def _apart(one: Size, other: Size) -> float:
    return abs(math.log(one[0] * other[1]) - math.log(one[1] * other[0]))
