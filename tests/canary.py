"""Looks for secrets where none may be: logs, errors with their locals, events, output, files.

`tests/conftest.py` puts it over every test. A secret is the login that the tests share,
every login and upload key that a test makes, and the signature in a media URL.
"""

import logging
import pickle
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType

from dreamina_async import DreaminaError

SHARED = "canary0123456789abcdef"
_SIGNED = re.compile(rb"x-signature=[0-9A-Za-z%+/]{6}|/[0-9a-f]{32}/[0-9a-f]{8}/video/")
_PACKAGE = str(Path(__file__).parent.parent / "dreamina_async")
_LONGEST_FILE = 4 << 20
_LONGEST_VALUE = 64 << 10
_EVENTS = 100
"""So many events of one test are looked at; more would say the same again."""


class Canary(logging.Handler):
    """Everything that one test lets out, looked through as it comes.

    Attributes:
        found: where a secret was seen, in words.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.found: list[str] = []
        self._secrets = {SHARED.encode()}
        self._events = 0

    def learn(self, *secrets: str) -> None:
        """These are secret, too; short ones would be found in innocent text."""
        if len(self._secrets) < 50:
            long = (one for one in secrets if len(one) >= 12)
            self._secrets.update(one.encode("utf-8", "replace") for one in long)

    def holds(self, data: bytes, *, signed: bool = True) -> bool:
        """Whether a secret stands in it; a signed URL is one wherever text is kept."""
        if any(one in data for one in self._secrets):
            return True
        return signed and _SIGNED.search(data) is not None

    def look(self, where: str, data: str | bytes, *, signed: bool = True) -> None:
        """Remember the place if a secret stands there."""
        raw = data if isinstance(data, bytes) else data.encode("utf-8", "replace")
        if self.holds(raw, signed=signed):
            self.found.append(where)

    # ---- what is looked at ---------------------------------------------------------------

    def emit(self, record: logging.LogRecord) -> None:
        """One log record of any logger: its text, arguments and extras, its exception."""
        where = f"log record of {record.name}"
        # another handler may have put the traceback's text there; the exception is looked at below
        facts = {name: value for name, value in vars(record).items() if name != "exc_text"}
        self.look(where, f"{record.getMessage()} {facts!r}")
        if record.exc_info and record.exc_info[1] is not None:
            self.error(record.exc_info[1], f"exception in a {where}")

    def event(self, event: object) -> None:
        """One event, as a user prints or pickles it."""
        self._events += 1
        if self._events <= _EVENTS:
            self.value(event, f"event {type(event).__name__}")

    def value(self, value: object, where: str) -> None:
        """A public value in every form in which it leaves the process."""
        self.look(f"repr of {where}", f"{value!r} {value}")
        self.look(f"pickle of {where}", pickle.dumps(value))

    def error(self, error: BaseException, where: str = "") -> None:
        """An error with all that hangs on it."""
        for one in _chain(error):
            name = where or type(one).__name__
            self.look(f"text of {name}", f"{one} {one!r} {one.args!r} {vars(one)!r}")
            if isinstance(one, DreaminaError):
                self.look(f"pickle of {name}", pickle.dumps(one))
            for function, text in _locals(one.__traceback__):
                # a URL that works for an hour has to stand in some variable while it is used
                self.look(f"locals of {function} under {name}", text, signed=False)

    def folder(self, root: Path) -> None:
        """Every file below, by name and content."""
        for path in root.rglob("*"):
            self.look(f"file name {path.name}", path.name)
            if path.is_file() and path.stat().st_size <= _LONGEST_FILE:
                self.look(f"file {path.relative_to(root)}", path.read_bytes())


def _chain(error: BaseException) -> Iterator[BaseException]:
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        todo += [one.__cause__, one.__context__]
        todo += getattr(one, "exceptions", ())


def _locals(trace: TracebackType | None) -> Iterator[tuple[str, str]]:
    """What a reporter of errors would send away of our own and our libraries' frames."""
    for frame, _ in traceback.walk_tb(trace):
        if _is_ours(frame):
            yield frame.f_code.co_name, " ".join(map(_shown, frame.f_locals.values()))


def _shown(value: object) -> str:
    """Its `repr`, as reporters take it; of a long list the beginning."""
    if isinstance(value, bytes | bytearray | str):
        value = value[:_LONGEST_VALUE]
    elif isinstance(value, list | tuple):
        return " ".join(map(_shown, value[:20]))
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - half-made objects; reporters leave them out, too
        return ""


def _is_ours(frame: FrameType) -> bool:
    name = frame.f_code.co_filename
    if name.startswith(_PACKAGE):
        return not name.startswith(f"{_PACKAGE}/emulator")
    return "/aiohttp/" in name
