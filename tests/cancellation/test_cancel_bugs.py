"""A part of the session dies from a bug: everybody hears of it, and nothing that was paid is lost.

The bug is raised behind the transport door, in the n-th use of it, before or after the real
call; so it strikes the submitter, the poller, the downloader, the uploader and the questions.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve
from cancel_sweep import Interrupt, interfered
from cancel_traces import Traces, complaints, nothing_left, only_ours
from session_kit import check_folder, image, png, rows, session_for, ticks, world

from dreamina_async import DreaminaError, DreaminaSession, SessionClosed
from dreamina_async._runtime.transport import AiohttpTransport, MediaStream
from dreamina_async.emulator import Emulator

pytestmark = pytest.mark.sweep

_LARGE = os.environ.get("DREAMINA_TESTS") == "large"


@define
class Bug:
    """Strikes once, at the n-th use of the door."""

    at: int
    after: bool
    uses: int = 0

    @property
    def struck(self) -> bool:
        return self.uses >= self.at

    async def around(self, call: Callable[[], Any]) -> Any:
        self.uses += 1
        is_it = self.uses == self.at
        if is_it and not self.after:
            raise RuntimeError("a bug")
        found = await call()
        if is_it:
            raise RuntimeError("a bug")
        return found


class Door(AiohttpTransport):
    """The real one with a bug in it."""

    bug: Bug

    async def send(self, *given: Any, **named: Any) -> Any:
        return await self.bug.around(lambda: super(Door, self).send(*given, **named))

    async def upload(self, *given: Any, **named: Any) -> Any:
        return await self.bug.around(lambda: super(Door, self).upload(*given, **named))

    @asynccontextmanager
    async def stream(self, *given: Any, **named: Any) -> AsyncIterator[MediaStream]:
        real = super().stream(*given, **named)
        stream = await self.bug.around(real.__aenter__)
        try:
            yield stream
        finally:
            await real.__aexit__(None, None, None)


def session_with(bug: Bug, service: Emulator, folder: Path) -> DreaminaSession:
    def door(*arguments: Any, **options: Any) -> Door:
        made = Door(*arguments, **options)
        made.bug = bug
        return made

    session = session_for(service, folder)
    session._doors = evolve(session._doors, transport=door)
    return session


async def everybody(session: DreaminaSession) -> list[object]:
    """All kinds of waiters at once, and what became of each."""
    waiters = (
        session.generate(image("plain")),
        session.generate(image("with a reference", references=[png(1)])),
        session.upload(png(2)),
        session.status(["1"]),
        session.credits(),
        session.models(),
        hear(session),
        take(session),
    )
    return await asyncio.gather(*waiters, return_exceptions=True)


async def hear(session: DreaminaSession) -> None:
    """A listener hears of the end of every job that was begun."""
    pending: set[str] = set()
    async for event in session.events():
        kind = type(event).__name__
        pending = (
            pending - {event.job_id} if kind in ("Saved", "Failed") else pending | {event.job_id}
        )
        if not pending:
            return


async def take(session: DreaminaSession) -> None:
    async for job in session.run([image("one"), image("two")]):
        await job.until_over()


async def struck_at(number: int, *, after: bool, folder: Path) -> bool:
    bug = Bug(number, after)
    before = Traces()
    async with Emulator(speed=2000) as service:
        async with session_with(bug, service, folder) as session:
            async with asyncio.timeout(10):
                outcomes = await everybody(session)
            if bug.struck:
                check_told(outcomes)
                await check_closed(session)
        check_folder(folder)
        charged = set(service.ledger.submit_ids)
        assert charged <= set(rows(folder))
        async with session_for(service, folder) as later:
            for job in await later.resume():
                await job
        assert {rows(folder)[one] for one in charged} <= {"done"}
        assert service.ledger.repeated() == {}
    await nothing_left(before)
    return bug.struck


def check_told(outcomes: list[object]) -> None:
    told = [one for one in outcomes if isinstance(one, BaseException)]
    assert {type(one) for one in told} <= {SessionClosed}, outcomes
    assert any("RuntimeError" in str(one) for one in told), [str(one) for one in told]


async def check_closed(session: DreaminaSession) -> None:
    for work in (session.submit(image()), session.resume(), session.credits(), session.drain()):
        with pytest.raises(SessionClosed, match="a bug"):
            await work


@pytest.mark.parametrize("after", [False, True])
async def test_c10_p12_a_bug_at_any_use_of_the_network(tmp_path: Path, after: bool) -> None:
    with only_ours(), complaints() as said:
        first, step = (1, 1) if _LARGE else (1 + after, 2)
        for number in range(first, 200, step):
            if not await struck_at(number, after=after, folder=tmp_path / str(number)):
                break
        assert 12 < number < 199
    assert said == []


async def test_p12_tasks_that_a_stranger_cancels_are_told_like_a_bug(tmp_path: Path) -> None:
    """Some frameworks cancel every task they find; nobody may wait on for ever."""
    with complaints() as said:
        async with Emulator(speed=600) as service, session_for(service, tmp_path) as session:
            job = await session.submit(image())
            (owner,) = [one for one in asyncio.all_tasks() if one.get_name() == "dreamina-session"]
            owner.cancel()
            with pytest.raises(SessionClosed, match="cancelled from outside"):
                await job
            with pytest.raises(SessionClosed):
                await session.submit(image())
        assert set(rows(tmp_path)) == {job.job_id}
    assert said == []


@pytest.mark.parametrize("what", ["credits", "models", "status", "upload", "generate"])
async def test_c12_closed_right_after_its_waiter_was_interrupted(tmp_path: Path, what: str) -> None:
    """What nobody waits for any more is not complained of either."""
    calls: dict[str, Callable[[DreaminaSession], Coroutine[Any, Any, Any]]] = {
        "credits": lambda session: session.credits(),
        "models": lambda session: session.models(),
        "status": lambda session: session.status(["1", "2"]),
        "upload": lambda session: session.upload(png(1)),
        "generate": lambda session: session.generate(image()),
    }
    with complaints() as said:
        for turns in (0, 1, 3, 6):
            async with world(tmp_path / str(turns)) as (_, session):
                struck, error = await interfered(calls[what](session), 1, "throw")
                assert struck
                assert isinstance(error, Interrupt)
                await ticks(turns)
    assert said == []


# anyio makes the coroutine of a task before the task begins
@pytest.mark.filterwarnings("ignore:coroutine 'Supervisor._run.*' was never awaited")
@pytest.mark.parametrize("turns", [*range(8), *range(10, 60, 10)])
async def test_p5_a_loop_that_is_torn_down_while_the_session_closes(
    tmp_path: Path, turns: int
) -> None:
    """What `asyncio.run` does at the second Ctrl-C: it cancels whatever is there."""
    before = Traces()
    with complaints() as said:
        async with Emulator(speed=2000) as service:
            strangers = asyncio.all_tasks()
            session = session_for(service, tmp_path)
            work = asyncio.create_task(working(session))
            await service.until(lambda: len(service.ledger) > 0)
            work.cancel()
            for _ in range(turns):
                await asyncio.sleep(0)
            ours = {one for one in asyncio.all_tasks() - strangers if _is_of_session(one)}
            for task in ours:
                task.cancel()
            await asyncio.wait([work])
            await session.aclose()
            assert set(service.ledger.submit_ids) <= set(rows(tmp_path))
            async with session_for(service, tmp_path) as later:
                for job in await later.resume():
                    await job
        await nothing_left(before)
    assert said == []


def _is_of_session(task: "asyncio.Task[Any]") -> bool:
    """Also one that has not begun; only the service's handlers are others'."""
    return not getattr(task.get_coro(), "__qualname__", "").startswith("RequestHandler.")


async def working(session: DreaminaSession) -> None:
    async with session:
        async for job in session.run(image(str(number)) for number in range(4)):
            if job.error is not None:
                raise DreaminaError(str(job.error), "unknown")
