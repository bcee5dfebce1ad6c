"""A session in a FastAPI app: its lifespan, its dependency, and routers ready to include.

Importing this module also teaches FastAPI to encode a `JobResult` that a handler returns.
"""

from dreamina_async.fastapi.bodies import JobOut, MediaOut, Result, ResultOut
from dreamina_async.fastapi.disconnect import ClientDisconnected, run_until_disconnected
from dreamina_async.fastapi.life import (
    FleetDep,
    SessionDep,
    SessionOptions,
    get_fleet,
    get_session,
    lifespan,
)
from dreamina_async.fastapi.openai import create_openai_router
from dreamina_async.fastapi.problems import ErrorOut, ProblemOut, problem
from dreamina_async.fastapi.router import create_router

__all__ = [
    "ClientDisconnected",
    "ErrorOut",
    "FleetDep",
    "JobOut",
    "MediaOut",
    "ProblemOut",
    "Result",
    "ResultOut",
    "SessionDep",
    "SessionOptions",
    "create_openai_router",
    "create_router",
    "get_fleet",
    "get_session",
    "lifespan",
    "problem",
    "run_until_disconnected",
]
