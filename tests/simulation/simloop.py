"""An event loop without a world: time jumps, order is drawn, threads are calls.

When nothing is ready it jumps to the next timer, so a day costs milliseconds. What is ready
at once runs in an order drawn from the seed, as it might on a busy machine. Work for threads
is called a drawn moment later, and its result comes another moment after that.
"""

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from itertools import count
from random import Random
from typing import Any
from unittest.mock import patch

from anyio._backends._asyncio import CancelScope


class Deadlock(Exception):
    """Nothing is ready and nothing is scheduled, but somebody still waits."""


class _Numbered:
    """Goes by a number of its own in a set, and not by its address, which differs every time.

    A scope that is cancelled keeps its tasks and its inner scopes in sets, and cancels them as
    they come out of these.
    """

    number = 0

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class _Task(_Numbered, asyncio.Task[Any]):
    pass


class _Scope(_Numbered, CancelScope):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        loop = asyncio.get_running_loop()
        if isinstance(loop, SimLoop):
            self.number = next(loop.numbers)


def numbered_scopes() -> AbstractContextManager[Any]:
    """While it is entered, every scope that anyio makes can be told from its number."""
    return patch("anyio._backends._asyncio.CancelScope", _Scope)


class SimLoop(asyncio.BaseEventLoop):
    """Virtual time and seeded order."""

    def __init__(self, chance: Random, *, slow: float = 0.0) -> None:
        super().__init__()
        self.numbers = count(1)
        self.set_task_factory(self._numbered)  # type: ignore[arg-type]
        self._chance = chance
        self._slow = slow
        self._virtual = 1000.0
        self.steps = 0

    def time(self) -> float:
        return self._virtual

    def _numbered(
        self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any
    ) -> _Task:
        task = _Task.__new__(_Task)
        task.number = next(self.numbers)  # it is put into a set as soon as it is made
        task.__init__(work, loop=loop, **options)  # type: ignore[misc]
        return task

    def stall(self, seconds: float) -> None:
        """Somebody keeps the loop, or the machine sleeps."""
        self._virtual += seconds

    def _run_once(self) -> None:
        self._wake_timers()
        batch = list(self._ready)
        self._ready.clear()
        if len(batch) > 1:
            self._chance.shuffle(batch)
        for handle in batch:
            if not handle._cancelled:
                self.steps += 1
                handle._run()

    def _wake_timers(self) -> None:
        timers = self._scheduled
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False
        if not self._ready and not self._stopping:
            if not timers:
                raise Deadlock("nothing is scheduled, but somebody still waits")
            # a timer is never early, and seldom to the point
            self._virtual = max(self._virtual, timers[0]._when) + self._slow * self._chance.random()
        while timers and timers[0]._when <= self._virtual:
            handle = heapq.heappop(timers)
            handle._scheduled = False
            self._ready.append(handle)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is dropped when its time comes."""

    def _write_to_self(self) -> None:
        """There is no other thread."""

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        future = self.create_future()
        self.call_later(self._moment(), self._work, future, func, args)
        return future

    def _work(
        self, future: "asyncio.Future[Any]", func: Callable[..., Any], args: tuple[Any, ...]
    ) -> None:
        try:
            result, error = func(*args), None
        except Exception as raised:  # noqa: BLE001 - a thread hands every failure on
            result, error = None, raised
        self.call_later(self._moment(), _deliver, future, result, error)

    def _moment(self) -> float:
        return self._chance.choice((0.0, 0.0, 0.0, 0.001, 0.03))


def _deliver(future: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
