"""Runs: what was enqueued, and how it stands over all workers."""

import json
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from dreamina_async import (
    InvalidRequest,
    request_to_dict,
)
from dreamina_async.fleet.plan import Item, Plan
from dreamina_async.fleet.store import tables as t
from dreamina_async.fleet.store.database import Database
from dreamina_async.fleet.store.shards import shards_of
from dreamina_async.fleet.values import (
    ItemState,
    Progress,
    RunStatus,
    Ticket,
)


@frozen(eq=False)
class Runs:
    """Runs and their prompts. Every call may raise StorageError."""

    database: Database

    def add(self, plan: Plan, name: str) -> int | None:
        """Write a run down.

        Returns:
            How many of its prompts no earlier run has asked for; None if it stands there already.
        """
        with self.database.begin() as c:
            c.execute(sa.select(t.facts).with_for_update())  # one at a time: runs may overlap
            if c.execute(sa.select(t.runs.c.run).where(t.runs.c.run == plan.run)).first():
                return None
            now = self.database.now(c)
            run = {"run": plan.run, "account": plan.account}
            rows = len(plan.items)
            c.execute(sa.insert(t.runs).values(**run, name=name, rows=rows, created_at=now))
            asked = [
                {"run": plan.run, "row": one.row, "submit_id": one.submit_id} for one in plan.items
            ]
            c.execute(sa.insert(t.rows), asked)
            found = sa.select(t.items.c.submit_id).select_from(t.asked)
            known = set(c.execute(found.where(t.rows.c.run == plan.run)).scalars())
            new = [one for one in plan.items if one.submit_id not in known]
            items = [_new_item(one, plan.shard_of(place), now) for place, one in enumerate(new)]
            if items:
                shards = dict.fromkeys(one["shard"] for one in items)
                c.execute(sa.insert(t.shards), [{"shard": one, **run} for one in shards])
                c.execute(sa.insert(t.items), items)
            return len(new)

    def reopen(self, run: str) -> list[Ticket]:
        """Open shards again that have prompts of a run held, for another look at them."""
        held = shards_of(run).where(t.items.c.state == ItemState.HELD.value)
        which = sa.and_(~t.shards.c.open, t.shards.c.shard.in_(held))
        with self.database.begin() as c:
            rows = c.execute(sa.select(t.shards).where(which).with_for_update()).mappings().all()
            c.execute(
                sa.update(t.shards).where(which).values(open=True, attempt=t.shards.c.attempt + 1)
            )
        return [Ticket(row["account"], row["shard"], row["attempt"] + 1) for row in rows]

    def find(self, name: str) -> str:
        """A run's id, from the id, its beginning, or the latest one enqueued under a name.

        Raises:
            InvalidRequest: there is none, or more than one.
        """
        with self.database.begin() as c:
            by_age = sa.select(t.runs.c.run, t.runs.c.name).order_by(t.runs.c.created_at)
            rows = c.execute(by_age).all()
        found = [run for run, known in rows if run == name or known == name][-1:]
        found = found or [run for run, _ in rows if name and run.startswith(name)]
        if len(found) == 1:
            return str(found[0])
        how_many = f"{len(found)} runs are" if found else "no run is"
        raise InvalidRequest(
            f"{how_many} called {name!r}; `dreamina-async fleet status` lists them", field="run"
        )

    def statuses(self) -> list[RunStatus]:
        """Every run, oldest first."""
        with self.database.begin() as c:
            rows = c.execute(sa.select(t.runs).order_by(t.runs.c.created_at)).mappings().all()
            by_state = t.rows.c.run, t.items.c.state
            counted = sa.select(*by_state, sa.func.count()).select_from(t.asked)
            counts = c.execute(counted.group_by(*by_state)).all()
            shards = sa.select(t.rows.c.run, sa.func.count(t.shards.c.shard.distinct()))
            in_shards = t.asked.join(t.shards, t.shards.c.shard == t.items.c.shard)
            opened = shards.select_from(in_shards).where(t.shards.c.open).group_by(t.rows.c.run)
            still = {run: int(count) for run, count in c.execute(opened)}
        items: dict[str, dict[ItemState, int]] = {}
        for run, state, count in counts:
            items.setdefault(run, {})[ItemState(state)] = count
        return [
            RunStatus(
                row["run"],
                row["name"],
                row["account"],
                row["rows"],
                items.get(row["run"], {}),
                still.get(row["run"], 0),
            )
            for row in rows
        ]

    def progress(self, run: str | None = None) -> Progress:
        """How the prompts of one run stand, or of all."""
        columns = t.items.c.state, sa.func.count(), sa.func.sum(t.items.c.bytes)
        found = sa.select(*columns).select_from(t.items)
        if run is not None:
            found = sa.select(*columns).select_from(t.asked).where(t.rows.c.run == run)
        with self.database.begin() as c:
            rows = c.execute(found.group_by(t.items.c.state)).all()
            looks = c.execute(sa.select(sa.func.sum(t.accounts.c.looks))).scalar()
        items = {ItemState(state): count for state, count, _ in rows}
        return Progress(items, sum(int(size or 0) for _, _, size in rows), int(looks or 0))


def _new_item(item: Item, shard: str, now: float) -> dict[str, Any]:
    return {
        "submit_id": item.submit_id,
        "row": item.row,
        "shard": shard,
        "request": json.dumps(request_to_dict(item.request), ensure_ascii=False),
        "state": ItemState.PLANNED.value,
        "changed_at": now,
    }
