"""A reply becomes our values, or the one error that fits it.

Three layers, each with its own trust. HTTP: anything but 200 is an error, whatever the body
says (J14). Envelope: `ret` decides between a reply and a refusal. Record: every field may be
missing or odd, and a record that contradicts itself or its key costs itself alone (S5).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from attrs import evolve, field, frozen

from dreamina_async._core.codes import CODES, UNKNOWN, code_text, error_for, lookup
from dreamina_async._core.items import read_items
from dreamina_async._core.reading import (
    Reader,
    as_list,
    as_object,
    excerpt,
    read_json,
    same,
    unreadable,
    words,
)
from dreamina_async._core.wire import HttpResponse
from dreamina_async.errors import (
    ApiError,
    AuthenticationError,
    DreaminaError,
    ProtocolError,
    RateLimited,
    ServiceUnavailable,
)
from dreamina_async.models import JobReport, QueueInfo

Call = Literal["submit", "status"]

MAX_RETRY_AFTER = 600.0
MAX_INTERVAL = 86_400.0
_MAX_QUEUE_TIMEOUT = 30 * 86_400.0
_MAX_FORECAST = 30 * 86_400.0
_MAX_COUNT = 10_000

# S3 and S4 against S2: while one of these stands, an item's own finish_time is not the job's.
_RUNNING = frozenset({0, 20, 42, 45})

# Where official decoders look for records besides `data` itself (protocol notes 5.2, 5.5).
_WRAPPERS = ("data", "Data", "items", "Items", "records_list", "history_records", "history_list")
_PAYLOAD_KEYS = frozenset({"polling_config"})

_HISTORY_NAMES = ("history_record_id",)
_HISTORY_FALLBACKS = ("history_id", "id")  # the CLI's word, and S2's
_CRITICAL = (*_HISTORY_NAMES, *_HISTORY_FALLBACKS, "task_id", "submit_id", "status", "fail_code")

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
_HTTP_DATE = re.compile(
    r"[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@frozen
class SubmitReply:
    """The service accepted a submit; at least one of the two ids is there.

    Attributes:
        submit_id: as echoed, in the spelling that was sent; None if not echoed.
        systime: the service's own clock, in Unix seconds.
    """

    history_id: str | None
    submit_id: str | None
    report: JobReport
    systime: float | None = None
    logid: str | None = None
    uid: str | None = None


@frozen
class StatusReply:
    """What one status call said. Every asked id is in exactly one of the first three.

    Attributes:
        absent: asked, and not in the reply; no proof of anything (S1).
        damaged: asked, answered, and not to be trusted; nothing is known of the job.
        foreign: how many records nobody asked for.
        polling: seconds between looks that the whole reply asks for.
    """

    reports: Mapping[str, JobReport] = field(factory=dict[str, JobReport])
    absent: frozenset[str] = frozenset()
    damaged: Mapping[str, ProtocolError] = field(factory=dict[str, ProtocolError])
    foreign: int = 0
    systime: float | None = None
    polling: float | None = None
    logid: str | None = None


# --- replies -----------------------------------------------------------------------------------


def decode_submit(response: HttpResponse, submit_id: str, *, now: float) -> SubmitReply:
    """Read the reply to a generate request; `now` is wall time, for Retry-After.

    Raises:
        ApiError: a readable refusal; `charged` is "no" only where that is certain.
        ProtocolError: anything else; the request may have been accepted.
    """
    root, logid = _open(response, "submit", now)
    data = root.object("data")  # S3: the record itself; S4 and all captures of 2026: aigc_data
    record = data.object("aigc_data") if isinstance(data.raw("aigc_data"), dict) else data
    if data.conflicts("aigc_data") or not record.value:
        raise unreadable("success without data", response.body, status=200, logid=logid)
    report = _record(record, None, logid)
    echo = report.submit_id
    if echo is not None and _canonical(echo) != _canonical(submit_id):
        raise unreadable("it speaks of another submit", response.body, status=200, logid=logid)
    if echo is None and report.history_id is None:
        raise unreadable("success without an id", response.body, status=200, logid=logid)
    if report.fail_code is None and record is not data:
        report = evolve(report, fail_code=code_text(data.text("fail_code")))
    return SubmitReply(
        history_id=report.history_id,
        submit_id=None if echo is None else submit_id,
        report=report,
        systime=_systime(root),
        logid=logid,
        uid=record.identifier("uid"),
    )


def decode_status(response: HttpResponse, ids: Sequence[str], *, now: float) -> StatusReply:
    """Read the reply to a status call for `ids`, history ids and submit ids alike.

    Raises:
        ApiError: a readable refusal of the whole call. 2001 for a single id is no refusal but
            an absent id; for several, one of them may be the culprit (S3 of the fault list).
        ProtocolError: nothing of the reply can be read.
    """
    try:
        root, logid = _open(response, "status", now)
    except ApiError as error:
        if type(error) is ApiError and error.code == "2001" and len(set(ids)) == 1:
            return StatusReply(absent=frozenset(ids), logid=error.logid)
        raise
    data = next((root.raw(name) for name in ("data", "Data", "Items") if root.raw(name)), None)
    keyed = Reader.of(data)
    if data is not None and as_list(data) is None and as_object(data) is None:
        raise unreadable("data is not a set of records", response.body, status=200, logid=logid)
    found, foreign = _assign(data, ids)
    reports: dict[str, JobReport] = {}
    damaged: dict[str, ProtocolError] = {}
    for asked, candidates in found.items():
        try:
            reports[asked] = _only(candidates, asked, logid)
        except ProtocolError as error:  # it costs itself alone
            damaged[asked] = error
    return StatusReply(
        reports=reports,
        absent=frozenset(ids) - found.keys(),
        damaged=damaged,
        foreign=foreign,
        systime=_systime(root),
        polling=_interval(root) or _interval(keyed),
        logid=logid,
    )


def decode_record(data: object, *, asked: str | None = None, logid: str | None = None) -> JobReport:
    """Read one record on its own.

    Raises:
        ProtocolError: it is no object, contradicts itself, or is not the one `asked` for.
    """
    if as_object(data) is None:
        raise _damaged("the record is not an object", data, logid)
    return _record(Reader.of(data), asked, logid)


# --- HTTP and envelope -------------------------------------------------------------------------


@frozen
class _Envelope:
    """What every reply has, as far as it can be read; `root` is empty if it is no JSON object."""

    response: HttpResponse
    root: Reader
    call: Call
    now: float

    @property
    def ret(self) -> str | None:
        return (self.root.text("ret", limit=64) or "").strip() or None

    @property
    def code(self) -> str | None:
        return code_text(self.ret)

    @property
    def logid(self) -> str | None:
        found = self.root.identifier("logid", "logId", "log_id")
        return found or Reader(dict(self.response.headers)).identifier("x-tt-logid")

    @property
    def message(self) -> str:
        # The starling message is the text the web page shows (ZHI).
        data = self.root.object("data")
        said = data.text("fail_starling_message") or self.root.text("errmsg", "msg", "message")
        return said or ""

    def facts(self) -> dict[str, Any]:
        """What every `ApiError` takes."""
        return {"code": self.code, "logid": self.logid, "status": self.response.status}

    def wait(self) -> float | None:
        return retry_after(self.response.headers.get("retry-after"), self.now)

    def refusal(self, code: str) -> ApiError:
        return error_for(
            code,
            self.message,
            context=self.call,
            logid=self.logid,
            status=self.response.status,
            retry_after=self.wait(),
        )

    def unreadable(self, what: str) -> ProtocolError:
        return unreadable(what, self.response.body, status=self.response.status, logid=self.logid)


def _open(response: HttpResponse, call: Call, now: float) -> tuple[Reader, str | None]:
    """The envelope of a success and its log id; raises for everything else."""
    if response.status != 200:
        raise _http_error(_Envelope(response, _peek(response.body), call, now))
    envelope = _Envelope(response, Reader({}), call, now)
    value = read_json(response.body, status=response.status, logid=envelope.logid)
    if as_object(value) is None:
        raise envelope.unreadable("not a JSON object")
    envelope = evolve(envelope, root=Reader.of(value))
    if envelope.ret is None or envelope.root.conflicts("ret", "data"):
        raise envelope.unreadable("it has no ret, or two")
    if envelope.code is not None:
        raise envelope.refusal(envelope.code)
    return envelope.root, envelope.logid


def _peek(body: bytes) -> Reader:
    try:
        value = read_json(body)
    except ProtocolError:
        value = None
    return Reader.of(value)


def _http_error(envelope: _Envelope) -> DreaminaError:
    status = envelope.response.status
    code = envelope.code
    if status == 429:
        return _rate_limited(envelope)
    if 500 <= status <= 599 or status == 408:
        # Never "no": a gateway may have passed the request on (H1), whatever the body says.
        return ServiceUnavailable(
            f"the service answers HTTP {status}: {words(envelope.message) or 'no reason given'}",
            charged="unknown",
            advice="wait and look again; the service or a gateway before it is in trouble",
            retry_after=envelope.wait(),
            **envelope.facts(),
        )
    if status in {401, 403} and (code is None or lookup(code, envelope.call) is UNKNOWN):
        return AuthenticationError(
            f"the service answers HTTP {status}",
            charged="unknown",
            advice=CODES["1015"].advice,
            **envelope.facts(),
        )
    if 400 <= status <= 499 and code is not None:
        return envelope.refusal(code)
    return envelope.unreadable(f"HTTP {status}")


def _rate_limited(envelope: _Envelope) -> RateLimited:
    # Well-formed: a refusal of the service's own, or the empty body of its gateway. With an
    # HTML page or `ret 0` nobody knows who answered, or what.
    empty = not envelope.response.body.strip()
    well_formed = empty or (envelope.root.value and (envelope.code or not envelope.ret))
    return RateLimited(
        "the service answers HTTP 429: too many requests",
        charged="no" if envelope.call == "submit" and well_formed else "unknown",
        advice=CODES["1"].advice,
        retry_after=envelope.wait(),
        **envelope.facts(),
    )


def retry_after(text: str | None, now: float) -> float | None:
    """Seconds to wait by a Retry-After header, at most 600; None if it makes no sense (H4)."""
    text = (text or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), MAX_RETRY_AFTER)
    date = _HTTP_DATE.fullmatch(text)
    if date is None or date[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(date[group]) for group in (1, 3, 4, 5, 6))
    if not (1 <= day <= 31 and hour <= 23 and minute <= 59 and second <= 60):
        return None
    days = _days(year, _MONTHS.index(date[2]) + 1, day)
    wait = days * 86_400 + hour * 3600 + minute * 60 + second - now
    return min(max(wait, 0.0), MAX_RETRY_AFTER)


def _days(year: int, month: int, day: int) -> int:
    # Days since 1970 in the Gregorian calendar; years begin in March, so leap days come last.
    year -= month <= 2
    leaps = year // 4 - year // 100 + year // 400
    return year * 365 + leaps + (153 * ((month + 9) % 12) + 2) // 5 + day - 719_469


def _systime(root: Reader) -> float | None:
    return root.unix_seconds("systime", "sysTime", "svr_time")


# --- which record is whose ---------------------------------------------------------------------


def _assign(data: object, ids: Sequence[str]) -> tuple[dict[str, list[object]], int]:
    """Every record to the id it was asked by, and how many are nobody's."""
    wanted: dict[str, list[str]] = {}
    for asked in dict.fromkeys(ids):
        wanted.setdefault(_canonical(asked), []).append(asked)
    found: dict[str, list[object]] = {}
    others: list[tuple[str | None, object]] = []
    for key, value in _entries(data, wanted):
        if key is not None and _canonical(key) in wanted:
            for asked in wanted[_canonical(key)]:
                found.setdefault(asked, []).append(value)
        elif key not in _PAYLOAD_KEYS:
            others.append((key, value))
    direct = frozenset(found)
    foreign = 0
    for key, value in others:
        own = _own_ids(value)
        mine = [asked for one in own if one in wanted for asked in wanted[one]]
        mine = [asked for asked in mine if asked not in direct]
        # A list has no keys (DCL). A key nobody asked for is fine if it is the record's other id.
        if not mine or (key is not None and _canonical(key) not in own):
            foreign += 1
            continue
        for asked in mine:
            found.setdefault(asked, []).append(value)
    # Present but null or {} says no more than absent does (S6).
    kept = {
        asked: [one for one in values if one not in (None, {})] for asked, values in found.items()
    }
    return {asked: values for asked, values in kept.items() if values}, foreign


def _entries(
    data: object, wanted: Mapping[str, object], depth: int = 3
) -> Iterable[tuple[str | None, object]]:
    if (records := as_list(data)) is not None:
        return [(None, one) for one in records]
    keyed = Reader.of(data)
    if depth and not any(_canonical(key) in wanted for key in keyed.value):
        for name in _WRAPPERS:
            if isinstance(inner := keyed.raw(name), dict | list):
                return _entries(inner, wanted, depth - 1)
    return [(key, _TWICE if keyed.conflicts(key) else one) for key, one in keyed.value.items()]


_TWICE = "two different records under one key"


def _own_ids(value: object) -> frozenset[str]:
    record = Reader.of(value)
    return frozenset(_canonical(one) for one in (*_history_ids(record), *_submit_ids(record)))


def _only(candidates: Sequence[object], asked: str, logid: str | None) -> JobReport:
    if not all(same(one, candidates[0]) for one in candidates):
        raise _damaged(_TWICE, candidates[0], logid)
    return decode_record(candidates[0], asked=asked, logid=logid)


def _canonical(text: str) -> str:
    text = text.strip()
    return text.lower() if _UUID.fullmatch(text) else text


# --- one record --------------------------------------------------------------------------------


def _record(record: Reader, asked: str | None, logid: str | None) -> JobReport:
    task = record.object("task")
    _check_whole(record, task, logid)
    history_ids, submit_ids = _history_ids(record), _submit_ids(record)
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


def _damaged(what: str, record: object, logid: str | None) -> ProtocolError:
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
        raise _damaged("it states an id or a status twice", record.value, logid)
    items = record.value.get("item_list")
    if items and not isinstance(items, list) and not record.list("item_list"):
        # As absent it would read as "finished without a result", and the result was paid for.
        raise _damaged("its item_list is no list", record.value, logid)


def _history_ids(record: Reader) -> tuple[str, ...]:
    task = record.object("task")
    names = [*_each(record, _HISTORY_NAMES), *_each(task, ("history_id",))]
    # `task_id` equals the history id in every capture, but it only speaks if nothing else does.
    names = names or [*_each(record, _HISTORY_FALLBACKS)] or [*_each(task, ("task_id",))]
    return tuple(dict.fromkeys(names))


def _submit_ids(record: Reader) -> tuple[str, ...]:
    found = (*_each(record, ("submit_id",)), *_each(record.object("task"), ("submit_id",)))
    return tuple(dict.fromkeys(map(_canonical, found)))


def _each(reader: Reader, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        found = reader.identifier(name)
        if found is not None:
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
            raise _damaged("its ids contradict each other", record.value, logid)
        return
    kind = submit_ids if _UUID.fullmatch(asked.strip()) else history_ids
    if any(_canonical(one) != _canonical(asked) for one in kind):
        raise _damaged("it carries the id of another job", record.value, logid)


def _agreed(record: Reader, name: str, ids: tuple[str, ...]) -> str | None:
    if len(ids) > 1:
        record.note(name, list(ids))
        return None
    return ids[0] if ids else None


def _listed(record: Reader) -> tuple[str, ...]:
    values = ({"id": one} for one in record.list("pre_gen_item_ids"))
    path = "pre_gen_item_ids"
    found = (Reader.of(one, path, record.problems).identifier("id") for one in values)
    return tuple(dict.fromkeys(one for one in found if one is not None))


def _created(record: Reader, task: Reader) -> float | None:
    for reader in (record, task, *_item_tasks(record)):
        found = reader.unix_seconds("created_time", "create_time")
        if found is not None:
            return found
    return None


def _finished(record: Reader, task: Reader, status: int | None) -> float | None:
    found = record.unix_seconds("finish_time") or task.unix_seconds("finish_time")
    tasks = _item_tasks(record)
    if found is not None or status in _RUNNING or not tasks:
        return found
    times = [one.unix_seconds("finish_time") for one in tasks]
    known = [one for one in times if one is not None]
    return max(known) if len(known) == len(times) else None


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
        interval=_interval(info) or _interval(record),
        timeout=timeout or None,
    )
    return None if queue == QueueInfo() else queue


def _interval(reader: Reader) -> float | None:
    config = reader.object("polling_config")
    return config.number("interval_seconds", most=MAX_INTERVAL) or None


def _forecast(record: Reader) -> float | None:
    parts = [
        record.number(name, most=_MAX_FORECAST)
        for name in ("forecast_generate_cost", "forecast_queue_cost")
    ]
    known = [part for part in parts if part is not None]
    return sum(known) if known else None
