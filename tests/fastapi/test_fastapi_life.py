"""The lifespan, the dependency, results as answers, and clients that leave."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from fastapi_kit import app_for, client_of, served
from session_kit import SECRET, check_job, image, polling, rows, session_for, settings, ticks

from dreamina_async import (
    Credentials,
    DreaminaError,
    DreaminaSession,
    InvalidRequest,
    JobState,
    JournalLocked,
)
from dreamina_async.emulator import Emulator, Fault, Outcome, run_in_thread
from dreamina_async.fastapi import (
    ClientDisconnected,
    Result,
    SessionDep,
    get_session,
    lifespan,
    problem,
    run_until_disconnected,
)


def with_images(app: FastAPI) -> FastAPI:
    @app.post("/images")
    async def images(prompt: str, session: SessionDep) -> Result:
        return await session.generate(image(prompt, count=2))

    @app.post("/untyped")
    async def untyped(prompt: str, session: SessionDep):
        return await session.generate(image(prompt))

    return app


async def test_a_handler_returns_the_result_itself(tmp_path: Path) -> None:
    async with Emulator(speed=600) as emulator:
        app = with_images(app_for(emulator, tmp_path))
        async with client_of(app) as (client, _):
            typed = await client.post("/images", params={"prompt": "typed"})
            untyped = await client.post("/untyped", params={"prompt": "untyped"})
        for answer, count in ((typed, 2), (untyped, 1)):
            assert answer.status_code == 200
            result = answer.json()
            made = emulator.media(result["submit_id"])
            assert [one["sha256"] for one in result["media"]] == [one.sha256 for one in made]
            assert [one["size"] for one in result["media"]] == [one.size for one in made]
            assert len(made) == count
            assert [(tmp_path / one["path"]).is_file() for one in result["media"]] == [True] * count
            for never in (SECRET, str(tmp_path), "x-signature", "http"):
                assert never not in answer.text
        answers = app.openapi()["paths"]["/images"]["post"]["responses"]
        schema = answers["200"]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/ResultOut"}


async def test_errors_of_own_handlers_are_problems_too(tmp_path: Path) -> None:
    async with Emulator(speed=600) as emulator:
        app = app_for(emulator, tmp_path)
        app.add_exception_handler(DreaminaError, problem)

        @app.post("/wrong")
        async def wrong(session: SessionDep) -> Result:
            raise InvalidRequest("not this", field="prompt", allowed=("that",))

        async with client_of(app) as (client, _):
            answer = await client.post("/wrong")
        assert answer.status_code == 422
        assert answer.json() == {
            "title": "InvalidRequest",
            "status": 422,
            "error": "InvalidRequest",
            "detail": "not this",
            "charged": "no",
            "field": "prompt",
            "allowed": ["that"],
        }


async def test_the_lifespan_goes_with_an_own_one_and_with_mounted_apps(tmp_path: Path) -> None:
    async with Emulator(speed=600) as emulator:
        ours = lifespan(
            credentials=Credentials(SECRET), base_url=emulator.base_url, output_dir=tmp_path
        )

        @asynccontextmanager
        async def own(app: FastAPI) -> AsyncGenerator[dict[str, Any]]:
            async with ours(app) as state:
                assert isinstance(state["dreamina"], DreaminaSession)
                yield {**state, "mine": "also here"}

        app, inner = FastAPI(lifespan=own), FastAPI()

        @inner.get("/who")
        async def who(request: Request, session: SessionDep) -> list[str]:
            same = session is request.state.dreamina
            return [request.state.mine, str(same), session.output_dir.name]

        app.mount("/inner", inner)
        async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
            answer = (await client.get("/inner/who")).json()
        assert answer == ["also here", "True", tmp_path.name]


async def test_the_next_start_takes_up_what_was_left(tmp_path: Path) -> None:
    slow = {"slow": Outcome(run_seconds=450.0)}
    async with Emulator(speed=300, outcomes=slow) as emulator:
        async with client_of(app_for(emulator, tmp_path)) as (_, session):
            job = await session.submit(image("slow"))
        assert rows(tmp_path) == {job.job_id: "accepted"}
        async with client_of(app_for(emulator, tmp_path)) as (_, session):
            await session.drain()
        assert rows(tmp_path) == {job.job_id: "done"}
        assert len(emulator.ledger) == 1


async def test_a_second_worker_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    async with Emulator(speed=600) as emulator, client_of(app_for(emulator, tmp_path)):
        with pytest.raises(JournalLocked):
            async with client_of(app_for(emulator, tmp_path)):
                pass


def test_tests_put_a_session_of_their_own_in_place(tmp_path: Path) -> None:
    """FastAPI's own test client, synchronous, with the emulator on a thread."""
    with run_in_thread(speed=600) as emulator:
        app = with_images(FastAPI())
        with TestClient(app) as client, pytest.raises(RuntimeError, match="lifespan"):
            client.post("/images", params={"prompt": "x"})

        async def mine() -> AsyncGenerator[DreaminaSession]:
            async with session_for(emulator, tmp_path) as session:
                yield session

        app.dependency_overrides[get_session] = mine
        with TestClient(app) as client:
            assert len(client.post("/images", params={"prompt": "x"}).json()["media"]) == 2


async def test_fifty_clients_share_one_poller(tmp_path: Path) -> None:
    rules = settings(polling=polling(rate=5.0, burst=2))
    loop = asyncio.get_running_loop()
    async with Emulator(speed=30) as emulator:
        app = with_images(app_for(emulator, tmp_path, settings=rules))
        async with served(app) as url:
            limits = httpx.Limits(max_connections=50)
            async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as client:
                began = loop.time()
                prompts = [f"client {number}" for number in range(50)]
                calls = (client.post("/images", params={"prompt": one}) for one in prompts)
                answers = await asyncio.gather(*calls)
                took = loop.time() - began
        assert {answer.status_code for answer in answers} == {200}
        results = {answer.json()["request"]["prompt"]: answer.json() for answer in answers}
        assert set(results) == set(prompts)
        for result in results.values():
            made = emulator.media(result["submit_id"])
            assert [one["sha256"] for one in result["media"]] == [one.sha256 for one in made]
    calls = emulator.requests.counts["history"]
    assert calls <= 2 + 5 * took + 1  # one ceiling for all; 50 pollers would have 50 of them
    assert max(emulator.requests.batch_sizes) > 1  # a poller each would ask for one id a call
    assert emulator.requests.peaks["history"] <= 10
    assert len(emulator.ledger) == 50


class Watched:
    """A handler under `run_until_disconnected`, and what it has seen."""

    def __init__(self, app: FastAPI, on_disconnect: Any) -> None:
        self.began, self.left = asyncio.Queue[DreaminaSession](), asyncio.Queue[Any]()
        self.on_disconnect = on_disconnect
        app.post("/watched")(self.handler)

    async def handler(self, prompt: str, request: Request, session: SessionDep) -> Result:
        work = session.generate(image(prompt))
        self.began.put_nowait(session)
        try:
            return await run_until_disconnected(request, work, on_disconnect=self.on_disconnect)
        except ClientDisconnected as gone:
            self.left.put_nowait(gone)
            raise


@pytest.mark.parametrize("on_disconnect", ["detach", "cancel"])
async def test_c1_a_client_that_hangs_up_loses_nothing(tmp_path: Path, on_disconnect: str) -> None:
    slow = {"slow": Outcome(run_seconds=450.0)}
    async with Emulator(speed=300, outcomes=slow) as emulator:
        app = app_for(emulator, tmp_path)
        watched = Watched(app, on_disconnect)
        async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
            answer = await client.post("/watched", params={"prompt": "stays"})
            assert len(answer.json()["media"]) == 1
            call = asyncio.create_task(client.post("/watched", params={"prompt": "slow"}))
            await emulator.until(lambda: len(emulator.ledger) == 2)
            call.cancel()
            gone = await watched.left.get()
            assert (gone.status_code, gone.detached) == (499, on_disconnect == "detach")
            session = await watched.began.get()
            await session.drain()  # accepted, the job goes on either way
            job = await session.find(emulator.ledger.submit_ids[1])
            assert job is not None
            check_job(emulator, job)
        assert len(emulator.ledger) == 2


@pytest.mark.parametrize(("on_disconnect", "given_up"), [("detach", False), ("cancel", True)])
async def test_c1_a_client_that_hangs_up_before_its_turn(
    tmp_path: Path, on_disconnect: str, given_up: bool
) -> None:
    """Detached, its job keeps its turn; cancelled, it is taken back unsent."""
    busy = Fault(where="generate", what="delay", seconds=60, match="first")
    rules = settings(submits=1, close_timeout=0.1)
    async with Emulator(speed=300, faults=[busy]) as emulator:
        app = app_for(emulator, tmp_path, settings=rules)
        watched = Watched(app, on_disconnect)
        async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
            calls = []
            for prompt in ("first", "second"):
                post = client.post("/watched", params={"prompt": prompt})
                calls.append(asyncio.create_task(post))
                session = await watched.began.get()
            one_waits = {JobState.INTENT: 1, JobState.PLANNED: 1}
            while session.statistics().jobs != one_waits:
                await ticks()
            async with session.events() as events:
                calls[1].cancel()
                assert (await watched.left.get()).detached is not given_up
                if given_up:
                    assert (await anext(events)).error.charged == "no"
            assert session.statistics().jobs == one_waits
            calls[0].cancel()
            await asyncio.gather(*calls, return_exceptions=True)
    assert emulator.ledger.by_prompt.keys() <= {"first"}


async def test_a_detached_failure_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slow = Outcome(fail_code="2038", run_seconds=450.0)
    async with Emulator(speed=300, outcomes={"bad": slow}) as emulator:
        app = app_for(emulator, tmp_path)
        watched = Watched(app, "detach")
        async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
            call = asyncio.create_task(client.post("/watched", params={"prompt": "bad"}))
            await emulator.until(lambda: len(emulator.ledger) == 1)
            call.cancel()
            await watched.left.get()
            await (await watched.began.get()).drain()
    (said,) = [one for one in caplog.records if "a job that nobody waits for" in one.getMessage()]
    assert vars(said)["job_id"] == emulator.ledger.by_prompt["bad"][0].submit_id
    assert vars(said)["error"] == "JobFailed"
