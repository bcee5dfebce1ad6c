"""The gallery's page, without a browser: what it tells, what it escapes, where it is put."""

import json
import re
from pathlib import Path

import pytest
from runs import HOSTILE, entry, every_state, with_files, without_journal, write_documents
from session_kit import image, session_for

from dreamina_async import ImageRequest, StorageError
from dreamina_async.emulator import Emulator
from dreamina_async.gallery import GALLERY_NAME, write_gallery


def told(root: Path) -> list[dict]:
    """What the page's script will find."""
    text = (root / GALLERY_NAME).read_text("utf-8")
    (data,) = re.findall(r'<script type="application/json" id="jobs">(.*?)</script>', text)
    return json.loads(data)


async def test_every_job_is_told_with_its_files_and_its_reason(tmp_path: Path) -> None:
    await every_state(tmp_path)
    made = await write_gallery(tmp_path)
    assert (made.path, made.jobs, made.files) == (tmp_path / "gallery.html", 8, 10)
    jobs = told(tmp_path)
    states = ["done"] * 4 + ["failed", "unknown", "pending", "done"]
    assert [job["state"] for job in jobs] == states
    first, second = jobs[:2]
    assert (first["prompt"], first["seed"], first["model"]) == ("a red fox", 7, "jimeng-image-4.0")
    assert (second["prompt"], second["negative"]) == ("月下独酌，水墨画", "文字")
    assert [file["name"] for file in second["files"]] == ["image-0.png", "image-1.png"]
    assert second["files"][0]["src"] == f"{second['id']}/image-0.png"
    assert "seed" not in second
    assert jobs[3]["missing"] == 2
    assert "内容不合规" in jobs[4]["reason"]
    assert "no trace" in jobs[5]["reason"]
    assert "resume" in jobs[6]["reason"]
    assert all("reason" not in job for job in jobs[:4])


async def test_no_prompt_ends_its_element_or_becomes_markup(tmp_path: Path) -> None:
    root = tmp_path / 'a "folder" & <i>more'
    root.mkdir()
    await every_state(root)
    await write_gallery(root)
    text = (root / GALLERY_NAME).read_text("utf-8")
    assert text.count("</script>") == 2
    assert "onerror='window" in text
    assert "<img" not in text
    assert "<i>more" not in text
    assert "\u2028" not in text
    assert "<title>a &quot;folder&quot; &amp; &lt;i&gt;more" in text
    assert told(root)[-1]["prompt"] == HOSTILE


async def test_a_name_with_odd_characters_is_encoded(tmp_path: Path) -> None:
    known = with_files(entry(0, ImageRequest("a", count=1)), tmp_path, 1)
    folder = known.saved[0].path.parent
    odd = folder / "a b#c?d%.png"
    known.saved[0].path.rename(odd)
    document = {"saved_at": "2026-01-01T00:00:00+00:00", "media": [{"path": odd.name}]}
    document["media"][0]["kind"] = "image"
    (folder / "job.json").write_text(json.dumps(document))
    await write_gallery(tmp_path)
    (file,) = told(tmp_path)[0]["files"]
    assert file["src"] == f"{folder.name}/a%20b%23c%3Fd%25.png"
    assert file["there"] is True


async def test_a_file_that_has_gone_is_known_to_have_gone(tmp_path: Path) -> None:
    entries = await every_state(tmp_path)
    entries[1].saved[1].path.unlink()
    await write_gallery(tmp_path)
    assert [file["there"] for file in told(tmp_path)[1]["files"]] == [True, False]


async def test_without_a_journal_the_documents_tell(tmp_path: Path) -> None:
    entries = await every_state(tmp_path)
    await write_gallery(tmp_path)
    finished = [one for one in entries if one.saved]
    before = [job for job in told(tmp_path) if job["files"]]
    await write_documents(finished)
    without_journal(tmp_path)
    made = await write_gallery(tmp_path)
    assert (made.jobs, made.files) == (len(finished), 10)
    assert told(tmp_path) == before


async def test_what_is_no_document_of_ours_is_passed_over(tmp_path: Path) -> None:
    entries = [with_files(entry(0, ImageRequest("a")), tmp_path, 1)]
    await write_documents(entries)
    bad = {
        "broken": "{",
        "list": "[]",
        "deep": "[" * 100_000,
        "outside": json.dumps({"media": [{"path": "../../etc/passwd", "kind": "image"}, 7]}),
        "odd": json.dumps({"media": 3, "request": [], "saved_at": "now", "missing": "x"}),
        "later": json.dumps({"version": 2, "request": {"kind": "song", "prompt": "la"}}),
    }
    for name, text in bad.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "job.json").write_text(text)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "job.json").symlink_to(entries[0].saved[0].path.parent / "job.json")
    made = await write_gallery(tmp_path)
    assert (made.jobs, made.files) == (4, 1)
    assert "passwd" not in made.path.read_text()


async def test_it_works_while_a_session_is_at_it(tmp_path: Path) -> None:
    async with Emulator(speed=600) as emulator, session_for(emulator, tmp_path) as session:
        result = await session.generate(image("now"))
        made = await write_gallery(tmp_path)
        assert (made.jobs, made.files) == (1, 1)
        await session.generate(image("and again"))
        assert (await write_gallery(tmp_path)).jobs == 2
    assert [job["prompt"] for job in told(tmp_path)] == ["now", "and again"]
    assert told(tmp_path)[0]["id"] == result.submit_id
    assert "x-signature" not in (tmp_path / GALLERY_NAME).read_text()


async def test_another_file_of_that_name_is_left_alone(tmp_path: Path) -> None:
    await every_state(tmp_path)
    path = tmp_path / GALLERY_NAME
    path.write_text("<!doctype html>\nmine")
    with pytest.raises(StorageError, match="another file"):
        await write_gallery(tmp_path)
    assert path.read_text().endswith("mine")
    path.unlink()
    other = tmp_path / "elsewhere.html"
    path.symlink_to(other)
    with pytest.raises(StorageError, match="another file"):
        await write_gallery(tmp_path)
    assert not other.exists()


async def test_an_older_gallery_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = await every_state(tmp_path)
    await write_gallery(tmp_path)
    before = (tmp_path / GALLERY_NAME).read_bytes()
    entries[0].saved[0].path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(StorageError, match="full"):
            await write_gallery(tmp_path)
    assert (tmp_path / GALLERY_NAME).read_bytes() == before
    await write_gallery(tmp_path)
    assert (tmp_path / GALLERY_NAME).read_bytes() != before
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob(".gallery*"))


async def test_a_folder_without_jobs_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no jobs"):
        await write_gallery(tmp_path)
    with pytest.raises(StorageError, match="no jobs"):
        await write_gallery(tmp_path / "nowhere")
    assert not list(tmp_path.iterdir())


async def test_a_damaged_journal_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite3").write_bytes(b"not a journal" * 100)
    with pytest.raises(StorageError, match="cannot read the journal"):
        await write_gallery(tmp_path)
