"""One run of one way: its program, its own service, its own folder, and what came of them."""

import hashlib
import io
import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
import tokenize
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from statistics import fmean

from attrs import asdict, define, frozen
from harness import Sample
from peers_service import Book, Charge, Service, service

from dreamina_async.emulator import Outcome

HERE = Path(__file__).parent
SEED = 6
FILES = 4

SUBJECTS = (
    "一只柴犬在太空飞翔",
    "江南水乡的清晨薄雾",
    "雪山下的红色小木屋",
    "雨夜霓虹街头的老式电车",
    "a lighthouse in a storm",
    "a paper boat on a quiet lake",
    "an old clockmaker at his desk",
    "a greenhouse on the moon",
)
STYLES = ("，水彩", "，赛博朋克风格", "，铅笔素描", ", oil painting", ", 35mm film")

_COMPLETE = 0.5
"""Seconds in which all images are there and the job is not yet called done."""

_IMAGE_BYTES = 2_900_000
"""A real one (protocol notes 8.3); made smaller by the speed."""


@frozen
class Scale:
    """How much is measured, and how many times faster than the service."""

    jobs: int
    speed: float
    rounds: int

    def durations(self) -> dict[str, float]:
        """Prompts, and how long each takes: the range that captures show."""
        prompts = [subject + style for subject, style in itertools.product(SUBJECTS, STYLES)]
        chance = random.Random(SEED)
        return {one: chance.uniform(7.5, 14.5) for one in chance.sample(prompts, self.jobs)}


# ---- the ways --------------------------------------------------------------------------

_NOTHING = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)


@frozen
class Way:
    """A program that takes a base URL, a folder, a list of prompts and the speed."""

    scripts: tuple[str, ...]
    more: tuple[str, ...] = ()

    @property
    def lines(self) -> int:
        """Lines of code: no docstrings, comments and blank lines."""
        return sum(_lines(HERE / script) for script in self.scripts)


def _lines(path: Path) -> int:
    kept = set[int]()
    for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
        docstring = token.type == tokenize.STRING and token.line.lstrip().startswith('"""')
        if token.string and token.type not in _NOTHING and not docstring:
            kept.update(range(token.start[0], token.end[0] + 1))
    return len(kept)


# ---- a run -----------------------------------------------------------------------------


@frozen
class Place:
    """A service, and a folder beside it, for one run."""

    service: Service
    folder: Path
    scale: Scale

    def start(self, way: Way) -> "subprocess.Popen[bytes]":
        command = [sys.executable, str(HERE / way.scripts[0]), self.service.base_url]
        command += [str(self.folder / "out"), str(self.folder / "prompts"), str(self.scale.speed)]
        return subprocess.Popen([*command, *way.more], stdout=subprocess.DEVNULL)


@contextmanager
def place(scale: Scale) -> Iterator[Place]:
    """A new service and a new folder; both are gone afterwards."""
    options = {
        "speed": scale.speed,
        "seed": SEED,
        "outcomes": {
            prompt: Outcome(run_seconds=took) for prompt, took in scale.durations().items()
        },
        "image_complete": (_COMPLETE, _COMPLETE),
        "image_bytes": int(_IMAGE_BYTES / scale.speed),
    }
    with tempfile.TemporaryDirectory(prefix="peers-") as name, service(**options) as there:
        folder = Path(name)
        (folder / "out").mkdir()
        (folder / "prompts").write_text("\n".join(scale.durations()), encoding="utf-8")
        yield Place(there, folder, scale)


def trial(way: Way, scale: Scale) -> Sample:
    """Run it once, undisturbed."""
    with place(scale) as here:
        footprint = followed(here.start(way), enough=lambda: False)
        return _figures(here) | asdict(footprint)


def killed_trial(way: Way, scale: Scale) -> Sample:
    """Kill it when half of the files were fetched, and run it again."""
    half = scale.jobs * FILES // 2
    with place(scale) as here:
        followed(here.start(way), enough=lambda: here.service.answered("media") >= half)
        followed(here.start(way), enough=lambda: False)
        return _after_kill(here)


@define
class Footprint:
    """What a program used: seconds, bytes, threads at the most."""

    cpu: float = 0.0
    peak: float = 0.0
    threads: float = 0.0


def followed(process: "subprocess.Popen[bytes]", enough: Callable[[], bool]) -> Footprint:
    """Look at a program until it ends, or kill it once there is `enough`.

    Raises:
        RuntimeError: it failed.
    """
    found, killed = Footprint(), False
    try:
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            _look(process.pid, found)
            if not killed and enough():
                process.kill()
                killed = True
            time.sleep(0.02)
    except BaseException:
        process.kill()
        process.wait()
        raise
    process.returncode = os.waitstatus_to_exitcode(ended[1])
    if process.returncode and not killed:
        raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
    found.cpu = ended[2].ru_utime + ended[2].ru_stime
    return found


def _look(pid: int, found: Footprint) -> None:
    try:
        text = Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:  # it has just ended, or this is no Linux
        return
    told = dict(line.partition(":")[::2] for line in text.splitlines())
    if "VmHWM" in told:
        # of this program alone: the kernel's figure at its end would hold its parent's, too
        found.peak = max(found.peak, float(told["VmHWM"].split()[0]) * 1024)
        found.threads = max(found.threads, float(told["Threads"]))


# ---- what came of it -------------------------------------------------------------------


def _on_disk(here: Place) -> dict[str, float]:
    """Digests of all images, and when the first of its kind had its name and its bytes."""
    found: dict[str, float] = {}
    for path in (here.folder / "out").rglob("*.png"):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found[digest] = min(path.stat().st_ctime, found.get(digest, float("inf")))
    return found


def _figures(here: Place) -> Sample:
    """Seconds are those of the service."""
    book, disk, scale = here.service.book(), _on_disk(here), here.scale
    calls = [*book.to("generate"), *book.to("history")]
    delays = sorted(
        (max(disk[file] for file in charge.files) - _end(charge, scale)) * scale.speed
        for charge in book.charges
        if disk.keys() >= set(charge.files)
    )
    right = _right(book, disk)
    begun = min(call.at for call in calls)
    return {
        "wall": (max(disk[file] for file in right) - begun) * scale.speed,
        "calls": len(book.to("history")) / len(book.charges),
        "peak_calls": busiest([call.at for call in calls], 1 / scale.speed),
        "delay": fmean(delays),
        "delay_p95": delays[ceil(0.95 * len(delays)) - 1],
        "right": len(right),
        "charges": len(book.charges),
    }


def _end(charge: Charge, scale: Scale) -> float:
    return charge.at + (scale.durations()[charge.prompt] + _COMPLETE) / scale.speed


def _right(book: Book, disk: dict[str, float]) -> set[str]:
    return {file for charge in book.charges for file in charge.files} & disk.keys()


def busiest(instants: list[float], width: float) -> int:
    """The most instants in any window."""
    instants, first, most = sorted(instants), 0, 0
    for last, at in enumerate(instants):
        while at - instants[first] >= width:
            first += 1
        most = max(most, last - first + 1)
    return most


def _after_kill(here: Place) -> Sample:
    book, disk = here.service.book(), _on_disk(here)
    right = _right(book, disk)
    return {
        "paid": len(book.charges),
        "lost": len(book.charges) * FILES - len(right),
        "broken": len(disk.keys() - right),
    }
