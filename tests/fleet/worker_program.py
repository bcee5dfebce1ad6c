"""One worker of a fleet, to be killed: `python worker_program.py DB URL`.

--login, --account    whose prompts to make
--resend      look, and then send again under the same id
--lease S     seconds of silence after which it counts as dead
--stay        wait for more
--die WHERE   kill itself there: `marked`, `answered` or `published`
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

from dreamina_async import (
    Credentials,
    DownloadPolicy,
    DreaminaError,
    PollingPolicy,
    RetryPolicy,
    Settings,
)
from dreamina_async.fleet import Fleet
from dreamina_async.fleet.store import Items

_BEFORE_IT_DIES = 4


def dies(at: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    """The call, in which this process dies once it has been made a few times."""
    calls = count()

    def fatal(*arguments: Any) -> Any:
        answer = at(*arguments) if after else None
        if next(calls) == _BEFORE_IT_DIES:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer if after else at(*arguments)

    return fatal


def prepare_death(where: str) -> None:
    """Between mark and send, between reply and record, or between files and record."""
    match where:
        case "marked":
            Items.admit = dies(Items.admit, after=True)  # type: ignore[method-assign]
        case "answered":
            Items.accepted = dies(Items.accepted, after=False)  # type: ignore[method-assign]
        case "published":
            Items.done = dies(Items.done, after=False)  # type: ignore[method-assign]
        case _:
            pass


def quick(given: argparse.Namespace) -> Settings:
    return Settings(
        polling=PollingPolicy(
            image_interval=0.1, image_median=0.2, max_interval=0.5, attached_grace=5
        ),
        retrying=RetryPolicy(
            base=0.01,
            cap=0.05,
            spare=100_000,
            lookup_window=given.window,
            unanswered="resubmit_same_id" if given.resend else "hold",
        ),
        downloading=DownloadPolicy(durable=False),
        close_timeout=2.0,
    )


async def main(given: argparse.Namespace) -> int:
    prepare_death(given.die)
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    login = Credentials(given.login, query={"life": given.life} if given.life else {})
    async with Fleet(given.db) as fleet:
        try:
            await fleet.work(
                given.account,
                credentials=login,
                base_url=given.url,
                settings=quick(given),
                lease=given.lease,
                stay=given.stay,
                notify=lambda text: print(text, flush=True),
            )
        except DreaminaError as error:
            print(f"ended: {type(error).__name__}: {error}", flush=True)
            return 1
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("db")
    parser.add_argument("url")
    parser.add_argument("--life", default="")
    parser.add_argument("--login", default="a")
    parser.add_argument("--account", default="default")
    parser.add_argument("--lease", type=float, default=60.0)
    parser.add_argument("--window", type=float, default=1.0)
    parser.add_argument("--resend", action="store_true")
    parser.add_argument("--stay", action="store_true")
    parser.add_argument("--die", default="")
    return parser.parse_args()


if __name__ == "__main__":
    with suppress(asyncio.CancelledError):
        sys.exit(asyncio.run(main(arguments())))
