"""What the log says of troubles, to those who read it by machine."""

import ast
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from session_kit import SECRET, downloading, image, png, retrying, settings, world

import dreamina_async
from dreamina_async import DownloadError, DreaminaError, VideoRequest
from dreamina_async.emulator import Fault, Timing

_NAMED = re.compile(r"\bjob ([0-9a-f-]{36})")
VIDEO = VideoRequest("窗外的雨，镜头缓缓拉远")
AT_ONCE = Timing(
    image_submitted=(0, 0), image_thinking=(0, 0), image_running=(0, 0), image_complete=(0, 0)
)
"""The first look sees the results; the second one is for a fresh URL."""


class JsonLines(logging.Formatter):
    """What anybody could write in five lines."""

    def format(self, record: logging.LogRecord) -> str:
        names = ("job_id", "wait", "error")
        extras = {name: getattr(record, name) for name in names if hasattr(record, name)}
        return json.dumps({"level": record.levelname, "text": record.getMessage(), **extras})


Said = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[Said]:
    """The package's records with a piece of text in them, as the lines of a file.

    In every test each record that speaks of a job names the same one to machines.
    """
    caplog.set_level(logging.DEBUG, "dreamina_async")
    form = JsonLines()

    def find(text: str) -> list[dict[str, Any]]:
        ours = [one for one in caplog.records if one.name == "dreamina_async"]
        return [json.loads(form.format(one)) for one in ours if text in one.getMessage()]

    yield find
    for line in find(""):
        named = _NAMED.search(line["text"])
        assert named is None or line["job_id"] == named[1]


EXPIRED = Fault(where="media", what="expired")
HASTY = settings(retrying=retrying(attempts=1))

# options of the world; then what is said: a part of the text, the error, whether it waits
OF_A_JOB: dict[str, tuple[dict[str, Any], str, str | None, bool]] = {
    "a submit is too early": (
        {"faults": [Fault(where="generate", what="ret", ret="1057")]},
        "RETRY",
        "RateLimited",
        True,
    ),
    "no slot is free": (
        {"faults": [Fault(where="generate", what="ret", ret="1010")]},
        "WAIT_FOR_SLOT",
        "RateLimited",
        True,
    ),
    "a reply is lost": (
        {"faults": [Fault(where="generate", what="reset_after_charge")]},
        "LOOK_UP",
        "TransportError",
        False,
    ),
    "a record is damaged": (
        {"faults": [Fault(where="history", what="damaged", damage="text_record")]},
        "its record cannot be read",
        "ProtocolError",
        False,
    ),
    "a file breaks off": (
        {"faults": [Fault(where="media", what="truncated")]},
        "trying again",
        "TransportError",
        True,
    ),
    "a record misstates its file": ({"wrong_figures": True}, "; kept", None, False),
    "a fresh URL cannot be read": (
        {
            "timing": AT_ONCE,
            "faults": [
                EXPIRED,
                Fault(where="history", what="damaged", damage="text_record", after=1),
            ],
        },
        "no fresh URL",
        "ProtocolError",
        False,
    ),
    "nobody gives a fresh URL": (
        {
            "timing": AT_ONCE,
            "rules": HASTY,
            "faults": [EXPIRED, Fault(where="history", what="status", after=1)],
        },
        "its files wait",
        "ServiceUnavailable",
        True,
    ),
}


@pytest.mark.parametrize("trouble", OF_A_JOB)
async def test_a_trouble_of_a_job_names_it(tmp_path: Path, trouble: str, said: Said) -> None:
    options, text, error, waits = OF_A_JOB[trouble]
    async with world(tmp_path, **options) as (_, session):
        result = await session.generate(image())
    assert said(text)
    for line in said(text):
        assert line["job_id"] == result.submit_id
        assert line.get("error") == error
        assert ("wait" in line) is waits
        assert line.get("wait", 0.0) >= 0


async def test_each_of_several_jobs_is_named(tmp_path: Path, said: Said) -> None:
    faults = [Fault(where="media", what="truncated", times=3)]
    async with world(tmp_path, faults=faults) as (_, session):
        jobs = [job async for job in session.run(image(str(number)) for number in range(4))]
    told = [line["job_id"] for line in said("trying again")]
    assert len(told) == 3
    assert set(told) <= {job.job_id for job in jobs}


async def test_the_question_for_a_videos_original_is_its_jobs(tmp_path: Path, said: Said) -> None:
    faults = [Fault(where="items", what="status"), Fault(where="items", what="ret", ret="2061")]
    async with world(tmp_path, video_shape="P", faults=faults) as (_, session):
        result = await session.generate(VIDEO)
    (waited,), (gave_up,) = said("call failed"), said("no original")
    assert waited["job_id"] == gave_up["job_id"] == result.submit_id
    assert waited["error"] == "ServiceUnavailable"
    assert waited["wait"] > 0
    assert "wait" not in gave_up


async def test_a_result_that_is_taken_back_names_its_job(tmp_path: Path, said: Said) -> None:
    rules = settings(downloading=downloading(attempts=1, refreshes=1))
    gone = Fault(where="media", what="not_found", times=None)
    async with world(tmp_path, rules=rules, faults=[gone]) as (emulator, session):
        job = await session.submit(image())
        with pytest.raises(DownloadError):
            await job
        emulator.faults.add(Fault(where="history", what="damaged", damage="failed", times=None))
        (again,) = await session.resume()
        with pytest.raises(DreaminaError):
            await again
    (line,) = said("has finished before")
    assert line["job_id"] == job.job_id
    assert line["error"] == "JobFailed"


async def test_a_job_that_another_account_paid_for_is_named(tmp_path: Path, said: Said) -> None:
    async with world(tmp_path) as (emulator, session):
        await session.generate(image())
        emulator._world.login(SECRET).uid = "4711"
        result = await session.generate(image())
    (line,) = said("charged to another account")
    assert line["job_id"] == result.submit_id
    assert line["error"] == "AccountMismatch"


async def test_what_belongs_to_no_single_job_names_none(tmp_path: Path, said: Said) -> None:
    """A status call asks for ten jobs, and an upload may serve many."""
    faults = [Fault(where="commit", what="status"), Fault(where="history", what="status")]
    async with world(tmp_path, faults=faults) as (_, session):
        await session.generate(image(references=png()))
    for text in ("trying again", "next status call"):
        (line,) = said(text)
        assert "job_id" not in line
        assert line["error"] == "ServiceUnavailable"
        assert line["wait"] > 0


def test_no_text_names_a_job_to_people_alone() -> None:
    """Also where no test above comes by."""
    sources = Path(dreamina_async.__file__).parent.joinpath("_runtime").glob("*.py")
    nodes = [node for source in sources for node in ast.walk(ast.parse(source.read_text()))]
    calls = {ast.unparse(node) for node in nodes if isinstance(node, ast.Call)}
    named = [call for call in calls if call.startswith("log.") and "job %s" in call]
    assert len(named) > 5
    assert all(", extra=" in call for call in named)


def test_nothing_is_printed_unless_somebody_listens() -> None:
    code = (
        "import logging, dreamina_async.session\n"
        "logging.getLogger('dreamina_async').warning('a trouble')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
