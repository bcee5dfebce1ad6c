import pytest

from dreamina_async._core.codes import (
    CODES,
    RetryClass,
    code_text,
    error_for,
    failure_for,
    known_refusal,
    lookup,
    waits_for_slot,
)
from dreamina_async.errors import (
    AccountRestricted,
    ApiError,
    AuthenticationError,
    ContentRejected,
    InsufficientCredit,
    JobFailed,
    RateLimited,
    ServiceUnavailable,
)

SUBMIT = {
    "1": (RateLimited, RetryClass.THROTTLE, "no"),
    "1000": (ApiError, RetryClass.PARAM, "no"),
    "1002": (ApiError, RetryClass.PARAM, "no"),
    "1006": (InsufficientCredit, RetryClass.QUOTA, "no"),
    "1010": (RateLimited, RetryClass.BUSY, "no"),
    "1014": (AuthenticationError, RetryClass.AUTH, "no"),
    "1015": (AuthenticationError, RetryClass.AUTH, "no"),
    "1018": (AccountRestricted, RetryClass.RISK, "no"),
    "1019": (AccountRestricted, RetryClass.RISK, "no"),
    "-4": (AccountRestricted, RetryClass.RISK, "no"),
    "-6": (AccountRestricted, RetryClass.RISK, "no"),
    "1057": (RateLimited, RetryClass.THROTTLE, "no"),
    "1063": (ContentRejected, RetryClass.CONTENT, "no"),
    "1310": (RateLimited, RetryClass.BUSY, "no"),
    "2001": (ApiError, RetryClass.MISSING, "unknown"),
    "2002": (ApiError, RetryClass.PARAM, "no"),
    "2003": (ContentRejected, RetryClass.CONTENT, "unknown"),
    "2004": (ContentRejected, RetryClass.CONTENT, "unknown"),
    "2038": (ContentRejected, RetryClass.CONTENT, "no"),
    "2039": (ContentRejected, RetryClass.CONTENT, "unknown"),
    "3018": (AuthenticationError, RetryClass.AUTH, "no"),
    "4001": (ContentRejected, RetryClass.CONTENT, "no"),
    "4002": (ApiError, RetryClass.PARAM, "no"),
    "5000": (InsufficientCredit, RetryClass.QUOTA, "no"),
    "5001": (ApiError, RetryClass.GENERATION, "unknown"),
    "121101": (InsufficientCredit, RetryClass.QUOTA, "no"),
    "34010100": (ApiError, RetryClass.PARAM, "no"),
    "777": (ApiError, RetryClass.UNKNOWN, "unknown"),
}


@pytest.mark.parametrize("code", SUBMIT)
def test_a_refused_submit(code):
    kind, retry, charged = SUBMIT[code]
    error = error_for(code, "words", context="submit", logid="L", status=200, job_id="j")
    assert type(error) is kind
    assert (error.code, error.logid, error.status, error.job_id) == (code, "L", 200, "j")
    assert error.charged == charged
    assert error.advice
    assert "words" in error.message
    assert lookup(code, "submit").retry is retry
    assert known_refusal(code) == (charged == "no")


# Section 1 of the reliability notes names these as the known no-charge table.
@pytest.mark.parametrize(
    "code", ["1015", "1006", "5000", "1019", "-4", "3018", "4001", "4002", "2002", "34010100"]
)
def test_the_named_no_charge_codes(code):
    assert known_refusal(code)


@pytest.mark.parametrize("code", [None, "", "0", "success", "99999"])
def test_what_nobody_knows_is_no_known_refusal(code):
    assert not known_refusal(code)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("2001", ApiError),
        ("2002", ApiError),  # as param: the poller may bisect
        ("2004", ApiError),
        ("2003", ServiceUnavailable),
        ("2039", ServiceUnavailable),
        ("1015", AuthenticationError),
        ("1057", RateLimited),
        ("1019", AccountRestricted),
    ],
)
def test_a_refused_status_call_says_nothing_of_a_charge(code, kind):
    error = error_for(code, "", context="status", retry_after=7.0)
    assert type(error) is kind
    assert error.charged == "unknown"
    if isinstance(error, RateLimited | ServiceUnavailable):
        assert error.retry_after == 7.0


@pytest.mark.parametrize("code", [*CODES, "777"])
def test_a_record_s_code_is_a_failed_job(code):
    error = error_for(code, "图片包含违规内容", context="record", job_id="j")
    assert type(error) is JobFailed
    assert (error.code, error.reason, error.job_id) == (code, "图片包含违规内容", "j")
    assert error.charged == "unknown"
    assert error.advice


@pytest.mark.parametrize(
    ("code", "retry"),
    [
        ("2002", RetryClass.GENERATION),
        ("2003", RetryClass.CONTENT),
        ("2004", RetryClass.CONTENT),
        ("2039", RetryClass.GENERATION),
        ("2038", RetryClass.CONTENT),
        ("130006", RetryClass.CONTENT),
        ("140001", RetryClass.QUOTA),
    ],
)
def test_a_record_s_code_has_its_own_reading(code, retry):
    assert lookup(code, "record").retry is retry


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (None, None),
        ("", None),
        (" ", None),
        ("0", None),
        ("00", None),
        ("2038", "2038"),
        (" 02038 ", "2038"),
        ("-6", "-6"),
        ("oops\x00", "oops\\x00"),
        ("x" * 500, "x" * 64),
    ],
)
def test_spellings(text, code):
    assert code_text(text) == code


def test_words_are_made_safe():
    error = error_for("1015", "go\nto https://a/b?x-signature=HUSH", context="submit")
    assert "HUSH" not in str(error)
    assert "\n" not in str(error)


def test_a_failure_without_a_code():
    error = failure_for(None, "InputTextRisk")
    assert type(error) is JobFailed
    assert (error.code, error.reason, error.charged) == (None, "InputTextRisk", "unknown")
    assert error.advice


def test_only_the_concurrency_limit_waits_for_a_slot():
    waiting = {code for code in [*CODES, None, "777"] if waits_for_slot(code)}
    assert waiting == {"1010", "1310"}


# Section 6.2 of the protocol notes, whole: a slip in one of these sends again, stops, or calls
# free what was not.
BY_CLASS = {
    RetryClass.RISK: "-6 -4 1018 1019 1021 2035 2043",
    RetryClass.THROTTLE: "1 1057 2014 2020 10020",
    RetryClass.PARAM: (
        "1000 1001 1002 1161 1162 1189 1190 2002 2008 2061 2203 2204 3021 4002 4010 34010100"
    ),
    RetryClass.QUOTA: "1006 2040 5000 121101 140001",
    RetryClass.BUSY: "1010 1310",
    RetryClass.AUTH: "1014 1015 1017 3018 4003",
    RetryClass.CONTENT: "1063 1159 2003 2004 2005 2038 2039 2041 2042 2048 2050 4001 130006",
    RetryClass.MISSING: "2001",
    RetryClass.GENERATION: "5001 5002",
}
MAYBE_CHARGED = "2001 2003 2004 2039 2041 2042 2048 5001 5002 130006 140001"


def test_every_documented_code_has_its_class():
    told = {code: retry for retry, codes in BY_CLASS.items() for code in codes.split()}
    assert {code: lookup(code, "submit").retry for code in CODES} == told


def test_only_what_was_turned_away_at_the_door_is_known_to_be_free():
    maybe = set(MAYBE_CHARGED.split())
    assert {code for code in CODES if not known_refusal(code)} == maybe
    assert {lookup(code, "submit").charged for code in maybe} == {"unknown"}


@pytest.mark.parametrize(
    ("context", "code", "retry", "error"),
    [
        ("commerce", "1014", RetryClass.THROTTLE, ServiceUnavailable),
        ("status", "2002", RetryClass.PARAM, ApiError),
        ("status", "2003", RetryClass.THROTTLE, ServiceUnavailable),
        ("status", "2004", RetryClass.PARAM, ApiError),
        ("status", "2039", RetryClass.THROTTLE, ServiceUnavailable),
    ],
)
def test_a_code_that_means_another_thing_elsewhere(context, code, retry, error):
    found = lookup(code, context)
    assert (found.retry, found.error) == (retry, error)


@pytest.mark.parametrize(
    "call", ["submit", "status", "commerce", "upload", "items", "models", "account"]
)
def test_every_call_can_be_refused_in_words(call):
    assert "1015" in str(error_for("1015", "", context=call))


def test_the_classes_have_the_names_of_the_protocol_notes():
    names = "throttle busy-slot quota risk content auth param generation missing unknown"
    assert [one.value for one in RetryClass] == names.split()
