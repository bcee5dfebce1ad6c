"""What is found out about an image while it passes by."""

import struct
import zlib
from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async._core.picture import PictureReader, image_format, picture_of


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress((b"\0" + bytes(9)) * 2))
    + chunk(b"IEND")
)
BMP = b"BM" + bytes(12) + struct.pack("<IiiHH", 40, 7, -5, 1, 24) + bytes(24)
GIF = b"GIF89a" + struct.pack("<HH", 300, 200) + bytes(20)
HEIC = struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic" + bytes(40)
HEADS = {
    "png": PNG,
    "jpeg": b"\xff\xd8\xff\xe0" + bytes(40),
    "webp": b"RIFF" + bytes(4) + b"WEBP" + bytes(40),
    "gif": GIF,
    "bmp": BMP,
    "heic": HEIC,
    "avif": struct.pack(">I", 24) + b"ftypavif" + bytes(4) + b"avifmif1",
}
NONE = [b"", b"BMW"[:1], b"%PDF-1.7", b"<svg/>", b"\0\0\0\x18ftypisom", b"RIFF\0\0\0\0WAVE"]


@pytest.mark.parametrize(("name", "content"), HEADS.items())
def test_formats_are_known_by_their_first_bytes(name, content):
    assert image_format(content[:12]) == name
    assert picture_of(content).format == name


@pytest.mark.parametrize("content", NONE)
def test_what_is_no_image(content):
    assert image_format(content) == picture_of(content).format == ""


@pytest.mark.parametrize(
    ("content", "sides"),
    [
        (PNG, (3, 2)),
        (PNG[:40], (3, 2)),  # cut short: the service may still take it, or say why not
        (GIF, (300, 200)),
        (BMP, (7, 5)),
        (HEIC, (0, 0)),
        (HEADS["jpeg"], (0, 0)),
        (GIF[:8], (0, 0)),
        (b"GIF89a" + bytes(30), (0, 0)),
    ],
)
def test_sides(content, sides):
    picture = picture_of(content)
    assert (picture.width, picture.height) == sides


@given(st.lists(st.integers(1, len(PNG)), max_size=8))
def test_pieces_of_any_size_give_the_same(cuts):
    reader = PictureReader()
    edges = sorted({0, *cuts, len(PNG)})
    for start, stop in pairwise(edges):
        reader.feed(memoryview(PNG)[start:stop])
    picture = reader.finish()
    assert picture == picture_of(PNG)
    assert (picture.sha256, picture.crc32) == (sha256(PNG).hexdigest(), zlib.crc32(PNG))
    assert picture.size == len(PNG)


@given(st.sampled_from([*HEADS.values()]), st.binary(max_size=60), st.integers(0, 60))
def test_no_bytes_break_it(head, tail, length):
    picture_of(head[:length] + tail)
