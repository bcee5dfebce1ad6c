"""An upload has its name before the file is whole: it must be the one that the whole gets."""

import io
from pathlib import Path

import pytest
from PIL import Image
from session_kit import png

from dreamina_async import InvalidRequest, journal_folder
from dreamina_async._core.content import ContentCheck, begins_as
from dreamina_async._core.destination import Destination, folder_for, store_url, url_of
from dreamina_async.emulator.mp4 import mp4, sample_for

MP4 = b"".join(mp4(sample_for("16:9").of("origin"), "one", 60_000))


def drawn(kind: str) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (40, 30)).save(content, kind)
    return content.getvalue()


FILES = {
    "png": (png(), "image"),
    "jpg": (drawn("jpeg"), "image"),
    "webp": (drawn("webp"), "image"),
    "avif": (drawn("avif"), "image"),
    "mp4": (MP4, "video"),
    "mov": (MP4.replace(MP4[8:12], b"qt  ", 1), "video"),
}


@pytest.mark.parametrize("suffix", FILES)
def test_the_beginning_tells_the_name_of_the_whole(suffix: str) -> None:
    content, kind = FILES[suffix]
    check = ContentCheck(kind)
    check.feed(content)
    assert check.finish(len(content)).extension == suffix
    assert begins_as(content[:12], kind) == suffix


def test_a_place_says_what_paths_begin_with() -> None:
    local, remote = Destination(Path("/out")), Destination(Path("/state"), "s3://b/x")
    assert (local.root, remote.root) == (Path("/out"), Path())
    path = remote.root / "id" / "image-0.png"
    assert url_of(remote.url, path) == "s3://b/x/id/image-0.png"
    assert url_of(local.url, local.root / "id") is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("s3://bucket", "s3://bucket"),
        ("S3://Bucket/A/", "s3://Bucket/A"),
        ("gs://b/ä ö", "gs://b/ä ö"),
        ("abfss://container@account.dfs.core.windows.net/x", None),
        ("memory:///", "memory://"),
        ("out", ""),
        ("/data/s3:/bucket", ""),
        ("./a://b", ""),
    ],
)
def test_a_url_has_one_spelling(given: str, expected: str | None) -> None:
    assert store_url(given) == ((given if expected is None else expected) or None)


@pytest.mark.parametrize("url", ["s3://b/x", "gs://b", "abfss://c@a.net/x"])
def test_a_url_that_was_a_path_is_refused(url: str, tmp_path: Path) -> None:
    """Or a folder named `s3:` would be made, and everything be saved there."""
    with pytest.raises(InvalidRequest, match="lost a slash"):
        journal_folder(Path(url))
    assert journal_folder(tmp_path / "s3:" / "b") == tmp_path / "s3:" / "b"


def test_a_journals_folder_is_named_so_that_one_finds_it() -> None:
    name = folder_for("s3://bucket/a b/图")
    assert name.startswith("s3-bucket-a-b-")
    assert name.isascii()
    assert len(folder_for("s3://" + "x" * 500)) < 80
