"""The calls about credit: balance, ledger, daily grant. Each is sent when somebody asks.

Nothing here polls: looking at the balance often is blamed for risk control (protocol notes 7).
Reading may be tried again; taking the grant is not, for nobody knows what a second one does.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from functools import partial
from typing import Self, get_args

from attrs import define

from dreamina_async._core.commerce import (
    Charges,
    LedgerPage,
    Paging,
    decode_credits,
    decode_history,
    decode_receive,
    encode_credits,
    encode_history,
    encode_receive,
)
from dreamina_async._runtime.log import log
from dreamina_async._runtime.questions import Questions
from dreamina_async.credits import CreditEntry, Credits, DailyGrant, EntryKind
from dreamina_async.errors import InvalidRequest, shown
from dreamina_async.models import canonical_submit_id


@define(eq=False)
class Account:
    """Asks about the credit of the session's account."""

    questions: Questions

    async def credits(self) -> Credits:
        """The balance.

        Raises:
            DreaminaError: the call failed.
        """
        return await self.questions.ask(encode_credits, decode_credits)

    async def receive(self) -> DailyGrant:
        """Take the daily grant; sent once.

        Raises:
            DreaminaError: the call failed; the grant may have been given all the same.
        """
        return await self.questions.ask(encode_receive, decode_receive, 1)

    async def turn(self, paging: Paging, kind: EntryKind | None) -> tuple[CreditEntry, ...]:
        """Read the ledger's next page: the rows of it that are new.

        Raises:
            DreaminaError: the call failed; `paging` stands where it stood.
        """
        assert paging.cursor is not None
        encode = partial(encode_history, paging.cursor, kind)
        page = await self.questions.ask(encode, decode_history)
        entries = paging.take(page)
        _warn_of(page, paging)
        return entries

    def history(self, kind: EntryKind | None) -> "CreditHistory":
        """The ledger's rows, of one kind or of both.

        Raises:
            InvalidRequest: there is no such kind.
        """
        if kind not in (None, *get_args(EntryKind)):
            raise InvalidRequest(
                f"there are no rows of kind {shown(kind)}",
                field="kind",
                allowed=get_args(EntryKind),
            )
        return CreditHistory(self, kind)

    async def charges(self, submit_ids: Iterable[str], since: datetime | None) -> dict[str, int]:
        """What jobs have cost, by submit id as it was given.

        Raises:
            InvalidRequest: one of them is not a submit id, or `since` is not an instant.
            DreaminaError: a call failed.
        """
        asked = {one: canonical_submit_id(one) for one in submit_ids}
        paging, charges = Paging(), Charges(frozenset(asked.values()), _whole_second(since))
        charges.take(())
        while paging.cursor is not None and not charges.complete:
            charges.take(await self.turn(paging, None))
        found = charges.found()
        return {one: found[id_] for one, id_ in asked.items() if id_ in found}


def _whole_second(since: datetime | None) -> datetime | None:
    """The ledger knows no fractions: a row of this very second is not older."""
    if since is None:
        return None
    if not isinstance(since, datetime) or since.tzinfo is None:
        raise InvalidRequest(f"since {shown(since)} is no time with a time zone", field="since")
    return since.replace(microsecond=0)


def _warn_of(page: LedgerPage, paging: Paging) -> None:
    odd = page.rows - len(page.entries)
    if odd:
        log.warning("%d rows of the credit ledger cannot be read and are left out", odd)
    if paging.cursor is None and page.more and page.rows:
        log.warning("the service says that there is more credit history, but shows no more")


class CreditHistory(AsyncIterator[CreditEntry]):
    """An async iterator of the ledger's rows, the newest first.

    A plain object, no generator: a page is asked for when the one before it is used up, and
    leaving a loop over it early leaves nothing behind. After an error it goes on where it
    stood.
    """

    def __init__(self, account: Account, kind: EntryKind | None) -> None:
        self._account = account
        self._kind: EntryKind | None = kind
        self._paging = Paging()
        self._ready: deque[CreditEntry] = deque()
        self._turning = asyncio.Lock()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> CreditEntry:
        async with self._turning:  # two consumers must not turn the same page
            while not self._ready:
                if self._paging.cursor is None:
                    raise StopAsyncIteration
                self._ready.extend(await self._account.turn(self._paging, self._kind))
            return self._ready.popleft()
