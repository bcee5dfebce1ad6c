"""The commerce endpoints: the balance, the daily grant, the rows (protocol notes 7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .envelope import Payload, Refusal

if TYPE_CHECKING:
    from .call import Call
    from .unread import Json
    from .world import World

_DAY = 86_400
_UTC_8 = 8 * 3600
_CURSOR = re.compile(r"\d{1,18}", re.ASCII)


def balance(world: World, call: Call) -> Payload:
    """Tell the balance; all of it is a gift that ends with the day, as in ZHI's logs."""
    call.account.settle(call.now)
    total, end = call.account.gift, day_end(world.options.wall())
    return _paid(
        world,
        {
            "credit": {"vip_credit": 0, "gift_credit": total, "purchase_credit": 0},
            "expiring_credits": [{"credit_amount": total, "expire_time": end}] if total else [],
            "credits_detail": {
                "gift_credits": [{"residual_credits": total, "credits_life_end": end}]
                if total
                else []
            },
        },
    )


def receive(world: World, call: Call) -> Payload:
    """Grant the daily credits."""
    if not isinstance(call.body.get("time_zone"), str):
        raise Refusal("34010100", "parameter error")
    call.account.settle(call.now)
    return _paid(world, world.receive_daily(call.account))


def rows(world: World, call: Call) -> Payload:
    """Page through the account's rows, newest first."""
    count, cursor = call.body.get("count"), call.body.get("cursor", "0")
    if not isinstance(count, int) or count < 1 or not _CURSOR.fullmatch(str(cursor)):
        raise Refusal("1000")
    wanted = call.body.get("history_type")
    found = [
        row for row in call.account.settled_rows(call.now) if wanted in (None, row.history_type)
    ]
    start = int(cursor)
    return _paid(
        world,
        {
            "total_credit": call.account.gift,
            "records": [
                {
                    "amount": row.amount,
                    "create_time": int(row.created_at),
                    "title": row.title,
                    "submit_id": row.submit_id,
                    "status": "Checked",
                    "history_type": row.history_type,
                }
                for row in found[start : start + count]
            ],
            "new_cursor": str(min(start + count, len(found))),
            "has_more": start + count < len(found),
        },
    )


def subscription(world: World, call: Call) -> Payload:
    """Tell the membership: accounts that are entitled have one."""
    if call.body.get("scene") != "vip":
        raise Refusal("1000")
    start, end = 0, 0
    if world.options.entitled:
        end = day_end(world.options.wall())
        start = end - 30 * _DAY
    member = world.options.entitled
    told = {"flag": member, "cur_vip_level": "standard" if member else ""}
    return _paid(world, told | {"start_time": start, "end_time": end})


def day_end(now: float) -> int:
    """Give the last second of the day in China, when daily credits expire."""
    return (int(now) + _UTC_8) // _DAY * _DAY + _DAY - 1 - _UTC_8


def _paid(world: World, data: Json) -> Payload:
    return Payload(data, world.options.commerce_shape)
