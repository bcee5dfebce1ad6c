import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async._core.items import read_item, read_items
from dreamina_async._core.reading import Reader

BYTEIMG = "https://p26-dreamina-sign.byteimg.com/tos-cn-i-tb4s082cfz"
VLAB = "https://v1-artist.vlabvod.com"

IMAGE = {
    "common_attr": {
        "id": "7593922573465931058",
        "effect_type": 9,
        "cover_url": "https://p3-dreamina-sign.byteimg.com/cover.jpg",
        "status": 144,
        "cover_url_map": {"360": "https://a/360.webp", "4096": "https://a/4096.webp"},
        "local_item_id": "7593922573465931058",
    },
    "author": None,
    "image": {
        "format": "png",
        "large_images": [
            {
                "image_uri": "tos-cn-i-tb4s082cfz/0a1b",
                "image_url": f"{BYTEIMG}/0a1b~tplv-tb4s082cfz-aigc_resize:0:0.png?x-signature=a",
                "width": 2048,
                "height": 2048,
                "format": "png",
                "size": 98374,
            }
        ],
    },
    "gen_result_data": {"result_code": 0, "result_msg": "Success"},
}

S2_IMAGE = {
    "id": "item_id",
    "image": {
        "large_images": [
            {
                "image_url": "https://example.com/image1.jpg",
                "width": 2048,
                "height": 2048,
                "format": "jpg",
            }
        ],
        "medium_images": [{"image_url": "https://example.com/image1_medium.jpg", "width": 720}],
        "small_images": [{"image_url": "https://example.com/image1_small.jpg", "width": 360}],
    },
    "common_attr": {"cover_url": "https://example.com/cover.jpg"},
}

SHAPE_A = {
    "video": {
        "video_resource": {
            "video_url": "https://v/a",
            "video_uri": "tos-cn-v-148450/a",
            "duration": 5000,
            "width": 1280,
            "height": 720,
        }
    }
}
SHAPE_B = {
    "common_attr": {"id": "760", "effect_type": 53},
    "video": {
        "video_id": "v02870g1",
        "duration": 6,
        "duration_ms": 5042,
        "origin_video": None,
        "transcoded_video": {
            "origin": {
                "vid": "v02870g1",
                "fps": 24,
                "width": 960,
                "height": 960,
                "duration": 0,
                "video_url": f"{VLAB}/0123456789abcdef/69957ad9/video/tos/cn/x/?a=4066",
                "cover_url": "",
                "format": "mp4",
                "definition": "origin",
                "md5": "0123456789ABCDEF0123456789abcdef",
                "size": 4424231,
            }
        },
        "cover_url": "https://p26-sign.douyinpic.com/x~tplv-noop.image?x-expires=1",
        "duration_info": "{}",
    },
}
SHAPE_C = {
    "id": "item_id",
    "video": {
        "transcoded_video": {
            "origin": {
                "video_url": "https://v1/video.mp4",
                "width": 1024,
                "height": 1024,
                "duration": 5000,
                "format": "mp4",
            },
            "medium": {"video_url": "https://v1/medium.mp4", "width": 720, "height": 720},
        },
        "play_url": "https://v1/video.mp4",
        "download_url": "https://v1/download.mp4",
        "thumbnail_url": "https://v1/thumbnail.jpg",
    },
}
SHAPE_D = {
    "common_attr": {"id": "761"},
    "video": {
        "transcoded_video": {
            "360p": {"video_url": "https://v/360", "width": 360, "height": 640},
            "1080p": {"video_url": "https://v/1080"},
            "720p": {"video_url": "https://v/720", "width": 1280, "height": 720},
        }
    },
}
SHAPE_E = {
    "common_attr": {
        "id": "762",
        "transcoded_video": {"origin": {"video_url": "https://v/intl", "vid": "v1"}},
    }
}
SHAPE_F = {"id": "763", "video": {"url": "https://v/f", "duration": 3.208}}
SHAPE_F2 = {"id": "764", "video": {"video_url": "https://v/f2"}}


def item(value):
    return read_item(Reader.of(value))


class TestImages:
    def test_the_captured_image(self):
        found = item(IMAGE)
        large = IMAGE["image"]["large_images"][0]
        assert found.kind == "image"
        assert found.urls == (large["image_url"],)
        assert found.uri == "tos-cn-i-tb4s082cfz/0a1b"
        assert (found.width, found.height, found.size) == (2048, 2048, 98374)
        assert (found.format, found.item_id) == ("png", "7593922573465931058")
        assert found.source == "image.large_images"

    def test_medium_and_small_never_stand_in(self):
        found = item(S2_IMAGE)
        assert found.urls == ("https://example.com/image1.jpg",)
        assert found.uri == "item_id"
        without = {**S2_IMAGE, "image": {**S2_IMAGE["image"], "large_images": []}}
        assert item(without) is None

    @pytest.mark.parametrize(
        "value",
        [
            {},
            {"image": {"large_images": [{"image_url": ""}]}},
            {"image": {"large_images": [{"image_url": "ftp://a/x"}]}},
            {"image": {"large_images": [{"image_url": 7}]}},
            {"image": {"large_images": "x"}, "url": "https://a/x"},
            {"common_attr": IMAGE["common_attr"]},
            {"cover_url": "https://a/x", "thumbnail_url": "https://a/x"},
            {"video": {"cover_url": "https://a/x", "thumbnail_url": "https://a/x"}},
            {"video": {"thumb": {"url": "https://a"}}, "image_url": "https://a/cover"},
        ],
    )
    def test_without_its_own_url_there_is_no_result(self, value):
        assert item(value) is None

    @pytest.mark.parametrize("name", ["image_url", "url"])
    def test_a_url_on_the_item(self, name):
        found = item({name: "https://example.com/a.png", "id": "9", "image": None, "video": {}})
        assert (found.kind, found.urls, found.uri) == ("image", ("https://example.com/a.png",), "9")
        assert found.source == name

    def test_the_next_large_image_serves_if_the_first_has_no_url(self):
        broken = {"image_url": None, "image_uri": "u"}
        good = {"image_url": "https://a/2", "image_uri": "u"}
        assert item({"image": {"large_images": [broken, good]}}).urls == ("https://a/2",)

    def test_another_image_s_url_is_no_rendition(self):
        reader = Reader.of(
            {
                "image": {
                    "large_images": [
                        {"image_url": "https://a/1", "image_uri": "one"},
                        {"image_url": "https://a/1b", "image_uri": "one"},
                        {"image_url": "https://a/2", "image_uri": "two"},
                    ]
                }
            }
        )
        assert read_item(reader).urls == ("https://a/1", "https://a/1b")
        assert reader.problems == ["image.large_images: list of 1"]

    def test_a_wrong_size_is_unknown(self):
        for bad in (-1, 0, "wide", True, 10**9, None):
            entry = {"image_url": "https://a/1", "width": bad, "size": -5, "md5": "zz"}
            found = item({"image": {"large_images": [entry]}})
            assert (found.width, found.size, found.md5) == (None, None, "")

    def test_the_name_outlives_the_signature(self):
        def uri(host, signature):
            url = f"https://{host}/tos-cn-i-x/0a1b~tplv-y:0:0.png?x-signature={signature}"
            return item({"image": {"large_images": [{"image_url": url}]}}).uri

        assert uri("p3", "a") == uri("p26", "b") == "tos-cn-i-x/0a1b"

    def test_a_uri_that_is_a_url_hides_its_signature(self):
        entry = {"image_url": "https://a/1", "image_uri": "https://a/k?x-signature=HUSH"}
        assert item({"image": {"large_images": [entry]}}).uri == "k"


class TestVideos:
    @pytest.mark.parametrize(
        ("value", "urls", "uri", "source"),
        [
            (SHAPE_A, ("https://v/a",), "tos-cn-v-148450/a", "video.video_resource"),
            (
                SHAPE_B,
                (f"{VLAB}/0123456789abcdef/69957ad9/video/tos/cn/x/?a=4066",),
                "v02870g1",
                "video.transcoded_video.origin",
            ),
            (
                SHAPE_C,
                ("https://v1/video.mp4", "https://v1/medium.mp4", "https://v1/download.mp4"),
                "item_id",
                "video.transcoded_video.origin",
            ),
            (
                SHAPE_D,
                ("https://v/1080", "https://v/720", "https://v/360"),
                "761",
                "video.transcoded_video.1080p",
            ),
            (SHAPE_E, ("https://v/intl",), "v1", "common_attr.transcoded_video.origin"),
            (SHAPE_F, ("https://v/f",), "763", "video.url"),
            (SHAPE_F2, ("https://v/f2",), "764", "video.video_url"),
        ],
        ids="ABCDEFf",
    )
    def test_shapes(self, value, urls, uri, source):
        found = item(value)
        assert found.kind == "video"
        assert (found.urls, found.uri, found.source) == (urls, uri, source)

    @pytest.mark.parametrize(
        ("value", "milliseconds"),
        [
            (SHAPE_A, 5000),
            (SHAPE_B, 5042),
            (SHAPE_C, 5000),
            (SHAPE_D, None),
            (SHAPE_F, 3208),
            ({"video": {"url": "https://v/x", "duration": 6}}, 6000),
            ({"video": {"url": "https://v/x", "duration_ms": 0, "duration": "5000"}}, 5000),
            ({"video": {"url": "https://v/x", "duration": -3}}, None),
            ({"video": {"url": "https://v/x", "duration": True}}, None),
        ],
    )
    def test_units_of_duration(self, value, milliseconds):
        assert item(value).duration_ms == milliseconds

    def test_facts_belong_to_the_first_url(self):
        found = item(SHAPE_B)
        assert (found.width, found.height, found.size) == (960, 960, 4424231)
        assert found.md5 == "0123456789abcdef0123456789abcdef"
        assert found.format == "mp4"

    def test_all_places_in_order(self):
        video = {
            "video_url": "https://v/8",
            "url": "https://v/7",
            "play_url": "https://v/6",
            "download_url": "https://v/5",
            "video_resource": {"video_url": "https://v/4"},
            "transcoded_video": {
                "medium": {"video_url": "https://v/3"},
                "480p": {"video_url": "https://v/2", "width": 854, "height": 480},
                "origin": {"video_url": "https://v/1"},
                "junk": 7,
            },
        }
        common = {"transcoded_video": {"origin": {"video_url": "https://v/9"}}}
        found = item({"video": video, "common_attr": common})
        assert found.urls == tuple(f"https://v/{n}" for n in range(1, 10))

    def test_portrait_and_landscape_rank_alike(self):
        renditions = {
            "720p": {"video_url": "https://v/720", "width": 720, "height": 1280},
            "480p": {"video_url": "https://v/480", "width": 854, "height": 480},
        }
        found = item({"video": {"transcoded_video": renditions}})
        assert found.urls == ("https://v/720", "https://v/480")

    def test_the_name_outlives_the_signature(self):
        def uri(host, signature, expiry):
            return item(
                {"video": {"url": f"https://{host}/{signature}/{expiry}/video/tos/k/?a=1"}}
            ).uri

        assert uri("v3", "a" * 32, "69957ad9") == uri("v9", "b" * 32, "6a15514f") == "tos/k"


class TestLists:
    def test_repeated_results_are_one(self):
        fresh = {"image": {"large_images": [{"image_uri": "u1", "image_url": "https://b/1"}]}}
        again = {"image": {"large_images": [{"image_uri": "u1", "image_url": "https://a/1"}]}}
        other = {"image": {"large_images": [{"image_uri": "u2", "image_url": "https://a/2"}]}}
        found = read_items(Reader.of({"item_list": [fresh, other, again]}))
        assert [one.uri for one in found.media] == ["u1", "u2"]
        assert found.media[0].urls == ("https://b/1", "https://a/1")

    def test_one_bad_image_costs_itself(self):
        record = Reader.of({"item_list": [None, 7, {"image": "x"}, IMAGE, {}]})
        assert len(read_items(record).media) == 1
        assert "item_list[1]: 7" in record.problems
        assert "item_list[2]: no usable URL" in record.problems

    def test_failed_items_are_counted_once(self):
        failed = {
            "common_attr": {"id": "1"},
            "gen_result_data": {"result_code": 1, "result_msg": "SystemBusy"},
        }
        other = {"common_attr": {"id": "2"}, "gen_result_data": {"result_code": "3"}}
        record = {"item_list": [IMAGE, failed, other], "failed_item_list": [failed]}
        found = read_items(Reader.of(record))
        assert (len(found.media), found.failed, found.message) == (1, 2, "SystemBusy")

    def test_a_code_beside_a_url_is_still_a_result(self):
        odd = {**IMAGE, "gen_result_data": {"result_code": 7}}
        found = read_items(Reader.of({"item_list": [odd]}))
        assert (len(found.media), found.failed) == (1, 0)


NAMES = st.sampled_from(
    [
        "video",
        "image",
        "transcoded_video",
        "origin",
        "720p",
        "video_url",
        "image_url",
        "url",
        "large_images",
        "common_attr",
        "image_uri",
        "duration",
        "duration_ms",
        "width",
        "size",
        "md5",
        "id",
        "item_list",
        "gen_result_data",
        "result_code",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("https://a/b"),
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
)


@given(st.dictionaries(NAMES, JSON))
def test_any_item_is_a_result_or_none(value):
    found = item(value)
    if found is not None:
        assert found.urls
        assert all(url.startswith(("http://", "https://")) for url in found.urls)
        assert found.uri
    read_items(Reader.of({"item_list": [value]}))
