"""What every endpoint is given: a request that has been read and let in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from .catalogue import Market
    from .ledger import Account
    from .unread import Json


@attrs.frozen
class Call:
    """An API request that has been read and let in."""

    account: Account
    body: Json
    market: Market
    referer: str
    now: float
    logid: str
