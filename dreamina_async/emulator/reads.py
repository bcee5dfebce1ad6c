"""The small read endpoints: who is logged in, image URLs, the history, content checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .envelope import Refusal
from .unread import Json, as_list, as_object

if TYPE_CHECKING:
    from .call import Call
    from .jobs import Job
    from .world import World


def user_info(_world: World, call: Call) -> Json:
    """Tell who is logged in (LUH; AIC)."""
    return {"uid": call.account.uid, "name": call.account.label}


def passport_info(_world: World, call: Call) -> Json:
    """Tell that the session is alive: a user id is all that counts (ZHI, protocol notes 1.1)."""
    return {"user_id": call.account.uid, "screen_name": call.account.label}


def images_by_uri(world: World, call: Call) -> Json:
    """Sign images anew; a singular key is 1000 (AIC). The shape of the reply is ours."""
    uris = _texts(call.body, "uris")
    files = [world.own_file(call.account, uri) for uri in uris]
    return {"image_list": [world.items.signed(file) for file in files if file is not None]}


def history(world: World, call: Call) -> Json:
    """Give the newest records; without ``count`` 2008 (AIC)."""
    count = call.body.get("count")
    if not isinstance(count, int) or count < 1:
        raise Refusal("2008")
    jobs = world.jobs_of(call.account, call.now)
    newest = list(reversed(jobs))[:count]
    return {"records_list": _records(world, call, newest), "has_more": count < len(jobs)}


def history_records(world: World, call: Call) -> Json:
    """Give records by their history ids."""
    ids = _texts(call.body, "history_record_ids")
    jobs = [world.find(call.account, "history", each, call.now) for each in ids]
    return {"history_records": _records(world, call, [job for job in jobs if job is not None])}


def check_content(world: World, call: Call) -> Json:
    """Look at images, and at texts, before they are used; 2003 if risky (IPT, notes 3.1)."""
    if not isinstance(call.body.get("scene"), str):
        raise Refusal("1000")
    files = [as_object(each) or {} for each in as_list(call.body.get("file_list")) or ()]
    shown = [str(file.get("file_uri")) for file in files] + _all_texts(call.body.get("req_params"))
    if any(part in each for part in world.options.risky for each in shown):
        raise Refusal("2003")
    return {}


def submit_audit(_world: World, call: Call) -> Json:
    """Take images for a later audit, which is never heard of again (LUH, CAT)."""
    _texts(call.body, "uri_list")
    return {}


def _records(world: World, call: Call, jobs: list[Job]) -> list[Json]:
    return [world.records.seen(job, call.now, call.logid) for job in jobs]


def _texts(body: Json, name: str) -> list[str]:
    found = as_list(body.get(name))
    if not found or not all(isinstance(each, str) for each in found):
        raise Refusal("1000", f"invalid parameter: {name}")
    return found


def _all_texts(value: Any) -> list[str]:
    """Collect every text inside a value: which parameter holds a prompt is not known."""
    if isinstance(value, str):
        return [value]
    fields = as_object(value)
    inside = list(fields.values()) if fields is not None else as_list(value) or []
    return [text for each in inside for text in _all_texts(each)]
