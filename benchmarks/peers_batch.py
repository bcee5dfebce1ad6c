"""S2's batches: all jobs submitted, ten ids a call, 1 s between calls and 3 s between rounds."""

from peers_notes import PROMPTS, generate, pause, query, save, urls_of

if __name__ == "__main__":
    waiting = {generate(prompt): number for number, prompt in enumerate(PROMPTS)}
    while waiting:
        ids = list(waiting)
        for start in range(0, len(ids), 10):
            for history_id, record in query(ids[start : start + 10]).items():
                if urls := urls_of(record):
                    save(waiting.pop(history_id), urls)
            if start + 10 < len(ids):
                pause(1)
        pause(3)
