"""Where a fleet's files go: a folder that all workers reach, or an object store.

In a folder each worker has a place of its own, journal included, and a job moves from there to
its final name as a whole: two workers never write into one folder, and a job that shows is
complete. An object store has no half-written objects, so there workers write in place.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
from attrs import frozen

from dreamina_async import InvalidRequest, JobResult, MediaFile, StorageError
from dreamina_async.fleet.values import Seat

_WORK = ".fleet"


@frozen
class Place:
    """Where one worker puts files, for as long as it holds its seat.

    Attributes:
        out: the fleet's folder, or the URL of its object store.
        state: a local folder for the journal of an object store.
        seat: the worker's.
    """

    out: str
    state: Path
    seat: Seat

    @property
    def remote(self) -> bool:
        """Whether files go to an object store."""
        return "://" in self.out

    @property
    def own(self) -> Path:
        """The worker's own folder; another holder of the seat has another one."""
        base = self.state if self.remote else Path(self.out) / _WORK
        return base / f"{self._prefix}{self.seat.epoch}"

    @property
    def _prefix(self) -> str:
        return f"{self.seat.account}-{self.seat.number}-"

    def session_folders(self) -> dict[str, Any]:
        """What a session is to be told."""
        if self.remote:
            return {"output_dir": self.out, "journal_dir": self.own}
        return {"output_dir": self.own}

    def prepare(self) -> None:
        """Make room, and remove what earlier holders of the seat have left.

        Raises:
            StorageError: the folder cannot be used.
        """
        try:
            self.own.parent.mkdir(parents=True, exist_ok=True)
            for one in self.own.parent.glob(f"{self._prefix}*"):
                if one.name[len(self._prefix) :].isdigit():
                    shutil.rmtree(one, ignore_errors=True)
        except OSError as error:
            raise StorageError.of(error, self.own.parent) from error

    def leave(self) -> None:
        """Remove the worker's own folder; what it made stands elsewhere."""
        shutil.rmtree(self.own, ignore_errors=True)
        with suppress(OSError):  # others may have theirs beside it
            self.own.parent.rmdir()

    def publish(self, result: JobResult) -> dict[str, Any]:
        """Move a job to where its files belong, and say what they are.

        Raises:
            StorageError: it cannot be moved.
        """
        folder = result.media[0].path.parent if result.media else None
        if folder is not None and not self.remote:
            _move(folder, Path(self.out) / folder.name)
        times = ("submitted_at", "finished_at", "saved_at")
        when = {name: at and at.isoformat() for name in times if (at := getattr(result, name))}
        return {"missing": result.missing, **when, "media": [_plain(one) for one in result.media]}

    def holds(self, media: Iterable[dict[str, Any]]) -> bool:
        """Whether published files are still there; an object store is trusted."""
        return self.remote or all(
            _size(Path(self.out) / one["path"]) == one["size"] for one in media
        )


def digest_of(path: str) -> str:
    """The SHA-256 of an image that workers are to read.

    Raises:
        InvalidRequest: it cannot be read here.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, hashlib.sha256).hexdigest()
    except OSError as error:
        raise InvalidRequest(
            f"{path} cannot be read: {error.strerror}; a fleet's images are files that every "
            "worker can read",
            field="references",
        ) from error


def _move(source: Path, target: Path) -> None:
    try:
        with suppress(FileExistsError):
            _rename(source, target)
            _sync(target.parent)
    except OSError as error:
        raise StorageError.of(error, target) from error


def _rename(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError:
        if target.is_dir():  # another worker has brought this job home, or files of it are gone
            _fill(source, target)
            return
        raise


def _fill(source: Path, target: Path) -> None:
    """Into a folder that is there already goes what it lacks; nothing in it is replaced."""
    for one in sorted(source.iterdir()):
        if one.is_file() and not (target / one.name).exists():
            one.rename(target / one.name)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _plain(file: MediaFile) -> dict[str, Any]:
    path = f"{file.path.parent.name}/{file.path.name}"
    return {**attrs.asdict(file), "path": path}


def _size(path: Path) -> int | None:
    with suppress(OSError):
        return path.stat().st_size
    return None
