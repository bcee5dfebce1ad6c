"""Images that a request brings along: whatever is given, a small value stands for it."""

import io
import json
import os
import pickle
from hashlib import sha256
from pathlib import Path, PurePosixPath

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async.errors import InvalidRequest
from dreamina_async.images import (
    MAX_IMAGE_BYTES,
    ImageData,
    ImageRef,
    image_from_plain,
    image_of,
    image_to_plain,
    images_of,
)

CONTENT = b"\x89PNG\r\n\x1a\n CANARY"
DATA = ImageData.of(CONTENT)
REF = ImageRef("tos-cn-i-tb4s082cfz/0a1b", 640, 480, "png")
DIGEST = sha256(CONTENT).hexdigest()


class InPieces:
    """A pipe: it gives what it has just then, and less than was asked for."""

    def __init__(self, *pieces):
        self.pieces = [*pieces, b""]

    def read(self, size=-1):
        return self.pieces.pop(0)


class Endless:
    """A device without an end, such as /dev/zero."""

    def read(self, size=-1):
        return bytes(size)


class AsyncFile:
    """What `anyio.open_file` gives."""

    async def read(self, size=-1):
        return CONTENT


class Place(os.PathLike):
    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return self.path


@pytest.mark.parametrize("source", ["in/猫 1.png", Path("in/猫 1.png"), Place("in/猫 1.png")])
def test_a_path_stays_a_path_and_need_not_exist(source):
    assert image_of(source, "references") == Path("in/猫 1.png")


@pytest.mark.parametrize(
    "source",
    [
        CONTENT,
        bytearray(CONTENT),
        memoryview(CONTENT),
        io.BytesIO(CONTENT),
        InPieces(CONTENT[:3], CONTENT[3:4], CONTENT[4:]),
        DATA,
    ],
    ids=["bytes", "bytearray", "memoryview", "BytesIO", "pipe", "ImageData"],
)
def test_bytes_in_every_form_are_known_by_their_digest(source):
    image = image_of(source, "references")
    assert image == DATA
    assert (image.sha256, image.size, image.content) == (DIGEST, len(CONTENT), CONTENT)


@pytest.mark.parametrize("buffering", [-1, 0])
def test_a_file_opened_in_binary_mode_is_read_at_once(tmp_path, buffering):
    path = tmp_path / "a.png"
    path.write_bytes(CONTENT)
    with path.open("rb", buffering) as file:
        image = image_of(file, "references")
    path.unlink()
    assert image.content == CONTENT


def test_a_file_is_read_from_where_it_stands():
    file = io.BytesIO(b"header" + CONTENT)
    file.seek(6)
    assert image_of(file, "references") == DATA


def test_later_changes_of_a_buffer_change_no_request():
    buffer = bytearray(CONTENT)
    image = image_of(buffer, "references")
    buffer[:] = b"x" * len(buffer)
    assert image.content == CONTENT


def test_an_upload_is_taken_as_it_is():
    assert image_of(REF, "references") is REF


@pytest.mark.parametrize(
    "source",
    [
        "",
        "  ",
        "a\0b.png",
        Path("a\0b.png"),
        "a\udcff.png",  # a name that is not UTF-8 has no place in the journal
        Place(b"a.png"),
        b"",
        bytearray(),
        io.BytesIO(),
        io.StringIO("text"),
        AsyncFile(),
        InPieces(None),
        None,
        5,
        True,
        PurePosixPath,
        [],
        {"uri": "x"},
    ],
    ids=lambda source: repr(source).partition(" object at")[0],
)
def test_what_is_no_image(source):
    with pytest.raises(InvalidRequest) as caught:
        image_of(source, "first_frame")
    assert caught.value.field == "first_frame"
    assert len(str(caught.value)) < 300


def test_a_text_file_is_told_how_to_be_opened(tmp_path):
    path = tmp_path / "a.png"
    path.write_text("text")
    with path.open() as file, pytest.raises(InvalidRequest, match="binary mode"):
        image_of(file, "references")


@pytest.mark.parametrize("source", [bytes(MAX_IMAGE_BYTES + 1), Endless()], ids=["bytes", "file"])
def test_an_image_that_is_too_large(source):
    with pytest.raises(InvalidRequest, match=str(MAX_IMAGE_BYTES)):
        image_of(source, "references")


def test_the_largest_image_is_taken():
    assert image_of(bytes(MAX_IMAGE_BYTES), "references").size == MAX_IMAGE_BYTES


SINGLES = ["a.png", Path("a.png"), Place("a.png"), CONTENT, bytearray(CONTENT), memoryview(CONTENT)]


@pytest.mark.parametrize("source", [*SINGLES, DATA, REF], ids=lambda one: type(one).__name__)
def test_a_single_image_needs_no_list(source):
    assert images_of(source, "references") == (image_of(source, "references"),)


def test_a_single_file_is_not_taken_line_by_line():
    assert images_of(io.BytesIO(b"a\nb\nc"), "references") == (ImageData.of(b"a\nb\nc"),)


def test_several_of_several_kinds_stay_in_order():
    sources = [REF, "a.png", CONTENT, Path("b.png"), io.BytesIO(CONTENT), "a.png"]
    images = (REF, Path("a.png"), DATA, Path("b.png"), DATA, Path("a.png"))
    assert images_of(sources[:4], "references") == images[:4]
    assert images_of((one for one in sources), "references") == images
    assert images_of((), "references") == ()


@pytest.mark.parametrize(
    "sources",
    [None, 5, {"uri": "x"}, {"a.png": 1}, ["a.png", None], ["a.png", ["b.png"]], [1, 2]],
    ids=repr,
)
def test_what_is_no_list_of_images(sources):
    with pytest.raises(InvalidRequest) as caught:
        images_of(sources, "references")
    assert caught.value.field == "references"


def test_bytes_are_equal_by_digest_and_never_shown():
    other = ImageData.of(CONTENT + b"x")
    assert ImageData.of(bytes(bytearray(CONTENT))) == DATA != other
    assert len({DATA, ImageData.of(CONTENT), ImageData(DIGEST, len(CONTENT)), other}) == 2
    assert "CANARY" not in repr(DATA)
    assert len(repr(DATA)) < 150


def test_nothing_of_an_image_can_be_changed():
    for image, name in ((DATA, "content"), (REF, "uri")):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(image, name, b"")


def test_bytes_travel_with_a_pickle():
    assert pickle.loads(pickle.dumps(DATA)).content == CONTENT


@pytest.mark.parametrize(
    ("image", "plain"),
    [
        (Path("in/猫.png"), "in/猫.png"),
        (DATA, {"sha256": DIGEST, "size": len(CONTENT)}),
        (REF, {"uri": "tos-cn-i-tb4s082cfz/0a1b", "width": 640, "height": 480, "format": "png"}),
    ],
)
def test_plain_data_and_back(image, plain):
    assert image_to_plain(image) == plain
    again = image_from_plain(json.loads(json.dumps(plain)), "references")
    assert again == image
    assert getattr(again, "content", None) is None


def test_a_uri_alone_is_enough():
    assert image_from_plain({"uri": "tos-cn-i/0a1b"}, "references") == ImageRef("tos-cn-i/0a1b")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"url": "https://x"},
        {"uri": ""},
        {"uri": "a b"},
        {"uri": "a\n"},
        {"uri": "猫"},
        {"uri": "x" * 513},
        {"uri": 5},
        {"uri": "x", "width": "640"},
        {"uri": "x", "width": -1},
        {"uri": "x", "height": [480]},
        {"uri": "x", "height": True},
        {"uri": "x", "format": None},
        {"uri": "x", "format": "p" * 33},
        {"uri": "x", "sha256": DIGEST},
        {"uri": "x", "more": 1},
        {"sha256": DIGEST},
        {"sha256": DIGEST.upper(), "size": 5},
        {"sha256": "../../etc/passwd", "size": 5},
        {"sha256": [DIGEST], "size": 5},
        {"sha256": DIGEST, "size": -1},
        {"sha256": DIGEST, "size": "5"},
        {"sha256": DIGEST, "size": 5, "content": "text"},
        {"sha256": DIGEST, "size": 5, 7: 1},
        None,
        [],
        "",
    ],
    ids=repr,
)
def test_plain_data_that_describes_no_image(data):
    with pytest.raises(InvalidRequest):
        image_from_plain(data, "references")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_any_json_value_is_an_image_or_an_error_of_ours(value):
    for data in (value, {"uri": value}, {"sha256": value, "size": value}):
        try:
            image = image_from_plain(data, "references")
        except InvalidRequest:
            continue
        hash(image)
        json.dumps(image_to_plain(image), ensure_ascii=False).encode()
