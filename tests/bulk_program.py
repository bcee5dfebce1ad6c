"""A small bulk program, to be killed: `python bulk_program.py URL FOLDER NUMBER`."""

import asyncio
import sys

from dreamina_async import (
    Credentials,
    DreaminaSession,
    ImageRequest,
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


async def main(url: str, folder: str, number: int) -> int:
    session = DreaminaSession(Credentials("a"), base_url=url, output_dir=folder, settings=QUICK)
    async with session:
        await session.resume()
        rows = (
            Submission(
                ImageRequest(f"row {row}", count=4, resolution="1k"),
                session.submit_id_for(f"row {row}"),
            )
            for row in range(number)
        )
        failed = [job async for job in session.run(rows, max_in_flight=12) if job.error]
    for job in failed:
        print(job.submit_id, job.state, job.error)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
