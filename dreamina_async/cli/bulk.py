"""`bulk`: a manifest of many rows, each one a job that is paid for once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from dreamina_async import (
    DreaminaError,
    DreaminaSession,
    Job,
    JobState,
    Request,
    Submission,
    VideoRequest,
    journal_folder,
    journal_jobs,
    quote,
)
from dreamina_async.cli.exits import Exit, UsageError
from dreamina_async.cli.generate import check_priced
from dreamina_async.cli.manifest import BadRow, Entry, Manifest
from dreamina_async.cli.options import Common
from dreamina_async.cli.output import Output, counted, shown
from dreamina_async.cli.progress import Tally
from dreamina_async.cli.runner import Jobs, Work, carry_out

_BAD_ROWS_SHOWN = 20
_AGAIN = "to continue, run the same command again"


@frozen(kw_only=True)
class BulkOptions:
    """How a manifest is to be run."""

    max_in_flight: int | None = None
    max_credits: int | None = None
    dry_run: bool = False
    skip_invalid: bool = False
    timeout: float | None = None


def bulk(path: Path, reading: dict[str, Any], options: BulkOptions, common: Common) -> int:
    """Run a manifest, or show what running it would send.

    Raises:
        UsageError: rows are bad and may not be skipped; nothing was sent.
    """
    output = common.output()
    manifest = Manifest.load(path, **reading)
    good, bad, known = _survey(manifest, options, common)
    _report_bad(bad, output, manifest)
    for name, meant in manifest.near_misses().items():
        output.complain(f"{path}: the column {name!r} is ignored; did you mean {meant!r}?")
    if bad and not (options.skip_invalid and good):
        raise UsageError(
            f"{path}: {len(bad)} of {good + len(bad)} rows are bad, so nothing was sent; "
            "mend them, or leave them out with --skip-invalid"
        )
    if options.dry_run:
        asyncio.run(_show_plan(manifest, common, output))
        return Exit.FAILED if bad else Exit.DONE
    if options.max_credits is not None:
        new = (entry for entry in manifest.entries() if entry.key not in known)
        check_priced(entry.request for entry in new if not entry.problem)
    rows = _Rows(manifest, options.max_in_flight, options.max_credits, known, output)
    work = Work(
        open=common.session,
        jobs=rows.jobs,
        total=good,
        facts=rows.facts,
        unsent=lambda: _unsent(manifest, common),
        again=_AGAIN,
        list_files=False,
        timeout=options.timeout,
        skipped=len(bad),
    )
    return asyncio.run(carry_out(work, output))


def _survey(
    manifest: Manifest, options: BulkOptions, common: Common
) -> tuple[int, list[BadRow], frozenset[str]]:
    """How many rows are good, which are bad, and the keys of those that are not sent again.

    The keys are looked up only where they matter: for rows whose pictures are gone, and for a
    budget.
    """
    bad: list[BadRow] = []
    entries: list[Entry] = []
    good = 0
    for row in manifest.rows():
        if isinstance(row, BadRow):
            bad.append(row)
        else:
            good += 1
            if row.problem or options.max_credits is not None:
                entries.append(row)
    known = frozenset(asyncio.run(_known(entries, common)) or ()) if entries else frozenset[str]()
    absent = [one for one in entries if one.problem and one.key not in known]
    bad += [BadRow(one.line, one.problem) for one in absent]
    return good - len(absent), sorted(bad, key=lambda row: row.line), known


def _report_bad(bad: list[BadRow], output: Output, manifest: Manifest) -> None:
    for row in bad:
        output.emit("bad_row", file=manifest.name, line=row.line, reason=row.reason)
    for row in bad[:_BAD_ROWS_SHOWN]:
        output.complain(f"{manifest.name}, line {row.line}: {shown(row.reason)}")
    if len(bad) > _BAD_ROWS_SHOWN:
        output.complain(f"… and {len(bad) - _BAD_ROWS_SHOWN} more bad rows")


@define
class _Rows:
    """The rows on their way: which line each job in flight came from."""

    _manifest: Manifest
    _max_in_flight: int | None
    _max_credits: int | None
    _known: frozenset[str]
    _output: Output
    _entries: dict[str, Entry] = field(factory=dict, init=False)

    async def jobs(self, session: DreaminaSession, tally: Tally) -> Jobs:
        submissions = self._submissions(session)
        limits = {"max_in_flight": self._max_in_flight, "max_credits": self._max_credits}
        async with aclosing(session.run(submissions, **limits)) as run:
            async for job in run:
                yield job

    def facts(self, job: Job) -> dict[str, Any]:
        entry = self._entries.pop(job.submit_id or "", None)
        if entry is None:
            return {"line": None}
        if job.request is not None and job.request.images != entry.request.images:
            # the key holds paths as they are written, so another folder's picture has it too
            self._output.complain(
                f"line {entry.line}: sent before with {_names(job.request)}; with "
                f"{_names(entry.request)} it is not sent again (use another --out for that)"
            )
        return {"line": entry.line}

    async def _submissions(self, session: DreaminaSession) -> AsyncIterator[Submission]:
        for entry in self._manifest.entries():
            if entry.problem and entry.key not in self._known:
                continue
            submit_id = session.submit_id_for(entry.key)
            self._entries[submit_id] = entry
            yield Submission(entry.request, submit_id)


async def _show_plan(manifest: Manifest, common: Common, output: Output) -> None:
    """Say what would be sent; nothing leaves this machine."""
    entries = list(manifest.entries())
    known = await _known(entries, common)
    entries = [one for one in entries if not one.problem or one.key in (known or {})]
    for entry in entries:
        state = (known or {}).get(entry.key)
        (price,) = (0,) if state else quote([entry.request]).prices
        output.emit("planned", line=entry.line, request=entry.request, known=state, credits=price)
        before = f" [{state.value} before]" if state else ""
        output.result(f"line {entry.line}: {_in_words(entry.request)}{before}")
    jobs = counted(len(entries), "job")
    new = "an unknown number" if known is None else len(entries) - len(known)
    cost = quote(entry.request for entry in entries if entry.key not in (known or {}))
    output.emit("quote", credits=cost.credits, unpriced=cost.unpriced, jobs=len(cost.prices))
    output.note(f"expected cost: {cost}; accounts differ, see `dreamina-async credits`")
    output.note(f"dry run: {jobs}, {new} of them new; nothing was sent, nothing was charged")


async def _unsent(manifest: Manifest, common: Common) -> int | None:
    entries = list(manifest.entries())
    known = await _known(entries, common)
    if known is None:
        return None
    return sum(one.key not in known and not one.problem for one in entries)


async def _known(entries: list[Entry], common: Common) -> dict[str, JobState] | None:
    """Which keys this folder has as jobs that are not sent again; None where nobody can tell."""
    if not (journal_folder(common.folder()) / "journal.sqlite3").exists():
        return {}
    try:
        states = {record.submit_id: record.state for record in await journal_jobs(common.folder())}
        # Opening a session sends nothing; the folder's own ids cannot be had without one.
        async with common.session() as session:
            ids = {entry.key: session.submit_id_for(entry.key) for entry in entries}
    except DreaminaError:
        return None
    found = {key: states[submit_id] for key, submit_id in ids.items() if submit_id in states}
    return {key: state for key, state in found.items() if state is not JobState.PLANNED}


def _names(request: Request) -> str:
    return ", ".join(str(one) if isinstance(one, Path) else "an image" for one in request.images)


def _in_words(request: Request) -> str:
    size = request.resolution or "default size"
    amount = f"{request.duration} s" if isinstance(request, VideoRequest) else f"×{request.count}"
    facts = f"{request.kind} {request.model} {request.ratio} {size} {amount}"
    images = ", ".join(one.name if isinstance(one, Path) else "an image" for one in request.images)
    return f"{facts}{f' from {images}' if images else ''}: {shown(request.prompt, 80)}"
