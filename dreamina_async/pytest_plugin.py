"""The emulator as a pytest fixture; installed with the package, so it imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dreamina_async.emulator import Emulator

_MARKER = "dreamina_emulator"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(**options): options of the dreamina_emulator fixture, such as speed=200",
    )


@pytest.fixture
def dreamina_emulator(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """A running emulator, a hundred times faster than the service, on a thread of its own.

    It works for synchronous and asynchronous tests alike. Options are those of ``Emulator``,
    given as ``@pytest.mark.dreamina_emulator(speed=200, numbering="s1")``; a test's own marker
    goes before its class's and its module's.
    """
    from dreamina_async.emulator import run_in_thread

    options: dict[str, object] = {"speed": 100}
    for marker in reversed(list(request.node.iter_markers(_MARKER))):
        options |= marker.kwargs
    with run_in_thread(**options) as emulator:
        yield emulator
