"""Running the emulator in a thread of its own, for synchronous callers and for fixtures."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from .server import Emulator

if TYPE_CHECKING:
    from collections.abc import Generator


@contextlib.contextmanager
def run_in_thread(**keywords: Any) -> Generator[Emulator]:
    """Run an emulator on its own event loop until the block is left."""
    started: Future[tuple[Emulator, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    thread = threading.Thread(
        target=_run, args=(keywords, started), name="dreamina-emulator", daemon=True
    )
    thread.start()
    emulator, loop, stop = started.result()
    try:
        yield emulator
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def _run(
    keywords: dict[str, Any],
    started: Future[tuple[Emulator, asyncio.AbstractEventLoop, asyncio.Event]],
) -> None:
    async def main() -> None:
        stop = asyncio.Event()
        async with Emulator(**keywords) as emulator:
            started.set_result((emulator, asyncio.get_running_loop(), stop))
            await stop.wait()

    try:
        asyncio.run(main())
    except BaseException as error:
        # Whoever waits for the start must hear of it; later errors belong to the thread.
        if started.done():
            raise
        started.set_exception(error)
