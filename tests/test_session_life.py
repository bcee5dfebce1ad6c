"""Entering and leaving: once, from any task, and without a trace."""

import asyncio
import contextlib
import gc
import os
import threading
import warnings
from asyncio import events as events_loop
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from session_kit import image, leftovers, rows, session_for, settings, ticks, world

from dreamina_async import (
    Credentials,
    DreaminaSession,
    ImageRequest,
    InvalidRequest,
    Job,
    JobError,
    JournalLocked,
    SessionClosed,
    StorageError,
)
from dreamina_async.emulator import Emulator, Fault, Outcome
from dreamina_async.run import Run


async def test_entered_once(tmp_path: Path) -> None:
    async with world(tmp_path) as (_, session):
        assert "open" in repr(session)
        with pytest.raises(SessionClosed):
            await session.__aenter__()
        await session.generate(image())
        await session.aclose()
        assert "closed" in repr(session)
        with pytest.raises(SessionClosed):
            await session.__aenter__()


async def test_after_the_end_everything_says_so(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=Outcome(stuck=True)) as (emulator, session):
        job = await session.submit(image())
        await session.aclose()
        for work in (
            session.submit(image()),
            session.generate(image()),
            session.resume(),
            session.status(["1"]),
            session.drain(),
            job.result(),
        ):
            with pytest.raises(SessionClosed):
                await work
        for call in (
            session.events,
            session.statistics,
            lambda: session.run([]),
            lambda: session.attach(history_id="1"),
            lambda: session.submit_id_for("row"),
        ):
            with pytest.raises(SessionClosed):
                call()
        assert job.done()
        job.abandon()
        assert rows(tmp_path) == {job.job_id: "accepted"}
        unopened = session_for(emulator, tmp_path)
        with pytest.raises(SessionClosed):
            await unopened.submit(image())
        await unopened.aclose()


async def test_close_twice_and_at_the_same_time(tmp_path: Path) -> None:
    """Whoever has closed it finds it closed: the folder is free when each call returns."""
    async with world(tmp_path) as (emulator, session):
        await session.submit(image())

        async def close_and_open_another() -> bool:
            await session.aclose()
            try:
                async with session_for(emulator, tmp_path):
                    return True
            except JournalLocked as error:
                return error.pid is not None and False

        async def close() -> bool:
            await session.aclose()
            return session._parts is None and not leftovers()[1]

        assert await asyncio.gather(close(), close(), close()) == [True] * 3
        assert await close_and_open_another()


async def test_left_by_another_task_than_it_was_entered_by(tmp_path: Path) -> None:
    async with world(tmp_path / "other") as (emulator, _):
        session = session_for(emulator, tmp_path / "mine")
        await asyncio.create_task(session.__aenter__())  # type: ignore[arg-type]
        await asyncio.create_task(session.generate(image()))
        await asyncio.create_task(session.aclose())


async def test_leaving_brings_submits_home(tmp_path: Path) -> None:
    delay = Fault(where="generate", what="delay_after_charge", seconds=0.2)
    options = {"faults": [delay], "rules": settings(submits=1), "speed": 1}
    async with world(tmp_path, **options) as (emulator, session):
        sent = asyncio.create_task(session.submit(image("sent")))
        await emulator.until(lambda: len(emulator.ledger) == 1)
        waits = asyncio.create_task(session.submit(image("waits")))
        await ticks()
        await session.aclose()
        outcomes = await asyncio.gather(sent, waits, return_exceptions=True)
        assert isinstance(outcomes[1], SessionClosed)
        assert len(emulator.ledger) == 1
    assert list(rows(tmp_path).values()) == ["accepted"]


async def test_leaving_waits_no_longer_than_told(tmp_path: Path) -> None:
    delay = Fault(where="generate", what="delay_after_charge", seconds=5)
    rules = settings(close_timeout=0.1)
    async with world(tmp_path, faults=[delay], rules=rules) as (emulator, session):
        sent = asyncio.create_task(session.submit(image()))
        await emulator.until(lambda: len(emulator.ledger) == 1)
        async with asyncio.timeout(2):
            await session.aclose()
            with pytest.raises(SessionClosed):
                await sent
    assert list(rows(tmp_path).values()) == ["intent"]


@pytest.mark.parametrize("what", ["submit", "resume", "status", "attach", "run", "generate"])
async def test_closing_while_a_call_begins(tmp_path: Path, what: str) -> None:
    """It gets its answer or is told that the session has ended; it never waits for ever."""
    for delay in range(0, 24, 3):
        async with world(tmp_path / str(delay), speed=1000) as (_, session):
            await session.generate(image("earlier"))
            call = asyncio.create_task(begin(session, what))
            await ticks(delay)
            async with asyncio.timeout(5):
                await session.aclose()
                with contextlib.suppress(SessionClosed, JobError):
                    await call


async def begin(session: DreaminaSession, what: str) -> object:
    submit_id = "11111111-2222-4333-8444-555555555555"
    match what:
        case "submit":
            return await (await session.submit(image(), submit_id=submit_id))
        case "generate":
            return await session.generate(image())
        case "resume":
            return [await job for job in await session.resume()]
        case "status":
            return await session.status([submit_id])
        case "attach":
            return await session.attach(submit_id=submit_id)
        case _:
            return [job async for job in session.run([image(), image("two")])]


async def test_p7_a_second_session_in_one_folder_is_refused(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        with pytest.raises(JournalLocked) as caught:
            async with session_for(emulator, tmp_path):
                pass
        assert caught.value.pid == os.getpid()
        await session.generate(image())
        await session.aclose()
        async with session_for(emulator, tmp_path):
            pass


async def test_a_failed_start_lets_go_of_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path / "other") as (emulator, _):
        (tmp_path / "plain").touch()
        with pytest.raises(StorageError):
            async with session_for(emulator, tmp_path / "plain"):
                pass

        def broken(*_: object, **__: object) -> Any:
            raise ZeroDivisionError

        session = session_for(emulator, tmp_path / "mine")
        with monkeypatch.context() as patch:
            patch.setattr("dreamina_async.session.put_together", broken)
            with pytest.raises(ZeroDivisionError):
                await session.__aenter__()
        async with session_for(emulator, tmp_path / "mine"):
            pass


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("credentials", "a-cookie"),
        ("credentials", ""),
        ("settings", 3),
        ("settings", {}),
        ("base_url", 3),
        ("base_url", b"http://127.0.0.1"),
        ("output_dir", 3),
        ("output_dir", b"out"),
        ("output_dir", "a\0b"),
        ("journal_dir", 3),
        ("journal_dir", "a\0b"),
    ],
)
def test_a_value_of_the_wrong_kind_is_a_wrong_call(tmp_path: Path, name: str, value: Any) -> None:
    given = {"credentials": Credentials("a"), "output_dir": tmp_path}
    with pytest.raises(InvalidRequest) as caught:
        DreaminaSession(**(given | {name: value}))
    assert caught.value.field == name
    assert "a-cookie" not in str(caught.value)


async def test_a_folder_deeper_than_can_be_made_is_a_failure_to_write(tmp_path: Path) -> None:
    session = DreaminaSession(Credentials("a"), output_dir=tmp_path / ("y/" * 1200))
    with pytest.raises(StorageError, match="too long"):
        await session.__aenter__()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("nested", [False, True])
async def test_u13_closed_by_its_own_source_of_requests(tmp_path: Path, nested: bool) -> None:
    """It cannot wait for the end of the task that it runs in: it ends with it."""
    went_on: list[str] = []
    async with world(tmp_path, outcome=Outcome(stuck=True)) as (emulator, session):

        async def requests() -> AsyncIterator[ImageRequest]:
            yield image("one")
            await emulator.until(lambda: len(emulator.ledger) == 1)
            try:
                await (asyncio.create_task(session.aclose()) if nested else session.aclose())
                went_on.append("after it was closed")
            finally:
                await session.aclose()

        async with asyncio.timeout(5):
            with pytest.raises(SessionClosed):
                await anext(session.run(requests()))
            await session.aclose()
        assert went_on == []
        assert leftovers()[1] == set()
    assert list(rows(tmp_path).values()) == ["accepted"]


class TestP11Elsewhere:
    """A session is of one loop, one thread, one process: elsewhere every call says so."""

    def calls(self, session: DreaminaSession, job: Job, run: Run, events: Any) -> list[Any]:
        return [
            lambda: session.submit(image()),
            lambda: session.generate(image()),
            lambda: session.resume(),
            lambda: session.status(["1"]),
            lambda: session.drain(),
            lambda: session.credits(),
            lambda: session.upload(b""),
            lambda: session.aclose(),
            lambda: session.__aenter__(),
            lambda: job.result(),
            lambda: job.until_over(),
            lambda: anext(run),
            lambda: anext(events),
        ]

    def plain_calls(self, session: DreaminaSession, job: Job) -> list[Callable[[], object]]:
        return [
            session.events,
            session.statistics,
            lambda: session.run([]),
            lambda: session.attach(history_id="1"),
            lambda: session.submit_id_for("row"),
            job.abandon,
            job.events,
        ]

    def check(self, session: DreaminaSession, job: Job, run: Run, events: Any) -> int:
        """All of them from here, on a loop of its own; how many were refused."""

        async def ask() -> int:
            for call in self.calls(session, job, run, events):
                with pytest.raises(SessionClosed):
                    await call()
            for plain in self.plain_calls(session, job):
                with pytest.raises(SessionClosed):
                    plain()
            return len(self.calls(session, job, run, events))

        for plain in self.plain_calls(session, job):
            with pytest.raises(SessionClosed):
                plain()
        return asyncio.run(ask())

    async def test_p11_another_thread(self, tmp_path: Path) -> None:
        async with world(tmp_path, outcome=Outcome(stuck=True)) as (emulator, session):
            job = await session.submit(image())
            run, events = session.run([image("two")]), session.events()
            taker = asyncio.create_task(anext(run))
            await ticks()
            assert await asyncio.to_thread(self.check, session, job, run, events) == 13
            await emulator.until(lambda: len(emulator.ledger) == 2)  # it works on
            assert not job.done()
            await session.aclose()
            with pytest.raises(SessionClosed):
                await taker

    async def test_p11_after_a_fork(self, tmp_path: Path) -> None:
        """The child touches nothing of its parent's, not even to close it."""
        async with world(tmp_path) as (emulator, session):
            job = await session.submit(image("before"))
            run, events = session.run([image("two")]), session.events()
            with warnings.catch_warnings():  # later Pythons warn of threads
                warnings.simplefilter("ignore", DeprecationWarning)
                child = os.fork()
            if child == 0:
                code = 1
                try:
                    events_loop._set_running_loop(None)
                    code = 0 if self.check(session, job, run, events) == 13 else 1
                finally:
                    os._exit(code)
            _, status = await asyncio.to_thread(os.waitpid, child, 0)
            assert os.waitstatus_to_exitcode(status) == 0
            await job
            await session.generate(image("after"))
            assert len(emulator.ledger) == 2

    def test_p11_between_the_turns_of_its_own_loop(self, tmp_path: Path) -> None:
        """Plain calls need no running loop, only their own thread."""
        with asyncio.Runner() as runner:
            emulator = Emulator(speed=600)
            runner.run(emulator.__aenter__())
            session = session_for(emulator, tmp_path)
            runner.run(session.__aenter__())
            assert session.statistics().submits == 0
            runner.run(session.aclose())
            runner.run(emulator.__aexit__())


async def test_g9_nothing_is_left_open(tmp_path: Path) -> None:
    def open_files() -> set[str]:
        gc.collect()
        links = set()
        for name in os.listdir("/proc/self/fd"):
            try:
                links.add(os.readlink(f"/proc/self/fd/{name}"))
            except FileNotFoundError:
                continue
        return {link for link in links if "socket" in link or str(tmp_path) in link}

    async def work(emulator: Emulator, name: str) -> None:
        async with session_for(emulator, tmp_path / name) as session:
            jobs = [job async for job in session.run(image(str(number)) for number in range(5))]
            assert len(jobs) == 5
            await session.submit(image("left behind"))

    async with Emulator(speed=300) as emulator:
        await work(emulator, "warm up")
        before, threads = None, set(threading.enumerate())
        for number in range(3):
            await work(emulator, str(number))
            await ticks(20)
            files = {link for link in open_files() if str(tmp_path) in link}
            assert files == set()
            assert {one.name for one in set(threading.enumerate()) - threads} <= {
                "asyncio_0"
            } or all(one.name.startswith("asyncio") for one in set(threading.enumerate()) - threads)
            before = before or len(open_files())
            assert len(open_files()) <= before + 1


def test_plain_asyncio_run(tmp_path: Path) -> None:
    async def main() -> int:
        async with Emulator(speed=300) as emulator, session_for(emulator, tmp_path) as session:
            return len((await session.generate(image(count=2))).media)

    assert asyncio.run(main()) == 2


def test_trio_is_refused(tmp_path: Path) -> None:
    trio = pytest.importorskip("trio")

    async def main() -> None:
        async with DreaminaSession(Credentials("a"), output_dir=tmp_path):
            pass

    with pytest.raises(SessionClosed):
        trio.run(main)
