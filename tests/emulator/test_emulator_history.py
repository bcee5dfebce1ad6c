import json

import pytest

from dreamina_async.emulator import Outcome

pytestmark = pytest.mark.anyio
HISTORY = "/mweb/v1/get_history_by_ids"
NUMBERINGS = {
    "default": {(20, 0), (42, 0), (45, 0), (45, 4), (50, 4)},
    "s0": {(20, 0), (42, 0), (45, 0), (50, 4)},
    "s1": {(10, 0), (20, 0), (50, 4)},
    "s2": {(20, 0), (42, 0), (45, 0), (45, 4), (10, 4)},
}


async def test_records_come_under_the_ids_that_were_asked_for(start):
    wire = await start()
    await wire.image(submit_id="s-1")
    await wire.seen("s-1")
    (history_id,) = wire.emulator.history_ids("s-1")
    asked = {"history_ids": [history_id, history_id], "submit_ids": ["s-1", "nobody"]}
    data = (await wire.post(HISTORY, asked))["data"]
    assert set(data) == {history_id, "s-1"}
    assert data["s-1"]["history_record_id"] == data[history_id]["history_record_id"] == history_id
    reply = await wire.post(HISTORY, {"history_ids": None, "submit_ids": ["s-1"]})
    assert set(reply["data"]) == {"s-1"}


async def test_another_account_sees_nothing(start):
    wire = await start()
    await wire.image(submit_id="s-1")
    wire.sessionid = "somebody-else"
    assert (await wire.history("s-1"))["data"] == {}


@pytest.mark.parametrize("body", [{}, {"historyIds": ["1"]}, {"history_ids": "1"}, {"ids": [1]}])
async def test_wrong_keys_are_1000(start, body):
    wire = await start()
    assert (await wire.post(HISTORY, body))["ret"] == "1000"


async def test_more_than_ten_ids_are_refused_and_counted(start):
    wire = await start()
    ids = [str(n) for n in range(11)]
    assert (await wire.history(*ids))["ret"] == "1000"
    assert (await wire.history(*ids[:10]))["ret"] == "0"
    assert wire.emulator.statistics()["oversized_batches"] == 1
    assert wire.emulator.requests.batch_sizes == {11: 1, 10: 1}
    assert wire.emulator.requests.batches == (tuple(ids), tuple(ids[:10]))
    generous = await start(max_ids=None)
    assert (await generous.history(*ids))["ret"] == "0"


@pytest.mark.parametrize("numbering", NUMBERINGS)
async def test_numberings(start, numbering):
    wire = await start(numbering=numbering, speed=100, image_complete=(1, 1))
    await wire.image(submit_id="s-1")
    record, trail = await wire.seen("s-1")
    assert set(trail) <= NUMBERINGS[numbering]
    assert trail[-1] == (10 if numbering == "s2" else 50, 4)
    assert ("id" in record) == (numbering == "s2")


@pytest.mark.parametrize(("numbering", "status"), [("s0", 30), ("s1", -1), ("s2", 30)])
async def test_failures(start, numbering, status):
    wire = await start(numbering=numbering, outcomes={"违规": "2038"})
    await wire.image("违规的内容", submit_id="s-1")
    record, _ = await wire.seen("s-1")
    assert record["status"] == status
    assert record["fail_code"] == "2038"
    assert record["fail_starling_key"] == "web_text_violates_community_guidelines_toast"
    assert record["item_list"] == []
    assert wire.emulator.media("s-1") == ()


@pytest.mark.parametrize(
    ("variant", "found"),
    [("null", None), ("empty", ""), ("zero", "0"), ("zero_int", 0), ("absent", "nothing")],
)
async def test_ways_to_write_that_nothing_failed(start, variant, found):
    wire = await start(no_fail_code=variant, finish_time_ms=True)
    await wire.image(submit_id="s-1")
    record, _ = await wire.seen("s-1")
    assert record.get("fail_code", "nothing") == found
    assert record["task"]["finish_time"] > 10**12


async def test_fail_codes_can_be_numbers(start):
    wire = await start(numeric_fail_codes=True, outcome=Outcome(fail_code="2038"))
    await wire.image(submit_id="s-1")
    assert (await wire.seen("s-1"))[0]["fail_code"] == 2038


async def test_partial_success_and_partial_failure(start):
    wire = await start(
        outcomes={"部分": Outcome(items=3), "坏": Outcome(items=1, fail_code="2041")}
    )
    await wire.image("部分", submit_id="s-1")
    await wire.image("坏", submit_id="s-2")
    partial, _ = await wire.seen("s-1")
    assert (partial["status"], len(partial["item_list"])) == (50, 3)
    assert [each["gen_result_data"] for each in partial["failed_item_list"]] == [
        {"result_code": 1, "result_msg": "SystemBusy"}
    ]
    failed, _ = await wire.seen("s-2")
    assert (failed["status"], len(failed["item_list"]), len(failed["failed_item_list"])) == (
        30,
        1,
        3,
    )


async def test_success_can_be_empty_for_a_few_looks(start):
    wire = await start(outcome=Outcome(empty_looks=2))
    await wire.image(submit_id="s-1")
    first, _ = await wire.seen("s-1")
    records = [first] + [(await wire.history("s-1"))["data"]["s-1"] for _ in range(2)]
    assert [(each["status"], len(each["item_list"])) for each in records] == [
        (50, 0),
        (50, 0),
        (50, 4),
    ]


async def test_an_accepted_record_can_lag_behind(start):
    wire = await start(speed=1, history_latency=(0, 0), generate_latency=(0, 0), read_lag=3600)
    await wire.image(submit_id="s-1")
    assert (await wire.history("s-1"))["data"] == {}


async def test_pending_records_are_as_sparse_as_the_captured_one(start):
    wire = await start(speed=1, history_latency=(0, 0), generate_latency=(0, 0))
    await wire.image(submit_id="s-1")
    record = (await wire.history("s-1"))["data"]["s-1"]
    assert "item_list" not in record
    assert "submit_id" not in record
    assert record["task"]["finish_time"] == 0
    assert record["total_image_count"] == 4
    assert isinstance(record["forecast_generate_cost"], int)


async def test_minimal_records_show_what_s0_shows(start):
    wire = await start(minimal_records=True, no_fail_code="absent", outcome=Outcome(run_seconds=0))
    await wire.image(submit_id="s-1")
    while (record := (await wire.history("s-1"))["data"]["s-1"])["status"] != 50:
        pass
    assert set(record) == {"status", "item_list"}
    (image,) = record["item_list"][0]["image"]["large_images"]
    assert set(image) == {"image_uri", "image_url", "width", "height", "format"}


async def test_a_queue_is_told_in_both_places(start):
    latency = {"history_latency": (0, 0), "generate_latency": (0, 0)}
    wire = await start(speed=1, **latency, outcome=Outcome(queue_seconds=463))
    await wire.video(submit_id="s-1")
    record = (await wire.history("s-1"))["data"]["s-1"]
    assert record["queue_info"]["queue_status"] == 1
    assert 400 < record["queue_info"]["queue_idx"] <= 463
    assert 400 < record["forecast_queue_cost"] <= 463
    (history_id,) = wire.emulator.history_ids("s-1")
    reply = await wire.post("/mweb/v1/get_history_queue_info", {"history_ids": [history_id]})
    told = reply["data"][history_id]
    assert told["status"] == 0
    assert told["queue_info"]["queue_status"] == 1
    assert told["forecast_cost_time"]["forecast_queue_cost"] > 400
    wrong = await wire.post("/mweb/v1/get_history_queue_info", {"historyIds": [history_id]})
    assert wrong["ret"] == "1000"


async def test_replies_escape_ampersands_and_keep_chinese(start):
    wire = await start()
    await wire.image("柴犬 & 猫", submit_id="s-1")
    await wire.seen("s-1")
    _, _, raw = await wire.raw(HISTORY, {"submit_ids": ["s-1"]})
    assert b"&" not in raw
    assert "柴犬 \\u0026 猫".encode() in raw
    assert json.loads(raw)["data"]["s-1"]["history_group_key"] == "柴犬 & 猫"


async def test_an_id_is_looked_for_among_those_of_its_kind_only(start):
    wire = await start()
    await wire.image(submit_id="s-1")
    (history_id,) = wire.emulator.history_ids("s-1")
    crossed = {"history_ids": ["s-1"], "submit_ids": [history_id]}
    assert (await wire.post(HISTORY, crossed))["data"] == {}
    queue = "/mweb/v1/get_history_queue_info"
    assert (await wire.post(queue, {"history_ids": ["s-1"]}))["data"] == {}
    records = {"history_record_ids": ["s-1"]}
    reply = await wire.post("/mweb/v1/get_history_records", records)
    assert reply["data"]["history_records"] == []


@pytest.mark.parametrize("known", ["history", "submit"])
async def test_a_service_may_overlook_or_refuse_the_other_kind_of_ids(start, known):
    asked = {"history_ids": [], "submit_ids": ["s-1"]}
    for suffix, ret in (("", "0"), ("_only", "1000")):
        wire = await start(id_kinds=known + suffix)
        await wire.image(submit_id="s-1")
        asked["history_ids"] = list(wire.emulator.history_ids("s-1"))
        reply = await wire.post(HISTORY, asked)
        assert reply["ret"] == ret
        if not suffix:
            assert list(reply["data"]) == asked[f"{known}_ids"]
        (mine,) = asked[f"{known}_ids"]
        assert list((await wire.post(HISTORY, {f"{known}_ids": [mine]}))["data"]) == [mine]
