"""What goes in and out as JSON: jobs, their files, and the requests that clients make."""

from base64 import b64decode
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from uuid import UUID

from attrs import fields
from fastapi.encoders import ENCODERS_BY_TYPE
from pydantic import (
    BaseModel,
    BeforeValidator,
    Discriminator,
    Field,
    InstanceOf,
    PlainSerializer,
    Tag,
    WithJsonSchema,
)

from dreamina_async import (
    ImageRequest,
    Job,
    JobRecord,
    JobResult,
    JobState,
    MediaFile,
    Progress,
    QueueInfo,
    Request,
    VideoRequest,
    request_to_dict,
)
from dreamina_async.fastapi.problems import ErrorOut

# ---- in --------------------------------------------------------------------------------

_IMAGE: Any = fields(ImageRequest)
_VIDEO: Any = fields(VideoRequest)


def _decoded(text: object) -> bytes:
    """The image itself: a path or a URL from a client is never followed."""
    if not isinstance(text, str):
        raise ValueError("an image is given as base64 text")  # noqa: TRY004 - pydantic's way
    _, _, plain = text.partition(",") if text.startswith("data:") else ("", "", text)
    return b64decode(plain, validate=True)


Base64Image = Annotated[
    bytes,
    BeforeValidator(_decoded),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]


class _JobIn(BaseModel, extra="forbid"):
    submit_id: UUID | None = None

    def given(self) -> dict[str, Any]:
        """The fields that the client gave; the request has its own defaults for the rest."""
        names = self.model_fields_set - {"kind", "submit_id"}
        return {name: getattr(self, name) for name in names}


class ImageIn(_JobIn):
    """The fields of `ImageRequest`; images are base64."""

    kind: Literal["image"] = "image"
    prompt: str
    model: str = _IMAGE.model.default
    ratio: str = _IMAGE.ratio.default
    resolution: str | None = None
    count: int = _IMAGE.count.default
    negative_prompt: str = ""
    seed: int | None = None
    sample_strength: float = _IMAGE.sample_strength.default
    references: list[Base64Image] = []
    intelligent_ratio: bool = False
    via: str = _IMAGE.via.default

    def request(self) -> ImageRequest:
        """The request it stands for.

        Raises:
            InvalidRequest: the model does not take it.
        """
        return ImageRequest(**self.given())


class VideoIn(_JobIn):
    """The fields of `VideoRequest`; frames are base64."""

    kind: Literal["video"]
    prompt: str
    model: str = _VIDEO.model.default
    ratio: str = _VIDEO.ratio.default
    duration: int | None = None
    resolution: str | None = None
    first_frame: Base64Image | None = None
    last_frame: Base64Image | None = None
    seed: int | None = None

    def request(self) -> VideoRequest:
        """The request it stands for.

        Raises:
            InvalidRequest: the model does not take it.
        """
        return VideoRequest(**self.given())


def _kind(body: Any) -> Any:
    return cast("dict[str, Any]", body).get("kind", "image") if isinstance(body, dict) else "image"


JobIn = Annotated[
    Annotated[ImageIn, Tag("image")] | Annotated[VideoIn, Tag("video")],
    # pydantic's own words would repeat what was sent
    Discriminator(
        _kind, custom_error_type="kind", custom_error_message="kind is neither image nor video"
    ),
]

# ---- out -------------------------------------------------------------------------------


class MediaOut(BaseModel):
    """One file.

    Attributes:
        path: where it stands below the output folder.
        url: where a router hands it out.
    """

    path: str
    url: str | None = None
    kind: str
    index: int
    width: int | None
    height: int | None
    format: str
    size: int
    sha256: str
    duration_ms: int | None

    @classmethod
    def of(cls, media: MediaFile, url: str | None = None) -> "MediaOut":
        """Without the server's own folders, and without the service's names for it."""
        return cls(
            path=Path(*media.path.parts[-2:]).as_posix(),
            url=url and f"{url}/files/{media.path.name}",
            kind=media.kind,
            index=media.index,
            width=media.width,
            height=media.height,
            format=media.format,
            size=media.size,
            sha256=media.sha256,
            duration_ms=media.duration_ms,
        )


class ResultOut(BaseModel):
    """A finished job's files: what a handler that returns a `JobResult` answers."""

    submit_id: str | None
    history_id: str | None
    request: dict[str, Any] | None
    media: list[MediaOut]
    submitted_at: datetime | None
    finished_at: datetime
    saved_at: datetime
    missing: int

    @classmethod
    def of(cls, result: JobResult) -> "ResultOut":
        """The same as plain data."""
        return cls(
            submit_id=result.submit_id,
            history_id=result.history_id,
            request=plain(result.request),
            media=[MediaOut.of(one) for one in result.media],
            submitted_at=result.submitted_at,
            finished_at=result.finished_at,
            saved_at=result.saved_at,
            missing=result.missing,
        )


Result = Annotated[InstanceOf[JobResult], PlainSerializer(ResultOut.of, return_type=ResultOut)]
"""What to say a handler returns: a `JobResult`, which clients get as a `ResultOut`."""

# without a return type FastAPI would find no way to encode what was just paid for
ENCODERS_BY_TYPE[JobResult] = lambda result: ResultOut.of(result).model_dump(mode="json")


class ProgressOut(BaseModel):
    """How far a pending job has come."""

    phase: str
    finished: int
    expected: int
    forecast: float | None

    @classmethod
    def of(cls, progress: Progress) -> "ProgressOut":
        """The same as plain data."""
        return cls(
            phase=progress.phase,
            finished=progress.finished,
            expected=progress.expected,
            forecast=progress.forecast,
        )


class QueueOut(BaseModel):
    """Its place in the service's queue."""

    position: int | None
    length: int | None

    @classmethod
    def of(cls, queue: QueueInfo) -> "QueueOut":
        """The same as plain data."""
        return cls(position=queue.position, length=queue.length)


class JobOut(BaseModel):
    """A job as a client of the router sees it.

    Attributes:
        charged: whether it has cost credit: `yes`, `no` or `unknown`.
        url: its own place; `events` is its stream.
        media: its files, once all of them are there.
        missing: results that the service did not deliver.
        detail: what the call has done to it, where that is not plain.
    """

    id: str
    url: str
    events: str
    state: JobState
    charged: str
    kind: str | None
    history_id: str | None
    request: dict[str, Any] | None
    progress: ProgressOut | None = None
    queue: QueueOut | None = None
    error: ErrorOut | None = None
    media: list[MediaOut] = Field(default_factory=list[MediaOut])
    missing: int = 0
    submitted_at: datetime | None = None
    finished_at: datetime | None = None
    saved_at: datetime | None = None
    detail: str | None = None

    @classmethod
    def of(cls, job: Job, jobs_url: str) -> "JobOut":
        """A job of the session, as it stands now."""
        out = cls._of(job, jobs_url)
        out.progress = ProgressOut.of(job.progress) if job.progress is not None else None
        out.queue = QueueOut.of(job.queue) if job.queue is not None else None
        if job.outcome is not None:
            out._add(job.outcome)
        return out

    @classmethod
    def of_record(cls, record: JobRecord, jobs_url: str) -> "JobOut":
        """A job as the journal knows it."""
        out = cls._of(record, jobs_url)
        if record.state is JobState.DONE:
            out._add(record)
        return out

    @classmethod
    def _of(cls, job: Job | JobRecord, jobs_url: str) -> "JobOut":
        url = f"{jobs_url}/{job.job_id}"
        return cls(
            id=job.job_id,
            url=url,
            events=f"{url}/events",
            state=job.state,
            charged=job.charged,
            kind=job.request.kind if job.request is not None else None,
            history_id=job.history_id,
            request=plain(job.request),
            error=ErrorOut.of(job.error) if job.error is not None else None,
        )

    def _add(self, result: JobResult | JobRecord) -> None:
        self.media = [MediaOut.of(one, self.url) for one in result.media]
        self.missing = result.missing
        self.submitted_at = result.submitted_at
        self.finished_at = result.finished_at
        self.saved_at = result.saved_at


class JobsOut(BaseModel):
    """One page of jobs, the newest first.

    Attributes:
        next: the next page, if there is one.
    """

    jobs: list[JobOut]
    next: str | None = None


def plain(request: Request | None) -> dict[str, Any] | None:
    """What was asked for, without its images: some are paths of this server."""
    if request is None:
        return None
    images = ("references", "first_frame", "last_frame")
    return {name: one for name, one in request_to_dict(request).items() if name not in images}
