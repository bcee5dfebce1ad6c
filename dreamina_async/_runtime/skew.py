"""This machine's clock, put right by what the service's replies tell of theirs."""

import asyncio
from collections.abc import Callable

from dreamina_async._core.calls import signed_anew
from dreamina_async._core.skew import corrected, refused_for_its_time, server_time
from dreamina_async._core.wire import HttpRequest, HttpResponse
from dreamina_async._runtime.clock import Clock
from dreamina_async._runtime.log import log
from dreamina_async._runtime.transport import Transport, WrappedTransport

NOTICEABLE = 5.0
"""Seconds of correction from which a refused signature may be due to the time."""


class CorrectedClock:
    """A clock whose wall time is the service's; intervals and deadlines know no correction."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = 0.0

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def wall(self) -> float:
        return self._clock.wall() + self._offset

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    async def wait(self, event: asyncio.Event, until: float | None) -> None:
        await self._clock.wait(event, until)

    @property
    def offset(self) -> float:
        """What is added to this machine's wall time."""
        return self._offset

    def local(self) -> float:
        """This machine's wall time as it is."""
        return self._clock.wall()

    def learn(self, told: float | None, sent: float) -> None:
        """Take in what a reply told.

        Args:
            told: the service's clock, if the reply told it.
            sent: `local` when the request was sent.
        """
        if told is None:
            return
        before = self._offset
        self._offset = corrected(before, told, sent, self.local())
        if abs(self._offset - before) >= NOTICEABLE:
            log.warning("this machine's clock is corrected by %.0f s", self._offset)


class TimedTransport(WrappedTransport):
    """A transport that listens to what time it is at the service.

    A signed call that is refused only for this machine's wrong time goes out once more, with
    the right one: that refusal comes before any work, so it has cost nothing.
    """

    def __init__(self, transport: Transport, clock: CorrectedClock) -> None:
        super().__init__(transport)
        self._clock = clock

    async def send(
        self, request: HttpRequest, announce: Callable[[], None] | None = None
    ) -> HttpResponse:
        before = self._clock.offset
        response = await self._send(request, announce)
        if abs(self._clock.offset - before) < NOTICEABLE or not refused_for_its_time(response):
            return response
        again = signed_anew(request, self._clock.wall())
        return response if again is None else await self._send(again, announce)

    async def _send(
        self, request: HttpRequest, announce: Callable[[], None] | None
    ) -> HttpResponse:
        sent = self._clock.local()
        response = await super().send(request, announce)
        self._clock.learn(server_time(response), sent)
        return response
