import json
import re
import uuid

import pytest

from dreamina_async.emulator import Outcome

pytestmark = pytest.mark.anyio
GENERATE = "/mweb/v1/aigc_draft/generate"


async def test_a_generate_reply_holds_the_record_under_aigc_data(start):
    wire = await start()
    reply = await wire.image("一只可爱的小猫咪", submit_id="s-1")
    record = reply["data"]["aigc_data"]
    assert reply["ret"] == "0"
    assert re.fullmatch(r"\d{14}", record["history_record_id"])
    assert re.fullmatch(r"\d{14}[0-9A-F]{20}", reply["logid"])
    assert record["status"] == record["task"]["status"] == 20
    assert record["submit_id"] == "s-1"
    assert record["history_group_key"] == "一只可爱的小猫咪"
    assert record["queue_info"]["polling_config"] == {
        "interval_seconds": 30,
        "timeout_seconds": 86400,
    }
    assert reply["data"]["fail_code"] == ""


async def test_the_flat_shape_of_s3(start):
    wire = await start(generate_shape="flat", numeric_ids=True)
    data = (await wire.image())["data"]
    assert "aigc_data" not in data
    assert isinstance(data["history_record_id"], int)


async def test_ids_come_from_seed_and_submit_id_not_from_order(start):
    ids = []
    for order in (("a", "b"), ("b", "a")):
        wire = await start(seed=5)
        for submit_id in order:
            await wire.image(submit_id=submit_id)
        ids.append({each: wire.emulator.history_ids(each) for each in "ab"})
    assert ids[0] == ids[1]


async def test_without_a_session_the_answer_is_1015(start):
    wire = await start(sessionids=["good"])
    for sessionid in ("", "bad", "us-good"):
        wire.sessionid = sessionid
        reply = await wire.image()
        assert (reply["ret"], reply["errmsg"]) == ("1015", "login error")
    assert len(wire.emulator.ledger) == 0
    assert "good" not in repr(wire.emulator.options)


async def test_a_draft_that_is_an_object_or_lacks_ids_is_1002(start):
    wire = await start()
    good = wire.image_draft("x")
    reply = await wire.post(GENERATE, {"submit_id": "a", "draft_content": good})
    assert reply["ret"] == "1002"
    for path in (["id"], ["component_list", 0, "abilities", "generate", "core_param", "id"]):
        broken = json.loads(json.dumps(good))
        *parents, last = path
        place = broken
        for step in parents:
            place = place[step]
        del place[last]
        assert (await wire.generate(broken))["ret"] == "1002"
    assert (await wire.generate([]))["ret"] == "1002"
    reply = await wire.post(GENERATE, {"submit_id": "a", "draft_content": "{"})
    assert reply["ret"] == "1002"


async def test_going_on_with_a_job_that_is_not_partial_is_1002_and_free(start):
    wire = await start()
    draft = wire.image_draft("x")
    body = {"submit_id": "a", "draft_content": json.dumps(draft), "action": 2, "history_id": "1"}
    body["extend"] = {"root_model": "high_aes_general_v40"}
    assert (await wire.post(GENERATE, body))["ret"] == "1002"
    assert len(wire.emulator.ledger) == 0
    assert (await wire.post(GENERATE, body | {"action": None}))["ret"] == "0"


async def test_wrong_keys_and_values_are_1000(start):
    wire = await start()
    for body in ({}, {"submitId": "a", "draftContent": "{}"}, b"", b"[]", {"submit_id": "a"}):
        assert (await wire.post(GENERATE, body))["ret"] == "1000"
    assert (await wire.image(count=9))["ret"] == "1000"
    assert (await wire.image(resolution="8k"))["ret"] == "1000"
    assert (await wire.image(ratio=99))["ret"] == "1000"
    assert (await wire.image(prompt=""))["ret"] == "1000"
    assert (await wire.image(model="High_AES_general_v40"))["ret"] == "2061"
    assert (await wire.image(model="gpt_image_2"))["ret"] == "2061"
    assert (await wire.video(duration_ms=5500))["ret"] == "1000"
    assert (await wire.video(ratio="2:1"))["ret"] == "1000"
    assert len(wire.emulator.ledger) == 0


async def test_an_image_from_the_video_page_is_3018(start):
    wire = await start()
    page = "https://jimeng.jianying.com/ai-tool/generate?type=video"
    reply = await wire.generate(wire.image_draft("x"), Referer=page)
    assert reply["ret"] == "3018"


async def test_too_little_credit_is_the_1006_envelope_and_charges_nothing(start):
    wire = await start(balance=15)
    reply = await wire.image()
    assert reply["ret"] == "1006"
    assert reply["data"]["aigc_data"] is None
    assert reply["data"]["fail_code"] == "1006"
    assert reply["data"]["fail_starling_key"].startswith("web_dre")
    assert wire.emulator.balance() == 15
    assert (await wire.image(size=(1024, 1024), resolution="1k"))["ret"] == "0"


async def test_2k_without_entitlement_is_1006(start):
    wire = await start(entitled=False)
    assert (await wire.image())["ret"] == "1006"
    assert (await wire.image(size=(1328, 1328), resolution="1k", ratio=8))["ret"] == "0"
    seedance = "dreamina_seedance_45_pro"
    for resolution, ret in [("480p", "0"), ("720p", "0"), ("1080p", "1006")]:
        assert (await wire.video(model=seedance, resolution=resolution))["ret"] == ret
    # Old models were refused likewise (protocol notes 6.2).
    old = "high_aes_general_v30l:general_v3.0_18b"
    assert (await wire.image(model=old, size=(1328, 1328), resolution="1k"))["ret"] == "1006"


@pytest.mark.parametrize(
    ("model", "resolution", "ret"),
    [
        ("high_aes_general_v50", "1k", "1000"),
        ("high_aes_general_v50", "2k", "0"),
        ("high_aes_general_v30l:general_v3.0_18b", "2k", "0"),
        ("high_aes_general_v21_L:general_v2.1_L", "2k", "1000"),
        ("high_aes_general_v20:general_v2.0", "2k", "1000"),
        ("high_aes_general_v14:general_v1.4", "2k", "1000"),
        ("text2img_xl_sft", "2k", "1000"),
        ("text2img_xl_sft", "1k", "0"),
    ],
)
async def test_resolutions_by_model(start, model, resolution, ret):
    wire = await start()
    assert (await wire.image(model=model, resolution=resolution))["ret"] == ret


async def test_a_draft_of_seedance_is_a_model_of_its_own(start):
    wire = await start()
    reply = await wire.video(model="dreamina_seedance_45_pro_draft", resolution="480p")
    assert reply["ret"] == "0"


async def test_the_older_1k_for_older_models_as_s4_orders_it(start):
    wire = await start()
    old = "high_aes_general_v30l:general_v3.0_18b"
    for model, made in [(old, (1664, 936)), ("high_aes_general_v40", (1024, 576))]:
        await wire.image(submit_id=model, model=model, size=(2560, 1440), resolution="1k")
        file = wire.emulator.media(model)[0]
        assert (file.width, file.height) == made


async def test_images_from_abroad_lie_in_another_bucket(start):
    wire = await start()
    body = {"submit_id": "s-1", "draft_content": json.dumps(wire.image_draft("x"))}
    body["extend"] = {"root_model": "high_aes_general_v40"}
    assert (await wire.post(f"{GENERATE}?aid=513641&region=US", body))["ret"] == "0"
    record, _ = await wire.seen("s-1")
    large = record["item_list"][0]["image"]["large_images"][0]
    assert large["image_uri"].startswith("tos-useast5-i-wopfjsm1ax-tx/")
    status, _, data = await wire.get(large["image_url"])
    assert (status, len(data)) == (200, large["size"])


async def test_a_video_tells_the_mode_it_was_ordered_in(start):
    wire = await start()
    for mode in (0, 2):
        await wire.video(submit_id=f"v-{mode}", video_mode=mode)
        item = (await wire.seen(f"v-{mode}"))[0]["item_list"][0]
        (echo,) = item["aigc_image_params"]["text2video_params"]["video_gen_inputs"]
        assert echo["video_mode"] == mode


@pytest.mark.parametrize(
    ("code", "text"),
    [("-6", "shark not pass reject"), ("4010", "compliance confirmation required")],
)
async def test_a_code_says_what_it_means(start, code, text):
    wire = await start(outcome=Outcome(ret=code))
    assert (await wire.image())["errmsg"] == text


async def test_limits_on_running_jobs(start):
    wire = await start(speed=1, generate_latency=(0, 0), image_limit=1, video_limit=1)
    assert [(await wire.image())["ret"] for _ in range(2)] == ["0", "1010"]
    assert [(await wire.video())["ret"] for _ in range(2)] == ["0", "1310"]
    assert (await wire.video())["data"]["fail_code"] == "1310"


async def test_a_prompt_can_be_refused_on_the_spot(start):
    wire = await start(outcomes={"暴力": Outcome(ret="1063")})
    assert (await wire.image("暴力画面"))["ret"] == "1063"
    assert (await wire.image("花园"))["ret"] == "0"
    assert len(wire.emulator.ledger) == 1


@pytest.mark.parametrize("dedup", [False, True])
async def test_a_repeated_submit_id_is_charged_again_unless_deduplicated(start, dedup):
    wire = await start(dedup=dedup)
    submit_id = str(uuid.uuid4())
    replies = [await wire.image(submit_id=submit_id) for _ in range(2)]
    ids = {reply["data"]["aigc_data"]["history_record_id"] for reply in replies}
    times = 1 if dedup else 2
    assert len(ids) == len(wire.emulator.ledger.charges(submit_id)) == times
    assert wire.emulator.ledger.repeated() == ({} if dedup else {submit_id: 2})


async def test_the_resolution_wins_over_the_pixels(start):
    wire = await start()
    for size, resolution, made in [
        ((1024, 1024), "2k", (2048, 2048)),
        ((2560, 1440), "1k", (1024, 576)),
        ((1328, 1328), "1k", (1328, 1328)),
        ((0, 0), "2k", (2048, 2048)),
        ((5404, 3040), "4k", (5404, 3040)),
    ]:
        submit_id = str(uuid.uuid4())
        await wire.image(submit_id=submit_id, size=size, resolution=resolution, count=1)
        (file,) = wire.emulator.media(submit_id)
        assert (file.width, file.height) == made


async def test_half_a_surrogate_pair_is_no_text_but_harms_nothing(start):
    wire = await start()
    await wire.image("\ud800 柴犬", submit_id="s-\udfff")
    record, _ = await wire.seen("s-?")
    assert record["history_group_key"] == "? 柴犬"
    assert wire.emulator.ledger.submit_ids == ("s-?",)
