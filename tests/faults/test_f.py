"""Storage faults that a whole session has to survive (F rows)."""

import errno
import tempfile
import unicodedata
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

from dreamina_async import DreaminaSession, JobState, StorageError
from dreamina_async._core.media import file_name, folder_name
from dreamina_async._runtime.disk import Disk
from dreamina_async._runtime.parts import Doors
from dreamina_async.emulator import Fault
from dreamina_async.models import MediaItem, canonical_submit_id

LEFT_BY_A_CRASH = [b"", b"\0" * 100, b"\x89PNG\r\n\x1a\n" + b"\0" * 100]


@pytest.mark.parametrize("left", LEFT_BY_A_CRASH, ids=["empty", "zeros", "a head and zeros"])
async def test_f6_a_file_that_a_crash_has_emptied_is_fetched_again(
    tmp_path: Path, left: bytes
) -> None:
    async with world(tmp_path) as (emulator, session):
        job = await session.submit(image(count=2))
        result = await job
        await session.aclose()
        result.media[0].path.write_bytes(left)
        async with session_for(emulator, tmp_path) as later:
            (again,) = await later.resume()
            second = await again
        assert emulator.requests.counts["generate"] == 1
        # what stands there is somebody's, for all we know: it is not overwritten
        assert second.media[0].path != result.media[0].path
        assert second.media[1].path == result.media[1].path
        check_result(emulator, second)


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
