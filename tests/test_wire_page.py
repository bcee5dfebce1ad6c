"""The page on the wire says what the code does."""

import re
from pathlib import Path

from dreamina_async._core.codes import CODES
from dreamina_async._core.dialects import PROFILES
from dreamina_async._core.profile import SITES

PAGE = (Path(__file__).parent.parent / "docs/reference/wire.md").read_text("utf-8")


def rows_under(heading: str) -> list[list[str]]:
    """The body rows of the tables under a heading, cell by cell."""
    part = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if not re.fullmatch(r"-+", row[0])]


def code_row(code: str) -> list[str]:
    entry = CODES[code]
    return [f"`{code}`", entry.meaning, entry.retry.value, entry.charged, entry.advice]


def test_every_code_stands_in_the_table_as_it_is_understood() -> None:
    _, *rows = rows_under("Codes")
    assert rows == [code_row(code) for code in CODES], "write the table anew from `_core/codes.py`"


def test_every_host_stands_in_the_table() -> None:
    text = "\n".join(" ".join(row) for row in rows_under("Whom we talk to"))
    for region, site in SITES.items():
        hosts = {url.removeprefix("https://") for url in (site.api, site.commerce, site.imagex)}
        assert all(f"`{host}`" in text for host in hosts), region
        assert f"`{site.lan}`, `{site.loc}`" in text
        assert str(site.aid) in text


def test_every_dialect_stands_in_the_table() -> None:
    rows = {row[0].strip("`"): row for row in rows_under("How we introduce ourselves")[1:]}
    assert rows.keys() == PROFILES.keys()
    for name, profile in PROFILES.items():
        row = rows[name]
        assert row[1:4] == [profile.appvr, profile.pf, "yes" if profile.signed else "no"]


def test_every_contradiction_names_a_test_that_is_there() -> None:
    _, *rows = rows_under("Contradictions")
    assert [row[0] for row in rows] == [str(number) for number in range(1, 20)]
    tests = "\n".join(path.read_text("utf-8") for path in Path(__file__).parent.rglob("*.py"))
    for row in rows:
        for name in re.findall(r"`(test_\w+)`", row[-1]):
            assert f"def {name}(" in tests, name
        assert "`test_" in row[-1], row
