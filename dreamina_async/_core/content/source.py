"""Pieces of any size in, exact reads out: what lets each format be walked top to bottom.

A walk is a generator. It reads through `yield from` and is suspended exactly when the bytes
fed so far are used up, so it can be written as if the whole file lay there. Nothing but the
few bytes of an unfinished header outlives a feed: every other byte is looked at in place.
"""

import re
import zlib
from collections.abc import Generator
from typing import TypeVar

from dreamina_async.errors import IncompleteDownload

T = TypeVar("T")
Steps = Generator[None, None, T]

MAX_PARTS = 1 << 17
"""Chunks, boxes or segments in one file. Real ones have up to some ten thousand; a file made
of empty ones would cost a Python step per eight bytes."""

_NOTHING = memoryview(b"")
# In a scan FF 00 is a stuffed byte, FF D0 to D7 restart and FF FF is filling: no ends of it.
_JPEG_MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")


class Source:
    """The bytes of one file as they come.

    Attributes:
        ended: no more will come.
        sized: the length was announced and has been found right.
        inside: where the walk is, for the message about a file cut short.
    """

    def __init__(self) -> None:
        self.ended = False
        self.sized = False
        self.inside = "its first bytes"
        self._view = _NOTHING
        self._at = 0
        self._before = 0
        self._parts = 0

    @property
    def offset(self) -> int:
        """How many bytes the walk has read."""
        return self._before + self._at

    def supply(self, data: bytes | bytearray | memoryview) -> None:
        """Lay the next bytes before the walk."""
        self._view = memoryview(data).cast("B")
        self._at = 0

    def release(self) -> None:
        """Let go of the bytes supplied; the walk has read them all, or given up."""
        self._before += len(self._view)
        self._view = _NOTHING
        self._at = 0

    def part(self) -> None:
        """Count one chunk, box or segment."""
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise IncompleteDownload(f"damaged: more than {MAX_PARTS} parts")

    def more(self) -> Steps[bool]:
        """Whether there is another byte; waits until that is known."""
        while self._at == len(self._view):
            if self.ended:
                return False
            yield
        return True

    def peek(self, count: int) -> Steps[bytes]:
        """The file's first bytes, fewer if it has fewer, left to be read again."""
        head = bytearray()
        while len(head) < count and (yield from self.more()):
            step = min(count - len(head), len(self._view) - self._at)
            head += self._view[self._at : self._at + step]
            self._at += step
        if self._at >= len(head):
            self._at -= len(head)
        else:  # they came in pieces: join them with what is left of the last one
            self._view = memoryview(bytes(head) + self._view[self._at :])
            self._at = self._before = 0
        return bytes(head)

    def take(self, count: int) -> Steps[bytes]:
        """Exactly so many bytes; meant for headers, as it copies them."""
        taken = b""
        while missing := count - len(taken):
            step = yield from self._reach(missing)
            taken += self._view[self._at : self._at + step]
            self._at += step
        return taken

    def skip(self, count: int) -> Steps[None]:
        """Pass over so many bytes; one step for each piece fed."""
        while count:
            step = yield from self._reach(count)
            self._at += step
            count -= step

    def crc32(self, count: int, value: int) -> Steps[int]:
        """Pass over so many bytes and continue a CRC-32 over them."""
        while count:
            step = yield from self._reach(count)
            value = zlib.crc32(self._view[self._at : self._at + step], value)
            self._at += step
            count -= step
        return value

    def jpeg_marker(self) -> Steps[int]:
        """Pass over everything up to the next JPEG marker and give its code."""
        split = b""  # an FF that ended a piece, whose code begins the next one
        while (yield from self.more()):
            if _JPEG_MARKER.match(split + self._view[self._at : self._at + 1]):
                self._at += 1
                return self._view[self._at - 1]
            found = _JPEG_MARKER.search(self._view, self._at)
            if found:
                self._at = found.end()
                return self._view[self._at - 1]
            split = b"\xff" if self._view[-1] == 0xFF else b""
            self._at = len(self._view)
        raise self._cut()

    def rest(self) -> Steps[None]:
        """Pass over everything to the end."""
        while (yield from self.more()):
            self._at = len(self._view)

    def end(self) -> Steps[None]:
        """The file is whole here; what still comes must be zeros, or announced.

        Viewers ignore bytes after the end, some tools append them, and to refuse a whole
        picture for their sake would lose what was paid for. Only where no length was
        announced might they be a second answer, spliced into one body.
        """
        after = self.offset
        foreign = False
        while (yield from self.more()):
            left = bytes(self._view[self._at :])
            foreign = foreign or left.count(0) != len(left)
            self._at = len(self._view)
        if foreign and not self.sized:
            raise IncompleteDownload(
                f"foreign bytes after its end at byte {after}, and no length was announced"
            )

    def _reach(self, count: int) -> Steps[int]:
        if not (yield from self.more()):
            raise self._cut()
        return min(count, len(self._view) - self._at)

    def _cut(self) -> IncompleteDownload:
        return IncompleteDownload(f"cut short after {self.offset} bytes, in {self.inside}")


def label(code: bytes) -> str:
    """A four-byte type, made safe to print."""
    return code.decode("ascii") if printable(code) else code.hex()


def printable(code: bytes) -> bool:
    """Whether a four-byte type is plain ASCII, as all registered ones are."""
    return code.isascii() and code.decode("ascii").isprintable()
