"""Takes work away from the dead, by the engine's public calls alone.

Any worker does it now and then, and doing it twice does no harm: a shard's ticket changes hands
by its number in the store, and only one of two wins.
"""

import asyncio

from attrs import frozen

from dreamina_async.fleet.engine import Engine
from dreamina_async.fleet.store import Store
from dreamina_async.fleet.values import Ticket


@frozen
class Reaped:
    """What one look has found.

    Attributes:
        seats: those whose holders were silent for too long, and whose they were.
        shards: how many were put back into the queue.
    """

    seats: tuple[str, ...]
    shards: int


async def reap(store: Store, engine: Engine, lease: float) -> Reaped:
    """Free the seats of workers that are silent, and hand their shards to others.

    A shard without any ticket in the engine, as one is left by a worker that dies while it moves
    it, gets a new one too.
    """
    seats = await asyncio.to_thread(store.seats.free_silent, lease)
    tickets = await asyncio.to_thread(store.shards.open)
    if not tickets:
        return Reaped(tuple(seats), 0)
    known = {one.id: one.executor for one in await engine.status()}
    alive = await asyncio.to_thread(store.seats.held)
    stranded = [one for one in tickets if not _cared_for(one, known, alive)]
    moved = [await move(store, engine, one) for one in stranded]
    return Reaped(tuple(seats), sum(moved))


def _cared_for(ticket: Ticket, known: dict[str, str | None], alive: set[str]) -> bool:
    """Waiting in the queue, or in the hands of somebody who lives."""
    if ticket.id not in known:
        return False
    executor = known[ticket.id]
    return executor is None or executor in alive


async def move(store: Store, engine: Engine, ticket: Ticket) -> bool:
    """Put a shard back into the queue under its next ticket; False if somebody was quicker."""
    following = await asyncio.to_thread(store.shards.move, ticket)
    if following is None:
        return False
    await engine.withdraw([ticket.id])
    await engine.enqueue([following])
    return True
