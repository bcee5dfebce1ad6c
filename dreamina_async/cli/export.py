"""`export`: a folder's jobs as a table for other programs."""

import asyncio
from pathlib import Path

from dreamina_async import export_journal
from dreamina_async.cli.exits import Exit
from dreamina_async.cli.options import Folder
from dreamina_async.cli.output import Output, counted


def export(folder: Folder, target: Path, output: Output) -> int:
    """Write the table and say where it is."""
    rows = asyncio.run(export_journal(folder, target))
    output.emit("export", path=target, rows=rows)
    output.result(str(target))
    output.note(counted(rows, "row"))
    return Exit.DONE
