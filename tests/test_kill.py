"""A real process, killed for real: started again, it finishes, and nothing is paid twice."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from session_kit import check_folder, rows

from dreamina_async.emulator import Emulator, Fault, run_in_thread

ROWS = 40
PROGRAM = Path(__file__).with_name("bulk_program.py")


def started(emulator: Emulator, folder: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, str(PROGRAM), emulator.base_url, str(folder), str(ROWS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def wait_for(moment: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 20
    while not moment() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)  # another process: there is no event to wait for


def test_p1_p2_killed_again_and_again(tmp_path: Path) -> None:
    """Between the charge and the reply, while polling, while files come, and at the start."""
    slow = Fault(where="generate", what="delay_after_charge", seconds=0.3, times=3, after=5)
    late = Fault(where="generate", what="delay_after_charge", seconds=0.3, times=3, after=25)
    options = {"speed": 60, "seed": 3, "faults": [slow, late], "read_lag": 5.0}
    with run_in_thread(**options) as emulator:

        def charged(number: int) -> Callable[[], bool]:
            return lambda: len(emulator.ledger) >= number

        def media(number: int) -> Callable[[], bool]:
            return lambda: emulator.requests.counts.get("media", 0) >= number

        def history(number: int) -> Callable[[], bool]:
            return lambda: emulator.requests.counts.get("history", 0) >= number

        kills = 0
        moments = (charged(1), charged(7), history(8), media(10), charged(28), media(90))
        for moment in moments:
            process = started(emulator, tmp_path)
            wait_for(moment, process)
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            process.communicate()
        assert kills >= 4
        assert len(emulator.ledger) < ROWS or len(list(tmp_path.rglob("*.png"))) < 4 * ROWS

        process = started(emulator, tmp_path)
        output, _ = process.communicate(timeout=30)
        assert process.returncode == 0, output.decode()

        assert emulator.ledger.repeated() == {}
        assert len(emulator.ledger) == ROWS
        assert len(emulator.ledger.by_prompt) == ROWS
        found = {path.name: path for path in tmp_path.iterdir() if path.is_dir()}
        assert set(found) == set(emulator.ledger.submit_ids)
        assert set(rows(tmp_path).values()) == {"done"}
        for submit_id, folder in found.items():
            names = {f"image-{index}.png" for index in range(4)}
            assert {path.name for path in folder.iterdir()} == {"job.json", *names}
            for file in emulator.media(submit_id):
                assert (folder / f"image-{file.index}.png").read_bytes() == file.body()
        check_folder(tmp_path)

        asked = emulator.requests.counts.get("media", 0)
        process = started(emulator, tmp_path)  # once more: nothing is left to do
        output, _ = process.communicate(timeout=30)
        assert process.returncode == 0, output.decode()
        assert len(emulator.ledger) == ROWS
        assert emulator.requests.counts.get("media", 0) == asked
