"""Storage faults that a whole session has to survive (F rows)."""

import errno
import shutil
import sqlite3
import tempfile
import time
import unicodedata
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from session_kit import (
    check_job,
    check_result,
    image,
    session_for,
    world,
)

from dreamina_async import DreaminaSession, JobResult, JobState, StorageError
from dreamina_async._core.media import file_name, folder_name
from dreamina_async._runtime.disk import Disk
from dreamina_async._runtime.parts import Doors
from dreamina_async.emulator import Emulator, Fault
from dreamina_async.models import MediaItem, canonical_submit_id

LEFT_BY_A_CRASH = [
    lambda _: b"",
    lambda _: bytes(100),
    lambda body: body[:8] + bytes(100),
    lambda body: bytes(len(body)),
    lambda body: body[:4096] + bytes(len(body) - 4096),
]


@pytest.mark.parametrize(
    "left",
    LEFT_BY_A_CRASH,
    ids=["empty", "zeros", "a head and zeros", "as many zeros", "a head and as many zeros"],
)
async def test_f6_a_file_that_a_crash_has_emptied_is_fetched_again(
    tmp_path: Path, left: Callable[[bytes], bytes]
) -> None:
    async with world(tmp_path) as (emulator, session):
        job = await session.submit(image(count=2))
        result = await job
        await session.aclose()
        result.media[0].path.write_bytes(left(result.media[0].path.read_bytes()))
        async with session_for(emulator, tmp_path) as later:
            (again,) = await later.resume()
            second = await again
        assert emulator.requests.counts["generate"] == 1
        # what stands there is somebody's, for all we know: it is not overwritten
        assert second.media[0].path != result.media[0].path
        assert second.media[1].path == result.media[1].path
        check_result(emulator, second)


def with_a_hole(path: Path) -> None:
    """As a crash leaves it that came between two blocks: head, tail and length are right."""
    body = path.read_bytes()
    path.write_bytes(body[:40] + bytes(len(body) - 80) + body[-40:])


@asynccontextmanager
async def booted(
    emulator: Emulator, folder: Path, boot: str, patch: pytest.MonkeyPatch
) -> AsyncIterator[DreaminaSession]:
    """A session on a machine that has started anew."""
    with patch.context() as patched:
        patched.setattr(DreaminaSession, "_doors", Doors(boot=lambda: boot))
        async with session_for(emulator, folder) as session:
            yield session


async def after_a_crash(
    emulator: Emulator, folder: Path, patch: pytest.MonkeyPatch, *, jobs: int = 1
) -> tuple[Path, list[JobResult]]:
    """What lies in a folder when the machine goes down in the middle of a session."""
    async with booted(emulator, folder / "before", "first", patch) as session:
        results = [await session.generate(image(str(n), count=2)) for n in range(jobs)]
        shutil.copytree(folder / "before", folder / "after")
    return folder / "after", results


async def test_f6_after_a_crash_of_the_machine_every_new_file_is_proved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path / "other") as (emulator, _):
        folder, (result,) = await after_a_crash(emulator, tmp_path, monkeypatch)
        name = str(result.submit_id)
        with_a_hole(folder / name / "image-0.png")
        async with booted(emulator, folder, "second", monkeypatch) as later:
            (job,) = await later.resume()
            again = await job
            check_result(emulator, again)
            assert [file.path.name for file in again.media] == ["image-0~2.png", "image-1.png"]
            assert later.statistics().files == 1
            assert await later.resume() == []
        assert len(emulator.ledger) == 1


@pytest.mark.parametrize("by", ["submit", "attach"])
async def test_f6_a_damaged_file_is_seen_by_whoever_asks_for_its_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    async with world(tmp_path / "other") as (emulator, _):
        folder, (result,) = await after_a_crash(emulator, tmp_path, monkeypatch)
        with_a_hole(folder / str(result.submit_id) / "image-1.png")
        async with booted(emulator, folder, "second", monkeypatch) as later:
            if by == "attach":
                job = later.attach(history_id=result.history_id)
            else:
                job = await later.submit(image("0", count=2), submit_id=result.submit_id)
            check_result(emulator, await job)
        assert len(emulator.ledger) == 1


async def test_f6_a_whole_file_is_not_fetched_for_a_mere_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path / "other") as (emulator, _):
        folder, _ = await after_a_crash(emulator, tmp_path, monkeypatch, jobs=3)
        async with booted(emulator, folder, "second", monkeypatch) as later:
            assert await later.resume() == []


async def test_f6_what_is_known_to_be_on_the_disk_is_not_read_at_every_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand jobs would take minutes: a session that ended in order spares them that."""
    async with world(tmp_path / "other") as (emulator, _):
        folder = tmp_path / "out"
        async with booted(emulator, folder, "first", monkeypatch) as session:
            old, new = [await session.generate(image(str(n))) for n in range(2)]
        set_saved_at(folder, str(old.submit_id), time.time() - 1000)
        for result in (old, new):
            with_a_hole(result.media[0].path)
        async with booted(emulator, folder, "first", monkeypatch) as same:
            assert await same.resume() == []  # it was never down: nothing can be lost
        async with booted(emulator, folder, "second", monkeypatch) as later:
            (job,) = await later.resume()  # the other was finished long before the end
            assert job.submit_id == new.submit_id
            await job


def set_saved_at(folder: Path, submit_id: str, instant: float) -> None:
    connection = sqlite3.connect(folder / "journal.sqlite3")
    connection.execute("UPDATE jobs SET saved_at = ? WHERE submit_id = ?", (instant, submit_id))
    connection.commit()
    connection.close()


async def test_f6_a_half_written_part_is_never_gone_on_with(tmp_path: Path) -> None:
    """What an earlier process left unfinished is thrown away, whatever it holds."""
    async with world(tmp_path) as (emulator, session):
        submit_id = session.submit_id_for("row")
        folder = tmp_path / submit_id
        folder.mkdir()
        for name in (".0-0.part", ".0-1.part", ".job.json.part"):
            (folder / name).write_bytes(b"\0" * 5000)
        job = await session.submit(image(), submit_id=submit_id)
        await job
        check_job(emulator, job)
        assert {path.name for path in folder.iterdir()} == {"image-0.png", "job.json"}


async def test_f11_a_file_grows_beside_its_final_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No folder for temporary files is needed, so none can be on another file system."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    slow = Fault(where="media", what="drip", seconds=0.3)
    out = tmp_path / "out"
    async with world(out, faults=[slow], image_bytes=200_000) as (emulator, session):
        job = await session.submit(image())
        events = session.events()
        async for event in events:
            if type(event).__name__ == "Downloading":
                break
        (part,) = out.rglob("*.part")
        assert part.parent == out / str(job.submit_id)
        await job
        check_job(emulator, job)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


class _TwoFileSystems(Disk):
    """As if a file's final name lay on another file system than its part file."""

    def link(self, source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link", str(source))

    def replace(self, source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link", str(source))


async def test_f11_where_a_rename_is_impossible_nothing_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path) as (emulator, session):
        await session.aclose()
        with monkeypatch.context() as patched:
            patched.setattr(DreaminaSession, "_doors", Doors(disk=_TwoFileSystems))
            async with session_for(emulator, tmp_path) as torn:
                job = await torn.submit(image())
                with pytest.raises(StorageError) as caught:
                    await job
                assert caught.value.charged == "yes"
                assert job.state is JobState.READY
        assert not list(tmp_path.rglob("*.png"))
        async with session_for(emulator, tmp_path) as whole:
            (again,) = await whole.resume()
            check_result(emulator, await again)
        assert len(emulator.ledger) == 1


def folded(name: str) -> str:
    """A name as the most forgetful file system would keep it."""
    return unicodedata.normalize("NFC", name).casefold()


@given(
    st.sets(st.uuids(), min_size=2, max_size=8),
    st.sets(st.integers(10**12, 10**20), min_size=2, max_size=8),
)
def test_f12_no_two_jobs_share_a_folder_on_any_file_system(
    submits: set[UUID], histories: set[int]
) -> None:
    names = [folder_name(str(one), None) for one in submits]
    names += [folder_name(None, str(one)) for one in histories]
    assert len({folded(name) for name in names}) == len(submits) + len(histories)
    for name in names:
        assert folded(name) == name  # nothing there to fold, and nothing to normalise
        assert name.isascii()
        assert len(name.encode()) < 64


_IDS = st.text("abABkK01_-", min_size=1, max_size=64)


@given(st.sets(_IDS | st.builds(str.upper, _IDS) | st.builds(str.lower, _IDS), max_size=12))
def test_f12_attached_ids_that_differ_in_case_alone_share_no_folder(ids: set[str]) -> None:
    names = {folded(folder_name(None, one)) for one in ids}
    assert len(names) == len(ids)
    assert all(len(name.encode()) < 100 for name in names)


@given(st.uuids())
def test_f12_every_spelling_of_an_id_is_one_folder(one: UUID) -> None:
    for text in (str(one), str(one).upper()):
        assert folder_name(canonical_submit_id(text), None) == str(one)


@given(st.lists(st.sampled_from(["image", "video"]), min_size=2, max_size=12), st.text())
def test_f12_no_two_files_of_a_job_share_a_name(kinds: list[str], service: str) -> None:
    items = [
        MediaItem(kind=kind, urls=("https://a.example/x",), uri=service, format=service)  # type: ignore[arg-type]
        for kind in kinds
    ]
    names = [file_name(item, index, "png") for index, item in enumerate(items)]
    assert len({folded(name) for name in names}) == len(names)
    assert not {folded("job.json")} & {folded(name) for name in names}
