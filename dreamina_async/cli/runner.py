"""Runs a command's jobs in a session: watched, interruptible, summed up at the end."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from attrs import define, field, frozen

from dreamina_async import (
    AccountRestricted,
    AuthenticationError,
    Credentials,
    DreaminaError,
    DreaminaSession,
    InsufficientCredit,
    InvalidRequest,
    Job,
    Statistics,
    StorageError,
    journal_jobs,
)
from dreamina_async.cli.exits import Exit, status_of, status_of_run
from dreamina_async.cli.lines import emit_job
from dreamina_async.cli.live import watching
from dreamina_async.cli.options import Common, Folder
from dreamina_async.cli.output import Output, shown
from dreamina_async.cli.progress import Tally
from dreamina_async.cli.signals import Interrupted, Stopper
from dreamina_async.cli.summary import Summary, go_on, report

T = TypeVar("T")

Jobs = AsyncGenerator[Job, None]

_ENDS_THE_RUN = (AuthenticationError, InsufficientCredit, AccountRestricted, StorageError)


def _no_facts(job: Job) -> dict[str, Any]:
    return {}


async def _nobody_knows() -> int | None:
    return None


async def submits_nothing() -> int | None:
    """For `Work.unsent`."""
    return 0


@frozen
class Work:
    """What a command wants done.

    Attributes:
        open: makes the session.
        jobs: yields the session's jobs as they end; may set the tally's total.
        total: how many jobs there will be, if that is known beforehand.
        facts: what else a job's JSON line says, such as its line in the manifest.
        unsent: how many of its jobs nobody has ever sent, for a run that ended before its end; None
            counts those of which nothing is known.
        again: how to go on after an interruption; None says `resume`.
        list_files: whether the files' names are the command's result.
        timeout: seconds after which it stops as if interrupted.
        skipped: bad rows that were left out.
    """

    open: Callable[[], DreaminaSession]
    jobs: Callable[[DreaminaSession, Tally], Jobs]
    total: int | None = None
    facts: Callable[[Job], dict[str, Any]] = _no_facts
    unsent: Callable[[], Awaitable[int | None]] = _nobody_knows
    again: str | None = None
    list_files: bool = True
    timeout: float | None = None
    skipped: int = 0


async def carry_out(work: Work, output: Output) -> Exit:
    """Do the work and say what came of it.

    Raises:
        DreaminaError: something ended the whole run; what came of it is said already.
    """
    run = _Run(work, output, Tally(work.total))
    started = time.monotonic()
    interrupted: str | None = None
    failure: DreaminaError | None = None
    try:
        with output.logging():
            await stoppable(run.all(), output, work.timeout)
    except Interrupted as stopped:
        interrupted = str(stopped)
    except DreaminaError as error:
        failure = error
    except OSError:  # whoever read stdout has left
        output.note(f"the run ends here; {go_on(work.again, run.out)}")
        raise
    for file in run.files:
        output.result(file)
    status = run.status(failure, interrupted=interrupted is not None)
    if failure is None or run.began:
        report(
            Summary(
                run.tally,
                run.statistics,
                time.monotonic() - started,
                run.out,
                status,
                await run.owed() if interrupted or failure else 0,
                await work.unsent() if interrupted or failure else None,
                work.skipped,
                interrupted,
                work.again,
            ),
            output,
        )
    if failure is not None:
        raise failure
    return status


@asynccontextmanager
async def aside(
    common: Common, credentials: Credentials | None = None
) -> AsyncGenerator[DreaminaSession]:
    """A session that only asks: the output folder may be in use by another process."""
    with TemporaryDirectory(prefix="dreamina-") as folder:
        async with common.session(Path(folder), credentials) as session:
            yield session


async def stoppable(
    work: Coroutine[Any, Any, T], output: Output, timeout: float | None = None
) -> T:
    """Await something that Ctrl-C, SIGTERM and a timeout may stop.

    Raises:
        Interrupted: they did.
    """

    def say(reason: str) -> None:
        output.note(f"{reason}: nothing more is submitted; press Ctrl-C again to quit at once")

    return await Stopper(say, output.restore_terminal).run(work, timeout=timeout)


@define
class _Run:
    work: Work
    output: Output
    tally: Tally
    out: Folder = Path()
    statistics: Statistics = field(factory=Statistics)
    files: list[str] = field(factory=list, init=False)
    _refused: int = field(default=0, init=False)
    _ended: set[str] = field(factory=set, init=False)

    async def all(self) -> None:
        """Every job, from the session's start to its end."""
        session = self.work.open()
        self.out = session.output_url or session.output_dir
        async with session:
            try:
                async with watching(session, self.tally, self.output):
                    await self._each(session)
            finally:
                with suppress(DreaminaError):
                    self.statistics = session.statistics()

    async def _each(self, session: DreaminaSession) -> None:
        async with aclosing(self.work.jobs(session, self.tally)) as jobs:
            async for job in jobs:
                self._end(job)

    def _end(self, job: Job) -> None:
        facts = self.work.facts(job)
        outcome = job.outcome
        self._ended.add(job.job_id)
        self.tally.ended(
            job.job_id,
            job.state,
            label=_label(job, facts),
            error=job.error,
            partial=outcome is not None and outcome.partial,
        )
        self._refused += isinstance(job.error, InvalidRequest)
        emit_job(self.output, job, **facts)
        if self.work.list_files and outcome is not None:
            self.files += (media.url or str(media.path) for media in outcome.media)

    async def owed(self) -> int:
        """Jobs that may still come home and did not end here, those held as unknown among them."""
        with suppress(DreaminaError):
            records = await journal_jobs(self.out)
            return sum(one.state.owed and one.job_id not in self._ended for one in records)
        return 0

    @property
    def began(self) -> bool:
        """Whether anything came of it that is worth summing up."""
        return bool(self.tally.submitted or self.tally.standing().over)

    def status(self, failure: DreaminaError | None, *, interrupted: bool) -> Exit:
        """The exit status for what came of it."""
        if failure is not None:
            return status_of(failure)
        standing = self.tally.standing()
        if self._refused and self._refused == standing.over:
            return Exit.USAGE
        return status_of_run(
            interrupted=interrupted,
            failed=standing.failed + standing.unsent,
            pending=standing.pending,
            skipped=self.work.skipped,
        )


def _label(job: Job, facts: dict[str, Any]) -> str:
    prompt = shown(job.request.prompt, 60) if job.request else job.job_id
    return f"line {facts['line']}, {prompt}" if "line" in facts else prompt


async def follow(jobs: Iterable[Job]) -> Jobs:
    """Jobs that are under way already, as they end.

    Raises:
        DreaminaError: one that ends the whole run, such as lost credentials.
    """
    tasks = [asyncio.create_task(_settle(job)) for job in jobs]
    failure: DreaminaError | None = None
    try:
        for task in asyncio.as_completed(tasks):
            job, error = await task
            if isinstance(error, _ENDS_THE_RUN):
                failure = failure or error
            yield job
    finally:
        for each in tasks:
            each.cancel()
    if failure is not None:
        raise failure


async def _settle(job: Job) -> tuple[Job, DreaminaError | None]:
    try:
        await job.result()
    except DreaminaError as error:
        return job, error
    return job, None
