"""Server-sent events: a client that was cut off goes on where it was."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from fastapi_kit import app_for, client_of, served
from session_kit import image, session_for, ticks

from dreamina_async import Downloading, FileSaved, Job, SubmitWaits
from dreamina_async.emulator import Emulator, Fault, Outcome
from dreamina_async.fastapi import create_router
from dreamina_async.fastapi.stream import Channels, channel_of, name_of

Told = tuple[int, str, dict[str, Any]]


async def told(
    client: httpx.AsyncClient, job_id: str | None, after: object = None, most: int | None = None
) -> list[Told]:
    """What a stream tells: number, name, data; up to its end, or to so many."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    async with client.stream("GET", f"/jobs/{job_id}/events", headers=headers) as stream:
        assert stream.status_code == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        return [one async for one in taken(stream.aiter_lines(), most)]


async def taken(lines: AsyncIterator[str], most: int | None) -> AsyncIterator[Told]:
    fields: dict[str, str] = {}
    given = 0
    async for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "id" in fields:
            yield int(fields["id"]), fields["event"], json.loads(fields["data"])
            fields, given = {}, given + 1
            if given == most:
                return


async def test_the_stream_begins_with_the_state_and_ends_with_the_job(tmp_path: Path) -> None:
    async with Emulator(speed=300) as emulator:
        app = app_for(emulator, tmp_path, create_router())
        async with client_of(app) as (client, session):
            job = await session.submit(image("whole", count=2))
            all_of_it = await told(client, job.job_id)
            numbers, names, data = zip(*all_of_it, strict=True)
            assert names[0] == "state"
            assert data[0]["id"] == job.job_id
            assert names[-1] == "saved"
            assert [one["index"] for one in data[-1]["media"]] == [0, 1]
            assert sorted(
                one["media"]["index"]
                for one in data
                if "size" not in one and isinstance(one.get("media"), dict)
            ) == [0, 1]
            assert list(numbers) == list(range(numbers[0], numbers[0] + len(numbers)))
            # from wherever a client was cut off, it gets the very rest
            for number in numbers[:-1]:
                rest = await told(client, job.job_id, number)
                assert rest == [one for one in all_of_it if one[0] > number]
            end = await client.get(
                f"/jobs/{job.job_id}/events", headers={"Last-Event-ID": str(numbers[-1])}
            )
            assert (end.status_code, end.content) == (204, b"")


async def test_a_stranger_to_the_numbers_gets_state_and_end(tmp_path: Path) -> None:
    async with Emulator(speed=600) as emulator:
        app = app_for(emulator, tmp_path, create_router())
        async with client_of(app) as (client, session):
            job = await session.submit(image("over"))
            await job
            for after in (None, "7", "9" * 18, "-1", "x", ""):
                names = [name for _, name, _ in await told(client, job.job_id, after)]
                assert names == ["state", "saved"], after


async def test_what_happened_while_a_client_was_away_is_not_lost(tmp_path: Path) -> None:
    async with Emulator(speed=300) as emulator:
        app = app_for(emulator, tmp_path, create_router())
        async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
            slow = {"prompt": "slow", "count": 1}
            job_id = (await client.post("/jobs", json=slow)).json()["id"]
            ((number, name, _),) = await told(client, job_id, most=1)
            assert name == "state"
            await asyncio.gather(*(told(client, job_id) for _ in range(3)))
            rest = await told(client, job_id, number)
        assert [one for one, _, _ in rest] == list(range(number + 1, number + 1 + len(rest)))
        assert rest[-1][1] == "saved"


async def test_a_client_that_leaves_a_stream_never_touches_the_job(tmp_path: Path) -> None:
    stuck = {"wait": Outcome(run_seconds=200.0)}
    async with Emulator(speed=300, outcomes=stuck) as emulator:
        app = app_for(emulator, tmp_path, create_router())
        async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
            job_id = (await client.post("/jobs", json={"prompt": "wait", "count": 1})).json()["id"]
            listeners = [asyncio.create_task(told(client, job_id)) for _ in range(4)]
            await told(client, job_id, most=1)
            for one in listeners[:3]:
                one.cancel()
            results = await asyncio.gather(*listeners, return_exceptions=True)
            assert [type(one) for one in results[:3]] == [asyncio.CancelledError] * 3
            assert isinstance(results[3], list)
            assert results[3][-1][1] == "saved"
        assert len(emulator.ledger) == 1


async def test_several_listeners_hear_the_same(tmp_path: Path) -> None:
    async with Emulator(speed=300) as emulator:
        async with session_for(emulator, tmp_path) as session:
            job = await session.submit(image("many", count=2))
            channel = channel_of(session, job)
            first = channel.last
            heard = await asyncio.gather(*(numbers(channel_of(session, job), first) for _ in "abc"))
        assert heard[0] == heard[1] == heard[2]
        assert heard[0] == list(range(first + 1, first + 1 + len(heard[0])))


async def numbers(channel: Any, after: int) -> list[int]:
    return [number async for number, _ in channel.after(after)]


async def test_a_closing_session_ends_the_stream_and_not_the_job(tmp_path: Path) -> None:
    stuck = {"wait": Outcome(run_seconds=60.0)}
    async with Emulator(speed=300, outcomes=stuck) as emulator:
        app = app_for(emulator, tmp_path, create_router())
        async with client_of(app) as (_, session):
            job = await session.submit(image("wait"))
            channel = channel_of(session, job)
            listening = asyncio.create_task(collected(channel))
            await ticks()
        assert "failed" not in await listening
        async with client_of(app_for(emulator, tmp_path, create_router())) as (client, _):
            later = await told(client, job.job_id, channel.last)  # the client comes back
        assert [later[0][1], later[-1][1]] == ["state", "saved"]


async def collected(channel: Any) -> list[str]:
    return [name_of(event) async for _, event in channel.after(channel.last)]


async def test_the_memory_of_a_stream_is_bounded(tmp_path: Path) -> None:
    outcomes = {"s": Outcome(stuck=True)}
    async with Emulator(speed=300, outcomes=outcomes) as emulator:  # noqa: SIM117
        async with session_for(emulator, tmp_path) as session:
            jobs = [await session.submit(image(f"s {n}")) for n in range(3)]
            channels = Channels()
            made = [channels.of(job) for job in jobs]
            assert [channels.of(job) for job in jobs] == made
            for _ in range(300):
                channels.of(_other(jobs[0]))
            assert len(channels._open) == 256
            channel, first = made[0], made[0].last
            for index in range(5000):
                channel._coming.offer(Downloading(jobs[0].job_id, 0.0, index, 1, None))
            jobs[0].abandon()
            seen = await numbers(channel, first)
            assert len(channel._kept) == 1000
            assert not channel.knows(first)
            assert channel.knows(seen[-1] - 1000)
            assert await numbers(channel, first) == seen[-1000:]


def _other(job: Job) -> Any:
    """A stand-in with another id; the store asks a job for no more."""

    class Other:
        def __init__(self) -> None:
            self.job_id = str(uuid4())

        def events(self) -> Any:
            return job.events()

        def done(self) -> bool:
            return False

    return Other()


def test_events_have_their_own_names() -> None:
    names = [
        name_of(kind("id", 0.0, *(None,) * extra))
        for kind, extra in ((FileSaved, 1), (SubmitWaits, 1), (Downloading, 3))
    ]
    assert names == ["file_saved", "submit_waits", "downloading"]


async def test_a_refused_submit_that_is_sent_again_is_heard_again(tmp_path: Path) -> None:
    off = Fault(where="generate", what="ret", ret="1006")
    async with Emulator(speed=600, faults=[off]) as emulator:
        app = app_for(emulator, tmp_path, create_router())
        async with client_of(app) as (client, _):
            body, key = {"prompt": "credit", "count": 1}, {"Idempotency-Key": "k"}
            refused = await client.post("/jobs", json=body, headers=key)
            assert refused.status_code == 402
            job_id = refused.json()["job_id"]
            assert [name for _, name, _ in await told(client, job_id)] == ["state", "failed"]
            await client.post("/jobs", json=body, headers=key)
            assert (await told(client, job_id))[-1][1] == "saved"
        assert len(emulator.ledger) == 1
