"""One session for the life of an app, and how a handler gets at it."""

import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any, TypedDict, Unpack

from fastapi import Depends
from fastapi.requests import HTTPConnection

from dreamina_async import Credentials, DreaminaSession, Region, SessionClosed, Settings

_STATE = "dreamina"
"""`request.state.dreamina` is the session."""


class SessionOptions(TypedDict, total=False):
    """What `lifespan` hands on to `DreaminaSession`."""

    credentials: Credentials | None
    region: Region | str | None
    base_url: str | None
    output_dir: str | os.PathLike[str] | None
    journal_dir: str | os.PathLike[str] | None
    settings: Settings | None


Lifespan = Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any]]]


def lifespan(
    make: Callable[..., DreaminaSession] = DreaminaSession,
    *,
    resume: bool = True,
    **options: Unpack[SessionOptions],
) -> Lifespan:
    """A lifespan that holds one session open: `FastAPI(lifespan=lifespan(output_dir="out"))`.

    To go with a lifespan of your own, enter it there, and yield what it yields:
    `async with lifespan()(app) as state: yield {**state, "mine": ...}`.

    Args:
        make: makes the session, when the app starts; called with the options.
        resume: take up what an earlier run of the app left behind. It costs nothing.
        options: as of `DreaminaSession`.
    """

    @asynccontextmanager
    async def with_session(app: Any) -> AsyncGenerator[Mapping[str, Any]]:
        async with make(**options) as session:
            if resume:
                await session.resume()
            yield {_STATE: session}

    return with_session


def get_session(connection: HTTPConnection) -> DreaminaSession:
    """The app's session; tests put another in its place by `app.dependency_overrides`.

    Raises:
        SessionClosed: the app was not started with `lifespan`.
    """
    session: DreaminaSession | None = getattr(connection.state, _STATE, None)
    if session is None:
        raise SessionClosed("the app has no session: give it `lifespan=lifespan(...)`")
    return session


SessionDep = Annotated[DreaminaSession, Depends(get_session)]
"""The type of a handler's parameter that is to be the app's session."""
