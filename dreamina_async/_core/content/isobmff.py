"""MP4, MOV and AVIF: boxes within boxes (ISO/IEC 14496-12, 23008-12).

The outer boxes decide: they must fill the file exactly, and the required ones be there. The
inner ones only tell facts, so a damaged inner box costs these facts and never the file. They
are read as they stream by; the index of a long video is passed over, never held.
"""

import struct
from collections.abc import Mapping

from attrs import frozen

from dreamina_async._core.content.facts import ContentFacts, ContentFormat, plausible
from dreamina_async._core.content.source import Source, Steps, label, printable
from dreamina_async.errors import IncompleteDownload
from dreamina_async.requests import MediaKind

_HEADER = struct.Struct(">I4s")
_MAX_FTYP = 4096
_LEAF = 128
"""Enough for mvhd (112 bytes) and tkhd (96), the longest boxes read."""
_MAX_DURATION_MS = 7 * 24 * 3600 * 1000

_AVIF = frozenset({b"avif", b"avis"})
_IMAGES = _AVIF | {b"mif1", b"msf1", b"miaf", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}

_WITHIN: Mapping[bytes, frozenset[bytes]] = {
    b"moov": frozenset({b"mvhd", b"trak"}),
    b"trak": frozenset({b"tkhd", b"mdia"}),
    b"mdia": frozenset({b"hdlr"}),
    b"meta": frozenset({b"iprp"}),
    b"iprp": frozenset({b"ipco"}),
    b"ipco": frozenset({b"ispe"}),
}
"""The boxes worth entering, by the box they stand in; being a tree, it bounds the depth."""

_Size = tuple[int, int]


def walk_isobmff(source: Source, kind: MediaKind) -> Steps[ContentFacts]:
    """The cost is a Python step per box and per feed, none per byte."""
    found = yield from _ftyp(source, kind)
    boxes = _Boxes(source)
    while (yield from source.more()):
        yield from boxes.outer()
    boxes.complete(b"meta" if found == "avif" else b"moov")
    if found == "avif":
        size, duration = boxes.image, None
    else:
        size, duration = boxes.video, boxes.duration
    width, height = size or (None, None)
    return ContentFacts(found, width, height, duration, source.offset)


def _ftyp(source: Source, kind: MediaKind) -> Steps[ContentFormat]:
    source.inside = "box ftyp"
    length, _ = _HEADER.unpack((yield from source.take(8)))
    if not 16 <= length <= _MAX_FTYP:
        raise IncompleteDownload(f"damaged: its ftyp box claims {length} bytes")
    body = yield from source.take(length - 8)
    major = body[:4]
    brands = {major, *(body[at : at + 4] for at in range(8, len(body), 4))}
    if major not in _IMAGES:
        if kind == "image":
            raise IncompleteDownload("a video came where an image was due")
        return "mov" if major == b"qt  " else "mp4"
    name = "AVIF" if brands & _AVIF else "HEIF"
    if kind == "video":
        raise IncompleteDownload(f"a {name} image came where a video was due")
    if name == "HEIF":
        raise IncompleteDownload("a HEIF image came, which is none of PNG, JPEG, WebP and AVIF")
    return "avif"


@frozen
class _Box:
    kind: bytes
    stop: int | None
    """Where it ends; None if it reaches to the end of the file."""


class _Boxes:
    """What the boxes seen so far have told."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._kinds: set[bytes] = set()
        self._last = b""
        self._data = 0
        self._endless = False
        self._track: _Size | None = None
        self._track_is_video = False
        self.duration: int | None = None
        self.video: _Size | None = None
        self.image: _Size | None = None

    def outer(self) -> Steps[None]:
        """Read one box of the outermost level."""
        source = self._source
        source.inside = "the header of a box"
        box = yield from self._header()
        if box is None or not printable(box.kind):
            raise IncompleteDownload(f"damaged: no box before byte {source.offset}")
        if box.kind == b"ftyp":  # it is there once; another one begins a spliced answer
            raise IncompleteDownload(f"damaged: a file begins again before byte {source.offset}")
        source.inside = f"box {label(box.kind)}"
        start = source.offset
        if box.stop is None:
            self._endless = True
            yield from source.rest()
        elif box.kind in (b"moov", b"meta"):
            yield from self._children(box.kind, box.stop)
        else:
            yield from source.skip(box.stop - source.offset)
        self._kinds.add(box.kind)
        self._last = box.kind
        self._data += source.offset - start if box.kind == b"mdat" else 0

    def complete(self, index: bytes) -> None:
        """Refuse what lacks its index or its data, or cannot be known to be whole."""
        if index not in self._kinds or not self._data:
            missing = label(index) if index not in self._kinds else "mdat"
            raise IncompleteDownload(f"incomplete: it has no {missing} box")
        # Fragments may end after any of them, unless an index closes the file; and a box
        # without a length ends wherever the bytes do. Then only an announced length proves.
        fragments = b"moof" in self._kinds and self._last != b"mfra"
        if (fragments or self._endless) and not self._source.sized:
            raise IncompleteDownload("perhaps cut short: neither file nor reply tells its length")

    def _header(self, end: int | None = None) -> Steps[_Box | None]:
        """The next box, or None if its length cannot be; `end` is its parent's."""
        source = self._source
        source.part()
        start = source.offset
        size, kind = _HEADER.unpack((yield from source.take(8)))
        if size == 0:
            return _Box(kind, end)
        if size == 1 and (end is None or source.offset + 8 <= end):
            (size,) = struct.unpack(">Q", (yield from source.take(8)))
        stop = start + size
        fits = source.offset <= stop and (end is None or stop <= end)
        return _Box(kind, stop) if fits else None

    def _children(self, parent: bytes, end: int) -> Steps[None]:
        source = self._source
        if parent == b"meta":  # version and flags come first
            yield from source.skip(min(4, end - source.offset))
        while source.offset + 8 <= end:
            box = yield from self._header(end)
            if box is None or box.stop is None:
                break
            if box.kind in _WITHIN[parent]:
                yield from self._inner(box.kind, box.stop)
            yield from source.skip(box.stop - source.offset)
        yield from source.skip(end - source.offset)

    def _inner(self, kind: bytes, stop: int) -> Steps[None]:
        if kind not in _WITHIN:
            body = yield from self._source.take(min(stop - self._source.offset, _LEAF))
            self._leaf(kind, body)
        elif kind == b"trak":
            self._track, self._track_is_video = None, False
            yield from self._children(kind, stop)
            if self._track_is_video:
                self.video = _larger(self.video, self._track)
        else:
            yield from self._children(kind, stop)

    def _leaf(self, kind: bytes, body: bytes) -> None:
        match kind:
            case b"mvhd":
                self.duration = _mvhd(body)
            case b"tkhd":
                self._track = _tkhd(body)
            case b"hdlr":
                self._track_is_video = body[8:12] == b"vide"
            case _:
                # A picture of several tiles has an ispe for each, and the largest for itself.
                self.image = _larger(self.image, _ispe(body))


def _mvhd(body: bytes) -> int | None:
    layout = {0: ">12xII", 1: ">20xIQ"}.get(body[0]) if body else None
    if layout is None or len(body) < struct.calcsize(layout):
        return None
    scale, units = struct.unpack_from(layout, body)
    # All ones mean unknown; with 64 of them the bound refuses it anyway.
    duration: int = (units * 1000 + scale // 2) // scale if scale else 0
    unknown = units == 2**32 - 1
    return duration if 0 < duration <= _MAX_DURATION_MS and not unknown else None


def _tkhd(body: bytes) -> _Size | None:
    layout = {0: ">76xII", 1: ">88xII"}.get(body[0]) if body else None
    if layout is None or len(body) < struct.calcsize(layout):
        return None
    width, height = struct.unpack_from(layout, body)
    return _size(width >> 16, height >> 16)


def _ispe(body: bytes) -> _Size | None:
    return _size(*struct.unpack_from(">4xII", body)) if len(body) >= 12 else None


def _size(width: int, height: int) -> _Size | None:
    return (width, height) if plausible(width, height) else None


def _larger(one: _Size | None, other: _Size | None) -> _Size | None:
    return max(one, other, key=lambda size: size[0] * size[1] if size else 0)
