import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async.emulator import Fault
from dreamina_async.emulator.envelope import Refusal
from dreamina_async.emulator.mcp import read_mcp_order
from dreamina_async.emulator.variants import Variants

pytestmark = pytest.mark.anyio
MCP = "/dreamina/mcp/v1/image_generate"
CLI = "/dreamina/cli/v1/image_generate"
S1 = {"generate_type": "text2imageV2", "prompt": "一只柴犬", "submit_id": "s-1"}
S4 = S1 | {
    "agent_scene": "creation_agent_v40",
    "ratio": "16:9",
    "model_key": "high_aes_general_v40l",
    "subject_id": "default",
}


async def test_s1s_minimum_makes_four_square_images(start):
    wire = await start(sign_mode="require")
    reply = await wire.post(MCP, S1)
    assert (reply["ret"], reply["msg"], reply["msgDetail"]) == ("0", "success", "success")
    assert isinstance(reply["sysTime"], str)
    assert len(reply["logId"]) == 34
    data = reply["data"]
    assert data["forecast_resolution"] == {"width": 2048, "height": 2048}
    assert (data["model_key"], data["ratio"]) == ("high_aes_general_v40", "1:1")
    assert data["commerce_info"]["credit_count"] == 16
    assert data["submit_info"] == {"code": 0, "msg": ""}
    files = wire.emulator.media("s-1")
    assert len(files) == len(data["pre_gen_item_ids"]) == 4
    assert wire.orders("s-1")[0].door == "mcp"
    assert wire.emulator.requests.counts["mcp"] == 1


async def test_the_job_is_seen_by_both_ids(start):
    wire = await start()
    data = (await wire.post(CLI, S4))["data"]
    record, _ = await wire.seen("s-1")
    assert len(record["item_list"]) == 4
    large = record["item_list"][0]["image"]["large_images"][0]
    assert (large["width"], large["height"]) == (2560, 1440)
    assert record["model_info"]["model_req_key"] == "high_aes_general_v40l"
    ids = {"history_ids": [data["history_id"]]}
    reply = await wire.post("/mweb/v1/get_history_by_ids", ids)
    assert reply["data"][data["history_id"]]["submit_id"] == "s-1"


async def test_models_may_be_named_and_decide_the_resolution(start):
    wire = await start()
    named = {"model": "jimeng-image-3.0", "ratio": "2:3"}
    data = (await wire.post(MCP, S1 | named))["data"]
    assert data["forecast_resolution"] == {"width": 1056, "height": 1584}
    assert data["commerce_info"]["credit_count"] == 4
    asked = {"resolution_type": "4k", "generate_num": 1, "submit_id": "s-2"}
    data = (await wire.post(CLI, S1 | asked))["data"]
    assert len(data["pre_gen_item_ids"]) == 1
    assert data["forecast_resolution"]["width"] == 4096


@pytest.mark.parametrize(
    ("wrong", "ret"),
    [
        ({"generate_type": "image2video"}, "1000"),
        ({"generate_type": None}, "1000"),
        ({"prompt": " "}, "1000"),
        ({"submit_id": ""}, "1000"),
        ({"ratio": "5:4"}, "1000"),
        ({"resolution_type": "1.5k"}, "1000"),
        ({"generate_num": 9}, "1000"),
        ({"model_key": "nobody"}, "2061"),
        ({"model": "nobody"}, "2061"),
    ],
)
async def test_refusals_come_in_the_same_envelope(start, wrong, ret):
    wire = await start()
    reply = await wire.post(MCP, S1 | wrong)
    assert (reply["ret"], "msg" in reply, "errmsg" in reply) == (ret, True, False)
    assert len(wire.emulator.ledger) == 0


async def test_a_login_failure_has_two_plain_fields(start):
    wire = await start(sessionids=["good"])
    for path in (MCP, CLI):
        assert await wire.post(path, S1) == {"ret": "1015", "errmsg": "login error"}


async def test_the_cli_has_a_bearer_and_is_sent_on_from_a_trailing_slash(start):
    wire = await start(sessionids=["good"])
    wire.sessionid = ""
    bearer = {"Authorization": "Bearer good"}
    assert (await wire.post(CLI + "/?a=b", S1, **bearer))["ret"] == "0"
    assert (await wire.post(MCP, S1, **bearer))["ret"] == "1015"
    assert (await wire.raw(MCP + "/", S1, **bearer))[0] == 404


async def test_models_from_abroad_are_not_there(start):
    wire = await start()
    for model in ("dreamina_image_lib_1", "high_aes_general_v30l_art:general_v3.0_18b"):
        assert (await wire.post(MCP, S1 | {"model_key": model}))["ret"] == "2061"


async def test_credit_and_limits_hold_here_too(start):
    wire = await start(balance=15)
    assert (await wire.post(MCP, S1))["ret"] == "1006"
    assert (await wire.post(MCP, S1 | {"resolution_type": "1k"}))["ret"] == "0"
    assert wire.emulator.balance() == 14


async def test_the_bare_reply_holds_the_submit_id_alone(start):
    wire = await start(mcp_reply="bare")
    assert (await wire.post(MCP, S1))["data"] == {"submit_id": "s-1"}
    assert len((await wire.seen("s-1"))[0]["item_list"]) == 4


async def test_faults_can_hit_it_by_prompt(start):
    wire = await start(faults=[Fault(where="mcp", what="ret", ret="1057", match="柴犬")])
    assert (await wire.post(MCP, S1 | {"prompt": "猫"}))["ret"] == "0"
    assert (await wire.post(MCP, S1))["ret"] == "1057"
    _, _, raw = await wire.raw(MCP, S1 | {"submit_id": "s-3"})
    assert json.loads(raw)["ret"] == "0"


ODD = st.one_of(st.none(), st.booleans(), st.integers(-2, 9), st.text(max_size=3), st.just([1]))


@given(st.sampled_from([*S4, "generate_num", "resolution_type", "model"]), ODD)
def test_an_odd_value_is_refused_or_harmless(name, odd):
    try:
        outcome = type(read_mcp_order(S4 | {name: odd}, Variants())).__name__
    except Refusal as refusal:
        outcome = refusal.ret
    assert outcome in {"1000", "2061", "Order"}
