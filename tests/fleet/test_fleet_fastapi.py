"""Replicas of an app share a fleet: one takes a run in, any other tells what became of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi_kit import WithState, client_of
from fleet_files import on_a_file
from session_kit import session_for

from dreamina_async import ImageRequest, InvalidRequest, SessionClosed
from dreamina_async.emulator import Emulator
from dreamina_async.fastapi import FleetDep, lifespan
from dreamina_async.fleet import Fleet


def replica(db: str) -> FastAPI:
    app = FastAPI(lifespan=lifespan(fleet=db))

    @app.post("/runs")
    async def enqueue(prompts: list[str], fleet: FleetDep) -> str:
        return (await fleet.enqueue(ImageRequest(one) for one in prompts)).run

    @app.get("/runs/{run}")
    async def results(run: str, fleet: FleetDep) -> list[str]:
        return [f"{one.request.prompt}: {one.state}" for one in await fleet.results(run)]

    return app


@asynccontextmanager
async def client_to(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with app.router.lifespan_context(app) as state:
        transport = httpx.ASGITransport(WithState(app, state))
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            yield client


@on_a_file
async def test_what_one_takes_in_the_other_tells(tmp_path: Path) -> None:
    db = f"sqlite:///{tmp_path / 'fleet.db'}"
    async with Fleet(db) as fleet:
        await fleet.init(tmp_path / "out")
    async with client_to(replica(db)) as one, client_to(replica(db)) as other:
        runs = [(await each.post("/runs", json=["a", "b"])).json() for each in (one, other, one)]
        assert len(set(runs)) == 1
        told: httpx.Response = await other.get(f"/runs/{runs[0]}")
        assert told.json() == ["a: planned", "b: planned"]


@on_a_file
async def test_an_app_does_not_start_without_its_fleet(tmp_path: Path) -> None:
    app = replica(f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(InvalidRequest, match="fleet init"):
        async with app.router.lifespan_context(app):
            pass


async def test_a_handler_that_wants_a_fleet_needs_its_lifespan(tmp_path: Path) -> None:
    async with Emulator(speed=600) as emulator:
        app = FastAPI(lifespan=lifespan(lambda: session_for(emulator, tmp_path)))

        @app.get("/")
        async def root(fleet: FleetDep) -> str:
            return "never"

        async with client_of(app) as (client, _):
            with pytest.raises(SessionClosed, match="lifespan"):
                await client.get("/")
