"""`credits`: the balance, what of it expires, and the last rows of the ledger."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import datetime

from dreamina_async import (
    CreditEntry,
    Credits,
    DailyGrant,
    DreaminaSession,
    JobRecord,
    StorageError,
    journal_jobs,
)
from dreamina_async.cli.exits import Exit
from dreamina_async.cli.options import Common, Folder
from dreamina_async.cli.output import Output, counted, shown
from dreamina_async.cli.runner import aside, stoppable
from dreamina_async.cli.signals import Interrupted


def credits(limit: int, receive: bool, common: Common) -> int:  # noqa: A001
    """Show the account's credit; take the daily grant first if that is wanted."""
    return asyncio.run(_credits(limit, receive, common, common.output()))


async def _credits(limit: int, receive: bool, common: Common, output: Output) -> int:
    try:
        with output.logging():
            await stoppable(_show(limit, receive, common, output), output)
    except Interrupted:
        return Exit.PENDING
    return Exit.DONE


async def _show(limit: int, receive: bool, common: Common, output: Output) -> None:
    known = await _known(common.folder())
    async with aside(common) as session:
        if receive:
            _say_grant(await session.receive_daily_credit(), output)
        _say_balance(await session.credits(), output)
        async for entry in _last(session, limit):
            _say_entry(entry, known.get(entry.submit_id or ""), output)


async def _known(folder: Folder) -> Mapping[str, JobRecord]:
    # Without a journal that can be read the ledger is worth showing all the same.
    with suppress(StorageError):
        return {one.submit_id: one for one in await journal_jobs(folder) if one.submit_id}
    return {}


async def _last(session: DreaminaSession, limit: int) -> AsyncIterator[CreditEntry]:
    history = session.credit_history()
    for _ in range(limit):
        entry = await anext(history, None)
        if entry is None:
            return
        yield entry


def _say_grant(grant: DailyGrant, output: Output) -> None:
    output.emit("daily_grant", granted=grant.granted, first=grant.first, total=grant.total)
    if grant.granted:
        output.result(f"received {counted(grant.granted, 'credit')}")
    else:
        output.result("received nothing: today's credits were taken before")


def _say_balance(balance: Credits, output: Output) -> None:
    output.emit(
        "credits",
        total=balance.total,
        gift=balance.gift,
        purchase=balance.purchase,
        vip=balance.vip,
        expiring=balance.expiring,
    )
    parts = f"{balance.gift} gift, {balance.purchase} purchased, {balance.vip} membership"
    output.result(f"{counted(balance.total, 'credit')} ({parts})")
    for part in balance.expiring:
        output.result(f"  {part.amount} of them until {_local(part.expires_at)}")


def _say_entry(entry: CreditEntry, record: JobRecord | None, output: Output) -> None:
    prompt = record.request.prompt if record and record.request else None
    state = record.state if record else None
    output.emit(
        "credit_entry",
        amount=entry.amount,
        kind=entry.kind,
        created_at=entry.created_at,
        title=entry.title,
        submit_id=entry.submit_id,
        status=entry.status,
        prompt=prompt,
        state=state,
    )
    signed = f"{'-' if entry.kind == 'consumption' else '+'}{entry.amount}"
    words = [_local(entry.created_at), f"{signed:>7}", shown(entry.title, 40)]
    words += [entry.submit_id or "", state.value if state else "", shown(prompt or "", 60)]
    output.result("  ".join(word for word in words if word))


def _local(instant: datetime) -> str:
    return f"{instant.astimezone():%Y-%m-%d %H:%M}"
