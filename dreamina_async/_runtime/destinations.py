"""Finds an output folder's journal, and opens the object store that its files go to."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dreamina_async._core.destination import Destination, folder_for, store_url
from dreamina_async.errors import InvalidRequest
from dreamina_async.settings import Settings

if TYPE_CHECKING:
    from dreamina_async._runtime.files import Files
    from dreamina_async._runtime.sink import Sink

AnyPath = str | os.PathLike[str]


def destination_of(output_dir: AnyPath, journal_dir: AnyPath | None = None) -> Destination:
    """The output folder that a user has named.

    Raises:
        InvalidRequest: it is none; or a journal folder was given for files on the disk, which
            have theirs beside them.
    """
    _require_path("output_dir", output_dir)
    if journal_dir is not None:
        _require_path("journal_dir", journal_dir)
    url = store_url(os.fspath(output_dir))
    if url is not None:
        return Destination(Path(journal_dir) if journal_dir else _state() / folder_for(url), url)
    if journal_dir is not None and Path(journal_dir) != Path(output_dir):
        raise InvalidRequest(
            "the journal of a folder stands in it; journal_dir is for object stores",
            field="journal_dir",
        )
    return Destination(Path(output_dir))


def _require_path(name: str, value: AnyPath) -> None:
    try:
        fine = "\0" not in os.fspath(value)
    except TypeError:  # bytes, or nothing that has a path
        fine = False
    if not fine:
        raise InvalidRequest(f"{name} {value!r} is not a path", field=name)


def _state() -> Path:
    """Where programs keep what must outlive them (XDG base directories)."""
    given = Path(os.environ.get("XDG_STATE_HOME") or "")
    base = given if given.is_absolute() else Path.home() / ".local" / "state"
    return base / "dreamina-async"


def open_store(files: "Files", url: str, settings: Settings) -> "Sink":
    """The object store behind a URL; nothing is asked yet.

    Raises:
        InvalidRequest: obstore is not installed, or can make nothing of the URL.
    """
    try:
        from dreamina_async._runtime.objects import objects_at
    except ImportError:
        raise InvalidRequest(
            'an object store needs obstore: pip install "dreamina-async[objectstore]"',
            field="output_dir",
        ) from None
    return objects_at(files, url, settings)
