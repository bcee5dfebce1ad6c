"""What every call with the login has in common (protocol notes 1)."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from dreamina_async._core.calls import bare_headers, post, versions
from dreamina_async._core.dialects import PROFILES
from dreamina_async._core.profile import caller_for
from dreamina_async._core.signing import sign
from dreamina_async.credentials import Credentials

TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
NOW = 1757737938.25
PATH = "/commerce/v1/benefits/user_credit"


def caller(dialect="web", base_url=None, **credentials):
    return caller_for(Credentials(TOKEN, **credentials), base_url, dialect)


def call(query=(), body=(), who=None, **where):
    page = "/ai-tool/home"
    return post(PATH, dict(query), dict(body), page, who or caller(), NOW, **where)


def query_of(request):
    pairs = parse_qsl(urlsplit(request.url).query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs), "a parameter stands twice"
    return dict(pairs)


def test_the_api_host_unless_another_is_named():
    who = caller(region="us")
    assert urlsplit(call(who=who).url).netloc == "dreamina-api.us.capcut.com"
    other = call(who=who, host=who.site.commerce)
    assert urlsplit(other.url).netloc == "commerce.us.capcut.com"
    assert (other.method, urlsplit(other.url).path, other.path) == ("POST", PATH, PATH)


def test_the_host_changes_nothing_else():
    who = caller(region="jp")
    here, there = call(who=who), call(who=who, host=who.site.commerce)
    assert here.headers == there.headers
    assert query_of(here) == query_of(there)


def test_a_query_of_the_calls_own_stands_beside_what_every_call_has():
    assert query_of(call()) == {"aid": "513695", "device_platform": "web", "region": "cn"}
    sent = query_of(call({"need_cache": "a b&c"}))
    assert sent == query_of(call()) | {"need_cache": "a b&c"}


def test_what_the_user_adds_has_the_last_word_in_the_query():
    sent = query_of(call({"da_version": "3.3.9"}, who=caller(query={"da_version": "3.4.0"})))
    assert sent["da_version"] == "3.4.0"


def test_the_body_is_json_as_it_was_given():
    body = {"time_zone": "Asia/Shanghai", "text": "猫"}
    assert call(body=body).body == '{"time_zone":"Asia/Shanghai","text":"猫"}'.encode()
    assert call().body == b"{}"  # an empty body is an error (protocol notes 7)


def test_the_page_stands_in_the_referer_where_the_dialect_names_pages():
    origin = "https://jimeng.jianying.com"
    referers = {name: call(who=caller(name)).headers["referer"] for name in PROFILES}
    page = f"{origin}/ai-tool/home"
    assert referers == dict.fromkeys(PROFILES, page) | {"s0": origin, "s4": origin}


@pytest.mark.parametrize("dialect", PROFILES)
def test_the_path_is_what_is_signed_not_the_host(dialect):
    who = caller(dialect, "https://proxy.example/deep/path")
    headers = call(who=who).headers
    if dialect != "s1":
        expected = sign(PATH, int(NOW), pf=headers["pf"], appvr=headers["appvr"])
        assert headers["sign"] == expected


def test_versions_are_the_dialects_own():
    assert {name: versions(caller(name)).get("da_version") for name in PROFILES} == {
        "web": "3.3.9",
        "s0": None,
        "s1": None,
        "s2": "3.3.2",
        "s3": "3.2.9",
        "s4": None,
    }


def test_bare_headers_hold_the_login_and_no_sign_of_the_page():
    assert bare_headers(caller(cookies={"ttwid": "1"})) == {
        "user-agent": "dreamina-async",
        "accept": "application/json, text/plain, */*",
        "content-type": "application/json",
        "cookie": f"ttwid=1; sessionid={TOKEN}",
    }


@pytest.mark.parametrize("name", ["Cookie", "ACCEPT", "content-Type"])
def test_the_users_headers_do_not_replace_the_login(name):
    assert bare_headers(caller(headers={name: "theirs"})) == bare_headers(caller())


def test_no_secret_shows():
    request = call(who=caller(cookies={"a": "CANARY"}, query={"m": "CANARY"}))
    assert "CANARY" not in repr(request)
    assert TOKEN not in repr(request)
    assert TOKEN not in request.url
