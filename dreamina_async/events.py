"""What observers hear: frozen facts, in the order in which they became true.

Every event carries the job's id and the wall-clock instant (`at`, Unix seconds).
"""

from attrs import frozen

from dreamina_async.errors import DreaminaError
from dreamina_async.models import JobResult, JobState, MediaFile, Progress, QueueInfo


@frozen
class Event:
    """The root of all events."""

    job_id: str
    at: float


@frozen
class Submitted(Event):
    """The service has accepted the job."""

    history_id: str | None


@frozen
class SubmitWaits(Event):
    """The service is busy, or a submit's outcome is being looked up; it goes on by itself."""

    reason: DreaminaError


@frozen
class Progressed(Event):
    """A status call brought something new about a pending job."""

    progress: Progress
    queue: QueueInfo | None


@frozen
class Finished(Event):
    """The service has finished; the files are on their way."""

    items: int
    missing: int


@frozen
class Downloading(Event):
    """Bytes of one file have arrived; at most a few of these a second and file.

    Attributes:
        received: bytes so far.
        size: bytes in all, where known.
    """

    index: int
    received: int
    size: int | None


@frozen
class FileSaved(Event):
    """One file stands complete under its final name."""

    media: MediaFile


@frozen
class Saved(Event):
    """All of a job's files are on disk."""

    result: JobResult


@frozen
class Failed(Event):
    """The job is over without a result, or waits for its user: see the state."""

    state: JobState
    error: DreaminaError


TERMINAL_EVENTS = (Saved, Failed)
