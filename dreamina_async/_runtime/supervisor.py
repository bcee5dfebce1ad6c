"""The one task that owns the session's task group.

A task group must be entered and left by the same task. Fixtures and lifespans enter and
leave a session from different ones, so neither `__aenter__` nor `__aexit__` touches the
group: they start, signal and await this task.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.abc

from dreamina_async._runtime.finishing import settled, to_completion

Work = Callable[..., Coroutine[Any, Any, None]]

_within: ContextVar["Supervisor | None"] = ContextVar("dreamina_supervisor", default=None)
"""Whose task this is, or a task that it has started."""


class Supervisor:
    """Starts tasks, and ends them all.

    Args:
        on_crash: called with the error that ended the group before it was told to stop.
    """

    def __init__(self, on_crash: Callable[[BaseException], None]) -> None:
        self._on_crash = on_crash
        self._stop = asyncio.Event()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._errands = 0
        self._group: anyio.abc.TaskGroup | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when tasks can be started."""
        started = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._own(started), name="dreamina-session")
        await settled(started)

    async def _own(self, started: "asyncio.Future[None]") -> None:
        try:
            async with anyio.create_task_group() as group:
                self._group = group
                started.set_result(None)
                await self._stop.wait()
                group.cancel_scope.cancel()
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - every waiter hears of it
            self._on_crash(_single(error))
        except asyncio.CancelledError as error:  # by a stranger: nobody may wait on for ever
            if not self._stop.is_set():
                self._on_crash(error)
            raise
        finally:
            self._group = None
            self._quiet.set()  # errands dropped before their first step do not come home

    def owns_caller(self) -> bool:
        """Whether the caller is one of the group's tasks, and so cannot wait for its end."""
        return _within.get() is self

    def spawn(self, function: Work, *arguments: Any) -> None:
        """Start a task that may be ended at any time."""
        if self._group is not None:
            self._group.start_soon(self._run, function, arguments)

    async def _run(self, function: Work, arguments: tuple[Any, ...]) -> None:
        _within.set(self)
        await function(*arguments)

    def spawn_errand(self, function: Work, *arguments: Any) -> None:
        """Start a task that `stop` waits for, for a while."""
        if self._group is not None:
            self._errands += 1
            self._quiet.clear()
            self._group.start_soon(self._run_errand, function, arguments)

    async def _run_errand(self, function: Work, arguments: tuple[Any, ...]) -> None:
        try:
            await self._run(function, arguments)
        finally:
            self._errands -= 1
            if self._errands == 0:
                self._quiet.set()

    async def stop(self, grace: float) -> None:
        """Let errands come home for `grace` seconds, then end everything."""
        try:
            async with asyncio.timeout(grace):
                await self._quiet.wait()
        except TimeoutError:
            pass  # what is still under way stays an intent in the journal
        finally:
            self._stop.set()
            if self._task is not None:
                await to_completion(asyncio.wait([self._task]))


def _single(error: BaseException) -> BaseException:
    """What a group was made of, where that is one thing."""
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return _single(inner[0]) if len(inner) == 1 else error
