"""`image` and `video`: one job a prompt."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any

from dreamina_async import DreaminaSession, ImageRequest, Request, VideoRequest
from dreamina_async.cli.exits import UsageError
from dreamina_async.cli.options import Common
from dreamina_async.cli.runner import Jobs, Work, carry_out


def generate(
    request_type: type[ImageRequest] | type[VideoRequest],
    prompts: Sequence[str],
    fields: Mapping[str, Any],
    common: Common,
    timeout: float | None,
) -> int:
    """Make something of each prompt."""
    if not prompts:
        raise UsageError("give at least one prompt, in quotes")
    requests = [request_type(prompt, **fields) for prompt in prompts]
    work = Work(
        open=common.session,
        jobs=lambda session, _: run_all(session, requests),
        total=len(requests),
        timeout=timeout,
    )
    return asyncio.run(carry_out(work, common.output()))


async def run_all(session: DreaminaSession, requests: Sequence[Request]) -> Jobs:
    """Submit all of them and yield their jobs as they end."""
    async with aclosing(session.run(requests)) as run:
        async for job in run:
            yield job
