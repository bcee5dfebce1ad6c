"""The large tier of every method, one after the other: `python tests/large.py`.

--list        what there is, and its command
--only NAME   that alone; may be given again
--minutes N   how long is fuzzed

Takes hours on two cores. Needs what `pip install -e ".[cli,fastapi]" --group test --group fuzz
--group mutation` brings. Each part can be run by itself with the command that `--list` shows;
what it finds, it says with a command that plays it again. Exit status 1 if anything was found.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field, frozen

CLONE = Path(__file__).resolve().parents[1]
_SWEEP = "-m pytest -m sweep -q -s -p no:cacheprovider -o faulthandler_timeout=3600"


@frozen
class Part:
    """One method's large tier.

    Attributes:
        arguments: what Python is called with.
        figures: which lines of its output go into the table.
    """

    arguments: str
    figures: str

    @property
    def command(self) -> list[str]:
        return [sys.executable, *shlex.split(self.arguments)]


@define
class Result:
    """What a part came to."""

    name: str
    status: int
    seconds: float
    figures: list[str] = field(factory=list)

    def lines(self) -> Iterator[str]:
        yield f"{self.name:14}{'ok' if self.status == 0 else 'FAILED':8}{self.seconds:8.0f} s"
        yield from (f"    {line}" for line in self.figures)


def parts(minutes: float) -> dict[str, Part]:
    """All of them, in the order in which they run."""
    cases = {
        "simulation": ("tests/simulation/run.py --seeds 50000", r"\d+ seeds of|^never fired"),
        "crashes": ("tests/simulation/run.py --crashes --seeds 5 --jobs 20", r"\d+ crashes,"),
        "kills": ("tests/kill/loop.py --kills 1000", r"^kills:|\d+ kills,"),
        "cuts": (f"{_SWEEP} tests/sockets", r"\d+ cuts of|\d+ inputs|(passed|failed).* in "),
        "cancellation": ("tests/cancellation/run.py --styles all --seeds 5", r"\d+ runs"),
        "bugs": (f"{_SWEEP} tests/cancellation/test_cancel_bugs.py", r"(passed|failed).* in "),
        "fuzzing": (f"tests/fuzz/run.py --minutes {minutes:g}", r"\d+ (inputs|executions)"),
        "mutation": ("tests/mutation/run.py --quiet", r"killed|%"),
    }
    return {name: Part(*case) for name, case in cases.items()}


def run(name: str, part: Part) -> Result:
    """Run a part to its end; what it says is passed on as it comes."""
    print(f"\n==> {name}: {shown(part)}", flush=True)
    began = time.monotonic()
    figures: list[str] = []
    environment = os.environ | {"DREAMINA_TESTS": "large", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        part.command,
        cwd=CLONE,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            if re.search(part.figures, line):
                figures.append(line.strip())
    return Result(name, process.returncode, time.monotonic() - began, figures)


def shown(part: Part) -> str:
    """The command as a user would type it."""
    prefix = "DREAMINA_TESTS=large " if "pytest" in part.arguments else ""
    return f"{prefix}python {part.arguments}"


def chosen(names: list[str], minutes: float) -> dict[str, Part]:
    """Those that were asked for.

    Raises:
        SystemExit: there is none of that name.
    """
    every = parts(minutes)
    unknown = set(names) - set(every)
    if unknown:
        raise SystemExit(f"no such part: {', '.join(unknown)}; there are {', '.join(every)}")
    return {name: part for name, part in every.items() if not names or name in names}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--minutes", type=float, default=60.0)
    given = parser.parse_args()
    wanted = chosen(given.only, given.minutes)
    if given.list:
        print("\n".join(f"{name:14}{shown(part)}" for name, part in wanted.items()))
        return 0
    results = [run(name, part) for name, part in wanted.items()]
    print("\n" + "\n".join(line for result in results for line in result.lines()))
    return 1 if any(result.status for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
