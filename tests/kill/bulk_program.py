"""A small bulk program, to be killed: `python bulk_program.py URL FOLDER NUMBER`.

--resume      take up what is owed and submit nothing
--life NAME   what its requests are known by at the emulator
"""

import argparse
import asyncio
import sys

from dreamina_async import (
    Credentials,
    DreaminaError,
    DreaminaSession,
    ImageRequest,
    Job,
    PollingPolicy,
    RetryPolicy,
    Settings,
    Submission,
)

QUICK = Settings(
    polling=PollingPolicy(
        rate=200, burst=5, image_interval=0.02, image_median=0.04, max_interval=0.2
    ),
    # the default policy, `hold`: what may have left is never sent again
    retrying=RetryPolicy(base=0.01, cap=0.05, lookup_window=1.0),
    submits=3,
)


async def main(given: argparse.Namespace) -> int:
    login = Credentials("a", query={"life": given.life} if given.life else {})
    session = DreaminaSession(login, base_url=given.url, output_dir=given.folder, settings=QUICK)
    print("begins", flush=True)
    async with session:
        owed = await session.resume()
        ended = [await settled(job) for job in owed] if given.resume else await bulk(session, given)
    failed = [job for job in ended if job.error]
    for job in failed:
        print(job.submit_id, job.state, job.error)
    return 1 if failed else 0


async def bulk(session: DreaminaSession, given: argparse.Namespace) -> list[Job]:
    rows = (
        Submission(
            ImageRequest(f"row {row}", count=4, resolution="1k"),
            session.submit_id_for(f"row {row}"),
        )
        for row in range(given.number)
    )
    return [job async for job in session.run(rows, max_in_flight=12)]


async def settled(job: Job) -> Job:
    try:
        await job
    except DreaminaError:  # the job itself says so, too
        return job
    return job


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("folder")
    parser.add_argument("number", type=int)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--life", default="")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(arguments())))
