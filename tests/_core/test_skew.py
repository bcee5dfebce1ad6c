"""A wrong clock is learnt from replies, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async import Credentials
from dreamina_async._core.calls import signed_anew
from dreamina_async._core.encode import encode_status
from dreamina_async._core.profile import caller_for
from dreamina_async._core.skew import FURTHEST, corrected, refused_for_its_time, server_time
from dreamina_async._core.wire import HttpResponse

NOW = 1_790_000_000


def reply(body, status=200, **headers):
    return HttpResponse(status, headers, body.encode())


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (f'{{"ret":"0","systime":"{NOW}","data":{{}}}}', NOW),
        (f'{{"systime": {NOW} }}', NOW),
        (f'{{"ret":"0","systime":"{NOW}123"}}', NOW),
        (f'{{"sysTime":"{NOW}"}}', NOW),
        (f'{{"svr_time":{NOW},"ret":"0"}}', NOW),
        (f'{{"prompt":"\\"systime\\":{NOW},"}}', None),
        ('{"systime":"soon"}', None),
        ('{"systime":1}', None),
        ('{"systime":"99999999999999999"}', None),
        ("", None),
    ],
)
def test_t1_the_services_clock(body, told):
    assert server_time(reply(body)) == told


def test_t1_a_reply_without_its_own_word_has_a_date():
    date = "Mon, 21 Sep 2026 13:33:20 GMT"
    assert server_time(reply("{}", date=date)) == 1_789_997_600.0
    assert server_time(reply(f'{{"systime":"{NOW}"}}', date=date)) == NOW
    assert server_time(reply("{}", date="yesterday")) is None


skews = st.floats(-86_400, 86_400)
latencies = st.floats(0, 60)


@given(skews, st.lists(st.tuples(latencies, latencies), min_size=1, max_size=20))
def test_t1_the_error_left_is_never_above_a_replys_latency(skew, calls):
    """`skew` is how far the service's clock is ahead of ours."""
    offset, ours = 0.0, float(NOW)
    for there, back in calls:
        told = float(int(ours + skew + there))
        offset = corrected(offset, told, ours, ours + there + back)
        assert abs(offset - skew) <= there + back + 1 + 1e-3
        ours += there + back


@given(st.tuples(latencies, latencies))
def test_a_right_clock_is_left_alone(times):
    there, back = times
    told = float(int(NOW + there))
    assert abs(corrected(0.0, told, NOW, NOW + there + back)) < 1e-3


@pytest.mark.parametrize("told", [0.0, NOW - FURTHEST - 60, NOW + FURTHEST + 60, 1e10])
def test_an_absurd_time_is_not_believed(told):
    assert corrected(0.0, told, NOW, NOW + 1) == 0.0


def test_t2_our_own_clock_was_set_back_during_the_call():
    assert corrected(3.0, NOW, NOW + 50, NOW - 3600) == 3.0


@pytest.mark.parametrize(
    ("body", "status", "refused"),
    [
        ('{"ret":"1014","errmsg":"sign error"}', 200, True),
        ('{"ret":1014}', 200, True),
        ('{"ret":"1014"}', 403, False),
        ('{"ret":"1015"}', 200, False),
        ('{"ret":"0","data":{"ret":"1014"}}', 200, False),
        ('{"ret":"0","data":{},"ret":"1014"}', 200, False),
        ("<html>1014</html>", 200, False),
    ],
)
def test_only_the_refusal_of_a_signature_goes_once_more(body, status, refused):
    assert refused_for_its_time(reply(body, status)) is refused


def test_t3_a_call_is_signed_anew_and_is_otherwise_the_same():
    caller = caller_for(Credentials("canary"), None)
    old, new = (encode_status(["1"], "history", caller, NOW + late) for late in (0, 86_400))
    assert signed_anew(old, NOW + 86_400) == new
    assert signed_anew(old, NOW + 86_400.9) == new
    unsigned = encode_status(["1"], "submit", caller_for(Credentials("canary"), None, "s1"), NOW)
    assert signed_anew(unsigned, NOW) is None
