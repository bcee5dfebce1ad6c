"""Every exception this package raises.

    DreaminaError
    ├── InvalidRequest        (also ValueError)    change the call; raised before any I/O
    ├── SessionClosed         (also RuntimeError)  open a session, or a new one
    ├── BudgetReached                              run again with more, or leave it at that
    ├── StorageError                               make room on the disk, or mend the folder
    │   ├── JournalLocked                          another process works in this folder
    │   └── AccountMismatch                        this folder belongs to another account
    ├── LeaseLost                                  nothing: another worker of the fleet has the job
    ├── TransportError                             no usable reply reached us
    │   └── TransportTimeout  (also TimeoutError)
    ├── ProtocolError                              a reply we cannot read
    ├── ApiError                                   a readable refusal: code, log id, advice
    │   ├── AuthenticationError                    give credentials that work
    │   ├── InsufficientCredit                     buy credit, or ask for less
    │   ├── ContentRejected                        change the prompt
    │   ├── AccountRestricted                      stop; the service limits this account
    │   ├── RateLimited                            wait; carries retry_after
    │   └── ServiceUnavailable                     wait; the service is busy or broken
    ├── JobError                                   one job's own end
    │   ├── JobFailed                              the service says that it failed
    │   ├── JobLost                                nobody can say what became of it
    │   └── JobTimeout        (also TimeoutError)  still pending; wait again or resume
    └── DownloadError                              carries job_id and path
        ├── UrlExpired
        ├── HostRefused                            look at the host; trust it, or do not
        └── IncompleteDownload

The axis is whose turn it is to act. Errors hold facts as attributes, compare by value and
survive pickling. None of them ever holds a credential, a signature or the query of a URL.
"""

from typing import Literal

from attrs import define

Charged = Literal["yes", "no", "unknown"]
"""Whether the job that an error speaks of has cost its user credit."""

_LONGEST_PART = 1000


def shown(value: object) -> str:
    """A refused value, short enough for a message; `repr` refuses integers of 4300 digits."""
    try:
        text = repr(value)
    except ValueError:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else f"{text[:79]}…"


def _one_line(text: str) -> str:
    """Text of any origin, safe for a log or a terminal: one line, no control characters."""
    cut = text if len(text) <= _LONGEST_PART else f"{text[: _LONGEST_PART - 1]}…"
    return cut if cut.isprintable() else "".join(map(_printable, cut))


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else character.encode("unicode_escape").decode()


@define(slots=False)
class DreaminaError(Exception):
    """The root: `except DreaminaError` catches whatever this package raises on purpose.

    Attributes:
        message: one line that says what happened and what to do.
        charged: whether the job has cost credit, as far as anyone can tell.
        job_id: the job that the error belongs to, if it belongs to one.
    """

    message: str = ""
    charged: Charged = "no"
    job_id: str | None = None

    def __str__(self) -> str:
        facts = "; ".join(f"{name} {_one_line(value)}" for name, value in self._facts() if value)
        message = _one_line(self.message)
        return f"{message} ({facts})" if facts else message

    def _facts(self) -> list[tuple[str, str | None]]:
        charged = None if self.charged == "no" else self.charged
        return [("job", self.job_id), ("charged:", charged)]

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((type(self), self.message, self.charged, self.job_id))


@define(slots=False)
class InvalidRequest(DreaminaError, ValueError):
    """The caller must change the call; raised before anything is sent.

    Attributes:
        field: the argument at fault.
        allowed: what it may be, where that is a short list.
    """

    field: str | None = None
    allowed: tuple[str, ...] = ()

    def _facts(self) -> list[tuple[str, str | None]]:
        return [*super()._facts(), ("allowed:", ", ".join(self.allowed))]


@define(slots=False)
class SessionClosed(DreaminaError, RuntimeError):
    """The session is not open, or was closed while a call waited in it."""


@define(slots=False)
class BudgetReached(DreaminaError):
    """The next job of a run would cost more than the run was allowed; it was not sent.

    Attributes:
        limit: credits that the run was allowed.
        spent: credits that its jobs are expected to cost, by the catalogue's prices.
    """

    limit: int = 0
    spent: int = 0


@define(slots=False)
class StorageError(DreaminaError):
    """The disk or the journal refused; nothing more is submitted until that is mended.

    Attributes:
        path: the file or folder at fault.
    """

    path: str | None = None

    @classmethod
    def of(cls, error: OSError, path: object) -> "StorageError":
        """The operating system's refusal to write, as one of ours."""
        return cls(f"cannot write: {error.strerror or error}", path=str(path))

    def _facts(self) -> list[tuple[str, str | None]]:
        return [*super()._facts(), ("path", self.path)]


@define(slots=False)
class JournalLocked(StorageError):
    """Another process holds this folder's journal.

    Attributes:
        pid: that process, where it could be read.
    """

    pid: int | None = None

    def _facts(self) -> list[tuple[str, str | None]]:
        return [*super()._facts(), ("pid", str(self.pid) if self.pid else None)]


@define(slots=False)
class AccountMismatch(StorageError):
    """The credentials are of another account than the one whose jobs stand in this folder."""


@define(slots=False)
class LeaseLost(DreaminaError):
    """A worker of a fleet no longer holds what it works on; nothing was sent by it."""


@define(slots=False)
class TransportError(DreaminaError):
    """No usable reply reached us: name lookup, connection, TLS, or a connection that broke.

    Attributes:
        sent: whether a byte of the request may have left this machine. Only when it is
            False is it certain that a submit did not arrive.
    """

    sent: bool = True


@define(slots=False)
class TransportTimeout(TransportError, TimeoutError):
    """The other side stayed silent for longer than the policy allows."""


@define(slots=False)
class ProtocolError(DreaminaError):
    """A reply came, but it is not one this service gives.

    Attributes:
        status: the HTTP status.
        logid: the service's log id, if one could be read.
        excerpt: the start of the body, made safe to print.
    """

    status: int | None = None
    logid: str | None = None
    excerpt: str = ""

    def _facts(self) -> list[tuple[str, str | None]]:
        status = str(self.status) if self.status else None
        return [*super()._facts(), ("HTTP", status), ("log id", self.logid)]


@define(slots=False)
class ApiError(DreaminaError):
    """The service read the request and refused it.

    Attributes:
        code: the service's own code (`ret` or `fail_code`), as text.
        logid: the service's log id, to quote to its support.
        advice: what the user can do about it.
        status: the HTTP status (200 for nearly all refusals).
    """

    code: str | None = None
    logid: str | None = None
    advice: str = ""
    status: int | None = None

    def _facts(self) -> list[tuple[str, str | None]]:
        return [("code", self.code), ("log id", self.logid), *super()._facts()]

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}: {_one_line(self.advice)}" if self.advice else text


@define(slots=False)
class AuthenticationError(ApiError):
    """The credentials are missing, expired, or belong to another region."""


@define(slots=False)
class InsufficientCredit(ApiError):
    """The balance or the membership does not cover this request."""


@define(slots=False)
class ContentRejected(ApiError):
    """The service's content rules refuse this prompt or its images, for good."""


@define(slots=False)
class AccountRestricted(ApiError):
    """The service's risk control limits this account; trying again makes it worse."""


@define(slots=False)
class RateLimited(ApiError):
    """Too many requests, or too many jobs at once.

    Attributes:
        retry_after: seconds the service asked us to wait, if it said so.
    """

    retry_after: float | None = None


@define(slots=False)
class ServiceUnavailable(ApiError):
    """The service, or a gateway before it, cannot answer now.

    Attributes:
        retry_after: seconds the service asked us to wait, if it said so.
    """

    retry_after: float | None = None


@define(slots=False)
class JobError(DreaminaError):
    """One job's own end; other jobs go on."""


@define(slots=False)
class JobFailed(JobError):
    """The service says that the job failed.

    Attributes:
        code: the record's `fail_code`, as text.
        reason: the service's own words, in its own language.
        advice: what the user can do about it.
    """

    code: str | None = None
    reason: str = ""
    advice: str = ""

    def _facts(self) -> list[tuple[str, str | None]]:
        return [("code", self.code), ("reason", self.reason), *super()._facts()]

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}: {_one_line(self.advice)}" if self.advice else text


@define(slots=False)
class JobLost(JobError):
    """Nobody can say what became of the job; it stays in the journal and is never sent again."""


@define(slots=False)
class JobTimeout(JobError, TimeoutError):
    """The caller's time is up; the job is still pending, tracked and resumable."""


@define(slots=False)
class DownloadError(DreaminaError):
    """A finished job's file could not be brought home; `resume` tries again.

    Attributes:
        path: where the file was to stand.
    """

    path: str | None = None

    def _facts(self) -> list[tuple[str, str | None]]:
        return [*super()._facts(), ("path", self.path)]


@define(slots=False)
class UrlExpired(DownloadError):
    """The signed URL was refused, and so were the fresh ones."""


@define(slots=False)
class HostRefused(DownloadError):
    """The service names a host that is not known to be one of its own; nothing was asked there.

    Attributes:
        host: that host; `DownloadPolicy.hosts` makes it a trusted one.
    """

    host: str | None = None


@define(slots=False)
class IncompleteDownload(DownloadError):
    """The body was cut short, or is not the kind of file it should be."""
