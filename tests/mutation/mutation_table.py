"""Which modules are mutated, by which tests they are judged, and which mutants say nothing."""

import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
CLONE = HERE.parent.parent
PACKAGE = "dreamina_async"

MODULES: dict[str, tuple[str, ...]] = {
    "_core/ledger.py": ("_core/test_ledger.py", "_core/test_idkinds.py"),
    "_core/schedule.py": ("_core/test_schedule.py",),
    "_core/backoff.py": ("_core/test_backoff.py",),
    "_core/decode.py": ("_core/test_decode.py",),
    "_core/codes.py": ("_core/test_codes.py",),
    "_core/reconcile.py": ("_core/test_reconcile.py",),
    "_core/reading.py": ("_core/test_reading.py", "_core/test_decode.py"),
    "_core/budget.py": ("_core/test_budget.py",),
    "_core/ceiling.py": ("_core/test_ceiling.py", "_core/test_schedule.py"),
    "_core/window.py": ("_core/test_window.py",),
    "_core/rows.py": ("_core/test_rows.py",),
    "_runtime/journal.py": (
        "_runtime/test_journal_refusals.py",
        "_runtime/test_marks.py",
        "_runtime/test_journal.py",
    ),
}
"""Each module, and the fast tests that concern it."""

Sign = tuple[str, str, str, str]
"""A mutant's module and function, and the changed lines before and after: no line numbers."""


def equivalents() -> dict[Sign, str]:
    """The mutants that no test can or should tell from the original, each with the reason."""
    rows = tomllib.loads((HERE / "equivalent.toml").read_text("utf-8")).get("equivalent", [])
    return {
        (row["module"], row["where"], was, now): row["reason"]
        for row in rows
        for was, now in row["mutants"]
    }
