"""Records -> requests: what each row of a manifest asks for, and the key it is known by.

A row's key is its request and its number among equal requests, so rows may move within the
file, and two equal rows are two jobs.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

from attrs import evolve, fields, frozen

from dreamina_async import (
    ImageData,
    ImageRequest,
    InvalidRequest,
    Request,
    VideoRequest,
    request_from_dict,
    request_to_dict,
)
from dreamina_async.cli.exits import UsageError
from dreamina_async.cli.records import (
    BadRow,
    ManifestError,
    Record,
    check_suffix,
    column_name,
    decode_manifest,
    read_records,
)

__all__ = ["BadRow", "Entry", "Manifest", "ManifestError", "request_key"]

_REQUEST_OF: dict[str, type[ImageRequest] | type[VideoRequest]] = {
    "image": ImageRequest,
    "video": VideoRequest,
}

# The fields of the first release always stand in a key, later ones only where they are
# set: a new field must not make old rows look new, for that would charge them again.
_FIRST_FIELDS = {"kind", "prompt", "model", "ratio", "resolution", "count", "duration"} | {
    "negative_prompt",
    "seed",
    "sample_strength",
}


_MEANT = {"ref": "references", "refs": "references", "image": "references"}


@frozen
class Entry:
    """One good row: where it stands, what it asks for, and the key it is known by.

    Attributes:
        problem: why it cannot be sent now; a row that was sent before needs its images no more.
    """

    line: int
    request: Request
    key: str
    problem: str = ""


@frozen
class Manifest:
    """A manifest in memory; its rows can be walked through any number of times.

    Attributes:
        name: how messages call the file.
        suffix: `.jsonl`, `.csv`, `.tsv` or `.txt`.
        text: what stands in it.
        prompt_column: the column that holds the prompts, in any case.
        defaults: request fields for rows that do not set them.
        limit: how many rows to look at; None looks at all.
        folder: from where its rows see their images.
    """

    name: str
    suffix: str
    text: str
    prompt_column: str = "prompt"
    defaults: Mapping[str, Any] = {}
    limit: int | None = None
    folder: Path = Path()

    @classmethod
    def load(cls, path: Path, **options: Any) -> "Manifest":
        """Read a file.

        Raises:
            ManifestError: it cannot be read, or is no text in UTF-8.
        """
        check_suffix(str(path))
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ManifestError(str(path), f"cannot be read: {error.strerror or error}") from error
        return cls.from_bytes(str(path), data, folder=path.parent, **options)

    @classmethod
    def from_bytes(cls, name: str, data: bytes, **options: Any) -> "Manifest":
        """Take a file's content under the file's name.

        Raises:
            ManifestError: it is no text in UTF-8.
            UsageError: the defaults fit no kind of request.
        """
        suffix = check_suffix(name)
        manifest = cls(name, suffix, decode_manifest(name, data), **options)
        _check_defaults(manifest.defaults)
        return manifest

    def rows(self) -> Iterator[Entry | BadRow]:
        """Every row in order, good or bad.

        Raises:
            ManifestError: the file stops making sense, or has no row at all.
        """
        seen: Counter[bytes] = Counter()
        found = False
        records = read_records(self.name, self.suffix, self.text, self.prompt_column)
        for record in islice(records, self.limit):
            found = True
            yield record if isinstance(record, BadRow) else self._entry(record, seen)
        if not found:
            raise ManifestError(self.name, "there is no row in it")

    def near_misses(self) -> dict[str, str]:
        """Columns that are ignored although their names look like those of fields."""
        records = read_records(self.name, self.suffix, self.text, self.prompt_column)
        names: set[str] = set()
        for record in islice(records, self.limit):
            if isinstance(record, Record):
                names.update(record.cells)
        names -= {*_READ, column_name(self.prompt_column), "prompt"}
        found = {name: _MEANT.get(name) or get_close_matches(name, _READ, 1, 0.8) for name in names}
        return {name: "".join(meant) for name, meant in sorted(found.items()) if meant}

    def entries(self) -> Iterator[Entry]:
        """The good rows in order."""
        return (row for row in self.rows() if isinstance(row, Entry))

    def _entry(self, record: Record, seen: Counter[bytes]) -> Entry | BadRow:
        try:
            request = _request(record.cells, column_name(self.prompt_column), self.defaults)
        except InvalidRequest as error:
            return BadRow(record.line, str(error))
        placed = _placed(request, self.folder)
        # the key holds the paths as they are written: a folder that moves changes no row
        text = _canonical(request)
        digest = blake2b(text.encode(), digest_size=16).digest()
        seen[digest] += 1
        return Entry(record.line, placed, f"{text}#{seen[digest]}", _missing_image(placed))


def request_key(request: Request, occurrence: int = 1) -> str:
    """The key of a request that stands in a manifest for the given time, from 1."""
    return f"{_canonical(request)}#{occurrence}"


def _canonical(request: Request) -> str:
    defaults = _defaults_of(request.kind)
    facts = {
        name: value
        for name, value in request_to_dict(request).items()
        if name in _FIRST_FIELDS or value != defaults[name]
    }
    return json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)


@cache
def _defaults_of(kind: str) -> dict[str, Any]:
    return request_to_dict(_REQUEST_OF[kind]("-"))


def _request(cells: Mapping[str, Any], prompt_column: str, defaults: Mapping[str, Any]) -> Request:
    filled = {name: cell for name, cell in cells.items() if _filled(cell)}
    given = {name: read(name, filled[name]) for name, read in _READ.items() if name in filled}
    if prompt_column in filled:
        given["prompt"] = filled[prompt_column]
    kind = given.get("kind", defaults.get("kind", "image"))
    if kind == "image" and (frames := {"first_frame", "last_frame"} & given.keys()):
        raise InvalidRequest(
            f"{min(frames)} is for videos: say so in a column 'kind'", field=min(frames)
        )
    if "first_frame" in given:
        given.setdefault("prompt", "")  # the frame speaks for itself
    return request_from_dict({**_fitting(defaults, kind), **given, "kind": kind})


def _placed(request: Request, folder: Path) -> Request:
    """The same request, its images' paths as seen from here."""
    if isinstance(request, VideoRequest):
        return evolve(
            request,
            first_frame=_seen_from(folder, request.first_frame),
            last_frame=_seen_from(folder, request.last_frame),
        )
    found = [_seen_from(folder, one) for one in request.references]
    return evolve(request, references=found) if found else request


def _seen_from(folder: Path, image: Any) -> Any:
    return folder / image if isinstance(image, Path) else image


def _missing_image(request: Request) -> str:
    for image in request.images:
        if isinstance(image, Path) and not image.is_file():
            hint = "; write / between folders" if "\\" in str(image) else ""
            return f"there is no file {image}{hint}"
        if isinstance(image, ImageData):
            return "an image is named by its digest alone; give its path"
    return ""


def _fitting(defaults: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The defaults that this kind of request knows: --duration does not spoil the images."""
    request_type = _REQUEST_OF.get(kind)
    if request_type is None:
        return {}
    names = {field.name for field in fields(request_type)}
    return {name: value for name, value in defaults.items() if name in names}


def _check_defaults(defaults: Mapping[str, Any]) -> None:
    """Say once what would otherwise be said of every row."""
    kinds = [defaults["kind"]] if "kind" in defaults else [*_REQUEST_OF]
    problems: list[str] = []
    for kind in kinds:
        try:
            request_from_dict({"prompt": "-", **_fitting(defaults, kind), "kind": kind})
        except InvalidRequest as error:
            problems.append(str(error))
    if len(problems) == len(kinds):
        raise UsageError(problems[0])


def _filled(cell: Any) -> bool:
    return cell is not None and not (isinstance(cell, str) and not cell.strip())


def _word(name: str, cell: Any) -> str:
    if isinstance(cell, str):
        return cell.strip()
    raise InvalidRequest(f"{name} is not text but {type(cell).__name__}", field=name)


def _lower_word(name: str, cell: Any) -> str:
    return _word(name, cell).lower()


def _text(name: str, cell: Any) -> str:
    return cell if isinstance(cell, str) else _word(name, cell)


def _whole(name: str, cell: Any) -> int:
    if isinstance(cell, str) and re.fullmatch(r"[+-]?[0-9]{1,15}", cell.strip()):
        return int(cell)
    number = _number(name, cell)
    if not number.is_integer():
        raise InvalidRequest(f"{name} {cell!r} is not a whole number", field=name)
    return int(number)


def _number(name: str, cell: Any) -> float:
    if not isinstance(cell, bool) and isinstance(cell, int | float | str):
        try:
            number = float(cell)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise InvalidRequest(f"{name} {_shown(cell)} is not a number", field=name)


def _shown(cell: Any) -> str:
    return repr(cell) if len(repr(cell)) <= 40 else f"{repr(cell)[:40]}…"


def _paths(name: str, cell: Any) -> list[Any]:
    if isinstance(cell, str):
        return [one.strip() for one in cell.split(";") if one.strip()]
    match cell:
        case [*parts]:
            return parts
        case _:
            return [cell]


def _one_image(name: str, cell: Any) -> Any:
    return cell.strip() if isinstance(cell, str) else cell


_YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _yes_no(name: str, cell: Any) -> bool:
    found = _YES_NO.get(str(cell).strip().lower())
    if found is None:
        raise InvalidRequest(f"{name} {_shown(cell)} is neither yes nor no", field=name)
    return found


_READ: dict[str, Callable[[str, Any], Any]] = {
    "kind": _lower_word,
    "model": _word,
    "ratio": _word,
    "resolution": _word,
    "count": _whole,
    "negative_prompt": _text,
    "seed": _whole,
    "sample_strength": _number,
    "duration": _whole,
    "references": _paths,
    "first_frame": _one_image,
    "last_frame": _one_image,
    "intelligent_ratio": _yes_no,
    "via": _lower_word,
}
