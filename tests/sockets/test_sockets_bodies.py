"""What a body may hold, end to end: every row of it in place of a submit's reply and of a poll's.

The submit took effect each time: it is charged once, found by its id, and comes home. A poll that
says nothing is repeated; a record that is odd costs itself at most.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faultproxy import GENERATE, HISTORY, Fate, befalling, body_of, proxied, saying, with_body
from session_kit import check_job, check_result, image, polling, retrying, settings

from dreamina_async._core.reading import MAX_BYTES

Change = Callable[[bytes], bytes]


async def survived(tmp_path: Path, *changes: Change, read: bool = False) -> None:
    """One charge and one result for each, whichever reply it befalls.

    Args:
        read: whether such a reply is as good as the usual one.
    """
    fates = [Fate(change=change) for change in changes]
    rules = settings(polling=polling(burst=100), retrying=retrying(lookup_window=30.0))
    submits, polls = befalling(GENERATE, *fates), befalling(HISTORY, *fates)
    async with proxied(tmp_path, submits, polls, rules=rules) as (emulator, proxy, session):
        for number in range(len(changes)):
            check_result(emulator, await session.generate(image(str(number))))
        assert len(proxy.to(GENERATE)) == len(emulator.ledger) == len(changes)
        assert (session.statistics().retries == 0) == read


def edited(edit: Callable[[dict[str, Any]], Any]) -> Change:
    """The same reply after an edit of its document."""

    def change(message: bytes) -> bytes:
        document = json.loads(body_of(message))
        edit(document)
        return with_body(message, json.dumps(document).encode())

    return change


def replaced(old: bytes, new: bytes) -> Change:
    def change(message: bytes) -> bytes:
        assert old in message
        return with_body(message, body_of(message).replace(old, new, 1))

    return change


def record_of(document: dict[str, Any]) -> dict[str, Any]:
    """The one record of a reply, wherever it stands."""
    data = document["data"]
    record: dict[str, Any] = data.get("aigc_data") or (
        data if "status" in data or "task" in data else next(iter(data.values()))
    )
    return record


def each_object(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in list(value.values()):
            yield from each_object(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from each_object(inner)


async def test_j1_no_object_at_the_top(tmp_path: Path) -> None:
    tops = [b"", b" ", b"null", b"[]", b'"0"', b"0", b"true", b"{}"]
    await survived(tmp_path, *map(saying, tops))


async def test_j3_other_encodings(tmp_path: Path) -> None:
    def coded(name: str) -> Change:
        return lambda message: with_body(message, body_of(message).decode().encode(name))

    await survived(
        tmp_path,
        coded("utf-16"),
        coded("utf-32"),
        replaced(b'"ret"', b'"\xff\xfe"'),
        lambda message: with_body(message, b"\xef\xbb\xbf\xef\xbb\xbf" + body_of(message)),
    )


async def test_j3_a_byte_order_mark_is_allowed(tmp_path: Path) -> None:
    await survived(
        tmp_path,
        lambda message: with_body(message, b"\xef\xbb\xbf" + body_of(message)),
        lambda message: with_body(
            message, body_of(message), "Content-Type: application/json; charset=utf-16"
        ),
        read=True,
    )


ODD_NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "7" * 5000, "-1", "1.5", "true"]


@pytest.mark.parametrize("number", ODD_NUMBERS)
async def test_j4_j5_numbers_that_are_none(tmp_path: Path, number: str) -> None:
    """In every field that would be slept for, counted with or shown."""

    def spoilt(message: bytes) -> bytes:
        document = json.loads(body_of(message))
        for one in each_object(document):
            for name in one.keys() & {
                "systime",
                "created_time",
                "finish_time",
                "forecast_generate_cost",
                "interval_seconds",
                "total_image_count",
                "queue_idx",
                "width",
                "generate_type",
            }:
                one[name] = "@@"
        return with_body(message, json.dumps(document).replace('"@@"', number).encode())

    await survived(tmp_path, spoilt, read=True)


async def test_j6_j7_j15_too_deep_too_long_too_many(tmp_path: Path) -> None:
    many = json.dumps({f"k{number}": number for number in range(100_001)}).encode()
    await survived(
        tmp_path,
        saying(b'{"ret":"0","data":' + b"[" * 100_000),
        saying(b'{"ret":"0","data":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001),
        saying(b'{"ret":"0","data":' + many + b"}"),
        saying(b'{"ret":"0","pad":"' + b"a" * MAX_BYTES + b'"}'),
    )


async def test_j8_ids_and_verdicts_that_contradict_themselves(tmp_path: Path) -> None:
    await survived(
        tmp_path,
        replaced(b'"ret":"0"', b'"ret":"0","ret":"1000"'),
        replaced(b'"ret":"0"', b'"ret":"1000","ret":"0"'),
        replaced(b'"data":', b'"data":{},"data":'),
    )


async def test_j8_equal_duplicates_are_one(tmp_path: Path) -> None:
    await survived(tmp_path, replaced(b'"ret":"0"', b'"ret":"0","ret":"0"'), read=True)


async def test_j9_text_that_would_break_a_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Half characters, controls and marks, in every text that nothing depends on."""
    names = {"errmsg", "model_name", "fail_starling_message", "history_group_key", "prompt"}

    def spoilt(document: dict[str, Any]) -> None:
        for one in each_object(document):
            for name in one.keys() & names:
                one[name] = "a\ud800\x00\x1b[31m\u202e\nb"

    def refusing(document: dict[str, Any]) -> None:
        spoilt(document)
        document |= {"ret": "987654", "errmsg": "a\ud800\x00\x1b[31m\u202e\nb"}

    await survived(tmp_path, edited(spoilt), read=True)
    await survived(tmp_path / "refused", edited(refusing))
    assert "\x1b" not in caplog.text
    assert "\ud800" not in caplog.text


async def test_j10_a_verdict_that_is_none(tmp_path: Path) -> None:
    def ret(value: Any) -> Change:
        return edited(lambda document: document.update(ret=value))

    values = [None, "", [], {}, True, 0.5, "zero", "987654", -7]
    missing = edited(lambda document: document.pop("ret"))
    await survived(tmp_path, missing, *map(ret, values))
    await survived(tmp_path / "spelt", ret(0), edited(lambda one: one.pop("errmsg")), read=True)


async def test_j11_fields_that_nobody_knows_and_others_missing(tmp_path: Path) -> None:
    def more(document: dict[str, Any]) -> None:
        for one in list(each_object(document)):
            if "status" in one or "image_url" in one:
                one["brand_new"] = {"a": [1, {"b": None}]}

    def fewer(document: dict[str, Any]) -> None:
        record = record_of(document)
        for name in record.keys() - {"item_list", "status", "history_record_id", "submit_id"}:
            del record[name]

    await survived(tmp_path, edited(more), edited(fewer), read=True)


async def test_j12_types_that_drift(tmp_path: Path) -> None:
    def drifted(document: dict[str, Any]) -> None:
        record = record_of(document)
        record["history_record_id"] = int(record["history_record_id"])
        record["status"] = str(record["status"])
        items = record.get("item_list") or []
        record["item_list"] = {str(place): item for place, item in enumerate(items)}

    await survived(tmp_path, edited(drifted), read=True)


async def test_j12_a_record_of_another_kind_costs_itself_alone(tmp_path: Path) -> None:
    """Two jobs in one call: the neighbour's report is read."""

    def spoilt(message: bytes) -> bytes:
        document = json.loads(body_of(message))
        if len(document["data"]) < 2:
            return message
        first = next(iter(document["data"]))
        document["data"][first] = ["no", "record"]
        return with_body(message, json.dumps(document).encode())

    rules = settings(polling=polling(rate=50.0, burst=1))
    fates = befalling(HISTORY, Fate(change=spoilt), for_ever=False)
    async with proxied(tmp_path, fates, rules=rules, speed=100) as (emulator, _, session):
        for job in [await session.submit(image(str(number))) for number in range(6)]:
            await job
            check_job(emulator, job)
        assert len(emulator.ledger) == 6


async def test_j13_other_wrappings(tmp_path: Path) -> None:
    def quoted(document: dict[str, Any]) -> None:
        document["data"] = json.dumps(document["data"])

    def wrapped(name: str) -> Change:
        return edited(lambda document: document.update(data={name: document["data"]}))

    # documented for `/commerce/...` alone, or not at all
    await survived(tmp_path, edited(quoted), wrapped("payload"), wrapped("response"))


async def test_j14_a_body_and_a_status_that_disagree(tmp_path: Path) -> None:
    """Neither an HTTP error around `ret 0` nor a refusal around a charge is a verdict."""

    def under(status: str) -> Change:
        return lambda message: saying(body_of(message), status=status)(message)

    await survived(tmp_path, *map(under, ["500 Oh", "502 Bad", "404 Not Found", "202 Accepted"]))


async def test_j14_codes_that_no_source_explains(tmp_path: Path) -> None:
    odd = [saying(json.dumps({"ret": ret, "data": None}).encode()) for ret in ("31", "5001", "xyz")]
    await survived(tmp_path, *odd)
