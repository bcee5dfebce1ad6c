"""How users' code is seen by type checkers. Checked, never run: `mypy --strict tests/typing`."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import assert_type

import dreamina_async as da
from dreamina_async.emulator import Emulator, Fault


async def submitting(session: da.DreaminaSession) -> None:
    job = await session.submit(da.ImageRequest("a fox", ratio="16:9", count=2))
    assert_type(job, da.Job)
    result = await job
    assert_type(result, da.JobResult)
    assert_type(await job.result(timeout=3), da.JobResult)
    assert_type(await session.generate(da.VideoRequest("rain"), timeout=300), da.JobResult)
    for media in result.media:
        assert_type(media, da.MediaFile)
        assert_type(media.path, Path)
        assert_type(media.sha256, str)
        assert_type(media.width, int | None)
    assert_type(job.submit_id, str | None)
    assert_type(job.state, da.JobState)
    assert_type(job.error, da.DreaminaError | None)


async def running(session: da.DreaminaSession, prompts: list[str]) -> None:
    async for job in session.run(da.ImageRequest(prompt) for prompt in prompts):
        assert_type(job, da.Job)

    async def later() -> AsyncIterator[da.Submission]:
        yield da.Submission(da.VideoRequest("rain"), "5f0c2a0e-7c35-4f5f-9d0a-0c8f5a6d1b2e")

    async for job in session.run(later(), max_in_flight=3, max_credits=100):
        assert_type(await job, da.JobResult)
    assert_type(await session.resume(), list[da.Job])


async def asking(session: da.DreaminaSession) -> None:
    reports = await session.status(["1", "2"])
    for report in reports.values():
        assert_type(report, da.JobReport)
    assert_type(await session.credits(), da.Credits)
    async for entry in session.credit_history():
        assert_type(entry, da.CreditEntry)
    assert_type(await session.receive_daily_credit(), da.DailyGrant)
    assert_type(await session.upload(Path("a.png")), da.ImageRef)
    assert_type(session.statistics(), da.Statistics)
    assert_type(session.quote([da.ImageRequest("a fox")]), da.Quote)
    async for event in session.events():
        assert_type(event, da.Event)
        match event:
            case da.FileSaved(media=media):
                assert_type(media, da.MediaFile)
            case da.Failed(error=error):
                assert_type(error.charged, da.Charged)
            case _:
                pass


def configuring(more: Mapping[str, str]) -> da.DreaminaSession:
    credentials = da.Credentials("secret", region="US", query=more)
    settings = da.Settings(
        polling=da.PollingPolicy(rate=0.5),
        retrying=da.RetryPolicy(unanswered="hold"),
        downloading=da.DownloadPolicy(parallel=2),
        proxy="http://127.0.0.1:7890",
    )
    assert_type(settings.proxy, da.Proxy | None)
    return da.DreaminaSession(
        credentials, region=da.Region.US, output_dir=Path("out"), settings=settings
    )


async def testing() -> None:
    async with Emulator(speed=100, faults=[Fault(where="generate", what="status")]) as emulator:
        assert_type(emulator.base_url, str)
        async with da.DreaminaSession(
            da.Credentials("any"), base_url=emulator.base_url, output_dir="out"
        ) as session:
            assert_type(session, da.DreaminaSession)


def wrong() -> None:
    """Each of these must be an error; an `ignore` that is not needed is one itself."""
    da.ImageRequest()  # type: ignore[call-arg]
    da.ImageRequest("a fox", via="post")  # type: ignore[arg-type]
    da.RetryPolicy(unanswered="again")  # type: ignore[arg-type]
    da.Settings(submits="4")  # type: ignore[arg-type]
    da.ImageRequets("a fox")  # type: ignore[attr-defined]
