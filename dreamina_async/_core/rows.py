"""A job's journal row: our values <-> plain columns. Strict, for these are our own files."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from sys import intern
from typing import Any

from attrs import fields

from dreamina_async import errors
from dreamina_async._core.destination import url_of
from dreamina_async._core.ledger import Entry
from dreamina_async._core.media import folder_name
from dreamina_async.errors import DreaminaError, StorageError
from dreamina_async.models import (
    JobRecord,
    JobResult,
    JobState,
    MediaFile,
    canonical_submit_id,
    check_history_id,
)
from dreamina_async.requests import Request, request_from_dict, request_to_dict

Row = Mapping[str, Any]

JOB_COLUMNS = (
    "job_id",
    "submit_id",
    "history_id",
    "kind",
    "state",
    "request",
    "created_at",
    "sent_at",
    "maybe_sent",
    "finished_at",
    "saved_at",
    "updated_at",
    "missing",
    "error",
)
MEDIA_COLUMNS = (
    "job_id",
    "place",
    "name",
    "kind",
    "format",
    "width",
    "height",
    "size",
    "sha256",
    "duration_ms",
    "uri",
)


_KINDS = ("image", "video")
_LATEST = 253_402_300_800  # the year 10000, which no date reaches
_FILE_NAME = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z._~-]{0,100}")


def job_row(entry: Entry, now: float) -> tuple[Any, ...]:
    """The columns of `JOB_COLUMNS`."""
    request = _dumps(request_to_dict(entry.request)) if entry.request else None
    return (
        entry.job_id,
        entry.submit_id,
        entry.history_id,
        entry.kind,
        entry.state.value,
        request,
        entry.created_at,
        entry.sent_at,
        int(entry.maybe_sent),
        entry.finished_at,
        entry.saved_at,
        now,
        entry.missing,
        _dumps(_error_to_dict(entry.error)) if entry.error else None,
    )


def media_row(job_id: str, file: MediaFile) -> tuple[Any, ...]:
    """The columns of `MEDIA_COLUMNS`."""
    return (
        job_id,
        file.index,
        file.path.name,
        file.kind,
        file.format,
        file.width,
        file.height,
        file.size,
        file.sha256,
        file.duration_ms,
        file.uri,
    )


def entry_from_rows(row: Row, media: Iterable[Row], root: Path, url: str | None = None) -> Entry:
    """The job that the rows describe.

    Args:
        row: the job's own.
        media: those of its files.
        root: what the files' paths begin with.
        url: the object store that they stand in, if they do.

    Raises:
        StorageError: they describe none; the row is damaged.
    """
    try:
        return _entry(row, media, root, url)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StorageError(f"the journal's row of job {row['job_id']!r} is damaged") from error


def _entry(row: Row, media: Iterable[Row], root: Path, url: str | None) -> Entry:
    _check_job(row)
    job_id, submit_id = row["job_id"], row["submit_id"]
    return Entry(
        job_id=job_id,
        kind="video" if row["kind"] == "video" else "image",  # one text for all
        state=JobState(row["state"]),
        created_at=row["created_at"],
        request=_request(json.loads(row["request"])) if row["request"] else None,
        submit_id=job_id if submit_id == job_id else submit_id,
        history_id=row["history_id"],
        error=_error_from_dict(json.loads(row["error"])) if row["error"] else None,
        sent_at=row["sent_at"],
        maybe_sent=bool(row["maybe_sent"]),
        finished_at=row["finished_at"],
        saved_at=row["saved_at"],
        missing=row["missing"],
        saved=_saved(row, list(media), root, url),
    )


def _request(data: Mapping[str, Any]) -> Request:
    """What was asked for; a hundred thousand jobs share the names of a few models and ratios."""
    values = {**data}
    for name, value in values.items():
        if isinstance(value, str) and name != "prompt":
            values[name] = intern(value)
    return request_from_dict(values)


def _saved(row: Row, media: list[Row], root: Path, url: str | None) -> tuple[MediaFile, ...]:
    if not media:  # most jobs that are resumed: a path is dear
        return ()
    folder = root / folder_name(row["submit_id"], row["history_id"])
    return tuple(_media_file(one, folder, url) for one in media)


def _check_job(row: Row) -> None:
    """Its ids become a path and its times dates, so nothing odd may pass."""
    _require(row["submit_id"] is not None or row["history_id"] is not None)
    if row["submit_id"] is not None:
        canonical_submit_id(row["submit_id"])
    if row["history_id"] is not None:
        check_history_id(row["history_id"])
    _require(row["kind"] in _KINDS and _is_count(row["missing"]) and _is_time(row["created_at"]))
    times = (row["sent_at"], row["finished_at"], row["saved_at"])
    _require(all(at is None or _is_time(at) for at in times))


def _check_media(row: Row) -> None:
    name = row["name"]
    _require(isinstance(name, str) and bool(_FILE_NAME.fullmatch(name)) and row["kind"] in _KINDS)
    _require(_is_count(row["place"]) and _is_count(row["size"]))
    _require(all(isinstance(row[column], str) for column in ("format", "sha256", "uri")))


def _require(fine: bool) -> None:
    if not fine:
        raise ValueError("a value that this package never wrote")


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value < _LATEST


def _media_file(row: Row, folder: Path, url: str | None) -> MediaFile:
    _check_media(row)
    path = folder / row["name"]
    return MediaFile(
        path=path,
        kind=row["kind"],
        index=row["place"],
        width=row["width"],
        height=row["height"],
        format=row["format"],
        size=row["size"],
        sha256=row["sha256"],
        duration_ms=row["duration_ms"],
        uri=row["uri"],
        url=url_of(url, path),
    )


def record_of(entry: Entry, updated_at: float, root: Path) -> JobRecord:
    """What `journal_jobs` lists."""
    return JobRecord(
        job_id=entry.job_id,
        submit_id=entry.submit_id,
        history_id=entry.history_id,
        state=entry.state,
        request=entry.request,
        folder=root / folder_name(entry.submit_id, entry.history_id),
        created_at=instant(entry.created_at),
        updated_at=instant(updated_at),
        error=entry.error,
        media=entry.saved,
        submitted_at=_instant_if(entry.sent_at),
        finished_at=_instant_if(entry.finished_at),
        saved_at=_instant_if(entry.saved_at),
        missing=entry.missing,
    )


def _instant_if(seconds: float | None) -> datetime | None:
    return None if seconds is None else instant(seconds)


def instant(seconds: float) -> datetime:
    """Unix seconds as an aware datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def result_of(entry: Entry) -> JobResult:
    """The result of a job whose files are all there."""
    saved_at = entry.saved_at or entry.created_at
    return JobResult(
        submit_id=entry.submit_id,
        history_id=entry.history_id,
        request=entry.request,
        media=entry.saved,
        submitted_at=_instant_if(entry.sent_at),
        finished_at=instant(entry.finished_at or saved_at),
        saved_at=instant(saved_at),
        missing=entry.missing,
    )


def job_document(result: JobResult) -> dict[str, Any]:
    """`job.json`: what a folder holds and where it came from; no secret, no signed URL."""
    submitted = result.submitted_at
    return {
        "version": 1,
        "submit_id": result.submit_id,
        "history_id": result.history_id,
        "request": request_to_dict(result.request) if result.request else None,
        "submitted_at": submitted.isoformat() if submitted else None,
        "finished_at": result.finished_at.isoformat(),
        "saved_at": result.saved_at.isoformat(),
        "missing": result.missing,
        "media": [_media_document(file) for file in result.media],
    }


def _media_document(file: MediaFile) -> dict[str, Any]:
    names = [one.name for one in fields(MediaFile) if one.name not in ("path", "url")]
    return {"path": file.path.name, **{name: getattr(file, name) for name in names}}


_ERRORS: dict[str, type[DreaminaError]] = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, DreaminaError)
}


def _error_to_dict(error: DreaminaError) -> dict[str, Any]:
    values = [getattr(error, attribute.name) for attribute in fields(type(error))]
    return {"type": type(error).__name__, "fields": values}


def _error_from_dict(data: Mapping[str, Any]) -> DreaminaError:
    values: list[Any] = data["fields"]
    # `allowed`: JSON has no tuples
    arguments: list[Any] = [_frozen(one) for one in values]
    return _ERRORS[data["type"]](*arguments)


def _frozen(value: Any) -> Any:
    match value:
        case [*parts]:
            return tuple(parts)
        case _:
            return value


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
