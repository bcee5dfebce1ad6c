"""`image` and `video`: one job a prompt."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from dreamina_async import DreaminaSession, ImageRequest, Request, VideoRequest, quote
from dreamina_async.cli.exits import UsageError
from dreamina_async.cli.options import Common
from dreamina_async.cli.runner import Jobs, Work, carry_out


def generate(
    request_type: type[ImageRequest] | type[VideoRequest],
    prompts: Sequence[str],
    fields: Mapping[str, Any],
    common: Common,
    timeout: float | None,
    max_credits: int | None = None,
) -> int:
    """Make something of each prompt."""
    if not prompts and "first_frame" not in fields:
        raise UsageError("give at least one prompt, in quotes")
    requests = [request_type(prompt, **fields) for prompt in prompts or ("",)]
    if max_credits is not None:
        check_priced(requests)
    work = Work(
        open=common.session,
        jobs=lambda session, _: run_all(session, requests, max_credits),
        total=len(requests),
        timeout=timeout,
    )
    return asyncio.run(carry_out(work, common.output()))


def check_priced(requests: Iterable[Request]) -> None:
    """A budget can only be kept where the prices are known.

    Raises:
        UsageError: one is not.
    """
    for request in requests:
        if quote([request]).unpriced:
            raise UsageError(
                f"no price is known for {request.model} as asked for, so --max-credits cannot "
                "be kept; leave it out, or take another model (see `dreamina-async models`)"
            )


async def run_all(
    session: DreaminaSession, requests: Sequence[Request], max_credits: int | None = None
) -> Jobs:
    """Submit all of them and yield their jobs as they end."""
    async with aclosing(session.run(requests, max_credits=max_credits)) as run:
        async for job in run:
            yield job
