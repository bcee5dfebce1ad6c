"""What the docs build does not notice: every page is in the navigation, every entry a page."""

import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def pages(nav: Any) -> set[str]:
    if isinstance(nav, str):
        return {nav}
    values = nav.values() if isinstance(nav, dict) else nav
    return {page for value in values for page in pages(value)}


def main() -> int:
    named = pages(tomllib.loads((ROOT / ".zensical.toml").read_text("utf-8"))["project"]["nav"])
    there = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    for page in sorted(named ^ there):
        sys.stderr.write(
            f"docs/{page}: {'not in the navigation' if page in there else 'no such file'}\n"
        )
    return bool(named ^ there)


if __name__ == "__main__":
    sys.exit(main())
