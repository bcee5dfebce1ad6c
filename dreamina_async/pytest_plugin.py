"""The emulator as a pytest fixture; installed with the package, so it imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dreamina_async.emulator import Emulator, Fault

_OPTIONS = "dreamina_emulator"
_FAULT = "dreamina_fault"


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    for marker in (
        f"{_OPTIONS}(**options): options of the dreamina_emulator fixture, such as speed=200",
        f"{_FAULT}(where, what, **options): a fault that its emulator shows; may be repeated",
    ):
        config.addinivalue_line("markers", marker)


@pytest.fixture
def dreamina_emulator(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """A running emulator, a hundred times faster than the service, on a thread of its own.

    It works for synchronous and asynchronous tests alike. Options are those of ``Emulator``,
    given as ``@pytest.mark.dreamina_emulator(speed=200, image_running=(1, 2))``; a test's own
    marker goes before its class's and its module's. Faults are those of ``Fault``, given as
    ``@pytest.mark.dreamina_fault("generate", "reset_after_charge", times=2)``.
    """
    from dreamina_async.emulator import run_in_thread

    options: dict[str, object] = {"speed": 100}
    for marker in reversed(list(request.node.iter_markers(_OPTIONS))):
        options |= marker.kwargs
    with run_in_thread(**options) as emulator:
        for marker in request.node.iter_markers(_FAULT):
            emulator.faults.add(_fault(*marker.args, **marker.kwargs))
        yield emulator


def _fault(where: str, what: str, **options: object) -> Fault:
    from dreamina_async.emulator import Fault

    return Fault(where=where, what=what, **options)  # type: ignore[arg-type]
