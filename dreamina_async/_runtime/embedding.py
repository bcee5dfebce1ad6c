"""Puts a file's provenance into the part file, before it gets its final name."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from dreamina_async._core.embed import NotUnderstood, Piece, embedded
from dreamina_async._runtime.disk import Disk
from dreamina_async._runtime.files import CheckedWriter, Files, PartFile, writing
from dreamina_async._runtime.log import extras, log
from dreamina_async._runtime.sink import Written
from dreamina_async.errors import IncompleteDownload
from dreamina_async.requests import MediaKind

_BLOCK = 1 << 20


async def with_provenance(
    files: Files,
    part: PartFile,
    written: Written,
    kind: MediaKind,
    facts: Mapping[str, str],
    job_id: str,
) -> Written:
    """What the part file holds once the facts are in it; one that is not understood stays.

    Raises:
        StorageError: the disk refuses.
    """
    try:
        with writing(part.path):
            return await files.run(_rewrite, files.disk, part, written, kind, facts)
    except (NotUnderstood, IncompleteDownload) as why:
        log.warning(
            "job %s: nothing was embedded: %s", job_id, why, extra=extras(why, job_id=job_id)
        )
        return written


def _rewrite(
    disk: Disk, part: PartFile, written: Written, kind: MediaKind, facts: Mapping[str, str]
) -> Written:
    """Beside it first: what is whole stays whole until the other is."""
    aside = part.path.with_name(f"{part.path.name}.part")
    try:
        with part.path.open("rb") as source:
            pieces = embedded(written.facts, lambda at, count: _read(source, at, count), facts)
            new = _write(disk, aside, _blocks(source, pieces), kind, durable=part.durable)
        disk.replace(aside, part.path)
    except BaseException:
        with suppress(OSError):
            disk.unlink(aside)
        raise
    return new


def _write(
    disk: Disk, path: Path, blocks: Iterable[bytes], kind: MediaKind, *, durable: bool
) -> Written:
    """Checked on the way like a download: a mistake of ours must not spoil what was paid for."""
    with CheckedWriter(disk.create(path), kind) as file:
        file.writelines(blocks)
        return file.finish(disk, file.tell(), durable=durable)


def _blocks(source: BinaryIO, pieces: Iterable[Piece]) -> Iterator[bytes]:
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
        else:
            for at in piece[::_BLOCK]:
                yield _read(source, at, min(_BLOCK, piece.stop - at))


def _read(source: BinaryIO, at: int, count: int) -> bytes:
    source.seek(at)
    return source.read(count)
