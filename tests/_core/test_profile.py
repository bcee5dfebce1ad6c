"""Where the cookie may go."""

import pytest

from dreamina_async._core.dialects import PROFILES
from dreamina_async._core.profile import (
    SITES,
    caller_for,
    check_base_url,
    is_loopback,
    is_loopback_url,
)
from dreamina_async.credentials import Credentials, Region
from dreamina_async.errors import InvalidRequest

COMMERCE = {
    "CN": "https://jimeng.jianying.com",
    "US": "https://commerce.us.capcut.com",
    "HK": "https://commerce-api-sg.capcut.com",
    "JP": "https://commerce-api-sg.capcut.com",
    "SG": "https://commerce-api-sg.capcut.com",
}


@pytest.mark.parametrize("region", list(Region))
def test_money_has_a_host_of_its_own(region):
    assert caller_for(Credentials("x", region=region), None).site.commerce == COMMERCE[region.name]


# protocol notes 1.1
IMAGEX = {
    "CN": "https://imagex.bytedanceapi.com",
    "US": "https://imagex16-normal-us-ttp.capcutapi.us",
    "HK": "https://imagex-normal-sg.capcutapi.com",
    "JP": "https://imagex-normal-sg.capcutapi.com",
    "SG": "https://imagex-normal-sg.capcutapi.com",
}


@pytest.mark.parametrize("region", list(Region))
def test_images_have_a_host_of_their_own(region):
    site = caller_for(Credentials("x", region=region), None).site
    assert site.imagex == IMAGEX[region.name]
    assert site.imagex_region
    assert site.service_id


def test_the_intranet_is_in_china_alone():
    mcp = {region.name: site.mcp for region, site in SITES.items() if site.mcp}
    assert mcp == {"CN": "https://dreamina-agent-operation.bytedance.net"}


def test_every_host_is_https():
    for site in SITES.values():
        urls = (site.api, site.commerce, site.imagex, site.origin)
        assert all(url.startswith("https://") for url in urls)
        assert site.mcp.startswith("https://") or not site.mcp


@pytest.mark.parametrize(("region", "mcp"), [("us", ""), ("cn", "http://localhost:1")])
def test_a_base_url_takes_every_api_call(region, mcp):
    site = caller_for(Credentials("x", region=region), "http://localhost:1/").site
    assert site.api == site.commerce == site.imagex == "http://localhost:1"
    assert site.mcp == mcp
    usual = SITES[Region.parse(region)]
    assert (site.origin, site.imagex_region) == (usual.origin, usual.imagex_region)


@pytest.mark.parametrize("dialect", PROFILES)
def test_a_dialect_changes_no_host(dialect):
    caller = caller_for(Credentials("x", region="us"), None, dialect)
    assert caller.site == SITES[Region.US]
    assert caller.profile is PROFILES[dialect]


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("http://127.0.0.1", "http://127.0.0.1"),
        ("http://127.0.0.1:8765/", "http://127.0.0.1:8765"),
        ("http://127.8.8.8:1", "http://127.8.8.8:1"),
        (" http://localhost:80 ", "http://localhost:80"),
        ("HTTP://LOCALHOST", "HTTP://LOCALHOST"),
        ("http://[::1]:9", "http://[::1]:9"),
        ("https://proxy.example", "https://proxy.example"),
        ("https://proxy.example/a/b/", "https://proxy.example/a/b"),
        ("https://10.0.0.1:8443", "https://10.0.0.1:8443"),
    ],
)
def test_base_urls_that_are_taken(text, base):
    assert check_base_url(text) == base


@pytest.mark.parametrize(
    "text",
    [
        "http://jimeng.jianying.com",
        "http://127.0.0.1.evil.com",
        "http://localhost.evil.com",
        "http://127.0.0.1@evil.com",
        "http://user@127.0.0.1",
        "http://user:secret@127.0.0.1",
        "https://user:secret@proxy.example",
        "http://@127.0.0.1",
        "http://127.0.0.1\\@evil.com",
        "http://127.0.0.1\\.evil.com",
        "http://local\thost",
        "https://proxy\n.example",
        "https://proxy.example/a b",
        "http://0.0.0.0:80",
        "http://10.0.0.1",
        "http://169.254.169.254",
        "http://[fe80::1]",
        "http://[::]",
        "http://2130706433",
        "http://0x7f000001",
        "http://127.1",
        "http://[::1",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:x",
        "https://proxy.example?a=b",
        "https://proxy.example?",
        "https://proxy.example#x",
        "https://proxy.example#",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "unix://127.0.0.1",
        "//127.0.0.1",
        "127.0.0.1:8080",
        "localhost",
        "https://",
        "",
        b"http://127.0.0.1",
        3,
    ],
)
def test_base_urls_that_are_refused(text):
    with pytest.raises(InvalidRequest) as caught:
        check_base_url(text)
    assert caught.value.field == "base_url"
    assert "secret" not in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.255.255.254", "::1", "localhost", "LocalHost"])
def test_loopback_hosts(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "128.0.0.1", "::", "::2", "localhost.", "127.0.0.1.", "10.0.0.1"]
)
def test_hosts_that_are_not_loopback(host):
    assert not is_loopback(host)


def test_loopback_urls():
    assert is_loopback_url("http://[::1]:80/x")
    assert not is_loopback_url("http://127.0.0.1.evil.com/x")
    assert not is_loopback_url("/path")
