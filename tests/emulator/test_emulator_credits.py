import json

import pytest

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


async def test_the_bearer_form_is_good_for_the_history_only(start):
    wire = await start()
    wire.sessionid = ""
    bearer = {"Authorization": "Bearer a-session"}
    assert (await wire.post(ROWS, {"count": 1}, **bearer))["ret"] == "0"
    assert (await wire.post(CREDIT, {}, **bearer))["ret"] == "1015"


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
