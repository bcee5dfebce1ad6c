import json

import pytest

from dreamina_async.emulator import EmulatorOptions, Order, Outcome
from dreamina_async.emulator.world import World

pytestmark = pytest.mark.anyio
CREDIT = "/commerce/v1/benefits/user_credit"
RECEIVE = "/commerce/v1/benefits/credit_receive"
ROWS = "/commerce/v1/benefits/user_credit_history"


async def test_the_balance_travels_in_both_places_of_the_envelope(start):
    wire = await start(balance=100)
    await wire.image()
    reply = await wire.post(CREDIT, {})
    assert reply["data"]["credit"] == {"vip_credit": 0, "gift_credit": 84, "purchase_credit": 0}
    assert json.loads(reply["response"]) == reply["data"]
    assert isinstance(reply["svr_time"], int)
    assert (await wire.post(CREDIT, b""))["ret"] == "1000"


async def test_each_session_is_an_account_of_its_own(start):
    wire = await start(balance=100)
    await wire.image()
    wire.sessionid = "another"
    await wire.video()
    assert (wire.emulator.balance("a-session"), wire.emulator.balance("another")) == (84, 90)
    labels = [charge.account for charge in wire.emulator.ledger]
    assert labels == ["account-1", "account-2"]
    assert "a-session" not in repr(wire.emulator.ledger.charges())


async def test_the_daily_grant_is_given_once_a_day(start):
    clock = [1_800_000_000.0]
    wire = await start(balance=0, wall=lambda: clock[0])
    asked = {"time_zone": "Asia/Shanghai"}
    first, again = [(await wire.post(RECEIVE, asked))["data"] for _ in range(2)]
    assert (first["is_first_receive"], first["receive_quota"]) == (True, 60)
    assert (again["is_first_receive"], again["cur_total_credits"]) == (False, 60)
    clock[0] += 86400
    assert (await wire.post(RECEIVE, asked))["data"]["cur_total_credits"] == 120
    assert (await wire.post(RECEIVE, {}))["ret"] == "34010100"


async def test_history_pages_newest_first_and_carries_submit_ids(start):
    wire = await start()
    await wire.post(RECEIVE, {"time_zone": "Asia/Shanghai"})
    for number in range(5):
        await wire.image(submit_id=f"s-{number}")
    rows, cursor, more = [], "0", True
    while more:
        data = (await wire.post(ROWS, {"count": 2, "cursor": cursor}))["data"]
        rows += data["records"]
        cursor, more = data["new_cursor"], data["has_more"]
    assert [row["submit_id"] for row in rows] == ["s-4", "s-3", "s-2", "s-1", "s-0", ""]
    assert {(row["history_type"], row["amount"]) for row in rows} == {(1, 60), (2, 16)}
    spent = await wire.post(ROWS, {"count": 20, "cursor": "0", "history_type": 2})
    assert len(spent["data"]["records"]) == 5
    assert (await wire.post(ROWS, {}))["ret"] == "1000"


async def test_the_bearer_form_is_good_for_the_history_and_the_user_only(start):
    wire = await start()
    wire.sessionid = ""
    bearer = {"Authorization": "Bearer a-session"}
    assert (await wire.post(ROWS, {"count": 1}, **bearer))["ret"] == "0"
    assert (await wire.post("/mweb/v1/get_user_info", {}, **bearer))["ret"] == "0"
    assert (await wire.post(CREDIT, {}, **bearer))["ret"] == "1015"


@pytest.mark.parametrize("cursor", ["²", "9" * 5000, "-1"])
async def test_a_cursor_that_is_no_number_is_refused(start, cursor):
    wire = await start()
    assert (await wire.post(ROWS, {"count": 1, "cursor": cursor}))["ret"] == "1000"


async def test_the_ledger_answers_questions_here_and_over_http(start):
    wire = await start()
    await wire.image("柴犬", submit_id="s-1")
    await wire.image("柴犬", submit_id="s-2", count=1)
    await wire.video("海浪", submit_id="s-3")
    ledger = wire.emulator.ledger
    assert [charge.submit_id for charge in ledger.by_prompt["柴犬"]] == ["s-1", "s-2"]
    assert [(c.kind, c.count, c.credits) for c in ledger] == [
        ("image", 4, 16),
        ("image", 1, 4),
        ("video", 1, 10),
    ]
    assert (len(ledger), ledger.credits) == (3, 30)
    _, _, raw = await wire.get(wire.emulator.base_url + "/_emulator/ledger")
    assert [charge["prompt"] for charge in json.loads(raw)["charges"]] == ["柴犬", "柴犬", "海浪"]
    _, _, raw = await wire.get(wire.emulator.base_url + "/_emulator/stats")
    stats = json.loads(raw)
    assert (stats["jobs"], stats["charges"], stats["credits"]) == (3, 3, 30)
    assert stats["requests"] == {"generate": 3}
    assert b"a-session" not in raw


PRICES = [
    ("high_aes_general_v40", "1k", None, 1),
    ("high_aes_general_v40", "2k", 1, 4),
    ("high_aes_general_v50", "2k", 1, 3),
    ("high_aes_general_v50_flash", "2k", None, 12),
    ("high_aes_general_v50p_large", "2k", 1, 8),
    ("high_aes_general_v30l:general_v3.0_18b", "1k", None, 4),
    ("jm_image_model_yc_mj82", "1k", None, 20),
    ("jm_image_model_yc_mj82", "2k", 1, 7),
]


@pytest.mark.parametrize(("model", "resolution", "count", "price"), PRICES)
async def test_images_cost_what_was_measured(start, model, resolution, count, price):
    wire = await start(balance=100)
    await wire.image(submit_id="s-1", model=model, resolution=resolution, count=count, size=(0, 0))
    assert wire.emulator.balance() == 100 - price
    items = (await wire.seen("s-1"))[0]["item_list"]
    assert sum(item["extra"]["credits_consume"] for item in items) == price


async def test_a_blend_at_1k_costs_twice_as_much(start):
    wire = await start(balance=22, check_uris=False)
    draft = wire.blend_draft("画", ["tos/a"], model="high_aes_general_v41")
    assert (await wire.generate(draft))["ret"] == "0"
    assert wire.emulator.balance() == 20


@pytest.mark.parametrize(
    ("model", "resolution", "benefit", "price"),
    [
        ("dreamina_seedance_40_mini", "720p", "seedance_20_mini_720p_output", 24),
        ("dreamina_seedance_40", "720p", "dreamina_seedance_20_fast", 30),
        ("dreamina_seedance_40_vision", "720p", "seedance_20_fast_720p_output", 30),
        ("dreamina_seedance_40_pro", "720p", "dreamina_video_seedance_20_pro", 70),
        ("dreamina_seedance_40_pro_vision", "720p", "seedance_20_pro_720p_output", 70),
        ("dreamina_seedance_45_pro", "480p", "", 45),
    ],
)
async def test_videos_cost_what_was_measured(start, model, resolution, benefit, price):
    wire = await start(balance=100)
    extend = {"root_model": model, "m_video_commerce_info": {"benefit_type": benefit}}
    draft = wire.video_draft("海浪", model=model, resolution=resolution)
    assert (await wire.generate(draft, extend=extend))["ret"] == "0"
    assert wire.emulator.balance() == 100 - price


async def test_what_expires_is_told_twice(start):
    wire = await start(balance=22, wall=lambda: 1768097919.0)  # the logs of protocol notes 7
    data = (await wire.post(CREDIT, {}))["data"]
    assert data["expiring_credits"] == [{"credit_amount": 22, "expire_time": 1768147199}]
    gift = {"residual_credits": 22, "credits_life_end": 1768147199}
    assert data["credits_detail"] == {"gift_credits": [gift]}
    poor = await start(balance=0)
    data = (await poor.post(CREDIT, {}))["data"]
    assert (data["expiring_credits"], data["credits_detail"]) == ([], {"gift_credits": []})


async def spent(wire, kind):
    reply = await wire.post(ROWS, {"count": 20, "cursor": "0", "history_type": kind})
    return [(row["submit_id"], row["amount"]) for row in reply["data"]["records"]]


async def test_a_failed_job_may_be_paid_back(start):
    fates = {"坏": Outcome(fail_code="2038"), "半": Outcome(fail_code="2041", items=2)}
    wire = await start(balance=100, refund_failed=True, outcomes=fates)
    for prompt in ("坏", "半", "好"):
        await wire.image(prompt, submit_id=prompt)
        await wire.seen(prompt)
    assert wire.emulator.balance() == 100 - 32
    assert await spent(wire, 1) == [("坏", 16)]
    assert sorted(await spent(wire, 2)) == sorted([("坏", 16), ("半", 16), ("好", 16)])
    assert wire.emulator.ledger.credits == 48
    for fate in (Outcome(items=0), Outcome(empty_looks=-1)):
        empty = await start(balance=100, refund_failed=True, outcome=fate)
        await empty.image("空", submit_id="空")
        assert (await empty.seen("空"))[0]["status"] == 50
        assert empty.emulator.balance() == 100
    keeper = await start(balance=100, outcomes=fates)
    await keeper.image("坏", submit_id="坏")
    await keeper.seen("坏")
    assert keeper.emulator.balance() == 84


def test_a_refund_comes_when_the_job_ends_and_not_before():
    fate = Outcome(fail_code="2038", run_seconds=10, queue_seconds=0)
    world = World(EmulatorOptions(balance=100, refund_failed=True, outcome=fate))
    account = world.login("a")
    job = world.accept(account, image_order(), 0.0)
    assert account.held(job.ends_at - 1) == 84
    assert account.held(job.ends_at) == 100
    assert [row.history_type for row in account.settled_rows(job.ends_at)] == [1, 2]
    assert (account.gift, account.held(10**9)) == (100, 100)


def test_a_debit_takes_a_while_to_show():
    world = World(EmulatorOptions(balance=100, settle_after=60, speed=2))
    account = world.login("a")
    world.accept(account, image_order(), 0.0)
    assert account.gift == 84
    assert account.settled_rows(29.0) == []
    assert [row.amount for row in account.settled_rows(30.0)] == [16]


def image_order():
    return Order(
        kind="image",
        submit_id="s-1",
        model="m",
        model_name="M",
        prompt="柴犬",
        count=4,
        credits=16,
        width=64,
        height=64,
        resolution="2k",
        draft_content="{}",
    )
