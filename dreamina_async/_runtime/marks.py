"""Which submits may have left: noted right before the first byte, for the next session.

After a kill the journal's intent alone cannot tell whether its request ever left, so the job
would be looked up for minutes and then held. This note can. It is written without a sync:
it outlives the process, not the machine, and is believed under the same boot only. Where it
is not believed, every intent counts as perhaps sent.
"""

import os
from pathlib import Path

MARKS_NAME = ".journal.sent"

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def read_marks(root: Path, boot: str) -> frozenset[str] | None:
    """The submit ids noted by the last session; None if its note is not to be believed.

    Args:
        root: the output folder.
        boot: this boot's id; empty if there is none.

    Raises:
        OSError: the file is there but cannot be read.
    """
    try:
        descriptor = os.open(root / MARKS_NAME, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, encoding="ascii", errors="replace") as file:
        noted, *ids = file.read().split("\n")
    return frozenset(ids) if noted and noted == boot else None


def start_marks(root: Path, boot: str) -> int:
    """Begin an empty note and return its descriptor; what the old one said must be stored.

    Args:
        root: the output folder.
        boot: this boot's id.

    Raises:
        OSError: it cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW
    descriptor = os.open(root / MARKS_NAME, flags, 0o600)
    try:
        write_mark(descriptor, boot)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def write_mark(descriptor: int, text: str) -> None:
    """Add a line, at once: into the page cache, which a killed process leaves behind.

    Raises:
        OSError: not all of it could be written.
    """
    line = f"{text}\n".encode("ascii")
    if os.write(descriptor, line) != len(line):
        raise OSError("short write")


def boot_id() -> str:
    """This boot of this machine; empty where nothing tells one boot from another."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:  # not Linux
        return ""
