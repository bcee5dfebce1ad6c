"""Now and sleep behind one small door, so that tests can turn the clock."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def monotonic(self) -> float:
        """Seconds that only grow: for intervals, backoff and deadlines."""
        ...

    def wall(self) -> float:
        """Unix seconds: for signatures, expiries and records."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    async def wait(self, event: asyncio.Event, until: float | None) -> None:
        """Wait for `event`, at the longest until the monotonic instant `until`."""
        ...


class LoopClock:
    """The running event loop's clock; a virtual-time loop turns it by itself."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, until: float | None) -> None:
        if until is None:
            await event.wait()
            return
        try:
            async with asyncio.timeout_at(until):
                await event.wait()
        except TimeoutError:
            return
