"""Runs: what was enqueued, and how it stands over all workers."""

import json
from collections import Counter
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from dreamina_async import (
    InvalidRequest,
    request_to_dict,
)
from dreamina_async.fleet.plan import Plan
from dreamina_async.fleet.store import tables as t
from dreamina_async.fleet.store.database import Database
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

    def add(self, plan: Plan, name: str) -> bool:
        """Write a run down; False if it stands there already."""
        with self.database.begin() as c:
            if c.execute(sa.select(t.runs.c.run).where(t.runs.c.run == plan.run)).first():
                return False
            now = self.database.now(c)
            run = {"run": plan.run, "account": plan.account, "name": name}
            c.execute(sa.insert(t.runs).values(**run, rows=len(plan.items), created_at=now))
            common = {"run": plan.run, "account": plan.account}
            c.execute(sa.insert(t.shards), [{"shard": one, **common} for one in plan.shards()])
            c.execute(sa.insert(t.items), [_new_item(plan.run, one, now) for one in plan.items])
        return True

    def reopen(self, run: str) -> list[Ticket]:
        """Open a run's shards again that have prompts held, for another look at them."""
        held = sa.select(t.items.c.shard).where(
            t.items.c.run == run, t.items.c.state == ItemState.HELD.value
        )
        which = sa.and_(t.shards.c.run == run, ~t.shards.c.open, t.shards.c.shard.in_(held))
        with self.database.begin() as c:
            rows = c.execute(sa.select(t.shards).where(which).with_for_update()).mappings().all()
            c.execute(
                sa.update(t.shards).where(which).values(open=True, attempt=t.shards.c.attempt + 1)
            )
        return [Ticket(row["account"], row["shard"], row["attempt"] + 1) for row in rows]

    def find(self, name: str) -> str:
        """A run's id, from the id, its beginning, or the name it was enqueued under.

        Raises:
            InvalidRequest: there is none, or more than one.
        """
        with self.database.begin() as c:
            rows = c.execute(sa.select(t.runs.c.run, t.runs.c.name)).all()
        found = [run for run, known in rows if run == name or known == name]
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
            counts = c.execute(
                sa.select(t.items.c.run, t.items.c.state, sa.func.count()).group_by(
                    t.items.c.run, t.items.c.state
                )
            ).all()
            shards_open = sa.select(t.shards.c.run).where(t.shards.c.open)
            still = Counter(c.execute(shards_open).scalars())
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
                still[row["run"]],
            )
            for row in rows
        ]

    def progress(self, run: str | None = None) -> Progress:
        """How the prompts of one run stand, or of all."""
        which = sa.true() if run is None else t.items.c.run == run
        by_state = sa.select(t.items.c.state, sa.func.count(), sa.func.sum(t.items.c.bytes))
        with self.database.begin() as c:
            rows = c.execute(by_state.where(which).group_by(t.items.c.state)).all()
            looks = c.execute(sa.select(sa.func.sum(t.accounts.c.looks))).scalar()
        items = {ItemState(state): count for state, count, _ in rows}
        return Progress(items, sum(int(size or 0) for _, _, size in rows), int(looks or 0))


def _new_item(run: str, item: Any, now: float) -> dict[str, Any]:
    return {
        "submit_id": item.submit_id,
        "run": run,
        "row": item.row,
        "shard": item.shard,
        "request": json.dumps(request_to_dict(item.request), ensure_ascii=False),
        "state": ItemState.PLANNED.value,
        "changed_at": now,
    }
