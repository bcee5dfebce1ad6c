"""Fuzzing for as long as you like: `python tests/fuzz/run.py --minutes 10`.

--minutes N     in all, guided by coverage; needs atheris (`pip install --group fuzz`)
--inputs N      so many of our own spoilt inputs a target instead; needs nothing
--target NAME   that one alone
--first N       where the spoilt inputs begin

An input that breaks a target is kept in `found`, where the tests read it again.
"""

import argparse
import asyncio
import hashlib
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]

FOUND = HERE / "found"


def ours(names: Iterable[str], inputs: int, first: int) -> int:
    """Spoil and read, one target after the other."""
    from seeds import recorded
    from spoiling import spoilt
    from targets import TARGETS

    with tempfile.TemporaryDirectory() as folder:
        seeds = asyncio.run(recorded(Path(folder)))
    failed = 0
    for name in names:
        began, slowest, bad = time.monotonic(), 0.0, 0
        for seed in range(first, first + inputs):
            data = spoilt(TARGETS[name], seeds[name], seed)
            start = time.thread_time()
            try:
                TARGETS[name].read(data)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
                bad += 1
                _keep(name, data, error)
            slowest = max(slowest, time.thread_time() - start)
        failed += bad
        print(
            f"{name}: {inputs} inputs in {time.monotonic() - began:.0f} s, "
            f"slowest {slowest * 1000:.0f} ms, {bad} failed",
            flush=True,
        )
    return 1 if failed else 0


def _keep(name: str, data: bytes, error: BaseException) -> None:
    path = FOUND / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}"
    path.write_bytes(data)
    print(f"{path.name}: {type(error).__name__}: {str(error)[:200]!a}", flush=True)


# ---- guided by coverage ------------------------------------------------------------------


def guided(names: list[str], minutes: float) -> int:
    """Each target in a process of its own, for libFuzzer ends the one it runs in."""
    from seeds import recorded

    failed = total = 0
    with tempfile.TemporaryDirectory() as folder:
        seeds = asyncio.run(recorded(Path(folder) / "seeds"))
        for name in names:
            corpus = Path(folder) / name
            corpus.mkdir()
            for number, data in enumerate(seeds[name]):
                (corpus / str(number)).write_bytes(data)
            executions, fine = _guided_one(name, corpus, 60 * minutes / len(names))
            total, failed = total + executions, failed + (not fine)
    print(f"{total} executions of {len(names)} targets, {failed} of them failed")
    return 1 if failed else 0


def _guided_one(name: str, corpus: Path, seconds: float) -> tuple[int, bool]:
    command = [sys.executable, __file__, "--within", name, str(corpus)]
    options = ["-max_len=65536", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]
    options += [f"-max_total_time={max(1, int(seconds))}", f"-artifact_prefix={FOUND / name}-"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, errors="replace")
    figures = dict(re.findall(r"stat::(\w+):\s+(\d+)", done.stderr))
    executions = int(figures.get("number_of_executed_units", 0))
    covered = re.findall(r"cov: (\d+)", done.stderr)
    print(f"{name}: {executions} executions, {covered[-1] if covered else 0} edges", flush=True)
    if done.returncode:
        print("\n".join(f"    {line}" for line in done.stderr.splitlines()[-40:]))
    return executions, done.returncode == 0


def within(name: str, arguments: list[str]) -> None:
    """In a target's own process."""
    import atheris

    with atheris.instrument_imports(include=["dreamina_async"]):
        from targets import TARGETS
    from spoiling import spoilt_document

    target = TARGETS[name]

    def spoil(data: bytes, longest: int, seed: int) -> bytes:
        """As a document one time in two: libFuzzer knows nothing of JSON."""
        if target.like == "json" and seed % 2:
            return spoilt_document(data, random.Random(seed))[:longest]
        return atheris.Mutate(data, longest)

    atheris.Setup([sys.argv[0], *arguments], target.read, custom_mutator=spoil)
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--inputs", type=int)
    parser.add_argument("--target")
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    from targets import TARGETS

    if given.target is not None and given.target not in TARGETS:
        parser.error(f"there is no target {given.target}; there are {', '.join(TARGETS)}")
    FOUND.mkdir(exist_ok=True)
    names = [given.target] if given.target else list(TARGETS)
    if given.minutes is None:
        return ours(names, given.inputs or 2000, given.first)
    return guided(names, given.minutes)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--within"]:
        within(sys.argv[2], sys.argv[3:])
    sys.exit(main())
