"""All benchmarks, one after another, each in a process of its own.

python benchmarks/run.py                            # twenty-five minutes; writes results/
python benchmarks/run.py --short --out figures   # minutes: that every one runs
python benchmarks/run.py --only polling scale
"""

import argparse
import subprocess
import sys
from pathlib import Path

from harness import RESULTS

HERE = Path(__file__).parent
NAMES = ("polling", "sockets", "submitting", "scale", "peers", "downloads", "delivery")


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure, and write figures and plots.")
    parser.add_argument("--short", action="store_true", help="minutes, noisy: that they run")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the folder for figures")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME")
    options = parser.parse_args()
    more = ["--short"] if options.short else []
    for name in options.only:
        print(f"\n==> {name}", flush=True)
        script = str(HERE / f"{name}.py")
        ended = subprocess.run([sys.executable, script, "--out", str(options.out), *more])
        if ended.returncode:
            return ended.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
