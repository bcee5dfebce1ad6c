"""A disk that may be full, may refuse, and may die: and what is left on it then.

Everything is done on a real folder (on a RAM disk where there is one). Beside it is kept what
had been synced, so that at any step the folder as a crash would leave it can be made.
"""

import errno
import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Literal

from dreamina_async._runtime.disk import Disk

Model = Literal["kept", "unsynced", "torn", "names"]
MODELS: tuple[Model, ...] = ("kept", "unsynced", "torn", "names")
"""All data kept; unsynced data lost; the last write torn; unsynced names lost."""

_JOURNAL = ("journal.sqlite3", "journal.sqlite3-wal")
_NOTES = (".journal.lock", ".journal.sent")

Step = Callable[[str, str], None]
"""Hears of every change, right after it; may say that the machine has died."""

Refuse = Callable[[str], int | None]
"""An error number for a kind of call, if this one is to fail."""


class SimDisk(Disk):
    """One output folder's disk, for one life of the process."""

    def __init__(self, root: Path, step: Step, refuse: Refuse, *, may_die: bool) -> None:
        self.root = root
        self._step = step
        self._refuse = refuse
        self._synced: dict[int, bytes] = {}
        self._names: dict[Path, set[Path]] = {}
        self._last_write: tuple[Path, int] | None = None
        self.wal_before = 0
        if not may_die:  # then nobody will ask what was left
            return
        self._names[root.parent] = {root} if root.is_dir() else set()
        for folder in (root, *(one for one in root.rglob("*") if one.is_dir())):
            self._names[folder] = set(folder.iterdir()) if folder.is_dir() else set()
        for path in root.rglob("*"):  # what an earlier life left on the disk is on the disk
            if path.is_file():
                self._synced[path.stat().st_ino] = path.read_bytes()

    # ---- what the package asks for -----------------------------------------------------

    def create(self, path: Path, mode: int = 0o666) -> io.FileIO:
        self._maybe_refuse("create")
        super().create(path, mode).close()
        self._synced.pop(path.stat().st_ino, None)  # inode numbers are used again
        self._done("create", path)
        return _Written(self, path)

    def sync(self, descriptor: int) -> None:
        self._maybe_refuse("sync")
        super().sync(descriptor)
        self._synced[os.fstat(descriptor).st_ino] = _content(descriptor)
        self._last_write = None
        self._step("sync", "")

    def sync_folder(self, folder: Path) -> None:
        self._maybe_refuse("sync")
        super().sync_folder(folder)
        self._names[folder] = set(folder.iterdir())
        self._done("sync folder", folder)

    def link(self, source: Path, target: Path) -> None:
        self._maybe_refuse("link")
        super().link(source, target)
        self._done("link", target)

    def replace(self, source: Path, target: Path) -> None:
        self._maybe_refuse("link")
        super().replace(source, target)
        self._done("replace", target)

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        self._done("unlink", path)

    def make_folder(self, folder: Path, mode: int = 0o777) -> None:
        self._maybe_refuse("create")
        super().make_folder(folder, mode)
        self._done("make folder", folder)

    def free(self, folder: Path) -> int | None:
        # whether a run goes on must not hang on the machine it is played on
        return None if self._refuse("free") is None else 1

    def written(self, path: Path, size: int) -> None:
        self._last_write = (path, size)
        self._done("write", path)

    def _maybe_refuse(self, kind: str) -> None:
        number = self._refuse(kind)
        if number is not None:
            raise OSError(number, os.strerror(number))

    def _done(self, kind: str, path: Path) -> None:
        name = str(path.relative_to(self.root)) if path.is_relative_to(self.root) else "/"
        self._step(kind, name)

    # ---- what a crash leaves -----------------------------------------------------------

    def after_crash(self, target: Path, model: Model, chance: Random, kind: str) -> None:
        """Make the folder as the next boot finds it.

        Args:
            target: where.
            model: what is lost.
            chance: where a torn write is torn.
            kind: the last step.
        """
        if not self.root.is_dir():
            return
        if model == "kept":
            shutil.copytree(self.root, target, symlinks=True)
            return
        if model == "names" and self.root not in self._names.get(self.root.parent, {self.root}):
            return
        target.mkdir(mode=0o700)
        for path in sorted(self._survivors(model)):
            place = target / path.relative_to(self.root)
            if path.is_dir():
                place.mkdir()
            else:
                self._copy(path, place, model)
        if model == "torn":
            self._tear(target, chance, kind)

    def _survivors(self, model: Model) -> list[Path]:
        found = [one for one in self.root.rglob("*") if not one.name.endswith("-shm")]
        if model != "names":
            return found
        return [one for one in found if self._is_named(one)]

    def _is_named(self, path: Path) -> bool:
        if path.name in _JOURNAL:  # SQLite syncs the folder of its own files
            return True
        if path == self.root:
            return True
        return path in self._names.get(path.parent, ()) and self._is_named(path.parent)

    def _copy(self, path: Path, place: Path, model: Model) -> None:
        kept = path.read_bytes()
        if model == "unsynced" and path.name not in _JOURNAL:
            kept = self._synced.get(path.stat().st_ino, b"")
        place.write_bytes(kept)
        if path.name in (*_JOURNAL, *_NOTES):
            place.chmod(0o600)

    def _tear(self, target: Path, chance: Random, kind: str) -> None:
        wal = target / "journal.sqlite3-wal"
        if kind == "commit" and wal.exists():  # power went while it was made
            # a log that begins anew overwrites itself: then all of it may be torn
            size = wal.stat().st_size
            start = self.wal_before if self.wal_before < size else 0
            if start:
                os.truncate(wal, chance.randrange(start, size))
        elif self._last_write is not None:
            path, size = self._last_write
            place = target / path.relative_to(self.root)
            if place.exists():
                whole = place.stat().st_size
                os.truncate(place, whole - chance.randint(1, min(size, whole) or 1))


class _Written(io.FileIO):
    """Says of each write that it was made."""

    def __init__(self, disk: SimDisk, path: Path) -> None:
        super().__init__(path, "r+b")
        self._disk = disk
        self._path = path

    def write(self, data: Any, /) -> int | None:  # type: ignore[override]
        self._disk._maybe_refuse("write")
        size = super().write(data)
        self._disk.written(self._path, size or 0)
        return size


def _content(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


REFUSALS = {"F1": errno.ENOSPC, "F4": errno.EIO, "F7": errno.EROFS, "F15": errno.ENOSPC}
