"""A fleet of real processes that are killed, stopped and started again, and what must hold.

The emulator is the service and keeps the book; it is in the test's process, the workers are in
their own.
"""

import asyncio
import hashlib
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import sqlalchemy as sa
from attrs import define, field

from dreamina_async import ImageRequest
from dreamina_async.emulator import Emulator, Fault
from dreamina_async.fleet import Account, Fleet, ItemState
from dreamina_async.fleet.store import Database
from dreamina_async.fleet.store.tables import seats

PROGRAM = Path(__file__).with_name("worker_program.py")
RATE = 20.0
_PATIENCE = 300.0
"""Seconds after which a test has hung, on any machine."""
LATE = 2.0
"""Seconds by which a worker may be late for its place in the account's calls."""


@define(eq=False)
class Life:
    """One process of a worker."""

    name: str
    process: asyncio.subprocess.Process
    said: list[str] = field(factory=list)
    _reader: "asyncio.Task[None] | None" = None

    def listen(self) -> None:
        self._reader = asyncio.ensure_future(self._listen())

    async def _listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said.append(line.decode().rstrip())

    async def until(self, word: str) -> None:
        while not any(word in line for line in self.said):
            assert self.process.returncode is None, self.said
            await asyncio.sleep(0.02)

    async def freeze(self, db: str) -> None:
        """Stop it where it stands, but not within a transaction: a file would stay locked."""
        self.signal(signal.SIGSTOP)
        while db.startswith("sqlite") and _is_locked(db.removeprefix("sqlite:///")):
            self.signal(signal.SIGCONT)
            await asyncio.sleep(0.05)
            self.signal(signal.SIGSTOP)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        status = await self.process.wait()
        if self._reader is not None:
            await self._reader
        return status


def _is_locked(path: str) -> bool:
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        connection.execute("ROLLBACK")
        return False


@define(eq=False)
class World:
    """One fleet: its database, its service, its workers."""

    db: str
    folder: Path
    emulator: Emulator
    fleet: Fleet
    prompts: list[str]
    options: tuple[str, ...]
    lives: list[Life] = field(factory=list)
    run: str = ""
    began: float = field(factory=time.monotonic)

    async def enqueue(self, shard: int = 50) -> None:
        requests = [ImageRequest(one, count=1, resolution="1k") for one in self.prompts]
        self.run = (await self.fleet.enqueue(requests, shard=shard)).run

    async def start(self, *more: str) -> Life:
        name = f"life-{len(self.lives):03}"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(PROGRAM), self.db, self.emulator.base_url),
            *("--life", name, *self.options, *more),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        life = Life(name, process)
        life.listen()
        self.lives.append(life)
        return life

    async def kill(self, life: Life) -> None:
        life.signal(signal.SIGKILL)
        await life.ended()
        await self.bury(life)

    async def bury(self, life: Life) -> None:
        """Let its lease have run out, and its shards be taken away: no test waits for a clock."""
        await asyncio.to_thread(self._silence, life.process.pid)
        await self.fleet.reap()

    def _silence(self, pid: int) -> None:
        database = Database(self.db)
        with database.begin() as c:
            its = seats.c.holder.endswith(f":{pid}")
            c.execute(sa.update(seats).where(its).values(beat_at=0.0))
        database.close()

    async def until_asked(self, more: int) -> None:
        """So many more requests of any kind."""
        wanted = len(self.emulator.requests) + more
        await self.emulator.until(lambda: len(self.emulator.requests) >= wanted)

    async def until_charged(self, number: int) -> None:
        await self.emulator.until(lambda: len(self.emulator.ledger) >= number)

    async def until_sent_by(self, life: Life, number: int) -> None:
        """Answered submits of one life."""
        await self.emulator.until(lambda: self.sent_by(life) >= number)

    def sent_by(self, life: Life) -> int:
        requests = self.emulator.requests.to("generate")
        return sum(one.query.get("life") == life.name for one in requests)

    async def held_up(self, fault: Fault) -> None:
        """Until the emulator holds a request as the fault says."""
        before = len(self.emulator.faults.hits)
        self.emulator.faults.add(fault)
        await self.emulator.until(lambda: len(self.emulator.faults.hits) > before)

    async def all_end(self) -> list[int]:
        return [await life.ended() for life in self.lives]

    async def close(self) -> None:
        for life in self.lives:
            if life.process.returncode is None:
                life.process.kill()
            await life.ended()

    # ---- what must hold ----------------------------------------------------------------

    async def check(self, *, every: bool) -> Counter[str]:
        """The book, the store and the folder against each other; how many prompts ended how.

        Args:
            every: whether each prompt must be charged exactly once; else at most once.
        """
        charged = {prompt: len(found) for prompt, found in self.emulator.ledger.by_prompt.items()}
        assert {prompt: times for prompt, times in charged.items() if times > 1} == {}
        assert set(charged) <= set(self.prompts)
        results = await self.fleet.results(self.run)
        assert [one.request.prompt for one in results] == self.prompts
        for one in results:
            if one.state is ItemState.DONE:
                self._check_files(one.submit_id, one.media)
            else:
                assert one.state is ItemState.HELD, one
                assert one.error is not None
                assert one.error["charged"] == "unknown"
                assert one.request.prompt not in charged
        if every:
            assert len(charged) == len(self.prompts)
        done = {one.submit_id for one in results if one.state is ItemState.DONE}
        assert set(self.emulator.ledger.submit_ids) == done
        assert {one.name for one in (self.folder / "out").iterdir()} - {".fleet"} == done
        self._check_ceiling()
        return Counter(one.state.value for one in results)

    def _check_files(self, submit_id: str, media: tuple[dict[str, object], ...]) -> None:
        made = [hashlib.sha256(one.body()).hexdigest() for one in self.emulator.media(submit_id)]
        assert [one["sha256"] for one in media] == made
        stored = [self.folder / "out" / str(one["path"]) for one in media]
        assert [hashlib.sha256(one.read_bytes()).hexdigest() for one in stored] == made
        names = {one.name for one in stored} | {"job.json"}
        assert {one.name for one in (self.folder / "out" / submit_id).iterdir()} == names

    def _check_ceiling(self) -> None:
        """Over all workers together: in the whole run, and in every window of it."""
        looks = self.emulator.requests.to("history")
        assert len(looks) <= RATE * (time.monotonic() - self.began) + 1
        for window in (3.0, 10.0):
            most = self.emulator.requests.busiest("history", window)
            assert most <= RATE * (window + LATE) + 1, (window, most)
        assert max(self.emulator.requests.batch_sizes) <= 10


@asynccontextmanager
async def world(
    db: str,
    folder: Path,
    prompts: int,
    *options: str,
    workers: int = 3,
    shard: int = 20,
    in_flight: int = 60,
    speed: float = 60,
    image_limit: int | None = None,
) -> AsyncIterator[World]:
    asked = [f"row {row}" for row in range(prompts)]
    quick = {"speed": speed, "image_bytes": 20_000, "log_size": 1_000_000}
    async with Emulator(**quick, image_limit=image_limit) as emulator, Fleet(db) as fleet:
        await fleet.init(folder / "out", Account(workers=workers, in_flight=in_flight, rate=RATE))
        here = World(db, folder, emulator, fleet, asked, options)
        await here.enqueue(shard)
        try:
            async with asyncio.timeout(_PATIENCE):
                yield here
        except TimeoutError:
            runs, seats = await fleet.status()
            told = [*(f"{one.name}: {one.said}" for one in here.lives), *runs, *seats]
            raise AssertionError("\n".join(map(str, told))) from None
        finally:
            await here.close()
