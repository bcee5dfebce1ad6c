"""What a run has come to: in words on stderr, and as the last JSON line."""

import shlex
from collections.abc import Iterable, Iterator
from typing import Any

from attrs import frozen

from dreamina_async import JobState, Statistics, journal_folder
from dreamina_async.cli.live import failure_line
from dreamina_async.cli.options import Folder
from dreamina_async.cli.output import Output, counted, in_bytes, in_time
from dreamina_async.cli.progress import KEPT_FAILURES, Failure, Tally, spending


@frozen
class Summary:
    """A run at its end.

    Attributes:
        tally: what became of its jobs.
        statistics: the session's counters at the end.
        seconds: wall time.
        out: the output folder.
        status: the exit status.
        owed: jobs of the folder's journal that may still come home and did not end in this run.
        never_sent: jobs that the journal does not have as sent; None if nobody looked.
        skipped: bad rows that were left out.
        interrupted: why it was stopped before its end, if it was.
        again: how to go on from here with what the command was to do; None says `resume`.
    """

    tally: Tally
    statistics: Statistics
    seconds: float
    out: Folder
    status: int
    owed: int
    never_sent: int | None
    skipped: int
    interrupted: str | None
    again: str | None

    def facts(self) -> dict[str, Any]:
        """The summary for programs."""
        standing, statistics = self.tally.standing(), self.statistics
        return {
            "out": self.out,
            "exit_status": int(self.status),
            "interrupted": self.interrupted,
            "total": standing.total,
            "done": standing.done,
            "done_before": self.tally.done_before,
            "failed": standing.failed,
            "unsent": self.unsent,
            "skipped": self.skipped,
            "pending": self.pending,
            "resumable": self.resumable,
            "partial": self.tally.partial,
            "images": self.tally.files["image"],
            "videos": self.tally.files["video"],
            "bytes": statistics.bytes,
            "seconds": round(self.seconds, 3),
            "submits": statistics.submits,
            "status_calls": statistics.status_calls,
            "calls_per_job": self.tally.calls_per_job(statistics),
            "retries": statistics.retries,
            "credits": self.tally.credits,
            "unpriced": self.tally.unpriced,
        }

    @property
    def pending(self) -> int:
        """Jobs that were not over when the run ended."""
        return self.tally.standing().pending + self.owed

    @property
    def resumable(self) -> int:
        """Jobs that can still come home, pending or not."""
        return self.tally.resumable + self.owed

    @property
    def unsent(self) -> int:
        """Jobs that were never sent, or were refused without a charge."""
        if self.never_sent is not None:
            return self.never_sent
        standing = self.tally.standing()
        return standing.unsent + max(0, (standing.left or 0) - self.owed)

    def lines(self) -> Iterator[str]:
        """The summary for people."""
        standing, statistics = self.tally.standing(), self.statistics
        if standing.total == 0:
            yield f"nothing is owed in {self.out}"
            return
        before = f" ({self.tally.done_before} of them before)" if self.tally.done_before else ""
        counts = [f"{standing.done} done{before}", f"{standing.failed} failed"]
        if self.unsent:
            counts.append(f"{self.unsent} not sent")
        if self.pending:
            counts.append(f"{self.pending} still pending")
        if self.skipped:
            counts.append(f"{counted(self.skipped, 'row')} skipped")
        yield f"{', '.join(counts)} in {in_time(self.seconds)}"
        yield f"{self._files()} saved, {in_bytes(statistics.bytes)} in {self.out}"
        if isinstance(self.out, str):
            yield f"what is owed stands on this machine, in {journal_folder(self.out)}"
        retries = "1 retry" if statistics.retries == 1 else f"{statistics.retries} retries"
        attempts = counted(statistics.submits, "submit attempt")
        spent = spending(self.tally.credits, self.tally.unpriced)
        yield ", ".join([self._calls(), attempts, retries, *spent])
        yield from self._failures()
        if self.tally.partial:
            short = counted(self.tally.partial, "job")
            yield f"{short} brought fewer files than the service was asked for"

    def next_step(self) -> str | None:
        """What to run now."""
        again = go_on(self.again, self.out)
        if self.interrupted is not None:
            pending = f"{counted(self.pending, 'job')} still pending"
            return f"{self.interrupted}: {pending}; {again}"
        if self.resumable:
            return f"{counted(self.resumable, 'job')} can still come home; {again}"
        if self.unsent and self.again:
            return f"{counted(self.unsent, 'job')} not sent; {again}"
        if self.tally.ends[JobState.FAILED] > KEPT_FAILURES:
            return f"all that failed: {_command('jobs --state failed', self.out)}"
        return None

    def _files(self) -> str:
        images, videos = self.tally.files["image"], self.tally.files["video"]
        kinds = [counted(images, "image")] if images else []
        return " and ".join(kinds + ([counted(videos, "video")] if videos else [])) or "no files"

    def _calls(self) -> str:
        each = self.tally.calls_per_job(self.statistics)
        average = f" ({each:.2f} a job)" if each is not None else ""
        return f"{counted(self.statistics.status_calls, 'status call')}{average}"

    def _failures(self) -> Iterator[str]:
        standing, failures = self.tally.standing(), self.tally.failures
        more = standing.failed + standing.unsent - len(failures)
        if failures:
            yield "failed:" if standing.failed else "not sent:"
        if more > 0:
            yield f"  … and {more} before these"
        yield from (f"  {line}" for line in _by_reason(failures))


def _by_reason(failures: Iterable[Failure]) -> Iterator[str]:
    """A line for each failed job; one for all that were refused unpaid for one reason."""
    alike: dict[object, list[Failure]] = {}
    for each in failures:
        unpaid = each.state is JobState.PLANNED
        key = (type(each.error), each.error.message) if each.error and unpaid else id(each)
        alike.setdefault(key, []).append(each)
    for first, *others in alike.values():
        more = f" (and {counted(len(others), 'other')})" if others else ""
        yield f"{failure_line(first)}{more}"


def report(summary: Summary, output: Output) -> None:
    """Say it all."""
    output.emit("summary", **summary.facts())
    for line in summary.lines():
        output.note(line)
    step = summary.next_step()
    if step is not None:
        output.note(step)


def go_on(again: str | None, out: Folder) -> str:
    """How to go on after a run that was cut short; without `again`, by `resume`."""
    return again or f"continue with: {_command('resume', out)}"


def _command(words: str, out: Folder) -> str:
    return f"dreamina-async {words} --out {shlex.quote(str(out))}"
