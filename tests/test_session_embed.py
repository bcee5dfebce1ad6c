"""`DownloadPolicy(embed=True)`: what a file was made from stands in the file that is kept."""

import errno
import hashlib
import io
import logging
import re
from pathlib import Path

import pytest
from PIL import Image
from session_kit import document, downloading, image, png, session_for, settings, world

from dreamina_async import ImageRequest, MediaFile, StorageError, VideoRequest, journal_jobs
from dreamina_async._runtime.disk import Disk
from dreamina_async._runtime.embedding import with_provenance
from dreamina_async._runtime.files import Files
from dreamina_async.emulator import Emulator

RULES = settings(downloading=downloading(embed=True))
PROMPT = "月下独酌 & a <red> fox"


def check_on_disk(file: MediaFile) -> bytes:
    body = file.path.read_bytes()
    assert (len(body), hashlib.sha256(body).hexdigest()) == (file.size, file.sha256)
    return body


async def test_the_facts_stand_in_the_files_and_the_figures_are_theirs(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RULES) as (emulator, session):
        result = await session.generate(ImageRequest(PROMPT, count=2, seed=7))
        for file, made in zip(result.media, emulator.media(result.submit_id or ""), strict=True):
            body = check_on_disk(file)
            with Image.open(file.path) as picture:
                assert picture.text["Description"] == PROMPT
                assert picture.text["dreamina:seed"] == "7"
                assert picture.text["dreamina:submit_id"] == result.submit_id
                assert picture.text["dreamina:history_id"] == result.history_id
                pixels = picture.tobytes()
            with Image.open(io.BytesIO(made.body())) as original:
                assert original.tobytes() == pixels
            assert body[:33] == made.body()[:33]
            assert body.endswith(made.body()[33:])
        (record,) = await journal_jobs(tmp_path)
        assert record.media == result.media
        told = document(result.media[0].path.parent)["media"]
        assert [one["sha256"] for one in told] == [one.sha256 for one in result.media]


async def test_a_video_only_grows_at_its_end(tmp_path: Path) -> None:
    async with world(tmp_path, rules=RULES) as (emulator, session):
        result = await session.generate(VideoRequest(PROMPT))
        (file,), (made,) = result.media, emulator.media(result.submit_id or "")
        body = check_on_disk(file)
        assert body.startswith(made.body())
        added = body[len(made.body()) :]
        assert added[4:8] == b"uuid"
        assert "月下独酌 &amp; a &lt;red&gt; fox" in added.decode("utf-8", "replace")
        assert (file.width, file.duration_ms) == (made.width, made.duration_ms)


async def test_a_file_fetched_again_is_the_same_file(tmp_path: Path) -> None:
    async with Emulator(speed=600) as emulator:
        async with session_for(emulator, tmp_path, settings=RULES) as session:
            first = await session.generate(image(count=2))
        first.media[1].path.unlink()
        async with session_for(emulator, tmp_path, settings=RULES) as session:
            (job,) = await session.resume()
            again = await job
        assert again.media == first.media
        for file in again.media:
            check_on_disk(file)
        async with session_for(emulator, tmp_path, settings=RULES) as session:
            assert await session.resume() == []  # what stands there is what is known
        assert len(emulator.ledger) == 1


async def test_without_the_policy_files_are_the_services_own(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        result = await session.generate(image())
        (made,) = emulator.media(result.submit_id or "")
        assert check_on_disk(result.media[0]) == made.body()


def avif() -> bytes:
    out = io.BytesIO(b"\0\0\0\x18ftypavif\0\0\0\0avifmif1\0\0\0\x0cmeta\0\0\0\0\0\0\0\x09mdatx")
    return out.getvalue()


@pytest.mark.parametrize("body", [avif(), png()])
async def test_a_file_that_is_not_understood_stays_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    files = Files()
    part = await files.open_part(tmp_path, "0-1", "image", durable=False)
    await part.write([body])
    written = await part.finish(len(body))
    with caplog.at_level(logging.WARNING, "dreamina_async"):
        now = await with_provenance(files, part, written, "image", {"prompt": "p"}, "j1")
    final = await part.publish(tmp_path / "x", now.sha256)
    changed = body == png()
    assert (now != written) is changed
    assert (final.read_bytes() != body) is changed
    said = [one for one in caplog.records if re.search("embedded: .*AVIF", one.getMessage())]
    assert [vars(one)["job_id"] for one in said] == ([] if changed else ["j1"])
    assert [one.name for one in tmp_path.iterdir()] == ["x"]
    files.close()


class FullDisk(Disk):
    def create(self, path: Path, mode: int = 0o644) -> io.FileIO:
        if path.name.endswith(".part.part"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().create(path, mode)


async def test_a_full_disk_is_said_and_leaves_nothing_behind(tmp_path: Path) -> None:
    files = Files(disk=FullDisk())
    part = await files.open_part(tmp_path, "0-1", "image", durable=False)
    await part.write([png()])
    written = await part.finish(None)
    with pytest.raises(StorageError, match="No space"):
        await with_provenance(files, part, written, "image", {"prompt": "p"}, "j1")
    assert part.path.read_bytes() == png()
    await part.discard()
    assert list(tmp_path.iterdir()) == []
    files.close()
