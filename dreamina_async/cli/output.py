"""Where a command's words go: JSON Lines to stdout for programs, plain words for people.

Without `--json` results go to stdout and everything else to stderr; with it stdout holds
JSON Lines only, each with `v` (the version of what follows) and `event`.
"""

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TextIO, TypeGuard, cast

import attrs

from dreamina_async import DreaminaError, ImageRequest, VideoRequest, request_to_dict

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from rich.console import Console

SCHEMA_VERSION = 1
_LINE_ENDS = {end: f"\\u{end:04x}" for end in (0x85, 0x2028, 0x2029)}  # JSON lets them stand


class Output:
    """What one run of one command says.

    Args:
        json_lines: JSON Lines on stdout, nothing else there.
        quiet: errors and results only.
        verbose: everything the library logs, on stderr.
    """

    def __init__(
        self, *, json_lines: bool = False, quiet: bool = False, verbose: bool = False
    ) -> None:
        from rich.console import Console

        self.json_lines = json_lines
        self.quiet = quiet
        self.verbose = verbose
        self.console: Console = Console(
            file=_steady(sys.stderr), stderr=True, highlight=False, markup=False, emoji=False
        )

    @property
    def live(self) -> bool:
        """Whether there is a terminal to draw on and somebody who wants to look at it."""
        # FORCE_COLOR makes a terminal of every log in the console's eyes
        terminal = self.console.file.isatty() and not self.console.is_dumb_terminal
        shared = self.json_lines and sys.stdout.isatty()
        return terminal and not (self.quiet or self.verbose or shared)

    def emit(self, event: str, **facts: Any) -> None:
        """One JSON object on stdout, if JSON is wanted."""
        if self.json_lines:
            line = {"v": SCHEMA_VERSION, "event": event, **plain(facts)}
            ascii_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
            _write_stdout(json.dumps(line, ensure_ascii=ascii_only).translate(_LINE_ENDS))

    def result(self, text: str) -> None:
        """What the command was called for: stdout, for people and pipes."""
        if not self.json_lines:
            _write_stdout(text)

    def note(self, text: str) -> None:
        """What is good to know: stderr."""
        if not self.quiet:
            self.console.print(text, soft_wrap=True)

    def complain(self, text: str) -> None:
        """What is wrong: stderr, for those who want quiet too."""
        self.console.print(text, soft_wrap=True)

    def error(self, error: Exception, status: int) -> None:
        """Why the command ends here: one line on stderr, and one object with `--json`."""
        self.complain(f"dreamina-async: error: {shown(str(error))}")
        self.emit("error", **plain(error), exit_status=int(status))

    def restore_terminal(self) -> None:
        """What a drawing that is cut off has left undone."""
        self.console.show_cursor()

    @contextmanager
    def logging(self) -> "Generator[None, None, None]":
        """The library's log on stderr: warnings, or all of it with `-v`."""
        logger = logging.getLogger("dreamina_async")
        handler = _ConsoleHandler(self.console)
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(_log_level(self))
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)


def _log_level(output: Output) -> int:
    if output.verbose:
        return logging.DEBUG
    return logging.ERROR if output.quiet else logging.WARNING


def silence(stream: TextIO) -> None:
    """Let what is still written to a stream vanish, also when the interpreter flushes it."""
    with suppress(OSError):  # it may have no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _Steady:
    """A stream that nobody may be reading any more: paid work does not stop for words."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> None:
        self._try(lambda: self._stream.write(text))

    def flush(self) -> None:
        self._try(self._stream.flush)

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError:
            silence(self._stream)


def _steady(stream: TextIO | None) -> IO[str] | None:
    return cast("IO[str]", _Steady(stream)) if stream is not None else None


class _ConsoleHandler(logging.Handler):
    def __init__(self, console: "Console") -> None:
        super().__init__()
        self._console = console
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._console.print(self.format(record), soft_wrap=True)
        except Exception:  # noqa: BLE001 - the contract of logging handlers
            self.handleError(record)


def _write_stdout(line: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stdout.flush()


def plain(value: Any) -> Any:
    """Any of our values as plain data for JSON; what `repr` hides stays hidden."""
    if isinstance(value, Exception):
        return _plain_error(value)
    if isinstance(value, ImageRequest | VideoRequest):
        return plain(request_to_dict(value))
    if _is_mapping(value):
        return {str(plain(name)): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in cast("Iterable[Any]", value)]
    cls = cast("Any", type(value))
    if attrs.has(cls):
        shown_fields = [field.name for field in attrs.fields(cls) if field.repr]
        return {name: plain(getattr(value, name)) for name in shown_fields}
    return _plain_leaf(value)


def _is_mapping(value: object) -> TypeGuard[Mapping[Any, Any]]:
    return isinstance(value, Mapping)


def _plain_leaf(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


def _plain_error(error: Exception) -> dict[str, Any]:
    facts: dict[str, Any] = {"error": type(error).__name__, "message": str(error)}
    if isinstance(error, DreaminaError):
        names = (field.name for field in attrs.fields(type(error)) if field.name != "message")
        facts |= {name: plain(getattr(error, name)) for name in names if getattr(error, name)}
    return facts


def shown(text: str, limit: int | None = None) -> str:
    """Text from outside on one line, without control characters, cut to a length."""
    line = "".join(each if each.isprintable() else " " for each in text)
    return line if limit is None or len(line) <= limit else f"{line[: limit - 1]}…"


def counted(count: int, noun: str) -> str:
    """`1 image`, `2 images`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def in_bytes(count: float) -> str:
    """A size for people: `2.9 MB`."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def in_time(seconds: float) -> str:
    """A span for people: `12.3 s`, `4 min 05 s`, `2 h 03 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"
