"""What the walk through a file has found out about it."""

from typing import Literal

from attrs import frozen

from dreamina_async.errors import IncompleteDownload

ContentFormat = Literal["png", "jpeg", "webp", "avif", "mp4", "mov"]

MAX_SIDE = 65_535
"""The most that JPEG can say, and far above what the service makes; more is a damaged header."""


@frozen
class ContentFacts:
    """A whole file: its format by signature, and what its own headers say.

    Attributes:
        width, height: pixels as stored, before any rotation that a player applies. Always
            known for PNG, JPEG and WebP; None where an ISO file's inner boxes do not tell.
        duration_ms: videos only; None where the file does not tell.
        size: bytes fed.
    """

    format: ContentFormat
    width: int | None
    height: int | None
    duration_ms: int | None
    size: int

    @property
    def extension(self) -> str:
        """The file name's suffix, without the dot."""
        return "jpg" if self.format == "jpeg" else self.format


def plausible(width: int, height: int) -> bool:
    """Whether both sides are such as a picture can have."""
    return 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE


def sides(width: int, height: int) -> tuple[int, int]:
    """Both sides, as read from an image's header.

    Raises:
        IncompleteDownload: no picture has such sides.
    """
    if not plausible(width, height):
        raise IncompleteDownload(f"damaged: its header says {width}x{height} pixels")
    return width, height
