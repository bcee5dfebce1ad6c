"""What `run.py` goes by fits the clone; the mutants themselves are made by the command only."""

from collections import defaultdict

import pytest
from mutation_table import CLONE, MODULES, PACKAGE, equivalents


def source_of(module):
    return (CLONE / PACKAGE / module).read_text("utf-8")


@pytest.mark.parametrize("module", MODULES)
def test_each_module_and_its_tests_are_there(module):
    assert (CLONE / PACKAGE / module).is_file()
    for name in MODULES[module]:
        assert (CLONE / "tests" / name).is_file()


def test_each_mutant_that_says_nothing_has_a_reason_and_a_line_that_still_stands():
    gone, texts = defaultdict(list), {}
    for (module, _, was, now), reason in equivalents().items():
        assert module in MODULES
        assert reason
        assert was != now
        lines = texts.setdefault(module, " ".join(source_of(module).split()))
        if " ".join(was.split()) not in lines:
            gone[module].append(was)
    assert not gone, "these lines of equivalent.toml are no more; take them out"


def test_the_mutants_of_a_few_lines():
    pytest.importorskip("mutmut", reason="pip install --group mutation")
    from mutants import make_mutants

    source = (
        '"""Doc string."""\n'
        "from typing import cast\n\n"
        "LIMIT: int = 3\n\n"
        "class Door:\n"
        "    @property\n"
        "    def open(self) -> bool:\n"
        "        if LIMIT > 2:\n"
        '            print("a text for people")\n'
        '        return cast("bool", True)\n'
    )
    mutants = make_mutants("door.py", source)
    assert {(one.where, one.was, one.now) for one in mutants} == {
        ("", "LIMIT: int = 3", "LIMIT: int = None"),
        ("", "LIMIT: int = 3", "LIMIT: int = 4"),
        ("Door.open", "if LIMIT > 2:", "if LIMIT >= 2:"),
        ("Door.open", "if LIMIT > 2:", "if LIMIT > 3:"),
        ("Door.open", "if LIMIT > 2:", "if (LIMIT > 2) and False:"),
        ("Door.open", "if LIMIT > 2:", "if (LIMIT > 2) or True:"),
        ("Door.open", 'print("a text for people")', "pass"),
        ("Door.open", 'return cast("bool", True)', 'return cast("bool", False)'),
    }
    assert len({one.sign for one in mutants}) == len(mutants)
