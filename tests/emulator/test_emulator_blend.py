import json

import pytest

from dreamina_async.emulator import EmulatorOptions, Order
from dreamina_async.emulator.envelope import Refusal
from dreamina_async.emulator.png import png
from dreamina_async.emulator.uploads import Intake
from dreamina_async.emulator.world import World

pytestmark = pytest.mark.anyio
URIS = tuple(f"tos-cn-i-tb4s082cfz/{n:032x}" for n in range(21))
FRAME = {"type": "image", "id": "f", "source_from": "upload", "width": 0, "height": 0}


def frame(uri=URIS[0], **fields):
    return FRAME | {"image_uri": uri, "uri": uri} | fields


async def blend(wire, uris=URIS[:2], prompt="####把背景换成雪山", submit_id="s-1", **fields):
    return await wire.generate(wire.blend_draft(prompt, uris, **fields), submit_id)


@pytest.fixture
async def wire(start):
    return await start(check_uris=False)


def change(draft, **blend_fields):
    draft["component_list"][0]["abilities"]["blend"] |= blend_fields
    return draft


async def test_a_blend_is_seen_as_one_and_keeps_what_arrived(wire):
    assert (await blend(wire))["ret"] == "0"
    record, _ = await wire.seen("s-1")
    assert (record["generate_type"], record["image_type"]) == (12, 2)
    assert record["item_list"][0]["aigc_image_params"]["generate_type"] == 12
    (order,) = wire.orders("s-1")
    assert (order.references, order.count) == (URIS[:2], 4)
    assert order.prompt == "####把背景换成雪山"
    assert (order.sample_strength, order.intelligent_ratio) == (0.5, False)


@pytest.mark.parametrize("prompt", ["##画", "####画", "画##", "##image 画", "画"])
async def test_every_form_of_prompt_marker_is_taken(wire, prompt):
    assert (await blend(wire, prompt=prompt))["ret"] == "0"
    assert wire.orders("s-1")[0].prompt == prompt


@pytest.mark.parametrize("form", ["uris", "images", "both", "bare", "unified", "loose"])
async def test_one_ability_may_hold_all_the_images(wire, form):
    draft = wire.blend_draft("画", URIS[:3])
    ability = {"type": "", "id": "a", "name": "byte_edit", "strength": 0.3}
    if form != "images":
        ability["image_uri_list"] = list(URIS[:3])
    if form in {"images", "both"}:
        ability["image_list"] = [frame(uri) for uri in URIS[:3]]
    change(draft, ability_list=[ability])
    change(draft, prompt_placeholder_info_list=[{"type": "", "id": "p", "ability_index": 0}])
    if form == "bare":  # AIC
        draft["component_list"][0]["gen_type"] = 12
        for name in ("history_option", "postedit_param", "prompt_placeholder_info_list"):
            del draft["component_list"][0]["abilities"]["blend"][name]
    if form == "unified":  # JSP
        image = {"material_type": "image", "image_info": {"uri": URIS[0]}}
        text = {"meta_type": "text", "text": "画"}
        change(draft, unified_edit_input={"material_list": [image], "meta_list": [text]})
    if form == "loose":
        change(draft, min_version="3.2.9", min_features=[])
    assert (await wire.generate(draft, "s-1"))["ret"] == "0"
    assert wire.orders("s-1")[0].references == URIS[:3]


async def test_how_many_references_a_model_takes(wire):
    assert (await blend(wire, uris=URIS[:10]))["ret"] == "0"
    assert (await blend(wire, uris=URIS[:11]))["ret"] == "1000"
    assert (await blend(wire, uris=()))["ret"] == "1000"
    assert (await blend(wire, uris=URIS[:20], model="jm_image_model_yc_mj82"))["ret"] == "0"
    assert (await blend(wire, uris=URIS[:21], model="jm_image_model_yc_mj82"))["ret"] == "1000"


@pytest.mark.parametrize(
    ("spoiled", "ret"),
    [
        ({"ability_list": [{"type": "", "id": "a", "name": "paint"}]}, "1000"),
        ({"ability_list": "all"}, "1000"),
        ({"prompt_placeholder_info_list": [{"type": "", "id": "p", "ability_index": 9}]}, "1000"),
        ({"postedit_param": {"type": "", "id": "e", "generate_type": 13}}, "1002"),
        ({"core_param": {"type": "", "id": "c"}}, "1000"),
    ],
)
async def test_a_wrong_blend_is_refused(wire, spoiled, ret):
    draft = change(wire.blend_draft("画", URIS[:1]), **spoiled)
    reply = await wire.generate(draft, extend={"root_model": "high_aes_general_v40"})
    assert reply["ret"] == ret
    assert len(wire.emulator.ledger) == 0


async def test_two_lists_of_one_ability_must_agree(wire):
    ability = {"type": "", "id": "a", "name": "byte_edit", "image_uri_list": [URIS[0]]}
    ability["image_list"] = [frame(URIS[1])]
    draft = change(wire.blend_draft("画", URIS[:1]), ability_list=[ability])
    assert (await wire.generate(draft))["ret"] == "1000"


async def test_images_must_be_the_accounts_own(start):
    wire = await start()
    assert (await blend(wire))["ret"] == "1000"
    assert (await wire.video(frame=frame()))["ret"] == "1000"
    await wire.image(submit_id="made")
    await wire.seen("made")
    own = [file.uri for file in wire.emulator.media("made")]
    assert (await blend(wire, uris=own))["ret"] == "0"
    wire.sessionid = "somebody-else"
    assert (await blend(wire, uris=own))["ret"] == "1000"


async def test_an_uploaded_frame_decides_the_ratio(wire):
    await wire.video(submit_id="v-1", ratio="1:1", frame=frame(width=1080, height=1920))
    (order,) = wire.orders("v-1")
    assert (order.ratio, order.first_frame, order.last_frame) == ("9:16", URIS[0], "")
    (file,) = wire.emulator.media("v-1")
    assert file.width < file.height
    assert (await wire.seen("v-1"))[0]["generate_type"] == 32
    await wire.video(submit_id="v-2", ratio="16:9", frame=frame(), end=frame(URIS[1]))
    (order,) = wire.orders("v-2")
    assert (order.ratio, order.last_frame) == ("16:9", URIS[1])
    assert (await wire.video(ratio="any", frame=frame()))["ret"] == "0"


async def test_a_last_frame_alone_is_refused(wire):
    assert (await wire.video(end=frame()))["ret"] == "1000"


def upload(world, account, width, height):
    """Go the way of an upload, from token to commit."""
    token = world.uploads.issue(account, "513695", 2)
    picture = b"".join(png(width, height, b"n" * 32, "a frame"))
    slot = world.uploads.apply(token, len(picture))
    intake = Intake()
    intake.feed(picture)
    slot.content = intake.content()
    return world.uploads.commit(slot).uri


def framed(uri):
    return Order(
        kind="video",
        submit_id="v-1",
        model="m",
        model_name="M",
        prompt="海浪",
        count=1,
        credits=1,
        width=0,
        height=0,
        resolution="720p",
        ratio="1:1",
        first_frame=uri,
        frame_size=(1000, 500),
        draft_content="{}",
    )


def test_the_true_size_of_an_upload_goes_before_what_the_draft_tells():
    world = World(EmulatorOptions())
    mine, theirs = world.login("mine"), world.login("theirs")
    uri = upload(world, mine, 90, 160)
    assert world.accept(mine, framed(uri), 0.0).order.ratio == "9:16"
    with pytest.raises(Refusal) as refusal:
        world.accept(theirs, framed(uri), 0.0)
    assert refusal.value.ret == "1000"


@pytest.mark.parametrize(
    ("form", "frames", "mode", "ret"),
    [
        ("any", True, 0, "0"),
        ("two", True, 2, "0"),
        ("two", True, 0, "1000"),
        ("by_frames", True, 0, "0"),
        ("by_frames", True, 2, "1000"),
        ("by_frames", False, 2, "0"),
    ],
)
async def test_video_mode(start, form, frames, mode, ret):
    wire = await start(check_uris=False, video_mode=form)
    first = frame() if frames else None
    assert (await wire.video(frame=first, video_mode=mode))["ret"] == ret


async def test_total_counts_may_count_references(start):
    wire = await start(check_uris=False, total_counts="references")
    await blend(wire, uris=URIS[:3])
    record, _ = await wire.seen("s-1")
    assert (record["total_image_count"], len(record["item_list"])) == (3, 4)
    assert json.loads(record["draft_content"])["type"] == "draft"
