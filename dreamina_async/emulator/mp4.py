"""Real MP4 videos: small H.264 samples, each served copy made unique by a ``free`` box.

All of them last five seconds whatever was ordered, and records say what is true of the file.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from .png import Parts

Rendition = Literal["origin", "preview"]


@attrs.frozen
class Sample:
    """A shipped sample and the figures that are true of it."""

    name: str
    width: int
    height: int
    duration_ms: int = 5000
    fps: int = 24

    def of(self, rendition: Rendition) -> Sample:
        """Give this sample, or its smaller copy."""
        if rendition == "origin":
            return self
        return attrs.evolve(
            self, name=f"{self.name}-preview", width=self.width // 2, height=self.height // 2
        )


_SQUARE = Sample("square", 240, 240)
_LANDSCAPE = Sample("landscape", 320, 180)
_PORTRAIT = Sample("portrait", 180, 320)
_BY_RATIO = {
    "21:9": _LANDSCAPE,
    "16:9": _LANDSCAPE,
    "4:3": _LANDSCAPE,
    "3:4": _PORTRAIT,
    "9:16": _PORTRAIT,
}


def sample_for(ratio: str) -> Sample:
    """Choose the sample nearest to a ratio."""
    return _BY_RATIO.get(ratio, _SQUARE)


def mp4(sample: Sample, about: str, size: int = 0) -> Parts:
    """Make a playable file that carries ``about``, padded to about ``size`` bytes."""
    film = _read(sample.name)
    label = about.encode()
    padding = _zeros(max(0, size - len(film) - len(label) - 8))
    head = (8 + len(label) + len(padding)).to_bytes(4) + b"free"
    return (film, head + label, padding)


@lru_cache(maxsize=8)
def _read(name: str) -> bytes:
    return files(__name__.rpartition(".")[0]).joinpath("samples", f"{name}.mp4").read_bytes()


@lru_cache(maxsize=8)
def _zeros(size: int) -> bytes:
    return bytes(size)
