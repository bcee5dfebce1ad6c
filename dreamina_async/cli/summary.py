"""What a run has come to: in words on stderr, and as the last JSON line."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

from dreamina_async import Statistics
from dreamina_async.cli.live import failure_line
from dreamina_async.cli.output import Output, in_bytes, in_time
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
        again: the command that goes on from here.
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
            "status": int(self.status),
            "interrupted": self.interrupted,
            "total": standing.total,
            "done": standing.done,
            "failed": standing.failed,
            "skipped": self.skipped,
            "pending": self.pending,
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
        """Jobs that can still come home."""
        return self.tally.resumable if self.owed is None else self.owed

    @property
    def calls_per_job(self) -> float | None:
        """Status calls for each job that came home; None without any."""
        done = self.tally.standing().done
        return round(self.statistics.status_calls / done, 3) if done else None

    def lines(self) -> Iterator[str]:
        """The summary for people."""
        standing, statistics = self.tally.standing(), self.statistics
        counts = [f"{standing.done} done", f"{standing.failed} failed"]
        if self.pending:
            counts.append(f"{self.pending} still pending")
        if self.skipped:
            counts.append(f"{self.skipped} rows skipped")
        yield f"{', '.join(counts)} in {in_time(self.seconds)}"
        yield f"{self._files()}, {in_bytes(statistics.bytes)} in {self.out}"
        yield f"{self._calls()}, {statistics.submits} submitted, {statistics.retries} retries"
        yield from self._failures()
        if self.tally.partial:
            yield f"{self.tally.partial} jobs brought fewer files than asked for; the service made no more"

    def next_step(self) -> str | None:
        """What to run now, if anything is left to do."""
        if self.interrupted is not None:
            return f"{self.interrupted}: {self.pending} jobs still pending; continue with: {self.again}"
        return f"to bring the pending jobs home: {self.again}" if self.pending else None

    def _files(self) -> str:
        files = self.tally.files
        return f"{files['image']} images and {files['video']} videos saved"

    def _calls(self) -> str:
        each = self.calls_per_job
        average = f" ({each:.2f} a job)" if each is not None else ""
        return f"{self.statistics.status_calls} status calls{average}"

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


def resume_command(out: Path) -> str:
    """The command that goes on with what a folder still owes."""
    return f"dreamina-async resume --out {shlex.quote(str(out))}"
