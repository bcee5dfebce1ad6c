"""Runs beyond one process: many workers, one database, nothing paid twice (extra `[fleet]`)."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dreamina_async.fleet.client import Enqueued, Fleet
    from dreamina_async.fleet.reaper import Reaped
    from dreamina_async.fleet.results import Result
    from dreamina_async.fleet.values import (
        LEASE,
        Account,
        ItemState,
        Progress,
        RunStatus,
        SeatStatus,
    )

_MODULE_OF = {
    "LEASE": "values",
    "Account": "values",
    "Enqueued": "client",
    "Fleet": "client",
    "ItemState": "values",
    "Progress": "values",
    "Reaped": "reaper",
    "Result": "results",
    "RunStatus": "values",
    "SeatStatus": "values",
}

__all__ = [
    "LEASE",
    "Account",
    "Enqueued",
    "Fleet",
    "ItemState",
    "Progress",
    "Reaped",
    "Result",
    "RunStatus",
    "SeatStatus",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name not in ("dbos", "sqlalchemy"):
            raise
        from dreamina_async import InvalidRequest

        raise InvalidRequest(
            'a fleet needs its engine: pip install "dreamina-async[fleet]"', field="fleet"
        ) from None


def __dir__() -> list[str]:
    return sorted(__all__)
