"""A journal that is taken away while a session works: what is sent then would be forgotten."""

import shutil
from pathlib import Path

import pytest
from session_kit import image, world

from dreamina_async import StorageError


@pytest.mark.parametrize("how", ["removed", "replaced", "the whole folder"])
async def test_f9_nothing_is_sent_that_no_journal_would_know(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "out"
    async with world(folder) as (emulator, session):
        await session.generate(image("before"))
        if how == "the whole folder":
            shutil.rmtree(folder)
        else:
            journal = folder / "journal.sqlite3"
            journal.rename(tmp_path / "away.sqlite3")
            if how == "replaced":
                shutil.copy(tmp_path / "away.sqlite3", journal)
        for _ in range(2):
            with pytest.raises(StorageError) as caught:
                await session.submit(image("after"))
            assert caught.value.charged == "no"
        assert len(emulator.ledger) == 1
        folder.mkdir(exist_ok=True)
