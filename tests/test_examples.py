"""Every Python example of the README and the guides runs, against the emulator."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi_kit import client_of, served
from session_kit import png
from sybil import Sybil
from sybil.document import Document
from sybil.parsers.markdown import PythonCodeBlockParser

from dreamina_async.emulator import Emulator, run_in_thread

ROOT = Path(__file__).parent.parent
_SYBIL = Sybil(parsers=[PythonCodeBlockParser()])


def parsed(page: str) -> Document:
    return _SYBIL.parse(ROOT / page)


@pytest.fixture
def emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with run_in_thread(speed=200) as emulator:
        for name, value in emulator.credentials_env().items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        yield emulator


async def test_readme(emulator: Emulator, tmp_path: Path) -> None:
    def run_all() -> Document:
        document = parsed("README.md")
        for example in document.examples():
            example.evaluate()
        return document

    import anyio

    document = await anyio.to_thread.run_sync(run_all)
    assert len(list(document.examples())) == 3
    assert len(emulator.ledger) == 4  # one in the application, three in the bulk run
    assert len(list(tmp_path.glob("out/*/*.png"))) == 16

    async with client_of(document.namespace["app"]) as (client, _):
        reply = await client.post("/images", params={"prompt": "月下独酌"})
        assert reply.status_code == 200
        files = [tmp_path / "out" / media["path"] for media in reply.json()["media"]]
        assert [file.stat().st_size > 0 for file in files] == [True] * 4
        assert reply.json()["submit_id"] in (await client.get("/jobs")).text


async def test_guide_to_fastapi(emulator: Emulator, tmp_path: Path) -> None:
    document = parsed("docs/how-to/fastapi.md")
    for example in document.examples():
        example.evaluate()
    app, names = document.namespace["app"], document.namespace
    async with served(app) as url, httpx.AsyncClient(base_url=url) as client:
        watched = client.post("/watched", params={"prompt": "雨巷"}, timeout=60)
        replies = await asyncio.gather(watched, names["with_openai"](f"{url}/v1"))
        assert len(replies[0].json()["media"]) == 4
        assert [(await client.get(image)).status_code for image in replies[1]] == [200, 200]
        assert (await client.get("/guarded/jobs")).status_code == 401
        key = {"Authorization": "Bearer a key of yours"}
        assert len((await client.get("/guarded/jobs", headers=key)).json()["jobs"]) == 2
        assert (await client.get("/api/jobs")).status_code == 200
    async with names["own_lifespan"](names["other"]) as state:
        assert state["database"] == "yours"


def test_guide_to_testing(tmp_path: Path) -> None:
    """As its reader would: in files of their own, under pytest alone."""
    blocks = [example.parsed for example in parsed("docs/how-to/testing.md").examples()]
    names = ["app.py", "test_app.py", "test_session.py", "test_unit.py"]
    for name, block in zip(names, blocks, strict=True):
        (tmp_path / name).write_text(str(block), "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "--strict-markers", "-o", "asyncio_mode=auto"]
    command += ["-p", "dreamina_async.pytest_plugin", "-p", "pytest_asyncio.plugin"]
    command += ["-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "7 passed" in done.stdout, done.stdout + done.stderr


def test_guide_to_credits(emulator: Emulator) -> None:
    document = parsed("docs/how-to/credits.md")
    for example in document.examples():
        example.evaluate()
    assert document.namespace["charges"] == {one.submit_id: one.credits for one in emulator.ledger}
    assert [entry.amount for entry in document.namespace["income"]] == [60]


async def test_guide_to_images_and_videos(
    emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "room.png").write_bytes(png(1, 320, 240))

    def run_all() -> int:
        examples = list(parsed("docs/how-to/images-and-videos.md").examples())
        for example in examples:
            example.evaluate()
        return len(examples)

    import anyio

    assert await anyio.to_thread.run_sync(run_all) == 4
    kinds = [(order.kind, order.count, len(order.references)) for order in emulator.orders]
    assert kinds[0] == ("image", 2, 1)
    assert kinds[1:4] == [("image", 1, 1)] * 3
    assert kinds[4] == ("video", 1, 0)
    assert len(kinds) == 8  # three of the five that the budget's example asks for
    printed = capsys.readouterr().out
    assert "about 20 credits for 5 jobs" in printed
    assert "max_credits 12" in printed
