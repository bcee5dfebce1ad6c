"""One record becomes a report: every field may be missing or odd (protocol notes 5.3).

A record that contradicts itself, or the id it was asked by, costs itself alone (S5).
"""

import json
import re
from collections.abc import Iterable, Iterator

from dreamina_async._core.codes import code_text
from dreamina_async._core.items import read_items
from dreamina_async._core.reading import Reader, as_object, excerpt, is_identifier, words
from dreamina_async.errors import ProtocolError
from dreamina_async.models import JobReport, QueueInfo

MAX_INTERVAL = 86_400.0
_MAX_QUEUE_TIMEOUT = 30 * 86_400.0
_MAX_FORECAST = 30 * 86_400.0
_MAX_COUNT = 10_000

# S3 and S4 against S2: while one of these stands, an item's own finish_time is not the job's.
_RUNNING = frozenset({0, 20, 42, 45})

_HISTORY_NAMES = ("history_record_id",)
_HISTORY_FALLBACKS = ("history_id", "id")  # the CLI's word, and S2's
_CRITICAL = (*_HISTORY_NAMES, *_HISTORY_FALLBACKS, "task_id", "submit_id", "status", "fail_code")

_NAMING = frozenset({*_CRITICAL, "task"})

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def decode_record(data: object, *, asked: str | None = None, logid: str | None = None) -> JobReport:
    """Read one record on its own.

    Raises:
        ProtocolError: it is no object, contradicts itself, or is not the one `asked` for.
    """
    if as_object(data) is None:
        raise damaged_record("the record is not an object", data, logid)
    return read_record(Reader.of(data), asked, logid)


def canonical(text: str) -> str:
    """One spelling for each id: UUIDs in lower case."""
    text = text.strip()
    return text.lower() if _UUID.fullmatch(text) else text


def own_ids(value: object) -> frozenset[str]:
    """The ids that a record says it has."""
    named = as_object(value)
    if not named or named.keys().isdisjoint(_NAMING):
        return frozenset()
    record = Reader.of(value)
    task = record.object("task")
    said = (*_history_ids(record, task), *said_submit_ids(record, task))
    return frozenset(map(canonical, said))


def names_a_job(record: Reader) -> bool:
    """Whether it states a history id, which only a job that was accepted has."""
    return bool(_history_ids(record, record.object("task")))


def read_record(record: Reader, asked: str | None, logid: str | None) -> JobReport:
    task = record.object("task")
    _check_whole(record, task, logid)
    history_ids, submit_ids = _history_ids(record, task), said_submit_ids(record, task)
    _check_ids(record, history_ids, submit_ids, asked, logid)
    items = read_items(record)
    status = record.integer("status", least=-1000, most=10**6)
    return JobReport(
        history_id=_agreed(record, "history_record_id", history_ids),
        submit_id=_agreed(record, "submit_id", submit_ids),
        status=status,
        task_status=task.integer("status", least=-1000, most=10**6),
        fail_code=code_text(record.text("fail_code")) or code_text(task.text("fail_code")),
        fail_message=words(record.text("fail_starling_message", "fail_msg") or items.message),
        items=items.media,
        failed_items=items.failed,
        listed_items=_listed(record),
        total_count=record.integer("total_image_count", most=_MAX_COUNT),
        finished_count=record.integer("finished_image_count", most=_MAX_COUNT),
        created_at=_created(record, task),
        finish_time=_finished(record, task, status),
        queue=_queue(record, task),
        forecast=_forecast(record),
        model_key=record.object("model_info").text("model_req_key", limit=200)
        or task.text("model", limit=200),
        problems=tuple(record.problems),
    )


def damaged_record(what: str, record: object, logid: str | None) -> ProtocolError:
    start = json.dumps(record, default=repr)[:4096].encode("utf-8", "backslashreplace")
    return ProtocolError(
        f"cannot read one record: {what}",
        charged="unknown",
        status=200,
        logid=logid,
        excerpt=excerpt(start),
    )


def _check_whole(record: Reader, task: Reader, logid: str | None) -> None:
    if record.conflicts(*_CRITICAL, "task", "item_list") or task.conflicts(*_CRITICAL):
        raise damaged_record("it states an id or a status twice", record.value, logid)
    items = record.value.get("item_list")
    if items and not isinstance(items, list) and not record.list("item_list"):
        # As absent it would read as "finished without a result", and the result was paid for.
        raise damaged_record("its item_list is no list", record.value, logid)


def _history_ids(record: Reader, task: Reader) -> tuple[str, ...]:
    names = [*_each(record, _HISTORY_NAMES), *_each(task, ("history_id",))]
    # `task_id` equals the history id in every capture, but it only speaks if nothing else does.
    names = names or [*_each(record, _HISTORY_FALLBACKS)] or [*_each(task, ("task_id",))]
    return tuple(dict.fromkeys(names))


def said_submit_ids(record: Reader, task: Reader) -> tuple[str, ...]:
    """Every submit id that the record states, in one spelling; one, or it is damaged."""
    found = (*_each(record, ("submit_id",)), *_each(task, ("submit_id",)))
    return tuple(dict.fromkeys(map(canonical, found)))


def _each(reader: Reader, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        found = reader.text(name, limit=200)  # whatever it says, it has to agree
        if found is not None and found.strip("0"):  # 0 is how a service writes that there is none
            yield found


def _check_ids(
    record: Reader,
    history_ids: tuple[str, ...],
    submit_ids: tuple[str, ...],
    asked: str | None,
    logid: str | None,
) -> None:
    if asked is None:
        if len(history_ids) > 1 or len(submit_ids) > 1:
            raise damaged_record("its ids contradict each other", record.value, logid)
        return
    kind = submit_ids if _UUID.fullmatch(asked.strip()) else history_ids
    if any(canonical(one) != canonical(asked) for one in kind):
        raise damaged_record("it carries the id of another job", record.value, logid)


def _agreed(record: Reader, name: str, ids: tuple[str, ...]) -> str | None:
    if len(ids) == 1 and is_identifier(ids[0]):
        return ids[0]
    if ids:
        record.note(name, list(ids))
    return None


def _listed(record: Reader) -> tuple[str, ...]:
    values = ({"id": one} for one in record.list("pre_gen_item_ids"))
    path = "pre_gen_item_ids"
    found = (Reader.of(one, path, record.problems).identifier("id") for one in values)
    return tuple(dict.fromkeys(one for one in found if one is not None))


def _created(record: Reader, task: Reader) -> float | None:
    names = ("created_time", "create_time")
    found = record.unix_seconds(*names) or task.unix_seconds(*names)
    if found is not None:
        return found
    times = (one.unix_seconds(*names) for one in _item_tasks(record))
    return next((one for one in times if one is not None), None)


def _finished(record: Reader, task: Reader, status: int | None) -> float | None:
    found = record.unix_seconds("finish_time") or task.unix_seconds("finish_time")
    if found is not None or status in _RUNNING:
        return found
    times = [one.unix_seconds("finish_time") for one in _item_tasks(record)]
    known = [one for one in times if one is not None]
    return max(known, default=None) if len(known) == len(times) else None


def _item_tasks(record: Reader) -> list[Reader]:
    quiet = Reader.of(record.value)  # their problems are told once, by `read_items`
    return [item.object("task") for item in quiet.objects("item_list")]


def _queue(record: Reader, task: Reader) -> QueueInfo | None:
    info = record.object("queue_info")
    info = info if info.value else task.object("queue_info")
    timeout = info.object("polling_config").number("timeout_seconds", most=_MAX_QUEUE_TIMEOUT)
    queue = QueueInfo(
        position=info.integer("queue_idx"),
        length=info.integer("queue_length"),
        status=info.integer("queue_status", most=1000),
        interval=read_interval(info) or read_interval(record),
        timeout=timeout or None,
    )
    return None if queue == QueueInfo() else queue


def read_interval(reader: Reader) -> float | None:
    config = reader.object("polling_config")
    return config.number("interval_seconds", most=MAX_INTERVAL) or None


def _forecast(record: Reader) -> float | None:
    parts = [
        record.number(name, most=_MAX_FORECAST)
        for name in ("forecast_generate_cost", "forecast_queue_cost")
    ]
    known = [part for part in parts if part is not None]
    return sum(known) if known else None
