"""What went wrong, as `application/problem+json` (RFC 9457); never a path, URL or secret."""

import math
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from dreamina_async import (
    BudgetReached,
    ContentRejected,
    DreaminaError,
    InsufficientCredit,
    InvalidRequest,
    JobTimeout,
    RateLimited,
    ServiceUnavailable,
    SessionClosed,
    StorageError,
    TransportTimeout,
)

_STATUS: tuple[tuple[type[DreaminaError], int], ...] = (
    (InvalidRequest, 422),
    (ContentRejected, 422),
    (InsufficientCredit, 402),
    (BudgetReached, 402),
    (RateLimited, 429),
    (ServiceUnavailable, 503),
    (SessionClosed, 503),
    (StorageError, 507),
    (JobTimeout, 504),
    (TransportTimeout, 504),
    # the login is this server's, not the caller's: 401 would blame the wrong one
    (DreaminaError, 502),
)


class Refusal(Exception):
    """A router's own no: nothing was asked of the service, nothing was charged."""

    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        super().__init__(detail)


class ErrorOut(BaseModel):
    """One error of the package, as far as a client may know it."""

    error: str
    detail: str
    charged: str = "no"
    job_id: str | None = None
    code: str | None = None
    reason: str | None = None
    advice: str | None = None
    field: str | None = None
    allowed: tuple[str, ...] | None = None

    @classmethod
    def of(cls, error: DreaminaError) -> "ErrorOut":
        """Built from the facts an error holds; texts that name folders are left out."""
        known = vars(error)
        facts = {name: known[name] or None for name in _FACTS if name in known}
        return cls(error=type(error).__name__, detail=_words(error), charged=error.charged, **facts)


_FACTS = ("job_id", "code", "reason", "advice", "field", "allowed")


class ProblemOut(ErrorOut):
    """The body of every answer of a router that is no success."""

    title: str
    status: int


def status_of(error: DreaminaError) -> int:
    """The HTTP status that says whose turn it is."""
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def retry_after(error: DreaminaError) -> dict[str, str]:
    """The header, if the service said when to come again."""
    seconds: float | None = getattr(error, "retry_after", None)
    return {} if seconds is None else {"Retry-After": str(math.ceil(seconds))}


async def problem(request: Request, error: Exception) -> Response:
    """Answers an error; `app.add_exception_handler(DreaminaError, problem)` is for your own."""
    assert isinstance(error, DreaminaError)
    facts = ErrorOut.of(error).model_dump(exclude_none=True)
    return _answer(status_of(error), facts, retry_after(error))


class ProblemRoute(APIRoute):
    """A route whose errors are answered as problems, whatever the app does with its own."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler with our answers around it."""
        handler = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handler(request)
            except DreaminaError as error:
                return await problem(request, error)
            except RequestValidationError as error:
                return _answer(422, _facts("InvalidRequest", in_one_line(error)))
            except Refusal as error:
                return _answer(error.status, _facts("Refusal", str(error)))

        return answered


def in_one_line(error: RequestValidationError | ValidationError) -> str:
    """What is wrong with a request, without repeating it."""
    return "; ".join(f"{_place(one['loc'])}: {one['msg']}" for one in error.errors())


def _place(loc: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in loc[1:]) or str(loc[0])


def _facts(error: str, detail: str) -> dict[str, Any]:
    return {"error": error, "detail": detail, "charged": "no"}


def _answer(status: int, facts: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    body = {"title": facts["error"], "status": status, **facts}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def _words(error: DreaminaError) -> str:
    if isinstance(error, StorageError):
        return "the server's disk or journal refuses; its operator has to mend that"
    return error.message
