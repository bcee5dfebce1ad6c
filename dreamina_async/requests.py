"""What a job is asked to make: requests, checked when they are made, and as plain data."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, cast, get_args

from attrs import Attribute, Factory, asdict, field, fields, frozen

from dreamina_async.catalogue import (
    DEFAULT_IMAGE_MODEL,
    DEFAULT_VIDEO_MODEL,
    image_model,
    video_model,
)
from dreamina_async.errors import InvalidRequest, shown
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


def _allowed(name: str, value: object, allowed: tuple[Any, ...], owner: str) -> None:
    # equality alone would take True and 4.0 for 1 and 4
    plain = isinstance(value, str | int) and not isinstance(value, bool)
    if not plain or value not in allowed:
        texts = tuple(str(one) for one in allowed)
        raise InvalidRequest(f"{owner} takes no {name} {shown(value)}", field=name, allowed=texts)


_NO_TEXT = re.compile("[\0\ud800-\udfff]")


def _text(instance: object, attribute: "Attribute[Any]", value: Any) -> None:
    name = attribute.name
    if not isinstance(value, str):
        raise InvalidRequest(f"{name} is not text but {type(value).__name__}", field=name)
    if len(value) > MAX_PROMPT_CHARACTERS:
        raise InvalidRequest(
            f"{name} has {len(value)} characters; at most {MAX_PROMPT_CHARACTERS} are taken",
            field=name,
        )
    if _NO_TEXT.search(value):
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
    owner = "a request for a video" if kind == "video" else "a request for an image"
    for name in data:
        _allowed("field", name, ("kind", *names), owner)
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
