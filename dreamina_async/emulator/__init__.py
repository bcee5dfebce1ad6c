"""A loopback service that plays the remote one, for demos, tests, docs and benchmarks."""

from .faults import Fault, Faults
from .jobs import MediaFile
from .ledger import Charge, Ledger
from .options import EmulatorOptions, Outcome, Timing
from .requestlog import ReceivedRequest, RequestLog
from .server import Emulator, serve
from .signing import request_sign
from .threaded import run_in_thread

__all__ = [
    "Charge",
    "Emulator",
    "EmulatorOptions",
    "Fault",
    "Faults",
    "Ledger",
    "MediaFile",
    "Outcome",
    "ReceivedRequest",
    "RequestLog",
    "Timing",
    "request_sign",
    "run_in_thread",
    "serve",
]
