"""A folder's jobs as a table: one row for each media file, and one for a job that has none.

The columns are part of the public contract: they are only ever added to, at the end, and
`version` says when one has changed its meaning.
"""

import asyncio
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal

from dreamina_async._runtime.destinations import destination_of
from dreamina_async._runtime.finishing import to_completion
from dreamina_async._runtime.journal import each_record
from dreamina_async.errors import InvalidRequest, StorageError, shown
from dreamina_async.models import JobRecord, MediaFile
from dreamina_async.requests import ImageRequest, Request, VideoRequest

ExportFormat = Literal["jsonl", "parquet"]

EXPORT_COLUMNS = {
    "version": "int64",
    "job_id": "string",
    "submit_id": "string",
    "history_id": "string",
    "state": "string",
    "kind": "string",
    "prompt": "string",
    "negative_prompt": "string",
    "model": "string",
    "ratio": "string",
    "resolution": "string",
    "count": "int64",
    "duration": "int64",
    "seed": "int64",
    "sample_strength": "float64",
    "created_at": "time",
    "submitted_at": "time",
    "finished_at": "time",
    "saved_at": "time",
    "updated_at": "time",
    "missing": "int64",
    "error": "string",
    "message": "string",
    "charged": "string",
    "index": "int64",
    "path": "string",
    "format": "string",
    "width": "int64",
    "height": "int64",
    "duration_ms": "int64",
    "size": "int64",
    "sha256": "string",
    "uri": "string",
    "url": "string",
}
"""Every column with its type. `path` is relative to the output folder; `time` is an instant,
in UTC: ISO 8601 in JSON Lines, microseconds in Parquet."""

_VERSION = 1
_ENDINGS: dict[str, ExportFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_AT_ONCE = 1000
"""Rows of one Parquet group at least, and so the most that are held."""

Row = dict[str, Any]


async def export_journal(
    output_dir: str | os.PathLike[str],
    path: str | os.PathLike[str],
    format: ExportFormat | None = None,  # noqa: A002 - what it is called everywhere
) -> int:
    """Write the jobs of an output folder to a file, oldest first, without a session.

    Reads only, takes no lock and holds few rows at a time. The file appears when it is whole; an
    older one of that name is replaced.

    Args:
        output_dir: the folder with the journal, or an object store's URL.
        path: the file to write.
        format: None goes by the path's ending: `.jsonl`, `.ndjson`, `.parquet` or `.pq`.

    Returns:
        How many rows it has.

    Raises:
        InvalidRequest: there is no such format, or Parquet was asked for without pyarrow.
        StorageError: there is no journal, it cannot be read, or the file not be written.
    """
    root, target = destination_of(output_dir).folder, Path(path)
    writer = _writer(_format(target, format))
    return await to_completion(asyncio.to_thread(_export, root, target, writer))


def _format(path: Path, given: str | None) -> ExportFormat:
    match _ENDINGS.get(path.suffix.lower()) if given is None else given:
        case "jsonl" | "parquet" as found:
            return found
        case _:
            pass
    what = f"format {shown(given)}" if given is not None else f"the ending of {path.name!r}"
    raise InvalidRequest(f"{what} is none we write", field="format", allowed=("jsonl", "parquet"))


def _writer(format: ExportFormat) -> "_Lines | _Parquet":  # noqa: A002
    return _Lines() if format == "jsonl" else _Parquet()


def _export(root: Path, target: Path, writer: "_Lines | _Parquet") -> int:
    rows = (row for record in each_record(root) for row in rows_of(record, root))
    try:
        return _write(target, writer, rows)
    except OSError as error:
        raise StorageError.of(error, target) from error


def _write(target: Path, writer: "_Lines | _Parquet", rows: Iterator[Row]) -> int:
    """Beside it first, so that nobody ever reads half of it."""
    descriptor, name = tempfile.mkstemp(prefix=".export-", suffix=".part", dir=target.parent)
    part = Path(name)
    try:
        with open(descriptor, "wb") as file:
            count = writer.write(file, rows)
        part.replace(target)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise
    return count


class _Lines:
    """JSON Lines: UTF-8, every column in every line."""

    def write(self, file: IO[bytes], rows: Iterable[Row]) -> int:
        count = 0
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, default=_plain).encode() + b"\n")
            count += 1
        return count


class _Parquet:
    """Parquet, by pyarrow.

    Raises:
        InvalidRequest: pyarrow is not installed.
    """

    def __init__(self) -> None:
        try:
            self._arrow: Any = import_module("pyarrow")
            self._parquet: Any = import_module("pyarrow.parquet")
        except ImportError:
            raise InvalidRequest(
                'Parquet needs pyarrow: pip install "dreamina-async[parquet]"', field="format"
            ) from None

    def write(self, file: IO[bytes], rows: Iterable[Row]) -> int:
        schema, count = self._schema(), 0
        with self._parquet.ParquetWriter(file, schema, compression="zstd") as writer:
            source = iter(rows)
            while group := list(islice(source, _AT_ONCE)):
                writer.write_table(self._arrow.Table.from_pylist(group, schema=schema))
                count += len(group)
        return count

    def _schema(self) -> Any:
        types = {"time": self._arrow.timestamp("us", tz="UTC")}
        return self._arrow.schema(
            (name, types.get(kind) or getattr(self._arrow, kind)())
            for name, kind in EXPORT_COLUMNS.items()
        )


def _plain(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat()


def rows_of(record: JobRecord, root: Path) -> Iterator[Row]:
    """One job's rows, with every column and in their order."""
    job = _job(record)
    for file in record.media or (None,):
        row = job | (_file(file, root) if file is not None else {})
        yield {name: row.get(name) for name in EXPORT_COLUMNS}


def _job(record: JobRecord) -> Row:
    return {
        "version": _VERSION,
        "job_id": record.job_id,
        "submit_id": record.submit_id,
        "history_id": record.history_id,
        "state": record.state.value,
        "created_at": record.created_at,
        "submitted_at": record.submitted_at,
        "finished_at": record.finished_at,
        "saved_at": record.saved_at,
        "updated_at": record.updated_at,
        "missing": record.missing,
        **(_asked(record.request) if record.request is not None else {}),
        **_failure(record),
    }


def _asked(request: Request) -> Row:
    common: Row = {
        "kind": request.kind,
        "prompt": request.prompt,
        "model": request.model,
        "ratio": request.ratio,
        "resolution": request.resolution,
        "seed": request.seed,
    }
    match request:
        case ImageRequest():
            return common | {
                "negative_prompt": request.negative_prompt,
                "count": request.count,
                "sample_strength": request.sample_strength,
            }
        case VideoRequest():
            return common | {"duration": request.duration}


def _failure(record: JobRecord) -> Row:
    error = record.error
    if error is None:
        return {}
    return {"error": type(error).__name__, "message": str(error), "charged": error.charged}


def _file(file: MediaFile, root: Path) -> Row:
    return {
        "kind": file.kind,
        "index": file.index,
        "path": (file.path if file.url else file.path.relative_to(root)).as_posix(),
        "format": file.format,
        "width": file.width,
        "height": file.height,
        "duration_ms": file.duration_ms,
        "size": file.size,
        "sha256": file.sha256,
        "uri": file.uri,
        "url": file.url,
    }
