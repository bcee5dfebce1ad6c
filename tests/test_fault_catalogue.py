"""No fault of the catalogue is without a test, and no test is named after a fault there is not."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CATALOGUE: dict[str, dict[str, Any]] = tomllib.loads(
    (HERE / "fault_catalogue.toml").read_text("utf-8")
)
SECTIONS = {"N": 15, "H": 22, "J": 15, "S": 24, "F": 15, "P": 12, "C": 12, "T": 10, "X": 20}
IDS = [
    f"{letter}{n}" for letter, rows in (SECTIONS | {"U": 14}).items() for n in range(1, rows + 1)
]

# there S0 to S4 are the notes on the service
ABOUT_NOTES = {
    "service/test_notes.py",
    "_core/test_dialects.py",
    "emulator/test_emulator_dialects.py",
}
_NAMED = re.compile(r"test_((?:[nhjsfpctxu][0-9]+_)+)", re.IGNORECASE)
_MOST_OPEN = 2


def _functions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if is_function and node.name.startswith("test_"):
            yield node.name


@cache
def all_tests() -> frozenset[str]:
    """Every test there is, as `file::name`."""
    return frozenset(
        f"{path.relative_to(HERE).as_posix()}::{name}"
        for path in HERE.rglob("test_*.py")
        for name in _functions(path)
    )


def ids_in(name: str) -> list[str]:
    found = _NAMED.match(name)
    return found[1].rstrip("_").upper().split("_") if found else []


@cache
def named_after_faults() -> dict[str, set[str]]:
    """Fault -> the tests that bear its name."""
    named: dict[str, set[str]] = {}
    for test in all_tests():
        path, name = test.split("::")
        if path not in ABOUT_NOTES:
            for fault in ids_in(name):
                named.setdefault(fault, set()).add(test)
    return named


def proofs(fault: str) -> set[str]:
    return named_after_faults().get(fault, set()) | set(CATALOGUE[fault].get("tests", ()))


def test_the_catalogue_has_every_fault_once_and_in_order() -> None:
    assert list(CATALOGUE) == IDS
    assert len(IDS) == 159


def test_every_fault_has_a_test() -> None:
    without = {
        fault: row["holds"]
        for fault, row in CATALOGUE.items()
        if not proofs(fault) and "open" not in row
    }
    assert without == {}


def test_an_excuse_goes_when_there_is_a_test() -> None:
    excused = {fault for fault, row in CATALOGUE.items() if "open" in row}
    assert {fault for fault in excused if proofs(fault)} == set()
    assert len(excused) <= _MOST_OPEN


def test_the_tests_that_a_fault_names_are_there() -> None:
    for fault, row in CATALOGUE.items():
        listed = row.get("tests", [])
        assert set(listed) <= all_tests(), fault
        assert len(set(listed)) == len(listed), fault


def test_what_bears_a_faults_name_need_not_be_listed() -> None:
    for fault, found in named_after_faults().items():
        assert not found & set(CATALOGUE.get(fault, {}).get("tests", ())), fault


def test_a_row_says_what_holds_in_one_sentence() -> None:
    for fault, row in CATALOGUE.items():
        assert set(row) <= {"holds", "tests", "open"}, fault
        for text in (row["holds"], row.get("open", "Nothing is.")):
            assert text[0].isupper(), fault
            assert text.endswith("."), fault


def test_no_test_is_named_after_a_fault_that_there_is_not() -> None:
    assert set(named_after_faults()) <= set(IDS)


def test_names_are_read_as_they_are_written() -> None:
    assert ids_in("test_n8_h1_a_charged_submit") == ["N8", "H1"]
    assert ids_in("test_X10_X11_every_hop") == ["X10", "X11"]
    assert ids_in("test_a_page_of_s1_is_no_fault") == []
    assert ids_in("test_1k_of_the_others") == []
