"""What is written where, and what never is."""

import json
import logging
import sys
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

import pytest

import dreamina_async as da
from dreamina_async.cli.output import Output, counted, in_bytes, in_time, plain, shown


def test_plain_data_of_our_values():
    moment = datetime(2026, 11, 21, tzinfo=UTC)
    media = da.MediaFile(Path("o/video-0.mp4"), "video", 0, 2, 2, "mp4", 9, "ab", 5000)
    result = da.JobResult("s", "h", da.VideoRequest("鼓"), (media,), None, moment, moment, 1)
    found = plain(result)
    assert found["media"][0]["path"] == "o/video-0.mp4"
    assert found["request"]["kind"] == "video"
    assert found["finished_at"] == "2026-11-21T00:00:00+00:00"
    assert plain({da.Region.CN: {1}}) == {"cn": [1]}
    assert plain(Enum("E", "A").A) == 1


def test_signed_urls_never_become_data():
    item = da.MediaItem("image", ("https://x/y?x-signature=secret",))
    assert "secret" not in str(plain(da.JobReport(items=(item,))))


def test_an_error_becomes_its_facts():
    error = da.InsufficientCredit("poor", "no", "j1", code="1006", advice="buy")
    assert plain(error) == {
        "error": "InsufficientCredit",
        "message": str(error),
        "charged": "no",
        "job_id": "j1",
        "code": "1006",
        "advice": "buy",
    }


def test_text_from_outside_is_one_harmless_line():
    assert shown("a\nb\x1b[31m\u202ec\u0007") == "a b [31m c "
    assert shown("一二三四五", 4) == "一二三…"
    assert shown("一二三四", 4) == "一二三四"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_900_000, "2.9 MB"), (5e12, "5000.0 GB")],
)
def test_sizes(count, text):
    assert in_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.9, "59.9 s"), (245, "4 min 05 s"), (7380, "2 h 03 min")],
)
def test_spans(seconds, text):
    assert in_time(seconds) == text


def test_counted():
    assert [counted(number, "job") for number in (0, 1, 2)] == ["0 jobs", "1 job", "2 jobs"]


def test_markup_in_a_prompt_is_only_text(capsys):
    output = Output()
    output.note("[bold]not markup[/] :smile:")
    output.result("[red]nor here")
    found = capsys.readouterr()
    assert found.err == "[bold]not markup[/] :smile:\n"
    assert found.out == "[red]nor here\n"


def test_an_object_is_one_line_for_every_reader_of_lines(capsys):
    prompt = "甲\u2028乙\u2029丙\x85丁\x0b戊"
    Output(json_lines=True).emit("x", prompt=prompt)
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["prompt"] == prompt
    assert "甲" in line


def test_a_stdout_that_knows_no_chinese_still_gets_json(capsys, monkeypatch):
    class Latin:
        encoding = "latin-1"

        def __init__(self):
            self.text = ""

        def write(self, text):
            text.encode(self.encoding)
            self.text += text

        def flush(self):
            pass

    latin = Latin()
    monkeypatch.setattr(sys, "stdout", latin)
    Output(json_lines=True).emit("x", prompt="猫😀")
    Output().result("猫")
    assert latin.text == ('{"v": 1, "event": "x", "prompt": "\\u732b\\ud83d\\ude00"}\n\\u732b\n')


@pytest.mark.parametrize(
    ("flags", "levels"),
    [
        ({}, ["WARNING", "ERROR"]),
        ({"quiet": True}, ["ERROR"]),
        ({"verbose": True}, ["DEBUG", "WARNING", "ERROR"]),
    ],
)
def test_the_librarys_log_goes_to_stderr(capsys, flags, levels):
    logger = logging.getLogger("dreamina_async")
    before = (logger.level, list(logger.handlers))
    with Output(**flags).logging():
        logger.debug("d")
        logger.warning("w")
        logger.error("e")
    found = capsys.readouterr()
    assert [line.split()[2] for line in found.err.splitlines()] == levels
    assert found.out == ""
    assert (logger.level, list(logger.handlers)) == before
