"""The API endpoints: reading a request body, asking the world, writing the data of a reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import attrs

from . import benefits, config, mcp, reads
from .breakage import damage_record
from .drafts import read_order
from .envelope import Refusal, cli, commerce, meaning, mweb, passport
from .imagex import upload_token
from .scenes import asked_scenes
from .unread import Json, as_list
from .variants import IdKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from .call import Call
    from .faults import Faults
    from .jobs import Job
    from .world import World


@attrs.frozen
class Api:
    """The endpoints; each returns the ``data`` of its reply or raises a refusal."""

    world: World
    faults: Faults

    def generate(self, call: Call) -> Json:
        """Accept a job (protocol notes 2 and 3.2)."""
        order = read_order(call.body, call.market, self.world.options)
        if order.kind == "image" and "type=video" in call.referer:
            # Measured: an image generate from the video page is refused (protocol notes 1.4).
            raise Refusal("3018")
        job = self.world.accept(call.account, order, call.now)
        record = self.world.records.accepted(job, call.logid)
        if self.world.options.generate_shape == "flat":
            return record
        failure = {"fail_code": "", "fail_starling_key": "", "fail_starling_message": ""}
        return {"aigc_data": record, **failure}

    def history(self, call: Call) -> Any:
        """Report on jobs under the ids that were asked for (protocol notes 5)."""
        data: Json = {}
        subjects: list[str] = []
        scenes = asked_scenes(call.body)
        for kind, identity in [each for each in self._asked(call.body) if self._known(each[0])]:
            job = self.world.find(call.account, kind, identity, call.now)
            if job is None:
                continue
            record = self.world.records.seen(job, call.now, call.logid, scenes)
            fault = self.faults.for_record(job.subject)
            if fault is not None and fault.kind == "missing":
                continue
            subjects.append(job.subject)
            shown = record if fault is None else damage_record(record, fault)
            data[self._key(identity, job)] = shown
        if not subjects and self.world.options.unknown_ids == "error":
            raise Refusal("2001")
        data = self._swapped(data, subjects)
        return list(data.values()) if self.world.options.reply_keys == "list" else data

    def queue(self, call: Call) -> Json:
        """Say where jobs stand in the queue (protocol notes 5.5)."""
        if "history_ids" not in call.body:
            raise Refusal("1000")
        data: Json = {}
        for kind, identity in self._asked({"history_ids": call.body["history_ids"]}):
            job = self.world.find(call.account, kind, identity, call.now)
            if job is not None:
                data[identity] = {
                    # 0 even for a finished job: never the state of the generation.
                    "status": 0,
                    **self.world.records.failure(job, call.now),
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

    def _key(self, identity: str, job: Job) -> str:
        """Say what a record is filed under."""
        keys = {"history": job.history_id, "submit": job.order.submit_id}
        return keys.get(self.world.options.reply_keys, identity)

    def _known(self, kind: IdKind) -> bool:
        """Say whether this service knows that kind of ids, or refuse it."""
        kinds = self.world.options.id_kinds
        if kinds == "both" or kinds.startswith(kind):
            return True
        if kinds.endswith("_only"):
            raise Refusal("1000", f"invalid parameter: {kind}_ids")
        return False

    def _asked(self, body: Json) -> tuple[tuple[IdKind, str], ...]:
        limit, ids = self.world.options.max_ids, asked_ids(body)
        if not ids or (limit is not None and len(ids) > limit):
            if self.world.options.code_texts == "notes":
                raise Refusal("2002", meaning("2002", "notes"))
            raise Refusal("1000", "invalid parameter: ids")
        return ids

    def _swapped(self, data: Json, subjects: list[str]) -> Json:
        keys = list(data)
        if len(keys) > 1:
            first, second, *_ = keys
            if self.faults.for_reply("\n".join(subjects)):
                data[first], data[second] = data[second], data[first]
        return data


def asked_ids(body: Json) -> tuple[tuple[IdKind, str], ...]:
    """Read the ids of a status call, once each; a wrong type asks for nothing."""
    found: dict[tuple[IdKind, str], None] = {}
    for kind in get_args(IdKind):
        ids = as_list(body.get(f"{kind}_ids") or [])
        if ids is None or not all(isinstance(each, str | int) for each in ids):
            return ()
        found |= dict.fromkeys((kind, str(each)) for each in ids)
    return tuple(found)


def named_ids(body: Json) -> tuple[str, ...]:
    """Read the ids a call names, of jobs and of items."""
    items = as_list(body.get("item_id_list")) or []
    return (*(identity for _, identity in asked_ids(body)), *map(str, items))


@attrs.frozen
class Route:
    """One endpoint: its short name, what answers it and the envelope of the answer.

    ``bodiless`` ones take no body at all for an empty object (protocol notes 1.1, 5.5).
    """

    where: str
    answer: Callable[[Api, Call], Any]
    wrap: Callable[..., Json] = mweb
    bodiless: bool = False

    @property
    def latency(self) -> str:
        """The field of ``Timing`` that says how long a reply takes."""
        if self.wrap is commerce:
            return "credit_latency"
        return "generate_latency" if self.where in {"generate", "mcp"} else "history_latency"


def _of(answer: Callable[[World, Call], Any]) -> Callable[[Api, Call], Any]:
    """Let an endpoint that needs the world alone answer."""
    return lambda api, call: answer(api.world, call)


ROUTES = {
    "/mweb/v1/aigc_draft/generate": Route("generate", Api.generate),
    "/mweb/v1/get_history_by_ids": Route("history", Api.history),
    "/mweb/v1/get_history_queue_info": Route("queue", Api.queue),
    "/mweb/v1/get_local_item_list": Route("items", Api.items),
    "/mweb/v1/get_history": Route("records", _of(reads.history), bodiless=True),
    "/mweb/v1/get_history_records": Route("records", _of(reads.history_records)),
    "/mweb/v1/get_image_by_uri": Route("images", _of(reads.images_by_uri)),
    "/mweb/v1/get_common_config": Route("config", _of(config.image_config)),
    "/mweb/v1/video_generate/get_common_config": Route("config", _of(config.video_config)),
    "/mweb/v1/algo_proxy": Route("audit", _of(reads.check_content)),
    "/mweb/v1/imagex/submit_audit_job": Route("audit", _of(reads.submit_audit)),
    "/mweb/v1/get_upload_token": Route("token", _of(upload_token)),
    "/mweb/v1/get_user_info": Route("user", _of(reads.user_info)),
    "/passport/account/info/v2": Route("user", _of(reads.passport_info), passport, bodiless=True),
    "/dreamina/mcp/v1/image_generate": Route("mcp", _of(mcp.generate_image), cli),
    "/dreamina/cli/v1/image_generate": Route("mcp", _of(mcp.generate_image), cli),
    "/commerce/v1/benefits/user_credit": Route("credit", _of(benefits.balance), commerce),
    "/commerce/v1/benefits/credit_receive": Route("receive", _of(benefits.receive), commerce),
    "/commerce/v1/benefits/user_credit_history": Route(
        "credit_history", _of(benefits.rows), commerce
    ),
    "/commerce/v1/subscription/user_info": Route("user", _of(benefits.subscription), commerce),
}
