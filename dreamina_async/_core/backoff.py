"""When to look next, and when to try again. Pure: facts and `now` in, seconds out.

The shape of the polling interval was found by simulation: a steady cadence per kind is
within a tenth of the bound of every age-only policy, growth with age is worth having only
as insurance against stuck jobs, and exponential backoff is the worst choice of all
(`benchmarks/polling.py` shows it). What the service says on top is used where it helps.
"""

import zlib
from enum import Enum
from math import inf, sqrt

from attrs import frozen

from dreamina_async._core.codes import waits_for_slot
from dreamina_async._core.foresight import LOGGED, Outlook
from dreamina_async._core.reconcile import Sight
from dreamina_async.errors import (
    AccountRestricted,
    AuthenticationError,
    DreaminaError,
    InsufficientCredit,
    ProtocolError,
    RateLimited,
    ServiceUnavailable,
    StorageError,
    TransportError,
)
from dreamina_async.models import Phase
from dreamina_async.requests import MediaKind
from dreamina_async.settings import PollingPolicy, RetryPolicy

_AGE_SHARE = 20
"""A job that has waited a long time is looked at every age/20 at the least."""

_FIRST_LOOK = 0.2
"""No job is done before this share of its kind's median."""

_FIRST_INTERVALS = 1.5
"""The first look may wait this many intervals: the shortest jobs are few."""

_FORECAST_INTERVALS = 2.0
"""A forecast that nothing has proved yet delays the first look by no more intervals than this."""

_SOONEST = 1.0
"""A short forecast brings the first look forward, but no further than this many seconds."""

_STRETCH, _STRETCH_ANNOUNCED = 1.2, 4.0
"""How far a forecast that has not run out stretches the interval: with more, the end would be
seen late; but where a state announces it, looks before that state bring nothing."""

_SLOPE, _SLOPE_ANNOUNCED = 1.7, 6.0
"""The stretch is this times sqrt(time left / median): the best rate is the hazard's root."""

_FINISHING_SECONDS = 8.0
"""States 42 and 45 last seconds, whatever the kind (ZHI logs)."""

_FINISHING_SHARE = 0.75
"""The same states where no forecast agrees: S3 shows 45 from the fourth second on."""

_QUEUE_SHARE = 10
"""A queued job is looked at every age/10, up to the interval that the server asks for."""

_JITTER = 0.1


def jitter(key: str, attempt: int) -> float:
    """A number in [0, 1) that differs by job and attempt and needs no random source."""
    return zlib.crc32(f"{key}:{attempt}".encode()) / 2**32


def first_look_after(sight: Sight, policy: PollingPolicy, outlook: Outlook = LOGGED) -> float:
    """Seconds from the submit to the first look."""
    return min(policy.max_interval, _first_age(sight, policy, outlook))


def _first_age(sight: Sight, policy: PollingPolicy, outlook: Outlook) -> float:
    interval, median = _cadence(sight.kind, policy)
    start, end = _window(sight, outlook)
    unproved = inf if outlook.learnt else _FORECAST_INTERVALS * interval
    wanted = max(_FIRST_INTERVALS * interval, _FIRST_LOOK * median, min(start, unproved))
    if end:
        wanted = min(wanted, max(_SOONEST, end))
    return wanted


def next_look_after(
    sight: Sight, now: float, policy: PollingPolicy, outlook: Outlook = LOGGED
) -> float:
    """Seconds from this look to the next one.

    A look that came free, in a call for others, never brings the first one forward.
    """
    interval, median = _cadence(sight.kind, policy)
    if sight.looks_failed:
        return min(policy.max_interval, interval)  # it waits only to be confirmed
    age = now - sight.since
    running = _running_interval(sight, age, interval, median, outlook)
    wanted = max(running, _queue_interval(sight, age))
    if sight.progress.phase is Phase.FINISHING:
        wanted = min(wanted, _finishing_interval(sight, age, interval, median, outlook))
    return min(policy.max_interval, max(wanted, _first_age(sight, policy, outlook) - age))


def _window(sight: Sight, outlook: Outlook) -> tuple[float, float]:
    """The ages between which the job should end; zeros if nobody knows."""
    forecast = (sight.foretold if outlook.learnt else sight.progress.forecast) or 0.0
    if not outlook.useful:
        return 0.0, 0.0
    return outlook.low * forecast, outlook.high * forecast


def _running_interval(
    sight: Sight, age: float, interval: float, median: float, outlook: Outlook
) -> float:
    """The plain cadence, or while the forecast lasts, one that narrows towards its end."""
    grown = max(interval, age / _AGE_SHARE)
    left = _window(sight, outlook)[1] - age
    if left <= 0:
        return grown
    slope = _SLOPE + outlook.notice * (_SLOPE_ANNOUNCED - _SLOPE)
    stretch = _STRETCH + outlook.notice * (_STRETCH_ANNOUNCED - _STRETCH)
    narrowing = slope * interval * sqrt(left / median)
    return max(interval, min(narrowing, max(stretch * interval, grown)))


def _finishing_interval(
    sight: Sight, age: float, interval: float, median: float, outlook: Outlook
) -> float:
    """Short where the forecast agrees; alone the state is believed mildly, and not for long."""
    start, end = _window(sight, outlook)
    if start <= age < end:
        return min(interval, _FINISHING_SECONDS)
    return _FINISHING_SHARE * interval if age < 2 * median else inf


def _queue_interval(sight: Sight, age: float) -> float:
    """The server's own interval, as far as the job's place in the queue calls for it.

    S3 shows `interval_seconds` 30 on a job that was done in 20 s, and the web page itself
    asking after 4 s: so it binds jobs that queue, the more the longer they have.
    """
    queue = sight.queue
    if queue is None or queue.interval is None or not queue.position:
        return 0.0
    queued = sight.progress.phase is Phase.QUEUED
    return min(queue.interval, age / _QUEUE_SHARE) if queued else 0.0


def _cadence(kind: MediaKind, policy: PollingPolicy) -> tuple[float, float]:
    if kind == "video":
        return policy.video_interval, policy.video_median
    return policy.image_interval, policy.image_median


def spread(seconds: float, key: str, attempt: int) -> float:
    """`seconds` give or take a twentieth, so that equal timers drift apart."""
    return seconds * (1 + _JITTER * (jitter(key, attempt) - 0.5))


def backoff_after(error: DreaminaError, key: str, attempt: int, policy: RetryPolicy) -> float:
    """Seconds to wait after the `attempt`-th failure in a row, counted from 1.

    Exponential with full jitter above one half; a server's Retry-After is kept, clamped.
    """
    ceiling = min(policy.cap, policy.base * float(2 ** min(attempt - 1, 30)))
    wanted = ceiling * (0.5 + jitter(key, attempt) / 2)
    asked: float | None = getattr(error, "retry_after", None)
    if asked is None:
        return wanted
    return max(wanted, min(asked, policy.retry_after_cap))


class Step(Enum):
    """What a submit does after an error."""

    RETRY = "it did not arrive, or was turned away: send the same again after a while"
    WAIT_FOR_SLOT = "too many jobs run: send the same again when one of ours has ended"
    LOOK_UP = "nobody knows whether it arrived: ask for its submit id, never send again"
    REFUSED = "the service said no to this job"
    STOP = "the service said no to this account, or the disk is full: submit nothing more"


@frozen
class SubmitVerdict:
    """The step, and how long to wait before it."""

    step: Step
    after: float = 0.0


def submit_verdict(
    error: DreaminaError,
    key: str,
    attempt: int,
    policy: RetryPolicy,
    silent_for: float = inf,
) -> SubmitVerdict:
    """The one judge of what follows a failed submit.

    NOT_SENT may be sent again; REJECTED carries `charged="no"` and waits only where waiting
    helps; everything else is AMBIGUOUS, for a generate request costs money and is not
    idempotent (protocol notes 6.4).

    Args:
        error: what came of it.
        key: the job, for the jitter.
        attempt: how many have failed in a row, counted from 1.
        policy: how patient to be.
        silent_for: seconds since the service last answered anything; endless if it never did.
    """
    after = backoff_after(error, key, attempt, policy)
    if isinstance(error, TransportError) and not error.sent:
        # one that has answered is in an outage, one that never did is not there
        exhausted = attempt >= policy.attempts and silent_for > policy.outage
        return SubmitVerdict(Step.REFUSED if exhausted else Step.RETRY, after)
    if error.charged != "no" or isinstance(error, TransportError | ProtocolError):
        return SubmitVerdict(Step.LOOK_UP)
    stopping = (AuthenticationError, InsufficientCredit, AccountRestricted, StorageError)
    if isinstance(error, stopping):
        return SubmitVerdict(Step.STOP)
    if isinstance(error, RateLimited | ServiceUnavailable):
        return SubmitVerdict(_waiting_step(error.code), after)
    return SubmitVerdict(Step.REFUSED)


def _waiting_step(code: str | None) -> Step:
    return Step.WAIT_FOR_SLOT if waits_for_slot(code) else Step.RETRY


def slows_all(error: DreaminaError) -> bool:
    """Whether a failed call is about the whole session: every other one would fail alike.

    The service asked for a pause (H3), or cannot be reached. A code alone speaks of its own
    kind of call.
    """
    if isinstance(error, RateLimited | ServiceUnavailable):
        return error.status == 429 or error.retry_after is not None
    return isinstance(error, TransportError) and not error.sent


def refresh_helps(status: int) -> bool:
    """Whether a refused media URL may work once the service has signed it anew."""
    return status in (401, 403, 404, 410)
