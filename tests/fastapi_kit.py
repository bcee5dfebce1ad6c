"""A FastAPI app around an emulator, and a real uvicorn around the app."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from session_kit import session_for

from dreamina_async import DreaminaSession
from dreamina_async.emulator import Emulator
from dreamina_async.fastapi import lifespan


def app_for(emulator: Emulator, folder: Path, *routers: Any, **options: Any) -> FastAPI:
    """An app with our lifespan and these routers."""
    app = FastAPI(lifespan=lifespan(lambda: session_for(emulator, folder, **options)))
    for router in routers:
        app.include_router(router)
    return app


@asynccontextmanager
async def served(app: FastAPI) -> AsyncGenerator[str]:
    """A real uvicorn on loopback; its lifespan and its requests are tasks of its own."""
    config = uvicorn.Config(
        app, port=0, log_level="error", lifespan="on", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve(None))
    while not server.started:
        assert not task.done(), "the app did not start"
        await asyncio.sleep(0.005)  # uvicorn has no event for it
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncGenerator[tuple[httpx.AsyncClient, DreaminaSession]]:
    """The app without a socket, and its session."""
    async with app.router.lifespan_context(app) as state:
        transport = httpx.ASGITransport(WithState(app, state))
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            yield client, state["dreamina"]


class WithState:
    """httpx knows nothing of a lifespan's state."""

    def __init__(self, app: FastAPI, state: Any) -> None:
        self.app, self.state = app, state

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope | {"state": dict(self.state)}, receive, send)


async def over(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    """Listen to a job until it ends, then look at it."""
    async with client.stream("GET", f"{url}/events") as stream:
        async for _ in stream.aiter_lines():
            pass
    return dict((await client.get(url)).json())
