"""The policies a session follows; frozen, checked when made, with polite defaults."""

import re
from typing import Any, Literal, cast

from attrs import Attribute, field, frozen

from dreamina_async.errors import InvalidRequest, shown
from dreamina_async.proxies import Proxy

Dialect = Literal["web", "s0", "s1", "s2", "s3", "s4"]
"""Which client to sound like; what each sends is told in the reference of the wire."""

_DIALECTS = ("web", "s0", "s1", "s2", "s3", "s4")
_LARGEST = 1e18
_DOMAIN = re.compile(r"(?:[a-z0-9-]{1,63}\.)+[a-z0-9-]{1,63}")


def _above_zero(instance: object, attribute: "Attribute[Any]", value: Any) -> None:
    if not _is_number(value) or value <= 0:
        raise InvalidRequest(
            f"{attribute.name} {shown(value)} is not a number above 0", field=attribute.name
        )


def _not_negative(instance: object, attribute: "Attribute[Any]", value: Any) -> None:
    if not _is_number(value) or value < 0:
        raise InvalidRequest(
            f"{attribute.name} {shown(value)} is not a number from 0 up", field=attribute.name
        )


def _at_least_one(instance: object, attribute: "Attribute[Any]", value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1_000_000:
        raise InvalidRequest(
            f"{attribute.name} {shown(value)} is not a whole number from 1 to 1000000",
            field=attribute.name,
        )


def _whole(instance: object, attribute: "Attribute[Any]", value: Any) -> None:
    if not isinstance(value, int):
        raise InvalidRequest(
            f"{attribute.name} {shown(value)} is not a whole number", field=attribute.name
        )


def _domains(instance: object, attribute: "Attribute[Any]", value: object) -> None:
    told = shown(value)
    domains = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (None,)
    if not all(isinstance(one, str) and _DOMAIN.fullmatch(one) for one in domains):
        raise InvalidRequest(
            f"{attribute.name} {told} is not a tuple of domains in lower case, such as "
            "('example.com',)",
            field=attribute.name,
        )


def _is_number(value: object) -> bool:
    # the bound is far beyond every sensible figure; integers above it do not fit a float
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -_LARGEST < value < _LARGEST


def _seconds(default: float) -> Any:
    return field(default=default, validator=_above_zero)


@frozen(kw_only=True)
class PollingPolicy:
    """When to ask for whom. Seconds throughout.

    Attributes:
        rate: status calls a second, over all jobs, at most.
        burst: calls that may follow at once after a quiet time.
        batch: ids in one call, at most; the service's own limit is 10 (S2).
        image_interval: between two looks at an image job that could be done.
        video_interval: the same for a video job.
        image_median: how long an image job takes, before a session has seen any.
        video_median: the same for a video job.
        max_interval: between two looks at any job.
        missing_grace: how long a record may be absent right after its submit.
        attached_grace: the same for a job that was submitted elsewhere and only attached.
        stable_after: how long an incomplete result must stay unchanged to be final.
        empty_grace: how long "success" may stay without a result.
        pending_limit: after which a silent job is given back as unknown, still resumable.
    """

    rate: float = _seconds(1.0)
    burst: int = field(default=2, validator=_at_least_one)
    batch: int = field(default=10, validator=_at_least_one)
    image_interval: float = _seconds(4.0)
    video_interval: float = _seconds(12.0)
    image_median: float = _seconds(15.0)
    video_median: float = _seconds(120.0)
    max_interval: float = _seconds(60.0)
    missing_grace: float = _seconds(120.0)
    attached_grace: float = _seconds(20.0)
    stable_after: float = _seconds(90.0)
    empty_grace: float = _seconds(60.0)
    pending_limit: float = _seconds(172_800.0)

    def __attrs_post_init__(self) -> None:
        if self.batch > 10:
            raise InvalidRequest(
                f"batch {self.batch} is above 10, the service's limit", field="batch"
            )


@frozen(kw_only=True)
class RetryPolicy:
    """What to do after a failed call. Seconds throughout.

    Attributes:
        attempts: how often a submit that certainly did not arrive is sent, at most, to a
            service that has never answered in this session.
        outage: how long a service that has answered before is waited for when it can no
            longer be reached; only then do submits that did not arrive give up, and downloads
            whose host cannot be reached.
        base: the first backoff; it doubles.
        cap: the longest backoff.
        retry_after_cap: the longest wait that a server may ask for.
        share: retries of all kinds that a session sends for each first attempt, at most.
        spare: retries in any minute besides; a job that finds none left waits for one.
        lookups: healthy status calls without a trace that an unanswered submit needs before
            it counts as not found.
        lookup_window: how long after the last possible send these must reach.
        unanswered: what then: `hold` never sends again; `resubmit_same_id` sends once more
            under the same submit id, which is one charge only if the service removes
            duplicates, and nobody has shown that it does.
    """

    attempts: int = field(default=5, validator=_at_least_one)
    outage: float = _seconds(3600.0)
    base: float = _seconds(1.0)
    cap: float = _seconds(60.0)
    retry_after_cap: float = _seconds(600.0)
    share: float = field(default=0.2, validator=_above_zero)
    spare: int = field(default=20, validator=_at_least_one)
    lookups: int = field(default=3, validator=_at_least_one)
    lookup_window: float = _seconds(120.0)
    unanswered: Literal["hold", "resubmit_same_id"] = "hold"

    def __attrs_post_init__(self) -> None:
        if self.spare < 2:  # half of it can be saved up, and that must make a whole retry
            raise InvalidRequest(f"spare {self.spare} is below 2", field="spare")
        allowed = ("hold", "resubmit_same_id")
        if self.unanswered not in allowed:
            raise InvalidRequest(
                f"unanswered {self.unanswered!r} is no policy", field="unanswered", allowed=allowed
            )


@frozen(kw_only=True)
class DownloadPolicy:
    """How files come home.

    Attributes:
        parallel: files at once.
        block: bytes gathered before each write.
        attempts: tries for one file; those that never reached its host do not count.
        refreshes: fresh URLs asked for one job.
        expiry_margin: seconds of life a URL must have left to be used without asking for a
            fresh one.
        resume_from: bytes from which on a broken transfer goes on where it broke off, if the
            host names the file by a strong ETag; smaller files begin anew.
        stall_after: seconds in which at least `stall_bytes` must arrive.
        stall_bytes: see above.
        max_image: bytes; larger ones are refused.
        max_video: bytes; larger ones are refused.
        durable: fsync every file and folder before saying that it is there.
        reserve: submit nothing while the output folder's file system has less room than the
            files of all jobs under way may need, at 32 MiB a job; False submits all the same.
        embed: put prompt, model, seed and ids into each file, beside its pixels. Sizes and
            digests are then those of the file with them, not of the service's own.
        hosts: further domains that results may come from, and uploads go to, beside those
            that are known to be the service's own.
    """

    parallel: int = field(default=8, validator=_at_least_one)
    block: int = field(default=1 << 20, validator=[_above_zero, _whole])
    attempts: int = field(default=5, validator=_at_least_one)
    refreshes: int = field(default=3, validator=_at_least_one)
    expiry_margin: float = field(default=300.0, validator=_not_negative)
    resume_from: int = field(default=8 << 20, validator=[_not_negative, _whole])
    stall_after: float = _seconds(30.0)
    stall_bytes: int = field(default=30 << 10, validator=[_not_negative, _whole])
    max_image: int = field(default=64 << 20, validator=[_above_zero, _whole])
    max_video: int = field(default=2 << 30, validator=[_above_zero, _whole])
    durable: bool = True
    reserve: bool = True
    embed: bool = False
    hosts: tuple[str, ...] = field(default=(), validator=_domains)


def _proxy(value: Proxy | str | None) -> Proxy | None:
    if value is None or isinstance(value, Proxy):
        return value
    return Proxy(value)


@frozen(kw_only=True)
class Settings:
    """Everything a session may be told about how to behave.

    Attributes:
        submits: generate requests on their way at once.
        max_in_flight: jobs that `session.run` keeps between submit and files, unless told
            otherwise there.
        connect_timeout: seconds to reach a host.
        read_timeout: seconds of silence allowed in a reply; a whole API reply may take five times
            as long.
        close_timeout: seconds that leaving a session may take to bring submits home.
        check_account: whether a login that the output folder has not seen yet must be the
            account whose jobs stand there; the service is asked once, when a session opens.
        dialect: which headers and parameters to send: `web` is the web page of 2026, the
            others are what older sources were seen to send. The answers are understood in
            every dialect whichever is spoken.
        proxy: what to reach the service through, a `Proxy` or its URL; None reads
            `DREAMINA_PROXY`.
    """

    polling: PollingPolicy = field(factory=PollingPolicy)
    retrying: RetryPolicy = field(factory=RetryPolicy)
    downloading: DownloadPolicy = field(factory=DownloadPolicy)
    submits: int = field(default=4, validator=_at_least_one)
    max_in_flight: int = field(default=20, validator=_at_least_one)
    connect_timeout: float = _seconds(15.0)
    read_timeout: float = _seconds(60.0)
    close_timeout: float = _seconds(10.0)
    check_account: bool = True
    dialect: Dialect = "web"
    proxy: Proxy | None = field(default=None, converter=_proxy)

    def __attrs_post_init__(self) -> None:
        if self.dialect not in _DIALECTS:
            raise InvalidRequest(
                f"dialect {shown(self.dialect)} is not known", field="dialect", allowed=_DIALECTS
            )
