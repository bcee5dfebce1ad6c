"""Jobs of which only a `job.json` is left: the journal is gone, or a folder was brought here."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from dreamina_async import (
    InvalidRequest,
    JobRecord,
    JobState,
    MediaFile,
    Request,
    request_from_dict,
)

_LARGEST = 4 << 20
_KINDS = ("image", "video")


def read_documents(root: Path) -> Iterator[JobRecord]:
    """A record for each folder with a `job.json` that can be read; others are passed over."""
    for path in sorted(root.glob("*/job.json")):
        data = _load(path)
        if data is not None:
            yield _record(data, path.parent)


def _load(path: Path) -> Mapping[str, Any] | None:
    try:
        if path.is_symlink() or path.stat().st_size > _LARGEST:
            return None
        data: Any = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return cast("Mapping[str, Any]", data) if isinstance(data, dict) else None


def _record(data: Mapping[str, Any], folder: Path) -> JobRecord:
    saved_at = _time(data, "saved_at") or datetime.fromtimestamp(0, UTC)
    submitted_at = _time(data, "submitted_at")
    return JobRecord(
        job_id=folder.name,
        submit_id=_text(data, "submit_id") or None,
        history_id=_text(data, "history_id") or None,
        state=JobState.DONE,
        request=_request(data.get("request")),
        folder=folder,
        created_at=submitted_at or saved_at,
        updated_at=saved_at,
        media=tuple(_media(data.get("media"), folder)),
        submitted_at=submitted_at,
        finished_at=_time(data, "finished_at"),
        saved_at=saved_at,
        missing=_count(data, "missing") or 0,
    )


def _request(data: object) -> Request | None:
    """What was asked for, if this version of the package can still say it."""
    if not isinstance(data, dict):
        return None
    try:
        return request_from_dict(cast("Mapping[str, Any]", data))
    except (InvalidRequest, TypeError):
        return None


def _media(data: object, folder: Path) -> Iterator[MediaFile]:
    for one in cast("list[object]", data) if isinstance(data, list) else []:
        if isinstance(one, dict):
            found = _file(cast("Mapping[str, Any]", one), folder)
            if found is not None:
                yield found


def _file(data: Mapping[str, Any], folder: Path) -> MediaFile | None:
    name, kind = _text(data, "path"), data.get("kind")
    if kind not in _KINDS or not name or Path(name).name != name:  # it names a file of its folder
        return None
    return MediaFile(
        path=folder / name,
        kind=kind,
        index=_count(data, "index") or 0,
        width=_count(data, "width"),
        height=_count(data, "height"),
        format=_text(data, "format"),
        size=_count(data, "size") or 0,
        sha256=_text(data, "sha256"),
        duration_ms=_count(data, "duration_ms"),
        uri=_text(data, "uri"),
    )


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""


def _count(data: Mapping[str, Any], name: str) -> int | None:
    value = data.get(name)
    return value if type(value) is int and value >= 0 else None


def _time(data: Mapping[str, Any], name: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(_text(data, name))
    except ValueError:
        return None
    return found if found.tzinfo else None
