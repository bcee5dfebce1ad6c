"""A bulk program that is killed again and again, against an emulator in another process.

A world is one output folder, one emulator and as many lives of the program as it takes. The
emulator times most of the kills: it holds a request that it has read, or the reply to one that
it has charged, until the program is dead. In the end nothing may have been paid twice, nothing
that was paid may be missing, and what stands in the folder is what was made.
"""

import asyncio
import hashlib
import json
import re
import signal
import stat
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from random import Random

from attrs import define, evolve, field, frozen
from session_kit import JOURNAL, check_folder, rows

from dreamina_async.emulator import Emulator, Fault

PROGRAM = Path(__file__).with_name("bulk_program.py")
ROWS = 36
_PATIENCE = 50.0

_HELD: dict[str, tuple[Fault, int, float]] = {
    # what the emulator does, which request of a life at the latest, how long until the kill
    "submit read": (Fault(where="generate", what="hang"), 4, 0.0),
    "submit charged": (Fault(where="generate", what="hang_after_charge"), 4, 0.0),
    "submit answered": (Fault(where="generate", what="delay"), 4, 0.02),
    "look read": (Fault(where="history", what="hang"), 8, 0.0),
    "file asked for": (Fault(where="media", what="hang"), 30, 0.0),
    "file under way": (Fault(where="media", what="drip", seconds=0.2), 30, 0.2),
    "file saved": (Fault(where="media", what="delay"), 30, 0.03),
}
_ANY_TIME = {"any moment": 3.0, "start": 0.6, "recovery": 0.06}
"""How many seconds after the start, or after the session begins to open, at most."""
MOMENTS = (*_ANY_TIME, *_HELD)
_SPENDING = ("submit read", "submit charged", "submit answered")


_HELD_BACK = re.compile(r"[0-9a-f-]{36} unknown ")
"""All that a life may complain of: a job that may have been sent, and shows no trace."""


@frozen
class Kill:
    """When a life ends, and whether it does no more than resume.

    Attributes:
        moment: one of `MOMENTS`.
        after: so many requests of that kind are let through first.
        seconds: from that moment to the kill.
        resuming: whether it is a life that submits nothing.
    """

    moment: str
    after: int = 0
    seconds: float = 0.0
    resuming: bool = False

    @classmethod
    def drawn(cls, chance: Random) -> "Kill":
        """One of all kinds, most often where money is spent."""
        resuming = chance.random() < 1 / 6
        spending = () if resuming else 2 * _SPENDING
        moment = chance.choice([*(one for one in MOMENTS if one not in _SPENDING), *spending])
        if moment in _ANY_TIME:
            return cls(moment, 0, chance.uniform(0.0, _ANY_TIME[moment]), resuming)
        _, latest, seconds = _HELD[moment]
        return cls(moment, chance.randint(0, latest), chance.uniform(0.0, seconds), resuming)


def drawn_kills(seed: int, number: int) -> list[Kill]:
    """A world's kills; how far the program has come by then is its own affair."""
    chance = Random(f"{seed} kills")
    return [Kill.drawn(chance) for _ in range(number)]


@define
class Tally:
    """What came of it."""

    kills: Counter[str] = field(factory=Counter)
    lives: int = 0
    jobs: int = 0
    charges: int = 0
    unknown: int = 0
    violations: list[str] = field(factory=list)

    def add(self, other: "Tally") -> None:
        self.kills.update(other.kills)
        self.lives += other.lives
        self.jobs += other.jobs
        self.charges += other.charges
        self.unknown += other.unknown
        self.violations += other.violations


@define(eq=False)
class _World:
    folder: Path
    emulator: Emulator
    rows: int
    tally: Tally = field(factory=Tally)
    forbidden: set[str] = field(factory=set)
    """The lives that must not submit."""

    async def be_killed(self, kills: Iterable[Kill]) -> None:
        """One life after the other, until one has done all the work."""
        for kill in kills:
            if await self._live(kill, resume=kill.resuming):
                self.tally.kills[kill.moment] += 1
            elif not kill.resuming:
                return

    async def come_to_the_end(self) -> None:
        """Work, resume, work: the first may bring something new, the last must not."""
        await self._live()
        await self._live(resume=True)
        before = _content(self.folder)
        asked = self.emulator.requests.counts.get("media", 0)
        self.forbidden.add(self._next_life())
        await self._live()
        if self.emulator.requests.counts.get("media", 0) != asked:
            self.wrong("the last life fetched a file again")
        if _content(self.folder) != before:
            self.wrong("the last life changed something")

    def wrong(self, text: str) -> None:
        self.tally.violations.append(text)

    # ---- one life ----------------------------------------------------------------------

    def _next_life(self) -> str:
        return f"life-{self.tally.lives + 1:05}"

    async def _live(self, kill: Kill | None = None, *, resume: bool = False) -> bool:
        """Whether it was killed; one that ends by itself must end well."""
        life = self._next_life()
        self.tally.lives += 1
        mode = ["--resume"] if resume else []
        if resume:
            self.forbidden.add(life)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(PROGRAM), self.emulator.base_url),
            *(str(self.folder), str(self.rows), "--life", life, *mode),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.stdout is not None
        timer = asyncio.ensure_future(self._until(kill, process.stdout))
        ended = asyncio.ensure_future(process.wait())
        await asyncio.wait({timer, ended}, timeout=_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            process.kill()  # in the turn in which the moment came: no reply has left since
        status = await ended
        timer.cancel()
        await asyncio.gather(timer, return_exceptions=True)
        self.emulator.faults.clear()
        output = (await process.stdout.read()).decode()
        self._check_end(status, output, meant=kill is not None)
        return status == -signal.SIGKILL

    async def _until(self, kill: Kill | None, stdout: asyncio.StreamReader) -> None:
        if kill is None:
            await asyncio.Event().wait()
        elif kill.moment == "recovery":
            await stdout.readline()
        elif kill.moment in _HELD:
            await self._until_held(evolve(_HELD[kill.moment][0], after=kill.after))
        assert kill is not None
        await asyncio.sleep(kill.seconds)

    async def _until_held(self, fault: Fault) -> None:
        faults = self.emulator.faults
        before = len(faults.hits)
        faults.add(fault)
        await self.emulator.until(lambda: len(faults.hits) > before)

    def _check_end(self, status: int, output: str, *, meant: bool) -> None:
        if status == -signal.SIGKILL:
            if not meant:
                self.wrong(f"a life did not end: {output}")
            return
        told = [line for line in output.splitlines() if line != "begins"]
        if status != bool(told) or not all(map(_HELD_BACK.match, told)):
            self.wrong(f"a life ended with {status}: {output[-500:]}")

    # ---- what must hold in the end -----------------------------------------------------

    def check(self) -> None:
        """The service's book, the journal and the folder against each other."""
        self.tally.charges, self.tally.jobs = len(self.emulator.ledger), self.rows
        self._check_book()
        self._check_journal()
        self._check_files()
        for request in self.emulator.requests.to("generate"):
            if request.query["life"] in self.forbidden:
                self.wrong(f"{request.query['life']} submitted, and was not to")

    def _check_book(self) -> None:
        for submit_id, times in self.emulator.ledger.repeated().items():
            self.wrong(f"{submit_id} was charged {times} times")
        for prompt, charges in self.emulator.ledger.by_prompt.items():
            if len(charges) > 1:
                self.wrong(f"{prompt!r} was charged {len(charges)} times")

    def _check_journal(self) -> None:
        states = rows(self.folder)
        charged = set(self.emulator.ledger.submit_ids)
        self.tally.unknown = sum(state == "unknown" for state in states.values())
        if len(states) != self.rows:
            self.wrong(f"the journal has {len(states)} jobs of {self.rows}")
        for submit_id in charged - set(states):
            self.wrong(f"{submit_id} was charged, and the journal does not know it")
        for submit_id, state in states.items():
            if state != ("done" if submit_id in charged else "unknown"):
                charge = "charged" if submit_id in charged else "not charged"
                self.wrong(f"{submit_id} is {state}, and was {charge}")

    def _check_files(self) -> None:
        try:
            check_folder(self.folder)
        except AssertionError as error:
            self.wrong(f"in the folder: {error}")
        # whoever reads the journal, as this check does, makes SQLite's own two beside it
        ours = {JOURNAL, f"{JOURNAL}-wal", f"{JOURNAL}-shm", ".journal.lock", ".journal.sent"}
        for path in self.folder.iterdir():
            if path.is_file() and path.name not in ours:
                self.wrong(f"{path.name} is nothing of ours")
            if path.is_file() and stat.S_IMODE(path.stat().st_mode) != 0o600:
                self.wrong(f"{path.name} is open to others")
        if stat.S_IMODE(self.folder.stat().st_mode) != 0o700:
            self.wrong("the folder is open to others")
        jobs = {path.name for path in self.folder.iterdir() if path.is_dir()}
        for submit_id in jobs ^ set(self.emulator.ledger.submit_ids):
            self.wrong(f"{submit_id} was charged and has no folder, or the other way round")
        for submit_id in jobs:
            self._check_job(submit_id)

    def _check_job(self, submit_id: str) -> None:
        folder = self.folder / submit_id
        made = {f"image-{one.index}.png": one.body() for one in self.emulator.media(submit_id)}
        found = {one.name: one.read_bytes() for one in folder.iterdir()}
        document = json.loads(found.pop("job.json", b"{}"))
        if found != made:
            self.wrong(f"the files of {submit_id} are not those that were made: {sorted(found)}")
        told = [one["sha256"] for one in document.get("media", ())]
        if told != [hashlib.sha256(body).hexdigest() for body in made.values()]:
            self.wrong(f"the job.json of {submit_id} tells of other files")


def _content(folder: Path) -> tuple[object, ...]:
    """Everything that a life without work must leave as it was."""
    files = {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.glob("*/*")
        if path.is_file()
    }
    return files, rows(folder, "job_id, state, history_id, sent_at, finished_at, saved_at")


async def one_world(
    folder: Path, kills: Iterable[Kill], *, seed: int = 0, number: int = ROWS
) -> Tally:
    """Everything that happens in one folder.

    Args:
        folder: does not exist yet.
        kills: until there are no more, or nothing is left to do.
        seed: the emulator's.
        number: how many prompts.
    """
    options = {"speed": 60, "seed": seed, "read_lag": 5.0, "image_bytes": 100_000}
    # a fault that is hit has acted: nothing lies between
    async with Emulator(**options, generate_latency=(0.0, 0.0)) as emulator:
        world = _World(folder, emulator, number)
        await world.be_killed(kills)
        await world.come_to_the_end()
    world.check()  # by now every request that was held has been noted, too
    return world.tally
