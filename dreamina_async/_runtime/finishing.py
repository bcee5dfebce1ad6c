"""Run something to its end although the caller is cancelled.

A thread cannot be cancelled: a cancelled `aiofiles` write goes on in its thread while the
caller already closes, renames or deletes the file. So every hop to a thread is waited for,
and the cancellation is raised again afterwards. An interrupt that hits the waiter itself
(KeyboardInterrupt and its like) is held back in the same way.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Coroutine, Iterable
from typing import Any, TypeVar

import anyio

from dreamina_async.errors import InvalidRequest, shown

T = TypeVar("T")


async def to_completion(work: Coroutine[Any, Any, T]) -> T:
    """Await `work`; a cancellation meanwhile waits for its end and is then raised.

    Both kinds are meant: `task.cancel()` and an anyio scope, which cancels again at every
    await until it is shielded off.
    """
    return await outlast(carried(work))


def carried(work: Coroutine[Any, Any, T]) -> "asyncio.Future[T]":
    """What `work` comes to; it begins, whoever cancels its task before.

    asyncio drops a task that is cancelled before its first step unheard, and a loop that is
    torn down cancels every task it finds: what closes a session must not be lost that way.
    """
    outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    _carry(work, outcome)
    return outcome


def _carry(work: Coroutine[Any, Any, T], outcome: "asyncio.Future[T]") -> None:
    task = asyncio.ensure_future(_awaited(work))
    task.add_done_callback(lambda task: _hand_on(task, work, outcome))


async def _awaited(work: Coroutine[Any, Any, T]) -> T:
    """A coroutine of its own, so that dropping it leaves `work` as it was."""
    return await work


def _hand_on(
    task: "asyncio.Task[T]", work: Coroutine[Any, Any, T], outcome: "asyncio.Future[T]"
) -> None:
    if inspect.getcoroutinestate(work) == inspect.CORO_CREATED:
        _carry(work, outcome)
    elif task.cancelled():
        outcome.cancel()
    elif (error := task.exception()) is not None:
        outcome.set_exception(error)
    else:
        outcome.set_result(task.result())


async def outlast(future: "asyncio.Future[T]") -> T:
    """The same for a future that is under way."""
    held: BaseException | None = None
    while not future.done():
        try:
            with anyio.CancelScope(shield=True):
                await asyncio.wait([future])
        except GeneratorExit:  # the loop has gone, and nobody could wait any more
            raise
        except BaseException as error:  # noqa: BLE001 - raised when the work has ended
            held = error
    if held is not None:
        retrieved(future)  # its failure is overtaken by the cancellation
        try:
            raise held
        finally:
            del held  # it knows this frame, and this frame should not know it
    return future.result()


def retrieved(future: "asyncio.Future[Any]") -> None:
    """Nobody is obliged to hear of this future's failure."""
    if not future.cancelled():
        future.exception()


async def settled(awaitable: Awaitable[T]) -> T:
    """Wait without handing one's own cancellation on to what is awaited."""
    return await asyncio.shield(awaitable)


async def gathered(works: Iterable[Awaitable[T]]) -> list[T]:
    """The results in order; when one fails, or the waiter leaves, none goes on."""
    tasks: list[asyncio.Future[T]] = [asyncio.ensure_future(work) for work in works]
    together = asyncio.gather(*tasks)
    together.add_done_callback(retrieved)  # an interrupted waiter does not
    try:
        return await together
    finally:
        for task in tasks:
            task.cancel()


def require_timeout(timeout: object) -> None:
    """Refuse what is no number of seconds: a NaN would stop every timer of the loop.

    Raises:
        InvalidRequest: it is none.
    """
    number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if timeout is not None and not (number and timeout == timeout):
        raise InvalidRequest(f"timeout {shown(timeout)} is not a number", field="timeout")
