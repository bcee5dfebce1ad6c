"""A worker's post: its place among those of its account, and how long it stays there."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from attrs import evolve, frozen

from dreamina_async import DreaminaSession, LeaseLost, Settings
from dreamina_async.fleet.engine import Engine
from dreamina_async.fleet.folder import Place
from dreamina_async.fleet.lease import Fence, Lease
from dreamina_async.fleet.reaper import reap
from dreamina_async.fleet.store import Store
from dreamina_async.fleet.values import Account, Seat
from dreamina_async.fleet.worker import Worker

_LOOK = 1.0
"""Seconds between two looks at whether there is anything left to do, or a seat to take."""

_SILENT = "nothing was heard of this worker for too long: others go on"


@frozen(kw_only=True, eq=False)
class Post:
    """Work for one account.

    Attributes:
        account: whose, and what it allows.
        lease: seconds of silence after which a worker counts as dead.
        stay: wait for more when there is nothing left.
        notify: told what a person may want to know.
    """

    store: Store
    engine: Engine
    account: Account
    lease: float
    stay: bool
    notify: Callable[[str], None]

    @asynccontextmanager
    async def taken(self) -> AsyncGenerator[Lease, None]:
        """A seat of our own; waits for one."""
        seat = await self._free_seat()
        held = Lease(self.store, seat, self.lease)
        keeping = asyncio.create_task(held.keep())
        try:
            self.notify(f"works as {seat.executor}")
            yield held
        finally:
            keeping.cancel()
            await asyncio.to_thread(self.store.seats.leave, seat)

    async def _free_seat(self) -> Seat:
        label, holder = self.account.label, f"{socket.gethostname()}:{os.getpid()}"
        told = False
        while True:
            await asyncio.to_thread(self.store.seats.free_silent, self.lease)
            seat = await asyncio.to_thread(self.store.seats.take, label, holder)
            if seat is not None:
                return seat
            if not told:
                self.notify(f"all places of account {label!r} are taken; waits for a free one")
                told = True
            await asyncio.sleep(_LOOK)

    async def work(self, session: DreaminaSession, fence: Fence, place: Place) -> None:
        """Take shards and do them, until there is nothing left.

        Raises:
            LeaseLost: the seat is gone.
            DreaminaError: why this worker cannot go on.
        """
        idle = asyncio.Event()
        room = asyncio.Semaphore(self.account.share)
        worker = Worker(self.store, self.engine, session, fence, place, room, idle.set)
        seat = fence.lease.seat
        async with self.engine.work(seat.account, seat.executor, worker.perform):
            try:
                await self._until_over(worker, fence.lease, idle)
            finally:
                await worker.stop()

    async def _until_over(self, worker: Worker, lease: Lease, idle: asyncio.Event) -> None:
        reaped_at = float("-inf")
        while worker.failure is None and lease.holds:
            if time.monotonic() - reaped_at > self.lease / 4:
                reaped_at = time.monotonic()
                await reap(self.store, self.engine, self.lease)
            if not self.stay and not await asyncio.to_thread(self._has_work):
                return
            idle.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(idle.wait(), _LOOK)
        # whoever has its seat has removed its folder, too: that is no trouble of the disk's
        failure = worker.failure
        if failure is None or not await asyncio.to_thread(self.store.seats.beat, lease.seat):
            raise LeaseLost(_SILENT, "no") from failure
        raise failure

    def _has_work(self) -> bool:
        return any(one.account == self.account.label for one in self.store.shards.open())


def shared(settings: Settings, account: Account) -> Settings:
    """One worker's share of what the account may do; status calls share their places instead."""
    return evolve(
        settings,
        polling=evolve(settings.polling, rate=account.rate, burst=1),
        submits=max(1, settings.submits // account.workers),
        max_in_flight=account.share,
    )
