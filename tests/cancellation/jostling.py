"""An event loop on a busy machine: which of the ready tasks goes on first is drawn."""

import asyncio
from random import Random

_LATE = 0.3
"""So often a task is passed over: to the end of this turn, or until the next one."""


class JostlingLoop(asyncio.SelectorEventLoop):
    """Tasks fall behind others, and behind callbacks; none ever gets ahead of a callback.

    Transports and futures rely on the order of their own callbacks, and asyncio's `sock_connect`
    on one that runs before the task it wakes.
    """

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self._chance = chance

    def _process_events(self, event_list: list[object]) -> None:
        super()._process_events(event_list)
        steps = filter(_is_step, list(self._ready))  # copied: threads add to it
        late = [step for step in steps if self._chance.random() < _LATE]
        self._chance.shuffle(late)
        for step in late:
            self._ready.remove(step)
        half = len(late) // 2
        self._ready.extend(late[:half])
        if late[half:]:
            self.call_soon(self._ready.extend, late[half:])


def _is_step(handle: asyncio.Handle) -> bool:
    task = getattr(handle._callback, "__self__", None)
    return isinstance(task, asyncio.Task) and not _serves(task)


def _serves(task: "asyncio.Task[object]") -> bool:
    """aiohttp's server fails where a connection is lost before its handler begins."""
    return getattr(task.get_coro(), "__qualname__", "").startswith("RequestHandler.")
