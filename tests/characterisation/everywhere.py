"""Runs the tests beside it in fresh virtual environments: the oldest allowed versions, the newest.

    python tests/characterisation/everywhere.py            both
    python tests/characterisation/everywhere.py oldest     one of them

It needs pip and a package index; what it installs goes into a temporary folder.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

_HERE = Path(__file__).parent
_ROOT = _HERE.parent.parent
_TOOLS = ("pytest>=9", "pytest-asyncio>=1.5")
"""What the settings in `pyproject.toml` ask for."""


def requirements(which: str) -> list[str]:
    """Our own, as they are, or each at its floor."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked: list[str] = project["dependencies"]
    if which == "newest":
        return asked
    return [re.sub(r">=([^,]+).*", r"==\1", one) for one in asked]


def run(which: str) -> int:
    """One fresh environment; what pytest says of it."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder, "bin", "python"))
        pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *_TOOLS, *requirements(which)], check=True)
        shown = "import aiohttp,yarl,anyio,attrs,aiofiles; from importlib.metadata import version"
        names = "aiohttp yarl anyio attrs aiofiles"
        telling = f"{shown}; print(*[n + ' ' + version(n) for n in '{names}'.split()], sep=', ')"
        print(f"==> {which}", flush=True)
        subprocess.run([python, "-c", telling], check=True)
        # the tests' own watchers are about the package, which is not installed here
        pytest = [python, "-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider"]
        tests = subprocess.run(
            [*pytest, str(_HERE)], cwd=_ROOT, env={"PYTHONPATH": str(_ROOT / "tests")}, check=False
        )
        return tests.returncode


if __name__ == "__main__":
    sys.exit(max(run(which) for which in sys.argv[1:] or ("oldest", "newest")))
