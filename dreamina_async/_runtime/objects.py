"""The only door to object stores. obstore appears here and nowhere else.

A store shows nothing of a file before it is whole and checked: a small one is held back and
put at once, a large one goes as a multipart upload, which shows when it is completed.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
from anyio import BrokenResourceError, EndOfStream, create_memory_object_stream
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from attrs import define, field
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotSupportedError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import ObjectStore, from_url

from dreamina_async._core.content import ContentCheck, begins_as
from dreamina_async._core.destination import url_of
from dreamina_async._core.media import other_names
from dreamina_async._runtime.files import Files
from dreamina_async._runtime.finishing import retrieved, settled, to_completion
from dreamina_async._runtime.sink import Written
from dreamina_async.errors import InvalidRequest, StorageError
from dreamina_async.models import MediaFile
from dreamina_async.requests import MediaKind
from dreamina_async.settings import Settings

_HELD = 8 << 20
"""Bytes of a file that are held back; a larger one becomes a multipart upload."""
_CHUNK = 5 << 20
"""Bytes of one part of an upload: the least that S3 takes, for they are held, too."""
_AT_ONCE = 2
"""Parts of one upload on their way."""
_BLOCK = 1 << 20
_LISTED = 1000
_PATIENCE = 10.0
"""Seconds for a store to take an upload back."""

_REFUSED = (BaseError, OSError, NotImplementedError)
"""What obstore raises; the last two are Python's own."""

_PROBE = ".dreamina-async.probe"
_REFUSALS = (401, 403)
_STATUS = re.compile(r"status code: ([0-9]{3})")
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_TYPES = {
    "avif": "image/avif",
    "jpg": "image/jpeg",
    "json": "application/json",
    "mov": "video/quicktime",
    "mp4": "video/mp4",
    "png": "image/png",
    "webp": "image/webp",
}


def objects_at(files: Files, url: str, settings: Settings) -> "Objects":
    """The store behind a URL; what it needs else it takes from the environment.

    Raises:
        InvalidRequest: no store can be made of it.
    """
    rules = settings.retrying
    try:
        store = from_url(
            f"{url}/",
            # without `client_options`: given some, obstore forgets those of the environment
            retry_config={
                "max_retries": rules.attempts - 1,
                "backoff": {
                    "init_backoff": timedelta(seconds=rules.base),
                    "max_backoff": timedelta(seconds=rules.cap),
                },
            },
        )
    except (*_REFUSED, ValueError):  # its words may hold what stands in the environment
        raise InvalidRequest(
            f"{url} opens no object store: it is no URL of one, or the environment lacks what "
            "the store needs, such as an account",
            field="output_dir",
        ) from None
    return Objects(files, url, store)


@define(eq=False)
class Objects:
    """One prefix in one bucket. Paths are relative to it."""

    files: Files
    url: str
    store: ObjectStore

    def url_of(self, path: Path) -> str | None:
        """The whole name of a file in the store."""
        return url_of(self.url, path)

    async def open_part(
        self, folder: Path, name: str, kind: MediaKind, *, durable: bool
    ) -> "ObjectPart":
        """A new part file; all that a store has acknowledged is durable."""
        return ObjectPart(folder / name, kind, self)

    async def prepare_folder(self, folder: Path) -> None:
        """Prove that files can be listed and written there, before any are paid for.

        Raises:
            StorageError: they cannot.
        """
        probe = folder / _PROBE
        with self.storage(folder):
            await self.sizes(probe.as_posix())
            await obstore.put_async(self.store, probe.as_posix(), b"")
            with suppress(*_REFUSED):  # whoever may not delete may still write
                await obstore.delete_async(self.store, probe.as_posix())

    async def write_json(self, path: Path, data: Any, *, durable: bool) -> None:
        """Put a small document in place, all of it or nothing.

        Raises:
            StorageError: the store refuses.
        """
        text = json.dumps(data, ensure_ascii=False, indent=2) + "\n"
        with self.storage(path):
            await obstore.put_async(
                self.store, path.as_posix(), text.encode(), attributes=_attributes(path)
            )

    async def clean_folder(self, folder: Path) -> None:
        """Nothing: what a crash leaves of an upload is no file, and cannot be listed."""

    async def are_whole(self, files: Sequence[tuple[MediaFile, bool]]) -> list[bool]:
        """For each, whether it stands there; a crash of this machine damages none of them.

        Raises:
            StorageError: it cannot be told.
        """
        if not files:
            return []
        folders = {file.path.parent for file, _ in files}
        prefix = folders.pop() if len(folders) == 1 else Path()
        with self.storage(prefix):
            sizes = await self.sizes(prefix.as_posix() if prefix.parts else None)
        return [sizes.get(file.path.as_posix()) == file.size for file, _ in files]

    async def sizes(self, prefix: str | None) -> dict[str, int]:
        """What stands under a prefix, with the bytes it has."""
        listed = obstore.list(  # pyright: ignore[reportUnknownMemberType] - it may give Arrow
            self.store, prefix, chunk_size=_LISTED
        )
        return {one["path"]: one["size"] async for some in listed for one in some}

    async def put(self, path: Path, content: bytes) -> bool:
        """Put a file at once; False if one stands there."""
        try:
            await self._put(path, content, "create")
        except AlreadyExistsError:
            return False
        except (NotSupportedError, NotImplementedError):  # then it can only be looked beforehand
            if await self.is_taken(path):
                return False
            await self._put(path, content, "overwrite")
        return True

    async def _put(self, path: Path, content: bytes, mode: "obstore.PutMode") -> None:
        await obstore.put_async(
            self.store,
            path.as_posix(),
            content,
            mode=mode,
            attributes=_attributes(path),
            use_multipart=False,
        )

    async def is_taken(self, path: Path) -> bool:
        """Whether a file stands there."""
        return await self._size_of(path) is not None

    async def holds(self, path: Path, size: int, sha256: str) -> bool:
        """Whether the file that stands there has this content."""
        if await self._size_of(path) != size:
            return False
        digest = hashlib.sha256()
        found = await obstore.get_async(self.store, path.as_posix())
        async for block in found.stream(min_chunk_size=_BLOCK):
            await self.files.run(digest.update, block)
        return digest.hexdigest() == sha256

    async def _size_of(self, path: Path) -> int | None:
        try:
            return (await obstore.head_async(self.store, path.as_posix()))["size"]
        except FileNotFoundError:
            return None

    def storage(self, path: Path) -> "_storage":
        """Turns the store's refusals into ours."""
        return _storage(f"{self.url}/{path.as_posix()}" if path.parts else self.url)


@define(eq=False)
class ObjectPart:
    """An unfinished file, held back or on its way. Discard it on every way out."""

    path: Path
    kind: MediaKind
    _objects: Objects
    _size: int = 0
    _held: list[bytes] = field(factory=list)
    _upload: "_Upload | None" = None
    _check: ContentCheck = field(init=False)
    _sha256: Any = field(factory=hashlib.sha256)
    # kept always, for an upload cannot be read again
    _md5: Any = field(factory=lambda: hashlib.md5(usedforsecurity=False))

    def __attrs_post_init__(self) -> None:
        self._check = ContentCheck(self.kind)

    async def write(self, pieces: Sequence[bytes]) -> None:
        """Append pieces.

        Raises:
            IncompleteDownload: they are not what this kind of file holds.
            StorageError: the store refuses.
        """
        await self._objects.files.run(self._look, pieces)
        self._held += pieces
        if self._size > _HELD:
            with self._objects.storage(self.path.with_suffix("")):
                await self._send()

    def _look(self, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            self._check.feed(piece)
            self._sha256.update(piece)
            self._md5.update(piece)
            self._size += len(piece)

    async def _send(self) -> None:
        if self._upload is None:
            self._upload = _Upload.begin(self._objects.store, await self._free_name())
        held, self._held = self._held, []
        for piece in held:
            await self._upload.send(piece)

    async def _free_name(self) -> Path:
        """An upload has its name from the start; whether that is still free is seen at its end."""
        head = b"".join(self._held)
        for name in other_names(self.path.with_suffix(f".{begins_as(head, self.kind)}")):
            if not await self._objects.is_taken(name):
                return name
        raise FileExistsError(f"no free name beside {self.path}")

    async def finish(self, size: int | None) -> Written:
        """Check the whole.

        Raises:
            IncompleteDownload: it is cut short or damaged.
        """
        return Written(self._check.finish(size), self._sha256.hexdigest())

    async def md5(self) -> str:
        """The finished file's MD5."""
        return str(self._md5.hexdigest())

    async def publish(self, final: Path, sha256: str) -> Path:
        """Let the file be seen, without ever replacing another one.

        Raises:
            StorageError: the store refuses.
        """
        with self._objects.storage(final):
            for name in other_names(final):
                if await self._is_placed(name):
                    return name
                if await self._objects.holds(name, self._size, sha256):
                    await self.discard()
                    return name
            raise FileExistsError(f"no free name beside {final}")

    async def _is_placed(self, name: Path) -> bool:
        if self._upload is None:
            return await self._objects.put(name, b"".join(self._held))
        if self._upload.name != name or await self._objects.is_taken(name):
            return False
        await self._upload.complete()
        return True

    async def discard(self) -> None:
        """Forget it, and have the store forget it."""
        self._held.clear()
        upload, self._upload = self._upload, None
        if upload is not None:
            await to_completion(upload.take_back())


class _TakenBack(Exception):
    """An upload is not to be completed."""


@define(eq=False)
class _Pieces:
    """What an upload reads from; it ends in an error unless the whole was given."""

    source: MemoryObjectReceiveStream[bytes]
    whole: bool = False

    def __aiter__(self) -> "_Pieces":
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self.source.receive()
        except EndOfStream:
            if not self.whole:
                raise _TakenBack from None
            raise StopAsyncIteration from None


@define(eq=False)
class _Upload:
    """A multipart upload under way."""

    name: Path
    _into: MemoryObjectSendStream[bytes]
    _pieces: _Pieces
    _task: "asyncio.Task[None]"

    @classmethod
    def begin(cls, store: ObjectStore, name: Path) -> "_Upload":
        into, source = create_memory_object_stream[bytes](1)
        pieces = _Pieces(source)
        return cls(name, into, pieces, asyncio.create_task(_pour(store, name, pieces)))

    async def send(self, piece: bytes) -> None:
        try:
            await self._into.send(piece)
        except BrokenResourceError:
            await settled(self._task)  # says why
            raise

    async def complete(self) -> None:
        self._pieces.whole = True
        self._into.close()
        await settled(self._task)

    async def take_back(self) -> None:
        self._into.close()
        await asyncio.wait([self._task], timeout=_PATIENCE)
        self._task.cancel()
        await asyncio.wait([self._task])
        retrieved(self._task)


async def _pour(store: ObjectStore, name: Path, pieces: _Pieces) -> None:
    with pieces.source:
        await obstore.put_async(
            store,
            name.as_posix(),
            pieces,
            attributes=_attributes(name),
            use_multipart=True,
            chunk_size=_CHUNK,
            max_concurrency=_AT_ONCE,
        )


def _attributes(path: Path) -> "obstore.Attributes":
    return {"Content-Type": _TYPES[path.suffix[1:]]}


class _storage:  # noqa: N801 - reads as a function
    """Turns a store's refusals into ours, once, at this boundary.

    Its own words are not passed on, nor kept as a cause: they hold signed URLs, key names and
    whatever the store answered.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, FileExistsError):
            raise StorageError(f"cannot write: {error}", path=self._url) from None
        if isinstance(error, _REFUSED):
            raise StorageError(_words_for(error), path=self._url) from None


def _words_for(error: BaseException) -> str:
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    facts = " ".join(found[1] for found in (status, code) if found)
    return f"{_meaning(error, int(status[1]) if status else 0)}{f' ({facts})' if facts else ''}"


def _meaning(error: BaseException, status: int) -> str:
    if "redirect" in str(error):
        return "the bucket is in another region: set AWS_REGION"
    if isinstance(error, FileNotFoundError) or status == 404:
        return "the object store has no such bucket"
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or status in _REFUSALS:
        return "the object store refuses: its credentials must allow to list, read and write there"
    if status:
        return "the object store answers with an error"
    return "the object store cannot be reached, or has no credentials"
