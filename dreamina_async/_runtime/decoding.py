"""Long replies are read beside the event loop, which must not stand still for them.

What a hostile reply of the full 8 MiB costs is bounded, but that bound is some tenths of a
second of work. In a thread it takes turns with the loop, a few milliseconds each.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from dreamina_async._core.wire import HttpResponse
from dreamina_async._runtime.finishing import outlast

T = TypeVar("T")

INLINE = 32 << 10
"""Bytes that are read in the loop itself: one finished record is no longer."""


async def decoded(response: HttpResponse, decode: Callable[[HttpResponse], T]) -> T:
    """What `decode` makes of a reply; it is called to its end, in a thread if that may take long.

    Raises:
        DreaminaError: as `decode` does.
    """
    if len(response.body) <= INLINE:
        return decode(response)
    loop = asyncio.get_running_loop()
    return await outlast(loop.run_in_executor(None, decode, response))
