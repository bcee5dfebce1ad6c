"""What is fuzzed: every place where bytes come in that this package has not made.

A target takes any bytes. It returns, or raises nothing but a typed error, and neither its time
nor its words grow out of bounds. Asserts are what else a user relies on there.
"""

import hashlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from attrs import frozen

from dreamina_async import Credentials, DreaminaError, Region, StorageError
from dreamina_async._core.commerce import decode_credits, decode_history, decode_receive
from dreamina_async._core.config import decode_image_config, decode_video_config
from dreamina_async._core.content import ContentCheck
from dreamina_async._core.decode import decode_items, decode_status, decode_submit
from dreamina_async._core.destination import Destination
from dreamina_async._core.media import check_media_url, expires_at
from dreamina_async._core.owner import decode_user
from dreamina_async._core.picture import Picture, picture_of
from dreamina_async._core.profile import caller_for
from dreamina_async._core.rows import JOB_COLUMNS, MEDIA_COLUMNS, job_document, job_row, result_of
from dreamina_async._core.upload import (
    UploadToken,
    decode_apply,
    decode_bytes,
    decode_commit,
    decode_token,
    encode_apply,
    encode_bytes,
    encode_commit,
)
from dreamina_async._core.wire import HttpResponse
from dreamina_async._runtime import journal
from dreamina_async._runtime.claim import holder, is_held
from dreamina_async._runtime.marks import MARKS_NAME, read_marks
from dreamina_async.cli.exits import UsageError
from dreamina_async.cli.manifest import BadRow, Manifest
from dreamina_async.proxies import Proxy
from dreamina_async.requests import request_from_dict, request_to_dict

Like = Literal["json", "text", "bytes"]
"""What a target's inputs are, for whoever spoils them."""

SUBMIT_ID = "0f0e0d0c-0b0a-4908-8706-050403020100"
"""Takes the place of the recorded submit ids, so that a spoilt reply is still about them."""
HISTORY_IDS = ("30000000001", "30000000002", "30000000003")

NOW = 1_790_000_000.0
PICTURE = Picture(sha256="0" * 64, crc32=0x1234ABCD, size=1000, format="png", width=40, height=30)
CALLER = caller_for(Credentials("nobody-knows-this"), None)
TOKEN = UploadToken("key", "secret", "session", "service", NOW)
LOOPBACK = caller_for(Credentials("nobody-knows-this"), "http://127.0.0.1:1")

_STATUSES = (200, 403)
_ROOT = Path("/nowhere")
_THERE = Destination(_ROOT)


@frozen
class Target:
    """One reader of foreign bytes.

    Attributes:
        read: takes any bytes, and raises typed errors at most.
        like: how its inputs are spoilt.
        limit: seconds of CPU that 64 KiB may cost, 0.1 for each time they are parsed.
        share: of the usual number of inputs, where one costs much.
    """

    name: str
    read: Callable[[bytes], object]
    like: Like
    limit: float = 0.1
    share: float = 1.0


def told(call: Callable[[], Any]) -> Any:
    """The result, or the typed error, which a user can be shown."""
    try:
        return call()
    except UsageError as error:  # the command line makes it printable
        return error
    except DreaminaError as error:
        _check_words(str(error))
        return error


def _check_words(text: str) -> None:
    assert text.isprintable(), ascii(text)
    assert len(text) < 10_000


# ---- replies -----------------------------------------------------------------------------


def reply(decode: Callable[[HttpResponse], Any]) -> Callable[[bytes], None]:
    """Read as a body, under a success and under a refusal."""

    def read(data: bytes) -> None:
        for status in _STATUSES:
            told(lambda status=status: decode(HttpResponse(status, {}, data)))

    return read


def _submit(response: HttpResponse) -> None:
    found = decode_submit(response, SUBMIT_ID, now=NOW)
    assert found.submit_id in (None, SUBMIT_ID)
    assert found.history_id != "None"


def _status(response: HttpResponse) -> None:
    asked = (*HISTORY_IDS, SUBMIT_ID)
    found = decode_status(response, asked, now=NOW)
    assert sorted([*found.reports, *found.absent, *found.damaged]) == sorted(asked)
    for report in found.reports.values():
        for item in report.items:
            assert all(url.startswith("http") for url in item.urls)
            assert all(expires_at(url, NOW) > 0 for url in item.urls)


def _token(response: HttpResponse) -> None:
    token = decode_token(response, CALLER, NOW)
    request = encode_apply(token, PICTURE, CALLER, NOW)
    assert all(value.isascii() and value.isprintable() for value in request.headers.values())


def _apply(response: HttpResponse) -> None:
    place = decode_apply(response, NOW)
    encode_commit(TOKEN, place, CALLER, NOW)
    assert ".." not in place.uri.split("/")
    for host in place.hosts:
        request = told(lambda host=host: encode_bytes(place, host, PICTURE, CALLER))
        assert isinstance(request, DreaminaError) or request.url.startswith("https://")
        told(lambda host=host: encode_bytes(place, host, PICTURE, LOOPBACK))


def _headers(data: bytes) -> None:
    """What stands beside a body; the proxy in the middle may have written it."""
    text = data.decode("latin-1").replace("\r", " ").replace("\n", " ")
    headers = dict.fromkeys(("retry-after", "x-tt-logid", "content-type", "date"), text)
    for status in (200, 429, 503):
        for body in (b"", b'{"ret":"1015"}'):
            response = HttpResponse(status, headers, body)
            error = told(lambda response=response: decode_submit(response, SUBMIT_ID, now=NOW))
            assert (getattr(error, "retry_after", None) or 0.0) >= 0.0


def _media_url(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    assert expires_at(text, NOW) > 0
    for loopback in (False, True):
        told(lambda loopback=loopback: check_media_url(text, loopback=loopback))


# ---- files -------------------------------------------------------------------------------


def content(kind: Literal["image", "video"]) -> Callable[[bytes], None]:
    """In one piece and in several: it is the same file, or refused both ways."""

    def read(data: bytes) -> None:
        for size in (None, len(data)):
            whole = told(lambda size=size: _checked(kind, [data], size))
            pieces = told(lambda size=size: _checked(kind, _pieces(data), size))
            assert type(whole) is type(pieces), (whole, pieces)
            assert isinstance(whole, DreaminaError) or whole == pieces

    return read


def _checked(kind: Literal["image", "video"], pieces: Iterable[bytes], size: int | None) -> Any:
    check = ContentCheck(kind)
    for piece in pieces:
        check.feed(piece)
    return check.finish(size)


def _pieces(data: bytes) -> Iterable[bytes]:
    cuts = sorted({0, 1, 9, 13, len(data) // 3, len(data) // 2, len(data)})
    return [data[start:stop] for start, stop in pairwise(cuts)]


def _picture(data: bytes) -> None:
    picture = picture_of(data)
    assert (picture.size, picture.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert picture.width >= 0 <= picture.height


# ---- the journal -------------------------------------------------------------------------


def _journal(data: bytes) -> None:
    """A database file in any state: listed, or opened for work; never a stranger's error."""
    with tempfile.TemporaryDirectory(dir=_MEMORY) as name:
        root = Path(name)
        (root / journal.JOURNAL_NAME).write_bytes(data)
        told(lambda: journal.read_records(root))
        told(lambda: _worked_with(root))


def _worked_with(root: Path) -> None:
    connection, lock, marks, _ = journal._open(Destination(root), "cn", lambda: "this boot")
    try:
        for work in (_all_entries, journal._facts):
            journal._attempt(lambda one, work=work: work(one), connection)
    except sqlite3.Error:
        pass  # poisons the journal, in words of ours
    finally:
        connection.close()
        os.close(marks)
        journal._unlock(lock)


def _all_entries(connection: sqlite3.Connection) -> None:
    for entry in journal._select(connection, "1", (), _THERE):
        told(lambda entry=entry: job_document(result_of(entry)))


def _rows(data: bytes) -> None:
    """Rows of the right tables that hold anything."""
    with suppress(ValueError, RecursionError), closing(_rows_of(json.loads(data))) as connection:
        rows = connection.execute("SELECT * FROM jobs").fetchall()
        for row in rows:
            told(lambda row=row: journal._record(connection, row, _THERE))
        found = told(lambda: journal._select(connection, "1", (), _THERE))
        for entry in [] if isinstance(found, StorageError) else found:
            assert entry.submit_id or entry.history_id
            assert all(file.path.parent.parent == _ROOT for file in entry.saved)
            job_row(entry, NOW)


def _rows_of(document: Any) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = journal._as_dict
    connection.executescript(_LOOSE)
    for table, columns in (("jobs", JOB_COLUMNS), ("media", MEDIA_COLUMNS)):
        rows = document.get(table) if isinstance(document, dict) else None
        for row in rows if isinstance(rows, list) else []:
            cells = row if isinstance(row, dict) else {}
            values = [_cell(cells.get(column)) for column in columns]
            connection.execute(journal._replace(table, columns), values)
    return connection


_LOOSE = "".join(
    f"CREATE TABLE {table} ({', '.join(columns)});"
    for table, columns in (("jobs", JOB_COLUMNS), ("media", MEDIA_COLUMNS))
)
"""Without types and constraints: a damaged file knows none."""


def _cell(value: Any) -> Any:
    """What SQLite can hold."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return float("inf")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict | list):
        return json.dumps(value)
    return value


def _marks(data: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=_MEMORY) as name:
        Path(name, MARKS_NAME).write_bytes(data)
        found = read_marks(Path(name), "this boot")
        assert found is None or data.startswith(b"this boot")


def _claim(data: bytes) -> None:
    with tempfile.TemporaryFile(dir=_MEMORY) as file:
        file.write(data)
        file.flush()
        number = holder(file.fileno())
        assert number is None or number >= 0
        is_held(file.fileno(), lambda: "this boot")


_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


# ---- what users give ---------------------------------------------------------------------


def manifest(suffix: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        told(lambda: _rows_of_manifest(suffix, data))

    return read


def _rows_of_manifest(suffix: str, data: bytes) -> None:
    found = Manifest.from_bytes(f"m.{suffix}", data, folder=_ROOT, defaults={"count": 1})
    rows = list(found.rows())
    keys = [row.key for row in rows if not isinstance(row, BadRow)]
    assert len(set(keys)) == len(keys)
    assert all(row.reason for row in rows if isinstance(row, BadRow))
    found.near_misses()


def _request(data: bytes) -> None:
    """As a journal, a `job.json` or a caller's dictionary holds it."""
    with suppress(ValueError, RecursionError):
        document = json.loads(data)
        request = told(lambda: request_from_dict(document))
        if not isinstance(request, DreaminaError):
            assert request_from_dict(request_to_dict(request)) == request
            json.dumps(request_to_dict(request)).encode()


def _credentials(data: bytes) -> None:
    """Lines: session id, region, then cookies, headers and query."""
    text = data.decode("utf-8", "surrogateescape")
    sessionid, region, *lines = [*text.split("\n"), ""]
    pairs = dict(line.partition("=")[::2] for line in lines)
    more = {"cookies": pairs, "headers": pairs, "query": pairs}
    environ = {"DREAMINA_SESSIONID": sessionid, "DREAMINA_REGION": region}
    for make in (
        lambda: Credentials(sessionid, region=region, **more),
        lambda: Credentials(sessionid, region=Region.US, **more),
        lambda: Credentials(sessionid, **more),
        lambda: Credentials.from_env(environ),
    ):
        login = told(make)
        if isinstance(login, Credentials):
            sent = [*login.reveal_cookies().items(), *login.reveal_headers().items()]
            assert all(one.isascii() and one.isprintable() for pair in sent for one in pair)
            assert login.reveal_cookies()["sessionid"]
            caller_for(login, None)


def _base_url(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    told(lambda: caller_for(Credentials("nobody-knows-this"), text))
    proxy = told(lambda: Proxy(text))
    assert isinstance(proxy, DreaminaError) or 0 < proxy.port < 2**16


def _replies(name: str, decode: Callable[[HttpResponse], Any], share: float = 1.0) -> Target:
    return Target(name, reply(decode), "json", 0.1 * len(_STATUSES), share)


def _manifests(suffix: str) -> Target:
    """The limit is that of 32 thousand rows, each a request."""
    return Target(suffix, manifest(suffix), "text", 3.0)


TARGETS = {
    target.name: target
    for target in (
        _replies("submit", _submit),
        _replies("status", _status, 0.3),
        _replies("items", lambda one: decode_items(one, now=NOW), 0.5),
        _replies("user", lambda one: decode_user(one, now=NOW)),
        _replies("credits", lambda one: decode_credits(one, now=NOW)),
        _replies("ledger", lambda one: decode_history(one, now=NOW)),
        _replies("daily", lambda one: decode_receive(one, now=NOW)),
        _replies("image_config", lambda one: decode_image_config(one, NOW), 0.05),
        _replies("video_config", lambda one: decode_video_config(one, NOW), 0.5),
        _replies("token", _token),
        _replies("apply", _apply),
        _replies("bytes", lambda one: decode_bytes(one, PICTURE, NOW)),
        _replies("commit", lambda one: decode_commit(one, PICTURE, NOW)),
        Target("headers", _headers, "text"),
        Target("media_url", _media_url, "text"),
        Target("image", content("image"), "bytes", 0.4),
        Target("video", content("video"), "bytes", 0.4),
        Target("picture", _picture, "bytes"),
        Target("journal", _journal, "bytes", 0.2, 0.5),
        Target("rows", _rows, "json", 0.3, 0.5),
        Target("marks", _marks, "text"),
        Target("claim", _claim, "text"),
        _manifests("jsonl"),
        _manifests("csv"),
        _manifests("tsv"),
        _manifests("txt"),
        Target("request", _request, "json"),
        Target("credentials", _credentials, "text"),
        Target("base_url", _base_url, "text"),
    )
}
