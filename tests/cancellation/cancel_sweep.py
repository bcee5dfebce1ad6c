"""The tool: a coroutine is interfered with at its k-th suspension, in four styles."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Literal

import anyio

Style = Literal["task", "scope", "twice", "throw"]
STYLES: tuple[Style, ...] = ("task", "scope", "twice", "throw")

ENDING = -1
"""A moment: the very turn in which what is waited for is done. Others are turns after."""


class Interrupt(BaseException):
    """Stands for KeyboardInterrupt, which asyncio itself would take as addressed to it."""


class Counted:
    """Runs a coroutine, counts its suspensions and interferes at the k-th.

    Args:
        work: the coroutine.
        at: which suspension; 0 leaves it alone.
        moment: so many turns of the loop later, or `ENDING`.
        strike: does it; without one an `Interrupt` is thrown in.
        again: whether to strike once more when it suspends while it unwinds.
        when: the strike waits for this, too.
    """

    def __init__(
        self,
        work: Coroutine[Any, Any, Any],
        at: int = 0,
        moment: int = 0,
        strike: Callable[[], object] | None = None,
        *,
        again: bool = False,
        when: Callable[[], bool] = lambda: True,
    ) -> None:
        self.suspensions = 0
        self.struck = False
        self._ended = False
        self._work = work
        self._at = at
        self._moment = moment
        self._strike = strike
        self._again = again
        self._when = when

    def __await__(self) -> Generator[Any, Any, Any]:
        try:
            return (yield from self._steps(self._work.__await__()))
        finally:
            self._ended = True

    def _steps(self, coroutine: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        error: BaseException | None = None
        while True:
            try:
                waits_for = coroutine.send(None) if error is None else coroutine.throw(error)
            except StopIteration as stop:
                return stop.value
            error = None
            self.suspensions += 1
            is_it = self.suspensions == self._at
            if is_it and self._strike is not None:
                self._arrange(waits_for)
            elif self.struck and self._again and self._strike is not None:
                self._again = False
                asyncio.get_running_loop().call_soon(self._strike)
            if not (is_it and self._strike is None and self._moment == 0):
                try:
                    yield waits_for
                except BaseException as caught:  # noqa: BLE001 - handed to the coroutine
                    error = caught
            if is_it and self._strike is None:
                self.struck, error = True, Interrupt()

    def _arrange(self, waits_for: "asyncio.Future[Any] | None") -> None:
        if self._moment == ENDING and waits_for is not None:
            waits_for.add_done_callback(lambda _: self._hit(0))
        else:
            asyncio.get_running_loop().call_soon(self._hit, max(0, self._moment))

    def _hit(self, turns: int) -> None:
        if self._ended:
            return
        if turns or not self._when():
            asyncio.get_running_loop().call_soon(self._hit, max(0, turns - 1))
        elif self._strike is not None:
            self.struck = True
            self._strike()


async def interfered(
    work: Coroutine[Any, Any, Any],
    at: int,
    style: Style,
    moment: int = 0,
    when: Callable[[], bool] = lambda: True,
) -> tuple[bool, BaseException | None]:
    """Run `work` and interfere; whether that point was reached, and what was raised."""

    async def main() -> None:
        with scope:
            await counted
            # what a scope could not interrupt it cancels at the next await
            await anyio.lowlevel.checkpoint_if_cancelled()
        if scope.cancelled_caught:
            raise asyncio.CancelledError

    def strike() -> None:
        if style == "scope":
            scope.cancel()
        else:
            task.cancel()

    scope = anyio.CancelScope()
    given = None if style == "throw" else strike
    counted = Counted(work, at, moment, given, again=style == "twice", when=when)
    task = asyncio.create_task(main())
    await asyncio.wait([task])
    return counted.struck, asyncio.CancelledError() if task.cancelled() else task.exception()


async def suspensions(work: Coroutine[Any, Any, Any]) -> int:
    """How often `work` suspends when nobody interferes."""
    counted = Counted(work)
    await counted
    return counted.suspensions
