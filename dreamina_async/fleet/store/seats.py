"""Seats: which workers there are, and who of them lives."""

from collections import Counter

import sqlalchemy as sa
from attrs import frozen

from dreamina_async.fleet.store import tables as t
from dreamina_async.fleet.store.database import Database
from dreamina_async.fleet.values import (
    Seat,
    SeatStatus,
)


@frozen(eq=False)
class Seats:
    """The places of workers. Every call may raise StorageError."""

    database: Database

    def take(self, label: str, holder: str) -> Seat | None:
        """A free seat of the account; None if all are taken."""
        with self.database.begin() as c:
            free = sa.select(t.seats).where(t.seats.c.account == label, t.seats.c.holder.is_(None))
            row = (
                c.execute(free.order_by(t.seats.c.number).limit(1).with_for_update())
                .mappings()
                .first()
            )
            if row is None:
                return None
            seat = Seat(label, row["number"], row["epoch"] + 1)
            values = {"holder": holder, "epoch": seat.epoch, "beat_at": self.database.now(c)}
            taken = c.execute(
                sa.update(t.seats)
                .where(*_seat(label, seat.number), t.seats.c.epoch == row["epoch"])
                .values(**values)
            )
            return seat if taken.rowcount else None

    def beat(self, seat: Seat) -> bool:
        """Say that the seat's holder lives; False if the seat is no longer its own."""
        with self.database.begin() as c:
            kept = c.execute(
                sa.update(t.seats)
                .where(*_seat(seat.account, seat.number), t.seats.c.epoch == seat.epoch)
                .values(beat_at=self.database.now(c))
            )
            return bool(kept.rowcount)

    def leave(self, seat: Seat) -> None:
        """Give it back, if it is still held."""
        with self.database.begin() as c:
            c.execute(
                sa.update(t.seats)
                .where(*_seat(seat.account, seat.number), t.seats.c.epoch == seat.epoch)
                .values(holder=None, epoch=seat.epoch + 1)
            )

    def free_silent(self, lease: float) -> list[str]:
        """Take the seats of workers that were silent for longer than the lease; whose they were."""
        with self.database.begin() as c:
            silent = sa.and_(
                t.seats.c.holder.is_not(None), t.seats.c.beat_at < self.database.now(c) - lease
            )
            rows = c.execute(sa.select(t.seats).where(silent).with_for_update()).mappings().all()
            for row in rows:
                c.execute(
                    sa.update(t.seats)
                    .where(*_seat(row["account"], row["number"]))
                    .values(holder=None, epoch=row["epoch"] + 1)
                )
        return [f"{row['account']}/{row['number']} ({row['holder']})" for row in rows]

    def held(self) -> set[str]:
        """The seats that somebody holds, as the engine knows them."""
        with self.database.begin() as c:
            rows = c.execute(sa.select(t.seats).where(t.seats.c.holder.is_not(None))).mappings()
            return {Seat(row["account"], row["number"], row["epoch"]).executor for row in rows}

    def statuses(self) -> list[SeatStatus]:
        """Every seat, and who holds it."""
        with self.database.begin() as c:
            now = self.database.now(c)
            rows = c.execute(sa.select(t.seats).order_by(*t.seats.primary_key)).mappings().all()
            claimed = sa.select(t.shards).where(t.shards.c.open, t.shards.c.seat.is_not(None))
            busy = Counter((row["account"], row["seat"]) for row in c.execute(claimed).mappings())
        return [
            SeatStatus(
                row["account"],
                row["number"],
                row["epoch"],
                row["holder"],
                None if row["holder"] is None else max(0.0, now - row["beat_at"]),
                busy[row["account"], row["number"]],
            )
            for row in rows
        ]


def holds_seat(c: sa.Connection, seat: Seat) -> bool:
    """Whether the seat is its holder's; it stays so until this transaction has ended."""
    mine = sa.select(t.seats.c.epoch).where(*_seat(seat.account, seat.number))
    return c.execute(mine.with_for_update(read=True)).scalar() == seat.epoch


def _seat(account: str, number: int) -> tuple[sa.ColumnElement[bool], ...]:
    return t.seats.c.account == account, t.seats.c.number == number
