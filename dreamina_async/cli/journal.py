"""`resume`, `jobs`, `status`, `fetch`: what a folder owes, and what the service knows."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from dreamina_async import (
    DreaminaSession,
    Job,
    JobRecord,
    JobReport,
    journal_jobs,
)
from dreamina_async.cli.exits import Exit, UsageError
from dreamina_async.cli.lines import emit_record
from dreamina_async.cli.options import Common
from dreamina_async.cli.output import Output, counted, shown
from dreamina_async.cli.progress import Tally
from dreamina_async.cli.runner import Jobs, Work, aside, carry_out, follow, stoppable
from dreamina_async.cli.signals import Interrupted


def resume(common: Common, timeout: float | None) -> int:
    """Finish what the folder's journal owes."""

    async def jobs(session: DreaminaSession, tally: Tally) -> Jobs:
        owed = await session.resume()
        tally.total = len(owed)
        async for job in follow(owed):
            yield job

    work = Work(
        open=common.session,
        jobs=jobs,
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
        timeout=timeout,
    )
    return asyncio.run(carry_out(work, common.output()))


def jobs(common: Common) -> int:
    """List what the folder's journal holds; asks nobody."""
    output = common.output()
    records = asyncio.run(journal_jobs(common.folder()))
    for record in records:
        emit_record(output, record)
        output.result(_record_line(record))
    output.note(f"{counted(len(records), 'job')} in {common.folder()}")
    return Exit.DONE


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
        output.result(f"{one}  {_report_words(report)}")
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


def _record_line(record: JobRecord) -> str:
    kind = record.request.kind if record.request else "?"
    what = shown(record.request.prompt, 60) if record.request else ""
    why = f"  ({shown(str(record.error), 120)})" if record.error else ""
    files = counted(len(record.media), "file")
    return f"{record.job_id}  {record.state.value:<9}  {kind:<5}  {files:<8}  {what}{why}"


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
