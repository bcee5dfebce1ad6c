"""The system calls that change files, behind one small door.

A simulation puts its own disk here: one that is full, refuses to sync, or forgets at a crash
what was never synced. Reading needs no door, for it changes nothing; how much room is left
is asked here all the same, for that is the simulation's to say.
"""

import errno
import io
import os
from pathlib import Path

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)


class Disk:
    """The operating system's own. Every call may raise OSError."""

    def create(self, path: Path, mode: int = 0o644) -> io.FileIO:
        """A new file to write to, never one that is there; unbuffered."""
        return io.FileIO(os.open(path, _CREATE, mode), "wb")

    def sync(self, descriptor: int) -> None:
        """What was written to a file outlives a power cut from here on."""
        os.fsync(descriptor)

    def sync_folder(self, folder: Path) -> None:
        """The same for the names in a folder."""
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def link(self, source: Path, target: Path) -> None:
        """A second name for a file; raises FileExistsError if the name is taken."""
        os.link(source, target)

    def replace(self, source: Path, target: Path) -> None:
        """Another name for a file, whoever had it before."""
        source.replace(target)

    def unlink(self, path: Path) -> None:
        """Take a name away."""
        path.unlink()

    def free(self, folder: Path) -> int | None:
        """Bytes that may still be written to a folder's file system; None if it does not say."""
        status = os.statvfs(folder)
        # a file system without blocks, as some of the network are, knows of no end
        return status.f_bavail * status.f_frsize if status.f_blocks else None

    def make_folder(self, folder: Path, mode: int = 0o755) -> None:
        """A folder, and those above it, where they are missing."""
        try:
            folder.mkdir(mode, parents=True, exist_ok=True)
        except RecursionError:  # a call for each that is missing
            reason = os.strerror(errno.ENAMETOOLONG)
            raise OSError(errno.ENAMETOOLONG, reason, str(folder)) from None
