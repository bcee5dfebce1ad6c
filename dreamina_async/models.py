"""The frozen values that users hold: requests, job states, reports, media and results."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Literal, cast, get_args
from uuid import UUID

from attrs import Attribute, Factory, asdict, field, fields, frozen

from dreamina_async.catalogue import (
    DEFAULT_IMAGE_MODEL,
    DEFAULT_VIDEO_MODEL,
    image_model,
    video_model,
)
from dreamina_async.errors import DreaminaError, InvalidRequest, shown
from dreamina_async.images import (
    Image,
    ImageSource,
    image_from_plain,
    image_of,
    image_to_plain,
    images_of,
)

MediaKind = Literal["image", "video"]

MAX_PROMPT_CHARACTERS = 4000
"""Our own limit: far above any prompt seen, far below what a mistaken file would bring."""

MAX_SEED = 2**32 - 1

_USUAL_SECONDS = 5


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


_TERMINAL = frozenset({JobState.DONE, JobState.FAILED, JobState.UNKNOWN, JobState.ABANDONED})


def _allowed(name: str, value: object, allowed: tuple[Any, ...], owner: str) -> None:
    # equality alone would take True and 4.0 for 1 and 4
    plain = isinstance(value, str | int) and not isinstance(value, bool)
    if not plain or value not in allowed:
        texts = tuple(str(one) for one in allowed)
        raise InvalidRequest(f"{owner} takes no {name} {shown(value)}", field=name, allowed=texts)


def _text(instance: object, attribute: "Attribute[Any]", value: Any) -> None:
    name = attribute.name
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} is not text but {type(value).__name__}", field=name)
    if len(value) > MAX_PROMPT_CHARACTERS:
        raise InvalidRequest(
            f"{name} has {len(value)} characters; at most {MAX_PROMPT_CHARACTERS} are taken",
            field=name,
        )
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidRequest(f"{name} is not valid text (NUL or half a character)", field=name)


def _not_blank(instance: object, attribute: "Attribute[Any]", value: str) -> None:
    if not value.strip():
        raise InvalidRequest(f"{attribute.name} is empty", field=attribute.name)


def _flag(instance: object, attribute: "Attribute[Any]", value: Any) -> None:
    if not isinstance(value, bool):
        raise InvalidRequest(f"{attribute.name} {shown(value)} is not a bool", field=attribute.name)


def _seed(instance: object, attribute: "Attribute[Any]", value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEED:
        raise InvalidRequest(
            f"seed {shown(value)} is not a whole number from 0 to {MAX_SEED}", field="seed"
        )


def _strength(instance: object, attribute: "Attribute[Any]", value: Any) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1:
        raise InvalidRequest(
            f"sample_strength {shown(value)} is not a number from 0 to 1", field="sample_strength"
        )


def _references(sources: "Iterable[ImageSource] | ImageSource") -> tuple[Image, ...]:
    return images_of(sources, "references")


def _first_frame(source: ImageSource | None) -> Image | None:
    return None if source is None else image_of(source, "first_frame")


def _last_frame(source: ImageSource | None) -> Image | None:
    return None if source is None else image_of(source, "last_frame")


Via = Literal["web", "mcp"]


@frozen
class ImageRequest:
    """Images from a text, or from a text and other images; checked when it is made.

    Attributes:
        prompt: what to draw; any language, at most 4000 characters.
        model: a name, an alias or the service's key (see `dreamina_async.catalogue`); a key
            that is not in the catalogue is written `key:...`.
        ratio: width to height, such as `16:9`.
        resolution: `1k`, `1.5k`, `2k` or `4k`; None takes the model's own.
        count: how many images; most models take 1 to 8, the 3.x ones always make 4.
        negative_prompt: what to leave out.
        seed: 0 to 2**32-1; None draws one from the submit id.
        sample_strength: 0 to 1; with references, how much of them is kept.
        references: images to work from, 1 to 10 with most models: paths, bytes, binary file
            objects (read at once), or what `session.upload` returned. Paths are read when
            the job is submitted.
        intelligent_ratio: let the model choose the ratio by the prompt.
        via: `mcp` submits through the intranet's MCP endpoint, which takes a prompt, a ratio
            and a model, and makes four images.

    Raises:
        InvalidRequest: a value that the model does not take; it lists what it takes.
    """

    kind: ClassVar[MediaKind] = "image"

    prompt: str = field(validator=[_text, _not_blank])
    model: str = field(default=DEFAULT_IMAGE_MODEL, kw_only=True)
    ratio: str = field(default="1:1", kw_only=True)
    resolution: str | None = field(default=None, kw_only=True)
    count: int = field(default=4, kw_only=True)
    negative_prompt: str = field(default="", kw_only=True, validator=_text)
    seed: int | None = field(default=None, kw_only=True, validator=_seed)
    sample_strength: float = field(default=0.5, kw_only=True, validator=_strength)
    references: tuple[Image, ...] = field(default=(), kw_only=True, converter=_references)
    intelligent_ratio: bool = field(default=False, kw_only=True, validator=_flag)
    via: Via = field(default="web", kw_only=True)

    def __attrs_post_init__(self) -> None:
        model = image_model(self.model)
        _allowed("ratio", self.ratio, model.ratios, model.name)
        if self.resolution is not None:
            _allowed("resolution", self.resolution, model.resolutions, model.name)
        _allowed("count", self.count, model.counts, model.name)
        if self.intelligent_ratio:
            _allowed("intelligent_ratio", 1, (int(model.intelligent_ratio),), model.name)
        if len(self.references) > model.max_references:
            raise InvalidRequest(
                f"{model.name} takes at most {model.max_references} references, not "
                f"{len(self.references)}",
                field="references",
            )
        _allowed("via", self.via, get_args(Via), "an image request")
        if self.via == "mcp":
            _only_what_mcp_takes(self)

    @property
    def expected(self) -> int:
        """How many files the job is to bring."""
        return self.count

    @property
    def images(self) -> tuple[Image, ...]:
        """What has to be uploaded before the submit."""
        return self.references


def _only_what_mcp_takes(request: ImageRequest) -> None:
    """S1 and S4 show no field for anything else, so it would be dropped in silence."""
    plain = ("prompt", "model", "ratio", "via")
    for one in fields(ImageRequest):
        if one.name not in plain and getattr(request, one.name) != one.default:
            raise InvalidRequest(
                f"the MCP endpoint takes a prompt, a model and a ratio, but no {one.name}",
                field=one.name,
            )


def _usual_duration(request: Any) -> int:
    durations = video_model(request.model).durations
    return _USUAL_SECONDS if _USUAL_SECONDS in durations else durations[0]


@frozen
class VideoRequest:
    """A video from a text, or from one or two frames; checked when it is made.

    Attributes:
        prompt: what to show; any language, at most 4000 characters. May be empty where there
            is a first frame.
        model: a name, an alias or the service's key (see `dreamina_async.catalogue`); a key
            that is not in the catalogue is written `key:...`.
        ratio: width to height, such as `16:9`; with frames the service follows the image.
        duration: seconds; 5 unless the model has no such length.
        resolution: such as `720p`; None takes the model's own.
        first_frame: an image to begin with: a path, bytes, a binary file object, or what
            `session.upload` returned.
        last_frame: an image to end with; only together with a first one.
        seed: 0 to 2**32-1; None draws one from the submit id.

    Raises:
        InvalidRequest: a value that the model does not take; it lists what it takes.
    """

    kind: ClassVar[MediaKind] = "video"

    prompt: str = field(validator=_text)
    model: str = field(default=DEFAULT_VIDEO_MODEL, kw_only=True)
    ratio: str = field(default="16:9", kw_only=True)
    duration: int = field(default=Factory(_usual_duration, takes_self=True), kw_only=True)
    resolution: str | None = field(default=None, kw_only=True)
    first_frame: Image | None = field(default=None, kw_only=True, converter=_first_frame)
    last_frame: Image | None = field(default=None, kw_only=True, converter=_last_frame)
    seed: int | None = field(default=None, kw_only=True, validator=_seed)

    def __attrs_post_init__(self) -> None:
        model = video_model(self.model)
        _allowed("ratio", self.ratio, model.ratios, model.name)
        _allowed("duration", self.duration, model.durations, model.name)
        if self.resolution is not None:
            _allowed("resolution", self.resolution, model.resolutions, model.name)
        if self.first_frame is None:
            if self.last_frame is not None:
                raise InvalidRequest("a last frame needs a first one too", field="last_frame")
            _not_blank(self, fields(VideoRequest).prompt, self.prompt)

    @property
    def expected(self) -> int:
        """How many files the job is to bring."""
        return 1

    @property
    def images(self) -> tuple[Image, ...]:
        """What has to be uploaded before the submit."""
        return tuple(one for one in (self.first_frame, self.last_frame) if one is not None)


Request = ImageRequest | VideoRequest


_IMAGE_FIELDS = ("references", "first_frame", "last_frame")


def request_to_dict(request: Request) -> dict[str, Any]:
    """Plain data for JSON; `request_from_dict` brings it back.

    Images are paths, uploads or, where they were given as bytes, digests.
    """
    return {"kind": request.kind, **asdict(request, recurse=False), **_plain_images(request)}


def _plain_images(request: Request) -> dict[str, Any]:
    match request:
        case ImageRequest():
            return {"references": [image_to_plain(one) for one in request.references]}
        case _:
            frames = {"first_frame": request.first_frame, "last_frame": request.last_frame}
            return {name: one and image_to_plain(one) for name, one in frames.items()}


def request_from_dict(data: Mapping[str, Any]) -> Request:
    """The request that plain data describes; `kind` is `image` unless it says `video`.

    Raises:
        InvalidRequest: a field is unknown, missing, or has a value the model does not take.
    """
    try:
        kind = data.get("kind", "image")
    except AttributeError:
        raise InvalidRequest(f"{shown(data)} is no object with the fields of a request") from None
    _allowed("kind", kind, ("image", "video"), "a request")
    request_type: type[ImageRequest] | type[VideoRequest]
    request_type = VideoRequest if kind == "video" else ImageRequest
    names = tuple(attribute.name for attribute in fields(request_type))
    for name in data:
        _allowed("field", name, ("kind", *names), f"a request for an {kind}")
    if "prompt" not in data:
        raise InvalidRequest("the prompt is missing", field="prompt")
    values = {name: _from_plain(name, value) for name, value in data.items() if name != "kind"}
    return request_type(**values)


def _from_plain(name: str, value: Any) -> Any:
    if name not in _IMAGE_FIELDS or value is None:
        return value
    if isinstance(value, list | tuple):
        return [image_from_plain(one, name) for one in cast("Iterable[Any]", value)]
    return image_from_plain(value, name)


def same_job(one: Request, other: Request) -> bool:
    """Whether two requests may share a submit id: equal, but for where their images lie.

    A folder that was moved, or a manifest run from elsewhere, makes no other job of it.
    """
    return _without_folders(one) == _without_folders(other)


def _without_folders(request: Request) -> dict[str, Any]:
    named = {
        name: [Path(one).name if isinstance(one, str) else one for one in _as_list(value)]
        for name, value in _plain_images(request).items()
    }
    return request_to_dict(request) | named


def _as_list(value: Any) -> list[Any]:
    return list(cast("Iterable[Any]", value)) if isinstance(value, list) else [value]


@frozen
class Submission:
    """A request under a submit id of the caller's own; `session.run` takes it like a request."""

    request: Request
    submit_id: str


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
    """One file on disk, complete and checked.

    Attributes:
        path: where it stands.
        kind: image or video.
        index: its place among the job's results, from 0.
        width: pixels, read from the file itself.
        height: pixels, read from the file itself.
        format: `png`, `jpeg`, `webp`, `avif` or `mp4`, by the file's signature.
        size: bytes.
        sha256: hex digest.
        duration_ms: of a video.
        uri: the stable name at the service.
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
        files: names of its files, below its folder.
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
