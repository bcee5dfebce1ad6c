"""A bulk run on a disk that has no room for what it would bring."""

from dreamina_async._runtime.disk import Disk
from dreamina_async._runtime.room import JOB_BYTES
from dreamina_async.cli.exits import Exit

ROWS = 6


def test_f15_bulk_ends_in_one_line_and_goes_on_once_there_is_room(
    cli, emulator, tmp_path, generated, monkeypatch
):
    (tmp_path / "rows.txt").write_text("".join(f"row {n}\n" for n in range(ROWS)))
    with monkeypatch.context() as narrow:
        narrow.setattr(Disk, "free", lambda _, folder: JOB_BYTES - 1)
        refused = cli("bulk", "rows.txt")
    assert refused.status == Exit.USAGE
    assert generated() == 0
    last = refused.err.splitlines()[-1]
    assert last.startswith("dreamina-async: error: 31 MiB are free")
    assert "make room" in last
    assert "Traceback" not in refused.err

    assert cli("bulk", "rows.txt").status == 0
    assert generated() == len(emulator.ledger) == ROWS


def test_f15_what_is_under_way_comes_home_first(cli, emulator, tmp_path, generated, monkeypatch):
    (tmp_path / "rows.txt").write_text("".join(f"row {n}\n" for n in range(ROWS)))
    monkeypatch.setattr(Disk, "free", lambda _, folder: 2 * JOB_BYTES)
    refused = cli("bulk", "rows.txt", "--max-in-flight", "4", "--json")
    assert refused.status == Exit.USAGE
    jobs = [event for event in refused.events if event["event"] == "job"]
    done = [job for job in jobs if job["state"] == "done"]
    assert len(done) == generated() == len(emulator.ledger) > 0
    assert {job["state"] for job in jobs} <= {"done", "planned"}
