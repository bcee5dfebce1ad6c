"""The examples of the guides to the gallery and to provenance run, in their order."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.document import Document
from sybil.parsers.markdown import PythonCodeBlockParser

from dreamina_async.emulator import Emulator, run_in_thread

GUIDES = Path(__file__).parents[2] / "docs/how-to"


@pytest.fixture
def emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with run_in_thread(speed=200) as emulator:
        for name, value in emulator.credentials_env().items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        yield emulator


def run(guide: str) -> Document:
    document = Sybil(parsers=[PythonCodeBlockParser()]).parse(GUIDES / guide)
    for example in document.examples():
        example.evaluate()
    return document


def test_the_guide_to_the_gallery(emulator: Emulator, tmp_path: Path) -> None:
    gallery = run("gallery.md").namespace["gallery"]
    assert (gallery.jobs, gallery.files) == (1, 2)
    assert (tmp_path / "out/gallery.html").is_file()


def test_the_guide_to_provenance(
    emulator: Emulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyarrow")
    assert run("provenance.md").namespace["rows"] == 1
    assert capsys.readouterr().out == "a red fox 7\n"
    assert (tmp_path / "run.jsonl").is_file()
    assert (tmp_path / "run.parquet").is_file()
