"""What importing costs, and what the package's front door shows."""

import subprocess
import sys
from importlib.metadata import version

import pytest

import dreamina_async

HEAVY = (
    "aiohttp",
    "aiofiles",
    "anyio",
    "yarl",
    "rich",
    "cyclopts",
    "fastapi",
    "sqlite3",
    "asyncio",
    "dbos",
    "sqlalchemy",
)


def modules_after(code):
    """Which modules a fresh interpreter holds after `code`."""
    script = f"{code}\nimport sys\nprint(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_next_to_nothing():
    loaded = modules_after("import dreamina_async; dreamina_async.__version__; dir(dreamina_async)")
    assert not loaded & set(HEAVY)
    assert {name for name in loaded if name.startswith("dreamina_async.")} == set()


def test_the_values_load_without_a_network_library():
    code = "from dreamina_async import ImageRequest, Credentials, Settings, DreaminaError, Saved"
    loaded = modules_after(code)
    assert "dreamina_async.models" in loaded
    assert not loaded & set(HEAVY)


def test_the_pytest_plugin_loads_without_a_network_library():
    loaded = modules_after("import pytest")  # what pytest itself brings is not ours
    added = modules_after("import dreamina_async.pytest_plugin") - loaded
    assert "dreamina_async.pytest_plugin" in added
    assert not added & {"aiohttp", "aiofiles", "anyio", "yarl", "sqlite3"}


def test_only_who_runs_a_fleet_loads_its_engine():
    loaded = modules_after("import dreamina_async.fleet, dreamina_async.fastapi")
    assert not loaded & {"dbos", "sqlalchemy"}


@pytest.mark.parametrize("command", [["--help"], ["--version"]])
def test_help_loads_no_network_library(command):
    code = (
        f"import sys, runpy\nsys.argv = ['dreamina-async', *{command}]\n"
        "from io import StringIO\nreal, sys.stdout = sys.stdout, StringIO()\n"
        "try:\n    runpy.run_module('dreamina_async', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "finally:\n    sys.stdout = real"
    )
    assert not modules_after(code) & {"aiohttp", "aiofiles", "yarl", "sqlite3"}


@pytest.mark.parametrize("name", dreamina_async.__all__)
def test_every_public_name_is_there(name):
    value = getattr(dreamina_async, name)
    home = getattr(value, "__module__", None)
    if isinstance(value, type):
        assert home.startswith("dreamina_async.")
        assert "._" not in home


def test_all_is_exactly_what_can_be_had():
    assert len(set(dreamina_async.__all__)) == len(dreamina_async.__all__)
    assert set(dreamina_async.__all__) == set(dreamina_async._MODULE_OF) | {"__version__"}
    assert dir(dreamina_async) == sorted(dreamina_async.__all__)


def test_every_error_and_every_event_is_public():
    from dreamina_async import errors, events

    for module, root in ((errors, errors.DreaminaError), (events, events.Event)):
        for name, value in vars(module).items():
            if isinstance(value, type) and issubclass(value, root):
                assert getattr(dreamina_async, name) is value


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="DreamSession"):
        dreamina_async.DreamSession  # noqa: B018
    assert not hasattr(dreamina_async, "_core_secret")


def test_the_contracts_names():
    contract = """
        DreaminaSession Job JobResult MediaFile ImageRequest VideoRequest Credentials Region
        JobReport Settings InvalidRequest SessionClosed TransportError TransportTimeout
        ProtocolError ApiError AuthenticationError InsufficientCredit ContentRejected
        RateLimited ServiceUnavailable JobError JobFailed JobLost JobTimeout DownloadError
        UrlExpired IncompleteDownload
    """
    assert set(contract.split()) <= set(dreamina_async.__all__)


def test_the_version_is_the_installed_one():
    assert version("dreamina-async") == dreamina_async.__version__


def test_it_is_typed():
    from importlib.resources import files

    assert files("dreamina_async").joinpath("py.typed").is_file()
