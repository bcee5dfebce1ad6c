"""The command line with `--out s3://…`."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from buckets import Bucket
from session_kit import settings

import dreamina_async as da
from dreamina_async.cli.entry import run
from dreamina_async.cli.options import Common
from dreamina_async.emulator import Emulator, run_in_thread

Cli = Callable[..., Any]


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    with run_in_thread(speed=500) as running:
        for name, value in running.credentials_env().items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def cli(
    bucket: Bucket,
    emulator: Emulator,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Cli:
    """Call a command in an empty folder, with a session that looks often."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Common, "settings", lambda self: settings())

    def call(*tokens: object) -> Any:
        capsys.readouterr()
        status = run([str(token) for token in tokens])
        out, err = capsys.readouterr()
        return SimpleNamespace(status=status, out=out, err=err)

    return call


def test_results_are_named_by_their_urls(bucket: Bucket, cli: Cli) -> None:
    done = cli("image", "a cat", "--count", 2, "--out", bucket.url)
    assert done.status == 0
    named = done.out.splitlines()
    assert sorted(named) == [
        f"{bucket.url}/{one}" for one in sorted(bucket.names()) if "image" in one
    ]
    assert len(named) == 2
    assert "saved, " in done.err
    assert f"in {bucket.url}\n" in done.err
    assert f"what is owed stands on this machine, in {bucket.journal}\n" in done.err
    (job,) = (
        json.loads(line) for line in cli("jobs", "--json", "--out", bucket.url).out.splitlines()
    )
    assert {one["url"] for one in job["media"]} == set(named)


def test_a_bulk_run_is_paid_once(bucket: Bucket, cli: Cli, emulator: Emulator) -> None:
    Path("prompts.txt").write_text("one\ntwo\n")
    for _ in range(2):
        assert cli("bulk", "prompts.txt", "--out", f"{bucket.url}/").status == 0
        assert len(emulator.ledger) == 2
    plan = cli("bulk", "prompts.txt", "--dry-run", "--out", bucket.url)
    assert "2 jobs, 0 of them new" in plan.err
    assert cli("export", bucket.url, "--to", "run.jsonl").status == 0
    assert len(Path("run.jsonl").read_text().splitlines()) == 8
    assert sorted(path.name for path in Path().iterdir()) == ["prompts.txt", "run.jsonl", "state"]


def test_the_environment_may_name_a_store(
    bucket: Bucket, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DREAMINA_OUTPUT_DIR", bucket.url)
    assert Common().folder() == bucket.url
    assert cli("image", "a cat", "--count", 1).status == 0
    assert f"1 job in {bucket.url}" in cli("jobs").err
    assert len(bucket.names()) == 2


def test_what_a_store_cannot_do_is_said(bucket: Bucket, cli: Cli, emulator: Emulator) -> None:
    assert cli("image", "a cat", "--count", 1, "--out", bucket.url).status == 0
    gallery = cli("gallery", "--out", bucket.url)
    assert (gallery.status, "copy them" in gallery.err) == (2, True)
    gone = cli("image", "a dog", "--out", "s3://no-such-bucket/x")
    assert (gone.status, "no such bucket" in gone.err) == (2, True)
    assert len(emulator.ledger) == 1


def test_embed_is_refused(bucket: Bucket, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("DREAMINA_SESSIONID", "canary0123456789abcdef")
    refused = cli("image", "a cat", "--embed", "--out", "s3://bucket/x")
    assert refused.status == 2
    assert "embed needs a folder" in refused.err


def test_resume_names_the_store(bucket: Bucket) -> None:
    from dreamina_async.cli.summary import _command

    expected = "dreamina-async resume --out 's3://bucket/my run'"
    assert _command("resume", "s3://bucket/my run") == expected
    assert da.journal_folder(bucket.url) == bucket.journal
