"""What every test shares: asyncio under anyio's plugin, loopback only, no user environment."""

import socket
from collections.abc import Iterator

import pytest

_OURS = ("127.", "::1", "localhost", "0.0.0.0")


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
    real = socket.socket.connect
    strangers: list[object] = []

    def connect(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if self.family != socket.AF_UNIX and not str(host).startswith(_OURS):
            strangers.append(address)
            raise OSError(f"tests do not talk to {address}")
        real(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", connect)
    yield
    assert not strangers
