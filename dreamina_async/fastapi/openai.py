"""The OpenAI Images API, spoken well enough for the openai client to work unchanged."""

import asyncio
import re
from base64 import b64encode
from collections.abc import Callable, Coroutine
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID, uuid5

from fastapi import APIRouter, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, Response
from fastapi.routing import APIRoute
from pydantic import ValidationError

from dreamina_async import (
    IMAGE_MODELS,
    DreaminaError,
    DreaminaSession,
    ImageRequest,
    InvalidRequest,
    JobResult,
    MediaFile,
    image_model,
)
from dreamina_async.fastapi.disconnect import run_until_disconnected
from dreamina_async.fastapi.joins import Joins
from dreamina_async.fastapi.life import SessionDep
from dreamina_async.fastapi.openai_bodies import (
    DEFAULT_MODEL,
    ImageOut,
    ImagesIn,
    ImagesOut,
    ModelOut,
    ModelsOut,
    answer,
    refusal,
)
from dreamina_async.fastapi.problems import Refusal, in_one_line
from dreamina_async.fastapi.router import FoundJob, KeyHeader, file_response

RetryHeader = Annotated[str, Header()]


class _OpenAIRoute(APIRoute):
    """A route whose errors have OpenAI's shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler with our answers around it."""
        handler = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handler(request)
            except DreaminaError as error:
                return refusal(error)
            except (RequestValidationError, ValidationError) as error:
                return answer(400, in_one_line(error))
            except Refusal as error:
                return answer(error.status, str(error))

        return answered


def create_openai_router(
    prefix: str = "/v1", *, model: str = DEFAULT_MODEL, **options: Any
) -> APIRouter:
    """`POST /images/generations` and `/images/edits`, `GET /models`, and the files they name.

    It knows no API keys: give it `dependencies=[Depends(...)]` that check them.

    Args:
        prefix: what the client's `base_url` ends in.
        model: for requests that name none, or one of OpenAI's own.
        options: as of `fastapi.APIRouter`, such as `tags` and `dependencies`.
    """
    image_model(model)
    router = APIRouter(prefix=prefix, route_class=_OpenAIRoute, **options)
    images = _Images(model)
    router.post("/images/generations", response_model_exclude_none=True)(images.generate)
    router.post("/images/edits", response_model_exclude_none=True)(images.edit)
    router.get("/images/files/{job_id}/{name}", response_class=FileResponse)(read_image)
    router.get("/models")(list_models)
    router.get("/models/{name}")(read_model)
    return router


class _Images:
    """The two ways to make images, and what their retries join."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._joins = Joins()

    async def generate(
        self,
        body: ImagesIn,
        request: Request,
        session: SessionDep,
        idempotency_key: KeyHeader = None,
        x_stainless_retry_count: RetryHeader = "0",
    ) -> ImagesOut:
        """Make images from a text."""
        requests = body.requests(self._model)
        retry = x_stainless_retry_count != "0"
        return await self._make(session, request, body, requests, idempotency_key, retry=retry)

    async def edit(
        self,
        request: Request,
        session: SessionDep,
        idempotency_key: KeyHeader = None,
        x_stainless_retry_count: RetryHeader = "0",
    ) -> ImagesOut:
        """Make images from a text and the images in the form; masks are not known here."""
        async with request.form() as form:
            body = ImagesIn.model_validate({k: v for k, v in form.items() if isinstance(v, str)})
            if "mask" in form:
                raise InvalidRequest("masks are not known here", field="mask")
            parts = [*form.getlist("image"), *form.getlist("image[]")]
            images = [await one.read() for one in parts if not isinstance(one, str)]
        if not images or len(images) < len(parts):
            raise InvalidRequest("give images as files", field="image")
        requests = body.requests(self._model, tuple(images))
        retry = x_stainless_retry_count != "0"
        return await self._make(session, request, body, requests, idempotency_key, retry=retry)

    async def _make(
        self,
        session: DreaminaSession,
        request: Request,
        body: ImagesIn,
        requests: list[ImageRequest],
        key: str | None,
        *,
        retry: bool,
    ) -> ImagesOut:
        """Charged once for each request of the client's user, however often it is sent."""
        mark = _fingerprint(request, requests, body.wanted)
        ticket = self._joins.ticket(mark, retry=retry)
        named = ticket if key is None else UUID(session.submit_id_for(f"openai {key}"))
        try:
            results = await run_until_disconnected(request, _results(session, requests, named))
        except DreaminaError as error:
            if error.charged == "no":
                self._joins.refused(mark, ticket)
            raise
        self._joins.answered(mark, ticket)
        return await _answered(request, results, body)


def _fingerprint(request: Request, requests: list[ImageRequest], wanted: int) -> str:
    """The same for the same wish of the same user; images count by their content."""
    whose = request.headers.get("Authorization", "")
    return sha256(repr((whose, requests, wanted)).encode()).hexdigest()


async def _results(
    session: DreaminaSession, requests: list[ImageRequest], ticket: UUID
) -> list[JobResult]:
    """What was made; an error only if nothing was."""
    calls = [
        _result(session, request, str(uuid5(ticket, str(number))))
        for number, request in enumerate(requests)
    ]
    ends = await asyncio.gather(*calls, return_exceptions=True)
    results = [end for end in ends if isinstance(end, JobResult)]
    errors = [end for end in ends if isinstance(end, DreaminaError)]
    unexpected = [end for end in ends if not isinstance(end, JobResult | DreaminaError)]
    if unexpected:
        raise unexpected[0]
    if not results:
        raise max(errors, key=lambda error: error.charged != "no")
    return results


async def _result(session: DreaminaSession, request: ImageRequest, submit_id: str) -> JobResult:
    job = await session.submit(request, submit_id=submit_id)
    return await job


async def _answered(request: Request, results: list[JobResult], body: ImagesIn) -> ImagesOut:
    made = [(result, media) for result in results for media in result.media][: body.wanted]
    if not made:
        raise Refusal(502, "the service has made no image")
    first = made[0][1]
    return ImagesOut(
        created=int(min(result.saved_at for result in results).timestamp()),
        data=[await _image(request, result, media, body) for result, media in made],
        output_format=first.format,
        size=f"{first.width}x{first.height}",
    )


async def _image(request: Request, result: JobResult, media: MediaFile, body: ImagesIn) -> ImageOut:
    if body.response_format == "b64_json":
        content = await asyncio.to_thread(media.path.read_bytes)
        return ImageOut(b64_json=b64encode(content).decode())
    images = re.sub(r"/[^/]*$", "", request.url.path)
    path = f"{images}/files/{result.submit_id}/{media.path.name}"
    return ImageOut(url=str(request.url.replace(path=path, query="")))


async def read_image(job: FoundJob, name: str) -> FileResponse:
    """An image that an answer has named."""
    return await file_response(job, name)


async def list_models() -> ModelsOut:
    """The catalogue's image models."""
    return ModelsOut(data=[ModelOut(id=model.name) for model in IMAGE_MODELS])


async def read_model(name: str) -> ModelOut:
    """One of them, by any of its names."""
    return ModelOut(id=image_model(name).name)
