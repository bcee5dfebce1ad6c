"""The same work through this package, by its default policy."""

import asyncio
import sys
from pathlib import Path

from peers_pace import sped_up

import dreamina_async as da

BASE, OUT, LIST, SPEED = sys.argv[1:5]
PROMPTS = Path(LIST).read_text(encoding="utf-8").splitlines()


async def main() -> None:
    login = da.Credentials("emulated-session")
    settings = da.Settings(polling=sped_up(da.PollingPolicy(), float(SPEED)))
    async with da.DreaminaSession(login, base_url=BASE, output_dir=OUT, settings=settings) as here:
        requests = (
            da.Submission(da.ImageRequest(prompt, model="4.0"), here.submit_id_for(prompt))
            for prompt in PROMPTS
        )
        async for job in here.run(requests, max_in_flight=len(PROMPTS)):
            if job.error:
                print(job.submit_id, job.error)


if __name__ == "__main__":
    asyncio.run(main())
