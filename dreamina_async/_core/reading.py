"""Reads JSON that nobody promised us: bounded, and a wrong field costs that field only.

Two layers. `read_json` takes a whole document or refuses it (limits of the reliability notes,
G12 and J1 to J15). `Reader` then walks it: each field is what it should be, or absent with a
line in `problems`. Nothing here ever turns `null` into the text "None" or a bool into a number.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import TypeGuard, cast
from urllib.parse import urlsplit

from attrs import field, frozen

from dreamina_async.errors import Charged, ProtocolError

Value = object
"""Any JSON value; the name `object` is a getter in `Reader`."""

MAX_BYTES = 8 * 1024 * 1024
MAX_DEPTH = 64
MAX_NODES = 100_000
MAX_PROBLEMS = 32
EXCERPT = 200

_MAX_DIGITS = 64
_MAX_TEXT = 4096
_MAX_URL = 8192

# Strings are skipped whole. The closing quote is optional, so an unterminated string is one
# match to the end of the text instead of one attempt per quote inside it.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET = re.compile(r"[\[\]{}]")
_LOG_ID = re.compile(rb'"log_?[iI]d"\s*:\s*"([0-9A-Za-z_-]{8,64})"')
_URL = re.compile(
    r"""(https?:(?:\\?/){2})(?:[^\s"'<>/\\@]*@)?([^\s"'<>/\\?#]*)[^\s"'<>]*""",
    re.IGNORECASE,
)
_SECRET = re.compile(
    r"""((?:session|sid_|secret|token|uid_tt|passport)[\w-]*\\?["']?\s*[=:]\s*\\?["']?)[^\s"'\\&;,<>]+""",
    re.IGNORECASE,
)
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,20}(?:\.[0-9]{1,20})?(?:[eE][+-]?[0-9]{1,3})?")
_IDENTIFIER = re.compile(r"[0-9A-Za-z_-]{1,64}")


@frozen
class Unreadable:
    """Stands where a document says NaN, 1e999 or a number of thousands of digits."""

    found: str


CONTRADICTED = Unreadable("two different values")
"""Stands where an object states a key twice, with different values (J8)."""


def printable(text: str, limit: int = _MAX_TEXT) -> str:
    """Escape what has no place in a log line: controls, lone surrogates, bidi marks (J9)."""
    shown = text if text.isprintable() else "".join(_escaped(one) for one in text[: limit + 1])
    return shown[:limit]


def _escaped(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


def masked(text: str) -> str:
    """Hide whatever could open a door: URLs behind their host, and values of login fields."""
    return _SECRET.sub(r"\1…", _URL.sub(r"\1\2/…", text))


def words(text: str, limit: int = 500) -> str:
    """What the service says, safe to show."""
    return printable(masked(text[: 4 * limit]), limit)


def excerpt(body: bytes) -> str:
    """The first 200 characters of a body, safe to show."""
    return words(body[: 16 * EXCERPT].decode("utf-8", "replace"), EXCERPT)


def unreadable(
    what: str,
    body: bytes,
    *,
    status: int | None = None,
    logid: str | None = None,
    charged: Charged = "unknown",
) -> ProtocolError:
    """The error for a reply that this service does not give."""
    if logid is None and (found := _LOG_ID.search(body[:MAX_BYTES])):
        logid = found[1].decode("ascii")
    return ProtocolError(
        f"cannot read the reply: {what}",
        charged=charged,
        status=status,
        logid=logid,
        excerpt=excerpt(body),
    )


def read_json(
    body: bytes,
    *,
    status: int | None = None,
    logid: str | None = None,
    charged: Charged = "unknown",
) -> object:
    """One whole JSON document: UTF-8, at most 8 MiB, 64 levels and 100 000 values.

    Numbers that are not finite, or too long to be real, and what a key says twice and
    differently, become `Unreadable`: they read as absent, with a problem.

    Raises:
        ProtocolError: it is anything else.
    """
    try:
        return _parse(body)
    except (ValueError, RecursionError) as error:
        what = str(error) if isinstance(error, _Refused) else type(error).__name__
    failure = unreadable(what, body, status=status, logid=logid, charged=charged)
    # a reply may hold keys, or our login: it hangs on the error neither as the parser's
    # error, which quotes it, nor as a variable of this frame
    del body
    raise failure


class _Refused(ValueError):
    """Why a document is not taken, in words of ours."""


def _parse(body: bytes) -> object:
    if len(body) > MAX_BYTES:
        raise _Refused(f"{len(body)} bytes are more than {MAX_BYTES}")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _Refused("not UTF-8") from None
    if not text.strip():
        raise _Refused("empty")
    _check_size(text)
    try:
        return json.loads(
            text,
            object_pairs_hook=_pairs,
            parse_constant=Unreadable,
            parse_float=_float,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        raise _Refused(f"not JSON at character {error.pos}") from None


def _check_size(text: str) -> None:
    # Before the parser sees it: a document of 100 000 levels ends in RecursionError (M17).
    marks = _STRING.sub("", text)
    depth = 0
    for bracket in _BRACKET.findall(marks):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise _Refused(f"more than {MAX_DEPTH} levels")
    if sum(map(marks.count, "[{,")) >= MAX_NODES:
        raise _Refused(f"more than {MAX_NODES} values")


def _float(text: str) -> float | Unreadable:
    value = float(text) if len(text) <= _MAX_DIGITS else math.inf
    return value if math.isfinite(value) else Unreadable(text[:32])


def _integer(text: str) -> int | Unreadable:
    return int(text) if len(text) <= _MAX_DIGITS else Unreadable(f"{len(text)} digits")


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    return plain | {name: CONTRADICTED for name, value in pairs if not same(value, plain[name])}


def as_object(value: object) -> dict[str, object] | None:
    """The value if it is a JSON object."""
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def as_list(value: object) -> list[object] | None:
    """The value if it is a JSON list."""
    return cast("list[object]", value) if isinstance(value, list) else None


def same(one: object, other: object) -> bool:
    """Equality without Python's `1 == True == 1.0`."""
    return type(one) is type(other) and one == other


@frozen
class Reader:
    """One JSON object, where it stands, and the list its problems go to.

    Getters take names in order of preference and answer with the first that can be used.
    `null` and the empty text are absent without complaint.
    """

    value: Mapping[str, Value] = field(repr=False)
    path: str = ""
    problems: list[str] = field(factory=list, repr=False)

    @classmethod
    def of(cls, value: Value, path: str = "", problems: "list[str] | None" = None) -> "Reader":
        """A reader of `value`; of nothing, with a problem, if it is not an object."""
        known = as_object(value)
        reader = cls(known or {}, path, [] if problems is None else problems)
        if known is None and value is not None:
            reader.note("", value)
        return reader

    def note(self, name: str, found: Value) -> None:
        """Remember a field that could not be used, by path; never its text."""
        line = printable(f"{self._at(name)}: {describe(found)}", EXCERPT)
        if len(self.problems) < MAX_PROBLEMS and line not in self.problems:
            self.problems.append(line)

    def conflicts(self, *names: str) -> bool:
        """Whether the object states one of these names twice, with different values (J8)."""
        for name in names:  # noqa: SIM110 - a generator would take twice as long
            if self.value.get(name) is CONTRADICTED:
                return True
        return False

    def raw(self, name: str) -> Value:
        """The field as it is; None if absent or contradicted."""
        value = self.value.get(name)
        if value is CONTRADICTED:
            self.note(name, value)
            return None
        return value

    # One status reply costs hundreds of these calls: no generator, no helper, no second look-up.

    def text(self, *names: str, limit: int = _MAX_TEXT) -> str | None:
        """Text without characters that break a log; a whole number becomes its decimal text."""
        for name in names:
            value = self.value.get(name)
            if isinstance(value, str):
                if value:
                    return printable(value, limit)
            elif isinstance(value, int) and not isinstance(value, bool):
                return str(value)
            elif value is not None:
                self.note(name, value)
        return None

    def identifier(self, *names: str) -> str | None:
        """A text that is fit to be an id: no spaces, no separators, at most 64 characters."""
        for name in names:
            text = self.text(name)
            if is_identifier(text):
                return text
            if text is not None:
                self.note(name, self.value[name])
        return None

    def url(self, *names: str) -> str | None:
        """An http or https URL, unchanged; anything else is a problem."""
        for name in names:
            value = self.value.get(name)
            if value is None or value == "":
                continue
            if isinstance(value, str) and is_url(value):
                return value
            self.note(name, value)
        return None

    def integer(self, *names: str, least: int = 0, most: int = 2**53) -> int | None:
        """A whole number within bounds, also as text or as 4.0."""
        for name in names:
            value = self.value.get(name)
            if value is None or value == "":
                continue
            number = _to_integer(value)
            if number is not None and least <= number <= most:
                return number
            self.note(name, value)
        return None

    def number(self, *names: str, least: float = 0.0, most: float = 2.0**53) -> float | None:
        """A finite number within bounds, also as text."""
        for name in names:
            value = self.value.get(name)
            if value is None or value == "":
                continue
            number = _to_float(value)
            if number is not None and least <= number <= most:
                return number
            self.note(name, value)
        return None

    def unix_seconds(self, *names: str) -> float | None:
        """An instant in Unix seconds; S2 writes milliseconds, 0 means not yet (S3)."""
        for name in names:
            number = self.number(name, most=1e14)
            if number:  # 1e11 is the year 5138 in seconds, and 1973 in milliseconds
                return number / 1000 if number >= 1e11 else number
        return None

    def object(self, name: str) -> "Reader":
        """The object under a name; a reader of nothing if there is none."""
        return Reader.of(self.raw(name), self._at(name), self.problems)

    def objects(self, name: str) -> "tuple[Reader, ...]":
        """The objects in the list under a name; each other element is a problem."""
        readers = (
            Reader.of(one, f"{self._at(name)}[{index}]", self.problems)
            for index, one in enumerate(self.list(name))
        )
        return tuple(reader for reader in readers if reader.value)

    def list(self, name: str) -> tuple[Value, ...]:
        """The list under a name, or a map of positions to elements (J12); else empty."""
        value = self.raw(name)
        if value is None:
            return ()
        elements = as_list(value)
        if elements is not None:
            return tuple(elements)
        self.note(name, value)
        by_place = as_object(value) or {}
        if all(_WHOLE_NUMBER.fullmatch(key) for key in by_place):
            return tuple(by_place[key] for key in sorted(by_place, key=int))
        return ()

    def _at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path and name else self.path or name


def describe(found: object) -> str:
    """What was found, without its words: they may be a prompt or a signed URL."""
    match found:
        case Unreadable():
            return found.found
        case bool() | float():
            return repr(found).lower()
        case int():
            return str(found)[:24]
        case str():
            return f"text of {len(found)} characters"
        case list():
            return f"list of {len(cast('list[object]', found))}"
        case dict():
            return f"object of {len(cast('dict[str, object]', found))}"
        case _:
            return "null" if found is None else type(found).__name__


def is_identifier(text: str | None) -> TypeGuard[str]:
    """Whether a text is fit to be an id, as `models.check_history_id` has it."""
    return text is not None and _IDENTIFIER.fullmatch(text) is not None


def is_url(text: str) -> bool:
    """Whether a text is an http or https URL that can be asked for as it stands."""
    if len(text) > _MAX_URL or not text.isascii() or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False


def _to_integer(value: object) -> int | None:
    if isinstance(value, str):
        value = value.strip()
        return int(value) if _WHOLE_NUMBER.fullmatch(value) else None
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and value.is_integer() else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _to_float(value: object) -> float | None:
    if isinstance(value, str):
        value = value.strip()
        value = float(value) if _NUMBER.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
