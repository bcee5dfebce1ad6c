"""Hands events to whoever listens; a slow listener loses old progress, never stops us."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self
from weakref import WeakSet

from attrs import define, field

from dreamina_async._runtime.home import Home
from dreamina_async.events import TERMINAL_EVENTS, Downloading, Event, Progressed

_ROOM = 10_000
_DROPPABLE = (Downloading, Progressed)


class Subscription(AsyncIterator[Event]):
    """An async iterator of events, from the moment it was made.

    A plain object, no generator: leaving a loop over it early leaves nothing behind, and
    closing it is good manners, not duty. Behind by more than 10,000 events it loses
    progress, oldest first, and counts what it lost in `dropped`; never a submit or an end.
    """

    def __init__(self, hub: "Hub", job_id: str | None) -> None:
        self.dropped: int = 0
        self._hub = hub
        self._job_id = job_id
        self._waiting: deque[Event] = deque()
        self._arrived = asyncio.Event()
        self._closed = False
        self._limit = _ROOM

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        self._hub.check_home()
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Hear no more; what has arrived can still be read."""
        self.close()

    def close(self) -> None:
        """The same without waiting."""
        self._closed = True
        self._arrived.set()
        self._hub.forget(self)

    def offer(self, event: Event) -> None:
        """Take an event in, if it is for this listener."""
        if self._job_id is not None and event.job_id != self._job_id:
            return
        if len(self._waiting) >= self._limit:
            self._make_room()
        self._waiting.append(event)
        self._arrived.set()
        if self._job_id is not None and isinstance(event, TERMINAL_EVENTS):
            self.close()

    def rename(self, old: str, new: str) -> None:
        """Go on listening to a job under its other id."""
        if self._job_id == old:
            self._job_id = new

    def _make_room(self) -> None:
        kept = [event for event in self._waiting if not isinstance(event, _DROPPABLE)]
        self.dropped += len(self._waiting) - len(kept)
        self._waiting = deque(kept)
        # looking through a long queue for every event would be quadratic
        self._limit = max(_ROOM, 2 * len(kept))


@define(eq=False)
class Hub:
    """Every listener of one session; one that nobody holds any more is gone by itself."""

    _home: Home | None = None
    """Where it is listened; None asks nobody."""
    _listeners: "WeakSet[Subscription]" = field(factory=WeakSet)
    _closed: bool = False

    def subscribe(self, job_id: str | None = None) -> Subscription:
        """Listen to all jobs, or to one until it ends."""
        subscription = Subscription(self, job_id)
        if self._closed:
            subscription.close()
        else:
            self._listeners.add(subscription)
        return subscription

    def check_home(self) -> None:
        """Refuse a listener from another event loop: it would never wake.

        Raises:
            SessionClosed: this is one.
        """
        if self._home is not None:
            self._home.check()

    def publish(self, event: Event) -> None:
        """Tell everybody."""
        for listener in tuple(self._listeners):
            listener.offer(event)

    def rename(self, old: str, new: str) -> None:
        """A job has turned out to be known by another id."""
        for listener in tuple(self._listeners):
            listener.rename(old, new)

    def forget(self, subscription: Subscription) -> None:
        """Drop a listener."""
        self._listeners.discard(subscription)

    def close(self) -> None:
        """End every listener's iteration."""
        self._closed = True
        for listener in tuple(self._listeners):
            listener.close()
