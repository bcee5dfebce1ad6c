"""Jobs over HTTP: submit, look, listen, fetch, abandon."""

import asyncio
import re
from collections.abc import AsyncIterator
from copy import copy
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from dreamina_async import (
    DreaminaSession,
    InvalidRequest,
    Job,
    JobState,
    MediaFile,
    journal_jobs,
)
from dreamina_async.fastapi.bodies import JobIn, JobOut, JobsOut
from dreamina_async.fastapi.disconnect import detach
from dreamina_async.fastapi.life import SessionDep
from dreamina_async.fastapi.problems import ProblemOut, ProblemRoute, Refusal
from dreamina_async.fastapi.stream import Channel, channel_of, facts_of, name_of

_PATIENCE = 30.0
"""Seconds that a submit is waited for, unless the client says `Prefer: wait=...`."""

KeyHeader = Annotated[str | None, Header(min_length=1, max_length=255)]
"""An empty one is a client's mistake, and would make one job of everybody's."""

_TYPES = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "avif": "image/avif"}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ProblemOut, "description": "A problem of the request"},
    "5XX": {"model": ProblemOut, "description": "A problem of the server or the service"},
}

_routes = APIRouter(route_class=ProblemRoute)


def create_router(prefix: str = "", **options: Any) -> APIRouter:
    """The job API, to be included in an app whose lifespan is `lifespan(...)`.

    It knows no users: whoever reaches it spends the account's credit and sees every job.
    Give it `dependencies=[Depends(...)]` that check who asks.

    Args:
        prefix: before every path, such as `/api`.
        options: as of `fastapi.APIRouter`, such as `tags` and `dependencies`.
    """
    router = APIRouter(prefix=prefix, **options)
    router.include_router(_routes, responses=_PROBLEMS)
    return router


def _jobs_url(request: Request) -> str:
    path = request.url.path
    return path[: path.rindex("/jobs") + len("/jobs")]


async def _found(job_id: str, session: SessionDep) -> Job:
    job = await session.find(job_id)
    if job is None:
        raise Refusal(404, "there is no such job here")
    return job


FoundJob = Annotated[Job, Depends(_found)]

# ---- submit ----------------------------------------------------------------------------


@_routes.post("/jobs", status_code=202)
async def submit_job(
    body: JobIn,
    request: Request,
    response: Response,
    session: SessionDep,
    idempotency_key: KeyHeader = None,
    prefer: Annotated[str, Header()] = "",
) -> JobOut:
    """Submit a job; answered when the service has accepted it, or after 30 seconds.

    With an `Idempotency-Key`, or a `submit_id` of its own, a client may send the same request
    again as often as it likes and pays once.
    """
    submit_id = _submit_id(session, body.submit_id, idempotency_key)
    job = await _submitted(session, body, submit_id, _patience(prefer))
    jobs_url = _jobs_url(request)
    response.headers["Location"] = f"{jobs_url}/{job.job_id}"
    return JobOut.of(job, jobs_url)


def _submit_id(session: DreaminaSession, submit_id: UUID | None, key: str | None) -> str:
    if submit_id is not None and key is not None:
        raise InvalidRequest("give an Idempotency-Key or a submit_id, not both", field="submit_id")
    if key is not None:
        return session.submit_id_for(f"http {key}")
    return str(submit_id or uuid4())


def _patience(prefer: str) -> float:
    wait = re.search(r"\bwait=(\d{1,3})\b", prefer)
    return min(float(wait[1]), _PATIENCE) if wait else _PATIENCE


async def _submitted(session: DreaminaSession, body: JobIn, submit_id: str, patience: float) -> Job:
    """The job, accepted if that does not take too long; its submit goes on in any case."""
    work = asyncio.ensure_future(session.submit(body.request(), submit_id=submit_id))
    try:
        await asyncio.wait({work}, timeout=patience)
        job = None if work.done() else await session.find(submit_id)
        if job is None:
            job = await asyncio.shield(work)
    finally:
        if not work.done():
            detach(work)
    # known from before, and it was refused: the same answer as then
    if job.done() and job.error is not None and job.history_id is None:
        raise copy(job.error)
    return job


# ---- look ------------------------------------------------------------------------------


@_routes.get("/jobs")
async def list_jobs(
    request: Request,
    session: SessionDep,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: str | None = None,
) -> JobsOut:
    """The jobs of the output folder that were sent, the newest first, page by page."""
    records = (await journal_jobs(session.output_dir))[::-1]
    ids = [record.job_id for record in records]
    if after is not None and after not in ids:
        raise Refusal(404, "there is no such job to go on after")
    start = 0 if after is None else ids.index(after) + 1
    page, jobs_url = records[start : start + limit], _jobs_url(request)
    more = start + limit < len(records)
    following = f"{jobs_url}?limit={limit}&after={page[-1].job_id}" if more else None
    return JobsOut(jobs=[JobOut.of_record(one, jobs_url) for one in page], next=following)


@_routes.get("/jobs/{job_id}")
async def read_job(job: FoundJob, request: Request) -> JobOut:
    """How a job stands."""
    return JobOut.of(job, _jobs_url(request))


@_routes.delete("/jobs/{job_id}")
async def abandon_job(job: FoundJob, request: Request) -> JobOut:
    """Stop tracking a job. The service has no cancel: it goes on there, and costs."""
    if job.done() and job.state is not JobState.ABANDONED and not job.state.owed:
        raise Refusal(409, f"the job is over: {job.state}")
    job.abandon()
    out = JobOut.of(job, _jobs_url(request))
    out.detail = "no longer tracked; the service cannot cancel, so what it has accepted costs"
    return out


# ---- fetch -----------------------------------------------------------------------------


@_routes.get("/jobs/{job_id}/files/{name}", response_class=FileResponse)
async def read_file(job: FoundJob, name: str) -> FileResponse:
    """One of a finished job's files; ranges are served."""
    return await file_response(job, name)


async def file_response(job: Job, name: str) -> FileResponse:
    """A file that the job's result names, and no other."""
    if job.outcome is None:
        raise Refusal(404, f"the job has no files yet: {job.state}")
    media = next((one for one in job.outcome.media if one.path.name == name), None)
    if media is None:
        raise Refusal(404, "the job has no such file")
    try:
        stat = await asyncio.to_thread(media.path.stat)
    except OSError:
        raise Refusal(410, "the file is no longer there") from None
    headers = {"ETag": f'"{media.sha256}"', "X-Content-Type-Options": "nosniff"}
    return FileResponse(media.path, headers=headers, media_type=_type(media), stat_result=stat)


def _type(media: MediaFile) -> str:
    return "video/mp4" if media.kind == "video" else _TYPES.get(media.format, "image/*")


# ---- listen ----------------------------------------------------------------------------


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,18}", text) else None


async def _listening(
    job: FoundJob, session: SessionDep, last_event_id: Annotated[str | None, Header()] = None
) -> tuple[Channel, int | None]:
    """The channel, and the event after which to go on; None where that cannot be."""
    channel, number = channel_of(session, job), _number(last_event_id)
    if number is None or not channel.knows(number):
        return channel, None
    if channel.over and number == channel.last:
        raise HTTPException(204)  # browsers come back after the end, until they get this
    return channel, number


@_routes.get("/jobs/{job_id}/events", response_class=EventSourceResponse)
async def job_events(
    listening: Annotated[tuple[Channel, int | None], Depends(_listening)], request: Request
) -> AsyncIterator[ServerSentEvent]:
    """What happens to a job, as server-sent events, up to `saved` or `failed`.

    The first one, `state`, is the job as it stands. A client that comes back with
    `Last-Event-ID` gets what came since. Leaving changes nothing for the job.
    """
    (channel, known), jobs_url = listening, _jobs_url(request)
    seen = channel.now if known is None else known
    if known is None:
        yield ServerSentEvent(event="state", id=str(seen), data=JobOut.of(channel.job, jobs_url))
    url = f"{jobs_url}/{channel.job.job_id}"
    async for number, event in channel.after(seen):
        yield ServerSentEvent(event=name_of(event), id=str(number), data=facts_of(event, url))
