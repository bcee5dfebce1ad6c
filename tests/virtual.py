"""Virtual time to the second: without threads, nothing lets the clock leap on while one works."""

import asyncio
from collections.abc import Callable
from typing import Any

import looptime


def exact_loop() -> Any:
    """A loop in virtual time that does the work of threads itself, at once."""
    loop: Any = looptime.new_event_loop()

    def inline(_: object, work: Callable[..., Any], *arguments: Any) -> "asyncio.Future[Any]":
        future = loop.create_future()
        try:
            future.set_result(work(*arguments))
        except Exception as error:  # noqa: BLE001
            future.set_exception(error)
        return future

    loop.run_in_executor = inline
    return loop


EXACT = ("asyncio", {"loop_factory": exact_loop})
"""For a module's own `anyio_backend`, with `InlineWriter` behind the journal's door."""


class InlineWriter:
    """Commits what is written as soon as the loop has a moment, in the loop itself."""

    def __init__(self) -> None:
        self._items: list[Any] = []
        self._closed = False

    def start(self, commit: Callable[[list[Any]], None], close: Callable[[], None]) -> None:
        self._commit, self._close = commit, close

    def put(self, item: Any) -> None:
        if not self._items:
            asyncio.get_running_loop().call_soon(self._serve)
        self._items.append(item)

    def _serve(self) -> None:
        items, self._items = self._items, []
        if items:
            self._commit(items)

    async def stop(self) -> None:
        self._serve()
        if not self._closed:
            self._closed = True
            self._close()
