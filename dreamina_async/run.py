"""Run: many requests in, their jobs out as they end."""

import asyncio
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
)
from contextlib import aclosing
from typing import Self

import anyio
from attrs import define, field

from dreamina_async._runtime.home import Home
from dreamina_async.errors import (
    AccountRestricted,
    AuthenticationError,
    BudgetReached,
    DreaminaError,
    InsufficientCredit,
    InvalidRequest,
    StorageError,
)
from dreamina_async.job import Job
from dreamina_async.quotes import quote
from dreamina_async.requests import Request, Submission

Requests = Iterable[Request | Submission] | AsyncIterable[Request | Submission]
Spawn = Callable[..., None]

_STOPPING = (AuthenticationError, InsufficientCredit, AccountRestricted, StorageError)


@define
class Budget:
    """What a run may still spend. A job counts until it is known to have cost nothing."""

    limit: int | None
    spent: int = 0
    _prices: dict[str, int] = field(factory=dict[str, int])
    """Of the jobs on their way: each may still give its price back."""
    _settled: asyncio.Event = field(factory=asyncio.Event)

    def take(self, job_id: str, request: Request) -> None:
        """Put a job's price aside before it is sent.

        Raises:
            BudgetReached: there is not enough left for it.
            InvalidRequest: nobody knows its price.
        """
        if self.limit is None or job_id in self._prices:
            return
        (price,) = quote([request]).prices
        if price is None:
            raise InvalidRequest(
                f"no price is known for this use of {request.model}, so max_credits cannot be "
                "kept; leave it out, or take another model",
                field="max_credits",
            )
        if self.spent + price > self.limit:
            raise BudgetReached(
                f"the next job would cost about {price} and pass max_credits {self.limit}; about "
                f"{self.spent} are spent, and nothing more was submitted",
                limit=self.limit,
                spent=self.spent,
            )
        self._prices[job_id] = price
        self.spent += price

    def settle(self, job: Job) -> None:
        """A job has ended: one that was turned away gives its price back."""
        price = self._prices.pop(job.job_id, 0)
        if job.error is not None and job.error.charged == "no":
            self.spent -= price
        self._settled.set()

    async def more(self) -> bool:
        """Wait until a job on its way has ended; False if none is, and so no more will be left."""
        if not self._prices:
            return False
        self._settled.clear()
        await self._settled.wait()
        return True


Launch = Callable[[Submission | Request, Budget], Awaitable[Job]]


class Run(AsyncIterator[Job]):
    """An async iterator of jobs in the order in which they end.

    Requests are drawn one at a time and only while fewer than `max_in_flight` jobs stand
    between their submit and your hands: a consumer that stops taking stops the spending.
    One job's failure is that job's; a refusal of the account (no credit, login lost) stops
    the drawing, lets what runs come home, and is raised at the end. When the session ends
    before the run has, that is raised too, and so is the end of its budget.
    """

    def __init__(
        self,
        requests: Requests,
        max_in_flight: int,
        launch: Launch,
        spawn: Spawn,
        budget: Budget,
        home: Home,
    ) -> None:
        self._requests = requests
        self._launch = launch
        self._spawn = spawn
        self._budget = budget
        self._home = home
        self._room = asyncio.Semaphore(max_in_flight)
        self._ended: deque[Job] = deque()
        self._news = asyncio.Event()
        self._following = 0
        self._started = False
        self._drawing = False
        self._draw_scope = anyio.CancelScope()
        self._stopping = False
        self._closed = False
        self._failure: BaseException | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Job:
        self._home.check()
        if not self._started:
            self._spawn(self._draw)
            self._started = self._drawing = True
        while not self._ended:
            if self._closed or not (self._drawing or self._following):
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
        self._draw_scope.cancel()

    async def aclose(self) -> None:
        """Draw no more, and hand out no more. The jobs in flight stay with the session."""
        self.stop()
        self._closed, self._failure = True, None
        self._ended.clear()
        self._news.set()

    def end(self, error: DreaminaError) -> None:
        """The session has ended; what had come is still handed out."""
        if self._drawing or self._following:
            self._failure = self._failure or error
        self._drawing, self._following = False, 0
        self._news.set()

    # Neither of the two tasks cleans up when it is cancelled: then the session ends, and
    # `end` has the last word. A consumer must not take its own run for finished before.

    async def _draw(self) -> None:
        try:
            with self._draw_scope:
                await self._draw_all()
        except Exception as error:  # noqa: BLE001 - the caller's own iterator; raised to him
            self._failure = self._failure or error
        self._drawing = False
        self._news.set()

    async def _draw_all(self) -> None:
        async with aclosing(_iterate(self._requests)) as source:
            while True:
                await self._room.acquire()
                if self._is_stopping():
                    return
                try:
                    one = await anext(source)
                except StopAsyncIteration:
                    return
                if self._is_stopping():  # while the caller's iterator thought about it
                    return
                self._following += 1
                self._spawn(self._follow, one)

    def _is_stopping(self) -> bool:
        return self._stopping

    async def _follow(self, one: Request | Submission) -> None:
        job: Job | None = None
        try:
            job = await self._launch(one, self._budget)
            await job.until_over()
            self._budget.settle(job)
        except DreaminaError as error:
            self._fail(error)
        self._following -= 1
        if job is not None and not self._closed:
            self._note(job)
        self._news.set()

    def _note(self, job: Job) -> None:
        self._ended.append(job)
        if isinstance(job.error, _STOPPING):
            self._fail(job.error)

    def _fail(self, error: DreaminaError) -> None:
        self._failure = self._failure or error
        self.stop()


async def _iterate(requests: Requests) -> AsyncGenerator[Request | Submission, None]:
    if isinstance(requests, AsyncIterable):
        async for one in requests:
            yield one
    else:
        for one in requests:
            yield one
