"""One worker: a seat, a session, and the shards that the engine hands it."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from attrs import define, field

from dreamina_async import (
    AccountRestricted,
    AuthenticationError,
    DreaminaError,
    DreaminaSession,
    InsufficientCredit,
    InvalidRequest,
    Job,
    JobState,
    LeaseLost,
    StorageError,
)
from dreamina_async.fleet.engine import Engine
from dreamina_async.fleet.folder import Place
from dreamina_async.fleet.lease import Fence
from dreamina_async.fleet.reaper import move
from dreamina_async.fleet.store import Store
from dreamina_async.fleet.values import Claim, ItemState, Standing, Ticket

T = TypeVar("T")

_ENDS_THE_WORK = (AuthenticationError, InsufficientCredit, AccountRestricted, StorageError)

# what may have cost goes first; what is new comes last
_ORDER = [ItemState.ACCEPTED, ItemState.SENDING, ItemState.HELD, ItemState.PLANNED]

_GRACE = 10.0
"""Seconds that a request on its way is waited for when the worker stops."""


class Stopped(Exception):
    """The worker stops; what waits here is left to others."""


@define(eq=False)
class Worker:
    """Performs tickets in one session, until it is told to stop."""

    store: Store
    engine: Engine
    session: DreaminaSession
    fence: Fence
    place: Place
    room: asyncio.Semaphore
    on_idle: Callable[[], None]
    """Called when a shard has ended, or this worker cannot go on."""
    failure: Exception | None = None
    """What ends this worker's work."""
    _stop: asyncio.Event = field(factory=asyncio.Event)
    _performing: set[asyncio.Task[Any]] = field(factory=set[asyncio.Task[Any]])

    async def perform(self, ticket: Ticket) -> None:
        """All prompts of a shard, or as many as there is time for; then the ticket is used up."""
        task = asyncio.current_task()
        assert task is not None
        self._performing.add(task)
        try:
            await self._perform(ticket)
        except Exception as error:  # noqa: BLE001 - the engine would write it down; `work` raises it
            self._fail(error)
        finally:
            self._performing.discard(task)
            self.on_idle()

    async def _perform(self, ticket: Ticket) -> None:
        claim = None
        if not self._stop.is_set():
            claim = await asyncio.to_thread(self.store.shards.claim, ticket, self.fence.lease.seat)
        if claim is not None:
            await self._shard(claim)
        if self._stop.is_set() and self.fence.lease.holds:
            await move(self.store, self.engine, ticket)

    async def stop(self) -> None:
        """Send nothing more, and hand the shards back."""
        self.fence.stopping = True
        self._stop.set()
        while self._performing:
            await asyncio.wait(tuple(self._performing))

    def _fail(self, error: Exception) -> None:
        self.failure = self.failure or error
        self.on_idle()

    # ---- a shard -----------------------------------------------------------------------

    async def _shard(self, claim: Claim) -> None:
        items = await asyncio.to_thread(self.store.items.of_shard, claim.ticket.shard)
        work = [self._item(claim, one) for one in sorted(items, key=_turn) if self._is_open(one)]
        outcomes = await asyncio.gather(*work, return_exceptions=True)
        bugs = [one for one in outcomes if isinstance(one, Exception)]
        if bugs:
            raise bugs[0]
        await asyncio.to_thread(self.store.shards.close, claim)

    def _is_open(self, item: Standing) -> bool:
        if item.state is ItemState.DONE and item.result is not None:
            return not self.place.holds(json.loads(item.result)["media"])
        return item.state is not ItemState.FAILED

    async def _item(self, claim: Claim, item: Standing) -> None:
        """One prompt, from wherever it stands to its end."""
        async with self.room:
            if self._stop.is_set() or self.failure is not None:
                return
            self.fence.expect(claim, item.submit_id, item.sends)
            try:
                await self._bring_home(item)
            except Stopped:
                return
            except DreaminaError as error:
                await self._ended(claim, item, error)

    async def _bring_home(self, item: Standing) -> None:
        job = await self._or_stop(self._started(item), item)
        await asyncio.to_thread(self.store.items.accepted, item.submit_id, job.history_id)
        result = await self._or_stop(job.result(), item)
        told = await asyncio.to_thread(self.place.publish, result)
        await asyncio.to_thread(self.store.items.done, item.submit_id, result.history_id, told)

    async def _started(self, item: Standing) -> Job:
        """The job: new, looked for, or known to be at the service."""
        match item.state:
            case ItemState.PLANNED:
                return await self.session.submit(item.request, submit_id=item.submit_id)
            case ItemState.SENDING | ItemState.HELD if item.history_id is None:
                return await self.session.submit(
                    item.request, submit_id=item.submit_id, perhaps_sent=True
                )
            case _:
                return self.session.attach(
                    submit_id=item.submit_id, history_id=item.history_id, request=item.request
                )

    async def _ended(self, claim: Claim, item: Standing, error: DreaminaError) -> None:
        """Write down what became of it; a job of which nothing can be said stays as it stands."""
        try:
            state = _state_after(item, await self.session.find(item.submit_id), error)
        except StorageError as unreadable:
            self._fail(unreadable)
            return
        leaves_it = isinstance(error, (LeaseLost, *_ENDS_THE_WORK))
        if not isinstance(error, LeaseLost) and (leaves_it or state is ItemState.PLANNED):
            self._fail(error)
        if leaves_it and state is not ItemState.PLANNED:
            return  # it is this worker that ends, not the job: the next one goes on with it
        told = {"error": type(error).__name__, "message": str(error), "charged": error.charged}
        await asyncio.to_thread(self.store.items.ended, claim, item.submit_id, state, told)

    async def _or_stop(self, work: Coroutine[Any, Any, T], item: Standing) -> T:
        """Await it; or, when the worker stops, leave it to whoever has the shard next.

        Raises:
            Stopped: the worker stops.
        """
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done() and await self._is_leaving(item):
                await asyncio.wait({task}, timeout=_GRACE)
            if task.done():
                return task.result()
            raise Stopped
        finally:
            stop.cancel()
            task.cancel()

    async def _is_leaving(self, item: Standing) -> bool:
        """Whether its request is on its way: then the answer is worth a moment's wait."""
        job = await self.session.find(item.submit_id)
        is_new = item.state is ItemState.PLANNED
        return is_new and job is not None and job.state is JobState.INTENT


def _turn(item: Standing) -> tuple[int, int]:
    place = _ORDER.index(item.state) if item.state in _ORDER else 0
    return place, item.row


def _state_after(item: Standing, job: Job | None, error: DreaminaError) -> ItemState:
    """What has become of a job that ended without a result.

    Only a worker that began with a job that nobody had sent can know that it is still unsent.
    """
    is_new = item.state is ItemState.PLANNED
    if is_new and (job is None or job.state is JobState.PLANNED):
        refused = isinstance(error, InvalidRequest)
        return ItemState.FAILED if refused else ItemState.PLANNED
    if job is not None and job.state in (JobState.FAILED, JobState.ABANDONED):
        return ItemState.FAILED
    return ItemState.HELD
