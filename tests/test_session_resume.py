"""What the journal still owes, after the session has gone at any moment."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from session_kit import (
    check_folder,
    check_job,
    check_result,
    downloading,
    image,
    retrying,
    rows,
    session_for,
    settings,
    world,
)

from dreamina_async import (
    DownloadError,
    DreaminaSession,
    JobLost,
    JobState,
    JobTimeout,
    Region,
    SessionClosed,
    StorageError,
    VideoRequest,
    journal_jobs,
)
from dreamina_async._core.ledger import Entry
from dreamina_async._runtime.journal import Journal
from dreamina_async.emulator import Emulator, Fault, Outcome


def posts(emulator: Emulator) -> int:
    return emulator.requests.counts.get("generate", 0)


async def leave_at(
    folder: Path, emulator: Emulator, state: str, submit_id: str, moment: Callable[[], bool]
) -> None:
    """A first session, closed when the emulator has come to a moment."""
    rules = settings(close_timeout=0.01)
    async with session_for(emulator, folder, settings=rules) as session:
        task = asyncio.create_task(submit_and_wait(session, submit_id))
        await emulator.until(moment)
    with pytest.raises(SessionClosed):
        await task
    assert rows(folder) == {submit_id: state}
    check_folder(folder)


async def submit_and_wait(session: DreaminaSession, submit_id: str) -> None:
    await (await session.submit(image(count=2), submit_id=submit_id))


async def resume_to_the_end(folder: Path, emulator: Emulator, submit_id: str) -> None:
    before = posts(emulator)
    async with session_for(emulator, folder) as session:
        (job,) = await session.resume()
        (again,) = await session.resume()
        assert again is job
        await job
        assert job.submit_id == submit_id
        check_job(emulator, job)
        assert await session.submit(image(count=2), submit_id=submit_id) is job
        assert await session.resume() == []
    assert posts(emulator) == before  # recovery itself never generates
    assert rows(folder) == {submit_id: "done"}
    async with session_for(emulator, folder) as session:
        assert await session.resume() == []


MOMENTS: list[tuple[str, Fault, str]] = [
    ("intent", Fault(where="generate", what="delay_after_charge", seconds=1), "generate"),
    ("intent", Fault(where="generate", what="reset_after_charge"), "history"),
    ("accepted", Fault(where="history", what="delay", seconds=1), "history"),
    ("ready", Fault(where="media", what="delay", seconds=1), "media"),
]


@pytest.mark.parametrize(("state", "fault", "where"), MOMENTS, ids=str)
async def test_p1_closed_in_the_middle_and_resumed(
    tmp_path: Path, state: str, fault: Fault, where: str
) -> None:
    submit_id = str(uuid4())
    lag = 5.0 if state == "intent" else 0.0
    async with world(tmp_path / "other", faults=[fault], read_lag=lag) as (emulator, _):

        def moment() -> bool:
            return len(emulator.ledger) == 1 and emulator.requests.peaks.get(where, 0) >= 1

        folder = tmp_path / "resumed"
        await leave_at(folder, emulator, state, submit_id, moment)
        await resume_to_the_end(folder, emulator, submit_id)
        assert emulator.ledger.submit_ids == (submit_id,)


async def test_an_unknown_job_is_looked_up_at_every_resume(tmp_path: Path) -> None:
    """The service was slow to show it: it is found by a later session."""
    submit_id = str(uuid4())
    faults = [Fault(where="generate", what="reset_after_charge")]
    options: dict[str, Any] = {"faults": faults, "read_lag": 150, "speed": 300}
    rules = settings(retrying=retrying(lookup_window=0.05))
    async with world(tmp_path / "other", **options) as (emulator, _):
        async with session_for(emulator, tmp_path, settings=rules) as session:
            with pytest.raises(JobLost):
                await session.submit(image(count=2), submit_id=submit_id)
        assert rows(tmp_path) == {submit_id: "unknown"}
        async with session_for(emulator, tmp_path, settings=rules) as session:
            (job,) = await session.resume()
            assert job.state is JobState.INTENT
            with pytest.raises(JobLost):
                await job
            assert job.state is JobState.UNKNOWN
        while True:  # until the record shows
            async with session_for(emulator, tmp_path / "probe") as session:
                if await session.status([submit_id]):
                    break
        await resume_to_the_end(tmp_path, emulator, submit_id)
        assert posts(emulator) == 1


async def test_files_that_have_vanished_are_fetched_again(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        result = await session.generate(image(count=3))
        whole = await session.generate(image("whole"))
        kept, gone, short = (file.path for file in result.media)
        gone.unlink()
        short.write_bytes(short.read_bytes()[:-1])
        kept_at = kept.stat().st_mtime_ns
        await session.aclose()
        short.unlink()  # cut short it would keep its name

        async with session_for(emulator, tmp_path) as later:
            (job,) = await later.resume()
            again = await job
            check_result(emulator, again)
            assert kept.stat().st_mtime_ns == kept_at
            assert again.submit_id == result.submit_id
            assert later.statistics().files == 2
            assert posts(emulator) == 2
        assert set(rows(tmp_path).values()) == {"done"}
        assert whole.media[0].path.exists()


async def test_a_whole_folder_that_has_vanished(tmp_path: Path) -> None:
    import shutil

    async with world(tmp_path) as (emulator, session):
        result = await session.generate(image(count=2))
        shutil.rmtree(result.media[0].path.parent)
        await session.aclose()
        await resume_to_the_end(tmp_path, emulator, str(result.submit_id))


async def test_resume_in_the_same_session_picks_up_what_was_given_up(tmp_path: Path) -> None:
    """A server's session lives for weeks: it need not be restarted for one bad download."""
    faults = [Fault(where="media", what="corrupt", times=2)]
    rules = settings(downloading=downloading(attempts=1))
    async with world(tmp_path, faults=faults, rules=rules) as (emulator, session):
        job = await session.submit(image(count=2))
        with pytest.raises(DownloadError):
            await job
        while emulator.faults.pending:
            await emulator.until(lambda: len(emulator.faults.hits) == 2)
        (again,) = await session.resume()
        assert again is job
        assert not job.done()
        await job
        check_job(emulator, job)
        assert job.error is None
        assert posts(emulator) == 1


async def test_resume_in_the_same_session_looks_for_the_unknown_again(tmp_path: Path) -> None:
    faults = [Fault(where="generate", what="reset_after_charge")]
    rules = settings(retrying=retrying(lookup_window=0.05))
    async with world(tmp_path, faults=faults, rules=rules, read_lag=120, speed=300) as (
        emulator,
        session,
    ):
        submit_id = str(uuid4())
        with pytest.raises(JobLost):
            await session.submit(image(), submit_id=submit_id)
        while not await session.status([submit_id]):
            pass
        (job,) = await session.resume()
        await job
        check_job(emulator, job)
        assert posts(emulator) == 1


# ---- attach ------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["submit", "history", "both"])
async def test_attach_a_job_submitted_elsewhere(tmp_path: Path, by: str) -> None:
    async with world(tmp_path / "first") as (emulator, first):
        job = await first.submit(image(count=2))
        ids = {"submit_id": job.submit_id, "history_id": job.history_id}
        given = ids if by == "both" else {f"{by}_id": ids[f"{by}_id"]}
        async with session_for(emulator, tmp_path / "second") as second:
            found = second.attach(**given, request=image(count=2))
            assert second.attach(**given) is found
            result = await found
            assert [file.sha256 for file in result.media] == [
                one.sha256 for one in emulator.media(str(job.submit_id))
            ]
            assert found.folder == tmp_path / "second" / (
                f"history-{job.history_id}" if by == "history" else str(job.submit_id)
            )
            assert posts(emulator) == 1
        async with session_for(emulator, tmp_path / "second") as third:
            assert await third.resume() == []
            again = third.attach(**given)
            assert (await again).media == result.media
        await job


async def test_attach_without_a_request_takes_what_is_there(tmp_path: Path) -> None:
    async with world(tmp_path / "first") as (emulator, first):
        result = await first.generate(VideoRequest("sea"))
        async with session_for(emulator, tmp_path / "second") as second:
            found = await second.attach(history_id=result.history_id)
            assert [file.sha256 for file in found.media] == [file.sha256 for file in result.media]


@pytest.mark.parametrize("by", ["submit", "history"])
@pytest.mark.parametrize("first", ["attach", "resume"])
async def test_attach_a_job_that_the_journal_knows(tmp_path: Path, by: str, first: str) -> None:
    """Whether resume or attach takes it up first, and by whichever id: one job, one folder."""
    submit_id = str(uuid4())
    fault = Fault(where="media", what="delay", seconds=1)
    async with world(tmp_path / "other", faults=[fault]) as (emulator, _):
        folder = tmp_path / "known"

        def moment() -> bool:
            return emulator.requests.peaks.get("media", 0) >= 1

        await leave_at(folder, emulator, "ready", submit_id, moment)
        (history_id,) = emulator.history_ids(submit_id)
        given = {"submit_id": submit_id} if by == "submit" else {"history_id": history_id}
        async with session_for(emulator, folder) as session, asyncio.timeout(5):
            if first == "attach":
                job = session.attach(**given)
                (resumed,) = await session.resume()
            else:
                (resumed,) = await session.resume()
                job = session.attach(**given)
            results = [await job, await resumed]
            for result in results:
                check_result(emulator, result)
            assert job.state is resumed.state is JobState.DONE
            assert job.folder == resumed.folder == folder / submit_id
            assert posts(emulator) == 1
        assert [path.name for path in folder.iterdir() if path.is_dir()] == [submit_id]


async def test_attach_by_two_ids_in_one_turn(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        result = await session.generate(image())
        await session.aclose()
        async with session_for(emulator, tmp_path) as later, asyncio.timeout(5):
            by_history = later.attach(history_id=result.history_id)
            by_submit = later.attach(submit_id=result.submit_id)
            assert (await by_history).media == (await by_submit).media == result.media
            assert posts(emulator) == 1


async def test_attach_a_job_that_nobody_knows(tmp_path: Path) -> None:
    from session_kit import polling

    rules = settings(polling=polling(attached_grace=0.05))
    async with world(tmp_path, rules=rules) as (_, session):
        job = session.attach(history_id="12345678901234")
        with pytest.raises(JobLost):
            await job
        assert job.state is JobState.UNKNOWN


async def test_an_attached_job_is_paid_for_once_a_report_shows_it(tmp_path: Path) -> None:
    """What was submitted here is known to cost; an id that was only given may be nobody's."""
    async with world(tmp_path / "first", outcome=Outcome(stuck=True)) as (emulator, first):
        made = await first.submit(image())
        assert made.charged == "yes"
        async with session_for(emulator, tmp_path / "second") as second:
            nobodys = second.attach(history_id="12345678901234")
            found = second.attach(history_id=made.history_id)
            assert nobodys.charged == found.charged == "unknown"
            await anext(found.events())
            assert found.charged == "yes"
            with pytest.raises(JobTimeout) as caught:
                await nobodys.result(timeout=0)
            assert caught.value.charged == "unknown"
        assert nobodys.error is not None
        assert nobodys.charged == nobodys.error.charged == "unknown"
        assert found.charged == "yes"
        records = await journal_jobs(tmp_path / "second")
        assert [record.charged for record in records] == ["unknown", "unknown"]
        (record,) = await journal_jobs(tmp_path / "first")
        assert record.charged == "yes"


async def test_a_damaged_row_costs_its_own_attach_only(tmp_path: Path) -> None:
    import sqlite3

    async with world(tmp_path) as (emulator, session):
        result = await session.generate(image())
        await session.aclose()
        connection = sqlite3.connect(tmp_path / "journal.sqlite3")
        connection.execute("UPDATE jobs SET request = '{'")
        connection.commit()
        connection.close()
        async with session_for(emulator, tmp_path) as later, asyncio.timeout(5):
            job = later.attach(submit_id=result.submit_id)
            with pytest.raises(StorageError):
                await job
            check_result(emulator, await later.generate(image("alive")))


# ---- whose folder ------------------------------------------------------------------------


async def test_p9_another_regions_credentials_are_refused(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        await session.generate(image())
        await session.aclose()
        asked = len(emulator.requests)
        for _ in range(2):  # and the refusal lets go of the lock
            with pytest.raises(StorageError) as caught:
                async with session_for(emulator, tmp_path, region=Region.US):
                    pass
            assert "region" in caught.value.message
        assert len(emulator.requests) == asked
        async with session_for(emulator, tmp_path, region="cn") as later:
            assert await later.resume() == []


async def test_a_failed_job_is_not_owed(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=Outcome(fail_code="2038")) as (emulator, session):
        job = await session.submit(image())
        with pytest.raises(Exception, match="2038"):
            await job
        await session.aclose()
        async with session_for(emulator, tmp_path) as later:
            assert await later.resume() == []
            again = await later.submit(image(), submit_id=job.submit_id)
            assert again.error == job.error
            assert posts(emulator) == 1
    assert json.dumps(rows(tmp_path)) == json.dumps({job.job_id: "failed"})


async def test_events_of_a_job_attached_by_its_other_id(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        result = await session.generate(image())
        result.media[0].path.unlink()
        await session.aclose()
        async with session_for(emulator, tmp_path) as later, asyncio.timeout(5):
            job = later.attach(history_id=result.history_id)
            heard = [event async for event in job.events()]
            assert heard[-1].job_id == result.submit_id
            assert (await job).media == result.media


async def test_an_intent_that_never_left_is_sent_when_it_is_submitted_again(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        submit_id = session.submit_id_for("row")
        await session.aclose()
        await leave_intent(tmp_path, submit_id)  # killed before the first byte
        async with session_for(emulator, tmp_path) as later, asyncio.timeout(5):
            assert await later.resume() == []
            job = await later.submit(image(), submit_id=submit_id)
            check_result(emulator, await job)
        assert len(emulator.ledger.charges(submit_id)) == 1


async def test_an_intent_that_may_have_left_is_not(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        submit_id = session.submit_id_for("row")
        await session.aclose()
        await leave_intent(tmp_path, submit_id, sent=True)
        async with session_for(emulator, tmp_path) as later, asyncio.timeout(5):
            with pytest.raises(JobLost):
                await later.submit(image(), submit_id=submit_id)
        assert len(emulator.ledger) == 0


async def leave_intent(folder: Path, submit_id: str, *, sent: bool = False) -> None:
    journal = await Journal.open(folder, region="cn")
    entry = Entry(submit_id, "image", JobState.INTENT, 1.0, request=image(), submit_id=submit_id)
    entry.sent_at = 2.0
    await journal.put(entry, 2.0)
    if sent:
        journal.mark_sent(submit_id)
    await journal.aclose()
