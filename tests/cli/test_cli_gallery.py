"""`gallery` on the command line."""

import json
import webbrowser
from pathlib import Path

from PIL import Image


def test_gallery_says_where_the_page_is(cli, emulator, tmp_path):
    cli("image", "雪地里的狐狸", "--count", "2", "--out", "run")
    call = cli("gallery", "run")
    assert (call.status, call.out) == (0, "run/gallery.html\n")
    assert "1 job, 2 files" in call.err
    assert "雪地里的狐狸" in (tmp_path / "run/gallery.html").read_text("utf-8")
    (event,) = cli("gallery", "--out", "run", "--json").events
    assert (event["event"], event["path"]) == ("gallery", "run/gallery.html")
    assert (event["jobs"], event["files"]) == (1, 2)


def test_gallery_opens_the_page_if_asked_to(cli, emulator, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or len(opened) == 1)
    cli("image", "a", "--count", "1", "--out", "my run")
    assert "browser" not in cli("gallery", "my run", "--open").err
    assert opened == [(tmp_path / "my run/gallery.html").as_uri()]
    assert "open the file yourself" in cli("gallery", "my run", "--open").err


def test_gallery_refuses_what_it_cannot_do_in_one_line(cli, tmp_path):
    call = cli("gallery", "nothing-here")
    assert call.status == 2
    assert "no jobs" in call.err
    Path("mine").mkdir()
    assert cli("gallery", "mine").status == 2


def test_embed_puts_the_prompt_into_the_files(cli, emulator, tmp_path):
    call = cli("image", "雪地里的狐狸", "--count", "1", "--seed", "5", "--embed")
    with Image.open(tmp_path / call.out.strip()) as picture:
        assert (picture.text["Description"], picture.text["dreamina:seed"]) == ("雪地里的狐狸", "5")
    (tmp_path / "rows.txt").write_text("a fox\n")
    assert cli("bulk", "rows.txt", "--count", "1", "--embed", "--out", "run").status == 0
    (path,) = (tmp_path / "run").glob("*/*.png")
    with Image.open(path) as picture:
        assert picture.text["Description"] == "a fox"
    assert cli("models", "--embed").status == 2


def test_export_writes_the_table_that_was_asked_for(cli, emulator, tmp_path):
    cli("image", "雪地里的狐狸", "--count", "2", "--out", "run")
    call = cli("export", "run", "--to", "run.jsonl")
    assert (call.status, call.out) == (0, "run.jsonl\n")
    rows = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text("utf-8").splitlines()]
    assert [row["prompt"] for row in rows] == ["雪地里的狐狸"] * 2
    (event,) = cli("export", "--out", "run", "--to", "run.parquet", "--json").events
    assert (event["event"], event["path"], event["rows"]) == ("export", "run.parquet", 2)
    assert (tmp_path / "run.parquet").read_bytes()[:4] == b"PAR1"


def test_export_refuses_in_one_line(cli, tmp_path):
    assert cli("export", "nothing-here", "--to", "a.jsonl").status == 2
    call = cli("export", "nothing-here", "--to", "a.xlsx")
    assert call.status == 2
    assert "jsonl, parquet" in call.err
