"""The door: which format a body has, and the walk that proves it whole."""

from dreamina_async._core.content.facts import ContentFacts
from dreamina_async._core.content.isobmff import walk_isobmff
from dreamina_async._core.content.jpeg import SIGNATURE as JPEG
from dreamina_async._core.content.jpeg import walk_jpeg
from dreamina_async._core.content.png import SIGNATURE as PNG
from dreamina_async._core.content.png import walk_png
from dreamina_async._core.content.source import Source, Steps
from dreamina_async._core.content.webp import walk_webp
from dreamina_async.errors import IncompleteDownload
from dreamina_async.requests import MediaKind

_HEAD = 12
"""As many bytes as the longest signature needs (RIFF, length, WEBP)."""

_FOREIGN = (
    (b"GIF8", "a GIF image"),
    (b"\x1f\x8b", "a gzip stream"),
    (b"\x1a\x45\xdf\xa3", "a WebM or Matroska video"),
    (b"PK\x03\x04", "a ZIP archive"),
)


class ContentCheck:
    """Checks one body while it streams by; `feed` every byte in order, then `finish`.

    Both do bulk work only, hold no payload (some KiB of header at most) and may run in any
    thread, one call at a time. The only error for whatever bytes is IncompleteDownload, and
    it comes as early as the bytes allow; after it every further call raises it again.

    Args:
        kind: what is due: `image` takes PNG, JPEG, WebP and AVIF, `video` MP4 and MOV.
    """

    def __init__(self, kind: MediaKind) -> None:
        self._source = Source()
        self._steps = _walk(self._source, kind)
        self._facts: ContentFacts | None = None
        self._problem: str | None = None

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Look at the next bytes, in pieces of any size.

        Raises:
            IncompleteDownload: this can no longer become the file that is due.
        """
        assert self._facts is None, "feed after finish"
        self._source.supply(data)
        self._advance()

    def finish(self, size_expected: int | None = None) -> ContentFacts:
        """Judge the whole, now that no more bytes come; asking again gives the same answer.

        Args:
            size_expected: the length that the reply announced. Without one, a file whose own
                structure cannot tell where it ends (fragmented MP4) is refused.

        Raises:
            IncompleteDownload: the bytes fed are not one whole file of the kind that is due.
        """
        if self._facts is None:
            self._compare(size_expected)
            self._source.ended = True
            self._source.sized = size_expected is not None
            self._advance()
        assert self._facts is not None, "a walk ends with facts or an error"
        return self._facts

    def _compare(self, expected: int | None) -> None:
        if self._problem is None and expected is not None and self._source.offset != expected:
            came = self._source.offset
            what = "cut short" if came < expected else "too long"
            self._problem = f"{what}: {came} bytes came where {expected} were announced"

    def _advance(self) -> None:
        if self._problem is not None:
            self._source.release()
            raise IncompleteDownload(self._problem)
        try:
            next(self._steps)
        except StopIteration as end:
            self._facts = end.value
        except IncompleteDownload as error:
            self._problem = error.message
            raise
        finally:
            self._source.release()


def begins_as(head: bytes, kind: MediaKind) -> str:
    """The suffix of a file that has passed its check so far, by its first bytes."""
    if head[4:8] == b"ftyp":
        video = "mov" if head[8:12] == b"qt  " else "mp4"
        return video if kind == "video" else "avif"
    if head.startswith(PNG):
        return "png"
    return "jpg" if head.startswith(JPEG) else "webp"


def _walk(source: Source, kind: MediaKind) -> Steps[ContentFacts]:
    head = yield from source.peek(_HEAD)
    if head[4:8] == b"ftyp":
        return (yield from walk_isobmff(source, kind))
    if head.startswith(PNG):
        name, walk = "PNG", walk_png
    elif head.startswith(JPEG):
        name, walk = "JPEG", walk_jpeg
    elif head.startswith(b"RIFF") and head[8:] == b"WEBP":
        name, walk = "WebP", walk_webp
    else:
        raise IncompleteDownload(_stranger(head, kind))
    if kind == "video":
        raise IncompleteDownload(f"a {name} image came where a video was due")
    return (yield from walk(source))


def _stranger(head: bytes, kind: MediaKind) -> str:
    due = "an image" if kind == "image" else "a video"
    if not head:
        return f"empty: no byte came where {due} was due"
    for signature, name in _FOREIGN:
        if head.startswith(signature):
            return f"{name} came where {due} was due"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<body")):
        return f"an HTML page came where {due} was due"
    if text.startswith(b"<"):
        return f"an XML or HTML page came where {due} was due"
    if text.startswith((b"{", b"[")):
        return f"JSON came where {due} was due"
    if len(head) < _HEAD:
        return f"cut short: {len(head)} bytes came where {due} was due"
    return f"bytes of an unknown format came where {due} was due"
