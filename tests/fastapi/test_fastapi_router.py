"""The job API: submit, look, list, fetch, abandon; and what its answers never say."""

import asyncio
import base64
import hashlib
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from attrs import fields
from fastapi_kit import app_for, client_of, over, served
from session_kit import SECRET, image, png, rows

from dreamina_async import ImageRequest, JobLost, VideoRequest
from dreamina_async.emulator import Emulator, Fault, Outcome
from dreamina_async.fastapi import create_router
from dreamina_async.fastapi.bodies import ImageIn, VideoIn


async def test_a_job_from_submit_to_files(tmp_path: Path) -> None:
    async with Emulator(speed=600) as emulator:
        app = app_for(emulator, tmp_path, create_router("/api"))
        async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
            answer = await client.post("/api/jobs", json={"prompt": "a heron", "count": 2})
            assert answer.status_code == 202
            place, job = answer.headers["Location"], answer.json()
            assert place == job["url"] == f"/api/jobs/{job['id']}"
            assert (job["charged"], job["kind"]) == ("yes", "image")
            done = await over(client, place)
            assert done["state"] == "done"
            assert done["request"]["prompt"] == "a heron"
            made = emulator.media(job["id"])
            assert [one["sha256"] for one in done["media"]] == [one.sha256 for one in made]
            for one in done["media"]:
                file = await client.get(one["url"])
                assert file.headers["content-type"] == f"image/{one['format']}"
                assert hashlib.sha256(file.content).hexdigest() == one["sha256"]
                assert (tmp_path / one["path"]).read_bytes() == file.content
        assert len(emulator.ledger) == 1


async def test_a_video_with_a_frame_in_the_body(tmp_path: Path) -> None:
    frame = "data:image/png;base64," + base64.b64encode(png()).decode()
    body = {"kind": "video", "prompt": "nearer", "first_frame": frame}
    async with Emulator(speed=600) as emulator:
        app = app_for(emulator, tmp_path, create_router())
        async with client_of(app) as (client, _):
            job = (await client.post("/jobs", json=body)).json()
            assert job["kind"] == "video"
            assert "first_frame" not in job["request"]
            done = await over(client, job["url"])
            file = await client.get(done["media"][0]["url"], headers={"Range": "bytes=4-7"})
        assert (file.status_code, file.content) == (206, b"ftyp")
        assert file.headers["content-type"] == "video/mp4"
        assert emulator.uploads[0].sha256 == hashlib.sha256(png()).hexdigest()


def test_the_bodies_have_the_fields_of_the_requests() -> None:
    extra = {"kind", "submit_id"}
    assert set(ImageIn.model_fields) - extra == {one.name for one in fields(ImageRequest)}
    assert set(VideoIn.model_fields) - extra == {one.name for one in fields(VideoRequest)}


WRONG = {
    "no prompt": ({}, "prompt: Field required"),
    "unknown": ({"prompt": "x", "size": 3}, "size: Extra inputs"),
    "count": ({"prompt": "x", "count": "many"}, "count: Input should be a valid integer"),
    "ratio": ({"prompt": "x", "ratio": "7:5"}, "takes no ratio '7:5'"),
    "model": ({"prompt": "x", "model": "nobody"}, "'nobody'"),
    "a path": ({"prompt": "x", "references": ["/etc/passwd"]}, "references.0"),
    "a URL": ({"prompt": "x", "references": ["http://127.0.0.1/x.png"]}, "references.0"),
    "an object": ({"prompt": "x", "references": [{"uri": "a"}]}, "references.0"),
    "kind": ({"prompt": "x", "kind": "song"}, "kind is neither image nor video"),
    "a kind of kind": ({"prompt": "x", "kind": ["y" * 999]}, "kind is neither image nor video"),
    "no object": (["x"], "valid dictionary or object"),
    "id": ({"prompt": "x", "submit_id": "1"}, "submit_id"),
}


async def test_what_is_wrong_with_a_request_is_one_line(tmp_path: Path) -> None:
    async with Emulator(speed=600) as emulator:
        app = app_for(emulator, tmp_path, create_router())
        async with client_of(app) as (client, _):
            for name, (body, text) in WRONG.items():
                answer = await client.post("/jobs", json=body)
                problem = answer.json()
                assert answer.status_code == problem["status"] == 422, name
                assert answer.headers["content-type"] == "application/problem+json"
                assert text in problem["detail"], name
                assert "\n" not in problem["detail"]
                assert problem["charged"] == "no"
        assert len(emulator.ledger) == 0
        assert emulator.requests.counts.get("generate", 0) == 0


async def test_a_retry_with_the_same_key_or_id_pays_once(tmp_path: Path) -> None:
    mine = str(uuid4())
    key = {"Idempotency-Key": "order 17"}
    async with Emulator(speed=600) as emulator:
        app = app_for(emulator, tmp_path, create_router())
        async with client_of(app) as (client, _):
            body = {"prompt": "once", "count": 1}
            calls = (client.post("/jobs", json=body, headers=key) for _ in range(5))
            ids = {one.json()["id"] for one in await asyncio.gather(*calls)}
            assert len(ids) == 1
            chosen = body | {"submit_id": mine}
            again = [(await client.post("/jobs", json=chosen)).json()["id"] for _ in range(2)]
            assert again == [mine, mine]
            other = await client.post("/jobs", json=body | {"prompt": "two"}, headers=key)
            assert (other.status_code, other.json()["field"]) == (422, "submit_id")
            both = await client.post("/jobs", json=chosen, headers=key)
            assert both.status_code == 422
            # what a client sends whose variable is unset would be one job for all of them
            empty = await client.post("/jobs", json=body, headers={"Idempotency-Key": ""})
            assert empty.status_code == 422
        assert len(emulator.ledger) == 2
        async with client_of(app_for(emulator, tmp_path, create_router())) as (client, _):
            after = await client.post("/jobs", json=body, headers=key)  # another process, later
            assert {after.json()["id"]} == ids
        assert len(emulator.ledger) == 2


async def test_a_submit_that_waits_is_answered_all_the_same(tmp_path: Path) -> None:
    slow = Fault(where="generate", what="delay", seconds=0.3)
    async with Emulator(speed=600, faults=[slow]) as emulator:
        app = app_for(emulator, tmp_path, create_router())
        async with client_of(app) as (client, session):
            answer = await client.post(
                "/jobs", json={"prompt": "later", "count": 1}, headers={"Prefer": "wait=0"}
            )
            job = answer.json()
            assert answer.status_code == 202
            assert job["state"] in ("planned", "intent")
            assert job["charged"] in ("no", "unknown")
            assert (await over(client, job["url"]))["state"] == "done"
            assert await session.find(job["id"]) is not None


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [("1006", 402, "InsufficientCredit"), ("1015", 502, "AuthenticationError")],
)
async def test_a_refusal_is_a_problem(tmp_path: Path, code: str, status: int, error: str) -> None:
    async with Emulator(speed=600, outcomes={"no": Outcome(ret=code)}) as emulator:
        app = app_for(emulator, tmp_path, create_router())
        async with client_of(app) as (client, _):
            answer = await client.post("/jobs", json={"prompt": "no", "count": 1})
            problem = answer.json()
            assert (answer.status_code, problem["error"]) == (status, error)
            assert (problem["charged"], problem["code"]) == ("no", code)
            assert problem["job_id"]
    assert str(tmp_path) not in answer.text


async def test_a_job_that_fails_says_why(tmp_path: Path) -> None:
    async with Emulator(speed=600, outcomes={"bad": "2038"}) as emulator:
        app = app_for(emulator, tmp_path, create_router())
        async with client_of(app) as (client, _):
            job = (await client.post("/jobs", json={"prompt": "bad", "count": 1})).json()
            failed = await over(client, job["url"])
        assert failed["state"] == "failed"
        assert failed["error"]["code"] == "2038"
        assert failed["charged"] == failed["error"]["charged"]


async def test_unknown_jobs_and_files_are_not_found(tmp_path: Path) -> None:
    async with Emulator(speed=600) as emulator:
        app = app_for(emulator, tmp_path, create_router())
        async with client_of(app) as (client, session):
            result = await session.generate(image("here"))
            place = f"/jobs/{result.submit_id}/files"
            (tmp_path / "secret.txt").write_text("mine")
            wrong = [
                f"{place}/job.json",
                f"{place}/image-1.png",
                f"{place}/..%2Fjournal.sqlite3",
                f"{place}/../../journal.sqlite3",
                f"{place}/%2e%2e%2fsecret.txt",
                f"{place}/{tmp_path}/secret.txt",
                "/jobs/..%2f/files/secret.txt",
                f"/jobs/{uuid4()}",
                f"/jobs/{uuid4()}/events",
                "/jobs/' OR 1=1 --",
                f"/jobs?after={uuid4()}",
            ]
            answers = [await client.get(path) for path in wrong]
            assert [one.status_code for one in answers] == [404] * len(wrong)
            result.media[0].path.unlink()
            gone = await client.get(f"{place}/{result.media[0].path.name}")
            assert gone.status_code == 410
        assert len(rows(tmp_path)) == 1  # asking makes no jobs


async def test_abandoning_stops_the_tracking_and_says_what_it_costs(tmp_path: Path) -> None:
    async with Emulator(speed=600, outcomes={"stuck": Outcome(stuck=True)}) as emulator:
        app = app_for(emulator, tmp_path, create_router())
        async with client_of(app) as (client, session):
            job = (await client.post("/jobs", json={"prompt": "stuck", "count": 1})).json()
            for _ in range(2):
                answer = await client.delete(job["url"])
                assert answer.status_code == 200
                assert (answer.json()["state"], answer.json()["charged"]) == ("abandoned", "yes")
                assert "cannot cancel" in answer.json()["detail"]
            done = await session.generate(image("done"))
            late = await client.delete(f"/jobs/{done.submit_id}")
            assert (late.status_code, "over" in late.json()["detail"]) == (409, True)


async def test_a_held_job_can_be_abandoned(tmp_path: Path) -> None:
    """Nobody looks for it any more: that it was perhaps charged is said all the same."""
    async with Emulator(speed=600, faults=[Fault(where="generate", what="reset")]) as emulator:
        app = app_for(emulator, tmp_path, create_router())
        async with client_of(app) as (client, session):
            submit_id = str(uuid4())
            with pytest.raises(JobLost):
                await session.submit(image(), submit_id=submit_id)
            answer = await client.delete(f"/jobs/{submit_id}")
            assert answer.status_code == 200
            assert (answer.json()["state"], answer.json()["charged"]) == ("abandoned", "unknown")
    assert rows(tmp_path) == {submit_id: "abandoned"}


async def test_the_list_is_paged_and_survives_new_jobs(tmp_path: Path) -> None:
    async with Emulator(speed=600) as emulator:
        app = app_for(emulator, tmp_path, create_router("/v"))
        async with client_of(app) as (client, session):
            made = [str((await session.submit(image(f"{n}"))).submit_id) for n in range(5)]
            await session.drain()
            first = (await client.get("/v/jobs", params={"limit": 2})).json()
            await session.generate(image("new"))
            second = (await client.get(first["next"])).json()
            last = (await client.get(second["next"])).json()
        seen = [one["id"] for page in (first, second, last) for one in page["jobs"]]
        assert seen == made[::-1]
        assert last["next"] is None
        assert {one["state"] for one in first["jobs"]} == {"done"}
        assert first["jobs"][0]["media"][0]["url"].endswith("/files/image-0.png")


async def test_no_answer_holds_a_secret_a_signed_url_or_a_folder(tmp_path: Path) -> None:
    async with Emulator(speed=600, outcomes={"bad": "2038"}) as emulator:
        app = app_for(emulator, tmp_path, create_router())
        async with client_of(app) as (client, session):
            (tmp_path / "own.png").write_bytes(png())
            request = image("a", references=[tmp_path / "own.png"])
            await session.generate(request)
            for prompt in ("good", "bad"):
                job = (await client.post("/jobs", json={"prompt": prompt, "count": 1})).json()
                async with client.stream("GET", job["events"]) as stream:
                    told = [line async for line in stream.aiter_lines()]
            texts = [
                str(told),
                (await client.get("/jobs")).text,
                (await client.get(job["url"])).text,
            ]
        for text in texts:
            for never in (SECRET, "x-signature", "x-expires", str(tmp_path), emulator.media_url):
                assert never not in text


async def test_the_schema_can_be_made(tmp_path: Path) -> None:
    async with Emulator(speed=600) as emulator:
        app = app_for(emulator, tmp_path, create_router("/api"))
        paths = app.openapi()["paths"]
        assert set(paths) == {
            "/api/jobs",
            "/api/jobs/{job_id}",
            "/api/jobs/{job_id}/events",
            "/api/jobs/{job_id}/files/{name}",
        }
