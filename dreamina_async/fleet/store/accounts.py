"""What a fleet is: where files go, whose accounts pay, and what those allow."""

from collections.abc import Iterable, Sequence
from uuid import uuid4

import sqlalchemy as sa
from attrs import frozen

from dreamina_async import AccountMismatch, InvalidRequest, StorageError
from dreamina_async.fleet.store import tables as t
from dreamina_async.fleet.store.database import NOT_INITIALISED, Database
from dreamina_async.fleet.values import (
    Account,
)

_LIMITS = ("label", "workers", "in_flight", "rate")


@frozen(eq=False)
class Accounts:
    """The fleet itself. Every call may raise StorageError."""

    database: Database

    def create(self, out: str, accounts: Iterable[Account]) -> None:
        """Make the tables where they are missing, and set where files go and who may work."""
        self.database.make_file()
        with self.database.begin() as c:
            t.metadata.create_all(c)
            known = _facts(c)
            _check_version(known)
            wanted = {"version": t.VERSION, "salt": known.get("salt") or str(uuid4()), "out": out}
            c.execute(sa.delete(t.facts))
            c.execute(sa.insert(t.facts), [{"name": n, "value": v} for n, v in wanted.items()])
            for account in accounts:
                _set_account(c, account)

    def facts(self) -> dict[str, str]:
        """What the fleet says of itself: `version`, `salt`, `out`.

        Raises:
            InvalidRequest: nobody has made it, or a newer release has.
        """
        with self.database.begin() as c:
            if not sa.inspect(c).has_table(t.facts.name):
                raise InvalidRequest(NOT_INITIALISED, field="db")
            known = _facts(c)
        _check_version(known)
        return known

    def of(self, label: str) -> Account:
        """An account's limits.

        Raises:
            InvalidRequest: the fleet has no such account.
        """
        with self.database.begin() as c:
            rows = c.execute(sa.select(t.accounts)).mappings().all()
        for row in rows:
            if row["label"] == label:
                return Account(**{name: row[name] for name in _LIMITS})
        labels = tuple(sorted(row["label"] for row in rows))
        raise InvalidRequest(f"the fleet has no account {label!r}", field="account", allowed=labels)

    def check_mark(self, label: str, mark: str) -> None:
        """The first worker's login says which account a label is.

        Raises:
            AccountMismatch: this login is another account's.
        """
        mine = t.accounts.c.label == label
        with self.database.begin() as c:
            c.execute(
                sa.update(t.accounts).where(mine, t.accounts.c.mark.is_(None)).values(mark=mark)
            )
            known = c.execute(sa.select(t.accounts.c.mark).where(mine)).scalar_one()
        if known != mark:
            raise AccountMismatch(
                f"the other workers of account {label!r} use another account's login; give that "
                "login, or this one a label of its own"
            )

    def next_look(self, label: str) -> float:
        """Take the account's next place for a status call; how many seconds until it has come."""
        with self.database.begin() as c:
            mine = t.accounts.c.label == label
            row = c.execute(sa.select(t.accounts).where(mine).with_for_update()).mappings().one()
            now = self.database.now(c)
            at = max(now, float(row["next_look"]))
            taken = {"next_look": at + 1 / row["rate"], "looks": row["looks"] + 1}
            c.execute(sa.update(t.accounts).where(mine).values(**taken))
        return at - now


def _facts(c: sa.Connection) -> dict[str, str]:
    return {row["name"]: row["value"] for row in c.execute(sa.select(t.facts)).mappings()}


def _check_version(known: dict[str, str]) -> None:
    found = known.get("version", t.VERSION)
    if found != t.VERSION:
        raise StorageError(
            f"the fleet's tables are of version {found}, and this release knows version "
            f"{t.VERSION}: update dreamina-async"
        )


def _set_account(c: sa.Connection, account: Account) -> None:
    mine = t.accounts.c.label == account.label
    limits = {"workers": account.workers, "in_flight": account.in_flight, "rate": account.rate}
    if not c.execute(sa.update(t.accounts).where(mine).values(**limits)).rowcount:
        c.execute(sa.insert(t.accounts).values(label=account.label, **limits))
    seats = t.seats.c.account == account.label
    known = set(c.execute(sa.select(t.seats.c.number).where(seats)).scalars())
    missing: Sequence[int] = sorted(set(range(account.workers)) - known)
    if missing:
        rows = [{"account": account.label, "number": number} for number in missing]
        c.execute(sa.insert(t.seats), rows)
    # the holder of a seat that is gone finds out at its next beat
    c.execute(sa.delete(t.seats).where(seats, t.seats.c.number >= account.workers))
