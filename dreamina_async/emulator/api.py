"""The API endpoints: reading a request body, asking the world, writing the data of a reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .breakage import damage_record
from .envelope import Refusal, commerce, mweb
from .order import read_order
from .unread import Json, as_list

if TYPE_CHECKING:
    from collections.abc import Callable

    from .faults import Faults
    from .ledger import Account
    from .world import World


@attrs.frozen
class Call:
    """An API request that has been read and let in."""

    account: Account
    body: Json
    aid: str
    referer: str
    now: float
    logid: str


@attrs.frozen
class Api:
    """The endpoints; each returns the ``data`` of its reply or raises a refusal."""

    world: World
    faults: Faults

    def generate(self, call: Call) -> Json:
        """Accept a job (protocol notes 2 and 3.2)."""
        order = read_order(call.body, call.aid)
        if order.kind == "image" and "type=video" in call.referer:
            # Measured: an image generate from the video page is refused (protocol notes 1.4).
            raise Refusal("3018")
        job = self.world.accept(call.account, order, call.now)
        record = self.world.records.accepted(job, call.logid)
        if self.world.options.generate_shape == "flat":
            return record
        failure = {"fail_code": "", "fail_starling_key": "", "fail_starling_message": ""}
        return {"aigc_data": record, **failure}

    def history(self, call: Call) -> Json:
        """Report on jobs under the very ids that were asked for (protocol notes 5)."""
        data: Json = {}
        for identity in self._asked(self._known_kinds(call.body)):
            job = self.world.find(call.account, identity, call.now)
            if job is None:
                continue
            record = self.world.records.seen(job, call.now, call.logid)
            fault = self.faults.for_record(job.subject)
            if fault is None:
                data[identity] = record
            elif fault.kind == "damaged":
                data[identity] = damage_record(record, fault)
        return self._swapped(data)

    def queue(self, call: Call) -> Json:
        """Say where jobs stand in the queue (protocol notes 5.5)."""
        if "history_ids" not in call.body:
            raise Refusal("1000")
        data: Json = {}
        for identity in self._asked({"history_ids": call.body["history_ids"]}):
            job = self.world.find(call.account, identity, call.now)
            if job is not None:
                data[identity] = {
                    # 0 even for a finished job: never the state of the generation.
                    "status": 0,
                    "queue_info": self.world.records.queue_info(job, call.now),
                    "forecast_cost_time": self.world.records.forecast(job, call.now),
                }
        return data

    def items(self, call: Call) -> Json:
        """Give items with the original video in them (protocol notes 8.1)."""
        identities = as_list(call.body.get("item_id_list"))
        if not identities:
            raise Refusal("1000")
        found = [self.world.find_item(call.account, str(each), call.now) for each in identities]
        write = self.world.items.downloadable
        return {"item_list": [write(*each, call.logid) for each in found if each is not None]}

    def credit(self, call: Call) -> Json:
        """Tell the balance (protocol notes 7)."""
        total = call.account.gift
        return {
            "credit": {"vip_credit": 0, "gift_credit": total, "purchase_credit": 0},
            "expiring_credits": [],
            "credits_detail": {"gift_credits": []},
        }

    def receive(self, call: Call) -> Json:
        """Grant the daily credits."""
        if not isinstance(call.body.get("time_zone"), str):
            raise Refusal("34010100", "parameter error")
        return self.world.receive_daily(call.account)

    def credit_history(self, call: Call) -> Json:
        """Page through the account's rows, newest first."""
        count, cursor = call.body.get("count"), call.body.get("cursor", "0")
        if not isinstance(count, int) or count < 1 or not str(cursor).isdigit():
            raise Refusal("1000")
        wanted = call.body.get("history_type")
        rows = [r for r in reversed(call.account.rows) if wanted in (None, r.history_type)]
        start = int(cursor)
        return {
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
                for row in rows[start : start + count]
            ],
            "new_cursor": str(min(start + count, len(rows))),
            "has_more": start + count < len(rows),
        }

    def _known_kinds(self, body: Json) -> Json:
        """Leave out the kind of ids this service does not know, or refuse it."""
        kinds = self.world.options.id_kinds
        strange = "submit_ids" if kinds.startswith("history") else "history_ids"
        if kinds == "both" or not body.get(strange):
            return body
        if kinds.endswith("_only"):
            raise Refusal("1000", f"invalid parameter: {strange}")
        return {**body, strange: [f"unknown-{number}" for number in range(len(body[strange]))]}

    def _asked(self, body: Json) -> tuple[str, ...]:
        limit, ids = self.world.options.max_ids, asked_ids(body)
        if not ids or (limit is not None and len(ids) > limit):
            raise Refusal("1000", "invalid parameter: ids")
        return ids

    def _swapped(self, data: Json) -> Json:
        keys = list(data)
        if len(keys) > 1:
            first, second, *_ = keys
            if self.faults.for_reply("\n".join(keys)):
                data[first], data[second] = data[second], data[first]
        return data


def asked_ids(body: Json) -> tuple[str, ...]:
    """Read the ids of a status call, once each; a wrong type asks for nothing."""
    found: dict[str, None] = {}
    for name in ("history_ids", "submit_ids"):
        ids = as_list(body.get(name) or [])
        if ids is None or not all(isinstance(each, str | int) for each in ids):
            return ()
        found |= dict.fromkeys(map(str, ids))
    return tuple(found)


@attrs.frozen
class Route:
    """One endpoint: its short name, what answers it and the envelope of the answer."""

    where: str
    answer: Callable[[Api, Call], Json]
    wrap: Callable[..., Json] = mweb

    @property
    def latency(self) -> str:
        """The field of ``Timing`` that says how long a reply takes."""
        if self.wrap is commerce:
            return "credit_latency"
        return "generate_latency" if self.where == "generate" else "history_latency"


# Upload tokens, ImageX and the MCP endpoint (protocol notes 4 and 9) get their rows here.
ROUTES = {
    "/mweb/v1/aigc_draft/generate": Route("generate", Api.generate),
    "/mweb/v1/get_history_by_ids": Route("history", Api.history),
    "/mweb/v1/get_history_queue_info": Route("queue", Api.queue),
    "/mweb/v1/get_local_item_list": Route("items", Api.items),
    "/commerce/v1/benefits/user_credit": Route("credit", Api.credit, commerce),
    "/commerce/v1/benefits/credit_receive": Route("receive", Api.receive, commerce),
    "/commerce/v1/benefits/user_credit_history": Route(
        "credit_history", Api.credit_history, commerce
    ),
}
