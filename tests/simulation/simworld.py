"""One seed: twenty jobs, a service that errs, a disk that fails, a process that dies.

The session, its submitter, poller, downloader and journal are the real ones. A life is one
session from opening to closing, or to the crash that ends it; a seed is as many lives as its
jobs need. What must always hold is checked while it happens, and at the end against the
service's own book. The numbers are those of the invariants in the reliability notes.
"""

import asyncio
import hashlib
import json
import logging
import os
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from attrs import define, evolve, field, frozen
from session_kit import png
from simdisk import MODELS, REFUSALS, Model, SimDisk
from simfaults import Faults
from simloop import SimLoop, numbered_scopes
from simservice import WALL, Line, Modes, Service, Violation, body_of
from simwatch import Fairness, Retries, Spending, odd_wait

from dreamina_async import (
    AuthenticationError,
    BudgetReached,
    Credentials,
    DownloadPolicy,
    DreaminaError,
    DreaminaSession,
    ImageRequest,
    JobTimeout,
    RetryPolicy,
    SessionClosed,
    Settings,
    StorageError,
    VideoRequest,
    quote,
)
from dreamina_async._runtime.clock import LoopClock
from dreamina_async._runtime.parts import Doors
from dreamina_async.requests import Submission

JOBS = 20
_LIVES = 40
_LIVES_WHEN_QUIET = 16
_RAM = Path("/dev/shm")
_NAMES = ("journal.sqlite3", "journal.sqlite3-wal", "journal.sqlite3-shm")
_NOTES = (".journal.lock", ".journal.sent")
_USERS_FILE = b"mine, and not to be touched"


@define
class Spec:
    """One thing that the user wants made, and how he asks for it."""

    number: int
    request: Any
    way: str
    submit_id: str | None
    pictures: set[bytes] = field(factory=set)
    """The contents of the images that the request brings along."""
    launched: bool = False


@frozen
class Outcome:
    """What a seed came to."""

    seed: int
    trace: tuple[str, ...]
    fired: dict[str, int]
    violations: tuple[str, ...]
    lives: int
    ops: int
    jobs: dict[str, int]

    @property
    def hash(self) -> str:
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()


class _Clock(LoopClock):
    def __init__(self, world: "World") -> None:
        self._world = world

    def wall(self) -> float:
        return WALL + self._world.loop.time() + self._world.skew

    async def sleep(self, seconds: float) -> None:
        self._check(seconds)
        await super().sleep(seconds)

    async def wait(self, event: asyncio.Event, until: float | None) -> None:
        if until is not None:  # what is over by now is not waited for
            self._check(max(0.0, until - self.monotonic()))
        await super().wait(event, until)

    def _check(self, seconds: float) -> None:
        complaint = odd_wait(seconds)
        if complaint is not None:
            self._world.fail(complaint)


class _Writer:
    """Commits in the loop, a drawn moment after the first thing was put."""

    def __init__(self, life: "Life") -> None:
        self._life = life
        self._items: list[Any] = []
        self._timer: asyncio.TimerHandle | None = None
        self._commit: Callable[[list[Any]], None] | None = None
        self._close: Callable[[], None] | None = None

    def start(self, commit: Callable[[list[Any]], None], close: Callable[[], None]) -> None:
        self._commit, self._close = commit, close
        self._life.step("open", "journal")

    def put(self, item: Any) -> None:
        self._items.append(item)
        if self._timer is None:
            moment = self._life.world.chance.choice((0.0, 0.0004, 0.0004, 0.2))
            self._timer = self._life.world.loop.call_later(moment, self._work)

    def _work(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        items, self._items = self._items, []
        if not items:
            return
        self._life.before_commit(items)
        assert self._commit is not None
        self._commit(items)
        self._life.step("commit", str(len(items)))

    async def stop(self) -> None:
        self._work()
        close, self._close = self._close, None
        if close is not None:
            close()
            self._life.step("close", "journal")


@define(eq=False)
class Life:
    """One session, from its opening to its end."""

    world: "World"
    root: Path
    settings: Settings
    resume_only: bool
    max_credits: int | None = None
    """The budget of this life's run."""
    disk: SimDisk = field(init=False)
    spending: Spending = field(init=False)
    begun: frozenset[str] = field(init=False)
    """Jobs that an earlier life has sent: no budget of this one counts them."""
    retries: Retries = field(init=False)
    fairness: Fairness | None = field(init=False)
    dead: bool = False
    opened: bool = False
    task: "asyncio.Task[None] | None" = None

    def __attrs_post_init__(self) -> None:
        self.spending = Spending(self.max_credits, self.world.prices())
        states = self.world.states(self.root)
        self.begun = frozenset(one for one, state in states.items() if state != "planned")
        self.retries = Retries(self.settings.retrying)
        self.fairness = self._watched()
        may_die = self.world.crash_at is not None
        self.disk = SimDisk(self.root, self.step, self._refuse, may_die=may_die)

    def _watched(self) -> Fairness:
        modes, likely = self.world.service.modes, self.world.service.faults.likely
        slow = modes.strict_batch or modes.takes != "both"  # then a call may be asked in halves
        # the first look after an outage may leave the retry budget empty, and then the next waits
        refill = 120.0 / self.settings.retrying.spare
        return Fairness(
            self.settings.polling,
            least=max(40.0 if slow else 10.0, refill),
            hinted="T9" in likely,
            clock_errs="T1" in likely or "T2" in likely,
        )

    def session(self) -> DreaminaSession:
        session = DreaminaSession(
            Credentials("canary0123456789abcdef"),
            region="cn",
            base_url="https://jimeng.example",
            output_dir=self.root,
            settings=self.settings,
        )
        session._doors = Doors(  # type: ignore[misc]
            clock=lambda: _Clock(self.world),
            transport=lambda settings, *, loopback: Line(self.world.service, self),
            new_id=self.world.new_id,
            disk=lambda: self.disk,
            writer=lambda: _Writer(self),
            boot=lambda: self.world.boot,
        )
        return session

    # ---- the machine -------------------------------------------------------------------

    def step(self, kind: str, name: str) -> None:
        """Something happened after which the machine may die."""
        if self.dead:
            return
        self.world.ops += 1
        self.world.note(kind, name.replace(f".probe-{os.getpid()}.", ".probe-pid."))
        if kind in ("link", "replace"):
            self._check_published(self.root / name)
        if self.world.ops == self.world.crash_at:
            self._crash(kind)

    def _crash(self, kind: str) -> None:
        world = self.world
        model = world.crash_model or world.chance.choice(MODELS)
        world.crashes += 1
        if world.crash_again is not None:
            world.crash_at, world.crash_again = world.ops + world.crash_again, None
        world.note("crash", model, kind)
        target = world.folder / f"life-{world.crashes}"
        self.disk.after_crash(target, model, world.chance, kind)
        self.dead = True
        world.root = target
        if model != "kept":
            world.boot = f"boot-{world.crashes}"
            world.service.faults.fired["F5"] += 1
        fired = world.service.faults.fired
        fired["P2" if kind in ("send", "received") else "P1"] += 1
        fired["P3"] += kind in ("commit", "link", "replace")
        fired["P4"] += world.crashes > 1 and not self.opened  # it was about to recover
        if target.is_dir():
            world.check_folder(target)
        if self.task is not None:
            world.loop.call_soon(self.task.cancel)

    def _refuse(self, kind: str) -> int | None:
        if self.dead:
            return None
        found = self._refusal(kind)
        if found is not None:
            self.fairness = None  # what cannot be written down is given up
        return found

    def _refusal(self, kind: str) -> int | None:
        faults = self.world.service.faults
        if kind == "free" and faults.hits("F15", 0.1):
            return REFUSALS["F15"]
        if kind == "write" and faults.hits("F1", 0.3):
            return REFUSALS["F1"]
        if kind == "sync" and faults.hits("F4", 0.1):
            return REFUSALS["F4"]
        if kind == "create" and faults.hits("F7", 0.1):
            return REFUSALS["F7"]
        return None

    def before_commit(self, items: list[Any]) -> None:
        wal = self.root / "journal.sqlite3-wal"
        self.disk.wal_before = wal.stat().st_size if wal.exists() else 0
        faults = self.world.service.faults
        if not self.dead and faults.hits("F2", 0.1):
            items[0].work = _full
            self.fairness = None
            states = self.world.states(self.root)
            if any(states.get(one) == "intent" for one in self.world.service.jobs):
                faults.fired["F3"] += 1

    # ---- what must hold at every instant -----------------------------------------------

    def violation(self, text: str) -> Violation:
        self.world.violations.append(text)
        self.world.note("VIOLATION", text)
        return Violation(text)

    def _may_have_cost(self, submit_id: str) -> bool:
        return submit_id in self.begun or self.world.service.may_have_cost(submit_id)

    def check_post(self, line: Line, submit_id: str, number: int) -> None:
        """Invariants 2, 3, 4, 5, 9 and 19, when the first byte leaves."""
        self.complain(self.spending.leaves(submit_id, number, self._may_have_cost))
        now = self.world.loop.time()
        state = self.world.states(self.root).get(submit_id)
        if state != "intent":
            raise self.violation(f"2: {submit_id} is sent, and the journal says {state}")
        hold = self.settings.retrying.unanswered == "hold"
        if hold and submit_id in self.world.service.unresolved:
            raise self.violation(f"3: {submit_id} is sent again, and may have arrived before")
        if line.stopped_at is not None and line.stopped_at < now < line.stopped_at + 600:
            self.violation(f"5: {submit_id} is sent {now - line.stopped_at} s after a stop")
        if self.resume_only:
            raise self.violation(f"9: {submit_id} is sent by a resume")
        if line.in_flight > self.settings.submits:
            raise self.violation(f"19: {line.in_flight} submits at once")

    def check_pictures(self, submit_id: str, number: int, named: set[bytes | None]) -> None:
        """Invariant 10, for what goes there: a job is sent with its own pictures only."""
        if named != self.world.specs[number].pictures:
            raise self.violation(f"10: {submit_id} is sent with another job's picture")

    def complain(self, complaint: str | None) -> None:
        """Take a watch's answer."""
        if complaint is not None and not self.dead:
            raise self.violation(complaint)

    def attempt(self, *, again: bool) -> None:
        """A call goes out."""
        self.complain(self.retries.attempt(self.world.loop.time(), again=again))

    def trouble(self) -> None:
        """A call failed in a way that may slow the whole session."""
        if self.fairness is not None:
            self.fairness.trouble(self.world.loop.time())

    def woke(self) -> None:
        """The loop stood still."""
        self.trouble()
        self.retries.woke(self.world.loop.time())

    def called(self) -> None:
        """A status call goes out."""
        service, now = self.world.service, self.world.loop.time()
        if self.fairness is not None:
            running = [one for one in service.jobs.values() if not one.over(now)]
            ages = {one: now - since for one, since in service.posted.items()}
            if self.fairness.called(now, running, ages):
                # what was held, after a record that nobody could believe, waits for a resume
                states = self.world.states(self.root)
                running = [one for one in running if states.get(one.submit_id) != "unknown"]
                self.complain(self.fairness.called(now, running, ages))

    def asked(self, ids: Iterable[str]) -> None:
        """A status call has come for these."""
        now = self.world.loop.time()
        for job in self.world.service.jobs.values():
            if self.fairness is not None and not {job.submit_id, job.history_id}.isdisjoint(ids):
                self.fairness.asked(job.submit_id, now)

    def shown(self, submit_id: str) -> None:
        """The session was shown a job's record."""
        if self.fairness is not None:
            self.fairness.shown(submit_id, self.world.loop.time())

    def _check_published(self, path: Path) -> None:
        if path.suffix in (".png", ".mp4") and not self.world.is_true(path):
            self.violation(f"11: {path.name} got its name with other content")


def _full(connection: sqlite3.Connection) -> None:
    raise sqlite3.OperationalError("database or disk is full")


@define(eq=False)
class World:
    """One seed's universe."""

    seed: int
    folder: Path
    chance: Random
    loop: SimLoop
    specs: list[Spec]
    service: Service
    settings: Settings
    crash_at: int | None = None
    crash_model: Model | None = None
    crash_again: int | None = None
    trace: list[str] = field(factory=list)
    violations: list[str] = field(factory=list)
    boot: str = "boot-0"
    skew: float = 0.0
    ops: int = 0
    crashes: int = 0
    lives: int = 0
    root: Path = field(init=False)
    _seen: set[tuple[str, int, int, int]] = field(factory=set, init=False)
    _users: str | None = field(default=None, init=False)
    """The job in whose folder a file of the user's own stands."""

    def __attrs_post_init__(self) -> None:
        self.root = self.folder / "out"

    @classmethod
    def drawn(cls, seed: int, folder: Path, jobs: int = JOBS) -> "World":
        chance = Random(f"{seed} world")
        slow = chance.choice((0.0, 0.001, 0.05))
        loop = SimLoop(Random(f"{seed} loop"), slow=slow)
        quiet_at = loop.time() + chance.choice((300.0, 1200.0, 3600.0))
        faults = Faults.drawn(Random(f"{seed} faults"), loop.time, quiet_at)
        return cls._made(seed, folder, chance, loop, faults, Modes.drawn(chance), jobs)

    @classmethod
    def calm(cls, seed: int, folder: Path, jobs: int) -> "World":
        """Without any trouble but that of a crash."""
        loop = SimLoop(Random(f"{seed} loop"))
        faults = Faults(Random(f"{seed} faults"), {}, loop.time, 0.0)
        modes = evolve(
            Modes.drawn(Random(seed)), lag=0.0, limit=20, credit=1000, takes="both", latency=0.05
        )
        return cls._made(seed, folder, Random(f"{seed} world"), loop, faults, modes, jobs)

    @classmethod
    def _made(
        cls,
        seed: int,
        folder: Path,
        chance: Random,
        loop: SimLoop,
        faults: Faults,
        modes: Modes,
        jobs: int,
    ) -> "World":
        specs = [_spec(number, chance, folder) for number in range(jobs)]
        trace: list[str] = []

        def note(*words: object) -> None:
            trace.append(f"{loop.time():.3f} " + " ".join(map(str, words)))

        service = Service(chance, faults, modes, [one.request for one in specs], note)
        settings = Settings(
            submits=chance.choice((1, 4, 8)),
            max_in_flight=chance.choice((2, 20)),
            retrying=RetryPolicy(
                spare=chance.choice((4, 20)),
                unanswered="resubmit_same_id" if modes.dedup and chance.random() < 0.2 else "hold",
            ),
            downloading=DownloadPolicy(
                parallel=chance.choice((1, 8)),
                block=chance.choice((64, 1 << 20)),
                resume_from=chance.choice((1, 1 << 20)),
            ),
        )
        return cls(seed, folder, chance, loop, specs, service, settings, trace=trace)

    def note(self, *words: object) -> None:
        self.service.note(*words)

    def prices(self) -> dict[int, int]:
        """What the requests of the runs are expected to cost, by the number in their prompt."""
        runs = [one for one in self.specs if one.way == "run"]
        prices = quote(one.request for one in runs).prices
        return {one.number: price or 0 for one, price in zip(runs, prices, strict=True)}

    def _max_credits(self) -> int | None:
        """Some runs have a budget: while there is trouble, for in the end all is to be sent."""
        dearest = max(self.prices().values(), default=0)
        if self.service.quiet() or not dearest or self.chance.random() < 0.7:
            return None
        return dearest * self.chance.choice((1, 2, 5))

    def new_id(self) -> UUID:
        return UUID(int=self.chance.getrandbits(128), version=4)

    # ---- lives -------------------------------------------------------------------------

    async def run(self) -> None:
        """Live until nothing is owed, then look at everything."""
        self._place_users_file()
        if self.service.faults.hits("T1"):
            self.skew = self.chance.choice((-86_400.0, -600.0, 600.0, 86_400.0))
        quiet_lives = 0
        while self.lives < _LIVES and quiet_lives < _LIVES_WHEN_QUIET:
            quiet = self.service.quiet()
            await self._live(resume_only=quiet and quiet_lives % 3 == 2)
            if quiet:
                quiet_lives += 1
                if self._settled():
                    break
            await asyncio.sleep(self.chance.choice((0.0, 30.0, 700.0)))
        self._check_end()
        await self._check_again()

    async def _live(self, *, resume_only: bool) -> None:
        self.lives += 1
        self._draw_crash()
        life = Life(self, self.root, self.settings, resume_only, self._max_credits())
        self.note("life", self.lives, "resume" if resume_only else "work")
        crashed_before = self.crashes
        life.task = asyncio.ensure_future(self._session(life))
        with suppress(asyncio.CancelledError):
            await life.task
        if self.crashes == crashed_before:
            self.crash_at = None if self.crash_model is None else self.crash_at
            self._check_closed(life)

    def _draw_crash(self) -> None:
        faults = self.service.faults
        if self.crash_model is None and "P1" in faults.likely and not self.service.quiet():
            self.crash_at = self.ops + self.chance.randint(1, 400)

    async def _session(self, life: Life) -> None:
        session = life.session()
        gremlin = asyncio.ensure_future(self._gremlin(life))
        try:
            async with session:
                life.opened = True
                try:
                    await self._work(life, session)
                finally:
                    life.opened = False
                if session._crash is not None:
                    life.violation(f"24: {session._crash!r}")
        except DreaminaError as error:
            self.note("session", type(error).__name__)
        finally:
            gremlin.cancel()
            await session.aclose()

    async def _work(self, life: Life, session: DreaminaSession) -> None:
        posts = self.service.posts
        jobs = await session.resume()
        if self.service.posts != posts:
            life.violation("9: resume sends")
        waiters = [asyncio.ensure_future(_await(self, job)) for job in jobs]
        if not life.resume_only:
            waiters += self._launch_all(session, life.max_credits)
        try:
            await self._wait(waiters)
        finally:
            for one in waiters:
                one.cancel()
            for error in await asyncio.gather(*waiters, return_exceptions=True):
                if isinstance(error, Exception) and not isinstance(error, DreaminaError):
                    life.violation(f"24: {error!r}")

    async def _wait(self, waiters: list["asyncio.Future[Any]"]) -> None:
        faults = self.service.faults
        patience = 6000.0
        if faults.hits("P5"):
            patience = self.chance.choice((0.0, 1.0, 30.0, 300.0))
        for one in waiters:
            if faults.hits("C1", 0.3):
                self.loop.call_later(self.chance.uniform(0.0, 100.0), one.cancel)
        if waiters:
            await asyncio.wait(waiters, timeout=patience)

    def _launch_all(
        self, session: DreaminaSession, max_credits: int | None
    ) -> list["asyncio.Future[Any]"]:
        ways: list[Coroutine[Any, Any, None]] = []
        runs: list[Any] = []
        for spec in self.specs:
            if spec.launched and spec.submit_id is None:
                continue  # whoever gave no id cannot ask for the same job again
            spec.launched = True
            if spec.way == "generate":
                ways.append(_generate(self, session, spec))
            elif spec.way == "submit":
                ways.append(_submit(self, session, spec))
            else:
                own = spec.submit_id
                runs.append(Submission(spec.request, own) if own else spec.request)
        ways.append(self._run(session, runs, max_credits))
        return [asyncio.ensure_future(one) for one in ways]

    async def _run(
        self, session: DreaminaSession, requests: Iterable[Any], max_credits: int | None
    ) -> None:
        run = session.run(requests, max_credits=max_credits)
        try:
            async for _ in run:
                if self.service.faults.hits("C5", 0.1):
                    await run.aclose()
        except BudgetReached:
            self.service.faults.fired["U11"] += 1

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """Invariant 24: what an error says of the charge is true.

        A session that ends speaks of the moment: what has an intent may have left.
        """
        try:
            yield
        except DreaminaError as error:
            one = error.job_id
            if error.charged == "no" and one in self.service.jobs:
                self.fail(f"24: {one} was charged, and its waiter hears: {error!r}")
            never_left = one is not None and one not in self.service.posted and not self.crashes
            # whoever stops waiting hears of the moment: it is about to leave
            if error.charged != "no" and never_left and not _ends_the_wait(error):
                self.fail(f"24: {one} never left, and its waiter hears: {error!r}")

    async def _gremlin(self, life: Life) -> None:
        """Time's own tricks."""
        faults = self.service.faults
        while not self.service.quiet():
            await asyncio.sleep(self.chance.uniform(5.0, 120.0))
            if faults.hits("T8"):
                self.loop.stall(5.0)
                life.woke()
            if faults.hits("P6", 0.3):
                self.loop.stall(7200.0)
                life.woke()
            if life.opened and faults.hits("P7", 0.3):
                await self._intrude(life)
            if faults.hits("T2"):
                self.skew = self.chance.choice((-86_400.0, -600.0, 0.0, 600.0, 86_400.0))

    async def _intrude(self, life: Life) -> None:
        """A second session in the same folder is refused, and asks nothing."""
        intruder = Life(self, life.root, self.settings, resume_only=True)
        intruder.dead = True  # it may not even try to reach the service
        with suppress(StorageError):  # the holder may be about to open or to leave
            async with intruder.session():
                if life.opened:
                    self.fail("P7: two sessions work in one folder")

    # ---- what is on the disk -----------------------------------------------------------

    def states(self, root: Path) -> dict[str, str]:
        return {row["submit_id"]: row["state"] for row in self._rows(root, "jobs")}

    def _rows(self, root: Path, table: str) -> list[sqlite3.Row]:
        path = root / "journal.sqlite3"
        if not path.exists():
            return []
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall()

    def is_true(self, path: Path) -> bool:
        """Whether a media file is one of those that were made for just this job."""
        job = self.service.jobs.get(path.parent.name)
        if job is None:
            return False
        content = path.read_bytes()
        return any(content == body_of(job.submit_id, job.kind, i) for i in range(job.count))

    def _settled(self) -> bool:
        states = self.states(self.root)
        charged = all(states.get(one) in ("done", "failed") for one in self.service.jobs)
        owed = any(state in ("intent", "accepted", "ready") for state in states.values())
        unsent = any(
            states.get(one.submit_id or "", "planned" if one.submit_id else "") == "planned"
            for one in self.specs
        )
        return charged and not owed and not unsent and not self._missing()

    def _missing(self) -> list[str]:
        """Jobs that are done here, and of which the service shows more by now."""
        kept: dict[str, int] = {}
        for row in self._rows(self.root, "media"):
            kept[row["job_id"]] = kept.get(row["job_id"], 0) + 1
        now = self.loop.time()
        states = self.states(self.root)
        return [
            one.submit_id
            for one in self.service.jobs.values()
            if states.get(one.submit_id) == "done"
            and kept.get(one.submit_id, 0) != one.visible(now)
        ]

    def _place_users_file(self) -> None:
        self._users = next((one.submit_id for one in self.specs if one.submit_id), None)
        if self._users is not None:
            folder = self.root / self._users
            folder.mkdir(parents=True)
            (folder / "image-0.png").write_bytes(_USERS_FILE)
            (folder / "video-0.mp4").write_bytes(_USERS_FILE)

    # ---- what must hold ----------------------------------------------------------------

    def fail(self, text: str) -> None:
        self.violations.append(text)
        self.note("VIOLATION", text)

    def check_folder(self, root: Path) -> None:
        """Invariants 11, 12 and 14: whatever has a final name is whole, and ours, or untouched."""
        for path in root.rglob("*"):
            if path.is_file() and path.suffix != ".part":
                if path.parent == root:
                    self._check_note(path)
                else:
                    self._check_file(path)
        if self._users is not None and not (root / self._users / "image-0.png").exists():
            self.fail("14: the user's file is gone")

    def _check_note(self, path: Path) -> None:
        if path.name not in (*_NAMES, *_NOTES):
            self.fail(f"12: {path.name} is not ours")
        elif path.stat().st_mode & 0o077:
            self.fail(f"12: {path.name} can be read by others")

    def _check_file(self, path: Path) -> None:
        if path.name == "job.json":
            json.loads(path.read_text("utf-8"))
        elif path.suffix not in (".png", ".mp4"):
            self.fail(f"12: {path.name} is not ours")
        elif path.parent.name == self._users and path.stem in ("image-0", "video-0"):
            if path.read_bytes() != _USERS_FILE:
                self.fail(f"14: {path.name} was touched")
        elif not self._is_known(path):
            self.fail(f"11: {path.parent.name}/{path.name} is not whole")

    def _is_known(self, path: Path) -> bool:
        """The same, without reading again what nobody has written to since."""
        status = path.stat()
        seen = (str(path), status.st_ino, status.st_mtime_ns, status.st_size)
        if seen not in self._seen and self.is_true(path):
            self._seen.add(seen)
        return seen in self._seen

    def _check_closed(self, life: Life) -> None:
        if not life.root.is_dir():
            return
        self.check_folder(life.root)
        parts = [one.name for one in life.root.rglob("*.part")]
        if parts and not self.crashes:
            self.fail(f"13: {parts} after a close")

    def _check_end(self) -> None:
        states = self.states(self.root)
        for submit_id, times in self.service.charges.items():
            if times > 1:
                self.fail(f"1: {submit_id} was charged {times} times")
            if states.get(submit_id) not in ("done", "failed"):
                self.fail(f"6/8: {submit_id} was charged and ends as {states.get(submit_id)}")
        for submit_id, state in states.items():
            self._check_state(submit_id, state)
        parts = [one.name for one in self.root.rglob("*.part")]
        if parts:
            self.fail(f"13: {parts} at the end")
        for submit_id in self._missing():
            self.fail(f"8: {submit_id} is done, with files missing that are there")
        for spec in self.specs:
            if spec.submit_id and states.get(spec.submit_id, "planned") == "planned":
                self.fail(f"8: {spec.submit_id} was asked for, and never sent")

    def _check_state(self, submit_id: str, state: str) -> None:
        job = self.service.jobs.get(submit_id)
        if state == "done":
            self._check_done(submit_id)
        elif state == "failed":
            by_record = job is not None and job.fate in ("failed", "empty")
            if not by_record and self.service.turned_away.get(submit_id) != "S17":
                self.fail(f"7: {submit_id} failed, and nobody said so")
        elif job is None and state not in ("planned", "unknown"):
            self.fail(f"8: {submit_id} is {state} for ever")

    def _check_done(self, submit_id: str) -> None:
        """Invariants 7 and 10."""
        job = self.service.jobs.get(submit_id)
        if job is None:
            self.fail(f"7: {submit_id} is done, and was never made")
            return
        rows = [one for one in self._rows(self.root, "media") if one["job_id"] == submit_id]
        for row in rows:
            index = int(row["uri"].rpartition("-")[2])
            true = body_of(submit_id, job.kind, index)
            path = self.root / submit_id / row["name"]
            if not path.exists() or path.read_bytes() != true:
                self.fail(f"10: {submit_id}/{row['name']} is not what was made for it")
            elif row["sha256"] != hashlib.sha256(true).hexdigest() or row["size"] != len(true):
                self.fail(f"7: {submit_id}/{row['name']} is recorded as another file")
        if not (self.root / submit_id / "job.json").exists():
            self.fail(f"7: {submit_id} has no job.json")

    async def _check_again(self) -> None:
        """Invariant 9: one more resume changes nothing, and sends nothing."""
        self.crash_at = None
        await asyncio.sleep(60.0)
        if self._missing():  # a late result may have come only now
            await self._live(resume_only=True)
        before = self._stand()
        await self._live(resume_only=True)
        if self._stand() != before:
            self.fail("9: one more resume changed the journal")

    def _stand(self) -> list[tuple[Any, ...]]:
        rows = self._rows(self.root, "jobs")
        stand = [(one["job_id"], one["state"], one["history_id"]) for one in rows]
        return sorted(stand) + sorted(tuple(one) for one in self._rows(self.root, "media"))

    def outcome(self) -> Outcome:
        counts: dict[str, int] = {}
        for state in self.states(self.root).values():
            counts[state] = counts.get(state, 0) + 1
        return Outcome(
            self.seed,
            tuple(self.trace),
            dict(self.service.faults.fired),
            tuple(self.violations),
            self.lives,
            self.ops,
            counts,
        )


def _spec(number: int, chance: Random, folder: Path) -> Spec:
    video = chance.random() < 0.25
    pictures = _pictures(chance)
    sources = [_source(one, chance, folder) for one in pictures]
    if video:
        frame = sources[0] if sources else None
        request: Any = VideoRequest(f"sim-{number}", first_frame=frame)
        pictures = pictures[:1]
    else:
        count = chance.choice((1, 2, 4))
        request = ImageRequest(f"sim-{number}", count=count, references=sources)
    way = chance.choice(("run", "run", "submit", "generate"))
    own = way != "generate" and chance.random() < 0.6
    submit_id = str(UUID(int=chance.getrandbits(128), version=4)) if own else None
    return Spec(number, request, way, submit_id, set(pictures))


def _pictures(chance: Random) -> list[bytes]:
    """Few jobs bring pictures, and some of them the same ones."""
    wanted = chance.choice((0, 0, 0, 0, 0, 0, 1, 2))
    return [png(number, width=8, height=4) for number in chance.sample(range(5), wanted)]


def _source(content: bytes, chance: Random, folder: Path) -> bytes | Path:
    if chance.random() < 0.5:
        return content
    path = folder / f"picture-{zlib.crc32(content):08x}.png"
    path.write_bytes(content)
    return path


async def _await(world: World, job: Any) -> None:
    with world.hearing():
        await job


async def _submit(world: World, session: DreaminaSession, spec: Spec) -> None:
    with world.hearing():
        await (await session.submit(spec.request, submit_id=spec.submit_id))


async def _generate(world: World, session: DreaminaSession, spec: Spec) -> None:
    with world.hearing():
        await session.generate(spec.request, timeout=500.0)


def perform(world: World) -> Outcome:
    """Run a world to its end."""
    quiet_log = logging.getLogger("dreamina_async")
    level, quiet_log.level = quiet_log.level, logging.CRITICAL
    broken: list[str] = []
    world.loop.set_exception_handler(lambda loop, context: broken.append(str(context)))
    try:
        asyncio.set_event_loop(world.loop)
        with numbered_scopes():
            world.loop.run_until_complete(world.run())
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what this seed has found
        world.fail(f"22: {error!r}")
    finally:
        left = [one for one in asyncio.all_tasks(world.loop) if not one.done()]
        for task in left:
            task.cancel()
        with suppress(Exception):
            world.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            world.loop.run_until_complete(world.loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        world.loop.close()
        quiet_log.level = level
    if left:
        world.fail(f"22: {left} left over")
    for text in broken:
        world.fail(f"22: {text}")
    return world.outcome()


def play(seed: int, jobs: int = JOBS) -> Outcome:
    """One seed, from nothing to the verdict."""
    folder = Path(tempfile.mkdtemp(prefix="dreamina-sim-", dir=_RAM if _RAM.is_dir() else None))
    try:
        return perform(World.drawn(seed, folder, jobs))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ends_the_wait(error: DreaminaError) -> bool:
    """The waiter's own patience, the session's end, or a login that status calls (H6) have lost."""
    lost = isinstance(error, AuthenticationError) and error.status in (302, 307)
    return lost or isinstance(error, JobTimeout | SessionClosed)
