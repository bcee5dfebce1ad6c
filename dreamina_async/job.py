"""Job: the handle that a user holds and awaits."""

import asyncio
from collections.abc import Generator
from copy import copy
from pathlib import Path
from typing import Any

from dreamina_async._core.ledger import Entry
from dreamina_async._runtime.finishing import require_timeout
from dreamina_async._runtime.hub import Subscription
from dreamina_async._runtime.jobs import Jobs
from dreamina_async._runtime.poller import Poller
from dreamina_async.errors import Charged, DreaminaError, JobError, JobTimeout
from dreamina_async.events import Event, Failed, Saved
from dreamina_async.models import JobResult, JobState, Progress, QueueInfo
from dreamina_async.requests import Request


class Job:
    """One remote generation. Await it for its files.

    Any number of tasks may wait at once; a waiter that is cancelled changes nothing for the
    job or for the others. Jobs come from a session: `submit`, `run`, `attach`, `resume`.
    """

    __slots__ = ("__weakref__", "_entry", "_jobs", "_poller")

    def __init__(self, entry: Entry, jobs: Jobs, poller: Poller) -> None:
        self._entry = entry
        self._jobs = jobs
        self._poller = poller

    @property
    def job_id(self) -> str:
        """Our name for it: its submit id, or one made from its history id."""
        return self._entry.job_id

    @property
    def submit_id(self) -> str | None:
        """The client-made UUID; None for a job attached by its history id."""
        return self._entry.submit_id

    @property
    def history_id(self) -> str | None:
        """The service's id; None until the service has told it."""
        return self._entry.history_id

    @property
    def request(self) -> Request | None:
        """What was asked for; None for an attached job whose request nobody gave."""
        return self._entry.request

    @property
    def state(self) -> JobState:
        """Where it stands."""
        return self._entry.state

    @property
    def progress(self) -> Progress | None:
        """How far a pending job has come; None before the first report and at the end."""
        return self._entry.sight.progress if self._entry.sight else None

    @property
    def queue(self) -> QueueInfo | None:
        """Its place in the service's queue, while that is known."""
        return self._entry.sight.queue if self._entry.sight else None

    @property
    def error(self) -> DreaminaError | None:
        """Why it has ended without a result, or why its submit waits."""
        return self._entry.error

    @property
    def charged(self) -> Charged:
        """What is known of its price."""
        return self.error.charged if self.error is not None else self._entry.charged

    @property
    def outcome(self) -> JobResult | None:
        """The result, if it is there; never waits."""
        return self._entry.result

    @property
    def folder(self) -> Path:
        """Where its files stand or will stand; in an object store relative to the output folder."""
        return self._jobs.folder(self._entry)

    def done(self) -> bool:
        """Whether nothing more happens to it in this session."""
        return self._entry.over

    async def until_over(self) -> None:
        """Wait until `done()`, whatever became of it.

        Raises:
            SessionClosed: this is not the session's event loop.
        """
        self._jobs.home.check()
        await self._jobs.until_over(self._entry)

    async def result(self, timeout: float | None = None) -> JobResult:
        """Wait until every file is on disk.

        Args:
            timeout: seconds to wait; None waits as long as the session lasts.

        Raises:
            JobTimeout: the time is up; the job goes on and can be awaited again.
            JobFailed: the service says that it failed.
            JobLost: nobody can say what became of it.
            DownloadError: it is finished and paid, but its files could not be fetched.
            DreaminaError: the session has ended, or the submit was refused.
        """
        require_timeout(timeout)
        self._jobs.home.check()
        try:
            async with asyncio.timeout(timeout):
                await self._jobs.until_over(self._entry)
        except TimeoutError:
            if not self._entry.over:
                raise self._timeout(timeout) from None
        if self._entry.result is not None:
            return self._entry.result
        assert self._entry.error is not None
        # a copy for each waiter: one shared error would gather everybody's traceback
        raise copy(self._entry.error)

    def __await__(self) -> Generator[Any, None, JobResult]:
        return self.result().__await__()

    def _timeout(self, timeout: float | None) -> JobTimeout:
        return JobTimeout(
            f"the job is still {self.state} after {timeout} s; it goes on, and `resume` finds it",
            self._entry.charged,
            self.job_id,
        )

    def events(self) -> Subscription:
        """What happens to this job from now on, until it ends.

        A job that is over yields its last event once more.
        """
        self._jobs.home.check()
        subscription = self._jobs.hub.subscribe(self.job_id)
        if self._entry.over:
            subscription.offer(self._last_event())
            subscription.close()
        return subscription

    def _last_event(self) -> Event:
        now = self._jobs.clock.wall()
        if self._entry.result is not None:
            return Saved(self.job_id, now, self._entry.result)
        assert self._entry.error is not None
        return Failed(self.job_id, now, self.state, self._entry.error)

    def abandon(self) -> None:
        """Stop tracking it, for good. The service has no cancel: it goes on, and costs.

        A job that is held as unknown can be abandoned, too: no `resume` looks for it any more.

        Raises:
            SessionClosed: this is not the session's event loop.
        """
        self._jobs.home.check()
        if self.state is JobState.DONE or (self._entry.over and not self.state.owed):
            return  # its last word is said, or is being written
        self._poller.forget(self._entry)
        charged = self._entry.charged
        error = JobError("the job was abandoned by its user", charged, self.job_id)
        self._jobs.abandoned(self._entry, error)

    def __repr__(self) -> str:
        return f"<Job {self.job_id} {self.state}>"
