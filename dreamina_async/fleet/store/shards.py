"""Shards: which ticket of each counts, and in whose hands it is."""

from typing import Any

import sqlalchemy as sa
from attrs import frozen

from dreamina_async.fleet.store import tables as t
from dreamina_async.fleet.store.database import Database
from dreamina_async.fleet.store.seats import holds_seat
from dreamina_async.fleet.values import Claim, ItemState, Seat, Ticket


@frozen(eq=False)
class Shards:
    """The parts of runs. Every call may raise StorageError."""

    database: Database

    def open(self, run: str | None = None) -> list[Ticket]:
        """The ticket that counts of every shard that is not done; all that a run needs, or all."""
        found = sa.select(t.shards).where(t.shards.c.open)
        if run is not None:
            found = found.where(t.shards.c.shard.in_(shards_of(run)))
        with self.database.begin() as c:
            rows = c.execute(found).mappings()
            return [Ticket(row["account"], row["shard"], row["attempt"]) for row in rows]

    def move(self, ticket: Ticket) -> Ticket | None:
        """Take a shard from whoever has it; None if somebody was quicker, or it is done.

        Whoever held it can mark nothing of it from here on.
        """
        with self.database.begin() as c:
            moved = c.execute(
                sa.update(t.shards)
                .where(*_this(ticket))
                .values(attempt=ticket.attempt + 1, epoch=t.shards.c.epoch + 1, seat=None)
            )
        return Ticket(ticket.account, ticket.shard, ticket.attempt + 1) if moved.rowcount else None

    def claim(self, ticket: Ticket, seat: Seat) -> Claim | None:
        """Take a shard; None if the ticket or the seat no longer counts."""
        with self.database.begin() as c:
            if not holds_seat(c, seat):
                return None
            epoch = c.execute(
                sa.update(t.shards)
                .where(*_this(ticket))
                .values(epoch=t.shards.c.epoch + 1, seat=seat.number)
                .returning(t.shards.c.epoch)
            ).scalar()
        return None if epoch is None else Claim(ticket, epoch, seat)

    def close(self, claim: Claim) -> bool:
        """Done, if all its prompts are over and the claim still counts."""
        over = [state.value for state in ItemState if state.over]
        left = sa.select(t.items.c.submit_id).where(
            t.items.c.shard == claim.ticket.shard, t.items.c.state.not_in(over)
        )
        with self.database.begin() as c:
            mine = sa.update(t.shards).where(*_claimed(claim), ~left.exists())
            return bool(c.execute(mine.values(open=False, seat=None)).rowcount)


def shards_of(run: str) -> sa.Select[Any]:
    """The shards in which a run's prompts are, whichever run was the first to ask for them."""
    return sa.select(t.items.c.shard).select_from(t.asked).where(t.rows.c.run == run)


def holds_shard(c: sa.Connection, claim: Claim) -> bool:
    """Whether the claim counts; it goes on to, until this transaction has ended."""
    mine = sa.select(t.shards.c.shard).where(*_claimed(claim))
    return c.execute(mine.with_for_update(read=True)).first() is not None


def _this(ticket: Ticket) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        t.shards.c.shard == ticket.shard,
        t.shards.c.attempt == ticket.attempt,
        t.shards.c.open,
    )


def _claimed(claim: Claim) -> tuple[sa.ColumnElement[bool], ...]:
    return t.shards.c.shard == claim.ticket.shard, t.shards.c.epoch == claim.epoch
