"""Every Python example of the README and the guides runs, against the emulator."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
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

    app = document.namespace["app"]
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            reply = await client.post("/images", params={"prompt": "月下独酌"})
    assert reply.status_code == 200
    assert [os.path.getsize(path) > 0 for path in reply.json()] == [True] * 4


@pytest.mark.dreamina_emulator(speed=200)
async def test_guide_to_testing(dreamina_emulator: Emulator, tmp_path: Path) -> None:
    document = parsed("docs/how-to/testing.md")
    for example in document.examples():
        example.evaluate()
    tests = [value for name, value in document.namespace.items() if name.startswith("test_")]
    assert len(tests) == 2
    for number, test in enumerate(tests):
        await test(dreamina_emulator, tmp_path / str(number))


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
