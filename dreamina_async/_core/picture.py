"""What an image is that somebody wants to upload, told while its bytes pass by once."""

import struct
import zlib
from hashlib import sha256

from attrs import frozen

from dreamina_async._core.content import ContentCheck, ContentFacts
from dreamina_async._core.content.facts import plausible
from dreamina_async.errors import IncompleteDownload

FORMATS = ("PNG", "JPEG", "WebP", "GIF", "BMP", "AVIF", "HEIC")

HEAD = 32
"""As many bytes as the longest of the headers read here."""

_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "png",
    b"\xff\xd8\xff": "jpeg",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"BM": "bmp",
}
_BRANDS = {b"avif": "avif", b"avis": "avif"} | dict.fromkeys(
    (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "heic"
)


@frozen
class Picture:
    """One image's bytes, as a service needs to hear of them.

    Attributes:
        sha256: hex digest.
        crc32: CRC-32 of all bytes.
        size: bytes.
        format: by its signature, such as `png`.
        width, height: pixels; 0 where its headers do not tell easily.
    """

    sha256: str
    crc32: int
    size: int
    format: str
    width: int = 0
    height: int = 0


class PictureReader:
    """Reads an image once; `feed` every byte in order, then `finish`."""

    def __init__(self) -> None:
        self._head = b""
        self._sha256 = sha256()
        self._crc32 = 0
        self._size = 0
        self._check: ContentCheck | None = ContentCheck("image")

    def feed(self, data: bytes | memoryview) -> None:
        if len(self._head) < HEAD:
            self._head += bytes(data[: HEAD - len(self._head)])
        self._sha256.update(data)
        self._crc32 = zlib.crc32(data, self._crc32)
        self._size += len(data)
        if self._check is not None:
            self._look(data)

    def _look(self, data: bytes | memoryview) -> None:
        assert self._check is not None
        try:
            self._check.feed(data)
        except IncompleteDownload:
            # odd or damaged: whether it will do is for the service to say
            self._check = None

    def finish(self) -> Picture:
        """All that was found out; its format is empty if this is no image."""
        facts = self._facts()
        kind: str = image_format(self._head)
        width, height = _sides_of(self._head)
        if facts is not None:
            kind, width, height = facts.format, facts.width or 0, facts.height or 0
        return Picture(self._sha256.hexdigest(), self._crc32, self._size, kind, width, height)

    def _facts(self) -> ContentFacts | None:
        try:
            return self._check.finish(self._size) if self._check is not None else None
        except IncompleteDownload:
            return None


def picture_of(content: bytes) -> Picture:
    """The same of bytes that are all there; for a thread, as it looks at each of them."""
    reader = PictureReader()
    reader.feed(content)
    return reader.finish()


def image_format(head: bytes) -> str:
    """The format by the file's first bytes; empty if they begin no image."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "")
    return next((name for start, name in _SIGNATURES.items() if head.startswith(start)), "")


def _sides_of(head: bytes) -> tuple[int, int]:
    """What stands at fixed places; for the others the service itself looks."""
    match image_format(head):
        case "png" if len(head) >= 24:
            width, height = struct.unpack_from(">II", head, 16)
        case "gif" if len(head) >= 10:
            width, height = struct.unpack_from("<HH", head, 6)
        case "bmp" if len(head) >= 26 and head[14] >= 40:  # smaller headers are of OS/2
            width, height = struct.unpack_from("<ii", head, 18)
            height = abs(height)  # below zero: stored top row first
        case _:
            return 0, 0
    return (width, height) if plausible(width, height) else (0, 0)
