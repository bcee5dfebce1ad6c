"""The images that a request brings along: references and frames, by path, bytes or upload."""

import re
from collections.abc import Coroutine, Iterable, Mapping
from hashlib import sha256
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Protocol, TypeGuard, cast

from attrs import asdict, field, frozen

from dreamina_async.errors import InvalidRequest, shown

MAX_IMAGE_BYTES = 100 << 20
"""What clients of the service allow for one uploaded image (IPT)."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


_URL = re.compile(r"[a-z]{2,9}:/", re.IGNORECASE)


class BinaryFile(Protocol):
    """A file object that gives bytes."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most so many."""
        ...


@frozen
class ImageRef:
    """An image that the service already has, as `session.upload` returns it.

    Attributes:
        uri: the service's name for it; good in any number of requests.
        width: pixels, 0 if not known.
        height: pixels, 0 if not known.
        format: such as `png`, empty if not known.
    """

    uri: str
    width: int = 0
    height: int = 0
    format: str = ""

    def __attrs_post_init__(self) -> None:
        if not _is_plain(self.uri, 512) or not self.uri or " " in self.uri:
            raise InvalidRequest(f"{shown(self.uri)} is no uri of an uploaded image", field="uri")
        for name, value in (("width", self.width), ("height", self.height)):
            if not _is_number(value):
                raise InvalidRequest(f"{name} {shown(value)} is no number of pixels", field=name)
        if not _is_plain(self.format, 32):
            raise InvalidRequest(f"{shown(self.format)} is no format", field="format")


@frozen
class ImageData:
    """An image given as bytes. Known by its digest: the journal keeps no more of it.

    Attributes:
        sha256: hex digest.
        size: bytes.
        content: the bytes; None when it comes from the journal.
    """

    sha256: str
    size: int
    content: bytes | None = field(default=None, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.sha256, str) or not _SHA256.fullmatch(self.sha256):
            raise InvalidRequest(f"{shown(self.sha256)} is no SHA-256", field="sha256")
        if not _is_number(self.size):
            raise InvalidRequest(f"size {shown(self.size)} is no number of bytes", field="size")

    @classmethod
    def of(cls, content: bytes) -> "ImageData":
        """An image's bytes, as they stand in its file."""
        return cls(sha256(content).hexdigest(), len(content), content)


Image = ImageRef | ImageData | Path
"""What a request holds of each image that it was given."""

ImageSource = ImageRef | ImageData | str | PathLike[str] | bytes | bytearray | BinaryFile
"""What may be given: an upload's result, a path, bytes, or a file object (read at once)."""

_SINGLE = (ImageRef, ImageData, str, PathLike, bytes, bytearray, memoryview)


def image_of(source: object, field: str) -> Image:
    """The value that stands for a given image; a path is not looked at before the upload.

    Raises:
        InvalidRequest: it is nothing that could be an image.
    """
    if isinstance(source, ImageRef | ImageData):
        return source
    if isinstance(source, str | PathLike):
        return _path(cast("str | PathLike[str]", source), field)
    if isinstance(source, bytes | bytearray | memoryview):
        return _data(bytes(cast("bytes", source)), field)
    if _is_file(source):
        return _data(_read(source, field), field)
    raise InvalidRequest(
        f"{shown(source)} is no image: give a path, bytes, a file opened in binary mode, or "
        "what `session.upload` returned",
        field=field,
    )


def images_of(sources: object, field: str) -> tuple[Image, ...]:
    """Several; a single one needs no list around it.

    Raises:
        InvalidRequest: one of them is no image.
    """
    if isinstance(sources, _SINGLE) or _is_file(sources):
        return (image_of(cast("object", sources), field),)
    if not _is_list(sources):
        raise InvalidRequest(f"{shown(sources)} is no list of images", field=field)
    return tuple([image_of(one, field) for one in sources])


def image_to_plain(image: Image) -> str | dict[str, Any]:
    """Plain data for JSON; never the bytes. `image_from_plain` brings it back."""
    match image:
        case ImageRef():
            return asdict(image)
        case ImageData():
            return {"sha256": image.sha256, "size": image.size}
        case _:
            return str(image)


def image_from_plain(data: Any, field: str) -> Image:
    """The image that plain data describes: a path, an upload's result, or a digest.

    Raises:
        InvalidRequest: it describes none.
    """
    if not isinstance(data, Mapping):
        return image_of(data, field)
    described = dict(cast("Mapping[str, Any]", data))
    # JSON has no bytes, so there is no content to be had from it
    is_data = "sha256" in described and "content" not in described
    try:
        return ImageData(**described) if is_data else ImageRef(**described)
    except TypeError:
        raise InvalidRequest(f"{shown(described)} describes no image", field=field) from None


def _is_plain(text: object, most: int) -> bool:
    if not isinstance(text, str) or len(text) > most:
        return False
    return text.isascii() and text.isprintable()


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_list(sources: object) -> TypeGuard[Iterable[object]]:
    return isinstance(sources, Iterable) and not isinstance(sources, Mapping)


def _is_file(source: object) -> TypeGuard[BinaryFile]:
    return callable(getattr(source, "read", None))


def _path(source: "str | PathLike[str]", field: str) -> Path:
    text = fspath(source)
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise InvalidRequest(f"{shown(source)} is no path of an image", field=field)
    if any("\ud800" <= character <= "\udfff" for character in text):
        # the journal and `job.json` are UTF-8
        raise InvalidRequest(
            f"the path {shown(source)} is not valid text: open the file in binary mode and give "
            "that",
            field=field,
        )
    if _URL.match(text):
        raise InvalidRequest(
            f"{shown(source)} is a URL: download the image, and give the file", field=field
        )
    return Path(text)


def _data(content: bytes, field: str) -> ImageData:
    if not content:
        raise InvalidRequest("the image is empty", field=field)
    if len(content) > MAX_IMAGE_BYTES:
        raise InvalidRequest(f"the image has more than {MAX_IMAGE_BYTES} bytes", field=field)
    return ImageData.of(content)


def _read(file: BinaryFile, field: str) -> bytes:
    # an unbuffered file or a pipe gives what it has just then: only nothing is the end
    pieces, left = list[bytes](), MAX_IMAGE_BYTES + 1
    while left > 0 and (piece := _piece(file, left, field)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _piece(file: BinaryFile, size: int, field: str) -> bytes:
    piece: object = file.read(size)
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, Coroutine):
        piece.close()  # else Python warns beside our error
    raise InvalidRequest(
        "the file object gives no bytes: open it in binary mode, and read an async one first",
        field=field,
    )
