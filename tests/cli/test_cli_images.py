"""Images of the user's own, MCP, budgets and mixed manifests on the command line."""

import json

import pytest
from session_kit import png


def of(events, name):
    return [event for event in events if event["event"] == name]


@pytest.fixture
def pictures(tmp_path):
    """Three different pictures in the working folder."""
    for seed in range(3):
        (tmp_path / f"图{seed}.png").write_bytes(png(seed))
    return tmp_path


def test_image_from_references(cli, emulator, pictures):
    tokens = ("--ref", "图0.png", "--ref", "图1.png", "--count", "2")
    call = cli("image", "把它们画在一起", *tokens, "--json")
    assert call.status == 0
    (job,) = of(call.events, "job")
    assert job["request"]["references"] == ["图0.png", "图1.png"]
    (order,) = emulator.orders
    assert (len(order.references), order.count) == (2, 2)


def test_the_same_reference_for_every_prompt_is_uploaded_once(cli, emulator, pictures):
    call = cli("image", "春天", "夏天", "秋天", "--ref", "图0.png", "--count", "1")
    assert call.status == 0
    assert emulator.requests.counts["upload"] == 1
    assert len(emulator.orders) == 3


@pytest.mark.parametrize("last", [True, False])
def test_video_from_frames_needs_no_prompt(cli, emulator, pictures, last):
    tokens = ("--last-frame", "图1.png") if last else ()
    call = cli("video", "--first-frame", "图0.png", *tokens)
    assert call.status == 0
    (order,) = emulator.orders
    assert (bool(order.first_frame), bool(order.last_frame)) == (True, last)


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (("image", "x", "--ref", "nowhere.png"), "nowhere.png"),
        (("video", "x", "--last-frame", "图0.png"), "first one"),
        (("image", "x", "--via", "mcp", "--ref", "图0.png"), "MCP"),
        (("image", "x", "--via", "fax"), "mcp"),
        (("image", "x", "--max-credits", "0"), "--max-credits"),
        (("image", "x", "--model", "key:unheard_of", "--max-credits", "9"), "price"),
    ],
)
def test_wrong_calls_are_one_line_and_status_2(cli, emulator, pictures, tokens, words, generated):
    call = cli(*tokens)
    assert call.status == 2
    assert words in call.err
    assert generated() == 0


def test_via_mcp(cli, emulator):
    call = cli("image", "水墨山水", "--via", "mcp")
    assert call.status == 0
    assert len(call.out.splitlines()) == 4
    assert "generate" not in emulator.requests.counts


def test_a_budget_stops_before_it_is_passed_and_the_rest_can_follow(cli, emulator, tmp_path):
    (tmp_path / "rows.txt").write_text("一\n二\n三\n四\n五\n", encoding="utf-8")
    tokens = ("bulk", "rows.txt", "--count", "1", "--resolution", "2k", "--max-in-flight", "1")
    call = cli(*tokens, "--max-credits", "8")
    assert call.status == 4
    assert "max_credits" in call.err
    assert emulator.ledger.credits == 8
    assert cli(*tokens).status == 0
    assert emulator.ledger.credits == 20
    assert emulator.ledger.repeated() == {}


MIXED = """kind,prompt,model,count,references,first_frame,duration
image,一只橘猫,,1,,,
image,同一个房间，换成冬天,,1,房间/图.png,,
image,"两张图,合成一张",4.1,1,房间/图.png; 房间/图2.png,,
video,窗帘被风吹起,,,,房间/图.png,5
video,海浪,,,,,10
"""


@pytest.fixture
def mixed(tmp_path):
    """A manifest of images and videos in another folder, its pictures beside it."""
    folder = tmp_path / "资料"
    (folder / "房间").mkdir(parents=True)
    (folder / "房间" / "图.png").write_bytes(png(1))
    (folder / "房间" / "图2.png").write_bytes(png(2))
    (folder / "混合.csv").write_text(MIXED, encoding="utf-8")
    return folder / "混合.csv"


def test_a_mixed_manifest_sees_its_pictures_from_its_own_folder(cli, emulator, mixed):
    call = cli("bulk", mixed, "--json")
    assert call.status == 0
    assert call.events[-1]["images"] == 3
    assert call.events[-1]["videos"] == 2
    assert emulator.requests.counts["upload"] == 2
    references = sorted(len(order.references) for order in emulator.orders)
    assert references == [0, 0, 0, 1, 2]


def test_a_manifest_that_moved_is_the_same_manifest(cli, emulator, mixed, tmp_path):
    assert cli("bulk", mixed, "--out", "out").status == 0
    mixed.parent.rename(tmp_path / "别处")
    call = cli("bulk", tmp_path / "别处" / mixed.name, "--out", "out", "--json")
    assert call.status == 0
    assert call.events[-1]["done_before"] == 5
    assert len(emulator.ledger) == 5


def test_a_picture_that_is_not_there_is_a_bad_row(cli, emulator, mixed, generated):
    (mixed.parent / "房间" / "图2.png").unlink()
    call = cli("bulk", mixed)
    assert call.status == 2
    assert "line 4" in call.err
    assert "图2.png" in call.err
    assert generated() == 0


def test_dry_run_tells_the_cost_of_what_is_new(cli, emulator, tmp_path, generated):
    rows = [{"prompt": f"{n}", "count": n, "resolution": "2k"} for n in (1, 2)]
    rows += [{"prompt": "视频", "kind": "video", "model": "seedance-2.0-mini"}]
    rows += [{"prompt": "不知道", "model": "key:unheard_of"}]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    call = cli("bulk", "rows.jsonl", "--dry-run", "--json")
    assert call.status == 0
    assert [event["credits"] for event in of(call.events, "planned")] == [4, 8, 24, None]
    (quote,) = of(call.events, "quote")
    assert (quote["credits"], quote["unpriced"], quote["jobs"]) == (36, 1, 4)
    assert "expected cost" in call.err
    assert generated() == 0
    assert cli("bulk", "rows.jsonl", "--limit", "1").status == 0
    (quote,) = of(cli("bulk", "rows.jsonl", "--dry-run", "--json").events, "quote")
    assert (quote["credits"], quote["jobs"]) == (32, 3)


def test_models_live(cli, emulator):
    call = cli("models", "--live", "--json")
    assert call.status == 0
    assert {"jimeng-image-4.0", "jimeng-video-3.0"} <= {one["name"] for one in call.events}
    assert emulator.requests.counts.get("generate", 0) == 0


def test_a_picture_is_needed_for_new_rows_only(cli, emulator, mixed):
    assert cli("bulk", mixed, "--out", "o").status == 0
    (mixed.parent / "房间" / "图2.png").unlink()
    with mixed.open("a", encoding="utf-8") as file:
        file.write("image,新的一行,,1,,,\n")
    call = cli("bulk", mixed, "--out", "o", "--json")
    assert call.status == 0
    assert call.events[-1]["done_before"] == 5
    assert len(emulator.ledger) == 6


def test_a_budget_asks_for_the_prices_of_new_rows_only(cli, emulator, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"prompt": "x", "model": "key:high_aes_general_v40"}\n')
    assert cli("bulk", "rows.jsonl").status == 0
    assert cli("bulk", "rows.jsonl", "--max-credits", "1").status == 0
    assert len(emulator.ledger) == 1


def test_a_column_that_looks_like_a_field_is_pointed_out(cli, emulator, pictures):
    (pictures / "rows.csv").write_text(
        "prompt,ref,promt_note,first_frames\n猫,图0.png,,\n", "utf-8"
    )
    call = cli("bulk", "rows.csv", "--dry-run")
    assert "'ref' is ignored; did you mean 'references'?" in call.err
    assert "'first_frames' is ignored; did you mean 'first_frame'?" in call.err
    assert "promt_note" not in call.err


def test_a_dry_run_names_the_pictures(cli, emulator, mixed):
    call = cli("bulk", mixed, "--dry-run")
    assert "from 图.png, 图2.png: 两张图,合成一张" in call.out


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ('{"prompt": "x", "first_frame": "图0.png"}', "kind"),
        ('{"prompt": "x", "references": [{"sha256": "' + "a" * 64 + '", "size": 5}]}', "digest"),
    ],
)
def test_rows_that_can_be_no_job(cli, emulator, pictures, row, words, generated):
    (pictures / "rows.jsonl").write_text(row, encoding="utf-8")
    call = cli("bulk", "rows.jsonl")
    assert call.status == 2
    assert words in call.err
    assert generated() == 0


def test_a_frame_speaks_for_itself_in_a_manifest_too(cli, emulator, pictures):
    (pictures / "rows.csv").write_text("kind,prompt,first_frame\nvideo,,图0.png\n", "utf-8")
    assert cli("bulk", "rows.csv").status == 0
    assert emulator.orders[0].first_frame


def test_another_folders_picture_under_the_same_name_is_not_taken_in_silence(
    cli, emulator, tmp_path
):
    for name, seed in (("甲", 1), ("乙", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "main.png").write_bytes(png(seed))
        text = "prompt,references,count\n白色背景,main.png,1\n"
        (tmp_path / name / "m.csv").write_text(text, encoding="utf-8")
    assert cli("bulk", "甲/m.csv", "--out", "o").status == 0
    call = cli("bulk", "乙/m.csv", "--out", "o")
    assert len(emulator.ledger) == 1
    assert "line 2: sent before with 甲/main.png; with 乙/main.png it is not sent again" in call.err
    assert "not sent again" not in cli("bulk", "甲/m.csv", "--out", "o").err
