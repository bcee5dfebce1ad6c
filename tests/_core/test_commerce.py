"""Calls about credit on the wire, and the pages of the ledger (protocol notes 6.1, 6.2, 7)."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async._core.codes import CODES, error_for
from dreamina_async._core.commerce import (
    Charges,
    LedgerPage,
    Paging,
    decode_credits,
    decode_history,
    decode_receive,
    encode_credits,
    encode_history,
    encode_receive,
)
from dreamina_async._core.profile import caller_for
from dreamina_async._core.signing import sign
from dreamina_async._core.wire import HttpResponse
from dreamina_async.credentials import Credentials, Region
from dreamina_async.credits import CreditEntry, Credits, DailyGrant, ExpiringCredits
from dreamina_async.errors import (
    ApiError,
    AuthenticationError,
    DreaminaError,
    ProtocolError,
    RateLimited,
    ServiceUnavailable,
)

NOW = 1768100000.5
TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
SUBMIT_ID = "19637d71-15df-445e-b86d-490f3549cb85"
DECODERS = [decode_credits, decode_receive, decode_history]

# A real reply, from the logs of ZHI; the payload stands in `response` only.
ZHI_CREDIT = {
    "ret": "0",
    "errmsg": "success",
    "svr_time": 1768100000,
    "log_id": "20260111100000A1B2C3D4E5F607182930",
    "response": '{"credit":{"vip_credit":0,"gift_credit":22,"purchase_credit":0},'
    '"expiring_credits":[{"credit_amount":22,"expire_time":1768147199}],'
    '"credits_detail":{"gift_credits":[{"residual_credits":22,"credits_life_end":1768147199}]}}',
    "sign": "c2lnbg==",
}


def reply(value, status=200, **headers):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return HttpResponse(status, headers, body)


def success(payload, **more):
    return reply({"ret": "0", "errmsg": "success", "log_id": "L", "data": payload, **more})


def caller(region="CN", base_url=None):
    return caller_for(Credentials(TOKEN, region=region), base_url)


def row(number=0, **changes):
    plain = {"amount": 4, "create_time": 1768000000 - number, "title": "image generation"}
    plain |= {"submit_id": SUBMIT_ID, "status": "Checked", "history_type": 2}
    return plain | changes


def rows(payload):
    return decode_history(success(payload), now=NOW)


def entry(number, **changes):
    at = datetime.fromtimestamp(1768000000 - number, UTC)
    values = {"amount": 4, "kind": "consumption", "created_at": at, "title": "t"}
    values |= {"submit_id": f"id-{number}", "status": "Checked"}
    return CreditEntry(**(values | changes))


# ---- requests --------------------------------------------------------------------------


HOSTS = {
    "CN": "jimeng.jianying.com",
    "US": "commerce.us.capcut.com",
    "HK": "commerce-api-sg.capcut.com",
    "JP": "commerce-api-sg.capcut.com",
    "SG": "commerce-api-sg.capcut.com",
}


@pytest.mark.parametrize("region", HOSTS)
def test_each_region_has_its_own_commerce_host(region):
    who = caller(region)
    requests = [
        encode_credits(who, NOW),
        encode_receive(who, NOW),
        encode_history("0", None, who, NOW),
    ]
    for request in requests:
        url = urlsplit(request.url)
        assert (url.scheme, url.netloc, url.path) == ("https", HOSTS[region], request.path)
        assert parse_qs(url.query)["aid"] == [str(who.site.aid)]
        assert f"sessionid={TOKEN}" in request.headers["cookie"]
        expected = sign(request.path, int(NOW), pf="7", appvr=request.headers["appvr"])
        assert request.headers["sign"] == expected
        assert TOKEN not in request.url


def test_bodies_and_referers_are_those_of_the_web_page():
    who = caller()
    credit, receive = encode_credits(who, NOW), encode_receive(who, NOW)
    page = encode_history("40", "consumption", who, NOW)
    assert credit.path == "/commerce/v1/benefits/user_credit"
    assert credit.body == b"{}"  # an empty body is an error
    assert receive.path == "/commerce/v1/benefits/credit_receive"
    assert json.loads(receive.body) == {"time_zone": "Asia/Shanghai"}
    assert page.path == "/commerce/v1/benefits/user_credit_history"
    assert json.loads(page.body) == {"count": 20, "cursor": "40", "history_type": 2}
    assert json.loads(encode_history("0", "income", who, NOW).body)["history_type"] == 1
    assert json.loads(encode_history("0", None, who, NOW).body) == {"count": 20, "cursor": "0"}
    origin = "https://jimeng.jianying.com"
    assert (
        credit.headers["referer"] == page.headers["referer"] == origin + "/ai-tool/image/generate"
    )
    assert receive.headers["referer"] == origin + "/ai-tool/home"


def test_every_region_has_a_day_of_its_own():
    zones = {json.loads(encode_receive(caller(one), NOW).body)["time_zone"] for one in Region}
    assert len(zones) == len(Region)


# ---- the envelope ----------------------------------------------------------------------


def test_a_real_balance():
    assert decode_credits(reply(ZHI_CREDIT), now=NOW) == Credits(
        total=22,
        gift=22,
        purchase=0,
        vip=0,
        expiring=(ExpiringCredits(22, datetime(2026, 1, 11, 15, 59, 59, tzinfo=UTC)),),
    )


@pytest.mark.parametrize("empty", [None, {}, [], "", 0])
def test_the_payload_is_taken_from_either_place(empty):
    payload = json.loads(ZHI_CREDIT["response"])
    as_text = {**ZHI_CREDIT, "data": empty}
    as_data = {**ZHI_CREDIT, "response": "", "data": payload}
    assert decode_credits(reply(as_text), now=NOW) == decode_credits(reply(as_data), now=NOW)


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    "damage",
    [
        {"response": ""},
        {"response": None},
        {"response": "{"},
        {"response": "[]"},
        {"response": "null"},
        {"response": "\ud800"},
        {"response": {"credit": 1}},
        {"response": "{}"},
        {"response": '{"other":1}'},
        {"data": {"unknown": True}},
    ],
    ids=str,
)
def test_a_damaged_payload_is_a_protocol_error(decode, damage):
    with pytest.raises(ProtocolError) as caught:
        decode(reply({**ZHI_CREDIT, **damage}), now=NOW)
    assert caught.value.status == 200


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"ret":"0"', b'{"data":{}}'])
def test_what_is_no_envelope_is_a_protocol_error(decode, body):
    with pytest.raises(ProtocolError):
        decode(reply(body), now=NOW)


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize(
    ("ret", "kind"),
    [
        ("1014", ServiceUnavailable),
        ("1015", AuthenticationError),
        ("1057", RateLimited),
        ("34010100", ApiError),
        ("424242", ApiError),
    ],
)
def test_refusals(decode, ret, kind):
    refused = {"ret": ret, "errmsg": "words", "log_id": "LOGID123", "response": "", "data": None}
    with pytest.raises(ApiError) as caught:
        decode(reply(refused), now=NOW)
    error = caught.value
    assert type(error) is kind
    assert (error.code, error.logid, error.status) == (ret, "LOGID123", 200)
    assert "call about credit" in error.message
    assert "words" in error.message


def test_1014_is_a_busy_system_here_and_a_bad_signature_elsewhere():
    kinds = {one: type(error_for("1014", "", context=one)) for one in ("commerce", "status")}
    assert kinds == {"commerce": ServiceUnavailable, "status": AuthenticationError}
    for code in CODES.keys() - {"1014"}:
        here, there = (error_for(code, "", context=one) for one in ("commerce", "submit"))
        assert type(here) is type(there)
        assert here.charged == "unknown"


@pytest.mark.parametrize(
    ("status", "kind"), [(429, RateLimited), (503, ServiceUnavailable), (401, AuthenticationError)]
)
def test_http_refusals_keep_what_they_say(status, kind):
    with pytest.raises(DreaminaError) as caught:
        decode_credits(reply(b"", status, **{"retry-after": "7"}), now=NOW)
    assert type(caught.value) is kind
    if status != 401:
        assert caught.value.retry_after == 7.0


# ---- the balance and the grant ---------------------------------------------------------


def test_the_total_is_the_sum_and_what_is_missing_is_nothing():
    credit = {"gift_credit": "5", "purchase_credit": 100}
    found = decode_credits(success({"credit": credit}), now=NOW)
    assert found == Credits(total=105, gift=5, purchase=100, vip=0)


@pytest.mark.parametrize("odd", ["many", [], True, 1.5, {}])
def test_a_balance_with_an_odd_part_is_none(odd):
    credit = {"gift_credit": 5, "purchase_credit": odd, "vip_credit": 0}
    with pytest.raises(ProtocolError, match="purchase_credit"):
        decode_credits(success({"credit": credit}), now=NOW)


def test_a_balance_that_contradicts_itself_is_none():
    body = b'{"ret":"0","data":{"credit":{"gift_credit":5,"gift_credit":6,"vip_credit":0}}}'
    with pytest.raises(ProtocolError, match="gift_credit"):
        decode_credits(reply(body), now=NOW)


def test_what_expires_comes_in_order_and_odd_parts_are_left_out():
    expiring = [
        {"credit_amount": 3, "expire_time": 1768147199},
        {"credit_amount": 2, "expire_time": 1768060799},
        {"credit_amount": 0, "expire_time": 1768060799},
        {"credit_amount": 9, "expire_time": 0},
        {"credit_amount": "x", "expire_time": 1},
        None,
    ]
    payload = {"credit": {"gift_credit": 5}, "expiring_credits": expiring}
    assert [one.amount for one in decode_credits(success(payload), now=NOW).expiring] == [2, 3]


def test_a_grant():
    # LUP
    payload = {
        "is_first_receive": True,
        "receive_quota": 60,
        "has_popup": True,
        "cur_total_credits": 3584,
    }
    assert decode_receive(success(payload), now=NOW) == DailyGrant(60, first=True, total=3584)
    again = {"is_first_receive": False, "receive_quota": 0}
    assert decode_receive(success(again), now=NOW) == DailyGrant(0, first=False, total=None)


# ---- the ledger ------------------------------------------------------------------------


def test_rows():
    income = row(1, history_type=1, submit_id="", amount=60, title="每日积分")
    payload = {
        "total_credit": 9,
        "records": [row(submit_id=SUBMIT_ID.upper()), income],
        "new_cursor": "20",
        "has_more": True,
    }
    page = rows(payload)
    assert page == LedgerPage(
        entries=(
            CreditEntry(
                amount=4,
                kind="consumption",
                created_at=datetime.fromtimestamp(1768000000, UTC),
                title="image generation",
                submit_id=SUBMIT_ID,
                status="Checked",
            ),
            CreditEntry(
                amount=60,
                kind="income",
                created_at=datetime.fromtimestamp(1767999999, UTC),
                title="每日积分",
                submit_id=None,
                status="Checked",
            ),
        ),
        rows=2,
        cursor="20",
        more=True,
        total=9,
    )


def test_a_row_that_cannot_be_read_costs_itself_alone():
    odd = [
        row(amount="x"),
        row(history_type=3),
        row(create_time=0),
        None,
        "row",
        {},
    ]
    page = rows({"records": [*odd, row()], "new_cursor": 27, "has_more": 0})
    assert len(page.entries) == 1
    assert (page.rows, page.cursor, page.more) == (7, "27", False)


def test_a_sign_says_no_more_than_the_type():
    assert [one.amount for one in rows({"records": [row(amount=-4)]}).entries] == [4]


def test_an_empty_ledger():
    assert rows({"records": None, "has_more": False}) == LedgerPage((), 0, None, more=False)
    assert rows({"records": [], "new_cursor": "0"}).more is None
    with pytest.raises(ProtocolError):
        rows({"records": {"a": 1}})


# ---- paging ----------------------------------------------------------------------------


def read(service, paging=None, limit=10_000):
    """Every row that a reader gets to see, and the cursors asked for."""
    paging = paging or Paging()
    seen, asked = [], []
    while paging.cursor is not None:
        asked.append(paging.cursor)
        assert len(asked) < limit
        seen += paging.take(service(paging.cursor))
    return seen, asked


def offsets(ledger, arrivals=()):
    """A service that counts from the newest row; `arrivals` come before each next page."""
    coming = iter(arrivals)

    def page(cursor):
        new = next(coming, []) if cursor != "0" else []
        ledger[:0] = new
        start = int(cursor)
        end = min(start + 20, len(ledger))
        more = end < len(ledger)
        return LedgerPage(tuple(ledger[start:end]), end - start, str(end), more, len(ledger))

    return page


def test_every_page_is_read_to_the_end():
    ledger = [entry(number) for number in range(45)]
    seen, asked = read(offsets(list(ledger)))
    assert seen == ledger
    assert asked == ["0", "20", "40"]


def test_rows_that_look_alike_within_a_page_are_rows_of_their_own():
    ledger = [entry(number // 4, submit_id=None) for number in range(16)]
    assert read(offsets(list(ledger)))[0] == ledger


@pytest.mark.parametrize("place", [14, 17, 20, 37])
def test_equal_rows_across_a_page_border_are_rows_of_their_own(place):
    ledger = [entry(number) for number in range(50)]
    ledger[place : place + 6] = [entry(place, submit_id="job", amount=3)] * 6
    assert read(offsets(list(ledger)))[0] == ledger


@pytest.mark.parametrize("new", [1, 7, 20, 25, 45])
def test_rows_that_arrive_meanwhile_repeat_nothing(new):
    ledger = [entry(number) for number in range(60)]
    arriving = [entry(-1 - number) for number in range(new)]
    seen, _ = read(offsets(list(ledger), [arriving]))
    assert len(set(seen)) == len(seen)
    assert [one for one in seen if one not in arriving] == ledger


@given(st.integers(0, 90), st.lists(st.integers(0, 30), max_size=4))
def test_whatever_arrives_no_row_comes_twice_and_none_is_lost(size, arrivals):
    ledger = [entry(number) for number in range(size)]
    serial = iter(range(1, 10_000))
    coming = [[entry(-next(serial)) for _ in range(count)] for count in arrivals]
    seen, _ = read(offsets(list(ledger), coming))
    assert len(set(seen)) == len(seen)
    assert [one for one in seen if one in ledger] == ledger


def full(number, cursor, more):
    return LedgerPage(tuple(entry(20 * number + one) for one in range(20)), 20, cursor, more)


@pytest.mark.parametrize(
    ("service", "calls", "count"),
    [
        (lambda cursor: full(0, "20", False), 1, 20),
        (lambda cursor: full(0, None, True), 1, 20),
        (lambda cursor: full(0, "0", True), 1, 20),
        (lambda cursor: LedgerPage((), 0, "20", True), 1, 0),
        (lambda cursor: full(int(cursor), "1" if cursor == "0" else "0", True), 2, 40),
        (lambda cursor: full(0, str(int(cursor) + 20), True), 7, 20),
        (lambda cursor: LedgerPage((), 20, str(int(cursor) + 20), None), 5, 0),
        (lambda cursor: full(int(cursor), str(int(cursor) + 1), True), 1000, 20_000),
    ],
    ids=[
        "no more",
        "no cursor",
        "stuck",
        "empty",
        "to and fro",
        "the same page for ever",
        "all unreadable",
        "endless",
    ],
)
def test_no_service_is_asked_for_ever(service, calls, count):
    seen, asked = read(service, limit=2000)
    assert (len(asked), len(seen)) == (calls, count)


def test_a_service_that_does_not_say_whether_there_is_more_is_read_to_an_empty_page():
    pages = {"0": full(0, "20", None), "20": LedgerPage((), 0, "40", None)}
    seen, asked = read(pages.__getitem__)
    assert (len(seen), asked) == (20, ["0", "20"])


# ---- charges ---------------------------------------------------------------------------


def test_a_charge_is_what_was_taken_less_what_came_back():
    charges = Charges(frozenset({"a", "b", "c"}))
    charges.take([entry(0, submit_id="a", amount=1, kind="income"), entry(1, submit_id="x")])
    assert not charges.complete
    charges.take([entry(2, submit_id="a"), entry(3, submit_id="a", amount=2)])
    charges.take([entry(4, submit_id="b", amount=3), entry(5, submit_id="c", kind="income")])
    assert not charges.complete
    assert charges.found() == {"a": 5, "b": 3}
    charges.take([entry(6, submit_id="c", amount=4)])
    assert charges.found()["c"] == 0


def test_a_job_may_have_several_charges_pages_apart():
    charges = Charges(frozenset({"a"}))
    charges.take([entry(0, submit_id="a", amount=1)])
    assert not charges.complete
    charges.take([entry(30, submit_id="a", amount=30)])
    assert charges.found() == {"a": 31}


def test_nobody_asked_for_is_known_at_once():
    charges = Charges(frozenset())
    charges.take(())
    assert charges.complete


def test_rows_before_since_end_it():
    since = entry(3).created_at
    charges = Charges(frozenset({"id-9"}), since)
    charges.take([entry(2), entry(3)])
    assert not charges.complete
    charges.take([entry(4)])
    assert charges.complete
    assert charges.found() == {}
    assert since - entry(4).created_at == timedelta(seconds=1)
