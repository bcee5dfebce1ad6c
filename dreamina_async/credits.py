"""The frozen values about credit: the balance, the ledger's rows, the daily grant."""

from datetime import datetime
from typing import Literal

from attrs import frozen

EntryKind = Literal["income", "consumption"]


@frozen
class ExpiringCredits:
    """A part of the balance that is lost unless it is spent in time.

    Attributes:
        amount: how many credits.
        expires_at: until when, in UTC.
    """

    amount: int
    expires_at: datetime


@frozen
class Credits:
    """An account's balance.

    Attributes:
        total: the sum of the next three.
        gift: granted for free; most of them expire.
        purchase: bought.
        vip: part of a membership.
        expiring: what expires when, the soonest first, as far as the service says.
    """

    total: int
    gift: int
    purchase: int
    vip: int
    expiring: tuple[ExpiringCredits, ...] = ()


@frozen
class CreditEntry:
    """One row of the account's ledger, as the service keeps it.

    Attributes:
        amount: how many credits; never below 0, `kind` tells the direction.
        kind: `income` (grants, purchases, refunds) or `consumption`.
        created_at: in UTC, to the second.
        title: the service's own words, in its own language.
        submit_id: the job it belongs to, if it belongs to one.
        status: the service's own word, such as `Checked`.
    """

    amount: int
    kind: EntryKind
    created_at: datetime
    title: str
    submit_id: str | None
    status: str


@frozen
class DailyGrant:
    """What the service said when it was asked for the daily free credits.

    Attributes:
        granted: how many it says it gave; 0 if today's were taken before.
        first: whether it says that this was the first time.
        total: the balance afterwards, if it says so.
    """

    granted: int
    first: bool
    total: int | None
