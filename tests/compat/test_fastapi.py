"""A FastAPI app without our help: a session in a lifespan of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi_kit import served
from session_kit import check_job, image, rows, session_for, settings

from dreamina_async import DreaminaSession
from dreamina_async.emulator import Emulator, Fault


def app_for(emulator: Emulator, folder: Path) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with session_for(emulator, folder, settings=settings()) as session:
            app.state.session = session
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/images")
    async def images(prompt: str) -> list[str]:
        result = await app.state.session.generate(image(prompt, count=2))
        return [file.path.name for file in result.media]

    return app


async def test_many_requests_share_one_session(tmp_path: Path) -> None:
    async with Emulator(speed=300) as emulator:
        app = app_for(emulator, tmp_path)
        async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
            prompts = [f"number {number}" for number in range(8)]
            calls = (client.post("/images", params={"prompt": one}) for one in prompts)
            replies = await asyncio.gather(*calls)
        assert {reply.status_code for reply in replies} == {200}
        assert {tuple(reply.json()) for reply in replies} == {("image-0.png", "image-1.png")}
        assert set(emulator.ledger.by_prompt) == set(prompts)
        assert set(rows(tmp_path).values()) == {"done"}


async def test_c1_a_client_that_disconnects_loses_nothing(tmp_path: Path) -> None:
    slow = Fault(where="generate", what="delay_after_charge", seconds=0.2)
    async with Emulator(speed=300, faults=[slow]) as emulator:
        app = app_for(emulator, tmp_path)
        async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
            call = asyncio.create_task(client.post("/images", params={"prompt": "lost?"}))
            await emulator.until(lambda: len(emulator.ledger) == 1)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            session: DreaminaSession = app.state.session
            await session.drain()
            (submit_id,) = emulator.ledger.submit_ids
            job = await session.submit(image("lost?", count=2), submit_id=submit_id)
            check_job(emulator, job)
        assert len(emulator.ledger) == 1


async def test_a_handler_that_is_cancelled_loses_nothing(tmp_path: Path) -> None:
    """As under a middleware that cancels the handler when the client has gone."""
    async with Emulator(speed=300) as emulator:
        app = app_for(emulator, tmp_path)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
                call = asyncio.create_task(client.post("/images", params={"prompt": "one"}))
                await emulator.until(lambda: len(emulator.ledger) == 1)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
                await app.state.session.drain()
        assert set(rows(tmp_path).values()) == {"done"}
        assert len(emulator.ledger) == 1
