"""Waiting for a job no longer than its client does, and leaving it without losing it."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, Literal, TypeVar

from fastapi import HTTPException, Request

from dreamina_async import DreaminaError

_log = logging.getLogger(__name__)
_Value = TypeVar("_Value")

_DETACHED: set["asyncio.Future[Any]"] = set()
"""Nobody else holds these; the session's end ends every one of them."""


class ClientDisconnected(HTTPException):
    """The client has gone. Nobody reads the answer, but logs and middleware see its 499."""

    def __init__(self, *, detached: bool) -> None:
        self.detached = detached
        end = "the job goes on" if detached else "waiting was cancelled"
        super().__init__(499, f"the client has gone; {end}")


async def run_until_disconnected(
    request: Request,
    awaitable: Awaitable[_Value],
    *,
    on_disconnect: Literal["detach", "cancel"] = "detach",
) -> _Value:
    """Await a job, or whatever brings one, until it is there or the client has gone.

    FastAPI does not cancel a handler whose client has gone: without this it waits on.

    Args:
        request: whose client is watched. Read its body first, if you do that by yourself.
        awaitable: such as `session.generate(...)` or a job.
        on_disconnect: `detach` lets it go on by itself, and its job is finished all the same;
            `cancel` cancels it. That takes back a job which was not sent yet; one that was
            stays in the journal.

    Raises:
        ClientDisconnected: the client has gone before the end.
    """
    work = asyncio.ensure_future(awaitable)
    gone = asyncio.ensure_future(_until_gone(request))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        if not work.done():
            detach(work)
            if on_disconnect == "cancel":
                work.cancel()
    if work.done():
        return work.result()
    raise ClientDisconnected(detached=on_disconnect == "detach")


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def detach(work: "asyncio.Future[Any]") -> None:
    """Let it go on with nobody waiting; a failure is logged."""
    _DETACHED.add(work)
    work.add_done_callback(_ended)


def _ended(work: "asyncio.Future[Any]") -> None:
    _DETACHED.discard(work)
    error = None if work.cancelled() else work.exception()
    if isinstance(error, DreaminaError):
        about = {"error": type(error).__name__}
        if error.job_id is not None:
            about["job_id"] = error.job_id
        _log.warning("a job that nobody waits for: %s", error, extra=about)
    elif error is not None:
        _log.error("what nobody waits for has failed", exc_info=error)
