"""Who may import whom. The imports are read, not run; any other arrow fails."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import dreamina_async

PACKAGE = "dreamina_async"
ROOT = Path(dreamina_async.__file__).parent

# From left to right; a module may import its own layer and those to its left.
LAYERS = {
    "errors": 0,
    "credentials": 1,
    "gate": 1,
    "proxies": 1,
    "catalogue": 2,
    "credits": 2,
    "images": 2,
    "requests": 3,
    "models": 3,
    "quotes": 4,
    "settings": 3,
    "events": 4,  # it carries models
    "_core": 5,
    "_runtime": 6,
    "job": 7,
    "run": 7,
    "export": 7,
    "session": 7,
}
EDGES = {"cli", "fastapi", "fleet", "otel", "gallery", "pytest_plugin", "emulator", "__main__"}
PURE = {
    "errors",
    "credentials",
    "proxies",
    "catalogue",
    "credits",
    "images",
    "models",
    "requests",
    "quotes",
    "settings",
    "events",
    "_core",
}
NOT_IN_PURE = {"asyncio", "anyio", "aiohttp", "aiofiles", "time", "random", "os", "logging"}
NOT_IN_PURE |= {"sqlite3", "threading", "socket", "secrets", "subprocess", "concurrent", "yarl"}
# `from_env` reads the environment; of paths, only their spelling is looked at.
EXCEPTIONS = {("credentials", "os"), ("images", "os"), ("proxies", "os")}
HOMES = {
    "aiohttp": {"_runtime.transport"},
    "yarl": {"_runtime.transport"},
    "aiofiles": {"_runtime.files"},
    "obstore": {"_runtime.objects"},
    "sqlite3": {"_runtime.journal", "fleet.dbos_engine"},  # the second asks how old it is
    "dbos": {"fleet.dbos_engine"},
}
SERVER = {"aiohttp", "yarl"}
"""What the emulator serves with."""


def sources():
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield name, path.read_text(), path.name == "__init__.py"


MODULES = {name: (text, is_package) for name, text, is_package in sources()}


def imported(name, text, is_package):
    """Absolute names of everything a module imports, wherever in it; `a.b:c` for a `from`."""
    here = [PACKAGE, *name.split(".")] if name else [PACKAGE]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + is_package] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}:{alias.name}" for alias in node.names)


def arrows(name, text, is_package):
    """Our own modules that a module imports, and the top names of foreign ones."""
    ours, foreign = set(), set()
    for target in imported(name, text, is_package):
        module, _, member = target.partition(":")
        top, _, rest = module.partition(".")
        if top != PACKAGE:
            foreign.add(top)
        elif member and (f"{rest}.{member}" if rest else member) in MODULES:
            ours.add(f"{rest}.{member}" if rest else member)
        else:
            ours.add(rest)
    return ours, foreign


def top_of(name):
    return name.partition(".")[0]


def complaints(name, text, is_package=False):
    """Every arrow of one module that must not be."""
    ours, foreign = arrows(name, text, is_package)
    checks = [_wrong_ours(name, one) for one in ours] + [
        _wrong_foreign(name, one) for one in foreign
    ]
    return sorted(one for one in checks if one)


def _wrong_ours(name, target):
    here, there = top_of(name), top_of(target)
    arrow = f"{name or PACKAGE} -> {target or PACKAGE}"
    if name == "":  # the front door names its modules lazily; see `test_package`
        return None if there in LAYERS and there[0] != "_" else arrow
    if here == "emulator":
        return None if there == "emulator" else arrow
    if here in EDGES:
        private = here != there and any(part.startswith("_") for part in target.split(".") if part)
        own_or_public = there in (here, "") or (there, here) == ("cli", "__main__")
        public = own_or_public or target in ("emulator", "fleet", "gallery")
        return None if public and not private else arrow
    if there not in LAYERS:
        return arrow
    return None if LAYERS[there] <= LAYERS[here] else arrow


def _wrong_foreign(name, target):
    here, arrow = top_of(name), f"{name or PACKAGE} -> {target}"
    if here in PURE and target in NOT_IN_PURE and (name, target) not in EXCEPTIONS:
        return arrow
    if target in HOMES and name not in HOMES[target]:
        return None if here == "emulator" and target in SERVER else arrow
    return None


@pytest.mark.parametrize("name", MODULES)
def test_no_arrow_turns_round(name):
    assert complaints(name, *MODULES[name]) == []


def test_every_module_has_its_place():
    tops = {top_of(name) for name in MODULES} - {""}
    assert tops <= set(LAYERS) | EDGES
    assert set(LAYERS) <= tops


def test_no_two_modules_import_each_other():
    graph = {}
    for name, (text, is_package) in MODULES.items():
        graph[name] = {one for one in arrows(name, text, is_package)[0] if one in MODULES}
        graph[name] -= {name, ""}
    del graph[""]
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"cycle: {' <- '.join(error.args[1])}")


BAD = {
    "errors -> models": ("errors", "from dreamina_async.models import JobState"),
    "catalogue -> models": ("catalogue", "import dreamina_async.models"),
    "models -> _core.media": ("models", "from dreamina_async._core.media import plan"),
    "models -> events": ("models", "from dreamina_async import events"),
    "_core.media -> _runtime.files": ("_core.media", "from .._runtime.files import Files"),
    "_core.media -> session": ("_core.media", "def late():\n    import dreamina_async.session"),
    "_core.media -> dreamina_async": ("_core.media", "from dreamina_async import Job"),
    "_runtime.files -> job": ("_runtime.files", "from dreamina_async.job import Job"),
    "_core.media -> time": ("_core.media", "from time import monotonic"),
    "_core.media -> asyncio": ("_core.media", "import asyncio.events"),
    "_core.media -> os": ("_core.media", "import os.path"),
    "_core.media -> random": ("_core.media", "if True:\n    import random"),
    "models -> os": ("models", "import os"),
    "session -> aiohttp": ("session", "import aiohttp"),
    "_runtime.poller -> aiohttp": ("_runtime.poller", "from aiohttp import web"),
    "_runtime.poller -> aiofiles": ("_runtime.poller", "import aiofiles.os"),
    "_runtime.files -> sqlite3": ("_runtime.files", "import sqlite3"),
    "cli.runner -> sqlite3": ("cli.runner", "import sqlite3"),
    "cli.runner -> session": ("cli.runner", "from dreamina_async.session import DreaminaSession"),
    "cli.runner -> _core.media": ("cli.runner", "from dreamina_async._core import media"),
    "fastapi -> cli.runner": ("fastapi", "from dreamina_async.cli.runner import run"),
    "emulator.api -> dreamina_async": ("emulator.api", "import dreamina_async"),
    "emulator.api -> _core.signing": ("emulator.api", "from .._core import signing"),
    "emulator.api -> sqlite3": ("emulator.api", "import sqlite3"),
    "pytest_plugin -> emulator.server": (
        "pytest_plugin",
        "from dreamina_async.emulator.server import Emulator",
    ),
    "dreamina_async -> cli": ("", "from dreamina_async.cli import main"),
    "dreamina_async -> _core": ("", "import dreamina_async._core"),
}
GOOD = [
    ("models", "from dreamina_async.catalogue import image_model\nimport math"),
    ("events", "from .models import JobResult"),
    ("_core.media", "from . import profile\nfrom ..errors import DownloadError\nimport json"),
    ("_runtime.transport", "import aiohttp, yarl, asyncio"),
    ("session", "from dreamina_async._runtime.poller import Poller\nimport anyio"),
    ("cli.runner", "from dreamina_async import Job\nfrom .exits import X\nimport rich"),
    ("pytest_plugin", "from dreamina_async.emulator import Emulator"),
    ("__main__", "from dreamina_async.cli.app import main"),
    ("emulator.api", "from .faults import Fault\nfrom aiohttp import web"),
]


@pytest.mark.parametrize(("arrow", "source"), BAD.items(), ids=BAD)
def test_the_checker_sees(arrow, source):
    assert complaints(*source, is_package=source[0] == "") == [arrow]


@pytest.mark.parametrize(("name", "text"), GOOD)
def test_the_checker_lets_pass(name, text):
    assert complaints(name, text) == []
