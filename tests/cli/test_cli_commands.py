"""The commands against the emulator, in this process."""

import json
import uuid
from pathlib import Path

import pytest

import dreamina_async as da
from dreamina_async.cli.options import Common
from dreamina_async.emulator import Fault, Outcome

rejecting = pytest.mark.dreamina_emulator(outcomes={"REFUSED": "2038"})


def of(events, name):
    return [event for event in events if event["event"] == name]


def manifest(tmp_path, text, name="rows.txt"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return name


# ---- image and video -------------------------------------------------------------------


def test_image_saves_files_and_names_them(cli, emulator, tmp_path, generated):
    call = cli("image", "雪地里的狐狸", "a fox in the snow", "--count", "2", "--ratio", "16:9")
    assert call.status == 0
    files = call.out.splitlines()
    assert len(files) == 4
    assert all((tmp_path / name).stat().st_size for name in files)
    assert all(name.startswith("dreamina-out/") for name in files)
    assert "2 done, 0 failed" in call.err
    assert generated() == 2


def test_video_takes_its_own_fields(cli, emulator):
    call = cli("video", "雨中的轻轨", "--duration", "10", "--ratio", "9:16", "--json")
    assert call.status == 0
    (job,) = of(call.events, "job")
    assert job["request"] == {
        "kind": "video",
        "prompt": "雨中的轻轨",
        "model": "jimeng-video-3.0",
        "ratio": "9:16",
        "duration": 10,
        "resolution": None,
        "first_frame": None,
        "last_frame": None,
        "seed": None,
    }
    assert [media["kind"] for media in job["media"]] == ["video"]


def test_stdout_holds_json_and_nothing_else(cli, emulator):
    call = cli("image", "纸灯笼", "--count", "1", "--json", "-v")
    assert {event["v"] for event in call.events} == {1}
    assert [event["event"] for event in call.events][-2:] == ["job", "summary"]
    assert len(of(call.events, "submitted")) == len(of(call.events, "file_saved")) == 1
    assert call.events[-1]["done"] == 1
    assert "纸灯笼" in call.out
    assert "1 done" in call.err


def test_quiet_leaves_results_only(cli, emulator):
    call = cli("image", "安静的湖", "--count", "1", "--quiet")
    assert call.status == 0
    assert call.err == ""
    assert call.out.endswith("image-0.png\n")


@rejecting
def test_one_refused_prompt_does_not_stop_the_others(cli, emulator):
    call = cli("image", "REFUSED 的词", "普通的词", "--count", "1", "--json")
    assert call.status == 1
    states = {job["request"]["prompt"]: job["state"] for job in of(call.events, "job")}
    assert states == {"REFUSED 的词": "failed", "普通的词": "done"}
    (failed,) = [job for job in of(call.events, "job") if job["state"] == "failed"]
    assert failed["error"]["message"]
    assert "REFUSED 的词: " in call.err


@pytest.mark.dreamina_emulator(outcome=Outcome(items=2))
def test_a_partial_result_is_done_and_said(cli, emulator):
    call = cli("image", "四只鸟", "--count", "4", "--json")
    assert call.status == 0
    assert call.events[-1]["partial"] == 1
    assert "1 job brought fewer files" in call.err


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (["image"], "at least one prompt"),
        (["image", "  "], "prompt is empty"),
        (["image", "x", "--ratio", "5:7"], "takes no ratio '5:7'"),
        (["image", "x", "--count", "many"], "many"),
        (["image", "x", "--sessionid", "secret"], "Unknown option"),
        (["paint", "x"], "Unknown command"),
        (["status"], "at least one id"),
        (["fetch"], "at least one id"),
        (["status", "no/id"], "history id 'no/id' is not an id"),
        (["fetch", "no/id"], "history id 'no/id' is not an id"),
        (["jobs"], "there is no journal here"),
        (["bulk"], "MANIFEST"),
        (["bulk", "none.csv"], "none.csv: cannot be read"),
    ],
)
def test_a_wrong_call_is_one_line_and_status_2(cli, emulator, tokens, words, generated):
    call = cli(*tokens)
    assert call.status == 2
    assert words in call.err
    assert call.err.startswith("dreamina-async: error: ")
    assert call.err.count("\n") == 1
    assert call.out == ""
    assert generated() == 0


def test_an_error_is_also_a_json_object(cli):
    call = cli("image", "x", "--json")
    assert call.status == 3
    (error,) = call.events
    assert error["event"] == "error"
    assert (error["error"], error["exit_status"]) == ("AuthenticationError", 3)
    assert "DREAMINA_SESSIONID" in call.err


def test_refused_credentials_are_status_3(cli, emulator, monkeypatch):
    monkeypatch.setenv("DREAMINA_SESSIONID", "")
    assert cli("image", "x").status == 3


@pytest.mark.dreamina_emulator(sessionids=["the-right-one"])
def test_credentials_that_the_service_refuses_are_status_3(cli, emulator, monkeypatch):
    monkeypatch.setenv("DREAMINA_SESSIONID", "the-wrong-one")
    call = cli("image", "x", "y", "--json")
    assert call.status == 3
    assert call.events[-1]["error"] == "AuthenticationError"
    assert "the-wrong-one" not in call.out + call.err


@pytest.mark.dreamina_emulator(balance=0)
def test_no_credit_is_status_4(cli, emulator):
    call = cli("image", "x")
    assert call.status == 4
    assert call.err.splitlines()[-1].startswith("dreamina-async: error: ")


@pytest.mark.parametrize("url", ["http://example.com", "garbage", "ftp://127.0.0.1"])
def test_a_wrong_base_url_is_status_2(cli, monkeypatch, url):
    monkeypatch.setenv("DREAMINA_SESSIONID", "somebody")
    monkeypatch.setenv("DREAMINA_BASE_URL", url)
    call = cli("image", "x")
    assert call.status == 2
    assert call.err.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_status_2(cli, emulator, tmp_path, generated):
    (tmp_path / "taken").write_text("a file, no folder")
    call = cli("image", "x", "--out", "taken")
    assert call.status == 2
    assert call.err.count("\n") == 1
    assert generated() == 0


@pytest.mark.dreamina_emulator(outcome=Outcome(stuck=True))
def test_a_timeout_leaves_the_jobs_resumable(cli, emulator):
    call = cli("image", "很慢的钟", "--timeout", "1", "--out", "o", "--json")
    assert call.status == 5
    assert call.events[-1]["interrupted"] == "time is up"
    assert call.events[-1]["pending"] == 1
    assert "continue with: dreamina-async resume --out o" in call.err


def test_a_run_stopped_before_its_session_is_open_says_how_to_go_on(cli, emulator, generated):
    call = cli("image", "太早", "--timeout", "0.000001", "--out", "o", "--json")
    assert call.status == 5
    assert (call.events[-1]["interrupted"], call.events[-1]["unsent"]) == ("time is up", 1)
    assert "continue with: dreamina-async resume --out o" in call.err
    assert generated() == 0


def test_a_prompt_may_begin_with_dashes(cli, emulator):
    call = cli("image", "--count", "1", "--", "--loud 的猫")
    assert call.status == 0
    assert call.out.endswith("image-0.png\n")


def test_what_never_reached_the_service_is_not_called_submitted(cli, monkeypatch):
    monkeypatch.setenv("DREAMINA_SESSIONID", "somebody")
    monkeypatch.setenv("DREAMINA_BASE_URL", "http://127.0.0.1:9")  # nobody listens there
    call = cli("image", "断网", "--timeout", "2", "--out", "o")
    assert "1 not sent" in call.err
    assert " submitted" not in call.err


@pytest.mark.dreamina_emulator(faults=[Fault(where="media", what="not_found", times=None)])
def test_files_that_do_not_come_are_said_to_be_resumable(cli, emulator):
    call = cli("image", "断桥", "--count", "1", "--out", "o", "--json")
    assert call.status == 1
    summary = call.events[-1]
    assert (summary["failed"], summary["pending"], summary["resumable"]) == (1, 0, 1)
    assert "1 job can still come home; continue with: dreamina-async resume --out o" in call.err


@pytest.mark.dreamina_emulator(sessionids=["us-one", "one"])
def test_a_model_that_the_region_lacks_is_a_wrong_call(cli, emulator, generated, monkeypatch):
    monkeypatch.setenv("DREAMINA_SESSIONID", "us-one")
    call = cli("image", "x", "--model", "jimeng-image-4.7", "--json")
    assert call.status == 2
    assert "jimeng-image-4.7" in call.err
    assert generated() == 0


# ---- bulk ------------------------------------------------------------------------------


def test_bulk_again_submits_nothing_and_new_rows_only(cli, emulator, tmp_path, generated):
    rows = manifest(tmp_path, "海边的马\n海边的马\na horse\n")
    first = cli("bulk", rows, "--count", "1", "--out", "o", "--json")
    assert first.status == 0
    assert sorted(job["line"] for job in of(first.events, "job")) == [1, 2, 3]
    assert generated() == 3

    second = cli("bulk", rows, "--count", "1", "--out", "o", "--json")
    assert second.status == 0
    assert second.events[-1]["done_before"] == second.events[-1]["done"] == 3
    assert sorted(job["line"] for job in of(second.events, "job")) == [1, 2, 3]
    assert generated() == 3

    rows = manifest(tmp_path, "a new horse\na horse\n\n海边的马\n海边的马\n海边的马\n")
    third = cli("bulk", rows, "--count", "1", "--out", "o", "--json")
    assert third.status == 0
    assert third.events[-1]["submits"] == 2
    assert generated() == 5
    assert not emulator.ledger.repeated()


def test_bulk_reads_every_format_and_kind(cli, emulator, tmp_path):
    rows = manifest(
        tmp_path, "Prompt\tkind\tratio\n鼓楼\timage\t3:4\na drum\tvideo\t\n", "rows.tsv"
    )
    call = cli("bulk", rows, "--ratio", "1:1", "--out", "o", "--json")
    assert call.status == 0
    found = {job["line"]: job["request"] for job in of(call.events, "job")}
    assert (found[2]["kind"], found[2]["ratio"]) == ("image", "3:4")
    assert (found[3]["kind"], found[3]["ratio"]) == ("video", "1:1")


def test_limit_takes_the_first_rows(cli, emulator, tmp_path, generated):
    rows = manifest(tmp_path, "一\n二\n三\n")
    assert cli("bulk", rows, "--limit", "2", "--count", "1", "--max-in-flight", "1").status == 0
    assert generated() == 2
    assert cli("bulk", rows, "--limit", "0").status == 2


def test_dry_run_sends_nothing_and_needs_no_credentials(cli, emulator, tmp_path, monkeypatch):
    rows = manifest(tmp_path, "一座桥\na bridge\n")
    monkeypatch.delenv("DREAMINA_SESSIONID")
    call = cli("bulk", rows, "--dry-run", "--out", "o")
    assert call.status == 0
    assert "line 1: image jimeng-image-4.0 1:1" in call.out
    assert "一座桥" in call.out
    assert "2 of them new" in call.err
    assert emulator.requests.counts == {}
    assert not (tmp_path / "o").exists()


def test_dry_run_knows_what_was_done_before(cli, emulator, tmp_path):
    rows = manifest(tmp_path, "一座桥\n")
    assert cli("bulk", rows, "--count", "1", "--out", "o").status == 0
    before = dict(emulator.requests.counts)
    rows = manifest(tmp_path, "一座塔\n一座桥\n")
    call = cli("bulk", rows, "--count", "1", "--out", "o", "--dry-run", "--json")
    assert [(row["line"], row["known"]) for row in of(call.events, "planned")] == [
        (1, None),
        (2, "done"),
    ]
    assert "1 of them new" in call.err
    assert emulator.requests.counts == before


def test_bad_rows_stop_everything_before_anything_is_sent(cli, emulator, tmp_path, generated):
    lines = ["prompt,count", "好的,1", *(f"bad {number},99" for number in range(25))]
    rows = manifest(tmp_path, "\n".join(lines), "rows.csv")
    call = cli("bulk", rows, "--json")
    assert call.status == 2
    assert "rows.csv, line 3: " in call.err
    assert "rows.csv, line 22: " in call.err
    assert "line 23" not in call.err
    assert "and 5 more bad rows" in call.err
    assert "25 of 26 rows are bad" in call.err
    assert [row["line"] for row in of(call.events, "bad_row")] == [*range(3, 28)]
    assert generated() == 0


def test_skip_invalid_runs_the_good_rows_and_says_so(cli, emulator, tmp_path, generated):
    rows = manifest(tmp_path, '"好的"\n{"ratio": "1:1"}\n"also good"\n', "rows.jsonl")
    call = cli("bulk", rows, "--skip-invalid", "--count", "1", "--json")
    assert call.status == 1
    assert (call.events[-1]["done"], call.events[-1]["skipped"]) == (2, 1)
    assert "1 row skipped" in call.err
    assert generated() == 2


def test_skip_invalid_with_no_good_row_is_still_an_error(cli, emulator, tmp_path):
    rows = manifest(tmp_path, "[]\n", "rows.jsonl")
    assert cli("bulk", rows, "--skip-invalid").status == 2


@rejecting
def test_a_failed_row_stays_failed_and_is_not_paid_again(cli, emulator, tmp_path):
    rows = manifest(tmp_path, "REFUSED 一\n二\n")
    assert cli("bulk", rows, "--count", "1").status == 1
    call = cli("bulk", rows, "--count", "1", "--json")
    assert call.status == 1
    assert call.events[-1]["submits"] == 0
    assert "line 1, REFUSED 一: " in call.err


@pytest.mark.dreamina_emulator(
    read_lag=1e9, faults=[Fault(where="generate", what="reset_after_charge")]
)
def test_a_held_job_is_never_said_to_be_unsent(cli, emulator, tmp_path, monkeypatch):
    hasty = da.Settings(retrying=da.RetryPolicy(attempts=1, lookups=1, lookup_window=0.05))
    rows = manifest(tmp_path, "也许付过\n")
    with monkeypatch.context() as patch:
        patch.setattr(
            Common,
            "session",
            lambda self: da.DreaminaSession(output_dir=self.folder(), settings=hasty),
        )
        call = cli("bulk", rows, "--out", "o", "--json")
    assert of(call.events, "job")[0]["state"] == "unknown"
    again = ("bulk", rows)
    for words in (again, ("resume",)):
        call = cli(*words, "--out", "o", "--timeout", "0.3", "--json")
        summary = call.events[-1]
        assert call.status == 5
        assert (summary["unsent"], summary["pending"], summary["resumable"]) == (0, 1, 1)
        assert "1 job still pending" in call.err
    assert len(emulator.ledger) == 1


def test_what_an_interrupted_run_did_not_come_to_is_not_unsent_if_it_was_paid_before(
    cli, emulator, tmp_path
):
    rows = manifest(tmp_path, "一\n二\n")
    assert cli("bulk", rows, "--count", "1", "--out", "o").status == 0
    rows = manifest(tmp_path, "一\n二\n三\n")
    call = cli("bulk", rows, "--count", "1", "--out", "o", "--timeout", "0.000001", "--json")
    summary = call.events[-1]
    assert (summary["interrupted"], summary["done"], summary["unsent"]) == ("time is up", 0, 1)
    for picture in (tmp_path / "o").glob("*/*.png"):
        picture.unlink()
    summary = cli("resume", "--out", "o", "--timeout", "0.000001", "--json").events[-1]
    assert (summary["interrupted"], summary["unsent"]) == ("time is up", 0)
    assert len(emulator.ledger) == 2


def test_max_in_flight_must_be_a_number_that_makes_sense(cli, emulator, tmp_path):
    rows = manifest(tmp_path, "x\n")
    for more in ((), ("--dry-run",)):
        for flag in ("--max-in-flight", "--max-credits"):
            assert cli("bulk", rows, flag, "0", *more).status == 2


# ---- resume, jobs, status, fetch -------------------------------------------------------


def test_resume_brings_home_what_was_left(cli, emulator, tmp_path, generated):
    assert cli("image", "被遗忘的伞", "--count", "1", "--out", "o").status == 0
    (picture,) = (tmp_path / "o").glob("*/*.png")
    picture.unlink()
    call = cli("resume", "--out", "o", "--json")
    assert call.status == 0
    assert picture.exists()
    assert call.events[-1]["submits"] == 0
    assert generated() == 1

    assert cli("resume", "--out", "o").err == "nothing is owed in o\n"


def test_jobs_lists_the_journal_without_asking_anybody(cli, emulator, monkeypatch):
    assert cli("image", "会唱歌的井", "--count", "1", "--out", "o").status == 0
    before = dict(emulator.requests.counts)
    monkeypatch.delenv("DREAMINA_SESSIONID")
    call = cli("jobs", "--out", "o")
    assert call.status == 0
    name, state, age, charged, files, prompt = call.out.rstrip("\n").split("\t")
    assert (state, charged, files, prompt) == ("done", "yes", "1", "会唱歌的井")
    assert age.endswith(" s")
    assert call.err == "1 job in o: 1 done\n"
    (job,) = cli("jobs", "--out", "o", "--json").events
    assert (job["event"], job["state"], len(job["media"])) == ("job", "done", 1)
    assert job["job_id"] == name
    assert emulator.requests.counts == before


def test_status_knows_and_does_not_know(cli, emulator):
    assert cli("image", "月亮", "--count", "1", "--out", "o").status == 0
    (job,) = cli("jobs", "--out", "o", "--json").events
    known = cli("status", job["submit_id"], job["history_id"], "--out", "o")
    assert known.status == 0
    assert known.out.count("finished, 1 file") == 2
    unknown = cli("status", uuid.uuid4(), job["submit_id"], "--out", "o", "--json")
    assert unknown.status == 1
    assert [report["known"] for report in unknown.events] == [False, True]
    assert "http" not in unknown.out


def test_fetch_downloads_by_either_id(cli, emulator, tmp_path, generated):
    assert cli("image", "星星", "--count", "1", "--out", "o").status == 0
    (job,) = cli("jobs", "--out", "o", "--json").events
    for number, one in enumerate((job["submit_id"], job["history_id"])):
        call = cli("fetch", one, one, "--out", f"o{number}")
        assert call.status == 0
        (name,) = call.out.splitlines()
        assert (tmp_path / name).read_bytes() == Path(job["media"][0]["path"]).read_bytes()
    assert generated() == 1


@rejecting
def test_fetching_a_job_that_failed_says_so(cli, emulator):
    call = cli("image", "REFUSED 的门", "--count", "1", "--out", "o", "--json")
    (job,) = of(call.events, "job")
    call = cli("fetch", job["history_id"], "--out", "o2")
    assert call.status == 1
    assert "0 done, 1 failed" in call.err


@pytest.mark.dreamina_emulator(outcome=Outcome(stuck=True), sessionids=["good"])
def test_resume_with_a_login_that_was_lost_is_status_3(cli, emulator, monkeypatch):
    assert cli("image", "桥", "塔", "--out", "o", "--timeout", "1").status == 5
    monkeypatch.setenv("DREAMINA_SESSIONID", "expired")
    call = cli("resume", "--out", "o", "--json")
    assert call.status == 3
    assert call.events[-1]["error"] == "AuthenticationError"
    assert call.events[-2]["pending"] == 2
    assert "2 jobs can still come home" in call.err


# ---- the rest --------------------------------------------------------------------------


def test_models_needs_nothing(cli):
    call = cli("models")
    assert call.status == 0
    assert "jimeng-image-4.0" in call.out
    assert "16:9 2560×1440" in call.out
    assert "seedance-2.0-mini" in call.out
    found = cli("models", "--json").events
    assert {model["name"] for model in found} == {
        model.name for model in (*da.IMAGE_MODELS, *da.VIDEO_MODELS)
    }
    assert found[0]["sizes"]["2k"]["1:1"] == [2048, 2048]


def test_the_output_folder_comes_from_the_environment(cli, emulator, tmp_path, monkeypatch):
    monkeypatch.setenv("DREAMINA_OUTPUT_DIR", "from-env")
    assert cli("image", "x", "--count", "1").status == 0
    assert len(list((tmp_path / "from-env").glob("*/*.png"))) == 1
    assert Common().folder() == da.DreaminaSession(da.Credentials("somebody")).output_dir
    monkeypatch.delenv("DREAMINA_OUTPUT_DIR")
    assert Common().folder() == da.DreaminaSession(da.Credentials("somebody")).output_dir


def test_demo_ignores_the_users_own_environment(cli, tmp_path, monkeypatch):
    monkeypatch.setattr("dreamina_async.cli.demo._SPEED", 200.0)
    monkeypatch.setenv("DREAMINA_SESSIONID", "jp-real-and-precious")
    monkeypatch.setenv("DREAMINA_REGION", "us")
    monkeypatch.setenv("DREAMINA_BASE_URL", "https://nobody.invalid")
    monkeypatch.setenv("DREAMINA_OUTPUT_DIR", "elsewhere")
    for folder in ("dreamina-demo", "dreamina-demo-2"):
        call = cli("demo", "--json")
        assert call.status == 0
        assert (call.events[-1]["done"], call.events[-1]["out"]) == (10, folder)
        assert f"They are in {folder}" in call.err
        assert len(list((tmp_path / folder).glob("*/video-0.mp4"))) == 2
    assert not (tmp_path / "elsewhere").exists()
    again = cli("demo", "--out", "dreamina-demo")
    assert again.status == 0
    story = json.loads(next((tmp_path / "dreamina-demo").glob("*/job.json")).read_text())
    assert "precious" not in str(story)
