"""The real openai client against a real uvicorn."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from fastapi_kit import app_for, served
from session_kit import SECRET, png

from dreamina_async import InvalidRequest, image_model
from dreamina_async.emulator import Emulator, Fault, Outcome
from dreamina_async.fastapi import create_openai_router
from dreamina_async.fastapi.joins import Joins
from dreamina_async.fastapi.openai_bodies import ImagesIn


@asynccontextmanager
async def clients(
    emulator: Emulator, folder: Path, **options: Any
) -> AsyncGenerator[openai.AsyncOpenAI]:
    async with (
        served(app_for(emulator, folder, create_openai_router())) as url,
        openai.AsyncOpenAI(api_key="any", base_url=f"{url}/v1", **options) as client,
    ):
        yield client


async def test_urls_of_this_app(tmp_path: Path) -> None:
    async with Emulator(speed=600) as emulator, clients(emulator, tmp_path) as client:
        images = await client.images.generate(
            model="dall-e-3",
            prompt="a kingfisher",
            n=2,
            size="1792x1024",
            quality="hd",
            style="vivid",
            user="me",
        )
        (order,) = emulator.orders
        assert (order.count, order.width, order.height) == (2, 1664, 936)
        made = emulator.media(order.submit_id)
        assert images.data is not None
        assert len(images.data) == 2
        assert images.size == f"{made[0].width}x{made[0].height}"
        async with httpx.AsyncClient() as http:
            for one, original in zip(images.data, made, strict=True):
                assert one.url is not None
                assert one.url.startswith(str(client.base_url))
                file = await http.get(one.url)
                assert hashlib.sha256(file.content).hexdigest() == original.sha256
                assert file.headers["content-type"].startswith("image/")
                wrong = await http.get(one.url.replace("image-", "journal-"))
                assert wrong.status_code == 404
                assert set(wrong.json()) == {"error"}


async def test_base64_and_more_images_than_one_job_makes(tmp_path: Path) -> None:
    async with Emulator(speed=600) as emulator, clients(emulator, tmp_path) as client:
        images = await client.images.generate(
            prompt="many", n=10, response_format="b64_json", size="auto"
        )
        assert images.data is not None
        digests = [
            hashlib.sha256(base64.b64decode(one.b64_json or "")).hexdigest() for one in images.data
        ]
        assert sorted(order.count for order in emulator.orders) == [2, 8]
        made = [one.sha256 for order in emulator.orders for one in emulator.media(order.submit_id)]
        assert sorted(digests) == sorted(made)


async def test_an_edit_brings_its_images_along(tmp_path: Path) -> None:
    async with Emulator(speed=600) as emulator, clients(emulator, tmp_path) as client:
        one = await client.images.edit(image=("a.png", png(1)), prompt="snow", n=1)
        await client.images.edit(image=[("a.png", png(1)), ("b.png", png(2))], prompt="both")
        assert one.data is not None
        assert [len(order.references) for order in emulator.orders] == [1, 2]
        assert len(emulator.uploads) == 2
        with pytest.raises(openai.BadRequestError, match="mask"):
            await client.images.edit(image=png(1), mask=png(2), prompt="masked")
        with pytest.raises(openai.BadRequestError, match="image"):
            await client.images.edit(image=b"no image at all", prompt="text")
    assert len(emulator.ledger) == 2


async def test_the_models_are_the_catalogue(tmp_path: Path) -> None:
    async with Emulator(speed=600) as emulator, clients(emulator, tmp_path) as client:
        names = [model.id async for model in client.models.list()]
        assert "jimeng-image-4.0" in names
        assert (await client.models.retrieve("4.0")).id == "jimeng-image-4.0"
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("nobody")


REFUSED: dict[str, tuple[dict[str, Any], type[openai.APIStatusError], str | None]] = {
    "size": ({"size": "big"}, openai.BadRequestError, None),
    "shape": ({"size": "100x4000"}, openai.BadRequestError, None),
    "n": ({"n": 11}, openai.BadRequestError, None),
    "model": ({"model": "nobody"}, openai.NotFoundError, "model_not_found"),
    "empty": ({"prompt": " "}, openai.BadRequestError, None),
    "stream": ({"extra_body": {"stream": True}}, openai.BadRequestError, None),
    "credit": ({"prompt": "poor"}, openai.RateLimitError, "insufficient_quota"),
    "content": ({"prompt": "rude"}, openai.BadRequestError, "content_policy_violation"),
    "failed": ({"prompt": "bad"}, openai.InternalServerError, "1180"),
}


async def test_refusals_are_the_clients_own_errors_and_not_tried_again(tmp_path: Path) -> None:
    outcomes = {"poor": Outcome(ret="1006"), "rude": Outcome(ret="2005"), "bad": "1180"}
    async with (
        Emulator(speed=600, outcomes=outcomes) as emulator,
        clients(emulator, tmp_path) as client,
    ):
        for name, (wish, kind, code) in REFUSED.items():
            with pytest.raises(kind) as caught:
                await client.images.generate(**({"prompt": name, "n": 1} | wish))
            body = caught.value.body
            assert isinstance(body, dict), name
            assert body["code"] == code, name
            assert body["charged"] in ("yes", "no", "unknown"), name
            for never in (SECRET, str(tmp_path)):
                assert never not in caught.value.response.text
        assert emulator.requests.counts["generate"] == 3
        assert len(emulator.ledger) == 1


async def test_a_retry_after_a_timeout_joins_the_job(tmp_path: Path) -> None:
    """The client repeats by itself, and sends no key: it is charged once."""
    slow = {"slow": Outcome(run_seconds=450.0)}
    async with (
        Emulator(speed=300, outcomes=slow) as emulator,
        # the first try is given up before the job is there; the last waits for it
        clients(emulator, tmp_path, timeout=1.0, max_retries=50) as client,
    ):
        images = await client.images.generate(prompt="slow", n=1)
        assert images.data is not None
        assert len(images.data) == 1
    assert len(emulator.ledger) == 1


async def test_a_retry_whose_answer_was_lost_joins_the_job(tmp_path: Path) -> None:
    again = {"x-stainless-retry-count": "1"}
    async with Emulator(speed=600) as emulator, clients(emulator, tmp_path) as client:
        first, retry, other, user = [
            (await client.images.generate(prompt="lost", n=1, extra_headers=headers)).data
            for headers in ({}, again, {}, again | {"Authorization": "Bearer other"})
        ]
        assert first == retry
        assert other not in (first, user)
    assert len(emulator.ledger) == 3  # the same wish twice is two jobs, as is another user's


async def test_a_key_of_the_clients_own_outlives_a_restart(tmp_path: Path) -> None:
    key = {"Idempotency-Key": "order 1"}
    async with Emulator(speed=600) as emulator:
        names = []
        for _ in range(2):
            async with clients(emulator, tmp_path) as client:
                images = await client.images.generate(prompt="one", n=1, extra_headers=key)
                assert images.data is not None
                names.append(str(images.data[0].url).rpartition("/v1/")[2])
        assert names[0] == names[1]
    assert len(emulator.ledger) == 1


async def test_a_refused_request_is_made_anew_by_its_retry(tmp_path: Path) -> None:
    off = Fault(where="generate", what="ret", ret="1006")
    async with Emulator(speed=600, faults=[off]) as emulator, clients(emulator, tmp_path) as client:
        with pytest.raises(openai.RateLimitError):
            await client.images.generate(prompt="credit", n=1)
        again = {"x-stainless-retry-count": "1"}
        images = await client.images.generate(prompt="credit", n=1, extra_headers=again)
        assert images.data is not None
    assert len(emulator.ledger) == 1


def test_a_ticket_is_not_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    joins = Joins()
    one = joins.ticket("a", retry=False)
    now += 10_000
    assert joins.ticket("a", retry=True) == one  # as long as it runs
    joins.answered("a", one)
    now += 601  # the client has waited its ten minutes for an answer that was lost
    assert joins.ticket("a", retry=True) == one
    joins.answered("a", one)
    now += 3601
    two = joins.ticket("a", retry=True)
    assert two != one
    # how the one before ended says nothing of this one
    joins.refused("a", one)
    joins.answered("a", one)
    now += 10_000
    assert joins.ticket("a", retry=True) == two
    joins.refused("a", two)
    assert joins.ticket("a", retry=True) != two
    for number in range(10_001):
        joins.ticket(str(number), retry=False)
    assert len(joins._tickets) == 10_000


@pytest.mark.parametrize(
    ("size", "ratio", "resolution"),
    [
        ("1024x1024", "1:1", "1k"),
        ("256x256", "1:1", "1k"),
        ("1536x1024", "3:2", "1k"),
        ("1024x1536", "2:3", "1k"),
        ("1024x1792", "9:16", "1k"),
        ("2048x2048", "1:1", "2k"),
        ("2560x1440", "16:9", "2k"),
        ("4096x4096", "1:1", "4k"),
        (None, "1:1", None),
    ],
)
def test_sizes_become_the_nearest_shape(
    size: str | None, ratio: str, resolution: str | None
) -> None:
    (request,) = ImagesIn(prompt="x", size=size).requests("jimeng-image-4.0")
    assert (request.ratio, request.resolution, request.count) == (ratio, resolution, 1)


def test_a_model_that_makes_no_fewer_makes_more() -> None:
    model = "jimeng-image-3.0"
    assert image_model(model).counts == (4,)
    counts = [one.count for one in ImagesIn(prompt="x", n=5).requests(model)]
    assert counts == [4, 4]
    with pytest.raises(InvalidRequest):
        create_openai_router(model="nobody")


async def test_a_client_that_gives_up_loses_nothing(tmp_path: Path) -> None:
    slow = {"slow": Outcome(run_seconds=300.0)}
    async with (
        Emulator(speed=300, outcomes=slow) as emulator,
        clients(emulator, tmp_path, max_retries=0) as client,
    ):
        call = asyncio.create_task(client.images.generate(prompt="slow", n=1))
        await emulator.until(lambda: len(emulator.ledger) == 1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        again = {"x-stainless-retry-count": "1"}
        images = await client.images.generate(prompt="slow", n=1, extra_headers=again)
        assert images.data is not None
    assert len(emulator.ledger) == 1
