"""A translated page says no less than its original: same code, same headings, same tables."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
ZH = DOCS / "zh"
_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#+) ", re.MULTILINE)
_ROW = re.compile(r"^\|(.*)\|$", re.MULTILINE)

ORIGINALS = ["tutorial.md", *(f"how-to/{page.name}" for page in (DOCS / "how-to").glob("*.md"))]


def shape(text: str) -> tuple[list[str], list[str], list[int]]:
    prose = _CODE.sub("", text)
    rows = [row.count("|") for row in _ROW.findall(prose)]
    return _CODE.findall(text), _HEADING.findall(prose), rows


@pytest.mark.parametrize("page", sorted(ORIGINALS))
def test_the_chinese_page_has_the_same_shape(page: str) -> None:
    original, translated = ((root / page).read_text("utf-8") for root in (DOCS, ZH))
    assert shape(translated) == shape(original)
    assert re.search(r"[\u4e00-\u9fff]{10}", _CODE.sub("", translated))


def test_no_chinese_page_is_without_an_original() -> None:
    pages = {page.relative_to(ZH).as_posix() for page in ZH.rglob("*.md")}
    assert pages <= {*ORIGINALS, "index.md"}
