"""A manifest's bytes -> its records: text and formats, no meaning yet.

Whatever makes the rest of the file unreadable ends here with a `ManifestError` that names
file and line; whatever spoils one row only becomes a `BadRow`.
"""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Any, NoReturn, cast

from attrs import frozen

from dreamina_async.cli.exits import UsageError

MAX_LINE = 1 << 17
"""Bytes; the longest prompt has 4000 characters, so a longer line is no manifest's."""

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


class ManifestError(UsageError):
    """The manifest as a whole cannot be used."""

    def __init__(self, name: str, reason: str, line: int | None = None) -> None:
        self.name: str = name
        self.reason: str = reason
        self.line: int | None = line
        super().__init__(f"{name}: {reason}" if line is None else f"{name}, line {line}: {reason}")


@frozen
class Record:
    """One row as it stands: its first line's number and its cells by column name."""

    line: int
    cells: dict[str, Any]


@frozen
class BadRow:
    """One row that cannot be a job, and why."""

    line: int
    reason: str


Records = Iterator[Record | BadRow]


def column_name(text: str) -> str:
    """The usual spelling of a column: `Negative-Prompt` and `negative prompt` are one."""
    return re.sub(r"[-\s]", "_", text.strip().casefold())


def check_suffix(name: str) -> str:
    """The file's kind, by the end of its name.

    Raises:
        ManifestError: we cannot read that kind.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix not in _READERS:
        raise ManifestError(name, f"unknown kind of manifest; use {', '.join(sorted(_READERS))}")
    return suffix


def decode_manifest(name: str, data: bytes) -> str:
    """The text of a manifest: UTF-8, with or without a byte order mark; its lines end in LF.

    Raises:
        ManifestError: it is empty, too wide, or not text in UTF-8.
    """
    if data.startswith(_UTF16_MARKS):
        raise ManifestError(name, "this is UTF-16; save it as UTF-8", 1)
    # also within cells: rows that an editor saves with other line ends must not be paid again
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if (at := data.find(b"\0")) >= 0:
        raise ManifestError(name, "a NUL byte; this is not a text file", _line_of(data, at))
    _refuse_huge_lines(name, data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # With a mark before it, the decoder counts from behind the mark.
        line = _line_of(error.object, error.start)
        byte = error.object[error.start]
        raise ManifestError(
            name, f"not UTF-8 (byte 0x{byte:02x}); save it as UTF-8", line
        ) from None
    if not text.strip():
        raise ManifestError(name, "there is nothing in it")
    return text


def read_records(name: str, suffix: str, text: str, prompt_column: str) -> Records:
    """Every row, in order; blank ones are left out.

    Raises:
        ManifestError: the header or the quoting is broken.
    """
    return _READERS[suffix](name, text, prompt_column)


def _line_of(data: bytes, at: int) -> int:
    return data.count(b"\n", 0, at) + 1


def _refuse_huge_lines(name: str, data: bytes) -> None:
    start, line = 0, 1
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        if end - start > MAX_LINE:
            raise ManifestError(name, f"the line has more than {MAX_LINE} bytes", line)
        start, line = end + 1, line + 1


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; not `splitlines`, which also breaks at U+2028 and its like."""
    for number, line in enumerate(io.StringIO(text, newline="\n"), start=1):
        yield number, line.removesuffix("\n")


def _read_text(name: str, text: str, prompt_column: str) -> Records:
    column = column_name(prompt_column)
    for number, line in _lines(text):
        if line.strip():
            yield Record(number, {column: line})


def _read_jsonl(name: str, text: str, prompt_column: str) -> Records:
    for number, line in _lines(text):
        if not line.strip():
            continue
        try:
            yield _json_record(number, line, prompt_column)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            yield BadRow(number, f"not a line of JSON: {reason}")


def _json_record(number: int, line: str, prompt_column: str) -> Record | BadRow:
    value: Any = json.loads(
        line, parse_constant=_refuse_constant, object_pairs_hook=_refuse_repetition
    )
    if isinstance(value, str):
        return Record(number, {column_name(prompt_column): value})
    if not isinstance(value, dict):
        return BadRow(number, "neither a JSON object nor a string")
    named = cast("dict[str, Any]", value)
    cells = {column_name(key): cell for key, cell in named.items()}
    if len(cells) != len(named):
        return BadRow(number, "two keys have the same name")
    return Record(number, cells)


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _refuse_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(pairs)
    if len(named) != len(pairs):
        raise ValueError("two keys have the same name")
    return named


def _read_csv(name: str, text: str, prompt_column: str) -> Records:
    return _read_table(name, _csv_rows(name, text), prompt_column)


def _csv_rows(name: str, text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ManifestError(name, f"broken quoting in the row: {error}", line) from None
        yield line, row


def _read_tsv(name: str, text: str, prompt_column: str) -> Records:
    rows = ((line, [_unquote(cell) for cell in row.split("\t")]) for line, row in _lines(text))
    return _read_table(name, rows, prompt_column)


def _unquote(cell: str) -> str:
    """A wholly quoted cell loses its quotes; `"G I G G L E" painted on it` keeps them."""
    return cell[1:-1].replace('""', '"') if _QUOTED.fullmatch(cell) else cell


def _read_table(name: str, rows: Iterator[tuple[int, list[str]]], prompt_column: str) -> Records:
    filled = ((line, row) for line, row in rows if any(cell.strip() for cell in row))
    line, header = next(filled, (1, list[str]()))
    columns = [column_name(cell) for cell in header]
    if column_name(prompt_column) not in columns:
        raise ManifestError(name, _header_complaint(header, prompt_column), line)
    twice = next((one for one, times in Counter(columns).items() if one and times > 1), None)
    if twice is not None:
        raise ManifestError(name, f"two columns are named {twice!r}", line)
    for line, row in filled:
        if len(row) > len(columns):
            yield BadRow(line, f"{len(row)} cells, but the header has {len(columns)}")
        else:
            yield Record(line, dict(zip(columns, row, strict=False)))


def _header_complaint(header: list[str], prompt_column: str) -> str:
    found = ", ".join(cell.strip()[:40] for cell in header[:12]) or "none"
    return (
        f"no column {prompt_column!r}; the columns are: {found}. "
        "Say which one holds the prompts with --prompt-column NAME"
    )


_READERS: dict[str, Callable[[str, str, str], Records]] = {
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".tsv": _read_tsv,
    ".txt": _read_text,
}
