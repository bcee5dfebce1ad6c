"""The gallery as a whole: read the folder, make the page, put it in place."""

import asyncio
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from attrs import frozen

from dreamina_async import InvalidRequest, JobRecord, StorageError, journal_folder, journal_jobs
from dreamina_async.gallery.cards import card_of
from dreamina_async.gallery.documents import read_documents
from dreamina_async.gallery.page import MARK, page

GALLERY_NAME = "gallery.html"

_JOURNAL = "journal.sqlite3"


@frozen
class Gallery:
    """A page that stands.

    Attributes:
        path: the page.
        jobs: how many jobs it shows.
        files: how many files they have.
    """

    path: Path
    jobs: int
    files: int


async def write_gallery(folder: str | os.PathLike[str]) -> Gallery:
    """Write `gallery.html` into an output folder: its images and videos, to look at offline.

    Reads the journal without a lock, so it works while another process is at it; jobs that
    only left a `job.json` are shown as well. An older gallery is replaced.

    Raises:
        InvalidRequest: the files are in an object store.
        StorageError: there are no jobs, the journal cannot be read, or the page cannot be
            written, such as when another file stands in its place.
    """
    root = journal_folder(folder)
    known = await journal_jobs(root) if (root / _JOURNAL).exists() else []
    if any(file.url for record in known for file in record.media):
        raise InvalidRequest(
            "a gallery shows the files of a folder, and these are in an object store: copy them "
            "from there, each job's folder with its job.json",
            field="folder",
        )
    return await asyncio.to_thread(_write, root, known)


def _write(root: Path, known: Sequence[JobRecord]) -> Gallery:
    folders = {record.folder.name for record in known}
    records = [*known, *(one for one in read_documents(root) if one.folder.name not in folders)]
    if not records:
        raise StorageError("there are no jobs here to show", path=str(root))
    records.sort(key=lambda record: record.created_at)
    cards = [card_of(record, root) for record in records]
    path = root / GALLERY_NAME
    _put(path, page(root.resolve().name or str(root), cards, datetime.now(UTC)))
    return Gallery(path, len(records), sum(len(record.media) for record in records))


def _put(path: Path, text: str) -> None:
    try:
        _refuse_foreign(path)
        _replace(path, text.encode("utf-8", "replace"))
    except OSError as error:
        raise StorageError.of(error, path) from error


def _refuse_foreign(path: Path) -> None:
    if not os.path.lexists(path):
        return
    if path.is_file() and not path.is_symlink():
        with path.open("rb") as file:
            if MARK.encode() in file.read(200):
                return
    raise StorageError("another file stands where the gallery would; move it", path=str(path))


def _replace(path: Path, data: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=".gallery-", suffix=".part", dir=path.parent)
    part = Path(name)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
