"""Expiry of signed URLs, places of files, and the URLs that are never followed."""

from urllib.parse import urlsplit

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async._core.media import (
    check_media_url,
    expires_at,
    file_name,
    folder_name,
    is_public_address,
    is_public_host,
    lacks_original,
    mismatch,
    plan,
    refresh_margin,
    with_original,
)
from dreamina_async.errors import DownloadError, HostRefused
from dreamina_async.models import MediaFile, MediaItem

NOW = 1779778155.0
IMAGE = "https://p26-dreamina-sign.byteimg.com/tos-cn-i-tb4s082cfz/0a1b~tplv-x-aigc_resize:0:0.png"
VIDEO = "https://v3-artist.vlabvod.com/0123456789abcdef0123456789abcdef/{}/video/tos/cn/k/?a=4066"

# protocol notes 8.2, with the numbers measured there
SAMPLES = [
    (f"{IMAGE}?lk3s=7c3bb0db&x-expires=1779782400&x-signature=a%2Bb%3D&format=.png", 1779782400),
    (f"{IMAGE}?x-expires=1770804000&x-signature=x", 1770804000),
    (f"{IMAGE}?x-expires=1772928000&x-signature=x", 1772928000),
    (VIDEO.format("69957ad9") + "&dy_q=1770799188", 1771403993),
    (VIDEO.format("6a15514f") + "&dy_q=1779778364", 1779781967),
    ("https://v9-dreamnia.jimeng.com/sig/6a15514f/video/tos/x.mp4?br=6297", 1779781967),
    ("https://p3.byteimg.com/a.png?expires=1779782400", 1779782400),
    ("https://p3.byteimg.com/a.png?Expires=1779782400", 1779782400),
]


@pytest.mark.parametrize(("url", "expected"), SAMPLES)
def test_samples(url, expected):
    assert expires_at(url, NOW) == expected


def test_the_query_goes_before_the_path_and_both_before_expires():
    video = VIDEO.format("6a15514f")
    assert expires_at(f"{video}&x-expires=1779782400&expires=5", NOW) == 1779782400
    assert expires_at(f"{video}&expires=1779782400", NOW) == 1779781967


ABSURD = ["", "0", "-5", "abc", "1e9", "9" * 30, "1779782400000", "١٧٧٩٧٨٢٤٠٠", "nan"]


@pytest.mark.parametrize("text", ABSURD)
def test_an_absurd_expiry_is_none(text):
    assert expires_at(f"{IMAGE}?x-expires={text}", NOW) == NOW + 3600


@pytest.mark.parametrize(
    "url",
    [
        IMAGE,
        VIDEO.format("69957AD9"),
        VIDEO.format("9957ad9"),
        "https://cdn.example/obj/20260101/picture.png",  # a date is no expiry
        "https://[::1",
        "",
        "不是网址",
    ],
)
def test_without_one_an_hour_is_assumed(url):
    assert expires_at(url, NOW) == NOW + 3600


@given(st.text())
def test_no_url_breaks_it(url):
    assert 0 < expires_at(url, NOW) < 4_102_444_800


@pytest.mark.parametrize(
    ("life", "margin"), [(7 * 86_400, 300), (3600, 300), (1200, 300), (600, 150), (0, 0), (-9, 0)]
)
def test_a_short_life_has_a_short_margin(life, margin):
    assert refresh_margin(NOW + life, NOW, 300.0) == margin


def item(name, kind="image"):
    return MediaItem(kind, (f"https://p3.byteimg.com/{name}",), uri=f"tos-cn-i/{name}")


def saved(name, index):
    path = f"/out/image-{index}.png"
    return MediaFile(path, "image", index, 1, 1, "png", 9, "0" * 64, uri=f"tos-cn-i/{name}")


def places(names, *files):
    todo = plan([item(name) for name in names], files)
    return [(index, one.uri.removeprefix("tos-cn-i/")) for index, one in todo]


def test_nothing_saved_takes_the_order_of_the_report():
    assert places("abcd") == [(0, "a"), (1, "b"), (2, "c"), (3, "d")]


def test_what_is_saved_keeps_its_place_in_whatever_order_it_comes_again():
    assert places("dcba", saved("b", 1), saved("d", 3)) == [(0, "c"), (2, "a")]


def test_everything_saved_leaves_nothing():
    assert places("ab", saved("b", 0), saved("a", 1)) == []


def test_a_late_fourth_result_takes_the_free_place():
    assert places("dabc", saved("a", 0), saved("b", 1), saved("c", 2)) == [(3, "d")]


def test_a_result_that_has_gone_leaves_its_place_taken():
    assert places("bc", saved("a", 0)) == [(1, "b"), (2, "c")]


names = st.lists(st.sampled_from("abcdefgh"), unique=True)


@given(names, names)
def test_no_place_twice_and_nothing_twice(first, second):
    files = [saved(name, index) for index, name in places(first)]
    todo = places(second, *files)
    taken = [file.index for file in files] + [index for index, _ in todo]
    assert len(set(taken)) == len(taken)
    assert [name for _, name in todo] == [name for name in second if name not in first]


PREVIEW = MediaItem(
    "video",
    ("https://v3-artist.vlabvod.com/preview", "https://v3-artist.vlabvod.com/shared"),
    uri="tos-cn-v/k",
    width=640,
    size=100,
    md5="0" * 32,
    item_id="7395",
    source="video.play_url",
)
ORIGINAL = MediaItem(
    "video",
    ("https://v9-dreamnia.jimeng.com/best", "https://v3-artist.vlabvod.com/shared"),
    uri="another-name",
    width=1280,
    size=900,
    md5="1" * 32,
    item_id="another-id",
    source="video.transcoded_video.origin",
)


@pytest.mark.parametrize(
    ("source", "lacks"),
    [
        ("video.transcoded_video.origin", False),
        ("common_attr.transcoded_video.origin", False),
        ("video.video_resource", False),
        ("video.download_url", False),
        ("video.transcoded_video.720p", True),
        ("common_attr.transcoded_video.medium", True),
        ("video.play_url", True),
        ("video.url", True),
        ("", True),
    ],
)
def test_which_video_is_only_a_smaller_rendition(source, lacks):
    assert lacks_original(evolve(PREVIEW, source=source)) is lacks


def test_without_an_item_id_nobody_can_be_asked():
    assert not lacks_original(evolve(PREVIEW, item_id=""))


def test_an_image_is_its_own_original():
    assert not lacks_original(evolve(PREVIEW, kind="image", source="image.large_images"))


def test_the_original_comes_first_and_the_rendition_stays_as_a_way_out():
    best = with_original(PREVIEW, ORIGINAL)
    assert best.urls == (*ORIGINAL.urls, PREVIEW.urls[0])
    assert (best.width, best.size, best.md5) == (1280, 900, "1" * 32)
    assert not lacks_original(best)


def test_a_result_keeps_its_place_when_its_original_is_found():
    best = with_original(PREVIEW, ORIGINAL)
    assert (best.uri, best.item_id) == (PREVIEW.uri, PREVIEW.item_id)
    file = MediaFile("/out/video-0.mp4", "video", 0, 1, 1, "mp4", 9, "0" * 64, uri=PREVIEW.uri)
    assert plan([best], [file]) == plan([PREVIEW], [file]) == []


@pytest.mark.parametrize(
    ("size", "md5", "fits"),
    [
        (900, "1" * 32, True),
        (None, "1" * 32, True),
        (900, "", True),
        (None, "", True),
        (901, "1" * 32, False),
        (901, "", False),
        (900, "2" * 32, False),
        (None, "2" * 32, False),
    ],
)
def test_a_file_is_held_against_what_its_record_says(size, md5, fits):
    complaint = mismatch(evolve(ORIGINAL, size=size, md5=md5), 900, "1" * 32)
    assert (complaint == "") is fits


def test_the_complaint_names_both_sizes():
    complaint = mismatch(ORIGINAL, 5, "1" * 32)
    assert "5" in complaint
    assert "900" in complaint


def test_file_names_are_ours_alone():
    hostile = MediaItem("image", ("https://x",), uri="../../etc/passwd", format="../sh")
    assert file_name(hostile, 3, "png") == "image-3.png"
    assert file_name(item("a", "video"), 0, "mp4") == "video-0.mp4"


def test_folder_names():
    assert folder_name("19637d71-15df-445e-b86d-490f3549cb85", "1") == (
        "19637d71-15df-445e-b86d-490f3549cb85"
    )
    assert folder_name(None, "25594898552322") == "history-25594898552322"


GOOD = [url for url, _ in SAMPLES] + [
    "https://p3-dreamina-sign.byteimg.com:443/x",
    "HTTPS://P3.BYTEIMG.COM/x",
    "https://byteimg.com./x",
]
STRANGE = [
    "https://1.1.1.1/x",
    "https://[2606:4700::1111]/x",
    "https://example.com/x",
    "https://byteimg.com.example.com/x",
    "https://evilbyteimg.com/x",
    "https://p3.byteimg.com.cn/x",
]
SCHEMES = ["http", "ftp", "file", "javascript", "data", "ws", ""]
PRIVATE = [
    "127.0.0.1",
    "127.9.9.9",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[fe80::1]",
    "[fe80::1%25eth0]",
    "[fc00::1]",
    "[fd00::1]",
    "[ff02::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:224.0.0.1]",
    "[2001:db8::1]",
    "[2002:7f00:1::]",
    "[2002:a00:1::]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::a00:1]",
    "[::127.0.0.1]",
    "localhost",
    "LOCALHOST",
]
BAD = [
    *(f"{scheme}://p3.byteimg.com/x" for scheme in SCHEMES),
    *(f"https://{host}/x" for host in PRIVATE),
    "https://user@p3.byteimg.com/x",
    "https://user:pass@p3.byteimg.com/x",
    "https://@p3.byteimg.com/x",
    "https://p3.byteimg.com@127.0.0.1/x",
    "https://p3.byteimg.com:8443/x",
    "https://p3.byteimg.com:22/x",
    "https://p3.byteimg.com:99999/x",
    "https://[::1/x",
    "https:///x",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
    "/etc/passwd",
    "",
]


@pytest.mark.parametrize("url", GOOD)
@pytest.mark.parametrize("loopback", [True, False])
def test_media_urls_that_are_followed(url, loopback):
    check_media_url(url, loopback=loopback)


@pytest.mark.parametrize("url", STRANGE)
def test_public_hosts_of_others_are_refused_by_name_until_they_are_trusted(url):
    with pytest.raises(HostRefused) as caught:
        check_media_url(url, loopback=False)
    host = caught.value.host
    assert host == urlsplit(url).hostname
    assert host in str(caught.value)
    assert "DownloadPolicy.hosts" in str(caught.value)
    check_media_url(url, loopback=False, hosts=(host,))


@pytest.mark.parametrize("url", BAD)
def test_media_urls_that_are_refused(url):
    with pytest.raises(DownloadError) as caught:
        check_media_url(url, loopback=False)
    assert caught.value.charged == "yes"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8765/x", "http://[::1]:1/x", "https://localhost:9/x"]
)
def test_loopback_is_for_sessions_on_loopback_only(url):
    check_media_url(url, loopback=True)
    with pytest.raises(DownloadError):
        check_media_url(url, loopback=False)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/x",
        "file://localhost/etc/passwd",
        "http://10.0.0.1/x",
        "http://p3.byteimg.com/x",
        "https://169.254.169.254/x",
        "http://127.0.0.1.evil.com/x",
        "http://user@127.0.0.1/x",
    ],
)
def test_a_session_on_loopback_gets_no_further_freedom(url):
    with pytest.raises(DownloadError):
        check_media_url(url, loopback=True)


def test_a_refused_url_is_not_shown_beyond_its_host():
    with pytest.raises(DownloadError) as caught:
        check_media_url("http://10.0.0.1/path?x-signature=CANARY", loopback=False)
    assert "CANARY" not in repr(caught.value)
    assert "10.0.0.1" in str(caught.value)


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "127.0.0.1", "10.1.2.3", "fe80::1%eth0", "::ffff:10.1.2.3"]
)
def test_what_a_name_resolves_to_is_judged_by_the_address(address):
    """Decimal and hexadecimal forms are names to us: `2130706433` resolves to 127.0.0.1."""
    assert not is_public_address(address)


def test_names_are_left_to_the_resolver():
    assert is_public_host("p3.byteimg.com")
    assert is_public_host("2130706433")
    with pytest.raises(ValueError, match="2130706433"):
        is_public_address("2130706433")


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses(address):
    assert is_public_address(address)
