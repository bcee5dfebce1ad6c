"""The OpenAI Images API's words: what they mean here, and what is answered in them."""

import math
import re
from typing import Any, Literal

from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field

from dreamina_async import (
    BudgetReached,
    ContentRejected,
    DreaminaError,
    ImageModel,
    ImageRequest,
    InsufficientCredit,
    InvalidRequest,
    RateLimited,
    ServiceUnavailable,
    image_model,
)
from dreamina_async.fastapi.bodies import ImageIn
from dreamina_async.fastapi.problems import ErrorOut, retry_after, status_of

_DEFAULTS = ImageIn.model_fields
DEFAULT_MODEL: str = _DEFAULTS["model"].default
_OPENAIS_OWN = ("dall-e", "gpt-image", "chatgpt-image")
_SIZE = re.compile(r"([1-9]\d{1,4})x([1-9]\d{1,4})")
_FARTHEST = math.log(1.2)
"""A shape that is farther from every ratio than this would surprise its user."""


class ImagesIn(BaseModel):
    """What is understood of a request; quality, style, user and the like are let pass."""

    prompt: str
    model: str | None = None
    n: int | None = Field(default=None, ge=1, le=10)
    size: str | None = None
    response_format: Literal["url", "b64_json"] | None = None
    stream: bool | None = None

    @property
    def wanted(self) -> int:
        """How many images."""
        return self.n or 1

    def requests(self, default: str, references: tuple[bytes, ...] = ()) -> list[ImageRequest]:
        """The jobs that bring so many images; a model that makes no fewer may make more.

        Raises:
            InvalidRequest: the model does not take it.
        """
        if self.stream:
            raise InvalidRequest("images are not streamed here", field="stream")
        model = image_model(_model_name(self.model, default))
        ratio, resolution = _shape(self.size, model)
        return [
            ImageRequest(
                self.prompt,
                model=model.name,
                ratio=ratio,
                resolution=resolution,
                count=count,
                references=references,
            )
            for count in _counts(self.wanted, model)
        ]


def _model_name(name: str | None, default: str) -> str:
    return default if name is None or name.startswith(_OPENAIS_OWN) else name


def _counts(wanted: int, model: ImageModel) -> list[int]:
    counts = list[int]()
    while wanted > 0:
        counts.append(max((one for one in model.counts if one <= wanted), default=model.counts[0]))
        wanted -= counts[-1]
    return counts


def _shape(size: str | None, model: ImageModel) -> tuple[str, str | None]:
    """The model's ratio and resolution that come nearest."""
    if size is None or size == "auto":
        return _DEFAULTS["ratio"].default, None
    found = _SIZE.fullmatch(size)
    if found is None:
        raise InvalidRequest("size is not WIDTHxHEIGHT, such as 1024x1024, or auto", field="size")
    width, height = int(found[1]), int(found[2])
    ratio = min(model.ratios, key=lambda one: _distance(width / height, _value(one)))
    if _distance(width / height, _value(ratio)) > _FARTHEST:
        raise InvalidRequest(
            f"no ratio of {model.name} is near {size}", field="size", allowed=model.ratios
        )
    areas = {
        one: math.prod(model.sizes[one][ratio])
        for one in model.resolutions
        if ratio in model.sizes.get(one, ())
    }
    return ratio, min(areas, key=lambda one: _distance(width * height, areas[one]))


def _value(ratio: str) -> float:
    width, _, height = ratio.partition(":")
    return int(width) / int(height)


def _distance(one: float, other: float) -> float:
    return abs(math.log(one / other))


class ImageOut(BaseModel):
    """One image, as a URL of this app or as base64."""

    url: str | None = None
    b64_json: str | None = None


class ImagesOut(BaseModel):
    """What was made.

    Attributes:
        size: pixels of the first image, read from its file.
    """

    created: int
    data: list[ImageOut]
    output_format: str
    size: str


class ModelOut(BaseModel):
    """One model of the catalogue."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "dreamina"


class ModelsOut(BaseModel):
    """The catalogue's image models."""

    object: Literal["list"] = "list"
    data: list[ModelOut]


_REFUSALS: tuple[tuple[type[DreaminaError], int, str, str | None], ...] = (
    (InvalidRequest, 400, "invalid_request_error", None),
    (ContentRejected, 400, "image_generation_user_error", "content_policy_violation"),
    (InsufficientCredit, 429, "insufficient_quota", "insufficient_quota"),
    (BudgetReached, 429, "insufficient_quota", "insufficient_quota"),
    (RateLimited, 429, "requests", "rate_limit_exceeded"),
)


def refusal(error: DreaminaError) -> Response:
    """An error in OpenAI's shape; it says whether the client may try again by itself."""
    facts = ErrorOut.of(error)
    known = (row[1:] for row in _REFUSALS if isinstance(error, row[0]))
    status, kind, code = next(known, (status_of(error), "server_error", facts.code))
    if facts.field == "model":
        status, code = 404, "model_not_found"
    # the session has tried whatever could be tried; what was paid is not to be paid again
    waits = isinstance(error, RateLimited | ServiceUnavailable) and error.charged == "no"
    headers = retry_after(error) | ({} if waits else {"x-should-retry": "false"})
    return answer(status, facts.detail, kind, code, facts.field, facts.charged, headers)


def answer(
    status: int,
    message: str,
    kind: str = "invalid_request_error",
    code: str | None = None,
    param: str | None = None,
    charged: str = "no",
    headers: dict[str, str] | None = None,
) -> Response:
    """The body that the openai client makes its typed errors of."""
    error: dict[str, Any] = {"message": message, "type": kind, "param": param, "code": code}
    return JSONResponse({"error": {**error, "charged": charged}}, status, headers)
