"""Every Python example of every page runs, in order, against the emulator.

Pages whose examples need more than that (a file of the reader's own, a fixture, an app) have
tests of their own in `test_examples.py`.
"""

from pathlib import Path

import pytest
from fleet_files import on_a_file
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from dreamina_async.emulator import run_in_thread

DOCS = Path(__file__).parent.parent / "docs"
ELSEWHERE = {"testing", "credits", "images-and-videos", "fastapi"}
_SYBIL = Sybil(parsers=[PythonCodeBlockParser()])


def pages() -> list[str]:
    return sorted(
        page.relative_to(DOCS).as_posix()
        for page in DOCS.rglob("*.md")
        if "```python" in page.read_text("utf-8") and page.stem not in ELSEWHERE
    )


def needs(page: str) -> list[pytest.MarkDecorator]:
    return [on_a_file] if page.endswith("fleet.md") else []


@pytest.mark.parametrize("page", [pytest.param(one, marks=needs(one)) for one in pages()])
def test_every_example_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with run_in_thread(speed=200) as emulator:
        for name, value in emulator.credentials_env().items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        examples = list(_SYBIL.parse(DOCS / page).examples())
        for example in examples:
            example.evaluate()
        assert len(examples) == (DOCS / page).read_text("utf-8").count("```python")
        assert emulator.ledger.repeated() == {}
