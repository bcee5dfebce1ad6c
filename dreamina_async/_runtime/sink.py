"""Where files are put: what the disk and an object store have in common."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from attrs import frozen

from dreamina_async._core.content import ContentFacts
from dreamina_async.models import MediaFile
from dreamina_async.requests import MediaKind


@frozen
class Written:
    """What a part file turned out to hold."""

    facts: ContentFacts
    sha256: str


class Part(Protocol):
    """An unfinished file, which nobody sees under its name. Discard it on every way out."""

    async def write(self, pieces: Sequence[bytes]) -> None:
        """Append pieces.

        Raises:
            IncompleteDownload: they are not what this kind of file holds.
            StorageError: they cannot be written.
        """
        ...

    async def finish(self, size: int | None) -> Written:
        """Check the whole.

        Args:
            size: the length that was announced, if one was.

        Raises:
            IncompleteDownload: it is cut short or damaged.
            StorageError: it cannot be written.
        """
        ...

    async def md5(self) -> str:
        """The finished file's MD5.

        Raises:
            StorageError: it cannot be read.
        """
        ...

    async def publish(self, final: Path, sha256: str) -> Path:
        """Give the file its final name, without ever replacing another file.

        Returns:
            The name it got: a numbered one if another file stands there; the same content
            already there counts as ours.

        Raises:
            StorageError: it cannot be written.
        """
        ...

    async def discard(self) -> None:
        """Remove whatever is left of it; never fails."""
        ...


class Sink(Protocol):
    """Where the files of jobs go. Every call but `url_of` may raise StorageError."""

    async def open_part(self, folder: Path, name: str, kind: MediaKind, *, durable: bool) -> Part:
        """A new part file.

        Args:
            folder: its job's.
            name: what the file will be called, with a number of its own as its ending.
            kind: what is due.
            durable: whether a power cut may take nothing of it once it has its name.
        """
        ...

    async def prepare_folder(self, folder: Path) -> None:
        """Prove that files can be written there."""
        ...

    async def write_json(self, path: Path, data: Any, *, durable: bool) -> None:
        """Put a small document in place, all of it or nothing."""
        ...

    async def clean_folder(self, folder: Path) -> None:
        """Remove what a crash left of files in a job's folder."""
        ...

    async def are_whole(self, files: Sequence[tuple[MediaFile, bool]]) -> list[bool]:
        """For each, whether it stands there as it was saved; if it is doubted, by its digest."""
        ...

    def url_of(self, path: Path) -> str | None:
        """The whole name of a file in an object store; None of one on the disk."""
        ...
