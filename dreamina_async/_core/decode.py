"""A reply becomes our values, or the one error that fits it.

Three layers, each with its own trust. HTTP: anything but 200 is an error, whatever the body
says (J14). Envelope: `ret` decides between a reply and a refusal. Record: every field may be
missing or odd, and a record that contradicts itself or its key costs itself alone (S5).
"""

from collections.abc import Iterable, Mapping, Sequence

from attrs import evolve, field, frozen

from dreamina_async._core.codes import code_text
from dreamina_async._core.envelope import open_envelope
from dreamina_async._core.items import read_item
from dreamina_async._core.reading import (
    CONTRADICTED,
    Reader,
    as_list,
    as_object,
    same,
    unreadable,
)
from dreamina_async._core.record import (
    canonical,
    damaged_record,
    decode_record,
    own_ids,
    read_interval,
    read_record,
    said_submit_ids,
)
from dreamina_async._core.wire import HttpResponse
from dreamina_async.errors import ApiError, ProtocolError
from dreamina_async.models import JobReport, MediaItem

# Where official decoders look for records besides `data` itself (protocol notes 5.2, 5.5).
_WRAPPERS = ("data", "Data", "items", "Items", "records_list", "history_records", "history_list")
_PAYLOAD_KEYS = frozenset({"polling_config"})


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
        void: whether it held no set of records at all, not even an empty one.
    """

    reports: Mapping[str, JobReport] = field(factory=dict[str, JobReport])
    absent: frozenset[str] = frozenset()
    damaged: Mapping[str, ProtocolError] = field(factory=dict[str, ProtocolError])
    foreign: int = 0
    systime: float | None = None
    void: bool = False
    logid: str | None = None


# --- replies -----------------------------------------------------------------------------------


def decode_submit(response: HttpResponse, submit_id: str, *, now: float) -> SubmitReply:
    """Read the reply to a generate request; `now` is wall time, for Retry-After.

    Raises:
        ApiError: a readable refusal; `charged` is "no" only where that is certain.
        ProtocolError: anything else; the request may have been accepted.
    """
    root, logid = open_envelope(response, "submit", now)
    data = root.object("data")  # S3: the record itself; S4 and all captures of 2026: aigc_data
    record = data.object("aigc_data") if as_object(data.raw("aigc_data")) is not None else data
    if data.conflicts("aigc_data") or not record.value:
        raise unreadable("success without data", response.body, status=200, logid=logid)
    report = read_record(record, None, logid)
    echoes = said_submit_ids(record, record.object("task"))
    if any(one != canonical(submit_id) for one in echoes):
        raise unreadable("it speaks of another submit", response.body, status=200, logid=logid)
    if not echoes and report.history_id is None:
        raise unreadable("success without an id", response.body, status=200, logid=logid)
    if report.fail_code is None and record is not data:
        report = evolve(report, fail_code=code_text(data.text("fail_code")))
    return SubmitReply(
        history_id=report.history_id,
        submit_id=submit_id if echoes else None,
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
        root, logid = open_envelope(response, "status", now)
    except ApiError as error:
        if type(error) is ApiError and error.code == "2001" and len(set(ids)) == 1:
            return StatusReply(absent=frozenset(ids), logid=error.logid)
        raise
    sets = [root.raw(name) for name in ("data", "Data", "Items")]
    data = next(filter(None, sets), None)
    if data is not None and as_list(data) is None and as_object(data) is None:
        raise unreadable("data is not a set of records", response.body, status=200, logid=logid)
    found, foreign = _assign(data, ids)
    interval = read_interval(root) or read_interval(Reader.of(as_object(data)))
    reports: dict[str, JobReport] = {}
    odd: dict[str, ProtocolError] = {}
    for asked, candidates in found.items():
        try:
            reports[asked] = _paced(_only(candidates, asked, logid), interval)
        except ProtocolError as error:  # it costs itself alone
            odd[asked] = error
    return StatusReply(
        reports=reports,
        absent=frozenset(ids) - found.keys(),
        damaged=odd,
        foreign=foreign,
        systime=_systime(root),
        void=not any(isinstance(one, dict | list) for one in sets),
        logid=logid,
    )


def _paced(report: JobReport, interval: float | None) -> JobReport:
    """The interval that the whole reply asks for holds for a queued job that names none (JSP)."""
    if interval is None or report.queue is None or report.queue.interval is not None:
        return report
    return evolve(report, queue=evolve(report.queue, interval=interval))


def decode_items(response: HttpResponse, *, now: float) -> dict[str, MediaItem]:
    """Read the reply to a look at single items (protocol notes 8.1), by item id.

    Raises:
        ApiError: a readable refusal.
        ProtocolError: nothing of the reply can be read.
    """
    root, _ = open_envelope(response, "items", now)
    data = root.object("data")
    items = data.objects("item_list") or data.objects("local_item_list")
    found = [item for item in map(read_item, items) if item is not None]
    return {item.item_id: item for item in found if item.item_id}


def _systime(root: Reader) -> float | None:
    return root.unix_seconds("systime", "sysTime", "svr_time")


def _assign(data: object, ids: Sequence[str]) -> tuple[dict[str, list[object]], int]:
    """Every record to the id it was asked by, and how many are nobody's."""
    wanted: dict[str, list[str]] = {}
    for asked in dict.fromkeys(ids):
        wanted.setdefault(canonical(asked), []).append(asked)
    found: dict[str, list[object]] = {}
    others: list[tuple[str | None, object]] = []
    for key, value in _entries(data, wanted):
        if key is not None and canonical(key) in wanted:
            for asked in wanted[canonical(key)]:
                found.setdefault(asked, []).append(value)
        elif key not in _PAYLOAD_KEYS:
            others.append((key, value))
    direct = frozenset(found)
    foreign = 0
    for key, value in others:
        own = own_ids(value)
        mine = [asked for one in own if one in wanted for asked in wanted[one]]
        mine = [asked for asked in mine if asked not in direct]
        # A list has no keys (DCL). A key nobody asked for is fine if it is the record's other id.
        if not mine or (key is not None and canonical(key) not in own):
            foreign += 1
            continue
        for asked in mine:
            found.setdefault(asked, []).append(value)
    # Present but null or {} says no more than absent does (S6).
    kept = {
        asked: [one for one in values if not _says_nothing(one)] for asked, values in found.items()
    }
    return {asked: values for asked, values in kept.items() if values}, foreign


def _entries(
    data: object, wanted: Mapping[str, object], depth: int = 3
) -> Iterable[tuple[str | None, object]]:
    if (records := as_list(data)) is not None:
        return [(None, one) for one in records]
    keyed = Reader.of(data)
    if depth and not any(canonical(key) in wanted for key in keyed.value):
        for name in _WRAPPERS:
            inner = keyed.raw(name)
            if as_object(inner) is not None or as_list(inner) is not None:
                return _entries(inner, wanted, depth - 1)
    return [(key, _TWICE if one is CONTRADICTED else one) for key, one in keyed.value.items()]


def _says_nothing(value: object) -> bool:
    return value is None or as_object(value) == {}


_TWICE = "two different records under one key"


def _only(candidates: Sequence[object], asked: str, logid: str | None) -> JobReport:
    if not all(same(one, candidates[0]) for one in candidates):
        raise damaged_record(_TWICE, candidates[0], logid)
    return decode_record(candidates[0], asked=asked, logid=logid)
