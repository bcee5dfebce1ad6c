import pytest

from dreamina_async.emulator import request_sign

pytestmark = pytest.mark.anyio
HISTORY = "/mweb/v1/get_history_by_ids"


@pytest.mark.parametrize(
    ("path", "seconds", "appvr", "sign"),
    [
        ("/mweb/v1/aigc_draft/generate", 1789742348, "8.4.0", "103979f37bb61af3a5a6d0a53f9e5992"),
        ("/mweb/v1/get_history_by_ids", 1789742352, "8.4.0", "a6def80120c292743fa98f189898e112"),
        ("/mweb/v1/aigc_draft/generate", 1789744838, "8.4.0", "c735ac6365447728451e5ff3cb15244d"),
        ("/mweb/v1/get_history_by_ids", 1789744874, "8.4.0", "571a5ba7496c5303a26bcc0d950ad017"),
        ("/mweb/v1/get_upload_token", 1789746355, "8.4.0", "166eea62cb5dfc9c50fbcd5382d194fe"),
        ("/mweb/v1/aigc_draft/generate", 1790786145, "8.4.0", "2533662377211f0653b7759901657a92"),
        ("/mweb/v1/get_history_by_ids", 1757737938, "5.8.0", "117e6bfe04378cca2ef068dc67479561"),
        ("/mweb/v1/aigc_draft/generate", 1757737934, "5.8.0", "4939ed1766ddd85525fcfe79243a1904"),
    ],
)
def test_sign_agrees_with_the_vectors_of_the_notes(path, seconds, appvr, sign):
    assert request_sign(path, "7", appvr, str(seconds)) == sign


def signed(sign=None):
    good = request_sign(HISTORY, "7", "8.4.0", "1789742352")
    return {"pf": "7", "appvr": "8.4.0", "device-time": "1789742352", "sign": sign or good}


@pytest.mark.parametrize(
    ("mode", "headers", "ret"),
    [
        ("ignore", signed("0" * 32), "0"),
        ("verify", signed(), "0"),
        ("verify", {}, "0"),
        ("verify", signed("0" * 32), "1014"),
        ("verify", signed() | {"device-time": "1789742353"}, "1014"),
        ("require", signed(), "0"),
        ("require", {}, "1014"),
    ],
)
async def test_sign_modes(start, mode, headers, ret):
    wire = await start(sign_mode=mode)
    reply = await wire.post(HISTORY, {"submit_ids": ["nobody"]}, **headers)
    assert reply["ret"] == ret


@pytest.mark.parametrize(
    ("appvr", "ret"), [("5.8.0", "0"), ("8.4.0", "0"), ("1.0.0", "1014"), ("", "1014")]
)
async def test_a_version_that_is_signed_but_not_sent_as_s4_polls(start, appvr, ret):
    headers = signed(request_sign(HISTORY, "7", appvr, "1789742352"))
    del headers["appvr"]
    wire = await start(sign_mode="require", dialect="s4")
    reply = await wire.post(HISTORY, {"history_ids": ["1"]}, **headers)
    assert reply["ret"] == ret


@pytest.mark.parametrize("headers", [signed() | {"sign": "0"}, signed() | {"sign": ""}, {}])
async def test_no_time_is_looked_at_where_no_sign_is(start, headers):
    wire = await start(sign_mode="ignore", sign_tolerance=60)
    assert (await wire.post(HISTORY, {"submit_ids": ["a"]}, **headers))["ret"] == "0"


@pytest.mark.parametrize(("seconds", "ret"), [(1789742352 + 60, "0"), (1789742352 + 61, "1014")])
async def test_a_device_time_out_of_tolerance(start, seconds, ret):
    wire = await start(sign_tolerance=60, wall=lambda: float(seconds))
    reply = await wire.post(HISTORY, {"submit_ids": ["nobody"]}, **signed())
    assert reply["ret"] == ret
    reply = await wire.post(HISTORY, {"submit_ids": ["nobody"]})
    assert reply["ret"] == "0"
