"""What a run tells the shell: one exit status for every way to end."""

from enum import IntEnum

from dreamina_async import (
    AuthenticationError,
    BudgetReached,
    DreaminaError,
    InsufficientCredit,
    InvalidRequest,
    JobTimeout,
    LeaseLost,
    StorageError,
)


class Exit(IntEnum):
    """The exit statuses of every command."""

    DONE = 0
    """All done. A job whose service made fewer files than asked for counts as done."""
    FAILED = 1
    """Some jobs failed, or rows were skipped; the others are done."""
    USAGE = 2
    """The call, the manifest or the output folder has to be mended first; nothing was sent."""
    CREDENTIALS = 3
    """The service refuses the credentials, or there are none."""
    CREDIT = 4
    """The account is out of credit, or the run's own budget is."""
    PENDING = 5
    """Interrupted or timed out while jobs were pending; they can be resumed."""
    KILLED = 130
    """A second Ctrl-C: left at once. The journal is still good."""


class UsageError(Exception):
    """Something only the user can mend; its text is the one line that is shown."""


_STATUS_OF: tuple[tuple[type[Exception], Exit], ...] = (
    (UsageError, Exit.USAGE),
    (InvalidRequest, Exit.USAGE),
    (StorageError, Exit.USAGE),
    (AuthenticationError, Exit.CREDENTIALS),
    (InsufficientCredit, Exit.CREDIT),
    (BudgetReached, Exit.CREDIT),
    (JobTimeout, Exit.PENDING),
    (LeaseLost, Exit.PENDING),
    (DreaminaError, Exit.FAILED),
)


def status_of(error: Exception) -> Exit:
    """The exit status for an error that ended the whole run."""
    return next(status for kind, status in _STATUS_OF if isinstance(error, kind))


def status_of_run(
    *,
    error: Exception | None = None,
    interrupted: bool = False,
    failed: int = 0,
    pending: int = 0,
    skipped: int = 0,
) -> Exit:
    """The exit status for a run of many jobs; the first thing that applies, in this order."""
    if error is not None:
        return status_of(error)
    if interrupted:
        return Exit.PENDING
    if failed or skipped:
        return Exit.FAILED
    return Exit.PENDING if pending else Exit.DONE
