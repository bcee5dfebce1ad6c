import json
import subprocess
import sys

import pytest

from dreamina_async.emulator import EmulatorOptions, Fault, Outcome

pytestmark = pytest.mark.anyio
HISTORY = "/mweb/v1/get_history_by_ids"
SCENES = [
    {"scene": "smart_crop", "width": 360, "height": 360, "uniq_key": "smart_crop-w:360-h:360"},
    {"scene": "normal", "width": 1080, "height": 1080, "uniq_key": "1080"},
]
SPARSE = {
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


async def finished(wire, body, key, done):
    while True:
        record = (await wire.post(HISTORY, body))["data"][key]
        if record["status"] == done:
            return record


@pytest.mark.parametrize("dialect", ["s0", "s4"])
async def test_s0_and_s4_know_history_ids_and_show_two_keys(start, dialect):
    wire = await start(dialect=dialect)
    data = (await wire.image(submit_id="s-1"))["data"]
    history_id = data["aigc_data"]["history_record_id"]
    assert (await wire.history("s-1"))["data"] == {}
    record = await finished(wire, {"history_ids": [history_id]}, history_id, 50)
    assert set(record) == {"status", "item_list"}
    await wire.video(submit_id="v-1")
    (history_id,) = wire.emulator.history_ids("v-1")
    record = await finished(wire, {"history_ids": [history_id]}, history_id, 50)
    assert set(record["item_list"][0]["video"]) == {"video_resource"}


async def test_s1_submits_by_mcp_and_polls_unsigned_by_submit_id(start):
    wire = await start(dialect="s1", outcomes={"坏": "2038"})
    body = {"generate_type": "text2imageV2", "prompt": "柴犬", "submit_id": "s-1"}
    reply = await wire.post("/dreamina/mcp/v1/image_generate", body)
    assert reply["data"] == {"submit_id": "s-1"}
    (history_id,) = wire.emulator.history_ids("s-1")
    assert (await wire.post(HISTORY, {"history_ids": [history_id]}))["data"] == {}
    record = await finished(wire, {"submit_ids": ["s-1"]}, "s-1", 50)
    assert len(record["item_list"]) == 4
    await wire.image("坏", submit_id="s-2")
    failed = await finished(wire, {"submit_ids": ["s-2"]}, "s-2", -1)
    assert failed["fail_code"] == "2038"
    signed = {"pf": "3", "appvr": "8.4.0", "sign": "wrong"}
    assert (await wire.post(HISTORY, {"submit_ids": ["s-1"]}, **signed))["ret"] == "0"


async def test_s2_ends_at_ten_and_scales_what_is_asked_for(start):
    wire = await start(dialect="s2")
    await wire.image("柴犬", submit_id="s-1")
    (history_id,) = wire.emulator.history_ids("s-1")
    body = {"history_ids": [history_id], "image_info": {"image_scene_list": SCENES}}
    record = await finished(wire, body, history_id, 10)
    assert record["id"] == history_id
    assert (record["task"]["model"], record["task"]["prompt"]) == ("high_aes_general_v40", "柴犬")
    assert record["task"]["finish_time"] > record["task"]["create_time"] > 10**12
    item = record["item_list"][0]
    thumbs = item["common_attr"]["cover_url_map"]
    assert set(thumbs) == {"smart_crop-w:360-h:360", "1080"}
    _, _, picture = await wire.get(thumbs["1080"])
    assert int.from_bytes(picture[16:20]) == 1080
    for name, edge in [("medium_images", 720), ("small_images", 360)]:
        (image,) = item["image"][name]
        _, _, picture = await wire.get(image["image_url"])
        assert image["width"] == edge == int.from_bytes(picture[16:20])
    assert (await wire.post(HISTORY, {"history_ids": ["1"]}))["ret"] == "2001"
    await wire.video(submit_id="v-1")
    (history_id,) = wire.emulator.history_ids("v-1")
    record = await finished(wire, {"history_ids": [history_id]}, history_id, 10)
    video = record["item_list"][0]["video"]
    assert set(video) == {"transcoded_video", "play_url", "download_url", "thumbnail_url"}
    _, headers, picture = await wire.get(video["thumbnail_url"])
    assert headers["Content-Type"] == "image/png"
    assert picture.startswith(b"\x89PNG")


async def test_s2_has_codes_of_its_own_for_status_calls(start):
    wire = await start(dialect="s2")
    await wire.image(submit_id="s-1")
    asked = {"history_ids": list(wire.emulator.history_ids("s-1"))}
    wrong = await wire.post(HISTORY, {"historyIds": []})
    assert (wrong["ret"], wrong["errmsg"]) == ("2002", "parameter error")
    wire.emulator.faults.add(Fault(where="history", what="missing"))
    assert [(await wire.post(HISTORY, asked))["ret"] for _ in range(2)] == ["2001", "0"]


async def test_odd_scenes_are_as_good_as_none(start):
    wire = await start()
    await wire.image(submit_id="s-1")
    await wire.seen("s-1")
    for odd in (None, 7, {"image_scene_list": [7, {"uniq_key": "a", "width": 0, "height": 0}]}):
        reply = await wire.history(submit_ids=["s-1"], image_info=odd)
        item = reply["data"]["s-1"]["item_list"][0]
        assert set(item["common_attr"]["cover_url_map"]) == {"360", "720"}


async def test_s3_replies_flat_and_polls_sparsely(start):
    wire = await start(dialect="s3", speed=1, history_latency=(0, 0), generate_latency=(0, 0))
    data = (await wire.image(submit_id="s-1"))["data"]
    assert data["queue_info"]["polling_config"]["interval_seconds"] == 30
    record = (await wire.history("s-1"))["data"]["s-1"]
    assert set(record) == SPARSE
    assert set(record["task"]) == {"task_id", "submit_id", "status", "finish_time", "history_id"}
    quick = await start(dialect="s3")
    await quick.image(submit_id="s-1")
    record, trail = await quick.seen("s-1")
    assert {status for status, _ in trail} <= {20, 45, 50}
    assert record["submit_id"] == "s-1"


def test_a_dialect_is_a_start_that_keywords_go_before():
    options = EmulatorOptions.dialect("s1", speed=7, sign_mode="require", video_running=(1, 2))
    assert (options.numbering, options.id_kinds, options.speed) == ("s1", "submit", 7)
    assert (options.sign_mode, options.timing.video_running) == ("require", (1, 2))
    with pytest.raises(ValueError, match="s9"):
        EmulatorOptions.dialect("s9")


def test_thirty_may_come_with_items():
    assert Outcome(fail_code="2041", items=2).fails
    assert not Outcome(fail_code="2041", items=2).fails_empty


def test_the_command_serves_a_dialect():
    command = [sys.executable, "-m", "dreamina_async", "emulator", "--json"]
    command += ["--dialect", "s1", "--speed", "20"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe) as process:
        ready = json.loads(process.stdout.readline())
        process.terminate()
        process.communicate(timeout=20)
    assert ready["event"] == "emulator"
    assert process.returncode == 0
    refused = subprocess.run([*command, "--dialect", "s9"], capture_output=True, timeout=20)
    assert refused.returncode == 2
