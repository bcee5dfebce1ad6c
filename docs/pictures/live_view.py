"""Make `live-view.svg`: a bulk run of 5,000 rows against the emulator, photographed on its way.

    python docs/pictures/live_view.py

The run is a real one in a pseudo-terminal; only how often it may ask is raised, or the picture
would take minutes.
"""

import io
import os
import pty
import re
import select
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from dreamina_async.emulator import Outcome, run_in_thread

HERE = Path(__file__).parent
COLUMNS, ROWS = 80, 24
WIPE = re.compile(r"\r?\x1b\[2K(?:\x1b\[1A\x1b\[2K)*")
PROMPTS = ("江南水乡的清晨，薄雾", "a lighthouse made of stacked books", "敦煌飞天弹奏电吉他")
COMMAND = "bulk prompts.txt --out run1 --count 1 --max-in-flight 1500"

CHILD = f"""
import dreamina_async as da
from dreamina_async.cli.entry import run
from dreamina_async.cli.options import Common

polling = da.PollingPolicy(rate=20.0, burst=10)
settings = da.Settings(polling=polling)
Common.session = lambda self: da.DreaminaSession(output_dir=self.folder(), settings=settings)
raise SystemExit(run({COMMAND.split()!r}))
"""


def frames(terminal: int) -> Iterator[str]:
    """What stands on the terminal, each time the view has drawn."""
    seen = ""
    while select.select([terminal], [], [], 60)[0]:
        try:
            seen += os.read(terminal, 1 << 16).decode("utf-8", "replace").replace("\r\n", "\n")
        except OSError:  # how Linux says that the other end of a terminal has closed
            sys.stderr.write(seen)  # why it ended
            return
        *whole, seen = WIPE.split(seen)
        yield from whole[-1:]


def photograph(share: int) -> str:
    """The first frame of a run that has come so far, in per cent."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", CHILD])  # noqa: S606 - ourselves
    try:
        for frame in frames(terminal):
            found = re.search(r"\((\d+) %\)", frame)
            if found and int(found[1]) >= share:
                return frame
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
    raise SystemExit("the run ended before it was photographed")


def svg(frame: str) -> str:
    """The frame as a picture that asks no other site for a font."""
    console = Console(record=True, width=COLUMNS, force_terminal=True, file=io.StringIO())
    console.print(Text.from_ansi(f"$ dreamina-async {COMMAND}\n{frame.rstrip()}"))
    plain = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return console.export_svg(title="dreamina-async", code_format=plain, unique_id="live-view")


def main() -> None:
    os.environ |= {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
    os.environ.pop("NO_COLOR", None)
    options = {"speed": 10, "queue": (0.0, 120.0), "image_bytes": 40_000}
    rejected = {"第 37 幅": "2038", "第 911 幅": Outcome(fail_code="2043")}
    with (
        tempfile.TemporaryDirectory() as folder,
        run_in_thread(**options, outcomes=rejected) as emulator,
    ):
        os.environ |= emulator.credentials_env()
        os.chdir(folder)
        rows = (f"{PROMPTS[number % 3]}，第 {number} 幅\n" for number in range(5000))
        Path("prompts.txt").write_text("".join(rows), "utf-8")
        frame = photograph(40)
    (HERE / "live-view.svg").write_text(svg(frame), "utf-8")


if __name__ == "__main__":
    main()
