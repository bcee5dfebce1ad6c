"""Pixel sizes by resolution and ratio (protocol notes 2.5)."""

from __future__ import annotations

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
_ALSO = {
    "1k": [(1328, 1328), (1664, 936), (1472, 1104), (1584, 1056), (2016, 864), (2016, 846)],
    "4k": [(5120, 2880), (4608, 3456), (6048, 2592)],
}
RESOLUTIONS = tuple(_LANDSCAPE)

# Both families of codes are accepted (S4 0 to 8, the official table 1 to 8, 101 to 108 at 4k).
RATIO_CODES = frozenset([*range(9), *range(101, 109)])


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
_KNOWN = {
    resolution: {*TABLE[resolution].values()}
    | {size for wide in _ALSO.get(resolution, []) for size in (wide, _upright(wide))}
    for resolution in TABLE
}


def output_size(asked: Size | None, resolution: str, code: int) -> Size:
    """Say how large the image becomes.

    ``resolution_type`` wins over the pixel count when they disagree: 1024x1024 with "2k" gave
    2048x2048 (protocol notes 2.5), and S4 sends the 2k pixels with "1k".
    """
    if asked in _KNOWN[resolution]:
        return asked
    if asked:
        shape = asked[0] / asked[1]
        return min(TABLE[resolution].values(), key=lambda size: abs(size[0] / size[1] - shape))
    place = code % 100 - 1 if code else 7
    return TABLE[resolution][RATIOS[place]]


def resolution_of(asked: Size) -> str | None:
    """Say which resolution's table holds this size."""
    return next((name for name, sizes in _KNOWN.items() if asked in sizes), None)
