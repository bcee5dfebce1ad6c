"""The large tier runs for hours; that its command names what there is shows at once."""

import sys
from pathlib import Path

import pytest
from large import CLONE, Part, chosen, parts, run


@pytest.mark.parametrize("part", parts(1.0).values(), ids=parts(1.0))
def test_a_part_names_a_program_that_there_is(part: Part) -> None:
    paths = [word for word in part.command if word.startswith("tests/")]
    assert paths
    assert all((CLONE / path).exists() for path in paths)


@pytest.mark.parametrize("status", [0, 1])
def test_a_part_is_run_and_its_figures_kept(
    status: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys\n"
        "print('says much')\n"
        "print('3 kills, tier', os.environ['DREAMINA_TESTS'])\n"
        f"sys.exit({status})\n"
    )
    result = run("kills", Part(str(program), r"\d+ kills,"))
    assert result.status == status
    assert result.figures == ["3 kills, tier large"]
    table = "\n".join(result.lines())
    assert table.startswith("kills         FAILED" if status else "kills         ok")
    assert "says much" in capfd.readouterr().out


def test_only_what_was_asked_for() -> None:
    assert list(chosen(["kills"], 1.0)) == ["kills"]
    assert chosen([], 2.5)["fuzzing"].command[0] == sys.executable
    assert chosen([], 2.5)["fuzzing"].command[-1] == "2.5"
    with pytest.raises(SystemExit, match="no such part: nothing"):
        chosen(["nothing"], 1.0)
