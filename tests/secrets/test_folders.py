"""What somebody else may have put into the folder, and who else may work in it."""

import fcntl
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from session_kit import JOURNAL, check_result, image, session_for, world

from dreamina_async import JobState, JournalLocked, StorageError
from dreamina_async._runtime.journal import Journal
from dreamina_async._runtime.marks import boot_id

LOCK = ".journal.lock"
VICTIM = b"precious"


# ---- links (X14) -------------------------------------------------------------------------


async def test_x14_a_link_in_the_place_of_a_jobs_folder_is_not_followed(tmp_path: Path) -> None:
    victims = tmp_path / "victims"
    victims.mkdir()
    (victims / ".old.part").write_bytes(VICTIM)
    out, submit_id = tmp_path / "out", str(uuid4())
    async with world(out) as (emulator, session):
        (out / submit_id).symlink_to(victims)
        job = await session.submit(image(), submit_id=submit_id)
        with pytest.raises(StorageError, match="symbolic link") as caught:
            await job
        assert caught.value.charged == "yes"
        assert job.state is JobState.READY
        assert [one.name for one in victims.iterdir()] == [".old.part"]
        await session.aclose()
        (out / submit_id).unlink()
        async with session_for(emulator, out) as later:
            (again,) = await later.resume()
            check_result(emulator, await again)
        assert len(emulator.ledger) == 1


@pytest.mark.parametrize("name", ["image-0.png", "job.json", ".0-0.part", ".job.json.part"])
async def test_x14_a_link_at_a_files_name_is_never_written_through(
    tmp_path: Path, name: str
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(VICTIM)
    out, submit_id = tmp_path / "out", str(uuid4())
    async with world(out) as (emulator, session):
        (out / submit_id).mkdir()
        (out / submit_id / name).symlink_to(victim)
        job = await session.submit(image(), submit_id=submit_id)
        check_result(emulator, await job)
    assert victim.read_bytes() == VICTIM
    for path in (out / submit_id).iterdir():
        assert path.name == "image-0.png" or not path.is_symlink()


@pytest.mark.parametrize("name", ["", "-wal", "-shm", "-journal"])
async def test_x14_a_link_at_the_journals_files_is_refused(tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(VICTIM)
    out = tmp_path / "out"
    out.mkdir()
    (out / f"{JOURNAL}{name}").symlink_to(victim)
    with pytest.raises(StorageError, match="symbolic link"):
        await Journal.open(out, region="cn")
    assert victim.read_bytes() == VICTIM


# ---- modes (X15) -------------------------------------------------------------------------


@pytest.fixture
def careless() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("careless")
async def test_x15_without_a_umask_nobody_else_can_write(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with world(out) as (_, session):
        await session.generate(image())
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (out, *out.rglob("*"))}
    assert modes[out] == 0o700
    for path, mode in modes.items():
        if "journal" in path.name:
            assert mode == 0o600, path
        assert not mode & 0o022, path


# ---- two processes (P8, F14) -------------------------------------------------------------


@pytest.fixture
def lying(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that grants every lock."""
    monkeypatch.setattr(fcntl, "flock", lambda lock, kind: None)


@pytest.fixture
def living() -> Iterator["subprocess.Popen[bytes]"]:
    """Another process, which has nothing to do with us."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def start_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def claims(pid: int, boot: str, start: str) -> str:
    return f"{pid}\n{boot}\n{start}\n"


@pytest.mark.usefixtures("lying")
async def test_f14_where_every_lock_is_granted_the_claim_keeps_others_out(
    tmp_path: Path, living: "subprocess.Popen[bytes]"
) -> None:
    claim = claims(living.pid, boot_id(), start_of(living.pid))
    (tmp_path / LOCK).write_text(claim)
    for _ in range(2):
        with pytest.raises(JournalLocked) as caught:
            await Journal.open(tmp_path, region="cn")
        assert caught.value.pid == living.pid
    assert not (tmp_path / JOURNAL).exists()
    assert (tmp_path / LOCK).read_text() == claim
    living.kill()
    living.wait()
    await (await Journal.open(tmp_path, region="cn")).aclose()


_HOLD = """
import asyncio, fcntl, sys
from pathlib import Path
from dreamina_async._runtime.journal import Journal
fcntl.flock = lambda lock, kind: None
async def main():
    journal = await Journal.open(Path(sys.argv[1]), region="cn")
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await journal.aclose()
asyncio.run(main())
"""


@pytest.mark.usefixtures("lying")
async def test_f14_p8_two_processes_on_such_a_file_system(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HOLD, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(JournalLocked) as caught:
            await Journal.open(tmp_path, region="cn")
        assert caught.value.pid == process.pid
        process.kill()
    journal = await Journal.open(tmp_path, region="cn")  # it can no longer be at work
    assert (tmp_path / LOCK).read_text().startswith(f"{os.getpid()}\n")
    await journal.aclose()
    assert (tmp_path / LOCK).read_text() == ""


@pytest.mark.parametrize(
    "claim",
    [
        lambda pid: claims(pid, boot_id(), "1"),
        lambda pid: claims(pid, "another boot", start_of(pid)),
        lambda pid: f"{pid}\n",
        lambda pid: f"{pid}\n{boot_id()}\n\n",
        lambda pid: f"x{pid}\n{boot_id()}\n{start_of(pid)}\n",
        lambda pid: claims(2**40, boot_id(), start_of(pid)),
        lambda pid: "\0" * 500,
    ],
    ids=["another start", "another boot", "older form", "no start", "no number", "no such", "junk"],
)
async def test_p8_a_number_that_another_program_has_now_holds_nothing(
    tmp_path: Path, living: "subprocess.Popen[bytes]", claim: Callable[[int], str]
) -> None:
    (tmp_path / LOCK).write_text(claim(living.pid))
    await (await Journal.open(tmp_path, region="cn")).aclose()
