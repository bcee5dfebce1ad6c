"""`fleet`: runs that many workers share, seen from any machine that reaches their database."""

import asyncio
import json
import os
import re
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from attrs import asdict, frozen

from dreamina_async import AuthenticationError, Credentials
from dreamina_async.cli import logins
from dreamina_async.cli.exits import Exit, UsageError
from dreamina_async.cli.live import views_for
from dreamina_async.cli.manifest import BadRow, Entry, Manifest
from dreamina_async.cli.meter import Pace, Rate, Reading
from dreamina_async.cli.options import Common
from dreamina_async.cli.output import Output, counted, in_time, shown
from dreamina_async.cli.progress import Standing
from dreamina_async.cli.runner import stoppable
from dreamina_async.cli.signals import Interrupted
from dreamina_async.cli.tables import show_table
from dreamina_async.fleet import (
    Account,
    Enqueued,
    Fleet,
    ItemState,
    Progress,
    Result,
    RunStatus,
    SeatStatus,
)

T = TypeVar("T")

_AGAIN = "its shards are back in the queue; `dreamina-async fleet work` goes on"


@frozen(kw_only=True)
class WorkOptions:
    """How a worker is to work."""

    account: str = "default"
    stay: bool = False
    lease: float = 60.0


def init(db: str | None, account: Account, common: Common) -> int:
    """Make a fleet's tables, or change its limits."""
    output = common.output()

    async def make(fleet: Fleet) -> None:
        await fleet.init(common.folder(), account)

    _with(db, make, output)
    output.emit("fleet", out=common.folder(), **_facts(account))
    places = counted(account.workers, "worker")
    output.note(f"account {account.label!r}: up to {places}, files go to {common.folder()}")
    return Exit.DONE


def enqueue(
    db: str | None,
    path: Path,
    reading: dict[str, Any],
    where: dict[str, Any],
    skip_invalid: bool,
    common: Common,
) -> int:
    """Put a manifest's rows into the queue.

    Raises:
        UsageError: rows are bad and may not be skipped; nothing was put in.
    """
    output = common.output()
    # its images' paths are read on other machines
    manifest = Manifest.load(path.absolute(), **reading)
    rows = list(manifest.rows())
    bad = [found for found in map(_problem, rows) if found is not None]
    for one in bad:
        output.emit("bad_row", file=manifest.name, line=one.line, reason=one.reason)
        output.complain(f"{path}, line {one.line}: {shown(one.reason)}")
    if bad and not (skip_invalid and len(bad) < len(rows)):
        raise UsageError(f"{path}: {len(bad)} of {len(rows)} rows are bad; nothing was enqueued")
    requests = [one.request for one in rows if not isinstance(one, BadRow) and not one.problem]

    async def put(fleet: Fleet) -> Enqueued:
        return await fleet.enqueue(requests, **where)

    done = _with(db, put, output)
    output.emit("enqueued", **_facts(done))
    output.result(done.run)
    output.note(_enqueued_words(done))
    return Exit.FAILED if bad else Exit.DONE


def _problem(row: Entry | BadRow) -> BadRow | None:
    if isinstance(row, BadRow):
        return row
    return BadRow(row.line, row.problem) if row.problem else None


def _enqueued_words(done: Enqueued) -> str:
    more = f"; {counted(done.reopened, 'shard')} looked at again" if done.reopened else ""
    if done.new:
        known = done.rows - done.added
        before = f"; {known} more were enqueued before, and are not sent again" if known else ""
        return f"run {done.run}: {counted(done.added, 'prompt')} enqueued{before}{more}"
    return f"run {done.run} was enqueued before: nothing is sent twice{more}"


def work(db: str | None, options: WorkOptions, common: Common) -> int:
    """Be a worker until there is nothing left to do."""
    output = common.output()
    login = _login(options.account)

    async def be_worker(fleet: Fleet) -> Exit:
        async with _shown(fleet, None, output):
            await fleet.work(
                options.account,
                credentials=login,
                settings=common.settings(),
                out=common.out,
                lease=options.lease,
                stay=options.stay,
                notify=output.note,
            )
        progress = await fleet.progress()
        output.note(f"{counted(progress.total, 'prompt')}: {_in_words(progress.items)}")
        return _status_of(progress)

    try:
        return _with(db, be_worker, output)
    except Interrupted as stopped:
        output.note(f"{stopped}: {_AGAIN}")
        return Exit.PENDING


def status(db: str | None, run: str | None, follow: bool, common: Common) -> int:
    """Show runs and workers; or one run, until it is over."""
    output = common.output()

    async def look(fleet: Fleet) -> tuple[list[RunStatus], list[SeatStatus]]:
        if follow:
            async with _shown(fleet, run, output):
                while (await fleet.progress(run)).left:  # noqa: ASYNC110 - workers elsewhere end it
                    await asyncio.sleep(1)
        return await fleet.status(run)

    try:
        runs, seats = _with(db, look, output)
    except Interrupted:
        return Exit.PENDING
    for each in runs:
        output.emit("run", **_facts(each))
    for seat in seats:
        output.emit("worker", **_facts(seat))
    show_table(output, ("run", "prompts", "how they stand", "name"), list(map(_run_row, runs)))
    show_table(output, ("worker", "shards", "last heard of", "who"), list(map(_seat_row, seats)))
    return Exit.DONE


def reap(db: str | None, lease: float, common: Common) -> int:
    """Take the work of silent workers away, once."""
    output = common.output()
    found = _with(db, lambda fleet: fleet.reap(lease=lease), output)
    output.emit("reaped", **_facts(found))
    for seat in found.seats:
        output.result(seat)
    workers = f"{counted(len(found.seats), 'silent worker')}"
    output.note(f"{workers}, {counted(found.shards, 'shard')} put back into the queue")
    return Exit.DONE


def results(db: str | None, run: str, to: Path | None, common: Common) -> int:
    """Write what has become of each prompt of a run, one JSON object a line."""
    output = common.output()
    found = _with(db, lambda fleet: fleet.results(run), output)
    if to is not None:
        _write(to, found)
        output.emit("results", path=to, rows=len(found))
        output.result(str(to))
    else:
        for one in found:
            output.emit("result", **one.facts())
            output.result(_line(one))
    counts = dict.fromkeys(ItemState, 0)
    for one in found:
        counts[one.state] += 1
    output.note(f"{counted(len(found), 'prompt')}: {_in_words(counts)}")
    return _status_of(Progress(counts, 0, 0))


def _line(result: Result) -> str:
    return json.dumps(result.facts(), ensure_ascii=False)


def _write(path: Path, found: list[Result]) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text("".join(f"{_line(one)}\n" for one in found), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


# ---- what they share -------------------------------------------------------------------


def _with(db: str | None, ask: Callable[[Fleet], Coroutine[Any, Any, T]], output: Output) -> T:
    async def all_of_it() -> T:
        async with Fleet(db) as fleet:
            return await stoppable(ask(fleet), output)

    with output.logging():
        return asyncio.run(all_of_it())


def _facts(value: Any) -> dict[str, Any]:
    return asdict(value, recurse=False)


def _login(account: str) -> Credentials:
    """The login of an account's label: of `default` the usual one, of others their own variable.

    Raises:
        AuthenticationError: there is none.
    """
    if account == "default":
        return logins.credentials()
    name = f"DREAMINA_SESSIONID_{re.sub(r'[^0-9A-Za-z]', '_', account).upper()}"
    given = os.environ.get(name, "").strip()
    if not given:
        raise AuthenticationError(f"no credentials for account {account!r}: set {name}")
    return logins.understood(given)


def _status_of(progress: Progress) -> Exit:
    items = progress.items
    if progress.left:
        return Exit.PENDING
    bad = items.get(ItemState.FAILED, 0) + items.get(ItemState.HELD, 0)
    return Exit.FAILED if bad else Exit.DONE


def _in_words(items: dict[ItemState, int]) -> str:
    return ", ".join(f"{items[state]} {state.value}" for state in ItemState if items.get(state))


def _run_row(run: RunStatus) -> tuple[str, ...]:
    return run.run, str(run.rows), _in_words(run.items), run.name


def _seat_row(seat: SeatStatus) -> tuple[str, ...]:
    heard = "free" if seat.silent_for is None else f"{in_time(seat.silent_for)} ago"
    return f"{seat.account}/{seat.number}", str(seat.shards), heard, seat.holder or ""


# ---- the progress of all workers -------------------------------------------------------


@asynccontextmanager
async def _shown(fleet: Fleet, run: str | None, output: Output) -> AsyncGenerator[None, None]:
    """Show how it stands while the body runs."""
    views = views_for(output)
    painter = asyncio.create_task(_paint(fleet, run, views))
    try:
        yield
    finally:
        painter.cancel()
        with suppress(asyncio.CancelledError):
            await painter
        for view in views:
            view.close()


async def _paint(fleet: Fleet, run: str | None, views: list[Any]) -> None:
    started, rate, pace = time.monotonic(), Rate(), Pace()
    first = await fleet.progress(run)
    while views:
        now = time.monotonic()
        progress = await fleet.progress(run)
        over = progress.total - progress.left
        reading = _reading(progress, first, now - started)
        for view in views:
            view.show(
                reading(pace(now, over, progress.left), rate(now, progress.bytes - first.bytes))
            )
        await asyncio.sleep(max(1.0, *(view.frame for view in views)))


def _reading(
    progress: Progress, first: Progress, seconds: float
) -> Callable[[float | None, float], Reading]:
    looks = progress.looks - first.looks
    done = progress.items.get(ItemState.DONE, 0) - first.items.get(ItemState.DONE, 0)
    return lambda eta, rate: Reading(
        standing=_standing(progress),
        seconds=seconds,
        eta=eta,
        bytes=progress.bytes - first.bytes,
        bytes_per_second=rate,
        status_calls=looks,
        calls_per_job=round(looks / done, 3) if done else None,
        credits=0,
        unpriced=0,
        failures=(),
    )


def _standing(progress: Progress) -> Standing:
    count = progress.items.get
    return Standing(
        total=progress.total,
        submitted=count(ItemState.ACCEPTED, 0) + count(ItemState.DONE, 0),
        done=count(ItemState.DONE, 0),
        failed=count(ItemState.FAILED, 0),
        unsent=0,
        pending=count(ItemState.HELD, 0),
        waiting=count(ItemState.PLANNED, 0) + count(ItemState.SENDING, 0),
        queued=0,
        best_position=None,
        worst_position=None,
        generating=count(ItemState.ACCEPTED, 0),
        downloading=0,
    )
