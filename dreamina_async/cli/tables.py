"""Rows of results: aligned under their names on a terminal, tab-separated in a pipe."""

import sys
from collections.abc import Iterator, Sequence

from dreamina_async.cli.output import Output

Row = Sequence[str]

_GAP = "  "
_NARROWEST = 10


def show_table(output: Output, columns: Row, rows: Sequence[Row]) -> None:
    """Show rows; not with rich's own table, which takes its time for thousands of them.

    Args:
        output: where they go.
        columns: names, for a terminal only.
        rows: cells, each of one line without control characters; a terminal that is too
            narrow cuts the last one.
    """
    lines = _aligned([columns, *rows], output.console.width) if sys.stdout.isatty() else None
    for line in lines or map("\t".join, rows):
        output.result(line)


def _aligned(rows: Sequence[Row], width: int) -> Iterator[str]:
    from rich.cells import cell_len, set_cell_size

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)][:-1]
    room = max(width - sum(widths) - len(_GAP) * len(widths), _NARROWEST)
    for row in rows:
        cells = [set_cell_size(cell, wide) for cell, wide in zip(row[:-1], widths, strict=True)]
        last = row[-1]
        if cell_len(last) > room:
            last = f"{set_cell_size(last, room - 1)}…"
        yield _GAP.join([*cells, last]).rstrip()
