import hashlib
import json

import pytest

from dreamina_async.emulator import EmulatorOptions, Fault, Outcome

pytestmark = pytest.mark.anyio
GENERATE = "/mweb/v1/aigc_draft/generate"
HISTORY = "/mweb/v1/get_history_by_ids"
CREDIT = "/commerce/v1/benefits/user_credit"


def abilities(draft):
    return draft["component_list"][0]["abilities"]


@pytest.mark.parametrize(
    ("spelling", "region", "ret"),
    [
        ("any", "CN", "0"),
        ("any", "cn", "0"),
        ("lower", "cn", "0"),
        ("lower", "CN", "1000"),
        ("upper", "CN", "0"),
        ("upper", "cn", "1000"),
    ],
)
async def test_row_1_the_spelling_of_the_region(start, spelling, region, ret):
    wire = await start(region_query=spelling)
    path = f"{HISTORY}?aid=513695&region={region}"
    assert (await wire.post(path, {"submit_ids": ["a"]}))["ret"] == ret
    assert (await wire.post(CREDIT, {}))["ret"] == "0"  # sent without any parameter


@pytest.mark.parametrize(
    ("cluster", "query", "ret"),
    [
        ("cn", "aid=513695&region=cn", "0"),
        ("cn", "aid=513641&region=US", "1015"),
        ("us", "aid=513641&region=US", "0"),
        ("us", "aid=513641&region=HK", "1015"),
        ("us", "aid=513695", "1015"),
        ("asia", "aid=513641&region=jp", "0"),
        ("asia", "", "0"),
    ],
)
async def test_another_cluster_knows_no_such_login(start, cluster, query, ret):
    wire = await start(cluster=cluster)
    assert (await wire.post(f"{HISTORY}?{query}", {"submit_ids": ["a"]}))["ret"] == ret


@pytest.mark.parametrize("keys", ["asked", "history", "submit", "list"])
async def test_row_3_what_a_reply_is_keyed_by(start, keys):
    wire = await start(reply_keys=keys)
    await wire.image(submit_id="s-1")
    (history_id,) = wire.emulator.history_ids("s-1")
    for body in ({"submit_ids": ["s-1"]}, {"history_ids": [history_id]}):
        data = (await wire.post(HISTORY, body))["data"]
        if keys == "list":
            assert [each["history_record_id"] for each in data] == [history_id]
        else:
            (asked,) = next(iter(body.values()))
            expected = {"asked": asked, "history": history_id, "submit": "s-1"}
            assert list(data) == [expected[keys]]


@pytest.mark.parametrize(
    ("numbering", "status"),
    [("bundle", 10), ("bundle", 40), ("bundle", 100), ("s1", -1), ("default", 100)],
)
async def test_row_4_failures_by_number(start, numbering, status):
    fate = Outcome(fail_status=status, fail_code="2038")
    wire = await start(numbering=numbering, outcome=fate)
    await wire.image(submit_id="s-1")
    record, _ = await wire.seen("s-1")
    assert (record["status"], record["fail_code"], record["item_list"]) == (status, "2038", [])
    assert record["queue_info"]["queue_status"] == 4


async def test_row_4_a_number_may_fail_without_a_code_but_must_be_known(start):
    wire = await start(numbering="bundle", outcome=Outcome(fail_status=100))
    await wire.image(submit_id="s-1")
    record, _ = await wire.seen("s-1")
    assert (record["status"], record["fail_code"]) == (100, None)
    with pytest.raises(ValueError, match="fail_status 10"):
        EmulatorOptions(numbering="s2", outcomes={"a": Outcome(fail_status=10)})


async def test_row_4_the_bundle_begins_at_zero_and_ends_at_fifty(start):
    wire = await start(numbering="bundle", speed=100, outcome=Outcome(queue_seconds=5))
    await wire.image(submit_id="s-1")
    _, trail = await wire.seen("s-1")
    assert (trail[0], trail[-1]) == ((0, 0), (50, 4))
    assert {status for status, _ in trail} <= {0, 20, 42, 45, 50}


async def test_late_items_leave_an_incomplete_record_for_a_while(start):
    wire = await start(speed=200, outcome=Outcome(late_items=1, late_seconds=20))
    await wire.image(submit_id="s-1")
    record, trail = await wire.seen("s-1")
    assert (45, 3) in trail
    assert (record["status"], len(record["item_list"])) == (50, 4)


@pytest.mark.parametrize(
    ("family", "resolution", "code", "ret", "size"),
    [
        ("any", "2k", 108, "0", (3024, 1296)),
        ("any", "2k", 0, "0", (3024, 1296)),
        ("official", "2k", 3, "0", (2560, 1440)),
        ("official", "2k", 0, "1000", None),
        ("s4", "2k", 1, "0", (2560, 1440)),
        ("s4", "2k", 7, "1000", None),
        ("hundreds", "4k", 103, "0", (5404, 3040)),
        ("hundreds", "4k", 3, "1000", None),
        ("hundreds", "2k", 3, "0", (2560, 1440)),
    ],
)
async def test_row_6_families_of_ratio_codes(start, family, resolution, code, ret, size):
    wire = await start(ratio_codes=family)
    reply = await wire.image(submit_id="s", resolution=resolution, ratio=code, size=(0, 0))
    assert reply["ret"] == ret
    assert [(f.width, f.height) for f in wire.emulator.media("s")[:1]] == [size] * (ret == "0")


@pytest.mark.parametrize(
    ("tables", "asked", "made"),
    [
        ("any", (5120, 2880), (5120, 2880)),
        ("official", (5120, 2880), (5404, 3040)),
        ("older", (5404, 3040), (5120, 2880)),
    ],
)
async def test_row_7_size_tables(start, tables, asked, made):
    wire = await start(size_tables=tables)
    await wire.image(submit_id="s", resolution="4k", size=asked, count=1)
    (file,) = wire.emulator.media("s")
    assert (file.width, file.height) == made


@pytest.mark.parametrize(("inside", "ret"), [("ignore", "0"), ("refuse", "3018")])
async def test_row_8_a_gen_option_inside_the_ability(start, inside, ret):
    wire = await start(gen_option_inside=inside)
    draft = wire.image_draft("柴犬")
    option = {"type": "", "id": "o", "gen_count": 2, "generate_all": False}
    abilities(draft)["generate"]["gen_option"] = option
    assert (await wire.generate(draft, "s-1"))["ret"] == ret
    assert [order.count for order in wire.orders("s-1")] == [4] * (ret == "0")


async def test_row_9_a_preview_alone_and_its_original_by_item_id(start):
    wire = await start(video_shape="P")
    await wire.video(submit_id="v-1")
    item = (await wire.seen("v-1"))[0]["item_list"][0]
    (file,) = wire.emulator.media("v-1")
    _, _, preview = await wire.get(item["video"]["play_url"])
    assert len(preview) < file.size
    assert "transcoded_video" not in item["video"]
    body = {"item_id_list": [item["common_attr"]["id"]], "is_for_video_download": True}
    (found,) = (await wire.post("/mweb/v1/get_local_item_list", body))["data"]["item_list"]
    _, _, film = await wire.get(found["video"]["transcoded_video"]["origin"]["video_url"])
    assert hashlib.sha256(film).hexdigest() == file.sha256


@pytest.mark.parametrize("code", ["1014", "3018"])
async def test_row_10_how_a_sign_is_refused(start, code):
    wire = await start(sign_mode="require", sign_refusal=code)
    assert (await wire.post(HISTORY, {"submit_ids": ["a"]}))["ret"] == code


@pytest.mark.parametrize(
    ("texts", "told"), [("bundle", "image security block"), ("notes", "generation timeout")]
)
async def test_row_11_what_disputed_codes_say(start, texts, told):
    fates = {"甲": Outcome(ret="2039"), "乙": "2039"}
    wire = await start(code_texts=texts, outcomes=fates)
    assert (await wire.image("甲"))["errmsg"] == told
    await wire.image("乙", submit_id="s-1")
    assert (await wire.seen("s-1"))[0]["fail_msg"] == told


async def test_row_13_unknown_ids_may_be_an_error(start):
    wire = await start(unknown_ids="error")
    await wire.image(submit_id="s-1")
    assert (await wire.history("nobody"))["ret"] == "2001"
    reply = await wire.history("nobody", "s-1")
    assert (reply["ret"], list(reply["data"])) == ("0", ["s-1"])


@pytest.mark.parametrize(
    ("form", "created", "ret"),
    [
        ("any", "1757737934387", "0"),
        ("any", 1757737934387, "0"),
        ("any", "soon", "1002"),
        ("any", None, "1002"),
        ("text", 1757737934387, "1002"),
        ("number", "1757737934387", "1002"),
        ("number", 1757737934387, "0"),
    ],
)
async def test_row_14_the_time_in_a_draft(start, form, created, ret):
    wire = await start(created_time=form)
    draft = wire.image_draft("柴犬")
    metadata = {"type": "", "id": "m", "created_platform": 3, "created_time_in_ms": created}
    draft["component_list"][0]["metadata"] = metadata
    assert (await wire.generate(draft))["ret"] == ret


@pytest.mark.parametrize(
    ("shape", "places"),
    [("both", {"response", "data"}), ("response", {"response"}), ("data", {"data"})],
)
async def test_row_16_where_a_commerce_payload_is(start, shape, places):
    wire = await start(commerce_shape=shape, balance=22)
    reply = await wire.post(CREDIT, {})
    assert reply.keys() & {"response", "data"} == places
    payload = json.loads(reply["response"]) if "response" in places else reply["data"]
    assert payload["credit"]["gift_credit"] == 22


async def test_row_16_the_forecast_may_be_taken_for_credits(start):
    wire = await start(forecast="credits")
    record = (await wire.image())["data"]["aigc_data"]
    assert record["forecast_generate_cost"] == 16


async def test_the_root_model_must_be_the_drafts(start):
    wire = await start()
    for extend in ({"root_model": "high_aes_general_v41"}, {"template_id": ""}):
        assert (await wire.generate(wire.image_draft("x"), extend=extend))["ret"] == "1000"
    good = {"root_model": "high_aes_general_v40", "template_id": "", "workspace_id": 0}
    assert (await wire.generate(wire.image_draft("x"), extend=good))["ret"] == "0"


@pytest.mark.parametrize(
    ("benefit", "ret"),
    [
        ("seedance_20_pro_720p_output", "0"),
        ("seedance_20_pro_4k_output", "1006"),
        ("basic_video_operation_vgfm_v_three", "1006"),
        (None, "1006"),
    ],
)
async def test_a_video_is_paid_from_its_models_own_benefit(start, benefit, ret):
    wire = await start()
    model = "dreamina_seedance_40_pro_vision"
    extend = {"root_model": model}
    if benefit:
        extend["m_video_commerce_info"] = {"benefit_type": benefit}
    reply = await wire.generate(wire.video_draft("海浪", model=model), extend=extend)
    assert reply["ret"] == ret
    if ret != "0":
        assert reply["data"]["fail_code"] == ret
        assert len(wire.emulator.ledger) == 0


async def test_an_order_keeps_what_it_was_told(start):
    wire = await start()
    draft = wire.image_draft("柴犬")
    core = abilities(draft)["generate"]["core_param"]
    core |= {"negative_prompt": "猫", "sample_strength": 0.7, "intelligent_ratio": True}
    del core["image_ratio"]  # IPT
    await wire.generate(draft, "s-1")
    (order,) = wire.orders("s-1")
    assert (order.negative_prompt, order.sample_strength, order.seed) == ("猫", 0.7, 1277902096)
    assert order.intelligent_ratio
    for name, odd in [("sample_strength", 2), ("intelligent_ratio", 1), ("negative_prompt", 3)]:
        draft = wire.image_draft("柴犬")
        abilities(draft)["generate"]["core_param"][name] = odd
        assert (await wire.generate(draft))["ret"] == "1000"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("sign_mode", "strict"),
        ("reply_keys", "history_id"),
        ("video_shape", "b"),
        ("id_kinds", "submit_id"),
        ("numbering", "s4"),
        ("upload_edge", "reject"),
    ],
)
def test_a_variant_there_is_not_is_refused(option, value):
    with pytest.raises(ValueError, match=f"{option} '{value}' is none of .*, "):
        EmulatorOptions.from_keywords(**{option: value})


@pytest.mark.parametrize("span", [30, "30", (30,), (1, 2, 3), (None, 1)])
def test_a_span_is_two_numbers(span):
    with pytest.raises(ValueError, match=r"queue .* is not two numbers"):
        EmulatorOptions.from_keywords(queue=span)
    assert EmulatorOptions.from_keywords(queue=[0, 1.5]).timing.queue == [0, 1.5]


@pytest.mark.parametrize("field", ["where", "when", "damage"])
def test_a_fault_is_told_in_known_words(field):
    with pytest.raises(ValueError, match=f"{field} 'nonsense' is none of .*, "):
        Fault(**{"where": "history", "what": "damaged", field: "nonsense"})
