"""One job after another, its id asked for every 3 s: S0's and S4's example in a loop."""

from peers_notes import PROMPTS, generate, pause, query, save, urls_of


def wait_for_result(history_id: str) -> list[str]:
    for _ in range(30):
        if urls := urls_of(query([history_id]).get(history_id, {})):
            return urls
        pause(3)
    raise TimeoutError("timeout waiting for the result")


if __name__ == "__main__":
    for number, prompt in enumerate(PROMPTS):
        save(number, wait_for_result(generate(prompt)))
