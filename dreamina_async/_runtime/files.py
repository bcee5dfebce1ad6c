"""The only door to files. aiofiles appears here and nowhere else.

Every step runs in a thread of its own pool (the default one is shared with name lookups)
and to its end: see `finishing`. A file gets its final name only when it is complete,
checked and on the disk.
"""

import asyncio
import errno
import hashlib
import io
import json
import os
import stat
import zlib
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from aiofiles.threadpool import wrap
from aiofiles.threadpool.binary import AsyncBufferedIOBase
from attrs import define, field

from dreamina_async._core.content import ContentCheck
from dreamina_async._core.media import other_names
from dreamina_async._core.picture import FORMATS, HEAD, Picture, PictureReader, image_format
from dreamina_async._runtime.disk import Disk
from dreamina_async._runtime.finishing import outlast, to_completion
from dreamina_async._runtime.sink import Written
from dreamina_async.errors import InvalidRequest, SessionClosed, StorageError
from dreamina_async.images import MAX_IMAGE_BYTES
from dreamina_async.models import MediaFile
from dreamina_async.requests import MediaKind

T = TypeVar("T")

_PART_SUFFIX = ".part"
# a pipe must not keep a thread until somebody writes into it
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)
_BLOCK = 256 << 10
_AT_ONCE = 200
_EDGE = 16
_SHORT = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class CheckedWriter(io.BufferedWriter):
    """Digests and checks what passes through, in the thread that writes it."""

    def __init__(self, raw: io.RawIOBase, kind: MediaKind) -> None:
        super().__init__(raw)
        self.check = ContentCheck(kind)
        self.digest = hashlib.sha256()

    def writelines(self, lines: Iterable[Any], /) -> None:
        for piece in lines:
            self.digest.update(piece)
            self.check.feed(piece)
            self.write(piece)

    def finish(self, disk: Disk, size: int | None, *, durable: bool) -> Written:
        """Check the whole, bring it to the disk, and close."""
        facts = self.check.finish(size)
        self.flush()
        if durable:
            disk.sync(self.fileno())
        self.close()
        return Written(facts, self.digest.hexdigest())


@define(eq=False)
class PartFile:
    """An unfinished download beside its final place. Close it on every way out."""

    path: Path
    durable: bool
    _writer: CheckedWriter
    _file: AsyncBufferedIOBase
    _files: "Files"

    async def write(self, pieces: Sequence[bytes]) -> None:
        """Append pieces in one hop.

        Raises:
            IncompleteDownload: they are not what this kind of file holds.
            StorageError: the disk refuses.
        """
        with writing(self.path):
            await to_completion(self._file.writelines(pieces))

    async def finish(self, size: int | None) -> Written:
        """Check the whole and bring it to the disk.

        Args:
            size: the length that was announced, if one was.

        Raises:
            IncompleteDownload: it is cut short or damaged.
            StorageError: the disk refuses.
        """
        with writing(self.path):
            return await self._files.run(self._finish, size)

    def _finish(self, size: int | None) -> Written:
        return self._writer.finish(self._files.disk, size, durable=self.durable)

    async def md5(self) -> str:
        """The finished file's MD5, as few records state it: read again rather than always kept.

        Raises:
            StorageError: it cannot be read.
        """
        with writing(self.path):
            return await self._files.run(_digest_of, self.path, _md5)

    async def publish(self, final: Path, sha256: str) -> Path:
        """Give the file its final name, without ever replacing another file.

        Returns:
            The name it got: a numbered one if another file stands there; the same content
            already there counts as ours.
        """
        with writing(final):
            return await self._files.run(self._publish, final, sha256)

    def _publish(self, final: Path, sha256: str) -> Path:
        disk = self._files.disk
        _refuse_link(final.parent)
        for candidate in other_names(final):
            try:
                _move_unless_there(disk, self.path, candidate)
            except FileExistsError:
                if _sha256_of(candidate) != sha256:
                    continue
                disk.unlink(self.path)
            if self.durable:
                disk.sync_folder(final.parent)
            return candidate
        raise FileExistsError(f"no free name beside {final}")

    async def discard(self) -> None:
        """Close and remove whatever is left of it; never fails."""
        await self._files.run(self._discard)

    def _discard(self) -> None:
        _throw_away(self._files.disk, self._writer, self.path)


@define(eq=False)
class Files:
    """The door itself: a small pool of threads, closed with the session."""

    threads: int = 6
    disk: Disk = field(factory=Disk)
    _pool: ThreadPoolExecutor = field(init=False)
    _closed: bool = False

    def __attrs_post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="dreamina-files")

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Call `work` in a thread, to its end."""
        return await outlast(self._start(work, *arguments))

    def _start(self, work: Callable[..., T], *arguments: Any) -> "asyncio.Future[T]":
        if self._closed:
            raise SessionClosed("the session was closed")
        return asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    async def open_part(
        self, folder: Path, name: str, kind: MediaKind, *, durable: bool
    ) -> PartFile:
        """A new part file in `folder`, which is made if it is missing.

        Raises:
            StorageError: the folder or the file cannot be made.
        """
        path = folder / f".{name}{_PART_SUFFIX}"
        loop = asyncio.get_running_loop()
        opening = self._start(_open_writer, self.disk, path, kind, durable)
        with writing(path):
            try:
                writer = await outlast(opening)
            except asyncio.CancelledError:
                if not opening.exception():  # opened, but nobody is left to close it
                    await self.run(_throw_away, self.disk, opening.result(), path)
                raise
        return PartFile(path, durable, writer, wrap(writer, loop=loop, executor=self._pool), self)

    async def write_json(self, path: Path, data: Any, *, durable: bool) -> None:
        """Put a small document in place, all of it or nothing.

        Raises:
            StorageError: the disk refuses.
        """
        with writing(path):
            await self.run(_write_json, self.disk, path, data, durable)

    async def prepare_folder(self, folder: Path) -> None:
        """Make a folder, and prove that files can be written there.

        Raises:
            StorageError: they cannot.
        """
        with writing(folder):
            await self.run(_prepare_folder, self.disk, folder)

    async def clean_folder(self, folder: Path) -> None:
        """Remove the part files that a crash left in a job's folder."""
        with writing(folder):
            await self.run(_clean_folder, self.disk, folder)

    async def are_whole(self, files: Sequence[tuple[MediaFile, bool]]) -> list[bool]:
        """For each, whether it stands there as it was saved; if it is doubted, by its digest.

        Raises:
            StorageError: it cannot be told.
        """
        found: list[bool] = []
        for start in range(0, len(files), _AT_ONCE):  # a caller may leave in between
            found += await self.run(_are_whole, files[start : start + _AT_ONCE])
        return found

    async def read_image(self, path: Path, field: str) -> Picture:
        """Look at an image that is to be uploaded, all of it and once.

        Args:
            path: where the user says it is.
            field: which argument that was.

        Raises:
            InvalidRequest: it cannot be read, or is no image that the service takes.
        """
        with _reading(path, field):
            return await self.run(_read_image, path, field)

    async def image_blocks(
        self, path: Path, picture: Picture, field: str
    ) -> AsyncGenerator[bytes, None]:
        """The same image's bytes, as long as they are the same.

        Raises:
            ImageChanged: they are not; raised before the last of them is given out.
            InvalidRequest: it can no longer be read.
        """
        image = _ImageFile(path, picture, field)
        try:
            while block := await self._block(image):
                yield block
        finally:
            await self.run(image.close)

    async def _block(self, image: "_ImageFile") -> bytes:
        with _reading(image.path, image.field):
            return await self.run(image.take)

    def url_of(self, path: Path) -> None:
        """Nothing: the path is the file's whole name."""

    def close(self) -> None:
        """Let the threads go. Nothing is under way any more: every hop is waited for."""
        self._closed = True
        self._pool.shutdown(wait=True)


class writing:  # noqa: N801 - reads as a function
    """Turns the operating system's refusals into ours, once, at this boundary."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):  # a network file system may even say TimeoutError
            raise StorageError.of(error, self._path) from error


class ImageChanged(InvalidRequest):
    """Somebody wrote to an image while it was being uploaded."""


class _reading:  # noqa: N801 - reads as a function
    """The same for a file that the user has named: then it is the call that must change."""

    def __init__(self, path: Path, field: str) -> None:
        self._path = path
        self._field = field

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            raise _unfit(self._path, f"cannot be read: {reason}", self._field) from error


def _unfit(path: Path, what: str, field: str) -> InvalidRequest:
    return InvalidRequest(
        f"{path} {what}; give the path of an image file", field=field, allowed=FORMATS
    )


def _open_image(path: Path, field: str) -> BinaryIO:
    descriptor = os.open(path, _READ)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise _unfit(path, "is a folder" if stat.S_ISDIR(mode) else "is no plain file", field)


def _read_image(path: Path, field: str) -> Picture:
    reader = PictureReader()
    with _open_image(path, field) as file:
        _check_image(path, file, field)
        while block := file.read(_BLOCK):
            reader.feed(block)
    return reader.finish()


def _check_image(path: Path, file: BinaryIO, field: str) -> None:
    """What can be told without reading a file that may be huge and no image at all."""
    size = os.fstat(file.fileno()).st_size
    if size == 0:
        raise _unfit(path, "is empty", field)
    if size > MAX_IMAGE_BYTES:
        raise _unfit(path, f"has {size} bytes, and at most {MAX_IMAGE_BYTES} are taken", field)
    if not image_format(file.read(HEAD)):
        raise _unfit(path, "is no image, by its first bytes", field)
    file.seek(0)


@define
class _ImageFile:
    """Reads an image for the second time, and notices if it is another one now."""

    path: Path
    picture: Picture
    field: str
    _file: BinaryIO | None = None
    _size: int = 0
    _crc32: int = 0

    def take(self) -> bytes:
        if self._size == self.picture.size:
            return b""
        if self._file is None:
            self._file = _open_image(self.path, self.field)
        block = self._file.read(_BLOCK)
        self._size += len(block)
        self._crc32 = zlib.crc32(block, self._crc32)
        if not block or not self._same():
            raise ImageChanged(
                f"{self.path} changes while it is uploaded; wait until it is written",
                field=self.field,
            )
        return block

    def _same(self) -> bool:
        if self._size == self.picture.size:
            return self._crc32 == self.picture.crc32
        return self._size < self.picture.size

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _open_writer(disk: Disk, path: Path, kind: MediaKind, durable: bool) -> CheckedWriter:
    _refuse_link(path.parent)
    if not path.parent.is_dir():
        disk.make_folder(path.parent)
        if durable:  # the folder's own entry, too
            disk.sync_folder(path.parent.parent)
    return CheckedWriter(disk.create(path), kind)


def _throw_away(disk: Disk, writer: CheckedWriter, path: Path) -> None:
    try:
        writer.close()
    except OSError:
        writer.raw.close()
    with suppress(OSError):
        disk.unlink(path)


def _move_unless_there(disk: Disk, source: Path, target: Path) -> None:
    try:
        disk.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise FileExistsError(target) from None
        disk.replace(source, target)
        return
    disk.unlink(source)


def _sha256_of(path: Path) -> str | None:
    return _digest_of(path, hashlib.sha256) if stat.S_ISREG(path.lstat().st_mode) else None


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)  # a checksum, not a safeguard


def _digest_of(path: Path, digest: Callable[[], Any]) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, digest).hexdigest()


def _write_json(disk: Disk, path: Path, data: Any, durable: bool) -> None:
    part = path.with_name(f".{path.name}{_PART_SUFFIX}")
    _refuse_link(path.parent)
    _remove(disk, part)
    text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
    try:
        with io.BufferedWriter(disk.create(part)) as file:
            file.write(text.encode())
            file.flush()
            if durable:
                disk.sync(file.fileno())
        disk.replace(part, path)
    except BaseException:
        with suppress(OSError):
            disk.unlink(part)
        raise
    if durable:
        disk.sync_folder(path.parent)


def _remove(disk: Disk, path: Path) -> None:
    with suppress(FileNotFoundError):
        disk.unlink(path)


def _prepare_folder(disk: Disk, folder: Path) -> None:
    if not folder.exists():
        new = [folder, *(one for one in folder.absolute().parents if not one.exists())]
        disk.make_folder(folder, 0o700)
        for one in new:  # or a power cut takes the journal away with its folder
            disk.sync_folder(one.absolute().parent)
    probe = folder / f".probe-{os.getpid()}{_PART_SUFFIX}"
    _remove(disk, probe)
    disk.create(probe, 0o600).close()
    disk.unlink(probe)


def _refuse_link(folder: Path) -> None:
    """A job's folder is ours; a link in its place would lead our files somewhere else."""
    if folder.is_symlink():
        raise OSError(errno.ELOOP, "the job's folder is a symbolic link; remove it", str(folder))


def _clean_folder(disk: Disk, folder: Path) -> None:
    _refuse_link(folder)
    if folder.is_dir():
        for part in sorted(folder.glob(f".*{_PART_SUFFIX}")):
            if part.is_symlink() or part.is_file():
                _remove(disk, part)


def _are_whole(files: Sequence[tuple[MediaFile, bool]]) -> list[bool]:
    return [_is_whole(file, doubted) for file, doubted in files]


def _is_whole(file: MediaFile, doubted: bool) -> bool:
    try:
        descriptor = os.open(file.path, _READ | getattr(os, "O_NOFOLLOW", 0))
        with open(descriptor, "rb", buffering=0) as opened:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_size != file.size:
                return False
            if not doubted and not _looks_emptied(descriptor, file.size):
                return True
            return hashlib.file_digest(opened, hashlib.sha256).hexdigest() == file.sha256
    except OSError as error:
        if error.errno in _SHORT:  # it says nothing of the file, and to fetch all anew is no help
            raise StorageError(f"cannot read: {error.strerror}", path=str(file.path)) from error
        return False


def _looks_emptied(descriptor: int, size: int) -> bool:
    """What a crash leaves of a file begins or ends with zeros; hardly any whole one does."""
    edges = os.pread(descriptor, _EDGE, 0), os.pread(descriptor, _EDGE, max(0, size - _EDGE))
    return not all(edge.strip(b"\0") for edge in edges)
