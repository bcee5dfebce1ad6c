"""A job's events in numbers, so that a client that was cut off goes on where it was.

Numbers begin at the clock's milliseconds: one that a client brings from before a restart is
smaller than any given since, and never means another event.
"""

import asyncio
import re
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from typing import Any
from weakref import WeakKeyDictionary

from attrs import define, field

from dreamina_async import (
    Downloading,
    DreaminaSession,
    Event,
    Failed,
    FileSaved,
    Finished,
    Job,
    Progressed,
    Saved,
    SessionClosed,
    Submitted,
    SubmitWaits,
)
from dreamina_async.fastapi.bodies import MediaOut, ProgressOut, QueueOut
from dreamina_async.fastapi.problems import ErrorOut

_MOST_EVENTS = 1000
_MOST_JOBS = 256


@define(eq=False)
class Channel:
    """What one job's listeners share; it remembers the last thousand events."""

    job: Job
    over: bool = False
    last: int = field(factory=lambda: int(time.time() * 1000))
    _kept: deque[tuple[int, Event]] = field(factory=lambda: deque(maxlen=_MOST_EVENTS))
    _turn: asyncio.Lock = field(factory=asyncio.Lock)
    _coming: AsyncIterator[Event] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._coming = self.job.events()

    def knows(self, number: int) -> bool:
        """Whether all that came after this event is still here."""
        first = self._kept[0][0] if self._kept else self.last + 1
        return first - 1 <= number <= self.last

    @property
    def now(self) -> int:
        """Where a newcomer begins who is told how the job stands: the end is told to everybody."""
        return self.last - 1 if self.over and self._kept else self.last

    async def after(self, number: int) -> AsyncIterator[tuple[int, Event]]:
        """What came after an event and what is to come, up to the job's end."""
        while number < self.last or not self.over:
            if number == self.last:
                await self._hear(number)
            for number, event in [one for one in self._kept if one[0] > number]:
                yield number, event

    async def _hear(self, known: int) -> None:
        """One listener waits for all: whoever leaves takes no event along."""
        async with self._turn:
            if self.last > known or self.over:
                return
            event = await anext(self._coming, None)
            # a session that closes ends the stream, not the job: clients come back
            left = isinstance(event, Failed) and isinstance(event.error, SessionClosed)
            self.over = event is None or isinstance(event, Saved | Failed)
            if event is not None and not left:
                self.last += 1
                self._kept.append((self.last, event))


@define(eq=False)
class Channels:
    """Those of one session; of many jobs the ones that were listened to last."""

    _open: OrderedDict[str, Channel] = field(factory=OrderedDict[str, Channel])

    def of(self, job: Job) -> Channel:
        """The job's channel; a new one begins with how the job stands."""
        channel = self._open.pop(job.job_id, None)
        if channel is None or (channel.over and not job.done()):
            channel = Channel(job)
        self._open[job.job_id] = channel
        if len(self._open) > _MOST_JOBS:
            self._open.popitem(last=False)
        return channel


_CHANNELS: WeakKeyDictionary[DreaminaSession, Channels] = WeakKeyDictionary()


def channel_of(session: DreaminaSession, job: Job) -> Channel:
    """The job's channel, one for all routers of the session."""
    return _CHANNELS.setdefault(session, Channels()).of(job)


def name_of(event: Event) -> str:
    """The event's name on the wire: `FileSaved` is `file_saved`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()


def facts_of(event: Event, url: str) -> dict[str, Any]:
    """The event's data on the wire."""
    return {"job_id": event.job_id, "at": event.at, **_facts(event, url)}


def _facts(event: Event, url: str) -> dict[str, Any]:
    match event:
        case Submitted():
            return {"history_id": event.history_id}
        case SubmitWaits():
            return {"reason": ErrorOut.of(event.reason)}
        case Progressed():
            queue = event.queue and QueueOut.of(event.queue)
            return {"progress": ProgressOut.of(event.progress), "queue": queue}
        case Finished():
            return {"items": event.items, "missing": event.missing}
        case Downloading():
            return {"index": event.index, "received": event.received, "size": event.size}
        case FileSaved():
            return {"media": MediaOut.of(event.media, url)}
        case _:
            return _end(event, url)


def _end(event: Event, url: str) -> dict[str, Any]:
    match event:
        case Saved():
            media = [MediaOut.of(one, url) for one in event.result.media]
            return {"media": media, "missing": event.result.missing}
        case Failed():
            return {"state": event.state, "error": ErrorOut.of(event.error)}
        case _:
            return {}
