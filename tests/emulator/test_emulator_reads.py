import json

import pytest

pytestmark = pytest.mark.anyio
CONFIG = "/mweb/v1/get_common_config"
VIDEO_CONFIG = "/mweb/v1/video_generate/get_common_config"
ALGO = "/mweb/v1/algo_proxy"
QUEUE = "/mweb/v1/get_history_queue_info"
ONLY_US = {
    "gpt_image_2",
    "gemini_3_image_pro",
    "dreamina_gpt_image_2_5_flare",
    "dreamina_gpt_image_2_5_sunburst",
}
ONLY_ASIA = {
    "dreamina_veo3_generate_video",
    "dreamina_veo3.1_generate_video",
    "dreamina_sora2_generate_video",
    "dreamina_ic_generate_video_model_vgfm_3.0_pro",
}


async def models(wire, path, aid):
    body = {"is_client_filter": False, "need_beta_model": True}
    reply = await wire.post(f"{path}?aid={aid}", body)
    return {model["model_req_key"]: model for model in reply["data"]["model_list"]}


async def test_the_image_config_tells_what_can_be_ordered(start):
    wire = await start()
    found = await models(wire, CONFIG, "513695")
    pro = found["high_aes_general_v50p_large"]
    assert pro["generate_count_options"] == [1, 2, 3, 4]
    assert pro["default_generate_count"] == 2
    assert set(pro["resolution_map"]) == {"1k", "1.5k", "2k", "4k"}
    sizes = pro["resolution_map"]["4k"]["image_ratio_sizes"]
    assert {"ratio_type": 3, "width": 5404, "height": 3040} in sizes
    assert found["jm_image_model_yc_mj82"]["input_image_limit"] == [
        {"max_image_num": 20, "ability_name": "byte_edit"}
    ]
    mj82 = found["jm_image_model_yc_mj82"]
    assert (mj82["generate_count_options"], mj82["default_resolution_type"]) == ([4], "1k")
    assert set(found["high_aes_general_v50"]["resolution_map"]) == {"2k", "4k"}
    assert set(found["text2img_xl_sft"]["resolution_map"]) == {"1k"}
    sizes = found["text2img_xl_sft"]["resolution_map"]["1k"]["image_ratio_sizes"]
    assert {"ratio_type": 3, "width": 1664, "height": 936} in sizes
    for key, model in found.items():
        resolution = model["default_resolution_type"]
        size = model["resolution_map"][resolution]["image_ratio_sizes"][0]
        pixels = (size["width"], size["height"])
        reply = await wire.image(model=key, resolution=resolution, size=pixels)
        assert reply["ret"] == "0"


@pytest.mark.parametrize("path", [CONFIG, VIDEO_CONFIG])
async def test_each_region_has_models_of_its_own(start, path):
    wire = await start()
    china, abroad = [set(await models(wire, path, aid)) for aid in ("513695", "513641")]
    assert china & abroad
    assert china - abroad
    assert abroad - china
    asia, america = [set(await models(wire, path, f"513641&region={r}")) for r in ("sg", "US")]
    assert asia == abroad
    assert america - asia == (ONLY_US if path == CONFIG else set())
    assert asia - america >= ({"high_aes_general_v42"} if path == CONFIG else ONLY_ASIA)
    reply = await wire.post(path, {"scene": "generate_video", "params": {}})
    assert {each["model_req_key"] for each in reply["data"]["model_list"]} == china


async def test_the_video_config_names_durations_and_benefits(start):
    wire = await start()
    vip = (await models(wire, VIDEO_CONFIG, "513695"))["dreamina_seedance_40_pro_vision"]
    assert vip["resolution_options"] == ["720p", "1080p", "4k"]
    assert "seedance_20_pro_4k_output" in vip["benefit_types"]
    assert vip["duration_options"] == list(range(4, 16))


async def test_who_is_logged_in(start):
    wire = await start(sessionids=["good"])
    passport = "/passport/account/info/v2?account_sdk_source=web"
    assert "user_id" not in (await wire.post(passport, {}))["data"]
    wire.sessionid = "good"
    told = (await wire.post(passport, b""))["data"]
    assert told == (await wire.post(passport, {}))["data"]
    assert told["user_id"] == (await wire.post("/mweb/v1/get_user_info", {}))["data"]["uid"]
    member = {"aid": 513695, "scene": "vip", "need_sign_info": True}
    reply = await wire.post("/commerce/v1/subscription/user_info", member)
    assert reply["data"]["flag"] is True
    assert reply["data"]["start_time"] < reply["data"]["end_time"]
    assert json.loads(reply["response"]) == reply["data"]


async def test_images_are_signed_anew_by_uri(start):
    wire = await start()
    await wire.image(submit_id="s-1")
    await wire.seen("s-1")
    uris = [file.uri for file in wire.emulator.media("s-1")]
    path = "/mweb/v1/get_image_by_uri"
    found = (await wire.post(path, {"uris": [*uris, "tos/nobody"]}))["data"]["image_list"]
    assert [each["image_uri"] for each in found] == uris
    _, _, body = await wire.get(found[0]["image_url"])
    assert len(body) == wire.emulator.media("s-1")[0].size
    assert (await wire.post(path, {"uri": uris[0]}))["ret"] == "1000"
    wire.sessionid = "somebody-else"
    assert (await wire.post(path, {"uris": uris}))["data"]["image_list"] == []


async def test_accounts_share_no_names_even_of_one_submit_id(start):
    wire = await start(speed=1e6)
    shown = []
    for wire.sessionid in ("one", "two", "one"):
        if len(shown) < 2:
            await wire.image(submit_id="s-1", count=1)
        (item,) = (await wire.seen("s-1"))[0]["item_list"]
        uri = item["image"]["large_images"][0]["image_uri"]
        shown.append((item["common_attr"]["id"], uri))
    assert len({each for pair in shown for each in pair}) == 4
    found = await wire.post("/mweb/v1/get_local_item_list", {"item_id_list": [shown[0][0]]})
    assert len(found["data"]["item_list"]) == 1
    found = await wire.post("/mweb/v1/get_image_by_uri", {"uris": [shown[0][1]]})
    assert len(found["data"]["image_list"]) == 1


async def test_the_history_needs_a_count(start):
    wire = await start()
    for number in range(3):
        await wire.image(submit_id=f"s-{number}")
    path = "/mweb/v1/get_history"
    assert (await wire.post(path, {}))["ret"] == "2008"
    assert (await wire.post(path, b""))["ret"] == "2008"
    data = (await wire.post(path, {"count": 2}))["data"]
    told = [each["task"]["submit_id"] for each in data["records_list"]]
    assert (told, data["has_more"]) == (["s-2", "s-1"], True)
    assert (await wire.post(path, {"count": 3}))["data"]["has_more"] is False
    (history_id,) = wire.emulator.history_ids("s-0")
    ids = {"history_record_ids": [history_id, "1"]}
    data = (await wire.post("/mweb/v1/get_history_records", ids))["data"]
    assert [each["task"]["submit_id"] for each in data["history_records"]] == ["s-0"]


async def test_the_queue_tells_why_a_job_failed(start):
    wire = await start(outcomes={"坏": "2038"})
    for prompt in ("坏", "好"):
        await wire.image(prompt, submit_id=prompt)
        await wire.seen(prompt)
    bad, good = (wire.emulator.history_ids(each)[0] for each in ("坏", "好"))
    data = (await wire.post(QUEUE, {"history_ids": [bad, good]}))["data"]
    assert (data[bad]["fail_code"], data[bad]["fail_msg"]) == ("2038", "InputTextRisk")
    assert data[bad]["queue_info"]["queue_status"] == 4
    assert "fail_code" not in data[good]


async def test_content_is_checked(start):
    wire = await start(risky=["face", "暴力"])
    body = {"scene": "image_face_ip", "req_key": "benchmark_test", "req_params": {}}
    files = [{"file_uri": "tos/plain"}, {"file_uri": "tos/face"}]
    assert (await wire.post(ALGO, body | {"file_list": files[:1]}))["ret"] == "0"
    assert (await wire.post(ALGO, body | {"file_list": files}))["ret"] == "2003"
    texts = {"req_params": {"prompts": ["暴力画面"]}}
    assert (await wire.post(ALGO, body | texts))["ret"] == "2003"
    assert (await wire.post(ALGO, {}))["ret"] == "1000"
    audit = "/mweb/v1/imagex/submit_audit_job"
    assert (await wire.post(audit, {"uri_list": ["tos/plain"]}))["ret"] == "0"
    assert (await wire.post(audit, {"uri": "tos/plain"}))["ret"] == "1000"


ODD = [None, 7, "text", [], [None], {}, {"a": 1}, True]
FIELDS = {
    "/mweb/v1/get_history": ("count",),
    "/mweb/v1/get_history_records": ("history_record_ids",),
    "/mweb/v1/get_image_by_uri": ("uris",),
    "/mweb/v1/get_local_item_list": ("item_id_list",),
    "/mweb/v1/imagex/submit_audit_job": ("uri_list",),
    "/commerce/v1/benefits/user_credit_history": ("count", "cursor", "history_type"),
    "/commerce/v1/subscription/user_info": ("scene",),
    ALGO: ("scene", "file_list", "req_params"),
}


@pytest.mark.parametrize("path", FIELDS)
async def test_an_odd_body_is_answered_or_refused(start, path):
    wire = await start()
    for odd in ODD:
        for field in FIELDS[path]:
            reply = await wire.post(path, {"scene": "vip", "count": 2} | {field: odd})
            assert reply["ret"] in {"0", "1000", "2008"}
