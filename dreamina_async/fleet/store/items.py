"""Prompts, and the marks without which nothing leaves."""

import json
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from dreamina_async import (
    request_from_dict,
)
from dreamina_async.fleet.store import tables as t
from dreamina_async.fleet.store.database import Database
from dreamina_async.fleet.store.seats import holds_seat
from dreamina_async.fleet.store.shards import holds_shard
from dreamina_async.fleet.values import (
    Claim,
    ItemState,
    Standing,
)


@frozen(eq=False)
class Items:
    """The prompts of shards. Every call may raise StorageError."""

    database: Database

    def of_run(self, run: str) -> list[Standing]:
        """All prompts of a run, in order."""
        columns = [one for one in t.items.c if one.name != "row"]
        found = sa.select(*columns, t.rows.c.row).select_from(t.asked).where(t.rows.c.run == run)
        return self._standings(found.order_by(t.rows.c.row))

    def of_shard(self, shard: str) -> list[Standing]:
        """All prompts of a shard, in order."""
        found = sa.select(t.items).where(t.items.c.shard == shard)
        return self._standings(found.order_by(t.items.c.row))

    def _standings(self, found: sa.Executable) -> list[Standing]:
        with self.database.begin() as c:
            return [_standing(row) for row in c.execute(found).mappings()]

    def admit(self, claim: Claim, submit_id: str, sends: int) -> bool:
        """Mark that a request is about to leave; False if this worker must not send it.

        Args:
            claim: by which the worker has the shard.
            submit_id: the job's.
            sends: how often it may have left before, as far as this worker knows.
        """
        sendable = (ItemState.PLANNED.value, ItemState.SENDING.value, ItemState.HELD.value)
        with self.database.begin() as c:
            if not (holds_seat(c, claim.seat) and holds_shard(c, claim)):
                return False
            marked = c.execute(
                sa.update(t.items)
                .where(
                    t.items.c.submit_id == submit_id,
                    t.items.c.sends == sends,
                    t.items.c.state.in_(sendable),
                    t.items.c.history_id.is_(None),
                )
                .values(
                    state=ItemState.SENDING.value, sends=sends + 1, changed_at=self.database.now(c)
                )
            )
            return bool(marked.rowcount)

    def accepted(self, submit_id: str, history_id: str | None) -> None:
        """The service has it: a fact, whoever brings it; a shard that closed without it opens."""
        doubtful = [ItemState.SENDING.value, ItemState.HELD.value]
        values = {"state": ItemState.ACCEPTED.value, "history_id": history_id, "error": None}
        with self.database.begin() as c:
            shard = c.execute(
                sa.update(t.items)
                .where(t.items.c.submit_id == submit_id, t.items.c.state.in_(doubtful))
                .values(**values, changed_at=self.database.now(c))
                .returning(t.items.c.shard)
            ).scalar()
            closed = sa.and_(t.shards.c.shard == shard, ~t.shards.c.open)
            c.execute(sa.update(t.shards).where(closed).values(open=True))

    def done(self, submit_id: str, history_id: str | None, result: dict[str, Any]) -> None:
        """Its files stand where they belong: a fact, whoever brings it."""
        size = sum(one["size"] for one in result["media"])
        values = {"state": ItemState.DONE.value, "result": json.dumps(result), "bytes": size}
        with self.database.begin() as c:
            c.execute(
                sa.update(t.items)
                .where(t.items.c.submit_id == submit_id)
                .values(
                    **values, error=None, history_id=history_id, changed_at=self.database.now(c)
                )
            )

    def ended(self, claim: Claim, submit_id: str, state: ItemState, error: dict[str, Any]) -> None:
        """What the holder of a claim judges: it failed, is held, or was certainly not sent."""
        with self.database.begin() as c:
            if holds_shard(c, claim):
                c.execute(
                    sa.update(t.items)
                    .where(
                        t.items.c.submit_id == submit_id, t.items.c.state != ItemState.DONE.value
                    )
                    .values(
                        state=state.value,
                        error=json.dumps(error),
                        changed_at=self.database.now(c),
                    )
                )


def _standing(row: sa.RowMapping) -> Standing:
    return Standing(
        row["submit_id"],
        row["row"],
        request_from_dict(json.loads(row["request"])),
        ItemState(row["state"]),
        row["sends"],
        row["history_id"],
        row["error"],
        row["result"],
    )
