"""A thread a job, each asking for its own id: every 3 s (S0), or slower and slower (S2)."""

import sys
from threading import Thread

from peers_notes import PROMPTS, generate, pause, query, save, urls_of


def wait_for_result(history_id: str) -> list[str]:
    for look in range(1, 901):
        record = query([history_id]).get(history_id, {})
        if urls := urls_of(record):
            return urls
        pause(interval(record.get("status"), look))
    raise TimeoutError("timeout waiting for the result")


def interval(status: int | None, look: int) -> float:
    if "ramp" not in sys.argv:
        return 3
    return min(2 * min(look, 5), 10) if status == 20 else 3


def one(number: int, prompt: str) -> None:
    save(number, wait_for_result(generate(prompt)))


if __name__ == "__main__":
    threads = [Thread(target=one, args=pair) for pair in enumerate(PROMPTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
