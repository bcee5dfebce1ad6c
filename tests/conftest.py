"""What every test shares: asyncio under anyio's plugin, loopback only, no user environment.

Every test is watched, too: no packet leaves this machine, the cookie goes where it belongs,
and no secret stands in a log, an error, an event, the output or a file.
"""

import logging
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import hypothesis
import pytest
from canary import Canary
from egress import Egress

from dreamina_async import Credentials
from dreamina_async._core.upload import Place, UploadToken
from dreamina_async._runtime.hub import Hub
from dreamina_async._runtime.transport import AiohttpTransport

_OURS = ("127.", "::1", "localhost", "0.0.0.0")
_CANARY = pytest.StashKey[Canary]()

# a slow machine is no finding
slow = [hypothesis.HealthCheck.too_slow]
hypothesis.settings.register_profile("any", deadline=None, suppress_health_check=slow)
hypothesis.settings.load_profile("any")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "leaks: shows a secret on purpose; the canary looks away")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def no_user_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's credentials or folders reach a test."""
    for name in ("SESSIONID", "REGION", "BASE_URL", "OUTPUT_DIR"):
        monkeypatch.delenv(f"DREAMINA_{name}", raising=False)


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A packet that would leave this machine fails the test that sent it."""
    strangers: list[object] = []

    def guarded(name: str, *, last: bool = False) -> None:
        real = getattr(socket.socket, name)

        def call(self: socket.socket, *arguments: Any) -> Any:
            address = arguments[-1 if last else 0]
            host = address[0] if isinstance(address, tuple) else ""
            if self.family != socket.AF_UNIX and not str(host).startswith(_OURS):
                strangers.append(address)
                raise OSError(f"tests do not talk to {address}")
            return real(self, *arguments)

        monkeypatch.setattr(socket.socket, name, call)

    guarded("connect")
    guarded("connect_ex")
    guarded("sendto", last=True)
    yield
    assert not strangers


@pytest.fixture(autouse=True)
def names_of_this_machine_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """So does a question to a name server; a test that needs a name brings its own answers."""
    real = socket.getaddrinfo
    strangers: list[object] = []

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name and name.rstrip(".") != "localhost" and not _is_address(name):
            strangers.append(name)
            raise socket.gaierror(socket.EAI_NONAME, "tests ask no name server")
        return real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield
    assert not strangers


def _is_address(name: str) -> bool:
    """In any of the spellings that need no name server."""
    try:
        socket.inet_pton(socket.AF_INET6, name.split("%")[0])
    except OSError:
        with suppress(OSError):
            return bool(socket.inet_aton(name))
        return False
    return True


@pytest.fixture(autouse=True)
def egress(monkeypatch: pytest.MonkeyPatch) -> Iterator[Egress]:
    """Where the requests of sessions went; the cookie only where it belongs."""
    egress = Egress()
    monkeypatch.setattr(AiohttpTransport, "__init__", egress.watching(AiohttpTransport.__init__))
    yield egress
    assert not egress.found


@pytest.fixture(autouse=True)
def canary(request: pytest.FixtureRequest) -> Iterator[Canary]:
    """A secret that shows anywhere fails the test that showed it."""
    canary = request.node.stash[_CANARY] = Canary()
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    root = logging.getLogger()
    level = root.level
    root.addHandler(canary)
    root.setLevel(logging.DEBUG)
    with pytest.MonkeyPatch.context() as patch:
        _overhear(canary, patch)
        yield canary
    root.setLevel(level)
    root.removeHandler(canary)
    if folder is not None:
        canary.folder(folder)
    if request.node.get_closest_marker("leaks") is None:
        assert not canary.found


def _overhear(canary: Canary, patch: pytest.MonkeyPatch) -> None:
    """Stand beside the places that secrets come in and that public objects go out by."""

    def heard(owner: Any, name: str, note: Any) -> None:
        real = getattr(owner, name)

        def call(self: Any, *arguments: Any, **options: Any) -> Any:
            result = real(self, *arguments, **options)
            note(self, result, arguments)
            return result

        patch.setattr(owner, name, call)

    heard(Credentials, "__init__", lambda login, _, __: canary.learn(*login.secrets()))
    heard(UploadToken, "__init__", lambda token, _, __: canary.learn(*_keys(token)))
    heard(Place, "__init__", lambda place, _, __: canary.learn(*_keys(place)))
    heard(Hub, "publish", lambda _, __, arguments: canary.event(arguments[0]))
    heard(pytest.CaptureFixture, "readouterr", lambda _, seen, __: _read(canary, seen))

    leave = pytest.RaisesExc.__exit__

    def left(self: Any, kind: Any, error: Any, trace: Any) -> bool:
        taken = leave(self, kind, error, trace)
        if error is not None:
            canary.error(error)
        return taken

    patch.setattr(pytest.RaisesExc, "__exit__", left)


def _keys(value: UploadToken | Place) -> tuple[str, ...]:
    if isinstance(value, Place):
        return value.authorization, value.session_key
    return value.secret_key, value.session_token


def _read(canary: Canary, seen: Any) -> None:
    canary.look("stdout", seen.out)
    canary.look("stderr", seen.err)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """What a test has printed is known when it is over."""
    report = yield
    canary = item.stash.get(_CANARY, None)
    printed = f"{report.capstdout}{report.capstderr}".encode()
    if report.passed and canary is not None and canary.holds(printed):
        report.outcome, report.longrepr = "failed", "a secret was printed"
    return report
