"""What a run has come to: in words on stderr, and as the last JSON line."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

from dreamina_async import Statistics
from dreamina_async.cli.live import failure_line
from dreamina_async.cli.output import Output, counted, in_bytes, in_time
from dreamina_async.cli.progress import Tally


@frozen
class Summary:
    """A run at its end.

    Attributes:
        tally: what became of its jobs.
        statistics: the session's counters at the end.
        seconds: wall time.
        out: the output folder.
        status: the exit status.
        owed: jobs that the folder's journal still has to bring home; None if nobody looked.
        skipped: bad rows that were left out.
        interrupted: why it was stopped before its end, if it was.
        again: how to go on from here.
    """

    tally: Tally
    statistics: Statistics
    seconds: float
    out: Path
    status: int
    owed: int | None
    skipped: int
    interrupted: str | None
    again: str

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
            "calls_per_job": self.calls_per_job,
            "retries": statistics.retries,
        }

    @property
    def pending(self) -> int:
        """Jobs that were not over when the run ended."""
        return self.tally.standing().pending if self.owed is None else self.owed

    @property
    def resumable(self) -> int:
        """Jobs that can still come home, pending or not."""
        return self.tally.resumable if self.owed is None else self.owed

    @property
    def calls_per_job(self) -> float | None:
        """Status calls for each job that came home in this run; None without any."""
        saved = self.tally.saved
        return round(self.statistics.status_calls / saved, 3) if saved else None

    def lines(self) -> Iterator[str]:
        """The summary for people."""
        standing, statistics = self.tally.standing(), self.statistics
        if standing.total == 0:
            yield f"nothing is owed in {self.out}"
            return
        before = f" ({self.tally.done_before} of them before)" if self.tally.done_before else ""
        counts = [f"{standing.done} done{before}", f"{standing.failed} failed"]
        if self.pending:
            counts.append(f"{self.pending} still pending")
        if self.skipped:
            counts.append(f"{counted(self.skipped, 'row')} skipped")
        yield f"{', '.join(counts)} in {in_time(self.seconds)}"
        yield f"{self._files()}, {in_bytes(statistics.bytes)} in {self.out}"
        retries = "1 retry" if statistics.retries == 1 else f"{statistics.retries} retries"
        yield f"{self._calls()}, {statistics.submits} submitted, {retries}"
        yield from self._failures()
        if self.tally.partial:
            short = counted(self.tally.partial, "job")
            yield f"{short} brought fewer files than the service was asked for"

    def next_step(self) -> str | None:
        """What to run now, if anything is left to do."""
        if self.interrupted is not None:
            pending = f"{counted(self.pending, 'job')} still pending"
            return f"{self.interrupted}: {pending}; {self.again}"
        if not self.resumable:
            return None
        return f"{counted(self.resumable, 'job')} can still come home; {self.again}"

    def _files(self) -> str:
        files = self.tally.files
        return f"{counted(files['image'], 'image')} and {counted(files['video'], 'video')} saved"

    def _calls(self) -> str:
        each = self.calls_per_job
        average = f" ({each:.2f} a job)" if each is not None else ""
        return f"{counted(self.statistics.status_calls, 'status call')}{average}"

    def _failures(self) -> Iterator[str]:
        failures = self.tally.failures
        more = self.tally.standing().failed - len(failures)
        if failures:
            yield "failed:"
        if more > 0:
            yield f"  … and {more} before these"
        yield from (f"  {failure_line(each)}" for each in failures)


def report(summary: Summary, output: Output) -> None:
    """Say it all."""
    output.emit("summary", **summary.facts())
    for line in summary.lines():
        output.note(line)
    step = summary.next_step()
    if step is not None:
        output.note(step)


def resume_hint(out: Path) -> str:
    """How to go on with what a folder still owes."""
    return f"continue with: dreamina-async resume --out {shlex.quote(str(out))}"
