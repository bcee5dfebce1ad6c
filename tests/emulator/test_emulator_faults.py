import asyncio
import json
import time

import aiohttp
import pytest

from dreamina_async.emulator import Fault

pytestmark = pytest.mark.anyio
HISTORY = "/mweb/v1/get_history_by_ids"
GENERATE = "/mweb/v1/aigc_draft/generate"


def add(wire, where, what, **fields):
    wire.emulator.faults.add(Fault(where=where, what=what, **fields))


async def finished(wire, *submit_ids):
    for each in submit_ids:
        await wire.image(each, submit_id=each)
    return {each: (await wire.seen(each))[0] for each in submit_ids}


async def image_url(wire, submit_id="s-1"):
    record = (await finished(wire, submit_id))[submit_id]
    return record["item_list"][0]["image"]["large_images"][0]["image_url"]


@pytest.mark.parametrize("what", ["reset", "close"])
@pytest.mark.parametrize("suffix", ["", "_after_charge"])
async def test_a_lost_reply_is_charged_only_after_the_charge(start, what, suffix):
    wire = await start()
    add(wire, "generate", what + suffix, after=1)
    await wire.image(submit_id="s-0")
    with pytest.raises(aiohttp.ClientConnectionError):
        await wire.image("柴犬", submit_id="s-1")
    assert len(wire.emulator.ledger.charges("s-1")) == (1 if suffix else 0)
    last = wire.emulator.requests.to("generate")[-1]
    assert (last.status, last.fault) == (0, what + suffix)
    assert (await wire.image(submit_id="s-2"))["ret"] == "0"
    assert len(wire.emulator.faults.hits) == 1
    assert wire.emulator.faults.pending == ()


async def test_http_errors_before_and_after_the_charge(start):
    wire = await start()
    add(wire, "generate", "status", status=429, retry_after=7)
    add(wire, "generate", "status_after_charge", status=504)
    answers = [await wire.raw(GENERATE, {"submit_id": "s-1"}) for _ in range(2)]
    assert [status for status, _, _ in answers] == [429, 504]
    assert answers[0][1]["Retry-After"] == "7"
    add(wire, "generate", "status", status=502, when="after")
    body = {"submit_id": "s-2", "draft_content": json.dumps(wire.image_draft("x"))}
    body["extend"] = {"root_model": "high_aes_general_v40"}
    assert (await wire.raw(GENERATE, body))[0] == 502
    assert wire.emulator.ledger.submit_ids == ("s-2",)


@pytest.mark.leaks  # an error of JSON shows its document, and a finished record has signed URLs
async def test_bodies_that_are_no_reply(start):
    wire = await start()
    await wire.image(submit_id="s-1")
    for what in ("html", "truncated_json", "empty_body"):
        add(wire, "history", what)
    asked = {"submit_ids": ["s-1"]}
    status, headers, raw = await wire.raw(HISTORY, asked)
    assert (status, headers["Content-Type"].split(";")[0]) == (200, "text/html")
    _, _, raw = await wire.raw(HISTORY, asked)
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|delimiter"):
        json.loads(raw.decode(errors="replace"))
    assert (await wire.raw(HISTORY, asked))[2] == b""
    add(wire, "history", "ret", ret="1057")
    reply = await wire.post(HISTORY, asked)
    assert (reply["ret"], reply["data"]) == ("1057", None)
    assert (await wire.post(HISTORY, asked))["ret"] == "0"


async def test_a_record_can_be_missing_for_some_looks(start):
    wire = await start()
    await finished(wire, "s-1", "s-2")
    add(wire, "history", "missing", times=2, match="s-1")
    looks = [set((await wire.history("s-1", "s-2"))["data"]) for _ in range(3)]
    assert looks == [{"s-2"}, {"s-2"}, {"s-1", "s-2"}]


@pytest.mark.parametrize(
    ("damage", "spoilt"),
    [
        ("null_item_list", lambda r: r["item_list"] is None),
        ("text_record", lambda r: r == "record"),
        ("null_record", lambda r: r is None),
        ("list_record", lambda r: isinstance(r, list)),
        ("wrong_types", lambda r: isinstance(r["status"], dict)),
        ("null_items", lambda r: r["item_list"][0] is None),
        ("empty_urls", lambda r: not r["item_list"][0]["image"]["large_images"][0]["image_url"]),
        ("no_status", lambda r: "status" not in r),
    ],
)
async def test_one_record_is_damaged_beside_good_ones(start, damage, spoilt):
    wire = await start()
    await finished(wire, "柴犬", "猫")
    add(wire, "history", "damaged", damage=damage, match="猫")
    data = (await wire.history("柴犬", "猫"))["data"]
    assert spoilt(data["猫"])
    assert len(data["柴犬"]["item_list"]) == 4


async def test_records_can_be_swapped(start):
    wire = await start()
    await finished(wire, "s-1", "s-2")
    add(wire, "history", "swapped")
    data = (await wire.history("s-1", "s-2"))["data"]
    assert [data[each]["submit_id"] for each in ("s-1", "s-2")] == ["s-2", "s-1"]


async def test_a_hanging_call_ends_with_its_client_and_holds_up_nobody(start):
    wire = await start()
    add(wire, "history", "hang")
    add(wire, "generate", "hang_after_charge")
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(wire.history("s-1")), group.create_task(wire.image())]
        await wire.emulator.until(lambda: wire.emulator.requests.peaks.get("history") == 1)
        await wire.emulator.until(lambda: len(wire.emulator.ledger) == 1)
        for call in calls:
            call.cancel()
    before = time.perf_counter()
    await wire.emulator.__aexit__()
    assert time.perf_counter() - before < 1


async def test_a_client_that_gives_up_early_is_charged_all_the_same(start):
    wire = await start(speed=1, generate_latency=(0.05, 0.05))
    call = asyncio.create_task(wire.image(submit_id="s-1"))
    await wire.emulator.until(lambda: wire.emulator.requests.peaks.get("generate") == 1)
    call.cancel()
    await wire.emulator.until(lambda: len(wire.emulator.ledger) == 1)
    assert call.cancelled() or call.cancelling()
    assert wire.emulator.ledger.submit_ids == ("s-1",)


@pytest.mark.parametrize("what", ["truncated", "truncated_unsized", "reset", "close"])
async def test_media_that_breaks_off(start, what):
    wire = await start()
    url = await image_url(wire)
    # For all, since aiohttp itself asks a second time when a reused connection ends at once.
    add(wire, "media", what, times=None)
    try:
        status, _, body = await wire.get(url)
    except aiohttp.ClientError:
        assert what != "truncated_unsized"
    else:
        assert what == "truncated_unsized"
        assert (status, len(body)) == (200, wire.emulator.media("s-1")[0].size // 2)
    wire.emulator.faults.clear()
    assert (await wire.get(url))[0] == 200


async def test_media_that_is_not_the_file(start):
    wire = await start()
    url = await image_url(wire)
    size = wire.emulator.media("s-1")[0].size
    good = (await wire.get(url))[2]
    seen = {}
    for what in ("expired", "not_found", "html", "partial", "wrong_length", "corrupt", "status"):
        add(wire, "media", what, status=429, retry_after=3)
        seen[what] = await wire.get(url)
    assert {what: status for what, (status, _, _) in seen.items()} == {
        "expired": 403,
        "not_found": 404,
        "html": 200,
        "partial": 206,
        "wrong_length": 200,
        "corrupt": 200,
        "status": 429,
    }
    assert seen["html"][1]["Content-Type"].startswith("text/html")
    assert seen["partial"][1]["Content-Range"] == f"bytes 0-{size // 2 - 1}/{size}"
    assert len(seen["wrong_length"][2]) == size // 2
    assert len(seen["corrupt"][2]) == size
    assert seen["corrupt"][2] != good
    assert seen["status"][1]["Retry-After"] == "3"


async def test_a_slow_drip_arrives_whole(start):
    wire = await start()
    url = await image_url(wire)
    add(wire, "media", "drip", seconds=0.05)
    began = time.perf_counter()
    body = (await wire.get(url))[2]
    assert time.perf_counter() - began >= 0.05
    assert len(body) == wire.emulator.media("s-1")[0].size


async def test_chances_are_drawn_from_the_seed(start):
    patterns = []
    for _ in range(2):
        wire = await start(seed=3)
        add(wire, "history", "ret", ret="1057", times=None, chance=0.5)
        patterns.append([(await wire.history("s-1"))["ret"] for _ in range(20)])
    assert patterns[0] == patterns[1]
    assert set(patterns[0]) == {"0", "1057"}


async def test_star_faults_and_clearing(start):
    wire = await start()
    add(wire, "*", "status", times=None)
    assert (await wire.raw(HISTORY, {"submit_ids": ["a"]}))[0] == 503
    wire.emulator.faults.clear()
    assert (await wire.raw(HISTORY, {"submit_ids": ["a"]}))[0] == 200


def test_a_fault_of_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="explode"):
        Fault(where="media", what="explode")
    with pytest.raises(ValueError, match="moon"):
        Fault(where="moon", what="reset")


@pytest.mark.parametrize(
    ("where", "what"),
    [
        ("generate", "truncated_after_charge"),
        ("history", "corrupt"),
        ("upload", "drip"),
        ("media", "ret"),
        ("media", "empty_body"),
        ("media", "missing"),
        ("generate", "damaged"),
        ("queue", "swapped"),
    ],
)
def test_a_fault_that_cannot_act_at_its_place_is_refused(where, what):
    with pytest.raises(ValueError, match=f"'{what}' cannot act at '{where}': close, .* can$"):
        Fault(where=where, what=what)


async def test_a_fault_of_all_places_waits_for_one_where_it_can_act(start):
    wire = await start()
    url = await image_url(wire)
    add(wire, "*", "truncated_unsized")
    add(wire, "*", "missing")
    add(wire, "*", "ret")
    assert len((await wire.get(url))[2]) == wire.emulator.media("s-1")[0].size // 2
    assert (await wire.history("s-1"))["ret"] == "1057"
    assert (await wire.history("s-1"))["data"] == {}
    assert len(wire.emulator.faults.hits) == 3


async def test_a_fault_matches_ids_of_both_kinds_and_prompts(start):
    wire = await start()
    await wire.image("柴犬", submit_id="s-1")
    await wire.image("猫", submit_id="s-2")
    await wire.seen("s-1")
    (history_id,) = wire.emulator.history_ids("s-1")
    for match in ("s-1", history_id, "柴犬"):
        for asked in ({"submit_ids": ["s-1"]}, {"history_ids": [history_id]}):
            add(wire, "history", "status", match=match)
            assert (await wire.raw(HISTORY, {"submit_ids": ["s-2"]}))[0] == 200
            assert (await wire.raw(HISTORY, asked))[0] == 503


@pytest.mark.parametrize("match", ["s-1", "柴犬", "item"])
async def test_a_fault_matches_the_job_of_an_item(start, match):
    wire = await start()
    await wire.image("柴犬", submit_id="s-1")
    record, _ = await wire.seen("s-1")
    item_id = record["item_list"][0]["common_attr"]["id"]
    add(wire, "items", "status", match=item_id if match == "item" else match)
    path = "/mweb/v1/get_local_item_list"
    assert (await wire.raw(path, {"item_id_list": ["1"]}))[0] == 200
    assert (await wire.raw(path, {"item_id_list": [item_id]}))[0] == 503


async def test_swapped_records_can_be_matched_by_prompt(start):
    wire = await start()
    await finished(wire, "s-1", "s-2")
    add(wire, "history", "swapped", match="nobody's prompt")
    await wire.image("a prompt", submit_id="s-3")
    add(wire, "history", "swapped", match="a prompt")
    await wire.history("s-1", "s-2")
    assert wire.emulator.faults.hits == ()
    await wire.history("s-1", "s-3")
    assert len(wire.emulator.faults.hits) == 1


async def test_a_hanging_call_is_over_when_its_client_has_left(start):
    wire = await start()
    add(wire, "history", "hang", times=3)
    for left in range(1, 4):
        call = asyncio.create_task(wire.history("s-1"))
        await wire.emulator.until(lambda left=left: len(wire.emulator.faults.hits) == left)
        call.cancel()
        await wire.emulator.until(lambda left=left: len(wire.emulator.requests) == left)
    assert wire.emulator.requests.peaks == {"history": 1}
    assert {(each.status, each.fault) for each in wire.emulator.requests} == {(0, "hang")}
