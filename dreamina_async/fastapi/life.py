"""One session for the life of an app, and how a handler gets at it."""

import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, Unpack

from fastapi import Depends
from fastapi.requests import HTTPConnection

from dreamina_async import Credentials, DreaminaSession, Region, SessionClosed, Settings

if TYPE_CHECKING:
    from dreamina_async.fleet import Fleet

_STATE = "dreamina"
"""`request.state.dreamina` is the session."""
_FLEET = "dreamina_fleet"
"""`request.state.dreamina_fleet` is the fleet."""


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
    fleet: str | None = None,
    **options: Unpack[SessionOptions],
) -> Lifespan:
    """A lifespan that holds one session open: `FastAPI(lifespan=lifespan(output_dir="out"))`.

    To go with a lifespan of your own, enter it there, and yield what it yields:
    `async with lifespan()(app) as state: yield {**state, "mine": ...}`.

    Args:
        make: makes the session, when the app starts; called with the options.
        resume: take up what an earlier run of the app left behind. It costs nothing.
        fleet: a fleet's database, in place of a session: replicas of the app put runs into it and
            see what became of them (`FleetDep`), and `dreamina-async fleet work` does the work.
        options: as of `DreaminaSession`.
    """

    if fleet is not None:
        return _with_fleet(fleet)

    @asynccontextmanager
    async def with_session(app: Any) -> AsyncGenerator[Mapping[str, Any]]:
        async with make(**options) as session:
            if resume:
                await session.resume()
            yield {_STATE: session}

    return with_session


def _with_fleet(db: str) -> Lifespan:
    @asynccontextmanager
    async def with_fleet(app: Any) -> AsyncGenerator[Mapping[str, Any]]:
        from dreamina_async.fleet import Fleet

        async with Fleet(db) as fleet:
            await fleet.status()  # an app without its fleet had better not start
            yield {_FLEET: fleet}

    return with_fleet


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


def get_fleet(connection: HTTPConnection) -> "Fleet":
    """The app's fleet; tests put another in its place by `app.dependency_overrides`.

    Raises:
        SessionClosed: the app was not started with `lifespan(fleet=...)`.
    """
    fleet: Fleet | None = getattr(connection.state, _FLEET, None)
    if fleet is None:
        raise SessionClosed("the app has no fleet: give it `lifespan=lifespan(fleet=...)`")
    return fleet


if TYPE_CHECKING:
    FleetDep = Annotated[Fleet, Depends(get_fleet)]
else:  # FastAPI reads it when an app is made, and most apps have no engine installed
    FleetDep = Annotated[Any, Depends(get_fleet)]
