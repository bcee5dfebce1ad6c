"""One worker of a fleet in this process, and the shard that it works on."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from attrs import define, field
from session_kit import retrying, session_for, settings

from dreamina_async import ImageRequest
from dreamina_async.emulator import Emulator
from dreamina_async.fleet import Account
from dreamina_async.fleet.engine import Engine
from dreamina_async.fleet.folder import Place, digest_of
from dreamina_async.fleet.lease import Fence, Lease
from dreamina_async.fleet.plan import plan
from dreamina_async.fleet.store import Database, Store
from dreamina_async.fleet.values import Claim, Ticket
from dreamina_async.fleet.worker import Worker


@define(eq=False)
class Queue(Engine):
    """Remembers what was put in."""

    tickets: dict[str, Ticket] = field(factory=dict[str, Ticket])

    async def enqueue(self, tickets: Iterable[Ticket]) -> None:
        self.tickets |= {one.id: one for one in tickets}

    async def withdraw(self, tickets: Iterable[str]) -> None:
        for one in tickets:
            self.tickets.pop(one, None)


@define(eq=False)
class Scene:
    store: Store
    folder: Path
    out: str
    emulator: Emulator
    run: str
    queue: Queue = field(factory=Queue)

    @property
    def ticket(self) -> Ticket:
        (ticket,) = self.store.shards.open()
        return ticket

    def claim(self) -> Claim:
        seat = self.store.seats.take("default", "test")
        assert seat is not None
        claim = self.store.shards.claim(self.ticket, seat)
        assert claim is not None
        return claim

    def died_after_marking(self, number: int) -> None:
        """An earlier worker may have sent these; then its place became free."""
        claim = self.claim()
        for one in self.store.items.of_shard(claim.ticket.shard)[:number]:
            assert self.store.items.admit(claim, one.submit_id, one.sends)
        self.store.seats.free_silent(-1)
        assert self.store.shards.move(claim.ticket)

    @asynccontextmanager
    async def worker(self, **rules: Any) -> AsyncIterator[Worker]:
        seat = self.store.seats.take("default", "test")
        assert seat is not None
        fence = Fence(Lease(self.store, seat, 3600))
        place = Place(self.out, self.folder / "state", seat)
        place.prepare()
        policy = settings(retrying=retrying(**rules))
        where = {"gate": fence, **place.session_folders()}
        async with session_for(self.emulator, self.folder, settings=policy, **where) as session:
            room = asyncio.Semaphore(4)
            yield Worker(self.store, self.queue, session, fence, place, room, lambda: None)
        self.store.seats.leave(seat)

    def open_again(self) -> None:
        with self.store.database.begin() as c:
            c.exec_driver_sql("UPDATE fleet_shards SET open = 1, attempt = attempt + 1")

    def states(self) -> list[str]:
        return [one.state.value for one in self.store.items.of_run(self.run)]


@asynccontextmanager
async def scene(
    folder: Path, *requests: ImageRequest, out: str | None = None
) -> AsyncIterator[Scene]:
    database = Database(f"sqlite:///{folder / 'fleet.db'}")
    store = Store(database)
    out = out or str(folder / "out")
    store.accounts.create(out, [Account(rate=1000)])
    planned = plan(requests, "default", store.accounts.facts()["salt"], digest_of)
    store.runs.add(planned, "test")
    async with Emulator(speed=600) as emulator:
        yield Scene(store, folder, out, emulator, planned.run)
    assert emulator.ledger.repeated() == {}
    database.close()


def asked(number: int) -> list[ImageRequest]:
    return [ImageRequest(f"row {row}", count=1) for row in range(number)]
