"""What the page on reliability names is there."""

import re
from pathlib import Path

from test_fault_catalogue import all_tests

PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "reliability.md"
_TEST = re.compile(r"`([\w/]+\.py::test_\w+)`")


def test_every_promise_names_tests_that_are_there() -> None:
    text = PAGE.read_text("utf-8")
    named = _TEST.findall(text)
    assert set(named) <= all_tests()
    assert len(named) > 50
    promises = text.split("## Money")[1].split("## How it is proven")[0]
    for promise in re.split(r"\n\*\*", promises)[1:]:
        assert _TEST.search(promise), promise[:60]


def test_commands_it_names_are_there() -> None:
    for path in re.findall(r"python (\S+\.py)", PAGE.read_text("utf-8")):
        assert (PAGE.parent.parent.parent / path).is_file(), path
