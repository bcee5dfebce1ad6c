"""Which rendition of a result to take, when the first has fewer pixels than its record says (S16).

The others are tried in their order, and the first that is large enough is taken. If none is,
the largest is: a small file is worth less than was paid for, and none at all is worth nothing.
"""

from attrs import define, field

from dreamina_async.models import MediaItem

_CLEARLY = 0.9
"""Sides shorter than this share of the promised ones are no matter of rounding."""


def falls_short(item: MediaItem, width: int | None, height: int | None) -> bool:
    """Whether a file has clearly fewer pixels than its record says, whichever way it lies."""
    if not (item.width and item.height and width and height):
        return False
    told, found = sorted((item.width, item.height)), sorted((width, height))
    return any(there < _CLEARLY * side for side, there in zip(told, found, strict=True))


@define
class Choice:
    """The search among one result's renditions.

    Attributes:
        rendition: the one to bring, counted from 0.
    """

    rendition: int = 0
    _pixels: dict[int, int] = field(factory=dict[int, int])
    _settled: bool = False

    @property
    def searching(self) -> bool:
        """Whether a better one is looked for than one that was already there."""
        return bool(self._pixels) and not self._settled

    def go_on(self, pixels: int, renditions: int) -> bool:
        """The present one falls short; whether another is to be brought in its place.

        Args:
            pixels: how many it has.
            renditions: how many there are to choose from.
        """
        if self._settled:
            return False
        self._pixels[self.rendition] = pixels
        if self.rendition + 1 < renditions:
            self.rendition += 1
            return True
        present = self.rendition
        self.settle()
        return self.rendition != present

    def settle(self) -> None:
        """Search no more, and take the largest of those that were there, the first of equals."""
        self._settled = True
        self.rendition = max(self._pixels, key=self._pixels.__getitem__)

    def begin_anew(self) -> None:
        """The URLs are fresh ones."""
        self.rendition = 0
        self._pixels.clear()
