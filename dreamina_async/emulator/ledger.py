"""What was charged and what each account holds."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .order import Kind


@attrs.frozen(kw_only=True)
class Charge:
    """One debit: the service accepted one generate request."""

    submit_id: str
    history_id: str
    account: str
    kind: Kind
    model: str
    prompt: str
    count: int
    credits: int
    charged_at: float


class Ledger:
    """Every charge in order of acceptance; safe to read from any thread."""

    def __init__(self) -> None:
        self._charges: list[Charge] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._charges)

    def __iter__(self) -> Iterator[Charge]:
        return iter(self.charges())

    def __repr__(self) -> str:
        return f"<Ledger {len(self)} charges, {self.credits} credits>"

    def add(self, charge: Charge) -> None:
        """Note a charge."""
        with self._lock:
            self._charges.append(charge)

    def charges(self, submit_id: str | None = None) -> tuple[Charge, ...]:
        """Give all charges, or those of one submit id: more than one is a double charge."""
        with self._lock:
            charges = tuple(self._charges)
        return tuple(each for each in charges if submit_id in (None, each.submit_id))

    @property
    def by_prompt(self) -> dict[str, tuple[Charge, ...]]:
        """The charges of each prompt."""
        found: dict[str, list[Charge]] = {}
        for charge in self:
            found.setdefault(charge.prompt, []).append(charge)
        return {prompt: tuple(charges) for prompt, charges in found.items()}

    @property
    def submit_ids(self) -> tuple[str, ...]:
        """The submit id of each charge, repeated if charged repeatedly."""
        return tuple(charge.submit_id for charge in self)

    @property
    def credits(self) -> int:
        """The sum of all charges."""
        return sum(charge.credits for charge in self)

    def repeated(self) -> dict[str, int]:
        """Give the submit ids charged more than once, with the number of charges."""
        return {each: times for each, times in Counter(self.submit_ids).items() if times > 1}


@attrs.frozen(kw_only=True)
class CreditRow:
    """One row of an account's credit history; type 1 is income, 2 consumption.

    Attributes:
        settles_at: When it begins to show, by the loop's clock.
    """

    amount: int
    created_at: float
    title: str
    submit_id: str
    history_type: int
    settles_at: float = 0.0


@attrs.define
class Account:
    """One account: its balance, rows and the day of its last free grant."""

    label: str
    uid: str
    gift: int
    rows: list[CreditRow] = attrs.field(factory=list, repr=False)
    granted_on: str = ""
    _refunds: list[tuple[float, CreditRow]] = attrs.field(factory=list, repr=False)

    def debit(self, charge: Charge, settles_at: float = 0.0) -> None:
        """Take the credits of a charge at once; its row may show later."""
        self.gift -= charge.credits
        self.rows.append(
            CreditRow(
                amount=charge.credits,
                created_at=charge.charged_at,
                title=f"{charge.kind} generation",
                submit_id=charge.submit_id,
                history_type=2,
                settles_at=settles_at,
            )
        )

    def owe(self, charge: Charge, due_at: float, created_at: float) -> None:
        """Promise the credits of a charge back; ``due_at`` is of the loop's clock."""
        row = CreditRow(
            amount=charge.credits,
            created_at=created_at,
            title=f"{charge.kind} refund",
            submit_id=charge.submit_id,
            history_type=1,
        )
        self._refunds.append((due_at, row))

    def held(self, now: float) -> int:
        """Tell the credits held by now, what is due back included."""
        return self.gift + sum(row.amount for due_at, row in [*self._refunds] if due_at <= now)

    def settle(self, now: float) -> None:
        """Give back what is due."""
        due = [each for each in self._refunds if each[0] <= now]
        for promise in due:
            self._refunds.remove(promise)
            self.gift += promise[1].amount
            self.rows.append(promise[1])

    def settled_rows(self, now: float) -> list[CreditRow]:
        """Give the rows that show by now, newest first."""
        self.settle(now)
        return [row for row in reversed(self.rows) if row.settles_at <= now]

    def grant(self, amount: int, day: str, now: float) -> bool:
        """Add the free credits of a day, once; say whether this was the first time."""
        if self.granted_on == day:
            return False
        self.granted_on = day
        self.gift += amount
        self.rows.append(
            CreditRow(
                amount=amount, created_at=now, title="daily credits", submit_id="", history_type=1
            )
        )
        return True
