"""What a status report means for a job, whatever numbering the service speaks.

The sources contradict each other: 10 is success (S2), queueing (S1) or a refusal (web
bundle); 45 is running (S0), finalizing (S2) or partial success. So numbers alone decide
nothing that results can decide (protocol notes 5.6 and 5.7):

    result                      success needs results; failure is believed when seen twice
    30 40 -1 60 70 80 100       failed, or partly done if there are results
    50 21                       done; without results: looked at again, then failed
    10                          done with results; failed with a code; else pending
    anything else               pending until the results are all there, or stay as they are

A report never moves a job that is over: terminal states absorb (see `ledger`).
"""

from math import inf

from attrs import evolve, frozen

from dreamina_async._core.codes import failure_for
from dreamina_async.errors import DreaminaError, JobFailed, JobLost
from dreamina_async.models import JobReport, MediaItem, Phase, Progress, QueueInfo
from dreamina_async.requests import MediaKind
from dreamina_async.settings import PollingPolicy, RetryPolicy

_FAILED = frozenset({30, 40, -1, 60, 70, 80, 100})
_SUCCESS = frozenset({50, 21})
_RUNNING = frozenset({0, 20, 42, 45})
_FINISHING = frozenset({42, 45})
_SEEN = _FAILED | _SUCCESS | _RUNNING | {10}
_DELETED = 100

_QUEUEING, _QUEUE_FAILED = 1, 4

_LOOKS_TO_FAIL = 2
_LOOKS_TO_FAIL_WHILE_RUNNING = 3
_LOOKS_TO_SETTLE = 3

_UNTOLD = Progress()
"""Shared by all jobs of which no report has come yet."""


@frozen
class Sight:
    """What is known of a job that is not over. Instants are monotonic seconds.

    Attributes:
        kind: image or video.
        since: when the service got it, or when we began to look.
        looked_since: when this session began to look; no clock of another one's is trusted
            where a second request depends on it.
        expected: results asked for; None if nobody here asked.
        answered: whether the service acknowledged the submit.
        ours: whether it was submitted from this folder; else it is only attached.
        seen: whether any report ever held it.
        looks_absent: healthy looks in a row that did not hold it.
        looks_failed: reports in a row that say it failed.
        looks_same: reports in a row with the same results.
        same_since: when the results were last seen to change.
        looks_done: reports in a row that say it succeeded.
        done_since: when the first of these came.
        results: how many results the last report held.
        looked_at: when the last report that held it came.
        finishing_since: when a report first said that the end is near, and all since.
        foretold: the seconds that the service first said it would take.
    """

    kind: MediaKind
    since: float
    expected: int | None = None
    answered: bool = True
    ours: bool = True
    seen: bool = False
    looks_absent: int = 0
    looks_failed: int = 0
    looks_same: int = 0
    same_since: float | None = None
    looks_done: int = 0
    done_since: float | None = None
    results: int = 0
    looked_since: float = -inf
    looked_at: float | None = None
    finishing_since: float | None = None
    foretold: float | None = None
    progress: Progress = _UNTOLD
    queue: QueueInfo | None = None


@frozen
class Pending:
    """Not over."""


@frozen
class Ready:
    """Finished, with results to fetch."""

    items: tuple[MediaItem, ...]
    missing: int


@frozen
class Over:
    """Failed, by the service's own word."""

    error: DreaminaError


@frozen
class Unanswered:
    """The service shows no trace of a submit whose reply never came."""


@frozen
class Lost:
    """Nothing more can be learned now."""

    error: DreaminaError


Verdict = Pending | Ready | Over | Unanswered | Lost


def reconcile(
    sight: Sight,
    report: JobReport | None,
    now: float,
    polling: PollingPolicy,
    retrying: RetryPolicy,
) -> tuple[Sight, Verdict]:
    """Merge one healthy look into what is known.

    Args:
        sight: what was known before.
        report: what the call said about the job; None if it did not know it.
        now: monotonic seconds.
        polling: how long to be patient.
        retrying: how hard to look for an unanswered submit.
    """
    if report is None:
        return _absent(sight, now, polling, retrying)
    sight = _noted(sight, report, now)
    verdict = _verdict(sight, report, now, polling)
    too_long = now - sight.since > polling.pending_limit and not _ending(sight)
    if isinstance(verdict, Pending) and too_long:
        verdict = Lost(_lost("the job is still pending after the policy's pending_limit"))
    return sight, verdict


def _absent(
    sight: Sight, now: float, polling: PollingPolicy, retrying: RetryPolicy
) -> tuple[Sight, Verdict]:
    """Right after a submit a record may be missing for a while (protocol notes 5.2)."""
    sight = evolve(sight, looks_absent=sight.looks_absent + 1)
    age = now - sight.since
    if sight.seen:  # it was there: a gap is not an end
        gone = age > polling.pending_limit
    elif sight.answered:
        grace = polling.missing_grace if sight.ours else polling.attached_grace
        gone = age > grace and sight.looks_absent >= _LOOKS_TO_SETTLE
    elif _looked_long(sight, now, retrying) and sight.looks_absent >= retrying.lookups:
        return sight, Unanswered()
    else:
        gone = False
    if gone:
        return sight, Lost(_lost("the service does not know this job"))
    return sight, Pending()


def _looked_long(sight: Sight, now: float, retrying: RetryPolicy) -> bool:
    since = sight.since if retrying.unanswered == "hold" else max(sight.since, sight.looked_since)
    return now - since > retrying.lookup_window


def _lost(message: str) -> JobLost:
    return JobLost(f"{message}; it stays in the journal, `resume` looks again", "unknown")


def _noted(sight: Sight, report: JobReport, now: float) -> Sight:
    results = len(report.items)
    same = results == sight.results and sight.same_since is not None
    done = _says_success(report)
    progress = _progress(sight, report)
    near = progress.phase is Phase.FINISHING
    return evolve(
        sight,
        seen=True,
        looked_at=now,
        finishing_since=(sight.finishing_since or now) if near else None,
        foretold=sight.foretold or sight.progress.forecast or progress.forecast,
        answered=True,
        looks_absent=0,
        looks_failed=sight.looks_failed + 1 if _says_failed(report) else 0,
        looks_same=sight.looks_same + 1 if same else 1,
        same_since=sight.same_since if same else now,
        looks_done=sight.looks_done + 1 if done else 0,
        done_since=(now if sight.done_since is None else sight.done_since) if done else None,
        results=results,
        progress=progress,
        queue=report.queue or sight.queue,
    )


def _ending(sight: Sight) -> bool:
    """Whether a few more looks settle it: one taken up after days has had none before."""
    return bool(sight.results or sight.looks_failed or sight.looks_done)


def _says_failed(report: JobReport) -> bool:
    status = _status(report)
    if report.items:
        return status in _FAILED
    queue_failed = report.queue is not None and report.queue.status == _QUEUE_FAILED
    return status in _FAILED or report.fail_code is not None or queue_failed


def _status(report: JobReport) -> int | None:
    return report.task_status if report.task_status is not None else report.status


def strange_status(report: JobReport) -> int | None:
    """A number that no source has ever shown, if the report says one; it counts as pending."""
    status = _status(report)
    return None if status in _SEEN else status


def _verdict(sight: Sight, report: JobReport, now: float, polling: PollingPolicy) -> Verdict:
    status = _status(report)
    if _says_failed(report):
        running = status in _RUNNING and not report.items
        needed = _LOOKS_TO_FAIL_WHILE_RUNNING if running else _LOOKS_TO_FAIL
        return _failed(sight, report) if sight.looks_failed >= needed else Pending()
    if not report.items:
        return _empty(sight, report, now, polling)
    if _complete(sight, report) or _settled(sight, report, now, polling):
        return _ready(sight, report)
    return Pending()


def _failed(sight: Sight, report: JobReport) -> Verdict:
    if report.items:
        return _ready(sight, report)
    if _status(report) == _DELETED:
        return Over(JobFailed("the job was deleted at the service", "unknown", code="100"))
    return Over(failure_for(report.fail_code, report.fail_message))


def _empty(sight: Sight, report: JobReport, now: float, polling: PollingPolicy) -> Verdict:
    """Success without a result: signing lags at times, so it is looked at again (AIC)."""
    if sight.done_since is None or sight.looks_done < _LOOKS_TO_SETTLE:
        return Pending()
    if now - sight.done_since < polling.empty_grace:
        return Pending()
    return Over(
        JobFailed("the service reports success without any result", "yes", code=report.fail_code)
    )


def _says_success(report: JobReport) -> bool:
    return report.status in _SUCCESS or report.task_status in _SUCCESS


def _expected(sight: Sight, report: JobReport) -> int:
    """Requested; else announced; else counted; else the default of the kind (5.7).

    `total_image_count` comes last: at times it counts the references instead (2.7).
    """
    video = sight.kind == "video" or any(item.kind == "video" for item in report.items)
    default = 1 if video else 4
    return sight.expected or len(report.listed_items) or report.total_count or default


def _complete(sight: Sight, report: JobReport) -> bool:
    return len(report.items) + report.failed_items >= _expected(sight, report)


def _settled(sight: Sight, report: JobReport, now: float, polling: PollingPolicy) -> bool:
    """Fewer results than asked for are final when they have stayed the same long enough."""
    if sight.looks_same < _LOOKS_TO_SETTLE:
        return False
    if _says_success(report) or report.finish_time is not None:
        return True
    return sight.same_since is not None and now - sight.same_since >= polling.stable_after


def _ready(sight: Sight, report: JobReport) -> Ready:
    return Ready(report.items, max(0, _expected(sight, report) - len(report.items)))


def _progress(sight: Sight, report: JobReport) -> Progress:
    return Progress(
        phase=_phase(report),
        finished=len(report.items),
        expected=_expected(sight, report),
        forecast=report.forecast if report.forecast is not None else sight.progress.forecast,
        status=_status(report),
    )


def _phase(report: JobReport) -> Phase:
    status = _status(report)
    if status in _FINISHING or report.items:
        return Phase.FINISHING
    queue = report.queue
    if queue is not None and queue.status is not None:
        return Phase.QUEUED if queue.status <= _QUEUEING else Phase.GENERATING
    return Phase.GENERATING if status == 20 else Phase.QUEUED
