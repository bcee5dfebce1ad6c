"""`gallery`: one page that shows what a folder holds."""

import asyncio
import webbrowser

from dreamina_async.cli.exits import Exit
from dreamina_async.cli.options import Folder
from dreamina_async.cli.output import Output, counted
from dreamina_async.gallery import write_gallery


def gallery(folder: Folder, show: bool, output: Output) -> int:
    """Write the page and say where it is; open it in the browser if that is wanted."""
    made = asyncio.run(write_gallery(folder))
    output.emit("gallery", path=made.path, jobs=made.jobs, files=made.files)
    output.result(str(made.path))
    output.note(f"{counted(made.jobs, 'job')}, {counted(made.files, 'file')}")
    if show and not webbrowser.open(made.path.absolute().as_uri()):
        output.note("no browser was found; open the file yourself")
    return Exit.DONE
