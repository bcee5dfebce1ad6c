"""What the tests of object stores share: a look into a bucket, and what must hold there."""

import re
import urllib.request
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import obstore
from attrs import frozen
from obstore.store import S3Store
from session_kit import leftovers, session_for

from dreamina_async import DreaminaSession, JobResult, Settings, journal_folder
from dreamina_async.emulator import Emulator, Fault

KEY_ID, SECRET_KEY = "AKIDOFATEST0123", "s3canary0123456789abcdefs3canary"
LARGE = 9 << 20
"""Bytes of a file that becomes a multipart upload."""


@frozen
class Bucket:
    """A bucket as its owner sees it; results go below `runs/one`."""

    server: str
    name: str

    @property
    def url(self) -> str:
        return f"s3://{self.name}/runs/one"

    @property
    def store(self) -> S3Store:
        return S3Store(self.name, prefix="runs/one")

    @property
    def journal(self) -> Path:
        return journal_folder(self.url)

    def names(self) -> set[str]:
        return {one["path"] for some in obstore.list(self.store) for one in some}

    def read(self, name: str) -> bytes:
        return bytes(obstore.get(self.store, name).bytes())

    def kind(self, name: str) -> str:
        return obstore.get(self.store, name).attributes["Content-Type"]

    def put(self, name: str, content: bytes) -> None:
        obstore.put(self.store, name, content)

    def remove(self, *names: str) -> None:
        obstore.delete(self.store, list(names))

    def uploads(self) -> int:
        """Multipart uploads that nobody has ended: invisible, and paid for."""
        with urllib.request.urlopen(f"{self.server}/{self.name}?uploads") as reply:
            return len(re.findall(b"<UploadId>", reply.read()))

    def drop(self) -> None:
        """Everything that is in it, and the bucket itself."""
        self.remove(*self.names())
        self._ask("DELETE")

    def make(self) -> None:
        self._ask("PUT")

    def _ask(self, method: str) -> None:
        request = urllib.request.Request(f"{self.server}/{self.name}", method=method)
        urllib.request.urlopen(request).close()


@asynccontextmanager
async def storing(
    bucket: Bucket, *, rules: Settings | None = None, faults: Iterable[Fault] = (), **options: Any
) -> AsyncIterator[tuple[Emulator, DreaminaSession]]:
    """An emulator and an open session whose files go to the bucket; nothing may be left over."""
    before = leftovers()
    async with Emulator(**({"speed": 600, "faults": faults} | options)) as emulator:
        given = {"settings": rules} if rules is not None else {}
        async with session_for(emulator, bucket.url, **given) as session:
            yield emulator, session
    assert leftovers() == before
    assert emulator.ledger.repeated() == {}
    assert bucket.uploads() == 0
    check_journal(bucket)


def check_journal(bucket: Bucket) -> None:
    """No local copy of anything, and no key in what stands on this machine."""
    names = {path.name for path in bucket.journal.iterdir()}
    assert names == {"journal.sqlite3", ".journal.lock", ".journal.sent"}
    for path in bucket.journal.iterdir():
        assert SECRET_KEY.encode() not in path.read_bytes()
        assert KEY_ID.encode() not in path.read_bytes()


def check_stored(bucket: Bucket, emulator: Emulator, result: JobResult) -> None:
    """Every object is the file that the emulator made for this very job."""
    made = emulator.media(result.submit_id)
    assert [file.sha256 for file in result.media] == [one.sha256 for one in made]
    for file, one in zip(result.media, made, strict=True):
        assert file.url == f"{bucket.url}/{file.path}"
        assert file.path.parent.name == result.submit_id
        assert bucket.read(str(file.path)) == one.body()
        assert file.size == one.size
        expected = {"png": "image/png", "mp4": "video/mp4"}[file.format]
        assert bucket.kind(str(file.path)) == expected


def names_of(result: JobResult) -> set[str]:
    """What a job's folder holds in the end."""
    folder = result.media[0].path.parent
    return {str(folder / "job.json"), *(str(file.path) for file in result.media)}
