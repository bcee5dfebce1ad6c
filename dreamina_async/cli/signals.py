"""Ctrl-C in two steps: the first stops politely, the second at once. SIGTERM counts as one."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, TypeVar

from dreamina_async.cli.exits import Exit

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):
    """The work was stopped before its end: by a signal, or because its time was up."""


class Stopper:
    """Stops one piece of work when asked to.

    Args:
        on_stop: told why, when the work is asked to stop.
        on_kill: the last thing to do before a second signal ends the process.
    """

    def __init__(self, on_stop: Callable[[str], None], on_kill: Callable[[], None]) -> None:
        self._on_stop = on_stop
        self._on_kill = on_kill
        self._reason: str | None = None
        self._task: asyncio.Task[Any] | None = None

    async def run(self, work: Coroutine[Any, Any, T], *, timeout: float | None = None) -> T:
        """Await the work and give its result.

        Raises:
            Interrupted: it was stopped; by now it has tidied up.
        """
        task: asyncio.Task[T] = asyncio.create_task(work)
        self._task = task
        with self._listening():
            try:
                done, _ = await asyncio.wait({task}, timeout=timeout)
                if not done:
                    self._stop("time is up")
                    await asyncio.wait({task})
            finally:
                task.cancel()
        if task.cancelled():
            raise Interrupted(self._reason or "cancelled")
        return task.result()

    @contextmanager
    def _listening(self) -> Generator[None, None, None]:
        loop = asyncio.get_running_loop()
        # Where a loop takes no handlers, Ctrl-C is a KeyboardInterrupt as anywhere else.
        with suppress(NotImplementedError):
            for number in _SIGNALS:
                loop.add_signal_handler(number, self._signalled)
        try:
            yield
        finally:
            with suppress(NotImplementedError):
                for number in _SIGNALS:
                    loop.remove_signal_handler(number)

    def _signalled(self) -> None:
        if self._reason is not None:
            self._kill()
        self._stop("interrupted")

    def _stop(self, reason: str) -> None:
        self._reason = reason
        self._on_stop(reason)
        if self._task is not None:
            self._task.cancel()

    def _kill(self) -> NoReturn:
        self._on_kill()
        os._exit(Exit.KILLED)
