"""The fleet's tables. They stand beside the engine's own, which nobody here looks into."""

from typing import Any

import sqlalchemy as sa

VERSION = "1"
"""Of these tables; a fleet of a newer version is refused."""

metadata: sa.MetaData = sa.MetaData()

facts: "sa.Table[Any]" = sa.Table(
    "fleet_facts",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

# `mark` tells another account's login under the same label; `next_look`: when the account's
# next status call may leave; `looks`: how many have.
accounts: "sa.Table[Any]" = sa.Table(
    "fleet_accounts",
    metadata,
    sa.Column("label", sa.Text, primary_key=True),
    sa.Column("workers", sa.Integer, nullable=False),
    sa.Column("in_flight", sa.Integer, nullable=False),
    sa.Column("rate", sa.Float(53), nullable=False),
    sa.Column("mark", sa.Text),
    sa.Column("next_look", sa.Float(53), nullable=False, default=0.0),
    sa.Column("looks", sa.Integer, nullable=False, default=0),
)

# A worker's place. `epoch` grows with every change of hands: what an earlier holder does no
# longer counts.
seats: "sa.Table[Any]" = sa.Table(
    "fleet_seats",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("epoch", sa.Integer, nullable=False, default=0),
    sa.Column("holder", sa.Text),
    sa.Column("beat_at", sa.Float(53), nullable=False, default=0.0),
)

runs: "sa.Table[Any]" = sa.Table(
    "fleet_runs",
    metadata,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Float(53), nullable=False),
)

# `attempt` names the one ticket of the engine that counts; `epoch` the one claim. `run` is the one
# that made it; later runs may ask for prompts in it, too.
shards: "sa.Table[Any]" = sa.Table(
    "fleet_shards",
    metadata,
    sa.Column("shard", sa.Text, primary_key=True),
    sa.Column("run", sa.Text, nullable=False, index=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    sa.Column("epoch", sa.Integer, nullable=False, default=0),
    sa.Column("seat", sa.Integer),
    sa.Column("open", sa.Boolean, nullable=False, default=True, index=True),
)

# `sends` counts how often a request may have left; each of them was let out under one number.
# `row` and `shard` are those of the first run that asked for it.
items: "sa.Table[Any]" = sa.Table(
    "fleet_items",
    metadata,
    sa.Column("submit_id", sa.Text, primary_key=True),
    sa.Column("row", sa.Integer, nullable=False),
    sa.Column("shard", sa.Text, nullable=False, index=True),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("sends", sa.Integer, nullable=False, default=0),
    sa.Column("history_id", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("result", sa.Text),
    sa.Column("bytes", sa.BigInteger, nullable=False, default=0),
    sa.Column("changed_at", sa.Float(53), nullable=False),
)

# What each run asks for: a prompt that two runs ask for is one item.
rows: "sa.Table[Any]" = sa.Table(
    "fleet_rows",
    metadata,
    sa.Column("run", sa.Text, primary_key=True),
    sa.Column("row", sa.Integer, primary_key=True),
    sa.Column("submit_id", sa.Text, nullable=False, index=True),
)

asked: sa.Join = rows.join(items, rows.c.submit_id == items.c.submit_id)
"""Each run's rows with what has become of them."""
