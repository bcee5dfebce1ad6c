"""Run: many requests in, their jobs out as they end."""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Self

from dreamina_async.errors import (
    AccountRestricted,
    AuthenticationError,
    DreaminaError,
    InsufficientCredit,
    SessionClosed,
    StorageError,
)
from dreamina_async.job import Job
from dreamina_async.models import Request, Submission

Requests = Iterable[Request | Submission] | AsyncIterable[Request | Submission]
Launch = Callable[[Submission | Request], Awaitable[Job]]
Spawn = Callable[..., None]

_STOPPING = (AuthenticationError, InsufficientCredit, AccountRestricted, StorageError)


class Run(AsyncIterator[Job]):
    """An async iterator of jobs in the order in which they end.

    Requests are drawn one at a time and only while fewer than `max_in_flight` jobs stand
    between their submit and your hands: a consumer that stops taking stops the spending.
    One job's failure is that job's; a refusal of the account (no credit, login lost) stops
    the drawing, lets what runs come home, and is raised at the end.
    """

    def __init__(
        self, requests: Requests, max_in_flight: int, launch: Launch, spawn: Spawn
    ) -> None:
        self._requests = requests
        self._launch = launch
        self._spawn = spawn
        self._room = asyncio.Semaphore(max_in_flight)
        self._ended: deque[Job] = deque()
        self._news = asyncio.Event()
        self._following = 0
        self._started = False
        self._drawing = False
        self._stopping = False
        self._failure: BaseException | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Job:
        if not self._started:
            self._started = self._drawing = True
            self._spawn(self._draw)
        while not self._ended:
            if not self._drawing and not self._following:
                self._raise_failure()
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        self._room.release()
        return self._ended.popleft()

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def stop(self) -> None:
        """Draw no more requests; what is in flight still comes."""
        self._stopping = True
        self._room.release()

    async def aclose(self) -> None:
        """Draw no more, and hand out no more. The jobs in flight stay with the session."""
        self.stop()
        self._drawing = False
        self._following = 0
        self._ended.clear()
        self._news.set()

    async def _draw(self) -> None:
        try:
            source = _iterate(self._requests)
            while not self._stopping:
                await self._room.acquire()
                if self._is_stopping():
                    return
                try:
                    one = await anext(source)
                except StopAsyncIteration:
                    return
                self._following += 1
                self._spawn(self._follow, one)
        except Exception as error:  # noqa: BLE001 - the caller's own iterator; raised to him
            self._failure = self._failure or error
        finally:
            self._drawing = False
            self._news.set()

    def _is_stopping(self) -> bool:
        return self._stopping

    async def _follow(self, one: Request | Submission) -> None:
        job: Job | None = None
        try:
            job = await self._launch(one)
            await job.until_over()
        except DreaminaError as error:
            self._fail(error)
        finally:
            self._following -= 1
            if job is not None and job.done():
                self._note(job)
            self._news.set()

    def _note(self, job: Job) -> None:
        self._ended.append(job)
        if isinstance(job.error, _STOPPING):
            self._fail(job.error)

    def _fail(self, error: DreaminaError) -> None:
        if self._failure is None and not isinstance(error, SessionClosed):
            self._failure = error
        self.stop()


async def _iterate(requests: Requests) -> AsyncIterator[Request | Submission]:
    if isinstance(requests, AsyncIterable):
        async for one in requests:
            yield one
    else:
        for one in requests:
            yield one
