"""Output folders to show: as many jobs as wanted, in every state, with pictures of one colour."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from session_kit import png

from dreamina_async import ImageRequest, JobFailed, JobLost, JobState, MediaFile, Request
from dreamina_async._core.ledger import Entry
from dreamina_async._core.rows import job_document, result_of
from dreamina_async._runtime.files import Files
from dreamina_async._runtime.journal import Journal

START = 1_790_000_000.0


def entry(number: int, request: Request, state: JobState = JobState.DONE, **more: object) -> Entry:
    job_id = str(UUID(int=number + 1))
    at = START + 60 * number
    known = Entry(job_id, request.kind, state, at, request=request, submit_id=job_id, sent_at=at)
    known.history_id = str(5_000_000 + number)
    for name, value in more.items():
        setattr(known, name, value)
    return known


def with_files(known: Entry, root: Path, count: int) -> Entry:
    """The same job finished, with pictures that are there."""
    folder = root / known.job_id
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        body = png(int(known.history_id or 0) * 7919 * (index + 1) % 2**24, 64, 48)
        path = folder / f"image-{index}.png"
        path.write_bytes(body)
        digest = hashlib.sha256(body).hexdigest()
        file = MediaFile(path, "image", index, 64, 48, "png", len(body), digest, uri=f"u/{index}")
        known.saved += (file,)
    known.finished_at, known.saved_at = known.created_at + 20, known.created_at + 22
    return known


async def write_journal(root: Path, entries: Sequence[Entry]) -> None:
    journal = await Journal.open(root, region="cn")
    for known in entries:
        journal.put(known, known.created_at)
        for file in known.saved:
            journal.put_media(known.job_id, file)
    await journal.put(entries[-1], START)
    await journal.aclose()


async def write_documents(entries: Sequence[Entry]) -> None:
    files = Files()
    for known in entries:
        path = known.saved[0].path.parent / "job.json"
        await files.write_json(path, job_document(result_of(known)), durable=False)
    files.close()


async def every_state(root: Path) -> list[Entry]:
    """Eight jobs: done with one, two and four pictures, partial, failed, lost, pending, hostile."""
    failed = JobFailed("the prompt was rejected: 内容不合规", "no", code="2038")
    lost = JobLost("no reply came and the service shows no trace of the job", "unknown")
    entries = [
        with_files(entry(0, ImageRequest("a red fox", seed=7, count=1)), root, 1),
        with_files(
            entry(1, ImageRequest("月下独酌，水墨画", count=2, negative_prompt="文字")), root, 2
        ),
        with_files(entry(2, ImageRequest("a green boat", count=4)), root, 4),
        with_files(entry(3, ImageRequest("a blue door", count=4), missing=2), root, 2),
        entry(4, ImageRequest("a refused thing"), JobState.FAILED, error=failed),
        entry(5, ImageRequest("a lost thing"), JobState.UNKNOWN, error=lost),
        entry(6, ImageRequest("a waiting thing"), JobState.ACCEPTED),
        with_files(entry(7, ImageRequest(HOSTILE, count=1)), root, 1),
    ]
    await write_journal(root, entries)
    return entries


HOSTILE = (
    "</script><script>window.taken=1</script><img src=x onerror='window.taken=1'>\u2028"
    '"quotes" & <b>bold</b> \u202eright to left{{script}}<!--'
)


def without_journal(root: Path) -> None:
    for path in root.glob("*journal*"):
        path.unlink()
