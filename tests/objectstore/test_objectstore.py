"""Results that go to an object store: whole under their names, or not there at all."""

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from buckets import KEY_ID, LARGE, SECRET_KEY, Bucket, check_stored, names_of, storing
from rawserver import RawServer, reply, serving
from session_kit import SECRET, downloading, image, retrying, rows, session_for, settings

from dreamina_async import (
    Credentials,
    DownloadError,
    DownloadPolicy,
    DreaminaSession,
    ImageRequest,
    IncompleteDownload,
    InvalidRequest,
    JobState,
    Settings,
    StorageError,
    VideoRequest,
    export_journal,
    journal_folder,
    journal_jobs,
)
from dreamina_async.emulator import Emulator, Fault
from dreamina_async.gallery import write_gallery

BOTH = pytest.mark.parametrize("size", [0, LARGE], ids=["put", "multipart"])
SWEPT = [0, pytest.param(LARGE, marks=pytest.mark.sweep)]
MORE = pytest.mark.parametrize("size", SWEPT, ids=["put", "multipart"])
SMALL_BLOCKS = downloading(block=1 << 18)


def media(what: str, **options: Any) -> Fault:
    return Fault(where="media", what=what, **options)


# ---- the way of every file -------------------------------------------------------------


async def test_files_and_their_story_stand_in_the_store_and_nowhere_else(bucket: Bucket) -> None:
    async with storing(bucket) as (emulator, session):
        assert (session.output_url, session.output_dir) == (bucket.url, bucket.journal)
        results = [
            await session.generate(image("刺绣猫", count=4)),
            await session.generate(VideoRequest("sea")),
        ]
        for result in results:
            check_stored(bucket, emulator, result)
            story = json.loads(bucket.read(f"{result.submit_id}/job.json"))
            assert [one["path"] for one in story["media"]] == [f.path.name for f in result.media]
            assert "url" not in story["media"][0]
        assert bucket.names() == names_of(results[0]) | names_of(results[1])
        assert bucket.kind(f"{results[0].submit_id}/job.json") == "application/json"


async def test_a_large_file_is_an_upload_that_shows_at_its_end(bucket: Bucket) -> None:
    options = {"image_bytes": LARGE, "video_bytes": LARGE}
    async with storing(bucket, rules=settings(downloading=SMALL_BLOCKS), **options) as (
        emulator,
        session,
    ):
        for request in (image(), VideoRequest("sea")):
            result = await session.generate(request)
            check_stored(bucket, emulator, result)
            assert result.media[0].size >= LARGE
            assert bucket.names() >= names_of(result)


async def test_later_sessions_know_what_stands_and_fetch_what_is_gone(bucket: Bucket) -> None:
    async with storing(bucket) as (emulator, session):
        jobs = [await session.submit(image(str(number), count=2)) for number in range(3)]
        results = [await job for job in jobs]
        await session.aclose()

        async with session_for(emulator, f"{bucket.url}/") as later:
            assert await later.resume() == []
            again = await later.find(str(jobs[0].submit_id))
            assert again is not None
            assert await again == results[0]

        first, second = (str(file.path) for file in results[0].media)
        bucket.remove(first)
        bucket.put(second, b"somebody wrote over it")
        async with session_for(emulator, bucket.url) as later:
            (job,) = await later.resume()
            result = await job
            assert later.statistics().files == 2
            assert str(result.media[0].path) == first
            assert result.media[1].path.name == "image-1~2.png"
            assert bucket.read(second) == b"somebody wrote over it"
            check_stored(bucket, emulator, result)
        assert len(emulator.ledger) == 3


async def test_jobs_and_tables_are_read_by_the_url(bucket: Bucket, tmp_path: Path) -> None:
    async with storing(bucket) as (_, session):
        result = await session.generate(image())
        files = await journal_jobs(bucket.url), await journal_jobs(bucket.journal)
        assert [record.media for jobs in files for record in jobs] == [result.media] * 2
        assert files[0][0].folder == Path(str(result.submit_id))
        assert await session.export(tmp_path / "one.jsonl") == 1
    assert await export_journal(f"{bucket.url}/", tmp_path / "two.jsonl") == 1
    row = json.loads((tmp_path / "two.jsonl").read_text())
    assert row["url"] == f"{bucket.url}/{row['path']}" == result.media[0].url
    assert (tmp_path / "one.jsonl").read_text() == (tmp_path / "two.jsonl").read_text()


async def test_a_gallery_is_made_of_a_copy(bucket: Bucket, tmp_path: Path) -> None:
    async with storing(bucket) as (_, session):
        await session.generate(image())
    with pytest.raises(InvalidRequest, match="copy them"):
        await write_gallery(bucket.url)
    for name in bucket.names():
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / name).write_bytes(bucket.read(name))
    made = await write_gallery(tmp_path / "copy")
    assert (made.jobs, made.files) == (1, 1)


# ---- somebody else's, and our own from before ------------------------------------------


@BOTH
async def test_f10_an_object_of_somebody_elses_is_not_touched(bucket: Bucket, size: int) -> None:
    async with storing(bucket, image_bytes=size) as (emulator, session):
        submit_id = session.submit_id_for("row")
        for name in ("image-0.png", "image-1~2.png"):
            bucket.put(f"{submit_id}/{name}", b"mine")
        bucket.put(f"{submit_id}/image-1.png", b"x" * 10_000)
        result = await (await session.submit(image(count=2), submit_id=submit_id))
        assert [one.path.name for one in result.media] == ["image-0~2.png", "image-1~3.png"]
        assert bucket.read(f"{submit_id}/image-0.png") == b"mine"
        check_stored(bucket, emulator, result)


@BOTH
async def test_p3_a_file_from_before_the_crash_is_taken_as_it_is(bucket: Bucket, size: int) -> None:
    """It got its name, and the row was never written: the same bytes are not put twice."""
    async with storing(bucket, image_bytes=size) as (emulator, session):
        job = await session.submit(image())
        name = f"{job.submit_id}/image-0.png"
        bucket.put(name, emulator.media(str(job.submit_id))[0].body())
        result = await job
        assert names_of(result) == {name, f"{job.submit_id}/job.json"} == bucket.names()
        assert bucket.kind(name) != "image/png"  # it is still the one from before


@MORE
async def test_f10_an_object_of_the_same_size_is_not_ours(bucket: Bucket, size: int) -> None:
    async with storing(bucket, image_bytes=size) as (emulator, session):
        job = await session.submit(image())
        name = f"{job.submit_id}/image-0.png"
        theirs = b"x" * emulator.media(str(job.submit_id))[0].size
        bucket.put(name, theirs)
        result = await job
        assert result.media[0].path.name == "image-0~2.png"
        check_stored(bucket, emulator, result)
        assert bucket.read(name) == theirs


async def test_a_store_that_cannot_refuse_is_asked_beforehand(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONDITIONAL_PUT", "disabled")
    async with storing(bucket) as (emulator, session):
        submit_id = session.submit_id_for("row")
        bucket.put(f"{submit_id}/image-0.png", b"mine")
        result = await (await session.submit(image(count=2), submit_id=submit_id))
        assert [one.path.name for one in result.media] == ["image-0~2.png", "image-1.png"]
        check_stored(bucket, emulator, result)
        assert bucket.read(f"{submit_id}/image-0.png") == b"mine"


# ---- no partial object -----------------------------------------------------------------


@MORE
@pytest.mark.parametrize("what", ["truncated", "corrupt", "reset"])
async def test_h10_what_is_not_whole_never_shows(bucket: Bucket, size: int, what: str) -> None:
    rules = settings(downloading=downloading(attempts=2, refreshes=1, block=1 << 18))
    async with storing(bucket, rules=rules, faults=[media(what, times=None)], image_bytes=size) as (
        emulator,
        session,
    ):
        job = await session.submit(image())
        with pytest.raises(DownloadError) as caught:
            await job
        assert isinstance(caught.value, IncompleteDownload)
        assert caught.value.path == f"{bucket.url}/{job.submit_id}/image-0"
        assert job.state is JobState.READY
        assert bucket.names() == set()

        emulator.faults.clear()
        (again,) = await session.resume()
        check_stored(bucket, emulator, await again)


async def test_a_broken_transfer_goes_on_where_it_broke_off(bucket: Bucket) -> None:
    """The upload waits for the rest."""
    rules = settings(downloading=downloading(block=1 << 18, resume_from=1 << 20))
    faults = [media("truncated", times=1)]
    async with storing(bucket, rules=rules, faults=faults, video_bytes=24 << 20) as (
        emulator,
        session,
    ):
        result = await session.generate(VideoRequest("sea"))
        check_stored(bucket, emulator, result)
        assert [one.status for one in emulator.requests.to("media")] == [200, 206]


async def test_leaving_in_mid_upload_takes_it_back(bucket: Bucket) -> None:
    """Half of it has come and is on its way; the rest never comes."""
    rules = settings(downloading=downloading(block=1 << 18, resume_from=1 << 20))
    faults = [media("truncated", times=1), media("hang", times=1)]
    async with storing(bucket, rules=rules, faults=faults, video_bytes=24 << 20) as (
        emulator,
        session,
    ):
        await session.submit(VideoRequest("sea"))
        while not await asyncio.to_thread(bucket.uploads):
            pass
        await session.aclose()
        assert bucket.uploads() == 0
        assert bucket.names() == set()
        emulator.faults.clear()
        async with session_for(emulator, bucket.url) as later:
            (again,) = await later.resume()
            check_stored(bucket, emulator, await again)


# ---- a store that refuses --------------------------------------------------------------


def impatient(**changes: Any) -> Settings:
    return settings(retrying=retrying(attempts=2), **changes)


async def test_f7_a_bucket_that_is_not_there_costs_nothing(bucket: Bucket) -> None:
    async with Emulator(speed=600) as emulator:
        session = session_for(emulator, "s3://no-such-bucket/runs", settings=impatient())
        with pytest.raises(StorageError, match=r"no such bucket \(404 NoSuchBucket\)") as caught:
            await session.__aenter__()
        assert caught.value.path == "s3://no-such-bucket/runs"
        assert len(emulator.ledger) == 0


@MORE
async def test_f1_a_bucket_that_goes_away_stops_the_spending(bucket: Bucket, size: int) -> None:
    faults = [media("delay", seconds=0.2)]
    async with storing(bucket, rules=impatient(), faults=faults, image_bytes=size) as (
        emulator,
        session,
    ):
        job = await session.submit(image())
        bucket.drop()
        with pytest.raises(StorageError) as caught:
            await job
        assert caught.value.charged == "yes"
        assert str(caught.value.path).startswith(f"{bucket.url}/{job.submit_id}/image-0")
        assert job.state is JobState.READY
        with pytest.raises(StorageError):
            await session.submit(image("another"))
        assert len(emulator.ledger) == 1
        await session.aclose()
        bucket.make()

        async with session_for(emulator, bucket.url) as later:
            (again,) = await later.resume()
            check_stored(bucket, emulator, await again)


DENIED = b"<Error><Code>AccessDenied</Code><AWSAccessKeyId>%s</AWSAccessKeyId></Error>"


@pytest.mark.leaks  # not our secrets: the store's, which must not show either
@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("403 Forbidden", "refuses: its credentials .* (403 AccessDenied)"),
        ("401 Unauthorized", "refuses: its credentials .* (401 AccessDenied)"),
        ("301 Moved", "is in another region: set AWS_REGION"),
        ("500 Broken", "answers with an error (500 AccessDenied)"),
    ],
)
async def test_a_refusal_is_told_without_the_stores_own_words(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, status: str, words: str
) -> None:
    body = DENIED % KEY_ID.encode()
    async with Emulator(speed=600) as emulator, serving(reply(body, status=status)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url().rstrip("/"))
        session = session_for(emulator, bucket.url, settings=impatient())
        with pytest.raises(StorageError) as caught:
            await session.__aenter__()
        _check_told(caught.value, words)
        assert len(emulator.ledger) == 0
        assert rows(bucket.journal) == {}


async def test_a_store_that_nobody_answers_for(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    session = DreaminaSession(Credentials(SECRET), output_dir=bucket.url, settings=impatient())
    with pytest.raises(StorageError) as caught:
        await session.__aenter__()
    _check_told(caught.value, "cannot be reached")


def _check_told(error: StorageError, words: str) -> None:
    assert re.search(words.replace("(", r"\(").replace(")", r"\)"), str(error))
    assert error.path is not None
    assert error.__suppress_context__
    assert KEY_ID not in str(error)
    assert SECRET_KEY not in str(error)


async def test_whoever_may_write_but_not_delete_may_store(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probe stays; that is all."""
    replies = [reply(LISTING), reply(b"", 'ETag: "1"'), reply(DENIED, status="403 Forbidden")]
    async with Emulator(speed=600) as emulator, serving(*replies) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url().rstrip("/"))
        async with session_for(emulator, bucket.url, settings=impatient()):
            assert _methods(server) == ["GET", "PUT", "POST"]


LISTING = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"


def _methods(server: RawServer) -> list[str]:
    return [one.method for one in server.asked]


# ---- what is no place ------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "s3://bucket/prefix?secret=hidden-thing",
        "s3://hidden-thing@bucket/prefix",
        "https://user:hidden-thing@store.example/bucket",
        "s3://bucket/prefix#hidden-thing",
        "s3://[hidden-thing",
        "file:///hidden-thing",
    ],
)
def test_a_url_has_a_bucket_and_a_prefix_and_nothing_else(url: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        DreaminaSession(Credentials(SECRET), output_dir=url)
    assert caught.value.field == "output_dir"
    assert "hidden-thing" not in str(caught.value)


@pytest.mark.parametrize("url", ["foo://bucket/prefix", "s3://", "az://container/x"])
async def test_a_url_that_no_store_has(bucket: Bucket, url: str) -> None:
    with pytest.raises(InvalidRequest, match="opens no object store"):
        await DreaminaSession(Credentials(SECRET), output_dir=url).__aenter__()
    assert not journal_folder(url).exists()


async def test_without_the_extra_it_says_what_to_install(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "dreamina_async._runtime.objects", False)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(InvalidRequest, match=r"pip install \"dreamina-async\[objectstore\]\""):
        await DreaminaSession(Credentials(SECRET), output_dir=bucket.url).__aenter__()


def test_embedding_needs_a_folder() -> None:
    rules = Settings(downloading=DownloadPolicy(embed=True))
    with pytest.raises(InvalidRequest) as caught:
        DreaminaSession(Credentials(SECRET), output_dir="s3://bucket/x", settings=rules)
    assert caught.value.field == "embed"


async def test_a_journal_keeps_to_its_place(bucket: Bucket, tmp_path: Path) -> None:
    """Looked for elsewhere, every file would be missing, and fetched again."""
    async with Emulator(speed=600) as emulator:
        given = {"journal_dir": tmp_path / "journal"}
        async with session_for(emulator, bucket.url, **given) as session:
            await session.generate(image())
            assert session.output_dir == tmp_path / "journal"
        assert not bucket.journal.exists()
        for wrong in (
            {"output_dir": f"{bucket.url}/other", **given},
            {"output_dir": tmp_path / "journal"},
        ):
            session = session_for(emulator, bucket.url, **wrong)
            with pytest.raises(StorageError, match=f"are in {bucket.url}"):
                await session.__aenter__()
        async with session_for(emulator, tmp_path / "plain"):
            pass
        session = session_for(emulator, bucket.url, journal_dir=tmp_path / "plain")
        with pytest.raises(StorageError, match="in this folder itself"):
            await session.__aenter__()


def test_a_folder_has_its_journal_in_itself(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest) as caught:
        DreaminaSession(Credentials(SECRET), output_dir=tmp_path, journal_dir=tmp_path / "other")
    assert caught.value.field == "journal_dir"
    assert journal_folder(tmp_path) == tmp_path


def test_every_url_has_a_journal_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    urls = ["s3://b/x", "s3://b/x-", "s3://b-x", "gs://b/x", "s3://b/é", "s3://b/è"]
    folders = [journal_folder(url) for url in urls]
    assert len(set(folders)) == len(urls)
    assert all(folder.parent == Path("/state/dreamina-async") for folder in folders)
    assert journal_folder("S3://b/x//") == folders[0]
    monkeypatch.setenv("XDG_STATE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", "/home/somebody")
    expected = "/home/somebody/.local/state/dreamina-async"
    assert str(journal_folder("s3://b/x").parent) == expected


async def test_memory_is_a_store_too(bucket: Bucket) -> None:
    async with Emulator(speed=600) as emulator:
        async with session_for(emulator, "memory:///") as session:
            result = await session.generate(ImageRequest("a cat"))
        assert result.media[3].url == f"memory:///{result.submit_id}/image-3.png"
