"""When to look next, and when to try again. Pure: facts and `now` in, seconds out.

The shape of the polling interval was found by simulation: a steady cadence per kind is
within a tenth of the bound of every age-only policy, growth with age is worth having only
as insurance against stuck jobs, and exponential backoff is the worst choice of all
(`benchmarks/polling.py` shows it). What the service says on top is used where it helps.
"""

import zlib
from enum import Enum

from attrs import frozen

from dreamina_async._core.codes import RetryClass, lookup
from dreamina_async._core.reconcile import Sight
from dreamina_async.errors import (
    AccountRestricted,
    AuthenticationError,
    DreaminaError,
    InsufficientCredit,
    RateLimited,
    ServiceUnavailable,
    StorageError,
    TransportError,
)
from dreamina_async.models import MediaKind, Phase
from dreamina_async.settings import PollingPolicy, RetryPolicy

_AGE_SHARE = 20
"""A job that has waited a long time is looked at every age/20 at the least."""

_FIRST_LOOK = 0.2
"""No job is done before this share of its kind's median."""

_FORECAST_SHARE = 0.35
"""Real run times were 0.37 to 1.1 of the service's own forecast (protocol notes 5.3)."""

_FORECAST_CAP = 0.5
"""A wrong forecast must not delay the first look beyond this share of the median."""

_FINISHING_SHARE = 0.75
"""States 42 and 45 last seconds (ZHI logs); S2 looks at them every 3 s."""

_LONG_QUEUE = 50
"""From this many jobs ahead on, the interval that the server asks for is kept in full."""

_JITTER = 0.1


def jitter(key: str, attempt: int) -> float:
    """A number in [0, 1) that differs by job and attempt and needs no random source."""
    return zlib.crc32(f"{key}:{attempt}".encode()) / 2**32


def first_look_after(sight: Sight, policy: PollingPolicy) -> float:
    """Seconds from the submit to the first look."""
    interval, median = _cadence(sight.kind, policy)
    forecast = sight.progress.forecast or 0.0
    hinted = min(_FORECAST_SHARE * forecast, _FORECAST_CAP * median)
    return min(policy.max_interval, max(interval, _FIRST_LOOK * median, hinted))


def next_look_after(sight: Sight, now: float, policy: PollingPolicy) -> float:
    """Seconds from this look to the next one."""
    interval, median = _cadence(sight.kind, policy)
    if sight.looks_failed:
        return interval  # a failure waits only to be confirmed
    age = now - sight.since
    wanted = max(interval, age / _AGE_SHARE)
    if sight.progress.phase is Phase.FINISHING and age < 4 * median:
        wanted = _FINISHING_SHARE * interval
    wanted = max(wanted, _queue_interval(sight, age, median, policy))
    return min(policy.max_interval, wanted)


def _queue_interval(sight: Sight, age: float, median: float, policy: PollingPolicy) -> float:
    """The server's own interval, as far as the job's place in the queue calls for it.

    S3 shows `interval_seconds` 30 on a job that was done in 20 s, and the web page itself
    asking after 4 s: so it binds jobs that queue, and jobs that are overdue.
    """
    queue = sight.queue
    if queue is None or queue.interval is None:
        return 0.0
    asked = min(queue.interval, policy.max_interval)
    if sight.progress.phase is Phase.QUEUED and queue.position:
        return asked * min(1.0, queue.position / _LONG_QUEUE)
    return asked if age > 4 * median else 0.0


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
    error: DreaminaError, key: str, attempt: int, policy: RetryPolicy
) -> SubmitVerdict:
    """The one judge of what follows a failed submit.

    NOT_SENT may be sent again; REJECTED carries `charged="no"` and waits only where waiting
    helps; everything else is AMBIGUOUS, for a generate request costs money and is not
    idempotent (protocol notes 6.4).
    """
    after = backoff_after(error, key, attempt, policy)
    if isinstance(error, TransportError) and not error.sent:
        exhausted = attempt >= policy.attempts
        return SubmitVerdict(Step.REFUSED if exhausted else Step.RETRY, after)
    if error.charged != "no" or isinstance(error, TransportError):
        return SubmitVerdict(Step.LOOK_UP)
    stopping = (AuthenticationError, InsufficientCredit, AccountRestricted, StorageError)
    if isinstance(error, stopping):
        return SubmitVerdict(Step.STOP)
    if isinstance(error, RateLimited | ServiceUnavailable):
        return SubmitVerdict(_waiting_step(error.code), after)
    return SubmitVerdict(Step.REFUSED)


def _waiting_step(code: str | None) -> Step:
    busy = code is not None and lookup(code, "submit").retry is RetryClass.BUSY
    return Step.WAIT_FOR_SLOT if busy else Step.RETRY


def refresh_helps(status: int) -> bool:
    """Whether a refused media URL may work once the service has signed it anew."""
    return status in (401, 403, 404, 410)
