"""What a session may leave behind: nothing."""

import asyncio
import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from attrs import field, frozen
from session_kit import leftovers


def _threads() -> frozenset[str]:
    """The loop's own pool stays until the loop goes."""
    names = (one.name for one in threading.enumerate())
    return frozenset(name for name in names if not name.startswith("asyncio_"))


def _open_files() -> frozenset[str]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:  # the folder's own
            continue
    return frozenset(found)


def _pending() -> frozenset["asyncio.Future[Any]"]:
    """Futures that nobody has answered yet."""
    alive = (one for one in gc.get_objects() if issubclass(type(one), asyncio.Future))
    return frozenset(one for one in alive if not one.done())


@frozen
class Traces:
    """What is there now."""

    tasks: frozenset["asyncio.Task[Any]"] = field(factory=lambda: frozenset(leftovers()[0]))
    threads: frozenset[str] = field(factory=_threads)
    files: frozenset[str] = field(factory=_open_files)
    futures: frozenset["asyncio.Future[Any]"] = field(factory=_pending)

    def left(self, before: "Traces") -> list[object]:
        """What was not there before."""
        pairs = (
            (self.tasks, before.tasks),
            (self.threads, before.threads),
            (self.files, before.files),
            (self.futures, before.futures),
        )
        return [one for now, then in pairs for one in now - then]


async def nothing_left(before: Traces) -> None:
    """Wait until that is so: the emulator notices a closed connection a little later."""
    left: list[object] = []
    for turn in range(200):
        left = Traces().left(before)
        if not left:
            return
        left.clear()  # or this would be what keeps them
        await asyncio.sleep(0 if turn < 20 else 0.005)
        if turn % 20 == 19:
            gc.collect()
    raise AssertionError(f"left behind: {Traces().left(before)}")


@contextmanager
def complaints() -> Iterator[list[str]]:
    """What the loop says: "never retrieved", "destroyed but pending" and their like."""
    loop = asyncio.get_running_loop()
    said: list[str] = []
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: said.append(repr(context)))
    try:
        yield said
        gc.collect()
    finally:
        loop.set_exception_handler(before)


@contextmanager
def only_ours() -> Iterator[None]:
    """So that looking through all objects is looking through those made from here on."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
