import hashlib
import re
from urllib.parse import urlsplit

import pytest
from yarl import URL

from dreamina_async.emulator import Outcome

pytestmark = pytest.mark.anyio
IMAGE_URL = re.compile(
    r"http://127\.0\.0\.1:\d+/tos-cn-i-tb4s082cfz/[0-9a-f]{32}"
    r"~tplv-tb4s082cfz-aigc_resize:0:0\.png\?lk3s=7c3bb0db&x-expires=\d{10}"
    r"&x-signature=[A-Za-z0-9%]+&format=\.png&host=p\d+-dreamina-sign"
)
VIDEO_URL = re.compile(
    r"http://127\.0\.0\.1:\d+/[0-9a-f]{32}/([0-9a-f]{8})/video/tos/cn/"
    r"(tos-cn-v-148450/[0-9a-f]{32})/\?a=4066&.*br=6889.*&mime_type=video_mp4.*&dy_q=\d+&l=\w{34}"
)


def large(record, index=0):
    return record["item_list"][index]["image"]["large_images"][0]


async def image(wire, submit_id="s-1"):
    await wire.image(submit_id=submit_id)
    return (await wire.seen(submit_id))[0]


async def video(wire, submit_id="v-1", **fields):
    await wire.video(submit_id=submit_id, **fields)
    return (await wire.seen(submit_id))[0]["item_list"][0]


async def test_every_image_is_served_as_the_record_and_the_emulator_say(start):
    wire = await start()
    record = await image(wire)
    digests = set()
    for index, file in enumerate(wire.emulator.media("s-1")):
        told = large(record, index)
        status, headers, body = await wire.get(told["image_url"])
        assert status == 200
        assert headers["Content-Type"] == "image/png"
        assert hashlib.sha256(body).hexdigest() == file.sha256
        assert len(body) == file.size == told["size"]
        assert int.from_bytes(body[16:20]) == told["width"] == file.width
        assert int.from_bytes(body[20:24]) == told["height"] == file.height
        digests.add(file.sha256)
    assert len(digests) == 4
    assert wire.emulator.requests.media_cookies == 0


async def test_media_is_another_origin_and_its_url_has_the_known_shape(start):
    wire = await start(wall=lambda: 1779778155.0)  # 2026-05-26T06:49:15Z, as in the notes
    url = large(await image(wire))["image_url"]
    assert IMAGE_URL.fullmatch(url)
    assert "&x-expires=1779782400&" in url
    assert {"%2B", "%2F", "%3D"} <= set(re.findall(r"%..", url))
    assert urlsplit(url).netloc != urlsplit(wire.emulator.base_url).netloc


async def test_every_look_signs_again_and_keeps_the_uri(start):
    wire = await start()
    records = [await image(wire)]
    records += [(await wire.history("s-1"))["data"]["s-1"] for _ in range(3)]
    assert len({large(each)["image_url"] for each in records}) == 4
    assert len({large(each)["image_uri"] for each in records}) == 1
    assert len({large(each)["image_url"].rpartition("=")[2] for each in records}) > 1
    for record in records:
        assert (await wire.get(large(record)["image_url"]))[0] == 200


async def test_one_byte_changed_or_encoded_anew_is_403(start):
    wire = await start()
    url = large(await image(wire))["image_url"]
    changed = [
        url.replace("%2F", "/", 1),
        url.replace("%2F", "%2f", 1),
        url.replace("%3D", "="),
        url.replace("&format=.png", ""),
        url.replace("x-expires=1", "x-expires=2"),
        url.replace(":0:0.png", ":1:1.png"),
        url + "&more=1",
    ]
    for each in changed:
        assert each != url
        assert (await wire.get(each))[0] == 403
    assert (await wire.get(URL(url)))[0] == 403  # what a client gets that lets yarl requote
    assert (await wire.get(url))[0] == 200


async def test_urls_expire(start):
    clock = [1_800_000_000.0]
    wire = await start(wall=lambda: clock[0], image_lifetime=90, video_lifetime=60)
    still = large(await image(wire))["image_url"]
    film = (await video(wire))["video"]["transcoded_video"]["origin"]["video_url"]
    clock[0] += 59
    assert [(await wire.get(url))[0] for url in (still, film)] == [200, 200]
    clock[0] += 1
    assert [(await wire.get(url))[0] for url in (still, film)] == [200, 403]
    clock[0] += 30
    assert (await wire.get(still))[0] == 403
    fresh = (await wire.history("s-1"))["data"]["s-1"]
    assert (await wire.get(large(fresh)["image_url"]))[0] == 200


async def test_ranges(start):
    wire = await start()
    url = large(await image(wire))["image_url"]
    _, _, body = await wire.get(url)
    size = len(body)
    for asked, start_at, stop in [
        ("bytes=100-199", 100, 200),
        ("bytes=5-", 5, size),
        ("bytes=-7", size - 7, size),
        (f"bytes=0-{size * 2}", 0, size),
    ]:
        status, headers, part = await wire.get(url, Range=asked)
        assert status == 206
        assert headers["Content-Range"] == f"bytes {start_at}-{stop - 1}/{size}"
        assert part == body[start_at:stop]
    status, headers, _ = await wire.get(url, Range=f"bytes={size}-")
    assert (status, headers["Content-Range"]) == (416, f"bytes */{size}")
    assert (await wire.get(url, Range="lines=1-2"))[0] == 200


async def test_a_server_may_ignore_ranges(start):
    wire = await start(ranges=False)
    url = large(await image(wire))["image_url"]
    status, _, body = await wire.get(url, Range="bytes=5-")
    assert (status, len(body)) == (200, wire.emulator.media("s-1")[0].size)


async def test_padded_files_stream_whole_and_in_ranges(start):
    wire = await start(image_bytes=1_000_000, video_bytes=600_000)
    url = large(await image(wire))["image_url"]
    _, _, body = await wire.get(url)
    file = wire.emulator.media("s-1")[0]
    assert len(body) == file.size == 1_000_000
    assert hashlib.sha256(body).hexdigest() == file.sha256
    assert (await wire.get(url, Range="bytes=9000-"))[2] == body[9000:]
    film = (await video(wire))["video"]["transcoded_video"]["origin"]
    assert len((await wire.get(film["video_url"]))[2]) == film["size"] == 600_000
    assert wire.emulator.requests.to("media")[0].bytes_sent == 1_000_000


async def test_refusals_of_the_media_server(start):
    wire = await start(hotlink_check=True, media_rate=3)
    url = large(await image(wire))["image_url"]
    assert (await wire.get(url, method="HEAD"))[0] == 403
    assert (await wire.get(url, Referer="https://elsewhere.example/"))[0] == 403
    assert (await wire.get(url, Referer="https://jimeng.jianying.com/"))[0] == 200
    assert (await wire.get(url))[0] == 200
    assert (await wire.get(url))[0] == 429


async def test_thumbnails_are_small_images_of_long_life(start):
    wire = await start()
    record = await image(wire)
    attributes = record["item_list"][0]["common_attr"]
    for edge, url in attributes["cover_url_map"].items():
        _, _, body = await wire.get(url)
        assert int.from_bytes(body[16:20]) == int(edge)
    assert attributes["status"] == 144


@pytest.mark.parametrize(
    ("shape", "path"),
    [
        ("A", ("video", "video_resource", "video_url")),
        ("B", ("video", "transcoded_video", "origin", "video_url")),
        ("C", ("video", "download_url")),
        ("C", ("video", "transcoded_video", "origin", "video_url")),
        ("D", ("video", "transcoded_video", "720p", "video_url")),
        ("E", ("common_attr", "transcoded_video", "origin", "video_url")),
        ("F", ("video", "url")),
        ("F", ("video", "video_url")),
    ],
)
async def test_video_shapes_lead_to_the_same_file(start, shape, path):
    wire = await start(video_shape=shape)
    item = await video(wire, prompt="海浪拍打礁石")
    for step in path:
        item = item[step]
    assert VIDEO_URL.fullmatch(item)
    status, headers, body = await wire.get(item)
    assert (status, headers["Content-Type"]) == (200, "video/mp4")
    (file,) = wire.emulator.media("v-1")
    assert hashlib.sha256(body).hexdigest() == file.sha256


async def test_a_video_record_tells_the_truth_about_the_file(start):
    wire = await start(wall=lambda: 1_800_000_000.0, video_lifetime=604805)
    item = await video(wire, ratio="9:16")
    origin = item["video"]["transcoded_video"]["origin"]
    found = VIDEO_URL.fullmatch(origin["video_url"])
    assert int(found[1], 16) == 1_800_000_000 + 604805
    _, _, body = await wire.get(origin["video_url"])
    assert origin["md5"] == hashlib.md5(body).hexdigest()
    assert origin["size"] == len(body)
    assert (origin["width"], origin["height"]) == (180, 320)
    assert (item["video"]["duration"], item["video"]["duration_ms"]) == (5, 5000)


async def test_the_original_video_by_item_id(start):
    wire = await start(video_shape="A")
    item = await video(wire)
    body = {
        "item_id_list": [item["common_attr"]["id"], "1"],
        "pack_item_opt": {"scene": 1, "need_data_integrity": True},
        "is_for_video_download": True,
    }
    (found,) = (await wire.post("/mweb/v1/get_local_item_list", body))["data"]["item_list"]
    _, _, film = await wire.get(found["video"]["transcoded_video"]["origin"]["video_url"])
    assert hashlib.sha256(film).hexdigest() == wire.emulator.media("v-1")[0].sha256


async def test_items_are_found_once_they_are_finished_and_by_their_owner(start):
    wire = await start(image_running=(10**6, 10**6), outcomes={"快": Outcome(run_seconds=0)})
    ids = {}
    for prompt in ("快", "慢"):
        record = (await wire.image(prompt, submit_id=prompt))["data"]["aigc_data"]
        ids[prompt] = record["pre_gen_item_ids"]
    await wire.seen("快")
    path = "/mweb/v1/get_local_item_list"
    body = {"item_id_list": [ids["快"][1], ids["慢"][1]]}
    (found,) = (await wire.post(path, body))["data"]["item_list"]
    assert found["common_attr"]["id"] == ids["快"][1]
    assert (await wire.post(path, {"item_id_list": []}))["ret"] == "1000"
    wire.sessionid = "somebody-else"
    assert (await wire.post(path, body))["data"]["item_list"] == []


async def test_a_url_that_never_was_is_403_and_one_of_another_run_404(start):
    first, second = await start(), await start()
    url = large(await image(first))["image_url"]
    foreign = second.emulator.media_url + url.removeprefix(first.emulator.media_url)
    assert (await second.get(foreign))[0] == 404
    other = await start(seed=9)
    foreign = other.emulator.media_url + url.removeprefix(first.emulator.media_url)
    assert (await other.get(foreign))[0] == 403
    broken = url.partition("x-signature=")[0] + "x-signature=abc&format=.png&host=p3-dreamina-sign"
    for path in ("/", "/favicon.ico"):
        assert (await first.get(first.emulator.media_url + path))[0] == 403
    assert (await first.get(broken))[0] == 403


async def test_frames_to_video_is_another_generate_type(start):
    wire = await start(check_uris=False)
    frame = wire.video_draft("")  # any node with id and type will do as a carrier
    frame = {"type": "image", "id": frame["id"], "image_uri": "tos-cn-i-tb4s082cfz/abc"}
    await wire.video(submit_id="v-1", frame=frame, prompt="")
    record, _ = await wire.seen("v-1")
    assert record["generate_type"] == 32


async def test_records_can_be_made_to_err_about_their_files(start):
    wire = await start(wrong_figures=True)
    told = large(await image(wire))
    assert told["size"] == wire.emulator.media("s-1")[0].size + 1
    origin = (await video(wire))["video"]["transcoded_video"]["origin"]
    (file,) = wire.emulator.media("v-1")
    assert origin["md5"] != file.md5
    assert (origin["width"], origin["size"]) == (file.width, file.size + 1)


async def test_a_client_that_leaves_in_the_midst_is_no_error_of_the_emulator(start, caplog):
    wire = await start(image_bytes=24_000_000)
    url = large(await image(wire))["image_url"]
    async with wire.http.get(URL(url, encoded=True)) as reply:
        await reply.content.readexactly(1000)
        reply.close()
    await wire.emulator.until(lambda: len(wire.emulator.requests.to("media")) == 1)
    assert wire.emulator.requests.to("media")[0].bytes_sent < 24_000_000
    assert (await wire.get(url))[0] == 200
    assert not caplog.records
