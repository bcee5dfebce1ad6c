"""A file has its final name only when it is whole, checked and on the disk."""

import asyncio
import errno
import gc
import hashlib
import io
import json
import os
import stat
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import pytest

from dreamina_async._runtime import files as module
from dreamina_async._runtime.files import Files, PartFile
from dreamina_async.errors import IncompleteDownload, StorageError
from dreamina_async.models import MediaFile


def _chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(noise: int = 0) -> bytes:
    """A whole PNG; `noise` bytes of comment make it larger."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0))
    pixels = _chunk(b"IDAT", zlib.compress((b"\0" + bytes(9)) * 2))
    comment = _chunk(b"tEXt", b"Comment\0" + b"x" * noise)
    return b"\x89PNG\r\n\x1a\n" + header + comment + pixels + _chunk(b"IEND")


PNG = png()
SHA = hashlib.sha256(PNG).hexdigest()


@pytest.fixture
def files() -> Iterator[Files]:
    door = Files()
    yield door
    door.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("dreamina-files")]


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "job"


@pytest.fixture
def final(folder) -> Path:
    return folder / "image-0.png"


@pytest.fixture
def make(files, folder) -> Callable:
    async def make(data: bytes = PNG, name: str = "0-1", *, durable: bool = False) -> PartFile:
        part = await files.open_part(folder, name, "image", durable=durable)
        await part.write([data])
        return part

    return make


async def bring(part: PartFile, final: Path, size: int | None = None) -> Path:
    """The way of every download."""
    try:
        written = await part.finish(size)
        return await part.publish(final, written.sha256)
    finally:
        await part.discard()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Gate:
    """Holds a thread at a function until it is opened; tells when one has come."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: object, name: str) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        real = getattr(owner, name)

        def gated(*arguments):
            self.reached.set()
            assert self.opened.wait(10)
            return real(*arguments)

        monkeypatch.setattr(owner, name, gated)

    async def arrival(self) -> None:
        assert await asyncio.to_thread(self.reached.wait, 10)


# --- The straight way


async def test_a_file_gets_its_name_when_it_is_whole(files, folder, final):
    part = await files.open_part(folder, "0-1", "image", durable=True)
    for byte in PNG:
        await part.write([bytes([byte])])
        assert names(folder) == [".0-1.part"]
    written = await part.finish(len(PNG))
    assert names(folder) == [".0-1.part"]
    assert await part.publish(final, written.sha256) == final
    await part.discard()
    assert names(folder) == ["image-0.png"]
    assert final.read_bytes() == PNG
    assert written.sha256 == SHA
    assert (written.facts.size, written.facts.width, written.facts.height) == (len(PNG), 3, 2)


async def test_pieces_of_one_write_stand_in_order(files, folder, final):
    data = png(100_000)
    part = await files.open_part(folder, "0-1", "image", durable=False)
    await part.write([data[:10], data[10:70_000], b"", data[70_000:]])
    assert (await bring(part, final)).read_bytes() == data


async def test_short_writes_are_carried_on(make, final, monkeypatch):
    class Reluctant(io.FileIO):
        def write(self, data):
            return super().write(bytes(data[:1000]))

    monkeypatch.setattr(module.io, "FileIO", Reluctant)
    data = png(50_000)
    part = await make(data)
    assert (await bring(part, final)).read_bytes() == data


async def test_many_files_at_once(files, folder, make):
    async def one(number: int) -> Path:
        return await bring(await make(png(number), f"{number}-1"), folder / f"image-{number}.png")

    done = await asyncio.gather(*(one(number) for number in range(30)))
    assert [path.read_bytes() for path in done] == [png(number) for number in range(30)]
    assert len(names(folder)) == 30


# --- What is not whole


@pytest.mark.parametrize("size", [len(PNG) - 1, len(PNG) + 1])
async def test_a_length_other_than_announced_is_refused(make, folder, final, size):
    with pytest.raises(IncompleteDownload):
        await bring(await make(), final, size)
    assert names(folder) == []


@pytest.mark.parametrize("size", [None, len(PNG) - 5])
async def test_a_file_cut_short_is_refused(make, folder, final, size):
    with pytest.raises(IncompleteDownload):
        await bring(await make(PNG[:-5]), final, size)
    assert names(folder) == []


async def test_H15_an_error_page_is_refused_at_the_first_write(files, folder):  # noqa: N802
    part = await files.open_part(folder, "0-1", "image", durable=False)
    with pytest.raises(IncompleteDownload):
        await part.write([b"<html>" * 10])
    await part.discard()
    assert names(folder) == []


async def test_discard_twice_and_after_all_is_fine(make, folder, final):
    part = await make()
    await bring(part, final)
    await part.discard()
    assert names(folder) == ["image-0.png"]


# --- Cancellation: the thread is never outrun (M20)


async def _cancelled_natively(work, gate: Gate) -> None:
    task = asyncio.create_task(work)
    await gate.arrival()
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
    gate.opened.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _cancelled_by_scope(work, gate: Gate) -> None:
    async def run() -> None:
        await work
        await anyio.lowlevel.checkpoint()
        raise AssertionError("not cancelled")

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await gate.arrival()
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.sleep(0)
        gate.opened.set()


async def _timed_out(work, gate: Gate) -> None:
    async def run() -> None:
        async with asyncio.timeout(None) as limit:
            await gate_and_expire(limit)
            await work

    async def gate_and_expire(limit) -> None:
        async def expire() -> None:
            await gate.arrival()
            limit.reschedule(0)
            await asyncio.sleep(0)
            gate.opened.set()

        expiring.append(asyncio.create_task(expire()))

    expiring: list[asyncio.Task] = []
    with pytest.raises(TimeoutError):
        await run()
    await expiring[0]


cancelled = pytest.mark.parametrize(
    "cancel", [_cancelled_natively, _cancelled_by_scope, _timed_out]
)


@cancelled
async def test_C6_a_cancelled_write_has_ended_before_discard(  # noqa: N802
    files, folder, cancel, monkeypatch
):
    gate = Gate(monkeypatch, module.CheckedWriter, "writelines")
    part = await files.open_part(folder, "0-1", "image", durable=False)
    order = []
    real = module._throw_away
    monkeypatch.setattr(module, "_throw_away", lambda *a: (order.append("discard"), real(*a)))

    async def write() -> None:
        try:
            await part.write([PNG])
            order.append("write")
        finally:
            assert part._writer.check._source.offset == len(PNG)
            await part.discard()

    await cancel(write(), gate)
    assert order[-1] == "discard"
    assert names(folder) == []
    assert part._writer.closed


@cancelled
async def test_C6_a_cancelled_finish_leaves_nothing(  # noqa: N802
    make, folder, final, cancel, monkeypatch
):
    part = await make(durable=True)
    gate = Gate(monkeypatch, module.os, "fsync")
    await cancel(bring(part, final), gate)
    # an anyio scope cancels at the next wait only, which is after `publish`
    assert names(folder) in ([], ["image-0.png"])
    assert all(path.read_bytes() == PNG for path in folder.iterdir())


@cancelled
async def test_C6_a_cancelled_publish_leaves_the_whole_file(  # noqa: N802
    make, folder, final, cancel, monkeypatch
):
    part = await make()
    gate = Gate(monkeypatch, module, "_move_unless_there")
    await cancel(bring(part, final), gate)
    assert names(folder) == ["image-0.png"]
    assert final.read_bytes() == PNG


async def test_a_cancelled_discard_discards(make, folder, monkeypatch):
    part = await make()
    gate = Gate(monkeypatch, module, "_throw_away")
    await _cancelled_natively(part.discard(), gate)
    assert names(folder) == []


async def test_a_cancelled_open_leaves_no_part_and_no_open_file(files, folder, monkeypatch):
    gate = Gate(monkeypatch, module, "_open_writer")
    opening = files.open_part(folder, "0-1", "image", durable=False)
    await _cancelled_natively(opening, gate)
    gc.collect()  # a file left open would warn here
    assert names(folder) == []


async def test_a_cancelled_open_that_fails_is_a_cancellation(files, tmp_path, monkeypatch):
    (tmp_path / "job").write_text("in the way")
    gate = Gate(monkeypatch, module, "_open_writer")
    await _cancelled_natively(
        files.open_part(tmp_path / "job", "0-1", "image", durable=False), gate
    )


# --- What stands there already


async def test_F10_another_file_is_never_replaced(make, folder, final):  # noqa: N802
    folder.mkdir()
    final.write_text("the user's own")
    (folder / "image-0~2.png").write_text("this one too")
    assert await bring(await make(), final) == folder / "image-0~3.png"
    assert final.read_text() == "the user's own"
    assert names(folder) == ["image-0.png", "image-0~2.png", "image-0~3.png"]


async def test_F10_the_same_content_is_adopted(make, folder, final):  # noqa: N802
    await bring(await make(), final)
    before = final.stat()
    assert await bring(await make(name="0-2"), final) == final
    assert names(folder) == ["image-0.png"]
    assert (final.stat().st_ino, final.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_a_folder_full_of_names_is_an_error(make, folder, final):
    folder.mkdir()
    for candidate in module.other_names(final):
        candidate.write_text("taken")
    with pytest.raises(StorageError) as caught:
        await bring(await make(), final)
    assert caught.value.path == str(final)
    assert ".0-1.part" not in names(folder)


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("dangling", [True, False])
async def test_X14_a_symlink_at_the_name_is_not_followed(  # noqa: N802
    make, folder, final, tmp_path, monkeypatch, links, dangling
):
    victim = tmp_path / "victim"
    if not dangling:
        victim.write_text("precious")
    folder.mkdir()
    final.symlink_to(victim)
    if not links:
        _no_hard_links(monkeypatch)
    assert await bring(await make(), final) == folder / "image-0~2.png"
    assert final.is_symlink()
    assert dangling != victim.exists()
    assert dangling or victim.read_text() == "precious"


async def test_X14_a_symlink_to_the_same_content_is_not_adopted(  # noqa: N802
    make, folder, final, tmp_path
):
    (tmp_path / "copy").write_bytes(PNG)
    folder.mkdir()
    final.symlink_to(tmp_path / "copy")
    assert await bring(await make(), final) == folder / "image-0~2.png"


@pytest.mark.parametrize("dangling", [True, False])
async def test_X14_a_symlink_at_the_part_is_not_followed(  # noqa: N802
    files, folder, tmp_path, dangling
):
    victim = tmp_path / "victim"
    if not dangling:
        victim.write_text("precious")
    folder.mkdir()
    (folder / ".0-1.part").symlink_to(victim)
    with pytest.raises(StorageError):
        await files.open_part(folder, "0-1", "image", durable=False)
    assert dangling != victim.exists()
    assert dangling or victim.read_text() == "precious"


async def test_a_folder_or_a_pipe_at_the_name_is_another_file(make, folder, final):
    folder.mkdir()
    final.mkdir()
    os.mkfifo(folder / "image-0~2.png")
    assert await bring(await make(), final) == folder / "image-0~3.png"


def _no_hard_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def link(source, target):
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(module.os, "link", link)


async def test_a_file_system_without_hard_links(make, folder, final, monkeypatch):
    _no_hard_links(monkeypatch)
    assert await bring(await make(), final) == final
    assert await bring(await make(png(1)), final) == folder / "image-0~2.png"
    assert await bring(await make(), final) == final
    assert names(folder) == ["image-0.png", "image-0~2.png"]


# --- On the disk


@pytest.fixture
def synced(monkeypatch) -> list[str]:
    """What was fsynced, by path, in order."""
    seen: list[str] = []
    real = os.fsync

    def fsync(descriptor):
        seen.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(module.os, "fsync", fsync)
    return seen


async def test_durable_means_folder_file_and_name_are_synced(make, folder, final, synced):
    await bring(await make(durable=True), final)
    assert synced == [str(folder.parent), str(folder / ".0-1.part"), str(folder)]


async def test_F5_the_bytes_are_synced_before_the_name_exists(  # noqa: N802
    make, final, monkeypatch
):
    part = await make(durable=True)
    at_sync = []
    monkeypatch.setattr(
        module.os, "fsync", lambda fd: at_sync.append((os.fstat(fd).st_size, final.exists()))
    )
    await bring(part, final)
    assert at_sync[0] == (len(PNG), False)
    assert at_sync[-1][1] is True


async def test_not_durable_means_no_sync(make, files, folder, final, synced):
    await bring(await make(), final)
    await files.write_json(folder / "job.json", {}, durable=False)
    assert synced == []


async def test_F4_a_failed_sync_is_a_failed_file(  # noqa: N802
    make, folder, final, monkeypatch
):
    part = await make(durable=True)
    monkeypatch.setattr(module.os, "fsync", _raising(errno.EIO))
    with pytest.raises(StorageError):
        await bring(part, final)
    assert names(folder) == []


def _raising(number: int) -> Callable:
    def fail(*_arguments, **_options):
        raise OSError(number, os.strerror(number))

    return fail


# --- The disk refuses


@pytest.mark.parametrize(
    "number",
    [errno.EROFS, errno.EACCES, errno.EMFILE, errno.ENAMETOOLONG, errno.EDQUOT, errno.ETIMEDOUT],
)
async def test_F7_refusals_are_storage_errors_with_the_path(  # noqa: N802
    files, folder, monkeypatch, number
):
    monkeypatch.setattr(module.os, "open", _raising(number))
    with pytest.raises(StorageError) as caught:
        await files.open_part(folder, "0-1", "image", durable=False)
    assert caught.value.path == str(folder / ".0-1.part")
    assert os.strerror(number) in str(caught.value)


async def test_a_file_in_the_folders_place_is_a_storage_error(files, tmp_path):
    (tmp_path / "blocked").write_text("a file")
    for folder in (tmp_path / "blocked", tmp_path / "blocked" / "deeper"):
        with pytest.raises(StorageError) as caught:
            await files.open_part(folder, "0-1", "image", durable=False)
        assert str(folder) in caught.value.path
        with pytest.raises(StorageError):
            await files.prepare_folder(folder)
        with pytest.raises(StorageError):
            await files.write_json(folder / "job.json", {}, durable=True)


async def test_F9_a_folder_that_vanishes_is_a_storage_error(  # noqa: N802
    make, folder, final
):
    part = await make()
    folder.rename(folder.with_name("moved"))
    written = await part.finish(None)
    with pytest.raises(StorageError) as caught:
        await part.publish(final, written.sha256)
    assert caught.value.path == str(final)
    await part.discard()


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOTDIR, errno.EIO])
async def test_discard_never_fails(make, monkeypatch, number):
    part = await make()
    monkeypatch.setattr(module.Path, "unlink", _raising(number))
    await part.discard()
    assert part._writer.closed


@contextmanager
def tiny_disk(path: Path) -> Iterator[Path]:
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small disk")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


async def test_F1_a_full_disk_is_a_storage_error_and_leaves_nothing(  # noqa: N802
    files, tmp_path
):
    data = png(2 << 20)
    with tiny_disk(tmp_path / "disk") as disk:
        part = await files.open_part(disk / "job", "0-1", "image", durable=True)
        with pytest.raises(StorageError, match=os.strerror(errno.ENOSPC)) as caught:
            await part.write([data[:1000], data[1000:]])
        assert caught.value.path == str(disk / "job" / ".0-1.part")
        await part.discard()
        assert names(disk / "job") == []
        # and there is room again
        part = await files.open_part(disk / "job", "0-2", "image", durable=True)
        await part.write([PNG])
        await bring(part, disk / "job" / "image-0.png")


async def test_F1_a_disk_full_at_the_last_buffer(files, tmp_path):  # noqa: N802
    """The tail stays in the buffer until `finish`."""
    with tiny_disk(tmp_path / "disk") as disk:
        part = await files.open_part(disk / "job", "0-1", "image", durable=True)
        await part.write([PNG])
        with (disk / "filler").open("wb", 0) as filler, suppress(OSError):
            while True:
                filler.write(bytes(4096))
        with pytest.raises(StorageError):
            await bring(part, disk / "job" / "image-0.png")
        assert names(disk / "job") == []


async def test_a_full_disk_keeps_the_old_document(files, tmp_path):
    with tiny_disk(tmp_path / "disk") as disk:
        path = disk / "job.json"
        await files.write_json(path, {"old": 1}, durable=True)
        with pytest.raises(StorageError) as caught:
            await files.write_json(path, {"new": "x" * (2 << 20)}, durable=True)
        assert caught.value.path == str(path)
        assert json.loads(path.read_text()) == {"old": 1}
        assert names(disk) == ["job.json"]


_LIMITED = """
import asyncio, resource, signal, sys
from pathlib import Path
from dreamina_async._runtime.files import Files
from dreamina_async.errors import StorageError

async def main(folder):
    files = Files()
    part = await files.open_part(folder, "0-1", "image", durable=False)
    try:
        await part.write([sys.stdin.buffer.read()])
    except StorageError as error:
        print(error)
    await part.discard()
    files.close()

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
asyncio.run(main(Path(sys.argv[1])))
"""


def test_F8_a_file_size_limit_is_a_storage_error(folder):  # noqa: N802
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(folder)], input=png(100_000), capture_output=True
    )
    assert os.strerror(errno.EFBIG) in done.stdout.decode()
    assert done.returncode == 0, done.stderr
    assert names(folder) == []


# --- Documents and folders


async def test_write_json_replaces_the_whole_at_once(files, tmp_path, monkeypatch):
    path = tmp_path / "job.json"
    await files.write_json(path, {"prompt": "柴犬"}, durable=True)
    gate = Gate(monkeypatch, module.os, "fsync")
    task = asyncio.create_task(files.write_json(path, {"prompt": "猫"}, durable=True))
    await gate.arrival()
    assert json.loads(path.read_text()) == {"prompt": "柴犬"}
    gate.opened.set()
    await task
    assert json.loads(path.read_text()) == {"prompt": "猫"}
    assert names(tmp_path) == ["job.json"]


async def test_write_json_survives_a_part_left_by_a_crash(files, tmp_path):
    (tmp_path / ".job.json.part").write_text('{"half')
    await files.write_json(tmp_path / "job.json", [1], durable=False)
    assert names(tmp_path) == ["job.json"]


async def test_write_json_syncs_file_and_folder(files, tmp_path, synced):
    await files.write_json(tmp_path / "job.json", {}, durable=True)
    assert synced == [str(tmp_path / ".job.json.part"), str(tmp_path)]


async def test_write_json_follows_no_symlink(files, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    for name in (".job.json.part", "job.json"):
        (tmp_path / name).symlink_to(victim)
    await files.write_json(tmp_path / "job.json", {}, durable=False)
    assert victim.read_text() == "precious"
    assert not (tmp_path / "job.json").is_symlink()


async def test_the_folder_is_made_for_its_owner_alone(files, tmp_path):
    old = os.umask(0)
    try:
        await files.prepare_folder(tmp_path / "new")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert names(tmp_path / "new") == []


async def test_missing_parents_are_made(files, tmp_path):
    await files.prepare_folder(tmp_path / "a" / "b" / "c")
    part = await files.open_part(tmp_path / "d" / "e", "0-1", "image", durable=True)
    await part.discard()


async def test_a_folder_that_is_there_keeps_its_mode_and_files(files, tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "mine.txt").write_text("mine")
    await files.prepare_folder(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert names(tmp_path) == ["mine.txt"]


async def test_a_folder_without_room_for_a_file_is_refused(files, tmp_path, monkeypatch):
    monkeypatch.setattr(module.os, "open", _raising(errno.EACCES))
    with pytest.raises(StorageError) as caught:
        await files.prepare_folder(tmp_path)
    assert caught.value.path == str(tmp_path)


async def test_cleaning_removes_our_parts_only(files, folder):
    await files.clean_folder(folder)  # none yet
    folder.mkdir()
    kept = {"image-0.png", "job.json", ".hidden", "notes.part", ".part.txt", ".folder.part"}
    for name in kept - {".folder.part"}:
        (folder / name).write_text("x")
    (folder / ".folder.part").mkdir()
    for name in (".0-1.part", ".3-12.part", ".job.json.part"):
        (folder / name).write_text("half")
    await files.clean_folder(folder)
    assert set(names(folder)) == kept


async def test_cleaning_removes_a_planted_link_not_its_target(files, folder, tmp_path):
    (tmp_path / "victim").write_text("precious")
    folder.mkdir()
    (folder / ".0-1.part").symlink_to(tmp_path / "victim")
    await files.clean_folder(folder)
    assert names(folder) == []
    assert (tmp_path / "victim").read_text() == "precious"


def file_of(path: Path, body: bytes) -> MediaFile:
    return MediaFile(
        path, "image", 0, None, None, "png", len(body), hashlib.sha256(body).hexdigest()
    )


@pytest.mark.parametrize("doubted", [False, True])
async def test_only_plain_files_of_their_size_are_whole(files, tmp_path, doubted):
    body = b"the first and the last of it count"
    (tmp_path / "good").write_bytes(body)
    (tmp_path / "short").write_bytes(body[:-1])
    (tmp_path / "link").symlink_to(tmp_path / "good")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    names_ = ["good", "short", "link", "folder", "pipe", "gone", "good/x"]
    asked = [(file_of(tmp_path / name, body), doubted) for name in names_]
    assert await files.are_whole(asked) == [True, *[False] * 6]
    assert await files.are_whole(asked * 100) == [True, *[False] * 6] * 100


BODY = bytes(range(1, 200))


@pytest.mark.parametrize(
    ("left", "whole", "proved"),
    [
        (BODY, True, True),
        (bytes(len(BODY)), False, False),
        (BODY[:100] + bytes(99), False, False),
        (bytes(100) + BODY[100:], False, False),
        (BODY[:50] + bytes(50) + BODY[100:], True, False),  # seen by its digest alone
    ],
    ids=["whole", "zeros", "a head", "a tail", "a hole"],
)
async def test_f6_what_a_crash_has_emptied_is_not_whole(files, tmp_path, left, whole, proved):
    (tmp_path / "file").write_bytes(left)
    file = file_of(tmp_path / "file", BODY)
    assert await files.are_whole([(file, False), (file, True)]) == [whole, proved]


async def test_zeros_at_the_end_of_a_whole_file_are_no_damage(files, tmp_path):
    body = BODY + bytes(64)
    (tmp_path / "file").write_bytes(body)
    assert await files.are_whole([(file_of(tmp_path / "file", body), False)]) == [True]


async def test_f7_too_many_open_files_do_not_make_the_others_missing(files, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(BODY)

    def full(*_: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(StorageError, match="cannot read"):
        await files.are_whole([(file_of(tmp_path / "file", BODY), False)])


async def test_F13_a_slow_disk_does_not_hold_up_the_loop(  # noqa: N802
    files, make, monkeypatch
):
    gate = Gate(monkeypatch, module.CheckedWriter, "writelines")
    task = asyncio.create_task(make())
    await gate.arrival()
    for _ in range(100):  # the loop turns while the thread is stuck
        await asyncio.sleep(0)
    assert not task.done()
    gate.opened.set()
    await (await task).discard()


async def test_nothing_after_close(files, folder):
    files.close()
    with pytest.raises(RuntimeError):
        await files.open_part(folder, "0-1", "image", durable=False)
