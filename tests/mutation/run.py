"""Changes the decisions one at a time and counts which changes the tests notice.

    pip install -e ".[cli,fastapi]" --group test --group mutation
    python tests/mutation/run.py

--module NAME    one module, such as `_core/ledger.py` or `ledger`; may be given again
--function NAME  only mutants in functions or classes whose name holds this
--sample N       that many mutants of each module, drawn by --seed S
--jobs N         how many at once
--quiet          the rates only, no diffs

Works on copies in a temporary folder. Needs Linux: each mutant runs in a fork of this process,
which has imported pytest and the libraries already, and nothing of ours.
"""

import argparse
import gc
import importlib
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from attrs import define, field, frozen  # noqa: E402
from mutants import Mutant, diff, make_mutants  # noqa: E402
from mutation_table import CLONE, MODULES, PACKAGE, equivalents  # noqa: E402

_LIBRARIES = (
    *("pytest", "pytest_asyncio.plugin", "anyio.pytest_plugin", "_hypothesis_pytestplugin"),
    *("hypothesis", "hypothesis.stateful", "aiohttp", "aiofiles", "sqlite3", "fcntl", "uuid"),
)
_OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:sybil")
_LEAST_SECONDS, _TIMES = 15.0, 4.0
"""How long a mutant may take: this, and so many times what the tests take without one."""
_MEMORY = 4 * 1024**3


@frozen
class Slot:
    """A copy of the clone that one mutant at a time is written into."""

    root: Path

    @classmethod
    def make(cls, root: Path) -> "Slot":
        ignored = shutil.ignore_patterns("__pycache__")
        for name in (PACKAGE, "tests"):
            shutil.copytree(CLONE / name, root / name, ignore=ignored)
        shutil.copy(CLONE / "pyproject.toml", root)
        return cls(root)

    def read(self, module: str) -> str:
        return (self.root / PACKAGE / module).read_text("utf-8")

    def write(self, module: str, text: str) -> None:
        path = self.root / PACKAGE / module
        path.write_text(text, "utf-8")
        for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            compiled.unlink()


@frozen
class Outcome:
    """What became of a mutant: what pytest answered, or that it took too long."""

    code: int
    timed_out: bool = False


@define
class Running:
    mutant: Mutant
    slot: Slot
    ends: float


@define
class Score:
    """The mutants of one module by what became of them."""

    module: str
    equivalent: int = 0
    killed: int = 0
    timed_out: int = 0
    survivors: list[str] = field(factory=list)

    @property
    def total(self) -> int:
        return self.killed + self.timed_out + len(self.survivors)

    def line(self) -> str:
        rate = 100 * (self.killed + self.timed_out) / self.total if self.total else 100.0
        return (
            f"{self.module:22} {self.total:5} {self.killed:7} {len(self.survivors):9} "
            f"{self.timed_out:9} {self.equivalent:10} {rate:6.1f} %"
        )


HEADER = "module                 mutants  killed  survived timed out equivalent   rate"


def judged(slot: Slot, module: str, seconds: float | None = None) -> int:
    """Start the tests of a module in a fork of this process, and answer with its id."""
    pid = os.fork()
    if pid:
        return pid
    code = 3
    try:
        os.setsid()
        code = _run_tests(slot, module, seconds)
    finally:
        os._exit(code)


def _run_tests(slot: Slot, module: str, seconds: float | None) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    log = os.open(slot.root / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if seconds is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 2))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    os.chdir(slot.root)
    os.environ["PYTHONPATH"] = str(slot.root)
    sys.path.insert(0, str(slot.root))
    sys.dont_write_bytecode = seconds is not None  # it would outlive the mutant
    import hypothesis
    import pytest

    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile(
        "mutation",
        derandomize=True,
        database=None,
        deadline=None,
        phases=phases,
        max_examples=50,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    warnings = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
    profile = ("--hypothesis-profile", "mutation", "--basetemp", str(slot.root / "tmp"))
    files = [f"tests/{name}" for name in MODULES[module]]
    return int(pytest.main([*_OPTIONS, *warnings, *profile, *files]))


def ended(pid: int, ends: float) -> Outcome | None:
    """What became of a process; None if it still may run."""
    over = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if over is None and time.monotonic() < ends:
        return None
    _end(pid)  # before it is waited for: until then its number is nobody else's
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return Outcome(code, over is None or code == -signal.SIGXCPU)


def _end(pid: int) -> None:
    """It and what it started: its own process group."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def patience(slot: Slot, module: str) -> float:
    """How long the tests of a module may take with a mutant in it.

    Raises:
        SystemExit: they fail without one.
    """
    began = time.monotonic()
    pid = judged(slot, module)
    while (outcome := ended(pid, began + 600)) is None:
        time.sleep(0.02)
    if outcome.code:
        print((slot.root / "log").read_text("utf-8", "replace")[-4000:])
        raise SystemExit(f"{module}: its tests fail without any mutant")
    return _LEAST_SECONDS + _TIMES * (time.monotonic() - began)


def outcomes(mutants: Iterable[Mutant], slots: list[Slot]) -> Iterator[tuple[Mutant, Outcome]]:
    """Each mutant with what became of it, in the order in which they end."""
    left, free, running = list(reversed(list(mutants))), list(slots), dict[int, Running]()
    limit = patience(slots[0], left[0].module) if left else 0.0
    try:
        while left or running:
            while left and free:
                mutant, slot, now = left.pop(), free.pop(), time.monotonic()
                slot.write(mutant.module, mutant.text)
                running[judged(slot, mutant.module, limit)] = Running(mutant, slot, now + limit)
            time.sleep(0.02)
            for pid, one in list(running.items()):
                outcome = ended(pid, one.ends)
                if outcome is not None:
                    free.append(running.pop(pid).slot)
                    yield one.mutant, outcome
    finally:
        for pid in running:
            _end(pid)


def score(module: str, slots: list[Slot], options: argparse.Namespace) -> Score:
    """Make the mutants of a module, draw the wanted ones, and have them judged."""
    known, result, source = equivalents(), Score(module), slots[0].read(module)
    mutants = [one for one in make_mutants(module, source) if options.function in one.where]
    if not options.function:
        _complain({sign for sign in known if sign[0] == module} - {one.sign for one in mutants})
    if options.sample and options.sample < len(mutants):
        mutants = random.Random(f"{options.seed}:{module}").sample(mutants, options.sample)
    result.equivalent = sum(one.sign in known for one in mutants)
    for mutant, outcome in outcomes([one for one in mutants if one.sign not in known], slots):
        if outcome.timed_out:
            result.timed_out += 1
        elif outcome.code:
            result.killed += 1
        else:
            result.survivors.append(diff(mutant, source))
    for slot in slots:
        slot.write(module, source)
    return result


def _complain(stale: Iterable[tuple[str, str, str, str]]) -> None:
    for module, where, was, now in sorted(stale):
        print(f"equivalent.toml: no such mutant in {module}, {where}: {was!r} -> {now!r}")


def chosen(names: list[str]) -> list[str]:
    """The modules meant by names such as `ledger`.

    Raises:
        SystemExit: there is none of that name.
    """
    modules = [one for one in MODULES if not names or one in names or Path(one).stem in names]
    if len(modules) < len(names):
        raise SystemExit(f"no such module; there are {', '.join(MODULES)}")
    return modules


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--module", action="append", default=[])
    parser.add_argument("--function", default="")
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args()
    modules = chosen(options.module)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # and takes its copies along
    for library in _LIBRARIES:
        importlib.import_module(library)
    gc.collect()
    gc.freeze()  # the forks share it, and need not look through it
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        slots = [Slot.make(Path(folder) / str(place)) for place in range(options.jobs)]
        scores = []
        for module in modules:
            scores.append(score(module, slots, options))
            print(HEADER if len(scores) == 1 else "", scores[-1].line(), sep="\n", flush=True)
            if not options.quiet:
                print(*scores[-1].survivors, sep="\n\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
