"""What the simulation has found, each by itself and in small."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from session_kit import image, png, rows, session_for, settings, world
from simservice import FATES
from simworld import World, perform

from dreamina_async import (
    ImageData,
    ImageRequest,
    JobLost,
    JobReport,
    JobState,
    PollingPolicy,
    RetryPolicy,
    journal_jobs,
)
from dreamina_async._core.encode import GENERATE_PATH
from dreamina_async._core.ledger import Entry
from dreamina_async._core.reconcile import Over, Pending, Sight, reconcile
from dreamina_async._runtime.clock import LoopClock
from dreamina_async._runtime.journal import Journal
from dreamina_async._runtime.submitter import first_sight
from dreamina_async.emulator import Emulator, Fault

ONE = "19637d71-15df-445e-b86d-490f3549cb85"


async def test_f10_a_name_that_was_taken_does_not_spoil_the_journal(tmp_path: Path) -> None:
    """The file beside it is `image-0~2.png`, and the journal has to read its own row again."""
    (tmp_path / ONE).mkdir()
    (tmp_path / ONE / "image-0.png").write_bytes(b"mine")
    async with world(tmp_path) as (_, session):
        await (await session.submit(image(), submit_id=ONE))
    async with Emulator() as emulator, session_for(emulator, tmp_path) as session:
        assert await session.resume() == []
    (record,) = await journal_jobs(tmp_path)
    assert [file.path.name for file in record.media] == ["image-0~2.png"]
    assert (tmp_path / ONE / "image-0.png").read_bytes() == b"mine"


async def test_h7_what_was_about_to_leave_stays_when_the_login_is_refused(tmp_path: Path) -> None:
    """The refusal of one comes while the other's connection is being made."""
    faults = [Fault(where="generate", what="ret", ret="1015")]
    async with world(tmp_path, faults=faults) as (emulator, session):
        transport = session._parts.transport  # type: ignore[union-attr]
        real, sent, refused = transport.send, 0, asyncio.Event()

        async def send(request: Any, announce: Any = None) -> Any:
            nonlocal sent
            if request.path == GENERATE_PATH:
                sent += 1
                if sent == 2:
                    await refused.wait()
            return await real(request, announce)

        transport.send = send  # type: ignore[method-assign]
        tasks = [asyncio.create_task(session.submit(image(str(number)))) for number in range(2)]
        while sent < 2 or not any(task.done() for task in tasks):
            await asyncio.sleep(0.001)
        refused.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(one).__name__ for one in found] == ["AuthenticationError"] * 2
        assert len(emulator.ledger) == 0
    assert set(rows(tmp_path).values()) == {"planned"}


def test_s12_a_late_result_is_fetched_where_only_submit_ids_are_taken(tmp_path: Path) -> None:
    """A second look is a new session's first question: it knows no better than to ask amiss."""
    made = World.calm(3, tmp_path, 4)
    made.service.modes = evolve(made.service.modes, takes="submit")
    made.service.fates = tuple(int(fate == "late") for fate in FATES)
    outcome = perform(made)
    assert not outcome.violations
    assert outcome.jobs == {"done": 4}


def entry(state: JobState, **changes: Any) -> Entry:
    given = {"request": image(), "submit_id": ONE, "sent_at": 1.0, **changes}
    return Entry(ONE, "image", state, 1.0, **given)


async def test_p2_what_was_unknown_once_never_counts_as_unsent(tmp_path: Path) -> None:
    """It is looked for as an intent, and an intent without a note would be sent again."""
    journal = await Journal.open(tmp_path, region="cn")
    await journal.put(entry(JobState.UNKNOWN), 1.0)
    await journal.aclose()
    async with Emulator() as emulator, session_for(emulator, tmp_path) as session:
        await session.resume()
        known = session._parts.jobs.ledger.get(ONE)  # type: ignore[union-attr]
        assert known.state is JobState.INTENT
        assert known.maybe_sent


def test_s23_a_job_taken_up_after_days_is_looked_at_until_its_end_is_certain() -> None:
    """A failure is believed when seen twice; one look a session would never tell."""
    report = JobReport(status=30)
    polling, retrying = PollingPolicy(), RetryPolicy()
    now = 10 * polling.pending_limit
    sight, verdict = reconcile(Sight("image", since=0.0), report, now, polling, retrying)
    assert verdict == Pending()
    for look in range(1, 4):
        sight, verdict = reconcile(sight, report, now + 60.0 * look, polling, retrying)
    assert isinstance(verdict, Over)


async def test_what_was_accepted_once_is_never_taken_for_unanswered() -> None:
    clock = LoopClock()
    assert first_sight(entry(JobState.INTENT, history_id="4711"), clock).answered
    assert not first_sight(entry(JobState.INTENT), clock).answered


async def test_images_that_are_given_again_serve_a_submit_that_is_sent_again(
    tmp_path: Path,
) -> None:
    """The journal keeps no bytes: whoever asks for the job again brings them along."""
    content = png()
    request = ImageRequest("with a picture", references=content)
    kept = evolve(request, references=(ImageData(ImageData.of(content).sha256, len(content)),))
    journal = await Journal.open(tmp_path, region="cn")
    await journal.put(entry(JobState.UNKNOWN, request=kept), 1.0)
    await journal.aclose()
    rules = settings(
        retrying=RetryPolicy(unanswered="resubmit_same_id", lookups=1, lookup_window=0.001)
    )
    async with (
        Emulator(speed=600) as emulator,
        session_for(emulator, tmp_path, settings=rules) as session,
    ):
        await session.resume()
        await (await session.submit(request, submit_id=ONE))
        assert len(emulator.ledger) == 1


async def test_a_submit_whose_images_nobody_has_any_more_is_held(tmp_path: Path) -> None:
    """It could be sent again under its id, but there is nothing to send: not pending for ever."""
    lost = ImageRequest("with a picture", references=(ImageData("ab" * 32, 64),))
    journal = await Journal.open(tmp_path, region="cn")
    await journal.put(entry(JobState.UNKNOWN, request=lost), 1.0)
    await journal.aclose()
    rules = settings(
        retrying=RetryPolicy(unanswered="resubmit_same_id", lookups=1, lookup_window=0.001)
    )
    async with (
        Emulator(speed=600) as emulator,
        session_for(emulator, tmp_path, settings=rules) as session,
    ):
        (job,) = await session.resume()
        with pytest.raises(JobLost):
            await job
        assert job.state is JobState.UNKNOWN
        assert len(emulator.ledger) == 0


def test_s11_a_success_without_results_is_settled_after_days_too() -> None:
    """It was given back as unknown at its first look, in every session anew."""
    report = JobReport(status=50)
    polling, retrying = PollingPolicy(), RetryPolicy()
    now = 10 * polling.pending_limit
    sight, verdict = reconcile(Sight("image", since=0.0), report, now, polling, retrying)
    assert verdict == Pending()
    for look in range(1, 6):
        sight, verdict = reconcile(sight, report, now + 60.0 * look, polling, retrying)
    assert isinstance(verdict, Over)
