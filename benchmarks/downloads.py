"""Downloads: wall and CPU time, memory and the loop's lag, next to curl, aria2c and plain aiohttp.

    python benchmarks/downloads.py [--short] [--out FOLDER]        # about seven minutes

400 images of 2 MB and 20 videos of 30 MB, 8 at once, over loopback, plain and TLS 1.3 (an authority
made for the run, verified), all of it in the page cache. nginx serves them by sendfile, in one
process of its own; without nginx a small server in Python does, and the figures say so.

Ours is a whole session: it opens a journal of finished jobs, and is measured from `resume` to the
last job's end. That includes the status calls (10 a batch, the emulator's records, no ceiling),
the choice of the URL, SHA-256 and the check of each file's structure on the way, the record's MD5
of each video, fsync of file and folder, the final name, `job.json`, and the journal's rows;
`ours_unsynced` is the same without fsync. The others do less: curl, aria2c and the chunks write
the bytes, sync nothing, and nobody looks at them. `transfer` does as much: it is our own way from
the socket to the file, without digest, check and fsync. `dropped` keeps nothing.

Every way runs in a process of its own; the rounds are interleaved and ratios are taken inside a
round. Times in Python are from the moment at which everything is imported and open; curl's and
aria2c's are of the whole process, whose end is seen up to 20 ms late. The lag is what a task that
sleeps 5 ms in the loop oversleeps.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from asyncio import run as run_in_loop
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import asdict, frozen
from downloads_client import Order
from downloads_service import Service, serving
from harness import (
    Goal,
    Sample,
    Tell,
    interleaved,
    main,
    side_by_side,
    spread,
    table,
    tell_goals,
)
from peers_trial import followed

from dreamina_async import (
    Credentials,
    DreaminaSession,
    ImageRequest,
    Settings,
    VideoRequest,
)

PARALLEL = 8
ROUNDS = 5
LOGIN = Credentials("emulated-session", region="cn")
CLIENT = Path(__file__).with_name("downloads_client.py")
_MIB = 1 << 20

Matrix = dict[str, list[Sample]]
"""The samples of each way, in the order of the rounds."""


@frozen
class Set:
    """Files of one kind.

    Attributes:
        jobs: that many, each with four images or one video.
        bytes: of one file.
    """

    kind: str
    jobs: int
    bytes: int

    def requests(self) -> list[ImageRequest | VideoRequest]:
        if self.kind == "image":
            return [ImageRequest(f"image {n}", count=4) for n in range(self.jobs)]
        return [VideoRequest(f"video {n}") for n in range(self.jobs)]


SETS = (Set("image", 100, 2_000_000), Set("video", 20, 30_000_000))
SHORT = (Set("image", 3, 200_000), Set("video", 2, 3_000_000))

PYTHON = ("ours", "ours_unsynced", "transfer", "chunks", "dropped")
TOOLS = ("curl", "aria2c")


@frozen
class Place:
    """Files that stand at the service, and where the runs that fetch them work.

    Attributes:
        journal: an output folder in whose journal the jobs are; copied for each run.
        urls: a file with a URL in each line.
    """

    service: Service
    folder: Path
    journal: Path
    urls: Path
    total: int

    def run(self, way: str) -> Sample:
        """Fetch everything one way; afterwards the folder is as before."""
        target = self.folder / "run"
        shutil.copytree(self.journal, target)
        try:
            if way in TOOLS:
                return _followed(getattr(self, f"_{way}")(target))
            return self._client(way, target)
        finally:
            shutil.rmtree(target)

    def _client(self, way: str, target: Path) -> Sample:
        api = self.service.facts["api"]
        order = Order(way, str(target), api, str(self.urls), self.total, PARALLEL)
        ended = subprocess.run(
            [sys.executable, str(CLIENT), json.dumps(asdict(order))],
            env=os.environ | {"SSL_CERT_FILE": str(self.service.authority)},
            stdout=subprocess.PIPE,
            check=True,
        )
        figures: Sample = json.loads(ended.stdout)
        return figures

    def _curl(self, target: Path) -> list[str]:
        options = target / "options"
        urls = self.urls.read_text("ascii").split()
        lines = (f'url = "{url}"\noutput = "{target}/{url[-32:]}"\n' for url in urls)
        options.write_text("".join(lines), "utf-8")
        parallel = ["-Z", "--parallel-max", str(PARALLEL)]
        command = ["curl", "-fsS", "--no-progress-meter", *parallel, "--config", str(options)]
        return [*command, "--cacert", str(self.service.authority)]

    def _aria2c(self, target: Path) -> list[str]:
        command = ["aria2c", "-q", f"-j{PARALLEL}", "-x1", "--file-allocation=none"]
        command += [f"--ca-certificate={self.service.authority}", f"--dir={target}"]
        return [*command, f"--input-file={self.urls}"]


def _followed(command: list[str]) -> Sample:
    began = time.perf_counter()
    process = subprocess.Popen(command)
    found = followed(process, enough=lambda: False)
    return {"wall": time.perf_counter() - began, "cpu": found.cpu, "peak": found.peak}


# ---- the files -------------------------------------------------------------------------


def prepare(service: Service, one: Set, folder: Path) -> None:
    """Have a set's files made, and its jobs in a journal that a session takes up again."""
    run_in_loop(_submit(service, one, folder / one.kind))
    sizes = service.ask(f"write_files {one.kind}")
    (folder / f"{one.kind}.sizes").write_text(json.dumps(sizes), "ascii")


async def _submit(service: Service, one: Set, journal: Path) -> None:
    """Submit and leave; the service answers no status call until `lead_to`."""
    session = DreaminaSession(
        LOGIN,
        base_url=service.facts["api"],
        output_dir=journal,
        settings=Settings(submits=8, check_account=False),
    )
    async with session:
        for request in one.requests():
            await session.submit(request)


def place(service: Service, one: Set, folder: Path, which: str) -> Place:
    """Where to fetch a set from: `plain` or `tls`."""
    base = service.ask(f"lead_to {which}")
    sizes: dict[str, int] = json.loads((folder / f"{one.kind}.sizes").read_text("ascii"))
    urls = folder / f"{one.kind}.{which}.urls"
    urls.write_text("".join(f"{base}/{name}\n" for name in sizes), "ascii")
    journal = folder / one.kind
    return Place(service, folder, journal, urls, sum(sizes.values()))


# ---- the run ---------------------------------------------------------------------------


def run(short: bool, tell: Tell) -> dict[str, Any]:
    """Every set, plain and TLS; in the short form two of the four."""
    sets, rounds = (SHORT, 1) if short else (SETS, ROUNDS)
    pairs = [(one, which) for one in sets for which in ("plain", "tls")]
    tools = [tool for tool in TOOLS if shutil.which(tool)]
    for tool in set(TOOLS) - set(tools):
        tell(f"{tool} is not there, and is left out")
    with TemporaryDirectory(prefix="downloads-") as name:
        folder = Path(name)
        options = {"speed": 1000.0, "image_lifetime": 86_400.0, "video_lifetime": 86_400.0}
        sizes = {f"{one.kind}_bytes": one.bytes for one in sets}
        with serving(folder, **options, **sizes) as service:
            for one in sets:
                prepare(service, one, folder)
            matrices = {
                f"{one.kind}, {which}": _matrix(
                    place(service, one, folder, which), tools, rounds, tell
                )
                for one, which in (pairs[::3] if short else pairs)
            }
            server = service.facts["server"]
    for title, samples in matrices.items():
        _tell_matrix(f"{title}, served by {server}", samples, tell)
    # so few bytes as the short form takes tell of nothing but how a session begins
    reached = list(goals(matrices)) if "curl" in tools and not short else []
    if reached:
        tell_goals(reached, tell)
    return {"server": server, "rounds": rounds, "matrices": matrices, "goals": reached}


def _matrix(here: Place, tools: list[str], rounds: int, tell: Tell) -> Matrix:
    ways = {way: partial(here.run, way) for way in (*tools, *PYTHON)}
    return interleaved(ways, rounds, tell, patience=10.0 if rounds > 1 else 0.0)


def _tell_matrix(title: str, samples: Matrix, tell: Tell) -> None:
    tell(f"\n{title}: medians, and ratios with their quartiles")
    head = ("way", "wall, s", "CPU, s", "wall / curl", "CPU / curl", "wall / chunks")
    more = ("peak, MiB", "growth", "lag p99, ms", "max")
    table((*head, *more), ([way, *_cells(samples, way)] for way in samples), tell)


def _cells(samples: Matrix, way: str) -> Iterator[str]:
    for figure in ("wall", "cpu"):
        yield f"{_median(samples, way, figure):.2f}"
    for base, figure in (("curl", "wall"), ("curl", "cpu"), ("chunks", "wall")):
        yield str(side_by_side(samples, way, base, figure)) if base in samples else "-"
    yield f"{_median(samples, way, 'peak') / _MIB:.0f}"
    measured_inside = "growth" in samples[way][0]
    for figure, unit in (("growth", _MIB), ("lag_p99", 1e-3), ("lag_max", 1e-3)):
        yield f"{_median(samples, way, figure) / unit:.1f}" if measured_inside else "-"


def _median(samples: Matrix, way: str, figure: str) -> float:
    return spread([sample[figure] for sample in samples[way]]).median


# ---- goals -----------------------------------------------------------------------------

_TO_CURL = {
    "image, plain": (1.5, 2.0),
    "video, plain": (1.3, 1.7),
    "image, tls": (1.6, 2.0),
    "video, tls": (2.0, 2.3),
}
"""Wall and CPU, at most; found with transfers that looked at nothing."""


def goals(matrices: dict[str, Matrix]) -> Iterator[Goal]:
    """Each for the transfer alone, as the limits were found, and for the whole of ours."""
    for title, samples in matrices.items():
        for way in ("transfer", "ours"):
            for figure, limit in zip(("wall", "cpu"), _TO_CURL[title], strict=True):
                ratio = side_by_side(samples, way, "curl", figure).median
                yield Goal(f"{title}: {figure} of {way} to curl", limit, ratio)
            for figure, limit in (("wall", 0.55), ("cpu", 0.58)):
                ratio = side_by_side(samples, way, "chunks", figure).median
                yield Goal(f"{title}: {figure} of {way} to chunks of 64 KiB", limit, ratio)
        growth = _median(samples, "ours", "growth") / _MIB
        yield Goal(f"{title}: growth of memory, MiB", 25.0, growth)
        yield from _lag_goals(title, samples)
    for kind, limit in (("image", 1.35), ("video", 1.15)):
        ratio = side_by_side(matrices[f"{kind}, plain"], "ours", "ours_unsynced", "wall").median
        yield Goal(f"{kind}, plain: wall with fsync to without", limit, ratio)
    growths = [_median(matrices[f"{kind}, plain"], "ours", "growth") for kind in ("image", "video")]
    apart = abs(growths[0] - growths[1]) / _MIB
    yield Goal("plain: growth of memory, images and videos apart, MiB", 8.0, apart)


def _lag_goals(title: str, samples: Matrix) -> Iterator[Goal]:
    lag = _median(samples, "ours", "lag_p99") * 1e3
    if title.endswith("plain"):
        yield Goal(f"{title}: lag p99, ms", 15.0, lag)
    dropped = _median(samples, "dropped", "lag_p99") * 1e3
    yield Goal(f"{title}: lag p99 to that with the body dropped", 2.0, lag / dropped)


# ---- the plot --------------------------------------------------------------------------

_COLOURS = {"curl": "#666666", "aria2c": "#999999", "chunks": "#c77d32", "dropped": "#cccccc"}


def plot(figures: dict[str, Any], canvas: Any) -> None:
    """Wall and CPU seconds of every way, for each set."""
    axes = canvas.subplots(2, 2, sharey=True)
    for axis, (title, samples) in zip(axes.flat, figures["matrices"].items(), strict=False):
        for place_, way in enumerate(reversed(samples)):
            wall, cpu = (_median(samples, way, figure) for figure in ("wall", "cpu"))
            colour = _COLOURS.get(way, "#2a6f97")
            axis.barh(place_, wall, color=colour, height=0.7)
            axis.plot([cpu], [place_], "|", color="black", markersize=11)
        axis.set_yticks(range(len(samples)), [way.replace("_", ", ") for way in reversed(samples)])
        axis.set_title(title, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[1]:
        axis.set_xlabel("seconds: bar wall time, stroke CPU time")


if __name__ == "__main__":
    sys.exit(main("downloads", run, plot))
