"""What users ask for by mistake, and what they are told (U rows)."""

import json
import math
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from session_kit import SECRET, check_job, image, rows, session_for, world

from dreamina_async import (
    BudgetReached,
    DreaminaError,
    ImageRequest,
    InvalidRequest,
    Job,
    JobLost,
    Request,
    Submission,
    VideoRequest,
)
from dreamina_async.cli.entry import run as cli
from dreamina_async.emulator import Fault, Outcome
from dreamina_async.requests import MAX_PROMPT_CHARACTERS

BLANKS = st.text(st.sampled_from(" \t\n\r\f\v\u00a0\u2003\u3000"))
TOO_LONG = st.integers(1, 10**6).map(lambda more: "x" * (MAX_PROMPT_CHARACTERS + more))
BROKEN = st.tuples(st.text(), st.sampled_from("\0\ud800\udfff"), st.text()).map("".join)
NO_TEXT = st.binary() | st.none() | st.integers() | st.lists(st.text())


@given(BLANKS | TOO_LONG | BROKEN | NO_TEXT, st.sampled_from([ImageRequest, VideoRequest]))
def test_u1_what_is_no_prompt_never_becomes_a_request(prompt: Any, kind: type[Request]) -> None:
    """So there is nothing to send, and nothing to spend."""
    with pytest.raises(InvalidRequest) as caught:
        kind(prompt)
    assert caught.value.field == "prompt"
    assert caught.value.charged == "no"
    assert len(str(caught.value)) < 500


NASTY = [
    "emoji 🚀👩‍👩‍👧 and 猫",
    "right to left \u202e txt.exe",
    "../../etc/passwd",
    "C:\\con\\nul.",
    "line one\nline two\r\n\ttabbed",
    "\x1b[2J\x07 escape",
    '"quoted" {"json": [1]} \\u0000',
    "zero\u200bwidth \ufeff",
    "e\u0301 is not \u00e9",
    "%2e%2e%2f?x=1&y=2#z",
    "'; DROP TABLE jobs; --",
]


async def test_u2_odd_text_arrives_as_it_was_written_and_names_no_file(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        jobs = [job async for job in session.run(map(image, NASTY), max_in_flight=20)]
        for job in jobs:
            check_job(emulator, job)
        assert sorted(order.prompt for order in emulator.orders) == sorted(NASTY)
        ids = {str(job.submit_id) for job in jobs}
    kept = rows(tmp_path, "job_id, request").values()
    assert sorted(json.loads(one)["prompt"] for one in kept) == sorted(NASTY)
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == ids
    names = {path.name for path in tmp_path.glob("*/*")}
    assert names == {"image-0.png", "job.json"}


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_u2_a_prompt_that_is_taken_is_valid_utf_8(prompt: str) -> None:
    if prompt.strip():
        assert json.loads(json.dumps(ImageRequest(prompt).prompt).encode()) == prompt


UNKNOWN = [
    (ImageRequest, {"model": "jimeng-image-9"}),
    (ImageRequest, {"ratio": "5:4"}),
    (ImageRequest, {"resolution": "8k"}),
    (ImageRequest, {"count": 99}),
    (VideoRequest, {"model": "jimeng-video-9"}),
    (VideoRequest, {"ratio": "2:3"}),
    (VideoRequest, {"duration": 7}),
]


@pytest.mark.parametrize(("kind", "field"), UNKNOWN, ids=lambda value: str(value)[:24])
def test_u3_an_unknown_value_is_answered_with_those_there_are(
    kind: type[Request], field: dict[str, Any]
) -> None:
    ((name, value),) = field.items()
    with pytest.raises(InvalidRequest) as caught:
        kind("sea", **field)
    assert caught.value.field == name
    assert len(caught.value.allowed) >= 2
    assert str(value) not in caught.value.allowed
    assert caught.value.allowed[0] in str(caught.value)
    assert caught.value.charged == "no"


async def test_u4_equal_requests_are_two_jobs_and_equal_ids_are_one(tmp_path: Path) -> None:
    one_id = str(uuid4())
    async with world(tmp_path) as (emulator, session):
        requests = [image("same"), image("same")]
        requests += [Submission(image("same"), one_id), Submission(image("same"), one_id.upper())]
        jobs = [job async for job in session.run(requests)]
        assert len(jobs) == 4  # each is handed out, whoever else has it
        assert len({job.submit_id for job in jobs}) == len(emulator.ledger) == 3
        for job in jobs:
            check_job(emulator, job)


async def test_u5_rows_that_moved_are_known_and_a_changed_one_is_another_job(
    tmp_path: Path,
) -> None:
    """By keys of the rows' own content; nothing is paid again for standing elsewhere."""

    def submissions(session: Any, prompts: list[str]) -> list[Submission]:
        return [Submission(image(one), session.submit_id_for(one)) for one in prompts]

    async with world(tmp_path) as (emulator, session):
        first = [job async for job in session.run(submissions(session, ["a", "b", "c"]))]
        await session.aclose()
        async with session_for(emulator, tmp_path) as later:
            edited = submissions(later, ["new", "c", "a", "b, but larger"])
            second = [job async for job in later.run(edited)]
        before = {job.submit_id for job in first}
        assert len(before & {job.submit_id for job in second}) == 2
        assert emulator.requests.counts["generate"] == 5
        assert len(rows(tmp_path)) == 5  # what is no longer asked for is not forgotten


OTHER = [{"model": "3.0"}, {"ratio": "16:9"}, {"count": 2}, {"seed": 7}, {"negative_prompt": "x"}]


@pytest.mark.parametrize("change", OTHER, ids=lambda change: next(iter(change)))
async def test_u6_an_id_with_other_parameters_is_refused_also_after_a_restart(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    async with world(tmp_path) as (emulator, session):
        job = await session.submit(image("a", model="4.0"))
        other = ImageRequest("a", **({"count": 1, "model": "4.0"} | change | {"count": 4}))
        with pytest.raises(InvalidRequest) as caught:
            await session.submit(other, submit_id=job.submit_id)
        assert caught.value.field == "submit_id"
        await job
        await session.aclose()
        async with session_for(emulator, tmp_path) as later:
            with pytest.raises(InvalidRequest):
                await later.submit(other, submit_id=job.submit_id)
            (refused,) = [one async for one in later.run([Submission(other, job.submit_id)])]
            assert isinstance(refused.error, InvalidRequest)
        assert emulator.requests.counts["generate"] == 1


BAD_FILES = [
    ("rows.txt", "一\n二\n".encode() + "三\n".encode("gb18030"), "line 3"),
    ("rows.txt", b"one\r\ntwo\0\r\n", "line 2"),
    ("rows.txt", b"one\n" + b"x" * 5_000_000, "line 2"),
    ("rows.csv", "prompt\n猫\n".encode("utf-16"), "line 1"),
    ("rows.csv", b'\xef\xbb\xbfprompt,count\r\ngood,1\r\n"never closed\r\n', "line 3"),
    ("rows.jsonl", b'"good"\n{"prompt": "x", "count": 99}\n', "line 2"),
]


@pytest.mark.parametrize(("name", "data", "line"), BAD_FILES)
def test_u8_a_bad_file_is_told_with_its_line_before_anything_is_spent(
    name: str,
    data: bytes,
    line: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("DREAMINA_SESSIONID", SECRET)
    monkeypatch.setenv("DREAMINA_BASE_URL", "http://127.0.0.1:1")
    (tmp_path / name).write_bytes(data)
    assert cli(["bulk", str(tmp_path / name), "--out", str(tmp_path / "o")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{name}, {line}" in err
    assert len(err) < 1000
    assert not (tmp_path / "o").exists()  # not even a journal was begun


LIMITS = [0, -1, 2.5, True, "4", None, math.nan, math.inf]


async def test_u10_a_limit_of_a_run_is_a_whole_number(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        for limit in LIMITS:
            if limit is None:
                continue
            with pytest.raises(InvalidRequest):
                session.run([image()], max_in_flight=limit)
            with pytest.raises(InvalidRequest):
                session.run([image()], max_credits=limit)
        assert emulator.requests.counts == {}


@pytest.mark.parametrize("timeout", [0, -1, -math.inf])
async def test_u10_no_time_is_up_at_once(tmp_path: Path, timeout: float) -> None:
    async with world(tmp_path, outcome=Outcome(stuck=True)) as (_, session):
        job = await session.submit(image())
        with pytest.raises(DreaminaError):
            await job.result(timeout)
        with pytest.raises(DreaminaError):
            await session.generate(image(), timeout=timeout)


ABSURD = ["nan", "-1", "0", "soon"]


@pytest.mark.parametrize("option", ["--timeout", "--max-credits"])
@pytest.mark.parametrize("value", ABSURD)
def test_u10_an_absurd_number_on_the_command_line_is_a_wrong_call(
    option: str,
    value: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("DREAMINA_SESSIONID", SECRET)
    monkeypatch.setenv("DREAMINA_BASE_URL", "http://127.0.0.1:1")  # and nothing is sent there
    assert cli(["image", "x", option, value, "--out", str(tmp_path / "o")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("o/*-*"))


async def spent(run: Any) -> tuple[list[Job], BudgetReached]:
    jobs: list[Job] = []
    with pytest.raises(BudgetReached) as caught:
        async for job in run:
            jobs.append(job)  # noqa: PERF401
    return jobs, caught.value


@pytest.mark.parametrize("charged", ["reset", "reset_after_charge"])
async def test_u11_what_may_have_cost_counts_as_spent(tmp_path: Path, charged: str) -> None:
    """A submit without an answer, and its look-up without a trace, keep their share."""
    faults = [Fault(where="generate", what=charged, match="lost")]
    faults += [Fault(where="history", what="missing", match="lost", times=None)]
    async with world(tmp_path, faults=faults) as (emulator, session):
        requests = [
            image("lost", resolution="2k"),
            *(image(f"{n}", resolution="2k") for n in "abc"),
        ]
        jobs, error = await spent(session.run(requests, max_credits=11, max_in_flight=1))
        assert isinstance(jobs[0].error, JobLost)
        assert [job.error for job in jobs[1:]] == [None]
        assert (error.limit, error.spent) == (11, 8)
        assert emulator.requests.counts["generate"] == 2
        assert emulator.ledger.credits <= 8


async def test_u11_nothing_more_leaves_when_many_are_sent_at_once(tmp_path: Path) -> None:
    """Those under way count before anybody knows what became of them."""
    async with world(tmp_path) as (emulator, session):
        requests = (image(f"{n}", resolution="2k") for n in range(40))
        jobs, error = await spent(session.run(requests, max_credits=42, max_in_flight=40))
        assert len(jobs) == 10
        assert emulator.ledger.credits == error.spent == 40


NO_IDS = ["../up", "a/b", "/etc", "~", "CON.", "a b", "x" * 300, "..", ".", "", "a\0", "提", "a\\b"]


@pytest.mark.parametrize("name", NO_IDS)
async def test_u12_nothing_that_a_user_gives_leads_out_of_the_folder(
    tmp_path: Path, name: str
) -> None:
    """There are no output templates; ids are what a user can give, and they are checked."""
    async with world(tmp_path) as (emulator, session):
        with pytest.raises(InvalidRequest):
            session.attach(history_id=name)
        with pytest.raises(InvalidRequest):
            session.attach(submit_id=name)
        with pytest.raises(InvalidRequest):
            await session.submit(image(), submit_id=name)
        job = await session.submit(image(), submit_id=session.submit_id_for(name or "empty"))
        await job
        assert job.folder.parent == tmp_path  # a key of one's own is never a name itself
        check_job(emulator, job)
