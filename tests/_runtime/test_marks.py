"""The note of what may have left, and what the journal makes of it."""

import os
from pathlib import Path

import pytest

from dreamina_async._core.ledger import Entry
from dreamina_async._runtime import marks
from dreamina_async._runtime.journal import Journal
from dreamina_async.errors import StorageError
from dreamina_async.models import JobState
from dreamina_async.requests import ImageRequest

ONE, OTHER = "19637d71-15df-445e-b86d-490f3549cb85", "cd231d8b-874b-566f-bd71-3f3351351bda"


def intent(submit_id: str) -> Entry:
    request = ImageRequest("孤舟蓑笠翁")
    return Entry(
        submit_id,
        "image",
        JobState.INTENT,
        1.0,
        request=request,
        submit_id=submit_id,
        sent_at=2.0,
    )


async def left_behind(root: Path, *, sent: tuple[str, ...] = ()) -> None:
    """A session that wrote two intents, sent some, and was heard of no more."""
    journal = await Journal.open(root, region="cn")
    for submit_id in (ONE, OTHER):
        await journal.put(intent(submit_id), 2.0)
    for submit_id in sent:
        journal.mark_sent(submit_id)
    await journal.aclose()


async def states(root: Path) -> dict[str, JobState]:
    journal = await Journal.open(root, region="cn")
    try:
        found = [await journal.get(submit_id) for submit_id in (ONE, OTHER)]
        return {one.job_id: one.state for one in found if one is not None}
    finally:
        await journal.aclose()


async def test_only_what_was_noted_may_have_left(tmp_path):
    await left_behind(tmp_path, sent=(ONE,))
    assert await states(tmp_path) == {ONE: JobState.INTENT, OTHER: JobState.PLANNED}


async def test_what_may_have_left_stays_so_in_every_later_session(tmp_path):
    await left_behind(tmp_path, sent=(ONE,))
    for _ in range(3):  # the note is begun anew each time, and says nothing of it any more
        assert (await states(tmp_path))[ONE] is JobState.INTENT


async def test_after_a_reboot_the_note_is_not_believed(tmp_path, monkeypatch):
    await left_behind(tmp_path)
    boot = tmp_path / "boot_id"
    boot.write_text("another boot\n")
    monkeypatch.setattr(marks, "_BOOT_ID", boot)
    assert await states(tmp_path) == {ONE: JobState.INTENT, OTHER: JobState.INTENT}


async def test_where_boots_cannot_be_told_apart_nothing_is_believed(tmp_path, monkeypatch):
    monkeypatch.setattr(marks, "_BOOT_ID", tmp_path / "no such file")
    await left_behind(tmp_path)
    assert await states(tmp_path) == {ONE: JobState.INTENT, OTHER: JobState.INTENT}


async def test_without_its_note_nothing_is_believed(tmp_path):
    await left_behind(tmp_path)
    (tmp_path / marks.MARKS_NAME).unlink()
    assert await states(tmp_path) == {ONE: JobState.INTENT, OTHER: JobState.INTENT}


async def test_a_note_that_cannot_be_written_stops_the_spending(tmp_path, monkeypatch):
    journal = await Journal.open(tmp_path, region="cn")
    try:
        monkeypatch.setattr(os, "write", lambda descriptor, data: len(data) - 1)
        with pytest.raises(StorageError):
            journal.mark_sent(ONE)
        monkeypatch.undo()
        with pytest.raises(StorageError):
            await journal.put(intent(ONE), 2.0)
    finally:
        await journal.aclose()


async def test_the_note_is_the_owners_alone(tmp_path):
    await left_behind(tmp_path, sent=(ONE,))
    assert (tmp_path / marks.MARKS_NAME).stat().st_mode & 0o777 == 0o600
