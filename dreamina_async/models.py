"""The frozen values that users hold: job states, progress, reports, media and results."""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from attrs import field, frozen

from dreamina_async.errors import Charged, DreaminaError, InvalidRequest
from dreamina_async.requests import MediaKind, Request


class JobState(StrEnum):
    """Where a job stands; the same words stand in the journal (reliability: submission model)."""

    PLANNED = "planned"
    """Not sent, or refused without a charge: submitting it again is safe."""
    INTENT = "intent"
    """Written down and perhaps sent: only the service knows whether it arrived."""
    ACCEPTED = "accepted"
    """The service has it: queued or generating."""
    READY = "ready"
    """The service has finished; the files are on their way."""
    DONE = "done"
    """Every file is on disk."""
    FAILED = "failed"
    """The service says no, for good."""
    UNKNOWN = "unknown"
    """Perhaps charged, not to be found: held, never sent again, looked up at every resume."""
    ABANDONED = "abandoned"
    """The user no longer wants to know."""

    @property
    def terminal(self) -> bool:
        """Whether nothing more happens to the job in this session."""
        return self in _TERMINAL

    @property
    def owed(self) -> bool:
        """Whether files may still come of it: `resume` asks the service, and never sends."""
        return self in _OWED

    @property
    def charged(self) -> Charged:
        """What is known of the job's price from where it stands."""
        if self is JobState.PLANNED:
            return "no"
        return "unknown" if self in (JobState.INTENT, JobState.UNKNOWN) else "yes"


_OWED = frozenset({JobState.INTENT, JobState.ACCEPTED, JobState.READY, JobState.UNKNOWN})
_TERMINAL = frozenset({JobState.DONE, JobState.FAILED, JobState.UNKNOWN, JobState.ABANDONED})


def canonical_submit_id(text: str) -> str:
    """The usual spelling of a submit id, which is a UUID (S3).

    Raises:
        InvalidRequest: it is not a UUID.
    """
    try:
        return str(UUID(text))
    except (ValueError, AttributeError, TypeError):
        raise InvalidRequest(f"submit id {text!r} is not a UUID", field="submit_id") from None


_HISTORY_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


def check_history_id(text: str) -> str:
    """A history id as the service gives it, usually 13 or 14 digits (S3).

    Raises:
        InvalidRequest: it is empty, or holds characters that no id has.
    """
    if not isinstance(text, str) or not _HISTORY_ID.fullmatch(text):
        raise InvalidRequest(f"history id {text!r} is not an id", field="history_id")
    return text


@frozen
class QueueInfo:
    """Where a job waits, as the service says (S3 `queue_info`; protocol notes 5.5).

    Attributes:
        position: jobs ahead (`queue_idx`).
        length: jobs in the whole queue.
        status: 0 pending, 1 queueing, 2 generating, 3 finished, 4 failed.
        interval: seconds between looks that the service asks for, if it does.
        timeout: seconds after which it gives up, if it says so.
    """

    position: int | None = None
    length: int | None = None
    status: int | None = None
    interval: float | None = None
    timeout: float | None = None


class Phase(StrEnum):
    """What the service is doing with a pending job, as far as its numbers tell."""

    QUEUED = "queued"
    GENERATING = "generating"
    FINISHING = "finishing"


@frozen
class Progress:
    """How far a pending job has come.

    Attributes:
        phase: what the service does with it.
        finished: results it already shows.
        expected: results it is to show.
        forecast: seconds that the service expects for queue and generation together.
        status: the service's raw number, for diagnosis.
    """

    phase: Phase = Phase.QUEUED
    finished: int = 0
    expected: int = 0
    forecast: float | None = None
    status: int | None = None


@frozen
class MediaItem:
    """One finished result at the service, before its file is fetched.

    Attributes:
        kind: image or video.
        urls: signed URLs, the best rendition first. They are as good as a key: never shown.
        uri: the stable name at the service; it outlives every signed URL.
        size: bytes, where the record tells.
        md5: hex digest, where the record tells.
        item_id: the service's id of the item.
        source: which field of the record the first URL came from.
    """

    kind: MediaKind
    urls: tuple[str, ...] = field(repr=False)
    uri: str = ""
    width: int | None = None
    height: int | None = None
    format: str = ""
    size: int | None = None
    md5: str = ""
    duration_ms: int | None = None
    item_id: str = ""
    source: str = ""


@frozen
class JobReport:
    """What one status call said about one id. Every field may be missing in a real record.

    Attributes:
        status: the record's number; its meaning differs by source (protocol notes 5.6).
        task_status: the number inside `task`; the two may disagree.
        fail_code: the failure code as text, None for all spellings of "none".
        fail_message: the service's own words.
        items: results with a usable URL.
        failed_items: results that the record lists as failed.
        listed_items: ids of results the service means to make.
        finish_time: Unix seconds, None while running.
        forecast: expected seconds of queueing and generating; never a price.
        problems: fields that could not be read, by path.
    """

    history_id: str | None = None
    submit_id: str | None = None
    status: int | None = None
    task_status: int | None = None
    fail_code: str | None = None
    fail_message: str = ""
    items: tuple[MediaItem, ...] = ()
    failed_items: int = 0
    listed_items: tuple[str, ...] = ()
    total_count: int | None = None
    finished_count: int | None = None
    created_at: float | None = None
    finish_time: float | None = None
    queue: QueueInfo | None = None
    forecast: float | None = None
    model_key: str | None = None
    problems: tuple[str, ...] = ()


@frozen
class MediaFile:
    """One file, complete and checked.

    Attributes:
        path: where it stands; in an object store relative to the output folder.
        kind: image or video.
        index: its place among the job's results, from 0.
        width: pixels, read from the file itself.
        height: pixels, read from the file itself.
        format: `png`, `jpeg`, `webp`, `avif` or `mp4`, by the file's signature.
        size: bytes.
        sha256: hex digest.
        duration_ms: of a video.
        uri: the stable name at the service.
        url: the whole name in an object store, such as `s3://bucket/prefix/…/image-0.png`;
            None of a file on disk.
    """

    path: Path
    kind: MediaKind
    index: int
    width: int | None
    height: int | None
    format: str
    size: int
    sha256: str
    duration_ms: int | None = None
    uri: str = ""
    url: str | None = None


@frozen
class JobResult:
    """A finished job's files.

    Attributes:
        media: the files, by index. Fewer than asked for if the service made fewer.
        submitted_at: when the submit left, in UTC.
        finished_at: when we saw that the service had finished.
        saved_at: when the last file stood under its final name.
        missing: how many results the service did not deliver.
    """

    submit_id: str | None
    history_id: str | None
    request: Request | None
    media: tuple[MediaFile, ...]
    submitted_at: datetime | None
    finished_at: datetime
    saved_at: datetime
    missing: int = 0

    @property
    def partial(self) -> bool:
        """Whether the service delivered fewer results than asked for."""
        return self.missing > 0


@frozen
class JobRecord:
    """One job as the journal knows it, for listing without a session.

    Attributes:
        error: why it failed or waits, if it does.
        media: its files that stand complete.
        submitted_at: when its submit left for the last time.
        finished_at: when we saw that the service had finished.
        saved_at: when its last file stood under its final name.
        missing: how many results the service did not deliver.
    """

    job_id: str
    submit_id: str | None
    history_id: str | None
    state: JobState
    request: Request | None
    folder: Path
    created_at: datetime
    updated_at: datetime
    error: DreaminaError | None = None
    media: tuple[MediaFile, ...] = ()
    submitted_at: datetime | None = None
    finished_at: datetime | None = None
    saved_at: datetime | None = None
    missing: int = 0

    @property
    def charged(self) -> Charged:
        """What is known of its price; one that was only attached may be nobody's."""
        if self.error is not None:
            return self.error.charged
        seen_or_sent = self.finished_at is not None or self.submitted_at is not None
        if self.state is JobState.ACCEPTED and not seen_or_sent:
            return "unknown"
        return self.state.charged


@frozen
class Statistics:
    """A session's counters at one instant.

    Attributes:
        submits: generate requests sent.
        accepted: jobs that the service accepted.
        status_calls: `get_history_by_ids` calls, of all purposes.
        status_ids: ids asked in them.
        jobs: how many jobs of this session stand in each state.
        files: files saved.
        bytes: media bytes received.
        retries: calls and downloads that were made again.
        refreshes: fresh URLs asked for.
        detection_lag: mean seconds from the service's `finish_time` (whole seconds) until we
            saw it; None before the first.
    """

    submits: int = 0
    accepted: int = 0
    status_calls: int = 0
    status_ids: int = 0
    jobs: Mapping[JobState, int] = field(factory=dict[JobState, int])
    files: int = 0
    bytes: int = 0
    retries: int = 0
    refreshes: int = 0
    detection_lag: float | None = None

    @property
    def calls_per_job(self) -> float | None:
        """Status calls per finished job; None before the first."""
        done = self.jobs.get(JobState.DONE, 0)
        return self.status_calls / done if done else None
