"""Who holds a folder: written into the lock file, for file systems whose locks lie.

A lock that is always granted keeps nobody out. So a holder also writes down which process it
is, by number, boot and start time: a number alone may be somebody else's by now. The claim of
a process that lives on this machine is respected, whatever the lock says; of another machine
nothing can be known, and there the lock alone counts.
"""

import os
from collections.abc import Callable
from pathlib import Path

_LONGEST = 200


def write_claim(lock: int, boot: Callable[[], str]) -> None:
    """Say in the lock file that this process holds it.

    Raises:
        OSError: it cannot be written.
    """
    pid = os.getpid()
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{pid}\n{boot()}\n{_start_of(pid)}\n".encode(), 0)


def withdraw_claim(lock: int) -> None:
    """Say that nobody holds it.

    Raises:
        OSError: it cannot be written.
    """
    os.ftruncate(lock, 0)


def holder(lock: int) -> int | None:
    """The number of the process that wrote the claim, if it can be read."""
    pid = _read(lock)[0]
    return int(pid) if pid.isascii() and pid.isdigit() else None


def is_held(lock: int, boot: Callable[[], str]) -> bool:
    """Whether another process, which wrote the claim, lives on this machine."""
    pid, said_boot, start = _read(lock)
    if not (pid.isascii() and pid.isdigit() and said_boot and start) or int(pid) == os.getpid():
        return False
    return said_boot == boot() and start == _start_of(int(pid))


def _read(lock: int) -> tuple[str, str, str]:
    text = os.pread(lock, _LONGEST, 0).decode("ascii", "replace")
    pid, boot, start, *_ = [*text.split("\n"), "", "", ""]
    return pid.strip(), boot, start


def _start_of(pid: int) -> str:
    """When a process began, in ticks since the boot; empty if there is none, or nobody says."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return ""
    # the second field, a name in brackets, may hold anything
    fields = status.rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""
