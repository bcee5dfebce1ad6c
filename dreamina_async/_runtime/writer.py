"""Where the journal's commits are made: beside the event loop, one after the other."""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Protocol

from dreamina_async._runtime.finishing import outlast

Commit = Callable[[list[Any]], None]


class Writer(Protocol):
    """Takes what is to be written and commits whatever has gathered."""

    def start(self, commit: Commit, close: Callable[[], None]) -> None:
        """Begin; `commit` and, at the end, `close` are called from wherever writing is done."""
        ...

    def put(self, item: Any) -> None:
        """Have one thing written; those of one caller keep their order."""
        ...

    async def stop(self) -> None:
        """Commit what is queued, then close. Twice is fine."""
        ...


class ThreadWriter:
    """One thread, busy with one commit while the next one gathers."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Any] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self, commit: Commit, close: Callable[[], None]) -> None:
        self._thread = threading.Thread(
            target=self._serve, args=(commit, close), name="dreamina-journal", daemon=True
        )
        self._thread.start()

    def put(self, item: Any) -> None:
        self._queue.put(item)

    async def stop(self) -> None:
        self._queue.put(None)
        if self._thread is not None:
            loop = asyncio.get_running_loop()
            await outlast(loop.run_in_executor(None, self._thread.join))

    def _serve(self, commit: Commit, close: Callable[[], None]) -> None:
        try:
            while (item := self._queue.get()) is not None:
                items, closing_time = [item], False
                while not self._queue.empty():
                    more = self._queue.get()
                    if more is None:
                        closing_time = True
                        break
                    items.append(more)
                commit(items)
                if closing_time:
                    return
        finally:
            close()
