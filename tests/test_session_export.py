"""A run as a table: stable columns, the same in both formats, whole or not there."""

import asyncio
import json
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from session_kit import SECRET, image, session_for, settings, world

from dreamina_async import (
    EXPORT_COLUMNS,
    InvalidRequest,
    JobState,
    StorageError,
    VideoRequest,
    export_journal,
)
from dreamina_async._core.ledger import Entry
from dreamina_async._runtime.journal import Journal
from dreamina_async.emulator import Emulator

GUIDE = Path(__file__).parent.parent / "docs/how-to/provenance.md"


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


async def test_one_row_for_each_file_and_one_for_a_job_without(tmp_path: Path) -> None:
    outcomes = {"refused": "2038"}
    async with world(tmp_path / "run", outcomes=outcomes) as (_, session):
        done = await session.generate(image("月下独酌\nline two", count=2, seed=7))
        await session.generate(VideoRequest("sea"))
        failed = await session.submit(image("refused"))
        await failed.until_over()
        target = tmp_path / "run.jsonl"
        assert await session.export(target) == 4
    first, second, video, without = lines(target)
    for row in (first, second, video, without):
        assert tuple(row) == tuple(EXPORT_COLUMNS)
        assert row["version"] == 1
    assert first["prompt"] == "月下独酌\nline two"
    assert (first["seed"], first["count"], first["state"]) == (7, 2, "done")
    files = [(one["index"], one["path"], one["sha256"]) for one in (first, second)]
    assert files == [
        (one.index, f"{done.submit_id}/{one.path.name}", one.sha256) for one in done.media
    ]
    assert datetime.fromisoformat(first["saved_at"]) == done.saved_at
    assert first["submitted_at"] <= first["finished_at"] <= first["saved_at"]
    assert (video["kind"], video["format"], video["negative_prompt"]) == ("video", "mp4", None)
    assert (without["state"], without["error"], without["path"]) == ("failed", "JobFailed", None)
    assert without["charged"] == "unknown"
    assert "2038" in without["message"]
    assert SECRET not in target.read_text()
    assert "x-signature" not in target.read_text()


async def test_parquet_holds_the_same(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    async with world(tmp_path / "run") as (_, session):
        await session.generate(image("月下独酌", count=2, seed=7))
        assert await session.export(tmp_path / "a.jsonl") == 2
        assert await session.export(tmp_path / "a.parquet") == 2
    table = parquet.read_table(tmp_path / "a.parquet")
    assert tuple(table.column_names) == tuple(EXPORT_COLUMNS)
    rows = table.to_pylist()
    assert rows[0]["created_at"].tzinfo is not None
    plain = [
        {name: one.isoformat() if isinstance(one, datetime) else one for name, one in row.items()}
        for row in rows
    ]
    assert plain == lines(tmp_path / "a.jsonl")


async def test_a_session_exports_what_it_has_only_just_done(tmp_path: Path) -> None:
    """The row of a job's end is queued when its waiter wakes up, and not always written."""
    async with world(tmp_path / "run") as (_, session):
        for number in range(5):
            await session.generate(image(f"prompt {number}"))
            await session.export(tmp_path / "now.jsonl")
            assert [one["state"] for one in lines(tmp_path / "now.jsonl")] == ["done"] * (
                number + 1
            )


async def test_it_works_without_a_session_and_beside_one(tmp_path: Path) -> None:
    async with Emulator(speed=600) as emulator:
        async with session_for(emulator, tmp_path / "run", settings=settings()) as session:
            await session.generate(image())
            assert await export_journal(tmp_path / "run", tmp_path / "a.txt", "jsonl") == 1
        assert await export_journal(tmp_path / "run", tmp_path / "b.NDJSON") == 1
    assert (tmp_path / "a.txt").read_text() == (tmp_path / "b.NDJSON").read_text()


async def test_many_jobs_pass_through_little_memory(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path, region="cn")
    request = image("月" * 4000)
    for number in range(1000):
        job_id = f"00000000-0000-4000-8000-{number:012}"
        journal.put(Entry(job_id, "image", JobState.DONE, 1e9, request, job_id), 1e9)
    await journal.aclose()
    target = tmp_path / "all.jsonl"
    program = [sys.executable, "-c", EXPORT, str(tmp_path), str(target)]
    told = await asyncio.to_thread(subprocess.check_output, program)
    count, peak = map(int, told.split())
    assert count == 1000
    assert target.stat().st_size > 12_000_000
    assert peak < 3_000_000  # the prompts alone are 8 MB


# in a process of its own: what else is under way here would be counted, too
EXPORT = """
import asyncio, sys, tracemalloc
from dreamina_async import export_journal

folder, target = sys.argv[1:]
asyncio.run(export_journal(folder, target))  # what is imported late is imported by now
tracemalloc.start()
count = asyncio.run(export_journal(folder, target))
print(count, tracemalloc.get_traced_memory()[1])
"""


async def test_an_older_file_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.jsonl"
    target.write_text("older\n")
    async with world(tmp_path / "run") as (_, session):
        await session.generate(image())
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", _full)
            with pytest.raises(StorageError, match="No space"):
                await session.export(target)
        assert target.read_text() == "older\n"
        await session.export(target)
    assert len(lines(target)) == 1
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.jsonl", "run"]


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


async def test_a_cancelled_export_leaves_nothing_half_done(tmp_path: Path) -> None:
    async with world(tmp_path / "run") as (_, session):
        await session.generate(image())
        task = asyncio.create_task(session.export(tmp_path / "a.jsonl"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    names = {one.name for one in tmp_path.iterdir()}
    assert names in ({"run"}, {"run", "a.jsonl"})


@pytest.mark.parametrize(("name", "given"), [("a.csv", None), ("a.jsonl", "csv"), ("a", None)])
async def test_another_format_is_refused(tmp_path: Path, name: str, given: str | None) -> None:
    with pytest.raises(InvalidRequest, match="jsonl, parquet"):
        await export_journal(tmp_path, tmp_path / name, given)  # type: ignore[arg-type]


async def test_parquet_without_pyarrow_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match=r"pip install .*\[parquet\]") as caught:
        await export_journal(tmp_path, tmp_path / "a.parquet")
    assert "\n" not in str(caught.value)


async def test_a_folder_without_a_journal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no journal"):
        await export_journal(tmp_path, tmp_path / "a.jsonl")
    with pytest.raises(StorageError):
        await export_journal(tmp_path, tmp_path / "nowhere" / "a.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_the_guide_names_every_column() -> None:
    table = GUIDE.read_text("utf-8").partition("## The columns")[2]
    named = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)))
    assert named == list(EXPORT_COLUMNS)
