"""A loopback service that plays the remote one, for demos, tests, docs and benchmarks."""

from .dialects import Dialect
from .faults import Fault, Faults
from .jobs import MediaFile
from .ledger import Charge, Ledger
from .options import EmulatorOptions, Timing
from .order import Order
from .outcome import Outcome
from .requestlog import ReceivedRequest, RequestLog
from .server import Emulator, serve
from .signing import request_sign
from .threaded import run_in_thread
from .uploads import Upload

__all__ = [
    "Charge",
    "Dialect",
    "Emulator",
    "EmulatorOptions",
    "Fault",
    "Faults",
    "Ledger",
    "MediaFile",
    "Order",
    "Outcome",
    "ReceivedRequest",
    "RequestLog",
    "Timing",
    "Upload",
    "request_sign",
    "run_in_thread",
    "serve",
]
