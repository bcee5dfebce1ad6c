"""An unfinished object: interfered with anywhere, it is there as a whole or not at all."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import obstore
import pytest
from buckets import LARGE, Bucket
from obstore.store import MemoryStore, ObjectStore
from rawserver import HANG, Reply, reply, serving
from session_kit import image, png, retrying, session_for, settings

from dreamina_async import JobState, StorageError
from dreamina_async._runtime import objects as module
from dreamina_async._runtime.files import Files
from dreamina_async._runtime.objects import ObjectPart, Objects
from dreamina_async.emulator import Emulator

FINAL = Path("job/image-0.png")
SMALL = png()
BIG = png() + bytes(LARGE)  # zeros after the end are no damage
BOTH = pytest.mark.parametrize("content", [SMALL, BIG], ids=["put", "multipart"])


@pytest.fixture
async def files() -> AsyncIterator[Files]:
    door = Files()
    yield door
    door.close()


async def bring(objects: Objects, content: bytes) -> Path:
    """The way of every download."""
    part: ObjectPart = await objects.open_part(Path("job"), "image-0.7", "image", durable=True)
    try:
        for start in range(0, len(content), 1 << 20):
            await part.write([content[start : start + (1 << 20)]])
        written = await part.finish(len(content))
        assert await part.md5() == hashlib.md5(content).hexdigest()
        return await part.publish(FINAL, written.sha256)
    finally:
        await part.discard()


def standing(store: ObjectStore) -> dict[str, bytes]:
    names = [one["path"] for some in obstore.list(store) for one in some]
    return {name: bytes(obstore.get(store, name).bytes()) for name in names}


@BOTH
async def test_c6_cancelled_at_any_moment_it_is_whole_or_not_there(
    files: Files, content: bytes
) -> None:
    """And brought once more it is there once."""
    moment, done = 0, False
    before = asyncio.all_tasks()
    while not done:
        store = MemoryStore()
        objects = Objects(files, "memory://", store)
        task = asyncio.create_task(bring(objects, content))
        for _ in range(moment):
            await asyncio.sleep(0)
        done = task.done()
        task.cancel()
        await asyncio.wait([task])
        assert asyncio.all_tasks() == before
        assert standing(store) in ({}, {str(FINAL): content})
        assert await bring(objects, content) == FINAL
        assert standing(store) == {str(FINAL): content}
        moment = 2 * moment + 1


async def test_f10_the_place_is_taken_while_it_is_on_its_way(files: Files) -> None:
    """Its own was free when it began, and is so no longer; nothing is overwritten."""
    store = MemoryStore()
    objects = Objects(files, "memory://", store)
    part = await objects.open_part(Path("job"), "image-0.7", "image", durable=True)
    await part.write([BIG])
    obstore.put(store, str(FINAL), b"mine")
    written = await part.finish(None)
    with pytest.raises(StorageError) as caught:
        await part.publish(FINAL, written.sha256)
    assert caught.value.path == f"memory:///{FINAL}"
    await part.discard()
    assert standing(store) == {str(FINAL): b"mine"}
    assert (await bring(objects, BIG)).name == "image-0~2.png"


@BOTH
async def test_a_folder_full_of_names_is_an_error(files: Files, content: bytes) -> None:
    store = MemoryStore()
    for name in module.other_names(FINAL):
        obstore.put(store, str(name), b"taken")
    with pytest.raises(StorageError, match="no free name"):
        await bring(Objects(files, "memory://", store), content)


LISTING = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
STARTED = b"<InitiateMultipartUploadResult><UploadId>one</UploadId></InitiateMultipartUploadResult>"
OPENED = [reply(LISTING), reply(b"", 'ETag: "1"'), reply(b"<DeleteResult/>")]
STUCK = {
    "put": [*OPENED, Reply((), HANG)],
    "multipart": [*OPENED, reply(status="404 Not Found"), reply(STARTED), Reply((), HANG)],
}


@pytest.mark.parametrize("size", [0, LARGE], ids=STUCK)
async def test_c7_leaving_does_not_wait_for_a_store_that_never_answers(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.05)
    replies = STUCK["multipart" if size else "put"]
    rules = settings(retrying=retrying(attempts=1))
    async with Emulator(speed=600, image_bytes=size) as emulator, serving(*replies) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url().rstrip("/"))
        async with session_for(emulator, bucket.url, settings=rules) as session:
            job = await session.submit(image())
            await server.requests(len(replies))
            await session.aclose()
        assert job.state is JobState.READY
