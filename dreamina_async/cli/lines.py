"""The JSON lines of a run: one for each event, one for each job that ends, one at the end."""

import re
from typing import TYPE_CHECKING, Any

import attrs

from dreamina_async import Downloading, Event, Failed, JobRecord, Saved
from dreamina_async.cli.meter import Reading
from dreamina_async.cli.output import Output, plain

if TYPE_CHECKING:
    from dreamina_async import Job

# An ended job has its own line, which says more; bytes are for the eye.
_SILENT = (Downloading, Saved, Failed)


def emit_event(output: Output, event: Event) -> None:
    """`submitted`, `submit_waits`, `progressed`, `finished` or `file_saved`."""
    if output.json_lines and not isinstance(event, _SILENT):
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(event).__name__).lower()
        output.emit(name, **attrs.asdict(event, recurse=False))


def emit_progress(output: Output, reading: Reading) -> None:
    """`progress`: how the whole run stands."""
    facts = attrs.asdict(reading, recurse=False)
    standing, _ = facts.pop("standing"), facts.pop("failures")
    output.emit("progress", **plain(standing), **_rounded(facts))


def _rounded(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in facts.items()
    }


def emit_job(output: Output, job: "Job", **facts: Any) -> None:
    """`job`: what has become of one job."""
    if output.json_lines:
        output.emit("job", **facts, **job_facts(job))


def emit_record(output: Output, record: JobRecord) -> None:
    """`job`: one job as the journal knows it."""
    if output.json_lines:
        output.emit("job", **{"error": None, **plain(record)})


def job_facts(job: "Job") -> dict[str, Any]:
    """A job that has ended, under the names that a journal's record has too."""
    outcome = job.outcome
    return {
        "job_id": job.job_id,
        "submit_id": job.submit_id,
        "history_id": job.history_id,
        "state": job.state,
        "request": job.request,
        "error": job.error,
        "media": outcome.media if outcome else (),
        "missing": outcome.missing if outcome else 0,
    }
