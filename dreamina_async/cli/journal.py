"""`resume`, `jobs`, `status`, `fetch`: what a folder owes, and what the service knows."""

import asyncio
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from dreamina_async import (
    DreaminaSession,
    Job,
    JobRecord,
    JobReport,
    JobState,
    journal_jobs,
)
from dreamina_async.cli.exits import Exit, UsageError
from dreamina_async.cli.lines import emit_record
from dreamina_async.cli.options import Common, Folder
from dreamina_async.cli.output import Output, counted, shown
from dreamina_async.cli.progress import Tally
from dreamina_async.cli.runner import (
    Jobs,
    Work,
    aside,
    carry_out,
    follow,
    stoppable,
    submits_nothing,
)
from dreamina_async.cli.signals import Interrupted
from dreamina_async.cli.tables import Row, show_table

_COLUMNS = ("id", "state", "age", "charged", "files", "why it failed, prompt")
_WIDE = 110


def resume(common: Common, timeout: float | None) -> int:
    """Finish what the folder's journal owes."""

    asyncio.run(journal_jobs(common.folder()))  # a folder without a journal owes nothing

    async def jobs(session: DreaminaSession, tally: Tally) -> Jobs:
        owed = await session.resume()
        tally.total = len(owed)
        async for job in follow(owed):
            yield job

    work = Work(
        open=common.session,
        jobs=jobs,
        unsent=submits_nothing,
        list_files=False,
        timeout=timeout,
    )
    return asyncio.run(carry_out(work, common.output()))


def fetch(ids: Sequence[str], common: Common, timeout: float | None) -> int:
    """Download jobs by their ids, wherever they were submitted."""
    wanted = _some(ids)

    async def jobs(session: DreaminaSession, tally: Tally) -> Jobs:
        attached = {job.job_id: job for job in (_attach(session, one) for one in wanted)}
        tally.total = len(attached)
        async for job in follow(attached.values()):
            yield job

    work = Work(
        open=common.session,
        jobs=jobs,
        total=len(wanted),
        unsent=submits_nothing,
        timeout=timeout,
    )
    return asyncio.run(carry_out(work, common.output()))


def jobs(states: Sequence[str], limit: int | None, common: Common) -> int:
    """List what the folder's journal holds; asks nobody.

    Args:
        states: those of which to list jobs; none of them means all.
        limit: how many to list, the newest.
        common: what every command takes.
    """
    output = common.output()
    records = asyncio.run(journal_jobs(common.folder()))
    wanted = [record for record in records if not states or record.state.value in states]
    wanted = wanted[-limit:] if limit else wanted
    show_records(wanted, output, datetime.now(UTC))
    rest = f"; {len(wanted)} of them listed" if len(wanted) != len(records) else ""
    output.note(f"{_totals(records, common.folder())}{rest}")
    return Exit.DONE


def show_records(records: Sequence[JobRecord], output: Output, now: datetime) -> None:
    """One row for each job, or one event."""
    for record in records:
        emit_record(output, record)
    short = sys.stdout.isatty() and output.console.width < _WIDE
    if records:
        show_table(output, _COLUMNS, [_record_row(record, now, short) for record in records])


def status(ids: Sequence[str], common: Common) -> int:
    """Ask the service about jobs, once; 1 if it does not know them all."""
    wanted = _some(ids)
    output = common.output()
    return asyncio.run(_status(wanted, common, output))


async def _status(ids: list[str], common: Common, output: Output) -> int:
    try:
        with output.logging():
            reports = await stoppable(_ask(ids, common), output)
    except Interrupted:
        return Exit.PENDING
    for one in ids:
        report = reports.get(one)
        output.emit("report", id=one, known=report is not None, report=report)
    show_table(output, ("id", "what the service says"), [_report_row(one, reports) for one in ids])
    return Exit.DONE if len(reports) == len(ids) else Exit.FAILED


async def _ask(ids: list[str], common: Common) -> dict[str, JobReport]:
    async with aside(common) as session:
        return await session.status(ids)


def _some(ids: Sequence[str]) -> list[str]:
    wanted = list(dict.fromkeys(one.strip() for one in ids))
    if not wanted:
        raise UsageError("give at least one id; `dreamina-async jobs` lists those of a folder")
    return wanted


def _attach(session: DreaminaSession, one: str) -> Job:
    try:
        UUID(one)
    except ValueError:
        return session.attach(history_id=one)
    return session.attach(submit_id=one)


def _record_row(record: JobRecord, now: datetime, short: bool) -> Row:
    # `status` and `fetch` take either id, and the service's own leaves more room for the prompt
    name = record.history_id if short else None
    return (
        name or record.job_id,
        record.state.value,
        _age((now - record.created_at).total_seconds()),
        record.charged,
        str(len(record.media)),
        _what(record),
    )


def _what(record: JobRecord) -> str:
    prompt = shown(record.request.prompt) if record.request else ""
    why = shown(str(record.error)) if record.error else ""
    return " – ".join(part for part in (why, prompt) if part)


def _age(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} s"


def _totals(records: Sequence[JobRecord], folder: Folder) -> str:
    states = Counter(record.state for record in records)
    counts = ", ".join(f"{states[state]} {state.value}" for state in JobState if states[state])
    head = f"{counted(len(records), 'job')} in {folder}"
    return f"{head}: {counts}" if counts else head


def _report_row(one: str, reports: Mapping[str, JobReport]) -> Row:
    return one, _report_words(reports.get(one))


def _report_words(report: JobReport | None) -> str:
    if report is None:
        return "unknown to the service"
    if report.fail_code is not None:
        return f"failed (code {report.fail_code}: {shown(report.fail_message, 120)})"
    if report.finish_time is not None:
        return f"finished, {counted(len(report.items), 'file')}"
    place = report.queue.position if report.queue else None
    queued = f", {place} jobs ahead in the queue" if place else ""
    return f"pending (status {report.status}){queued}"
