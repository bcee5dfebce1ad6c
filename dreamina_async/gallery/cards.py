"""A job as the page's script is told of it: plain data, short, without what is not known."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote as percent_encoded

from attrs import evolve

from dreamina_async import (
    ImageRequest,
    JobRecord,
    JobState,
    MediaFile,
    Request,
    VideoRequest,
    quote,
)

_PENDING = frozenset({JobState.PLANNED, JobState.INTENT, JobState.ACCEPTED, JobState.READY})


def card_of(record: JobRecord, root: Path) -> dict[str, Any]:
    """One job. Times are ISO 8601, `ms` is milliseconds, `size` bytes, `price` credits."""
    request = record.request
    facts: dict[str, Any] = {
        "id": record.submit_id or record.job_id,
        "history": record.history_id,
        "state": "pending" if record.state in _PENDING else record.state.value,
        "kind": _kind(record),
        **(_asked(request) if request is not None else {}),
        "created": _time(record.created_at),
        "submitted": _time(record.submitted_at),
        "finished": _time(record.finished_at),
        "saved": _time(record.saved_at),
        "missing": record.missing or None,
        "reason": _reason(record),
        "files": [_file(one, root) for one in record.media],
    }
    return _known(facts)


def _known(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None and value != ""}


def _kind(record: JobRecord) -> str:
    if record.request is not None:
        return record.request.kind
    return record.media[0].kind if record.media else "image"


def _asked(request: Request) -> dict[str, Any]:
    facts = {
        "prompt": request.prompt,
        "model": request.model,
        "ratio": request.ratio,
        "resolution": request.resolution,
        "seed": request.seed,
        "price": quote([request]).prices[0],
    }
    match request:
        case ImageRequest():
            more = {"negative": request.negative_prompt, "strength": request.sample_strength}
        case VideoRequest():
            more = {"duration": request.duration}
    return {**facts, **more}


def _reason(record: JobRecord) -> str | None:
    """Why there is nothing to see, or not yet; the error says it best, but for the id."""
    if record.error is not None:
        return str(evolve(record.error, job_id=None))
    return None if record.state is JobState.DONE else _REASONS[record.state]


_REASONS = {
    JobState.PLANNED: "not sent yet; `dreamina-async bulk` or `resume` goes on",
    JobState.INTENT: "perhaps sent; `dreamina-async resume` finds out",
    JobState.ACCEPTED: "queued or generating; `dreamina-async resume` fetches it",
    JobState.READY: "finished; `dreamina-async resume` fetches its files",
    JobState.FAILED: "failed",
    JobState.UNKNOWN: "nobody can say what became of it",
    JobState.ABANDONED: "no longer tracked",
}


def _file(file: MediaFile, root: Path) -> dict[str, Any]:
    return _known(
        {
            "src": percent_encoded(file.path.relative_to(root).as_posix()),
            "name": file.path.name,
            "kind": file.kind,
            "width": file.width,
            "height": file.height,
            "format": file.format,
            "size": file.size,
            "ms": file.duration_ms,
            "sha256": file.sha256,
            "there": file.path.is_file(),
        }
    )


def _time(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat(timespec="seconds")
