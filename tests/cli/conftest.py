"""A running emulator, an environment that points to it, and a command line to call."""

import json
from types import SimpleNamespace

import pytest
from attrs import evolve

import dreamina_async as da
from dreamina_async.cli import logins
from dreamina_async.cli.entry import run
from dreamina_async.cli.options import Common
from dreamina_async.emulator import run_in_thread

QUICK = da.Settings(
    polling=da.PollingPolicy(
        rate=100.0,
        burst=50,
        image_interval=0.05,
        video_interval=0.05,
        image_median=0.05,
        video_median=0.05,
        max_interval=0.2,
    ),
    retrying=da.RetryPolicy(attempts=1),
)


@pytest.fixture(autouse=True)
def no_login_of_the_user(monkeypatch, tmp_path_factory):
    """Nobody's own login reaches a test, nor is it touched."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


@pytest.fixture
def emulator(request, monkeypatch):
    """One that answers in milliseconds; options come by `pytest.mark.emulator(...)`."""
    marker = request.node.get_closest_marker("dreamina_emulator")
    with run_in_thread(**{"speed": 500, **(marker.kwargs if marker else {})}) as running:
        for name, value in running.credentials_env().items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def quick(monkeypatch):
    """Sessions that look often: the emulator is faster than the policies expect."""

    def session(self, folder=None, credentials=None):
        login = credentials or logins.credentials()
        rules = evolve(QUICK, downloading=self.settings().downloading)
        return da.DreaminaSession(login, output_dir=folder or self.folder(), settings=rules)

    monkeypatch.setattr(Common, "session", session)


@pytest.fixture
def cli(capsys, tmp_path, monkeypatch, quick):
    """Call a command in an empty folder; gives status, stdout, stderr and the JSON lines."""
    monkeypatch.chdir(tmp_path)

    def call(*tokens):
        capsys.readouterr()
        status = run([str(token) for token in tokens])
        out, err = capsys.readouterr()
        events = [json.loads(line) for line in out.splitlines()] if "--json" in tokens else []
        return SimpleNamespace(status=status, out=out, err=err, events=events)

    return call


@pytest.fixture
def generated(emulator):
    """How many generate requests have reached the emulator so far."""
    return lambda: emulator.requests.counts.get("generate", 0)
