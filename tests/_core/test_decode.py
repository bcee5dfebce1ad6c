import copy
import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamina_async._core.decode import (
    StatusReply,
    decode_items,
    decode_status,
    decode_submit,
)
from dreamina_async._core.envelope import retry_after
from dreamina_async._core.record import decode_record
from dreamina_async._core.wire import HttpResponse
from dreamina_async.errors import (
    AccountRestricted,
    ApiError,
    AuthenticationError,
    ContentRejected,
    DreaminaError,
    InsufficientCredit,
    ProtocolError,
    RateLimited,
    ServiceUnavailable,
)
from dreamina_async.models import QueueInfo

NOW = 1757737940.0
SUBMIT_ID = "19637d71-15df-445e-b86d-490f3549cb85"
OTHER_ID = "cd231d8b-874b-466f-bd71-3f3351351bda"
HISTORY_ID = "25594898552322"
OTHER_HISTORY = "7895883973900"

# S3, captured 2025-09-13
S3_SUBMIT = json.loads(
    """{"ret":"0","errmsg":"success","systime":"1757737934",
    "logid":"202509131232143AAD2636D2017502325C","data":{"generate_type":1,
    "history_record_id":"25594898552322","created_time":1757737934.403,
    "task":{"task_id":"25594898552322","submit_id":"19637d71-15df-445e-b86d-490f3549cb85",
    "aid":0,"status":20,"finish_time":0,"history_id":"25594898552322"},"mode":"workbench",
    "uid":"4246729963603161","status":20,"history_group_key":"一只可爱的小猫咪在花园里玩耍",
    "submit_id":"19637d71-15df-445e-b86d-490f3549cb85",
    "generate_id":"202509131232143AAD2636D2017502325C",
    "model_info":{"model_name":"图片 4.0","model_req_key":"high_aes_general_v40"},
    "forecast_generate_cost":23,"forecast_queue_cost":0,"queue_info":{"queue_idx":0,
    "priority":3,"queue_status":2,"queue_length":0,
    "polling_config":{"interval_seconds":30,"timeout_seconds":86400}},
    "total_image_count":0,"finished_image_count":0}}"""
)
S3_STATUS = json.loads(
    """{"ret":"0","errmsg":"success","systime":"1757737938",
    "logid":"2025091312321882FE7E28394F51689F63",
    "data":{"19637d71-15df-445e-b86d-490f3549cb85":{"generate_type":1,
    "history_record_id":"25594898552322","created_time":1757737934.403,
    "task":{"task_id":"25594898552322","submit_id":"19637d71-15df-445e-b86d-490f3549cb85",
    "status":45,"finish_time":0,"history_id":"25594898552322"},"status":45,
    "total_image_count":4,"finished_image_count":0,"image_type":3,
    "forecast_generate_cost":22}}}"""
)
# protocol notes 2.8: 2026, under aigc_data
AIGC_SUBMIT = {
    **S3_SUBMIT,
    "data": {
        "aigc_data": {
            **S3_SUBMIT["data"],
            "origin_history_record_id": None,
            "item_list": [],
            "origin_item_list": [],
        },
        "fail_code": "",
        "fail_starling_key": "",
        "fail_starling_message": "",
    },
}
NO_CREDIT = {
    "ret": "1006",
    "errmsg": "积分不足",
    "systime": "1768097919",
    "logid": "20260111101839C42F41CFFF29B2AEF912",
    "data": {
        "aigc_data": None,
        "fail_code": "1006",
        "fail_starling_key": "web_dre_m10n_generate_popup_credit_ininsufficient_title",
        "fail_starling_message": "积分余额不足",
    },
}
CLI_SUBMIT = {
    "ret": "0",
    "msg": "success",
    "msgDetail": "success",
    "logId": "20260111101839C42F41CFFF29B2AEF912",
    "sysTime": "1768097919",
    "data": {
        "submit_id": SUBMIT_ID,
        "history_id": HISTORY_ID,
        "model_key": "high_aes_general_v50",
        "pre_gen_item_ids": ["7593922573465931058"],
        "submit_info": {"code": 0, "msg": ""},
    },
}
FAILED = {
    "generate_type": 1,
    "history_record_id": HISTORY_ID,
    "created_time": 1768098467.9,
    "item_list": [],
    "failed_item_list": [],
    "task": {
        "task_id": HISTORY_ID,
        "submit_id": SUBMIT_ID,
        "status": 30,
        "finish_time": 1768098480,
        "history_id": HISTORY_ID,
    },
    "status": 30,
    "fail_code": "2038",
    "fail_msg": "InputTextRisk",
    "fail_starling_key": "web_text_violates_community_guidelines_toast",
    "fail_starling_message": "内容不符合社区规范",
    "submit_id": SUBMIT_ID,
    "total_image_count": 4,
    "finished_image_count": 0,
}
# S2, the history interface: milliseconds, `id`, status 10
S2_RECORD = {
    "id": OTHER_HISTORY,
    "status": 10,
    "fail_code": None,
    "item_list": [
        {
            "id": "item_id",
            "image": {"large_images": [{"image_url": "https://example.com/1.jpg", "width": 2048}]},
            "task": {"finish_time": 1640995200000, "create_time": 1640991600000, "cost": 100},
        }
    ],
    "task": {
        "finish_time": 1640995200000,
        "create_time": 1640991600000,
        "model": "high_aes_general_v40",
        "prompt": "提示词",
    },
    "history_group_key_md5": "x",
}
# S0 and S1: the smallest record there is
S0_RECORD = {
    "status": 50,
    "item_list": [
        {
            "image": {
                "large_images": [
                    {
                        "image_uri": "tos-cn-i-tb4s082cfz/ab",
                        "image_url": "https://p26-dreamina-sign.byteimg.com/ab",
                        "width": 2048,
                        "height": 2048,
                        "format": "png",
                    }
                ]
            }
        }
    ],
}


def reply(value, status=200, headers=None):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return HttpResponse(status, headers or {}, body)


def submit(value, status=200, headers=None):
    return decode_submit(reply(value, status, headers), SUBMIT_ID, now=NOW)


def status(value, *ids, http=200, headers=None):
    return decode_status(reply(value, http, headers), ids, now=NOW)


def records(data):
    return {"ret": "0", "logid": "L" * 34, "systime": "1757737938", "data": data}


def refused(call, *args, **kwargs):
    with pytest.raises(DreaminaError) as caught:
        call(*args, **kwargs)
    return caught.value


class TestSubmit:
    @pytest.mark.parametrize("value", [S3_SUBMIT, AIGC_SUBMIT], ids=["S3", "S4"])
    def test_accepted(self, value):
        found = submit(value)
        assert (found.history_id, found.submit_id) == (HISTORY_ID, SUBMIT_ID)
        assert found.systime == 1757737934.0
        assert found.logid == "202509131232143AAD2636D2017502325C"
        assert found.uid == "4246729963603161"
        report = found.report
        assert (report.status, report.task_status) == (20, 20)
        assert report.created_at == 1757737934.403
        assert report.finish_time is None
        assert report.queue == QueueInfo(0, 0, 2, 30.0, 86400.0)
        assert report.forecast == 23.0
        assert report.model_key == "high_aes_general_v40"
        assert (report.fail_code, report.total_count, report.problems) == (None, 0, ())

    def test_the_cli_envelope(self):
        found = submit(CLI_SUBMIT)
        assert (found.history_id, found.submit_id) == (HISTORY_ID, SUBMIT_ID)
        assert found.logid == CLI_SUBMIT["logId"]
        assert found.systime == 1768097919.0
        assert found.report.listed_items == ("7593922573465931058",)

    @pytest.mark.parametrize("ret", ["0", 0, " 0 "])
    def test_spellings_of_success(self, ret):
        assert submit({**S3_SUBMIT, "ret": ret}).history_id == HISTORY_ID

    @pytest.mark.parametrize("ret", [None, "", False, True, 0.0, [], {}])
    def test_no_ret_is_no_reply(self, ret):
        error = refused(submit, {**S3_SUBMIT, "ret": ret})
        assert type(error) is ProtocolError
        assert error.charged == "unknown"

    def test_a_missing_ret_is_no_reply(self):
        assert type(refused(submit, {"data": S3_SUBMIT["data"]})) is ProtocolError

    @pytest.mark.parametrize("http", [200, 429])
    @pytest.mark.parametrize("value", [S3_SUBMIT, AIGC_SUBMIT])
    def test_j14_a_refusal_beside_a_job_is_none(self, value, http):
        error = refused(submit, {**value, "ret": "1"}, http)
        assert type(error) is RateLimited
        assert error.charged == "unknown"

    def test_the_refusal_envelope(self):
        error = refused(submit, NO_CREDIT)
        assert type(error) is InsufficientCredit
        assert (error.code, error.status, error.charged) == ("1006", 200, "no")
        assert error.logid == NO_CREDIT["logid"]
        assert "积分余额不足" in error.message

    @pytest.mark.parametrize(
        ("ret", "kind", "charged"),
        [
            ("1015", AuthenticationError, "no"),
            (1015, AuthenticationError, "no"),
            ("1019", AccountRestricted, "no"),
            ("2038", ContentRejected, "no"),
            ("1310", RateLimited, "no"),
            ("2003", ContentRejected, "unknown"),
            ("31337", ApiError, "unknown"),
            ("success", ApiError, "unknown"),
            ("00", ApiError, "unknown"),
        ],
    )
    def test_refusals(self, ret, kind, charged):
        error = refused(submit, {"ret": ret})
        assert type(error) is kind
        assert (error.code, error.charged) == (str(ret), charged)

    @pytest.mark.parametrize(
        "value",
        [
            b"",
            b"   ",
            b"null",
            b"[]",
            b'"text"',
            b"7",
            b"<html><title>login</title></html>",
            {"ret": "0"},
            {"ret": "0", "data": None},
            {"ret": "0", "data": {}},
            {"ret": "0", "data": []},
            {"ret": "0", "data": "x"},
            {"ret": "0", "data": {"aigc_data": None, "fail_code": "1006"}},
            {"ret": "0", "data": {"aigc_data": {}}},
            {"ret": "0", "data": {"aigc_data": json.dumps(S3_SUBMIT["data"])}},
            {"ret": "0", "data": {"status": 20}},
            {"ret": "0", "response": json.dumps(S3_SUBMIT["data"])},
            {"ret": "0", "data": {"history_record_id": ["x"]}},
            {"ret": "0", "data": {"history_record_id": "../../etc"}},
            b'{"ret":"0","ret":"1006","data":{"history_record_id":"1"}}',
            b'{"ret":"0","data":{"history_record_id":"1"},"data":{"history_record_id":"2"}}',
            b'{"ret":"0","data":{"history_record_id":"1","history_record_id":"2"}}',
        ],
    )
    def test_what_cannot_be_read_is_ambiguous(self, value):
        error = refused(submit, value)
        assert type(error) is ProtocolError
        assert error.charged == "unknown"
        assert error.status == 200

    @pytest.mark.parametrize("where", ["record", "task", "both"])
    def test_another_submit_id_is_never_ours(self, where):
        value = copy.deepcopy(AIGC_SUBMIT)
        data = value["data"]["aigc_data"]
        if where != "task":
            data["submit_id"] = OTHER_ID
        if where != "record":
            data["task"]["submit_id"] = OTHER_ID
        error = refused(submit, value)
        assert type(error) is ProtocolError
        assert error.charged == "unknown"

    @pytest.mark.parametrize("odd", ["not ours, at all", "x" * 300, 7])
    def test_an_echo_that_is_no_id_is_not_ours_either(self, odd):
        value = {"ret": "0", "data": {"history_record_id": HISTORY_ID, "submit_id": odd}}
        assert type(refused(submit, value)) is ProtocolError

    def test_the_echo_may_shout_or_be_missing(self):
        data = {"history_record_id": int(HISTORY_ID), "submit_id": SUBMIT_ID.upper()}
        assert submit(records(data)).submit_id == SUBMIT_ID
        found = submit(records({"history_record_id": HISTORY_ID}))
        assert (found.history_id, found.submit_id) == (HISTORY_ID, None)
        found = submit(records({"submit_id": SUBMIT_ID}))
        assert (found.history_id, found.submit_id) == (None, SUBMIT_ID)

    def test_contradicting_history_ids_are_ambiguous(self):
        value = copy.deepcopy(S3_SUBMIT)
        value["data"]["task"]["history_id"] = OTHER_HISTORY
        assert type(refused(submit, value)) is ProtocolError

    def test_a_fail_code_beside_aigc_data_is_reported(self):
        value = copy.deepcopy(AIGC_SUBMIT)
        value["data"]["fail_code"] = "2038"
        assert submit(value).report.fail_code == "2038"


class TestHttp:
    @pytest.mark.parametrize("http", [100, 101, 201, 204, 205, 206, 300, 304, 404, 999])
    @pytest.mark.parametrize("body", [b"", b"<html/>", S3_SUBMIT])
    def test_other_statuses_are_no_reply(self, http, body):
        error = refused(submit, body, http, {"location": "https://login.example/HUSH"})
        assert type(error) is ProtocolError
        assert (error.status, error.charged) == (http, "unknown")
        assert "HUSH" not in str(error)

    @pytest.mark.parametrize("http", [500, 502, 503, 504, 599, 408])
    @pytest.mark.parametrize("body", [b"", b"<html/>", S3_SUBMIT, NO_CREDIT])
    def test_a_broken_service_may_have_charged(self, http, body):
        error = refused(submit, body, http, {"retry-after": "7"})
        assert type(error) is ServiceUnavailable
        assert (error.status, error.charged, error.retry_after) == (http, "unknown", 7.0)

    @pytest.mark.parametrize("http", [301, 302, 303, 307, 308, 401, 403])
    def test_a_closed_door(self, http):
        for body in (b"", b"<html/>", S3_SUBMIT, {"ret": "31337"}):
            error = refused(submit, body, http, {"location": "https://login.example/HUSH"})
            assert type(error) is AuthenticationError
            assert "HUSH" not in str(error)
            assert (error.status, error.charged) == (http, "unknown")

    def test_a_closed_door_that_says_why(self):
        error = refused(submit, {"ret": "1019", "errmsg": "shark not pass"}, 403)
        assert type(error) is AccountRestricted
        assert (error.status, error.charged, error.code) == (403, "no", "1019")

    @pytest.mark.parametrize(
        ("body", "charged"),
        [
            (b"", "no"),
            ({"ret": "1057", "errmsg": "rate limited"}, "no"),
            ({"message": "slow down"}, "no"),
            (b"<html>", "unknown"),
            (S3_SUBMIT, "unknown"),
            (b'{"ret":"10', "unknown"),
            (b"[]", "unknown"),
        ],
    )
    def test_too_many_requests(self, body, charged):
        error = refused(submit, body, 429, {"retry-after": "12"})
        assert type(error) is RateLimited
        assert (error.charged, error.retry_after, error.status) == (charged, 12.0, 429)
        assert refused(status, body, SUBMIT_ID, http=429).charged == "unknown"

    def test_a_readable_4xx_is_a_refusal(self):
        error = refused(submit, {"ret": "1000", "logid": "L" * 34}, 400)
        assert type(error) is ApiError
        assert (error.code, error.status, error.logid) == ("1000", 400, "L" * 34)

    def test_the_log_id_of_the_header(self):
        error = refused(submit, b"<html/>", 502, {"x-tt-logid": "from-the-header"})
        assert error.logid == "from-the-header"
        assert refused(submit, b"", 200, {"x-tt-logid": "from-the-header"}).logid == error.logid

    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            (None, None),
            ("", None),
            ("0", 0.0),
            ("7", 7.0),
            (" 1.5 ", 1.5),
            ("86400", 600.0),
            ("999999999999", 600.0),
            ("1e9", None),
            ("-1", None),
            ("nan", None),
            ("inf", None),
            ("soon", None),
            ("٧", None),
            ("Sat, 13 Sep 2025 04:32:50 GMT", 30.0),
            ("Sat, 13 Sep 2025 04:32:19 GMT", 0.0),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
            ("Sun, 29 Feb 2032 00:00:00 GMT", 600.0),
            ("Sat, 99 Sep 2025 04:32:50 GMT", None),
            ("Sat, 13 Abc 2025 04:32:50 GMT", None),
            ("Sat, 13 Sep 2025 04:32:50", None),
        ],
    )
    def test_retry_after(self, text, seconds):
        assert retry_after(text, NOW) == seconds

    @pytest.mark.parametrize(
        ("text", "instant"),
        [
            ("Thu, 01 Jan 1970 00:00:10 GMT", 10),
            ("Tue, 29 Feb 2000 12:00:00 GMT", 951825600),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951868800),
            ("Sun, 31 Dec 2034 23:59:59 GMT", 2051222399),
        ],
    )
    def test_dates_are_unix_time(self, text, instant):
        assert retry_after(text, instant - 5) == 5.0


class TestStatus:
    def test_the_captured_poll(self):
        found = status(S3_STATUS, SUBMIT_ID)
        assert not found.absent
        assert not found.damaged
        assert (found.foreign, found.systime, found.void) == (0, 1757737938.0, False)
        report = found.reports[SUBMIT_ID]
        assert (report.history_id, report.submit_id) == (HISTORY_ID, SUBMIT_ID)
        assert (report.status, report.task_status) == (45, 45)
        assert (report.total_count, report.finished_count) == (4, 0)
        assert (report.items, report.finish_time, report.forecast) == ((), None, 22.0)
        assert (report.queue, report.problems) == (None, ())

    def test_the_smallest_record(self):
        found = status({"ret": "0", "data": {HISTORY_ID: S0_RECORD}}, HISTORY_ID)
        report = found.reports[HISTORY_ID]
        assert (report.status, report.task_status, report.history_id) == (50, None, None)
        assert report.items[0].uri == "tos-cn-i-tb4s082cfz/ab"

    def test_the_s2_record(self):
        report = status(records({OTHER_HISTORY: S2_RECORD}), OTHER_HISTORY).reports[OTHER_HISTORY]
        assert report.history_id == OTHER_HISTORY
        assert (report.finish_time, report.created_at) == (1640995200.0, 1640991600.0)
        assert report.model_key == "high_aes_general_v40"
        assert report.fail_code is None

    def test_a_failed_record(self):
        report = status(records({SUBMIT_ID: FAILED}), SUBMIT_ID).reports[SUBMIT_ID]
        assert (report.status, report.fail_code) == (30, "2038")
        assert report.fail_message == "内容不符合社区规范"
        assert report.finish_time == 1768098480.0

    @pytest.mark.parametrize(
        ("data", "void"),
        [({}, False), ([], False), (None, True), ("", True), (False, True), ("absent", True)],
    )
    def test_no_records_are_absent_and_no_data_says_nothing(self, data, void):
        value = {"ret": "0"} if data == "absent" else {"ret": "0", "data": data}
        found = status(value, SUBMIT_ID, HISTORY_ID)
        assert found == StatusReply(absent=frozenset({SUBMIT_ID, HISTORY_ID}), void=void)

    @pytest.mark.parametrize("value", [None, {}])
    def test_an_empty_record_is_absent(self, value):
        found = status(records({SUBMIT_ID: value, HISTORY_ID: S0_RECORD}), SUBMIT_ID, HISTORY_ID)
        assert found.absent == {SUBMIT_ID}
        assert set(found.reports) == {HISTORY_ID}

    def test_fewer_more_and_foreign(self):
        data = {HISTORY_ID: S0_RECORD, "999": S0_RECORD, "998": None, "polling_config": {}}
        found = status(records(data), HISTORY_ID, SUBMIT_ID)
        assert (set(found.reports), found.absent, found.foreign) == ({HISTORY_ID}, {SUBMIT_ID}, 2)

    @pytest.mark.parametrize(
        "name",
        ["data", "Data", "items", "Items", "records_list", "history_records", "history_list"],
    )
    def test_records_are_found_in_each_known_wrapper(self, name):
        found = status(records({name: {HISTORY_ID: S0_RECORD}}), HISTORY_ID)
        assert set(found.reports) == {HISTORY_ID}

    def test_a_wrapper_s_name_beside_an_asked_id_is_no_wrapper(self):
        found = status(records({HISTORY_ID: S0_RECORD, "items": {}}), HISTORY_ID)
        assert set(found.reports) == {HISTORY_ID}

    def test_records_wrapped_deeper_than_anyone_does_are_not_looked_for(self):
        wrapped = {HISTORY_ID: S0_RECORD}
        for _ in range(3):
            wrapped = {"data": wrapped}
        assert set(status(records(wrapped), HISTORY_ID).reports) == {HISTORY_ID}
        assert status(records({"data": wrapped}), HISTORY_ID).absent == {HISTORY_ID}

    def test_the_log_id_of_a_status_reply_is_kept(self):
        assert status(records({HISTORY_ID: S0_RECORD}), HISTORY_ID).logid == "L" * 34

    def test_swapped_records_go_to_nobody(self):
        mine = {"history_record_id": HISTORY_ID, "status": 50}
        other = {"history_record_id": OTHER_HISTORY, "status": 50}
        data = {HISTORY_ID: other, OTHER_HISTORY: mine, SUBMIT_ID: S0_RECORD}
        found = status(records(data), HISTORY_ID, OTHER_HISTORY, SUBMIT_ID)
        assert set(found.damaged) == {HISTORY_ID, OTHER_HISTORY}
        assert set(found.reports) == {SUBMIT_ID}
        error = found.damaged[HISTORY_ID]
        assert (error.status, error.logid, error.charged) == (200, "L" * 34, "unknown")

    @pytest.mark.parametrize(
        ("asked", "record"),
        [
            (SUBMIT_ID, {"submit_id": OTHER_ID}),
            (SUBMIT_ID, {"task": {"submit_id": OTHER_ID}}),
            (SUBMIT_ID, {"submit_id": SUBMIT_ID, "task": {"submit_id": OTHER_ID}}),
            (SUBMIT_ID, {"submit_id": "nonsense at all"}),
            (HISTORY_ID, {"history_record_id": OTHER_HISTORY}),
            (HISTORY_ID, {"history_record_id": int(OTHER_HISTORY)}),
            (HISTORY_ID, {"history_record_id": "../x"}),
            (HISTORY_ID, {"id": OTHER_HISTORY}),
            (HISTORY_ID, {"task": {"history_id": OTHER_HISTORY}}),
            (HISTORY_ID, {"task": {"task_id": OTHER_HISTORY}}),
            (HISTORY_ID, {"history_record_id": HISTORY_ID, "task": {"history_id": "1"}}),
            (HISTORY_ID, "text"),
            (HISTORY_ID, 7),
            (HISTORY_ID, [S0_RECORD]),
            (HISTORY_ID, True),
            (HISTORY_ID, {"status": 50, "item_list": "x"}),
            (HISTORY_ID, {"status": 50, "item_list": {"a": {}}}),
        ],
    )
    def test_a_damaged_record_costs_itself(self, asked, record):
        good = "1234567890123"
        found = status(records({asked: record, good: S0_RECORD}), asked, good)
        assert set(found.damaged) == {asked}
        assert found.reports[good].items

    @pytest.mark.parametrize(
        ("asked", "record"),
        [
            (SUBMIT_ID, {"submit_id": SUBMIT_ID.upper(), "history_record_id": OTHER_HISTORY}),
            (HISTORY_ID, {"submit_id": OTHER_ID}),
            (HISTORY_ID, {"history_record_id": int(HISTORY_ID)}),
            (HISTORY_ID, {"history_record_id": HISTORY_ID, "task": {"task_id": "7"}}),
            (HISTORY_ID, {"history_record_id": "", "status": 20}),
            (HISTORY_ID, {"history_record_id": HISTORY_ID, "id": "an id of another kind"}),
        ],
    )
    def test_what_does_not_contradict_is_kept(self, asked, record):
        assert set(status(records({asked: record}), asked).reports) == {asked}

    @pytest.mark.parametrize(
        "text",
        [
            '{"status":20,"status":50}',
            '{"history_record_id":"1","history_record_id":"2"}',
            '{"task":{"status":20,"status":50}}',
            '{"task":{"submit_id":"a","submit_id":"b"}}',
            '{"fail_code":"0","fail_code":"2038"}',
            '{"item_list":[],"item_list":[1]}',
        ],
    )
    def test_a_record_that_contradicts_itself(self, text):
        body = f'{{"ret":"0","data":{{"{SUBMIT_ID}":{text},"{HISTORY_ID}":{{"status":20}}}}}}'
        found = status(body.encode(), SUBMIT_ID, HISTORY_ID)
        assert set(found.damaged) == {SUBMIT_ID}
        assert found.reports[HISTORY_ID].status == 20

    def test_two_records_under_one_key(self):
        body = (
            f'{{"ret":"0","data":{{"{SUBMIT_ID}":{{"status":20}},"{SUBMIT_ID}":{{"status":50}},'
            f'"{HISTORY_ID}":{{"status":20}}}}}}'
        )
        found = status(body.encode(), SUBMIT_ID, HISTORY_ID)
        assert set(found.damaged) == {SUBMIT_ID}
        assert set(found.reports) == {HISTORY_ID}

    def test_keys_of_another_case(self):
        asked = SUBMIT_ID.upper()
        assert status(S3_STATUS, asked).reports[asked].status == 45
        both = {SUBMIT_ID: {"status": 20}, asked: {"status": 20}}
        assert status(records(both), SUBMIT_ID).reports[SUBMIT_ID].status == 20
        both[asked] = {"status": 50}
        assert set(status(records(both), SUBMIT_ID).damaged) == {SUBMIT_ID}

    def test_both_keys_if_both_ids_are_asked(self):
        record = S3_STATUS["data"][SUBMIT_ID]
        data = {SUBMIT_ID: record, HISTORY_ID: record}
        found = status(records(data), SUBMIT_ID, HISTORY_ID)
        assert found.reports[SUBMIT_ID] == found.reports[HISTORY_ID]
        assert len(found.reports) == 2

    def test_keyed_by_the_other_id(self):
        record = S3_STATUS["data"][SUBMIT_ID]
        found = status(records({SUBMIT_ID: record}), HISTORY_ID)
        assert found.reports[HISTORY_ID].status == 45
        assert found.foreign == 0
        found = status(records({OTHER_ID: record}), HISTORY_ID)
        assert (found.absent, found.foreign) == ({HISTORY_ID}, 1)

    @pytest.mark.parametrize("wrap", ["list", "Data", "Items", "items", "both", "top"])
    def test_other_wrappings(self, wrap):
        record = S3_STATUS["data"][SUBMIT_ID]
        value = {
            "list": records([record, {"submit_id": OTHER_ID}, None]),
            "Data": records({"Data": {SUBMIT_ID: record}}),
            "Items": records({"Items": [record]}),
            "items": records({"items": {SUBMIT_ID: record}, "polling_config": {}}),
            "both": records({"Data": {"Items": [record]}}),
            "top": {"ret": "0", "Data": {SUBMIT_ID: record}},
        }[wrap]
        found = status(value, SUBMIT_ID, OTHER_HISTORY)
        assert set(found.reports) == {SUBMIT_ID}
        assert found.absent == {OTHER_HISTORY}
        assert found.foreign == (2 if wrap == "list" else 0)

    def test_repeats_in_a_list_merge_only_if_equal(self):
        one = {"submit_id": SUBMIT_ID, "status": 20}
        assert status(records([one, one]), SUBMIT_ID).reports[SUBMIT_ID].status == 20
        found = status(records([one, {**one, "status": 50}]), SUBMIT_ID)
        assert set(found.damaged) == {SUBMIT_ID}

    def test_two_sets_of_records_are_no_reply(self):
        body = b'{"ret":"0","data":{"1":{"status":20}},"data":{"1":{"status":50}}}'
        assert type(refused(status, body, "1")) is ProtocolError

    @pytest.mark.parametrize("data", ["x", 7, True])
    def test_data_of_another_kind_is_no_reply(self, data):
        assert type(refused(status, records(data), SUBMIT_ID)) is ProtocolError

    def test_unknown_to_the_service(self):
        value = {"ret": "2001", "errmsg": "not found", "logid": "L" * 34}
        found = status(value, SUBMIT_ID)
        assert found == StatusReply(absent=frozenset({SUBMIT_ID}), logid="L" * 34)
        error = refused(status, value, SUBMIT_ID, HISTORY_ID)
        assert type(error) is ApiError
        assert error.code == "2001"
        assert type(refused(status, value, SUBMIT_ID, http=503)) is ServiceUnavailable

    def test_other_refusals(self):
        assert type(refused(status, {"ret": "1015"}, SUBMIT_ID)) is AuthenticationError
        assert type(refused(status, {"ret": "2003"}, SUBMIT_ID)) is ServiceUnavailable
        assert refused(status, {"ret": "1006"}, SUBMIT_ID).charged == "unknown"

    @pytest.mark.parametrize("where", ["root", "data"])
    def test_polling_of_the_whole_reply(self, where):
        queue = {"queue_idx": 4}
        paced = {**queue, "polling_config": {"interval_seconds": 5}}
        data = {SUBMIT_ID: {**S0_RECORD, "queue_info": queue}, HISTORY_ID: {"queue_info": paced}}
        value = records(data)
        target = value if where == "root" else value["data"]
        target["polling_config"] = {"interval_seconds": 30}
        found = status(value, SUBMIT_ID, HISTORY_ID)
        intervals = {one: report.queue.interval for one, report in found.reports.items()}
        assert (intervals, found.foreign) == ({SUBMIT_ID: 30.0, HISTORY_ID: 5.0}, 0)


def video_item(name="7395", **video):
    url = {"video_url": f"https://v9-dreamnia.jimeng.com/{name}.mp4", "width": 1280}
    return {
        "common_attr": {"id": name},
        "video": {"transcoded_video": {"origin": url}, **video},
    }


def items(data):
    return decode_items(reply({"ret": "0", "data": data}), now=NOW)


class TestItems:
    """`get_local_item_list` (protocol notes 8.1)."""

    @pytest.mark.parametrize("name", ["item_list", "local_item_list"])
    def test_each_item_by_its_id(self, name):
        found = items({name: [video_item("7395"), video_item("7396")]})
        assert found.keys() == {"7395", "7396"}
        for item_id, item in found.items():
            assert item.kind == "video"
            assert item.item_id == item_id
            assert item.urls == (f"https://v9-dreamnia.jimeng.com/{item_id}.mp4",)
            assert item.source == "video.transcoded_video.origin"
            assert item.width == 1280

    @pytest.mark.parametrize("place", ["item_id", "id", "local_item_id"])
    def test_every_place_that_an_id_was_seen_in(self, place):
        item = {**video_item(), "common_attr": {}, place: "7397"}
        assert items({"item_list": [item]}).keys() == {"7397"}

    @pytest.mark.parametrize(
        "data", [None, {}, [], {"item_list": None}, {"item_list": []}, {"item_list": "x"}]
    )
    def test_nothing_found_is_no_error(self, data):
        assert items(data) == {}

    @pytest.mark.parametrize(
        "odd",
        [
            None,
            5,
            {},
            {"common_attr": {"id": "7399"}},
            {**video_item(), "common_attr": {}},
            {"common_attr": {"id": "7399"}, "video": {"cover_url": "https://p3/cover.png"}},
            {"common_attr": {"id": "7399"}, "video": {"play_url": "file:///etc/passwd"}},
        ],
    )
    def test_an_odd_item_costs_itself_alone(self, odd):
        assert items({"item_list": [odd, video_item()]}).keys() == {"7395"}

    @pytest.mark.parametrize(
        ("ret", "error"),
        [
            ("1015", AuthenticationError),
            ("1057", RateLimited),
            ("2061", ApiError),
        ],
    )
    def test_a_refusal(self, ret, error):
        with pytest.raises(error) as caught:
            decode_items(reply({"ret": ret, "errmsg": "no", "data": None}), now=NOW)
        assert caught.value.code == ret

    @pytest.mark.parametrize("http", [403, 429, 500, 502])
    def test_another_status_is_an_error_whatever_the_body_says(self, http):
        data = {"ret": "0", "data": {"item_list": [video_item()]}}
        with pytest.raises(DreaminaError):
            decode_items(reply(data, http), now=NOW)

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"ret":', b"\xff"])
    def test_what_is_no_reply(self, body):
        with pytest.raises(ProtocolError):
            decode_items(HttpResponse(200, {}, body), now=NOW)


def record(**fields):
    return decode_record(fields)


class TestRecord:
    @pytest.mark.parametrize(
        "number", [-1, 0, 10, 20, 21, 30, 40, 42, 45, 46, 50, 60, 70, 80, 100, 7777]
    )
    def test_every_status_number_stays_a_number(self, number):
        report = record(status=number, task={"status": str(number)})
        assert (report.status, report.task_status) == (number, number)
        assert not report.problems

    @pytest.mark.parametrize("odd", ["fifty", True, [], {"a": 1}, 1e300, 50.5])
    def test_a_status_that_is_none(self, odd):
        report = record(status=odd)
        assert report.status is None
        assert report.problems

    @pytest.mark.parametrize("none", [None, "", "0", 0, "00", " "])
    def test_spellings_of_no_failure(self, none):
        assert record(fail_code=none).fail_code is None

    @pytest.mark.parametrize(("code", "text"), [("2038", "2038"), (1006, "1006"), ("-4", "-4")])
    def test_spellings_of_a_failure(self, code, text):
        assert record(fail_code=code).fail_code == text

    def test_the_service_s_words(self):
        assert record(fail_msg="a").fail_message == "a"
        assert record(fail_msg="a", fail_starling_message="b").fail_message == "b"
        assert "\n" not in record(fail_msg="a\nb").fail_message

    @pytest.mark.parametrize("interval", [-1, 0, 1e9, 86401, True, "soon", None, []])
    def test_an_absurd_interval_is_absent(self, interval):
        queue = {"queue_idx": 463, "polling_config": {"interval_seconds": interval}}
        report = record(queue_info=queue)
        assert report.queue == QueueInfo(position=463)

    @pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "9" * 5000])
    def test_a_number_that_is_none_never_arrives(self, text):
        body = (
            f'{{"ret":0,"systime":{text},"data":{{"{HISTORY_ID}":{{"finish_time":{text},'
            f'"status":{text},"forecast_queue_cost":{text},"queue_info":{{"queue_idx":{text},'
            f'"polling_config":{{"interval_seconds":{text}}}}}}}}}}}'
        )
        found = status(body.encode(), HISTORY_ID)
        report = found.reports[HISTORY_ID]
        assert (found.systime, report.finish_time, report.status, report.forecast) == (None,) * 4
        assert report.queue is None
        assert len(report.problems) == 5

    def test_the_queue_inside_the_task(self):
        report = record(task={"queue_info": {"queue_idx": 4795, "queue_status": 1}})
        assert report.queue == QueueInfo(position=4795, status=1)

    @pytest.mark.parametrize("name", ["total_image_count", "finished_image_count"])
    def test_counts_are_bounded(self, name):
        for bad in (-1, 10**9, True, "x"):
            report = decode_record({name: bad})
            assert (report.total_count, report.finished_count) == (None, None)
            assert len(report.problems) == 1

    def test_forecast_is_the_sum_in_seconds(self):
        assert record(forecast_generate_cost=23, forecast_queue_cost="7.5").forecast == 30.5
        assert record(forecast_queue_cost=3).forecast == 3.0
        assert record(forecast_generate_cost=-3).forecast is None

    def test_finish_time(self):
        assert record(finish_time=0, task={"finish_time": 1757737938}).finish_time == 1757737938
        assert record(finish_time=1757737938123).finish_time == 1757737938.123
        assert record(finish_time=1757737938.5).finish_time == 1757737938.5

    def test_an_item_s_finish_time_only_counts_once_all_is_over(self):
        items = [{"id": "1", "task": {"finish_time": 1640995200000}}]
        assert record(status=10, item_list=items).finish_time == 1640995200.0
        assert record(status=45, item_list=items).finish_time is None
        assert record(status=10, item_list=[*items, {"id": "2"}]).finish_time is None

    def test_listed_items(self):
        report = record(pre_gen_item_ids=["1", 2, None, "1", {}, "a b"])
        assert report.listed_items == ("1", "2")
        assert report.problems

    def test_failed_items(self):
        failed = {"common_attr": {"id": "1"}, "gen_result_data": {"result_code": 1}}
        assert record(failed_item_list=[failed]).failed_items == 1

    def test_the_other_id_may_be_doubtful(self):
        task = {"history_id": "2"}
        fields = {"history_record_id": "1", "task": task, "submit_id": SUBMIT_ID}
        report = decode_record(fields, asked=SUBMIT_ID)
        assert report.history_id is None
        assert report.problems == ("history_record_id: list of 2",)
        with pytest.raises(ProtocolError):
            decode_record(fields)

    def test_items_as_a_map_of_positions(self):
        report = record(item_list={"0": S0_RECORD["item_list"][0]})
        assert len(report.items) == 1
        assert report.problems

    def test_unknown_fields_are_ignored(self):
        plain = S3_STATUS["data"][SUBMIT_ID]
        assert decode_record({**plain, "brand_new": [{"x": 1}]}) == decode_record(plain)

    @pytest.mark.parametrize("missing", list(FAILED))
    def test_every_field_may_be_missing(self, missing):
        rest = {name: value for name, value in FAILED.items() if name != missing}
        assert decode_record(rest).problems == ()

    @pytest.mark.parametrize("name", list(FAILED))
    @pytest.mark.parametrize("value", [None, True, "", -1, 1e300, "\ud800", [[]], {"a": {}}])
    def test_every_field_may_be_odd(self, name, value):
        with suppress(ProtocolError):
            decode_record({**FAILED, name: value})

    def test_neither_problems_nor_errors_show_a_signature(self):
        url = "https://p26/x?x-signature=HUSH"
        bad = {"status": url, "item_list": [{"image": url, "url": [url]}], "fail_msg": url}
        report = decode_record(bad)
        assert "HUSH" not in repr(report)
        with pytest.raises(ProtocolError) as caught:
            decode_record({**bad, "item_list": url})
        assert "HUSH" not in repr(caught.value)


@pytest.mark.parametrize("value", [S3_SUBMIT, AIGC_SUBMIT, CLI_SUBMIT, NO_CREDIT])
def test_every_cut_of_a_submit_reply_is_unreadable(value):
    body = json.dumps(value, ensure_ascii=False).encode()
    for end in range(len(body)):
        with pytest.raises(ProtocolError) as caught:
            submit(body[:end])
        assert caught.value.charged == "unknown"


def test_every_cut_of_a_status_reply_is_unreadable():
    body = json.dumps(records({SUBMIT_ID: FAILED, HISTORY_ID: S0_RECORD}), ensure_ascii=False)
    for end in range(len(body.encode())):
        with pytest.raises(ProtocolError):
            status(body.encode()[:end], SUBMIT_ID)


@pytest.mark.parametrize("deep", [b"[" * 200_000, b'{"a":' * 200_000, b'{"data":[' * 100_000])
def test_deep_nesting_is_refused(deep):
    assert type(refused(submit, deep)) is ProtocolError
    assert type(refused(submit, deep, 503)) is ServiceUnavailable
    inner = b'{"ret":"0","data":{"' + SUBMIT_ID.encode() + b'":' + deep
    assert type(refused(status, inner, SUBMIT_ID)) is ProtocolError


NAMES = (
    st.sampled_from([SUBMIT_ID, HISTORY_ID])
    | st.sampled_from(
        ["ret", "data", "aigc_data", "task", "status", "item_list", "image", "video", "submit_id"]
    )
    | st.sampled_from(
        ["history_record_id", "id", "fail_code", "queue_info", "polling_config", "finish_time"]
    )
    | st.sampled_from(
        ["interval_seconds", "large_images", "image_url", "logid", "Items", "failed_item_list"]
    )
    | st.sampled_from(["pre_gen_item_ids", "gen_result_data", "model_info", "errmsg"])
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from(["0", "1006", SUBMIT_ID, HISTORY_ID, "https://a/b"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)
HTTP = st.sampled_from([200, 200, 200, 204, 302, 401, 403, 404, 429, 500, 503, 999])


@given(JSON | st.dictionaries(NAMES, JSON).map(lambda data: {"ret": "0", "data": data}), HTTP)
def test_any_json_is_a_reply_or_one_of_our_errors(value, http):
    with suppress(DreaminaError):
        submit(value, http)
    with suppress(DreaminaError):
        found = status(value, SUBMIT_ID, HISTORY_ID, http=http)
        parts = [set(found.reports), set(found.absent), set(found.damaged)]
        assert set.union(*parts) == {SUBMIT_ID, HISTORY_ID}
        assert sum(map(len, parts)) == 2
        for report in found.reports.values():
            repr(report).encode("utf-8")


@given(st.binary(), HTTP)
def test_any_bytes_are_one_of_our_errors(body, http):
    with suppress(DreaminaError):
        submit(body, http)
    with suppress(DreaminaError):
        status(body, SUBMIT_ID, http=http)


@given(JSON)
def test_a_bad_record_never_costs_a_good_one(value):
    found = status(
        records({OTHER_HISTORY: value, HISTORY_ID: S0_RECORD}), OTHER_HISTORY, HISTORY_ID
    )
    assert found.reports[HISTORY_ID] == decode_record(S0_RECORD)


@st.composite
def mutated(draw, value):
    """The value with one to three of its nodes replaced or removed."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        node = value
        while True:
            keys = list(node) if isinstance(node, dict) else range(len(node))
            if not keys:
                break
            key = draw(st.sampled_from(list(keys)))
            inner = node[key]
            if isinstance(inner, dict | list) and inner and draw(st.integers(0, 3)):
                node = inner
                continue
            if draw(st.booleans()):
                node[key] = draw(JSON)
            else:
                del node[key]
            break
    return value


@settings(max_examples=300)
@given(mutated(S0_RECORD | {"task": FAILED["task"], "history_record_id": HISTORY_ID}))
def test_a_mutated_record_costs_itself_at_most(value):
    found = status(records({HISTORY_ID: value, SUBMIT_ID: FAILED}), HISTORY_ID, SUBMIT_ID)
    assert found.reports[SUBMIT_ID] == decode_record(FAILED)
    for report in found.reports.values():
        for media in report.items:
            assert all(url.startswith("http") for url in media.urls)


@settings(max_examples=300)
@given(mutated(AIGC_SUBMIT))
def test_a_mutated_submit_reply_never_names_another_job(value):
    try:
        found = submit(value)
    except ProtocolError as error:
        charged = error.charged
    except ApiError as error:
        charged = "unknown" if error.code is None else error.charged
    else:
        assert found.submit_id in {None, SUBMIT_ID}
        assert found.submit_id or found.history_id
        return
    ret = value.get("ret")
    assert charged == "unknown" or str(ret).strip() not in {"0", "00"}
