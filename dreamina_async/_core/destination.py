"""Where an output folder is: on the disk, or in an object store with its journal on the disk."""

import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

from attrs import frozen

from dreamina_async.errors import InvalidRequest

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.IGNORECASE | re.DOTALL)
_SHORT_OF_A_SLASH = re.compile(r"(?:s3a?|gs|az|azure|adl|abfss?|memory|https?):/(?!/)")
_NAMED_BY_USER = ("abfs", "abfss")
"""Schemes that write the container where others have a user's name."""


@frozen
class Destination:
    """An output folder.

    Attributes:
        folder: the local one that holds the journal.
        url: the object store that the files go to; None if they stand beside the journal.
    """

    folder: Path
    url: str | None = None

    @property
    def root(self) -> Path:
        """What the paths of files begin with; in an object store they are relative."""
        return self.folder if self.url is None else Path()


def url_of(url: str | None, path: Path) -> str | None:
    """The whole name of a file in an object store; None of one on the disk."""
    return None if url is None else f"{url}/{path.as_posix()}"


def store_url(text: str) -> str | None:
    """The usual spelling of an object store's URL; None for what is the path of a folder.

    Raises:
        InvalidRequest: it holds more than a bucket and a prefix, perhaps a secret; or was a
            path in between.
    """
    if _SHORT_OF_A_SLASH.match(text):
        raise _unfit("give the URL of an object store as text: as a path it has lost a slash")
    found = _URL.fullmatch(text)
    if found is None:
        return None
    scheme, rest = found[1].lower(), found[2].rstrip("/")
    if scheme == "file":
        raise _unfit("a folder is given by its path, without file://")
    if _says_more(scheme, text):
        raise _unfit(
            "the URL of an object store has a bucket and a prefix, nothing else: credentials "
            "and options are read from the environment"
        )
    return f"{scheme}://{rest}"


def _says_more(scheme: str, text: str) -> bool:
    try:
        parts = urlsplit(text)
        user = parts.username is not None and scheme not in _NAMED_BY_USER
        return bool(user or parts.password is not None or parts.query or parts.fragment)
    except ValueError:
        return True


def folder_for(url: str) -> str:
    """The name of the local folder that holds the journal of an object store's output."""
    readable = re.sub(r"[^0-9A-Za-z.]+", "-", url)[:60].strip("-.")
    return f"{readable}-{hashlib.sha256(url.encode()).hexdigest()[:12]}"


def _unfit(message: str) -> InvalidRequest:
    return InvalidRequest(message, field="output_dir")
