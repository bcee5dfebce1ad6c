"""Free questions to the service: carried in the session's group, tried again in trouble.

Balance, ledger, live catalogue, original files: nothing that costs, and nothing that polls.
Status calls are the poller's, for one ceiling holds for all of them.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Generic, Protocol, TypeVar

from attrs import define, evolve

from dreamina_async._core.backoff import backoff_after
from dreamina_async._core.profile import Caller
from dreamina_async._core.wire import HttpRequest, HttpResponse
from dreamina_async._runtime.decoding import decoded
from dreamina_async._runtime.jobs import Jobs
from dreamina_async._runtime.log import extras, log
from dreamina_async._runtime.pace import Pace
from dreamina_async._runtime.transport import Transport
from dreamina_async.errors import (
    DreaminaError,
    ProtocolError,
    RateLimited,
    ServiceUnavailable,
    SessionClosed,
    TransportError,
)
from dreamina_async.settings import RetryPolicy

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

Encode = Callable[[Caller, float], HttpRequest]


class Decode(Protocol[T_co]):
    """Makes of a reply what was asked for."""

    def __call__(self, response: HttpResponse, *, now: float) -> T_co:
        """Read it; `now` is wall time."""
        ...


@define(eq=False)
class _Question(Generic[T]):
    """One question, and who waits for its answer."""

    encode: Encode
    decode: Decode[T]
    attempts: int
    answer: "asyncio.Future[T]"
    job_id: str | None
    attempt: int = 0

    def fail(self, error: DreaminaError) -> None:
        """No answer; whoever has gone away need not hear why."""
        if not self.answer.done():
            # it speaks of no job: asking has cost nothing, whatever has become of the call
            self.answer.set_exception(evolve(error, charged="no"))


@define(eq=False)
class Questions:
    """Asks, each question in a task of the session's own."""

    jobs: Jobs
    transport: Transport
    caller: Caller
    policy: RetryPolicy
    pace: Pace
    spawn: Callable[..., None]
    """Start `function(*arguments)` in the session's group; raises if it is not open."""

    async def ask(
        self,
        encode: Encode,
        decode: Decode[T],
        attempts: int | None = None,
        job_id: str | None = None,
    ) -> T:
        """One answer.

        Args:
            encode: makes the request, anew for every attempt.
            decode: reads the reply.
            attempts: how often it is sent at most; None takes the policy's.
            job_id: the job that it is asked for, for the log.

        Raises:
            DreaminaError: there is none; or the session was closed before.
        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        most = self.policy.attempts if attempts is None else attempts
        self.spawn(self._carry, _Question(encode, decode, most, answer, job_id))
        try:
            return await answer
        finally:
            answer.cancel()  # nobody hears it any more; an interrupt alone would not say so

    async def _carry(self, question: _Question[T]) -> None:
        try:
            while not question.answer.done():
                await self._send(question)
        finally:
            question.fail(SessionClosed("the session was closed before the service answered"))

    async def _send(self, question: _Question[T]) -> None:
        question.attempt += 1
        if question.attempt == 1:
            self.pace.attempt(again=False)
        now = self.jobs.clock.wall()
        try:
            response = await self.transport.send(question.encode(self.caller, now))
            found = await decoded(response, partial(question.decode, now=now))
        except DreaminaError as error:
            if question.attempt >= question.attempts or not _passes(error):
                question.fail(error)
                return
            pause = backoff_after(error, "question", question.attempt, self.policy)
            about = extras(error, job_id=question.job_id, wait=pause)
            log.info("call failed, next one in %.1f s: %s", pause, error, extra=about)
        else:
            if not question.answer.done():
                question.answer.set_result(found)
            return
        await self.pace.before_retry(pause)


def _passes(error: DreaminaError) -> bool:
    """Trouble on the way, an empty body or one that is no JSON included (protocol notes 6.4)."""
    if isinstance(error, ProtocolError):
        return error.status in (None, 200)
    return isinstance(error, TransportError | RateLimited | ServiceUnavailable)
