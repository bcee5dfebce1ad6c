"""Pasted forms, region prefixes, and a cookie that nobody sees without asking by name."""

import copy
import logging
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async.credentials import Credentials, Region
from dreamina_async.errors import AuthenticationError, DreaminaError, InvalidRequest

TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
CANARY = "CANARY7f3d9a"


@pytest.mark.parametrize(
    "pasted",
    [
        TOKEN,
        f"  {TOKEN}\n",
        f'"{TOKEN}"',
        f"'{TOKEN}'",
        f"sessionid={TOKEN}",
        f' sessionid="{TOKEN}" ',
        f'"sessionid={TOKEN}"',
    ],
)
def test_pasted_forms_are_forgiven(pasted):
    credentials = Credentials(pasted)
    assert credentials.reveal_cookies() == {"sessionid": TOKEN}
    assert credentials.region is Region.CN


@pytest.mark.parametrize("region", [Region.US, Region.HK, Region.JP, Region.SG])
def test_a_prefix_names_the_region_and_is_not_sent(region):
    for prefix in (f"{region.value}-", f"{region.name}-", f"sessionid={region.value}-"):
        credentials = Credentials(prefix + TOKEN)
        assert credentials.region is region
        assert credentials.reveal_cookies()["sessionid"] == TOKEN


def test_no_prefix_is_not_mistaken_for_one():
    assert Credentials("cn-" + TOKEN).reveal_cookies()["sessionid"] == "cn-" + TOKEN
    assert Credentials("usa" + TOKEN).region is Region.CN


@pytest.mark.parametrize(
    ("given_region", "expected"), [("us", "US"), (" JP ", "JP"), (Region.SG, "SG")]
)
def test_a_region_may_be_given_in_words(given_region, expected):
    assert Credentials(TOKEN, region=given_region).region.name == expected


def test_prefix_and_region_must_agree():
    assert Credentials(f"us-{TOKEN}", region="US").region is Region.US
    with pytest.raises(InvalidRequest) as caught:
        Credentials(f"us-{TOKEN}", region="jp")
    assert caught.value.field == "region"


def test_an_unknown_region_lists_those_there_are():
    with pytest.raises(InvalidRequest) as caught:
        Region.parse("mars")
    assert caught.value.field == "region"
    assert caught.value.allowed == ("CN", "US", "HK", "JP", "SG")


BAD = {
    "empty": {"sessionid": ""},
    "blank": {"sessionid": " \n"},
    "only the name": {"sessionid": "sessionid="},
    "only a prefix": {"sessionid": "us-"},
    "whole header": {"sessionid": f"a=b; sessionid={CANARY}"},
    "two values": {"sessionid": f"{CANARY},{CANARY}"},
    "blank inside": {"sessionid": f"{CANARY} x"},
    "line break": {"sessionid": f"{CANARY}\r\nHost: evil"},
    "NUL": {"sessionid": f"{CANARY}\0"},
    "full-width quotes": {"sessionid": f"“{CANARY}”"},
    "half a character": {"sessionid": f"{CANARY}\ud800"},
    "bytes": {"sessionid": CANARY.encode()},
    "None": {"sessionid": None},
    "region": {"sessionid": TOKEN, "region": CANARY},
    "region is no text": {"sessionid": TOKEN, "region": 3},
    "cookie value": {"sessionid": TOKEN, "cookies": {"ttwid": f"{CANARY}\n"}},
    "cookie smuggled": {"sessionid": TOKEN, "cookies": {"ttwid": f"x; sessionid={CANARY}"}},
    "cookie name": {"sessionid": TOKEN, "cookies": {f"sessionid={CANARY}; a": "x"}},
    "cookie number": {"sessionid": TOKEN, "cookies": {"a": 1}},
    "header value": {"sessionid": TOKEN, "headers": {"x-tt": f"{CANARY}\r\ncookie: a"}},
    "header name": {"sessionid": TOKEN, "headers": {f"cookie {CANARY}": "x"}},
    "header colon": {"sessionid": TOKEN, "headers": {f"{CANARY}: x": "x"}},
    "header empty": {"sessionid": TOKEN, "headers": {"": CANARY}},
    "query": {"sessionid": TOKEN, "query": {"msToken": f"{CANARY}\x1b"}},
    "query is no mapping": {"sessionid": TOKEN, "query": f"msToken={CANARY}"},
}


@pytest.mark.parametrize("arguments", BAD.values(), ids=BAD)
def test_a_bad_value_is_refused_and_never_shown(arguments):
    with pytest.raises(InvalidRequest) as caught:
        Credentials(**arguments)
    assert caught.value.field in arguments
    shown = "".join(traceback.format_exception(caught.value, chain=True))
    assert CANARY not in shown + repr(caught.value) + str(vars(caught.value))


def test_a_clash_of_regions_shows_no_secret():
    with pytest.raises(InvalidRequest) as caught:
        Credentials(f"us-{CANARY}", region="cn")
    assert CANARY not in repr(caught.value)


@pytest.fixture
def secretive():
    return Credentials(
        f"hk-{CANARY}1",
        cookies={"ttwid": f"{CANARY}2"},
        headers={"x-secsdk": f"{CANARY}3"},
        query={"msToken": f"{CANARY}4"},
    )


def test_no_way_of_printing_shows_a_secret(secretive, caplog):
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("t").warning("%s %r", secretive, secretive)
    ways = [repr(secretive), str(secretive), f"{secretive}", format(secretive), caplog.text]
    assert not any(CANARY in way for way in ways)
    assert "HK" in repr(secretive)


def test_there_is_no_dict_to_look_into(secretive):
    with pytest.raises(TypeError):
        vars(secretive)


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickle.dumps])
def test_it_is_neither_copied_nor_pickled(secretive, way):
    with pytest.raises(TypeError) as caught:
        way(secretive)
    assert CANARY not in str(caught.value)


def test_who_asks_by_name_gets_everything(secretive):
    assert secretive.reveal_cookies() == {"ttwid": f"{CANARY}2", "sessionid": f"{CANARY}1"}
    assert secretive.reveal_headers() == {"x-secsdk": f"{CANARY}3"}
    assert secretive.reveal_query() == {"msToken": f"{CANARY}4"}
    assert {f"{CANARY}{n}" for n in "1234"} <= set(secretive.secrets())


def test_what_was_revealed_or_given_is_a_copy(secretive):
    secretive.reveal_cookies()["sessionid"] = "other"
    assert secretive.reveal_cookies()["sessionid"] == f"{CANARY}1"
    given_cookies = {"a": "1"}
    credentials = Credentials(TOKEN, cookies=given_cookies)
    given_cookies["a"] = "2"
    assert credentials.reveal_cookies()["a"] == "1"


def test_the_session_id_wins_over_a_cookie_of_that_name():
    credentials = Credentials(TOKEN, cookies={"sessionid": "other"})
    assert credentials.reveal_cookies() == {"sessionid": TOKEN}


def test_in_region_binds_what_was_free():
    free = Credentials(TOKEN, cookies={"a": "1"}, headers={"b": "2"}, query={"c": "3"})
    bound = free.in_region("sg")
    assert bound.region is Region.SG
    assert bound.reveal_cookies() == free.reveal_cookies()
    assert bound.reveal_headers() == {"b": "2"}
    assert bound.reveal_query() == {"c": "3"}
    assert free.in_region(None) is free


def test_in_region_does_not_move_what_was_bound():
    with pytest.raises(InvalidRequest) as caught:
        Credentials(f"us-{TOKEN}").in_region("jp")
    assert caught.value.field == "region"


def test_from_the_environment():
    environ = {"DREAMINA_SESSIONID": f" {TOKEN} ", "DREAMINA_REGION": "jp"}
    credentials = Credentials.from_env(environ)
    assert credentials.region is Region.JP
    assert credentials.reveal_cookies()["sessionid"] == TOKEN
    assert Credentials.from_env({"DREAMINA_SESSIONID": f"us-{TOKEN}"}).region is Region.US


def test_from_the_real_environment(monkeypatch):
    monkeypatch.setenv("DREAMINA_SESSIONID", TOKEN)
    assert Credentials.from_env().reveal_cookies()["sessionid"] == TOKEN


@pytest.mark.parametrize("environ", [{}, {"DREAMINA_SESSIONID": "  "}])
def test_an_empty_environment_says_what_to_set(environ):
    with pytest.raises(AuthenticationError, match="DREAMINA_SESSIONID"):
        Credentials.from_env(environ)


@given(st.text())
def test_any_text_is_taken_or_refused_by_our_own_error_only(text):
    try:
        credentials = Credentials(text)
    except DreaminaError:
        return
    sent = credentials.reveal_cookies()["sessionid"]
    assert sent
    assert sent.isascii()
    assert sent.isprintable()
    assert not set(sent) & set(" ;,=\t")
    assert sent in text
