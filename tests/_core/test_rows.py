"""Journal rows bring back exactly what went in; a damaged row is told, never guessed at."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async import errors
from dreamina_async._core.ledger import Entry
from dreamina_async._core.rows import (
    JOB_COLUMNS,
    MEDIA_COLUMNS,
    entry_from_rows,
    instant,
    job_document,
    job_row,
    media_row,
    record_of,
    result_of,
)
from dreamina_async._runtime.journal import _SCHEMA
from dreamina_async.errors import InvalidRequest, JobFailed, StorageError
from dreamina_async.models import JobState, MediaFile
from dreamina_async.requests import ImageRequest, VideoRequest

ROOT = Path("/out")
SUBMIT_ID = "19637d71-15df-445e-b86d-490f3549cb85"
FOLDER = ROOT / SUBMIT_ID
PROMPT = "雨夜的上海，霓虹灯，“电影感”\n第二行"
ERRORS = [
    one
    for one in vars(errors).values()
    if isinstance(one, type) and issubclass(one, errors.DreaminaError)
]
VALUES = {"allowed": ("1", "4"), "sent": False, "status": 429, "pid": 7, "retry_after": 2.5}


def full(cls):
    names = [field.name for field in attrs.fields(cls)]
    return cls(*(VALUES.get(name, f"值 of {name}\n'\"") for name in names))


def media(index=0, kind="image", **facts):
    name = f"{kind}-{index}.png"
    return MediaFile(
        FOLDER / name,
        kind,
        index,
        2048,
        1152,
        "png",
        98374,
        "ab" * 32,
        uri=f"tos-cn-i/{index}",
        **facts,
    )


def entry(**facts):
    defaults = {
        "job_id": SUBMIT_ID,
        "kind": "image",
        "state": JobState.ACCEPTED,
        "created_at": 1757737934.403,
        "request": ImageRequest(PROMPT, count=2),
        "submit_id": SUBMIT_ID,
        "history_id": "25594898552322",
    }
    return Entry(**defaults | facts)


def rows_of(one, now=1757738000.0):
    """As the journal keeps them: columns, by name."""
    row = dict(zip(JOB_COLUMNS, job_row(one, now), strict=True))
    files = [dict(zip(MEDIA_COLUMNS, media_row(one.job_id, f), strict=True)) for f in one.saved]
    for column in (*row.values(), *(value for file in files for value in file.values())):
        assert column is None or type(column) in (str, int, float), column
    return row, files


def again(one):
    return entry_from_rows(*rows_of(one), ROOT)


def assert_same(one, other):
    for field in attrs.fields(Entry):
        assert getattr(one, field.name) == getattr(other, field.name), field.name


@pytest.mark.parametrize("state", JobState)
def test_every_state_comes_back(state):
    assert_same(again(entry(state=state)), entry(state=state))


@pytest.mark.parametrize("cls", ERRORS)
def test_every_error_comes_back_with_its_facts(cls):
    error = full(cls)
    found = again(entry(state=JobState.FAILED, error=error)).error
    assert type(found) is cls
    assert found == error
    assert str(found) == str(error)


@pytest.mark.parametrize(
    "one",
    [
        entry(saved=(media(0), media(3)), finished_at=5.0, saved_at=6.0, sent_at=4.0, missing=2),
        entry(
            kind="video", request=VideoRequest(PROMPT), saved=(media(0, "video", duration_ms=5042),)
        ),
        entry(request=None, submit_id=None, job_id="history-25594898552322"),
        entry(history_id=None, request=ImageRequest("🚀", seed=0, sample_strength=0.0)),
    ],
)
def test_a_job_comes_back(one):
    if one.submit_id is None:
        assert not one.saved
    assert_same(again(one), one)


def test_a_job_known_by_its_history_id_has_its_own_folder():
    one = entry(request=None, submit_id=None, job_id="history-1", history_id="1", saved=(media(),))
    assert again(one).saved[0].path == ROOT / "history-1" / "image-0.png"


def test_files_are_found_where_the_folder_is_now():
    found = entry_from_rows(*rows_of(entry(saved=(media(),))), Path("/moved"))
    assert found.saved[0].path == Path("/moved") / SUBMIT_ID / "image-0.png"


@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).filter(
        str.strip
    ),
    st.floats(0, 4e9),
    st.integers(0, 8),
)
def test_any_prompt_and_time_come_back(prompt, at, missing):
    one = entry(request=ImageRequest(prompt), created_at=at, sent_at=at, missing=missing)
    assert_same(again(one), one)


DAMAGE = [
    ("state", "finished"),
    ("state", None),
    ("kind", "audio"),
    ("kind", None),
    ("request", "{"),
    ("request", "[]"),
    ("request", '"猫"'),
    ("request", "5"),
    ("request", "[" * 100_000),
    ("request", '{"prompt": "x", "model": "jimeng-image-99"}'),
    ("request", '{"prompt": "x", "__class__": "os"}'),
    ("request", b"\xff\xfe"),
    ("error", "[]"),
    ("error", "5"),
    ("error", "{}"),
    ("error", '{"type": "SystemExit", "fields": []}'),
    ("error", '{"type": "JobFailed", "fields": [1,2,3,4,5,6,7,8,9]}'),
    ("error", '{"type": "JobFailed", "fields": 5}'),
    ("error", '{"type": ["JobFailed"], "fields": []}'),
    ("submit_id", "../../etc"),
    ("submit_id", "/etc"),
    ("submit_id", 5),
    ("history_id", "../x"),
    ("history_id", 5),
    ("created_at", "yesterday"),
    ("created_at", None),
    ("created_at", float("inf")),
    ("created_at", 1e300),
    ("sent_at", "x"),
    ("finished_at", b"x"),
    ("saved_at", 1e300),
    ("missing", "two"),
    ("missing", None),
]


@pytest.mark.parametrize(("column", "value"), DAMAGE, ids=lambda value: str(value)[:30])
def test_a_damaged_row_is_told(column, value):
    row, files = rows_of(entry())
    with pytest.raises(StorageError, match=SUBMIT_ID) as caught:
        entry_from_rows(row | {column: value}, files, ROOT)
    assert len(str(caught.value)) < 300


MEDIA_DAMAGE = [
    ("name", "../../etc/passwd"),
    ("name", "/etc/passwd"),
    ("name", ".."),
    ("name", ""),
    ("name", "a\0b"),
    ("name", None),
    ("kind", "audio"),
    ("place", "0"),
    ("place", -1),
    ("size", "many"),
    ("sha256", None),
]


@pytest.mark.parametrize(("column", "value"), MEDIA_DAMAGE)
def test_a_damaged_file_row_is_told(column, value):
    row, files = rows_of(entry(saved=(media(),)))
    with pytest.raises(StorageError, match=SUBMIT_ID):
        entry_from_rows(row, [files[0] | {column: value}], ROOT)


def test_a_row_without_any_id_has_no_folder():
    row, _ = rows_of(entry())
    with pytest.raises(StorageError):
        entry_from_rows(row | {"submit_id": None, "history_id": None}, [], ROOT)


def test_what_journal_jobs_lists():
    error = JobFailed("no", "unknown", code="2038")
    one = entry(state=JobState.FAILED, error=error, saved=(media(),))
    record = record_of(one, 1757738000.0, ROOT)
    assert (record.job_id, record.folder, record.error) == (SUBMIT_ID, FOLDER, error)
    assert (record.created_at, record.updated_at) == (instant(1757737934.403), instant(1757738000))
    assert record.media == one.saved
    assert record.created_at.isoformat() == "2025-09-13T04:32:14.403000+00:00"


def test_a_record_has_every_fact_of_its_job():
    times = {"sent_at": 100.0, "finished_at": 200.0, "saved_at": 300.0}
    one = entry(state=JobState.DONE, missing=1, **times)
    record = record_of(one, 400.0, ROOT)
    assert (record.submit_id, record.history_id) == (SUBMIT_ID, "25594898552322")
    assert (record.state, record.request, record.missing) == (JobState.DONE, one.request, 1)
    found = (record.submitted_at, record.finished_at, record.saved_at)
    assert found == tuple(map(instant, (100.0, 200.0, 300.0)))


def test_a_record_of_a_job_from_elsewhere_has_the_folder_of_its_history_id():
    one = entry(request=None, submit_id=None, job_id="history-1", history_id="1")
    record = record_of(one, 400.0, ROOT)
    assert record.folder == ROOT / "history-1"
    assert (record.submitted_at, record.finished_at, record.saved_at) == (None, None, None)


def test_the_columns_are_those_of_the_tables():
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(_SCHEMA)
        for table, columns in (("jobs", JOB_COLUMNS), ("media", MEDIA_COLUMNS)):
            rows = connection.execute(f"PRAGMA table_info({table})").fetchall()
            assert tuple(row[1] for row in rows) == columns


def test_a_result():
    one = entry(
        state=JobState.DONE,
        sent_at=100.0,
        finished_at=200.0,
        saved_at=300.0,
        saved=(media(0), media(1)),
        missing=2,
    )
    result = result_of(one)
    assert (result.submitted_at, result.finished_at, result.saved_at) == tuple(
        map(instant, (100.0, 200.0, 300.0))
    )
    assert (result.media, result.partial, result.missing) == (one.saved, True, 2)


def test_the_document_beside_the_files():
    one = entry(
        state=JobState.DONE, sent_at=100.0, finished_at=200.0, saved_at=300.0, saved=(media(),)
    )
    document = json.loads(json.dumps(job_document(result_of(one))))
    assert document["submit_id"] == SUBMIT_ID
    assert document["history_id"] == "25594898552322"
    assert document["request"]["prompt"] == PROMPT
    assert document["saved_at"] == "1970-01-01T00:05:00+00:00"
    assert document["media"] == [
        {
            "path": "image-0.png",
            "kind": "image",
            "index": 0,
            "width": 2048,
            "height": 1152,
            "format": "png",
            "size": 98374,
            "sha256": "ab" * 32,
            "duration_ms": None,
            "uri": "tos-cn-i/0",
        }
    ]


def test_the_document_of_a_job_from_elsewhere():
    one = entry(request=None, submit_id=None, state=JobState.DONE)
    document = json.loads(json.dumps(job_document(result_of(one))))
    assert document["request"] is None
    assert document["submitted_at"] is None


def test_no_url_and_no_place_on_this_machine_stands_in_the_document():
    text = json.dumps(job_document(result_of(entry(saved=(media(),)))))
    assert "://" not in text
    assert "/out" not in text


def test_a_bad_request_is_not_blamed_on_the_user():
    """`StorageError`, not `InvalidRequest`: the user's call was fine, the file is not."""
    row, _ = rows_of(entry())
    with pytest.raises(StorageError) as caught:
        entry_from_rows(row | {"request": "{}"}, [], ROOT)
    assert isinstance(caught.value.__cause__, InvalidRequest)
