"""What is swept: every call of a session that waits, each in a world of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from attrs import define, field, frozen
from session_kit import image, png, rows, session_for, settings

from dreamina_async import BudgetReached, DreaminaSession, ImageRequest, Job, Settings
from dreamina_async.emulator import Emulator, Fault
from dreamina_async.run import Run

LATE = "late"
"""A prompt whose job takes a while."""


@define
class Stage:
    """A session in its folder, and what the operation needs from before."""

    emulator: Emulator
    session: DreaminaSession
    folder: Path
    jobs: list[Job] = field(factory=list)
    run: Run | None = None

    @property
    def job(self) -> Job:
        return self.jobs[0]


async def _nothing(stage: Stage) -> None:
    del stage


@frozen
class Operation:
    """One call, and the state in which it is made.

    Attributes:
        act: what is swept.
        prepare: what comes before it, in the open session.
        earlier: what comes before the session is entered.
        faults: what the service does meanwhile.
        rules: the session's settings.
        ends: whether it opens or closes the session itself.
        until: the strike waits for this, so that it falls into the wait that is meant.
    """

    name: str
    act: Callable[[Stage], Coroutine[Any, Any, Any]]
    prepare: Callable[[Stage], Awaitable[None]] = _nothing
    earlier: Callable[[Stage], Awaitable[None]] = _nothing
    faults: tuple[Fault, ...] = ()
    rules: Settings = field(factory=settings)
    ends: bool = False
    until: Callable[[Stage], bool] = lambda _: True

    def __str__(self) -> str:
        return self.name.replace(" ", "_")


def stage_for(operation: Operation, emulator: Emulator, folder: Path) -> Stage:
    """A fresh session for one run of an operation; not yet entered."""
    session = session_for(emulator, folder, settings=operation.rules)
    return Stage(emulator, session, folder)


# ---- before ------------------------------------------------------------------------------


async def submitted(stage: Stage) -> None:
    stage.jobs = [await stage.session.submit(image(LATE))]


async def three_submitted(stage: Stage) -> None:
    stage.jobs = [await stage.session.submit(image(f"{LATE} {one}")) for one in range(3)]


async def a_submit_on_its_way(stage: Stage) -> None:
    """Its task is left alone: it hears of the session's end, and so is nobody's loss."""
    task = asyncio.create_task(stage.session.submit(image()))
    task.add_done_callback(lambda one: one.cancelled() or one.exception())
    await stage.emulator.until(lambda: len(stage.emulator.ledger) == 1)


async def downloads_running(stage: Stage) -> None:
    events = stage.session.events()
    stage.jobs = [await stage.session.submit(image(count=4))]
    async for event in events:
        if type(event).__name__ == "Downloading":
            break
    await events.aclose()


async def an_upload_on_its_way(stage: Stage) -> None:
    task = asyncio.create_task(stage.session.upload(png(7)))
    task.add_done_callback(lambda one: one.cancelled() or one.exception())
    await stage.emulator.until(lambda: stage.emulator.requests.counts.get("apply", 0) == 1)


async def a_run_begun(stage: Stage) -> None:
    stage.run = stage.session.run(image(f"{LATE} {one}") for one in range(3))
    stage.jobs = [await anext(stage.run)]


async def something_paid(stage: Stage) -> None:
    stage.jobs = [await stage.session.submit(image())]
    await stage.job


async def left_behind(stage: Stage) -> None:
    """Jobs that an earlier session owes."""
    async with session_for(stage.emulator, stage.folder) as earlier:
        await earlier.generate(image("finished"))
        await earlier.submit(image(LATE))


async def submitted_elsewhere(stage: Stage) -> None:
    async with session_for(stage.emulator, stage.folder / "other") as other:
        stage.jobs = [await other.submit(image())]


# ---- the calls ---------------------------------------------------------------------------


async def enter(stage: Stage) -> None:
    await stage.session.__aenter__()


async def leave(stage: Stage) -> None:
    await stage.session.__aexit__(None, None, None)


def referring(stage: Stage) -> ImageRequest:
    path = stage.folder / "reference.png"
    path.write_bytes(png(1))
    return image("with references", references=[path, png(2)])


async def run_all(stage: Stage) -> list[Job]:
    return [job async for job in stage.session.run(image(f"{LATE} {one}") for one in range(2))]


async def close_the_run(stage: Stage) -> None:
    """Then its jobs come home by themselves."""
    assert stage.run is not None
    await stage.run.aclose()
    await stage.session.drain()


async def abandon(stage: Stage) -> None:
    stage.jobs[-1].abandon()
    await stage.session.drain()


async def attach(stage: Stage) -> None:
    await stage.session.attach(submit_id=stage.job.submit_id, request=image())


async def attach_known(stage: Stage) -> None:
    await stage.session.attach(history_id=stage.job.history_id)


async def hear(stage: Stage) -> None:
    async for _ in stage.job.events():
        pass


async def hear_all(stage: Stage) -> None:
    """Until somebody closes the ear; leaving it in order is a call, too."""
    async with stage.session.events() as events:
        async for event in events:
            if type(event).__name__ == "Saved":
                await events.aclose()


async def find_what_is_owed(stage: Stage) -> None:
    for job_id in rows(stage.folder):
        assert await stage.session.find(job_id) is not None


async def export(stage: Stage) -> None:
    """Whole under its name, or not there."""
    path = stage.folder / "jobs.jsonl"
    try:
        await stage.session.export(path)
    finally:
        assert not path.exists() or path.read_text("utf-8").endswith("\n")


async def close_beside_another(stage: Stage) -> None:
    """Somebody else is at it already."""
    other = asyncio.create_task(stage.session.aclose())
    other.add_done_callback(lambda one: one.cancelled() or one.exception())
    await asyncio.sleep(0)
    await stage.session.aclose()


async def live(stage: Stage) -> None:
    """The usual block from its beginning to its end."""
    async with stage.session as session:
        await session.generate(image())


async def upload_beside_another(stage: Stage) -> None:
    """Two want the same content: one upload, which is the other one's as well."""
    other = asyncio.create_task(stage.session.upload(png(5)))
    try:
        await stage.session.upload(png(5))
    finally:
        assert (await other).uri


async def run_within_a_budget(stage: Stage) -> list[Job]:
    """It waits for what may come back."""
    requests = (image(f"{LATE} {one}") for one in range(3))
    run = stage.session.run(requests, max_credits=2, max_in_flight=3)
    with suppress(BudgetReached):
        return [job async for job in run]
    return []


async def read_history(stage: Stage) -> None:
    async for _ in stage.session.credit_history():
        pass


def _statistics(stage: Stage, name: str) -> int:
    return int(getattr(stage.session.statistics(), name))


def _lookups(number: int) -> tuple[Fault, ...]:
    """The reply to the submit is lost, and the service takes its time to show the job."""
    lost = Fault(where="generate", what="close_after_charge")
    return (lost, *(Fault(where="history", what="missing") for _ in range(number)))


SLOW_REPLY = (Fault(where="generate", what="delay_after_charge", seconds=0.03),)
SLOW_MEDIA = (Fault(where="media", what="drip", seconds=0.05, times=4),)
BUSY = (Fault(where="generate", what="ret", ret="1310", times=2),)
SLOW_UPLOAD = (Fault(where="upload", what="delay", seconds=0.03),)

OPERATIONS = (
    Operation("enter", enter, ends=True),
    Operation(
        "enter where jobs are owed",
        enter,
        earlier=left_behind,
        ends=True,
    ),
    Operation("leave", leave, something_paid, ends=True),
    Operation("leave with jobs pending", leave, three_submitted, ends=True),
    Operation(
        "leave with a submit on its way", leave, a_submit_on_its_way, faults=SLOW_REPLY, ends=True
    ),
    Operation(
        "leave with an upload on its way",
        leave,
        an_upload_on_its_way,
        faults=SLOW_UPLOAD,
        ends=True,
    ),
    Operation(
        "leave with downloads running", leave, downloads_running, faults=SLOW_MEDIA, ends=True
    ),
    Operation("leave with a run begun", leave, a_run_begun, ends=True),
    Operation("leave while another leaves", close_beside_another, three_submitted, ends=True),
    Operation("live", live, ends=True),
    Operation("submit", lambda s: s.session.submit(image())),
    Operation("submit by id", lambda s: s.session.submit(image(), submit_id=str(uuid4()))),
    Operation("submit with references", lambda s: s.session.submit(referring(s))),
    Operation(
        "submit during the upload",
        lambda s: s.session.submit(referring(s)),
        faults=SLOW_UPLOAD,
        until=lambda s: s.emulator.requests.counts.get("apply", 0) > 0,
    ),
    Operation(
        "submit while it is on its way",
        lambda s: s.session.submit(image()),
        faults=SLOW_REPLY,
        until=lambda s: len(s.emulator.ledger) > 0,
    ),
    Operation(
        "submit while it waits for a slot",
        lambda s: s.session.submit(image()),
        faults=BUSY,
        until=lambda s: _statistics(s, "retries") > 0,
    ),
    Operation(
        "submit while it is looked up",
        lambda s: s.session.submit(image()),
        faults=_lookups(2),
        until=lambda s: _statistics(s, "status_calls") > 0,
    ),
    Operation("generate", lambda s: s.session.generate(image())),
    Operation("generate in time", lambda s: s.session.generate(referring(s), timeout=60)),
    Operation("await job", lambda s: s.job.result(), submitted),
    Operation("result in time", lambda s: s.job.result(timeout=60), submitted),
    Operation(
        "result during the download", lambda s: s.job.result(), downloads_running, faults=SLOW_MEDIA
    ),
    Operation("until over", lambda s: s.job.until_over(), submitted),
    Operation("abandon", abandon, three_submitted),
    Operation("run", run_all),
    Operation("run within a budget", run_within_a_budget),
    Operation("run aclose", close_the_run, a_run_begun),
    Operation("resume", lambda s: s.session.resume(), earlier=left_behind),
    Operation("find", find_what_is_owed, earlier=left_behind),
    Operation("export", export, something_paid),
    Operation("attach", attach, submitted_elsewhere),
    Operation("attach what is known", attach_known, submitted),
    Operation("status", lambda s: s.session.status(str(one) for one in range(1, 13))),
    Operation("events", hear, submitted),
    Operation("all events", hear_all, submitted),
    Operation("drain", lambda s: s.session.drain(), three_submitted),
    Operation("upload", lambda s: s.session.upload(png(3))),
    Operation("upload beside another", upload_beside_another, faults=SLOW_UPLOAD),
    Operation("upload of a file", lambda s: s.session.upload(referring(s).references[0])),
    Operation("models", lambda s: s.session.models()),
    Operation("account", lambda s: s.session.account("salt")),
    Operation("credits", lambda s: s.session.credits()),
    Operation("credit history", read_history, something_paid),
    Operation("charges", lambda s: s.session.charges([s.job.job_id]), something_paid),
    Operation("daily credit", lambda s: s.session.receive_daily_credit()),
)

CALLS = {
    "DreaminaSession.__aenter__": "enter",
    "DreaminaSession.__aexit__": "leave",
    "DreaminaSession.aclose": "leave while another leaves",
    "DreaminaSession.submit": "submit",
    "DreaminaSession.generate": "generate",
    "DreaminaSession.resume": "resume",
    "DreaminaSession.find": "find",
    "DreaminaSession.export": "export",
    "DreaminaSession.status": "status",
    "DreaminaSession.drain": "drain",
    "DreaminaSession.upload": "upload",
    "DreaminaSession.models": "models",
    "DreaminaSession.account": "account",
    "DreaminaSession.credits": "credits",
    "DreaminaSession.charges": "charges",
    "DreaminaSession.receive_daily_credit": "daily credit",
    "Job.until_over": "until over",
    "Job.result": "await job",
    "Run.__anext__": "run",
    "Run.aclose": "run aclose",
    "Subscription.__aenter__": "all events",
    "Subscription.__aexit__": "all events",
    "Subscription.__anext__": "events",
    "Subscription.aclose": "all events",
    "CreditHistory.__anext__": "credit history",
}
"""Everything public that waits, and an operation that makes the call."""
