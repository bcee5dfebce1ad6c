"""Shaping the JSON of records: the generate reply and what status calls show of a job."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

import attrs

from .chance import decimal_id
from .envelope import STARLING, meaning

if TYPE_CHECKING:
    from collections.abc import Callable

    from .jobs import Job
    from .options import EmulatorOptions, Span
    from .scenes import Scene
    from .timeline import Stage

Json = dict[str, Any]
_POLLING = {"interval_seconds": 30, "timeout_seconds": 86400}
_THRESHOLD = {"vip_queuing_time_threshold": 300, "waiting_time_threshold": 60}
_NO_FAIL_CODE = {"null": None, "empty": "", "zero": "0", "zero_int": 0}
# What S3's captured poll shows of a job that runs.
_SPARSE = frozenset(
    {
        "generate_type",
        "history_record_id",
        "created_time",
        "task",
        "status",
        "total_image_count",
        "finished_image_count",
        "image_type",
        "forecast_generate_cost",
    }
)
_SPARSE_TASK = frozenset({"task_id", "submit_id", "status", "finish_time", "history_id"})


@attrs.frozen
class RecordWriter:
    """Writes records in the variant the options ask for."""

    options: EmulatorOptions
    item: Callable[[Job, int, str, tuple[Scene, ...]], Json]

    def accepted(self, job: Job, logid: str) -> Json:
        """Write the record of a generate reply (protocol notes 2.8)."""
        stage = job.plan.stages[0]
        order = job.order
        return {
            **self._head(job, stage, "history_record_id", finished=False),
            "origin_history_record_id": None,
            "item_list": [],
            "origin_item_list": [],
            "mode": "workbench",
            "uid": job.account.uid,
            "history_group_key": order.prompt,
            "submit_id": order.submit_id,
            "generate_id": logid,
            "model_info": {"model_name": order.model_name, "model_req_key": order.model},
            **self._forecast(job, 0.0),
            "queue_info": self.queue_info(job, job.accepted_at),
            "total_image_count": 0,
            "finished_image_count": 0,
            "pre_gen_item_ids": [item_id(self.options, job, i) for i in range(order.count)],
        }

    def seen(self, job: Job, now: float, logid: str, scenes: tuple[Scene, ...] = ()) -> Json:
        """Write the record as a status call shows it at this moment."""
        stage = job.stage(now)
        shown = self._shown(job, stage)
        items = [self.item(job, index, logid, scenes) for index in range(shown)]
        if self.options.minimal_records:
            return {"status": stage.status, "item_list": items, **self._failure(job, stage)}
        name = "id" if self.options.numbering == "s2" else "history_record_id"
        record = self._head(job, stage, name, finished=stage.over)
        record |= self._counts(job, shown)
        record |= self._forecast(job, now - job.accepted_at)
        if stage.queued:
            record["queue_info"] = self.queue_info(job, now)
        if self.options.sparse_records and not stage.over:
            record = _sparse(record)
        if items:
            record["item_list"] = items
        if stage.over:
            record |= self._ending(job, stage, items, now)
        return record

    def queue_info(self, job: Job, now: float) -> Json:
        """Write where the job stands in the queue (protocol notes 5.5)."""
        stage = job.stage(now)
        waiting = max(0.0, job.plan.queue_ends - (now - job.accepted_at))
        place = math.ceil(waiting * self.options.speed) if stage.queued else 0
        status = 1 if stage.queued else 2
        if stage.over:
            status = 3 if stage.items else 4
        return {
            "queue_idx": place,
            "priority": 3,
            "queue_status": status,
            "queue_length": place * 60 + 1 if place else 0,
            "polling_config": dict(_POLLING),
            "priority_queue_display_threshold": dict(_THRESHOLD),
        }

    def forecast(self, job: Job, now: float) -> Json:
        """Write the two estimates, in seconds."""
        return self._forecast(job, now - job.accepted_at)

    def failure(self, job: Job, now: float) -> Json:
        """Write why a job has failed; nothing while it has not."""
        told = self._failure(job, job.stage(now))
        return {name: told[name] for name in ("fail_code", "fail_msg") if "fail_msg" in told}

    def _shown(self, job: Job, stage: Stage) -> int:
        if stage.over and stage.items and job.empty_looks:
            job.empty_looks -= job.empty_looks > 0
            return 0
        return stage.items

    def _counts(self, job: Job, shown: int) -> Json:
        order = job.order
        # A blend's total was seen to be the number of its references (AIC, protocol notes 2.7).
        told = self.options.total_counts == "references" and order.references
        counts: Json = {
            "total_image_count": len(order.references) if told else order.count,
            "finished_image_count": shown,
        }
        if order.kind == "image":
            counts["image_type"] = 2 if order.references else 3
        return counts

    def _head(self, job: Job, stage: Stage, name: str, *, finished: bool) -> Json:
        history_id: str | int = job.history_id
        if self.options.numeric_ids:
            history_id = int(job.history_id)
        task = {
            "task_id": history_id,
            "submit_id": job.order.submit_id,
            "aid": 0,
            "status": stage.status,
            "finish_time": self._finish_time(job) if finished else 0,
            "history_id": history_id,
            "task_payload": None,
            "original_input": None,
            "req_first_frame_image": None,
        }
        if self.options.numbering == "s2":
            task |= {
                "create_time": int(job.created_at * 1000),
                "model": job.order.model,
                "prompt": job.order.prompt,
            }
        return {
            "generate_type": job.order.generate_type,
            name: history_id,
            "created_time": round(job.created_at, 3),
            "task": task,
            "status": stage.status,
        }

    def _finish_time(self, job: Job) -> int:
        seconds = job.finished_at()
        return int(seconds * 1000) if self.options.finish_time_ms else int(seconds)

    def _ending(self, job: Job, stage: Stage, items: list[Json], now: float) -> Json:
        failed = 0 if stage.items == 0 and job.outcome.fails else job.order.count - stage.items
        order = job.order
        return {
            "item_list": items,
            "origin_item_list": [],
            "failed_item_list": [
                _failed_item(item_id(self.options, job, stage.items + n)) for n in range(failed)
            ],
            "pre_gen_item_ids": [item_id(self.options, job, n) for n in range(order.count)],
            "finish_time": self._finish_time(job),
            **self._failure(job, stage),
            "queue_info": self.queue_info(job, now),
            "model_info": {"model_name": order.model_name, "model_req_key": order.model},
            "mode": "workbench",
            "uid": job.account.uid,
            "submit_id": order.submit_id,
            "history_group_key": order.prompt,
            "history_group_key_md5": hashlib.md5(order.prompt.encode()).hexdigest(),
            "draft_content": order.draft_content,
        }

    def _failure(self, job: Job, stage: Stage) -> Json:
        code = job.outcome.fail_code
        if not stage.over or code is None:
            if self.options.no_fail_code == "absent":
                return {}
            return {"fail_code": _NO_FAIL_CODE[self.options.no_fail_code]}
        message = job.outcome.fail_message or meaning(code, self.options.code_texts)
        return {
            "fail_code": int(code) if self.options.numeric_fail_codes else code,
            "fail_msg": message,
            "fail_starling_key": STARLING.get(code, ""),
            "fail_starling_message": message,
        }

    def _forecast(self, job: Job, elapsed: float) -> Json:
        """Estimate what is left, in seconds, upper-ish as the real one is (protocol notes 5.3)."""
        queue_ends = job.plan.queue_ends
        queue = max(0.0, queue_ends - elapsed)
        run = _length(self.options, job) - max(0.0, elapsed - queue_ends)
        credits_ = self.options.forecast == "credits"
        return {
            "forecast_generate_cost": job.order.credits if credits_ else _seconds(max(0.0, run)),
            "forecast_queue_cost": _seconds(queue),
        }


def _length(options: EmulatorOptions, job: Job) -> float:
    timing = options.timing
    spans: tuple[Span, ...] = (timing.image_submitted, timing.image_thinking, timing.image_running)
    if job.order.kind == "video":
        spans = (timing.video_running,)
    seconds = job.outcome.run_seconds
    if seconds is None:
        seconds = sum(longest for _, longest in spans)
    return seconds / options.speed


def _seconds(value: float) -> int | float:
    return math.ceil(value) if value >= 10 or value == 0 else round(value, 3)


def _sparse(record: Json) -> Json:
    task = {name: value for name, value in record["task"].items() if name in _SPARSE_TASK}
    return {name: value for name, value in (record | {"task": task}).items() if name in _SPARSE}


def _failed_item(identity: str) -> Json:
    return {
        "common_attr": {"id": identity},
        "gen_result_data": {"result_code": 1, "result_msg": "SystemBusy"},
    }


def item_id(options: EmulatorOptions, job: Job, index: int) -> str:
    """Give the id of an item: 19 decimal digits."""
    return decimal_id(options.seed, 19, "item", *job.names, index)
