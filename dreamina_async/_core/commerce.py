"""Calls about credit (protocol notes 7): our questions -> requests, replies -> our values."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import define, field, frozen

from dreamina_async._core.calls import post
from dreamina_async._core.envelope import open_commerce
from dreamina_async._core.profile import Caller
from dreamina_async._core.reading import Reader, as_list, unreadable
from dreamina_async._core.record import canonical
from dreamina_async._core.wire import HttpRequest, HttpResponse
from dreamina_async.credentials import Region
from dreamina_async.credits import CreditEntry, Credits, DailyGrant, EntryKind, ExpiringCredits

CREDITS_PATH = "/commerce/v1/benefits/user_credit"
RECEIVE_PATH = "/commerce/v1/benefits/credit_receive"
HISTORY_PATH = "/commerce/v1/benefits/user_credit_history"

PAGE_ROWS = 20
"""What the web page asks for (S3)."""

FIRST_PAGE = "0"

MAX_PAGES = 1000
"""Of one ledger; nobody has so many, and a service that never ends has a bug."""

# The Referers of the web page's own calls (protocol notes 1.4).
_GENERATE_PAGE = "/ai-tool/image/generate"
_HOME_PAGE = "/ai-tool/home"

_SPARE_REPEATS = 4
"""So many pages without a new row may follow each other, and one more for each that had some:
as many rows may have arrived as were read. More is a service that moves its cursor only."""

_TIME_ZONES: Mapping[Region, str] = {
    Region.CN: "Asia/Shanghai",
    Region.US: "America/New_York",
    Region.HK: "Asia/Hong_Kong",
    Region.JP: "Asia/Tokyo",
    Region.SG: "Asia/Singapore",
}
"""`Asia/Shanghai` was seen (LUP, LUH); the others are our own choice by the same rule."""

_HISTORY_TYPES: Mapping[EntryKind, int] = {"income": 1, "consumption": 2}
_KINDS: Mapping[int | None, EntryKind] = {1: "income", 2: "consumption"}


# --- the balance -------------------------------------------------------------------------------


def encode_credits(caller: Caller, now: float) -> HttpRequest:
    """Ask for the balance; the body is an empty object, an empty body is an error (ZHI logs)."""
    return _post(CREDITS_PATH, {}, _GENERATE_PAGE, caller, now)


def decode_credits(response: HttpResponse, *, now: float) -> Credits:
    """Read the reply.

    Raises:
        ApiError: a readable refusal.
        ProtocolError: anything else; a balance with an odd part is none.
    """
    payload, logid = open_commerce(response, now)
    credit = payload.object("credit")
    names = ("gift_credit", "purchase_credit", "vip_credit")
    gift, purchase, vip = (credit.integer(name, least=-(2**53)) or 0 for name in names)
    if not any(name in credit.value for name in names) or credit.problems:
        what = credit.problems[0] if credit.problems else "no credit in it"
        raise unreadable(f"no balance: {what}", response.body, status=200, logid=logid)
    return Credits(gift + purchase + vip, gift, purchase, vip, _expiring(payload))


def _expiring(payload: Reader) -> tuple[ExpiringCredits, ...]:
    found = (
        (row.integer("credit_amount"), row.unix_seconds("expire_time"))
        for row in payload.objects("expiring_credits")
    )
    parts = [ExpiringCredits(amount, _instant(at)) for amount, at in found if amount and at]
    return tuple(sorted(parts, key=lambda part: part.expires_at))


# --- the daily grant ---------------------------------------------------------------------------


def encode_receive(caller: Caller, now: float) -> HttpRequest:
    """Take the daily free credits; the day is that of the region's time zone."""
    body = {"time_zone": _TIME_ZONES[caller.credentials.region]}
    return _post(RECEIVE_PATH, body, _HOME_PAGE, caller, now)


def decode_receive(response: HttpResponse, *, now: float) -> DailyGrant:
    """Read the reply.

    Raises:
        ApiError: a readable refusal.
        ProtocolError: anything else; the grant may have been given.
    """
    payload, logid = open_commerce(response, now)
    granted = payload.integer("receive_quota")
    if granted is None:
        what = "it does not say what was granted"
        raise unreadable(what, response.body, status=200, logid=logid)
    first = _flag(payload.raw("is_first_receive"))
    return DailyGrant(granted, first is True, payload.integer("cur_total_credits"))


# --- the ledger --------------------------------------------------------------------------------


@frozen
class LedgerPage:
    """One page of the ledger.

    Attributes:
        entries: its rows that can be read.
        rows: how many it has.
        cursor: where the next one begins, in the service's own words.
        more: whether the service says that there is one; None if it does not say.
        total: the balance at that moment, if it says.
    """

    entries: tuple[CreditEntry, ...]
    rows: int
    cursor: str | None
    more: bool | None
    total: int | None = None


def encode_history(cursor: str, kind: EntryKind | None, caller: Caller, now: float) -> HttpRequest:
    """Ask for one page of the ledger (S3; the type: AIC, LUH)."""
    body: dict[str, Any] = {"count": PAGE_ROWS, "cursor": cursor}
    if kind is not None:
        body["history_type"] = _HISTORY_TYPES[kind]
    return _post(HISTORY_PATH, body, _GENERATE_PAGE, caller, now)


def decode_history(response: HttpResponse, *, now: float) -> LedgerPage:
    """Read the reply; a row that cannot be read costs itself alone.

    Raises:
        ApiError: a readable refusal.
        ProtocolError: anything else.
    """
    payload, logid = open_commerce(response, now)
    records = payload.raw("records")
    said = records is not None or _flag(payload.raw("has_more")) is not None
    if not said or (records is not None and as_list(records) is None):
        raise unreadable("no rows in it", response.body, status=200, logid=logid)
    entries = (_entry(row) for row in payload.objects("records"))
    return LedgerPage(
        entries=tuple(entry for entry in entries if entry is not None),
        rows=len(payload.list("records")),
        cursor=payload.text("new_cursor", limit=256),
        more=_flag(payload.raw("has_more")),
        total=payload.integer("total_credit", least=-(2**53)),
    )


def _entry(row: Reader) -> CreditEntry | None:
    amount = row.integer("amount", least=-(2**53))
    kind = _KINDS.get(row.integer("history_type"))
    at = row.unix_seconds("create_time")
    if amount is None or kind is None or at is None:
        return None
    return CreditEntry(
        amount=abs(amount),  # a sign could only repeat what the type says
        kind=kind,
        created_at=_instant(at),
        title=row.text("title") or "",
        submit_id=_submit_id(row),
        status=row.text("status", limit=64) or "",
    )


def _submit_id(row: Reader) -> str | None:
    found = row.identifier("submit_id")
    return canonical(found) if found else None


_Key = tuple[datetime, str | None, int, str, EntryKind]


def _key(entry: CreditEntry) -> _Key:
    return (entry.created_at, entry.submit_id, entry.amount, entry.title, entry.kind)


@define
class Paging:
    """Where a reader of the ledger stands, page by page.

    The cursor is an offset from the newest row (protocol notes 7): a row that arrives between
    two pages moves every older one down, and the next page holds rows that were read. A row
    that arrives moves the balance, too; so only once that has changed, or is not told, are
    rows left out that stood on an earlier page. Equal rows are no repetition by themselves: a
    job may be charged item by item.
    """

    cursor: str | None = FIRST_PAGE
    """What to ask for next; None at the end."""
    _asked: set[str] = field(factory=set[str])
    _seen: Counter[_Key] = field(factory=Counter[_Key])
    _last: LedgerPage | None = None
    _moved: bool = False
    _pages: int = 0
    _news: int = 0
    _repeats: int = 0

    def take(self, page: LedgerPage) -> tuple[CreditEntry, ...]:
        """The page that was asked for: which of its rows are new."""
        fresh = self._fresh(page)
        self._seen.update(map(_key, fresh))
        self._last = page
        self._pages += 1
        self._news += bool(fresh)
        self._repeats = 0 if fresh else self._repeats + 1
        if self.cursor is not None:
            self._asked.add(self.cursor)
        self.cursor = page.cursor if self._goes_on(page) else None
        return fresh

    def _fresh(self, page: LedgerPage) -> tuple[CreditEntry, ...]:
        last = self._last
        if last is not None and page.entries == last.entries:  # the same page once more
            return ()
        if last is not None and (page.total is None or page.total != last.total):
            self._moved = True
        if not self._moved:
            return page.entries
        seen = self._seen.copy()
        fresh: list[CreditEntry] = []
        for entry in page.entries:
            if seen[_key(entry)]:
                seen[_key(entry)] -= 1
            else:
                fresh.append(entry)
        return tuple(fresh)

    def _goes_on(self, page: LedgerPage) -> bool:
        if page.more is False or page.rows == 0:
            return False
        moves = page.cursor is not None and page.cursor not in self._asked
        patient = self._repeats <= self._news + _SPARE_REPEATS
        return moves and patient and self._pages < MAX_PAGES


@define
class Charges:
    """What jobs have cost, summed up while the ledger is read from its newest row on.

    Attributes:
        wanted: the jobs' submit ids.
        since: rows before this instant need not be read; None reads them all, for a job may
            have several.
        complete: whether nothing more is to be learned.
    """

    wanted: frozenset[str]
    since: datetime | None = None
    complete: bool = False
    _sums: dict[str, int] = field(factory=dict[str, int])
    _charged: set[str] = field(factory=set[str])

    def take(self, entries: Sequence[CreditEntry]) -> None:
        """Rows of the next page."""
        for entry in entries:
            if entry.submit_id in self.wanted:
                self._add(entry.submit_id, entry)
        old = self.since is not None and any(entry.created_at < self.since for entry in entries)
        self.complete = old or not self.wanted

    def _add(self, submit_id: str, entry: CreditEntry) -> None:
        spent = entry.kind == "consumption"
        self._sums[submit_id] = self._sums.get(submit_id, 0) + entry.amount * (1 if spent else -1)
        if spent:
            self._charged.add(submit_id)

    def found(self) -> dict[str, int]:
        """Credits by submit id; a job without a charge in the ledger is left out."""
        return {submit_id: self._sums[submit_id] for submit_id in self._charged}


# --- what they share ---------------------------------------------------------------------------


def _post(path: str, body: Mapping[str, Any], page: str, caller: Caller, now: float) -> HttpRequest:
    # no version parameters: the balance was asked for without any query at all (IPT)
    return post(path, {}, body, page, caller, now, host=caller.site.commerce)


def _flag(value: object) -> bool | None:
    if isinstance(value, bool | int):
        return bool(value)
    return None


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
