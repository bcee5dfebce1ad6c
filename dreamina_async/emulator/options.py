"""How the emulator is to behave: frozen values, every variant the protocol notes describe."""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import attrs

from .choice import one_of
from .dialects import DIALECTS
from .outcome import Outcome
from .variants import FAILURES, Variants

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .dialects import Dialect

Span = tuple[float, float]
UploadScenes = Literal["web", "cli"]
UploadHosts = Literal["plural", "singular"]
UploadEdge = Literal["normal", "reject_first"]


@attrs.frozen(kw_only=True)
class Timing:
    """Seconds of the real service, as (shortest, longest); ``speed`` divides them all.

    The figures are those of protocol notes 10 and 13.
    """

    image_submitted: Span = (0.5, 1.5)
    image_thinking: Span = (2.0, 3.0)
    image_running: Span = (5.0, 10.0)
    image_complete: Span = (0.0, 1.0)
    video_running: Span = (60.0, 180.0)
    queue: Span = (0.0, 0.0)
    generate_latency: Span = (0.5, 0.8)
    history_latency: Span = (0.3, 0.6)
    credit_latency: Span = (0.4, 1.0)
    media_latency: Span = (0.0, 0.0)
    upload_latency: Span = (0.3, 0.6)

    def __attrs_post_init__(self) -> None:
        """Refuse what is not two numbers."""
        for field in attrs.fields(Timing):
            match getattr(self, field.name):
                case [int() | float(), int() | float()]:
                    pass
                case span:
                    raise ValueError(f"{field.name} {span!r} is not two numbers of seconds")


_NO_OUTCOMES: Mapping[str, Outcome] = MappingProxyType({})


def _as_outcomes(given: Mapping[str, Outcome | str]) -> dict[str, Outcome]:
    return {
        part: Outcome(fail_code=value) if isinstance(value, str) else value
        for part, value in given.items()
    }


@attrs.frozen(kw_only=True)
class EmulatorOptions(Variants):
    """Everything an :class:`~dreamina_async.emulator.Emulator` can be told.

    The contradictions of the notes are inherited from :class:`Variants`.

    Attributes:
        speed: How many times faster than the real service jobs and replies are.
        seed: Drives everything that looks random.
        host: Loopback address to listen on.
        port: Port of the API; 0 takes a free one.
        media_port: Port of the media server, another origin; 0 takes a free one.
        wall: Wall clock for expiries and creation times; never scaled.
        outcome: What becomes of jobs no entry of ``outcomes`` speaks of.
        outcomes: Part of a prompt -> outcome, or just a fail code.
        sessionids: The sessions that may log in; ``None`` lets every non-empty one.
        balance: Credits a new account holds.
        entitled: Whether accounts may order more than 1k and 720p, and older models (else 1006,
            protocol notes 6.2).
        refund_failed: Whether the credits of a job without results come back, as an income row
            of the same submit id. Measured both ways, by tool (protocol notes 5.6).
        settle_after: Seconds, at real speed, before a debit shows in the credit history.
        check_uris: Refuse references and frames the account never uploaded with 1000. The real
            answer is unknown: this one is our choice.
        risky: Parts of prompts and uris that ``algo_proxy`` answers with 2003.
        image_limit: Image jobs an account may have running (else 1010).
        video_limit: Video jobs an account may have running (else 1310).
        max_ids: Most ids a status call may carry; ``None`` accepts any number.
        read_lag: Seconds an accepted record stays absent from history, at real speed.
        dedup: Whether a repeated ``submit_id`` gives the same record, uncharged. Unknown of the
            real service, so off: a second POST is a second charge.
        image_lifetime: Seconds an image URL lives; ``None`` is hour-aligned (protocol notes 8.2).
        video_lifetime: Seconds a video URL lives: 3600 or 604805 were seen.
        ranges: Whether the media server honours Range.
        etags: How the media server names a file's bytes, ``{}`` being their MD5; ``W/"{}"`` is
            weak, empty is not at all. The real answer is unknown.
        hotlink_check: Whether a foreign Referer gets 403 (protocol notes 8.3).
        media_rate: Media requests a second before 429; ``None`` for no limit.
        image_bytes: Pad images to about this size (a real one has 2.9 MB).
        video_bytes: Pad videos to about this size (a real one has 4.4 MB).
        log_size: How many requests the log remembers; its counters forget none.
        token_life: Seconds an upload token is good for (protocol notes 10).
        upload_scenes: How ``scene`` numbers what is uploaded: an image is 2 to the web, 1 to the
            official CLI (protocol notes 12, row 18).
        upload_hosts: How the upload host is told: as ``UploadHosts``, or as AIC's single
            ``UploadHost`` (row 19).
        upload_edge: What the upload host does; ``reject_first`` answers 204 to the first attempt
            at every file (protocol notes 4).
        timing: Durations at real speed.
    """

    speed: float = attrs.field(default=1.0, validator=attrs.validators.gt(0))
    seed: int = 0
    host: str = "127.0.0.1"
    port: int = 0
    media_port: int = 0
    wall: Callable[[], float] = time.time
    outcome: Outcome = attrs.field(factory=Outcome)
    outcomes: Mapping[str, Outcome] = attrs.field(default=_NO_OUTCOMES, converter=_as_outcomes)
    sessionids: frozenset[str] | None = attrs.field(
        default=None, converter=attrs.converters.optional(frozenset), repr=False
    )
    balance: int = 1_000_000
    entitled: bool = True
    refund_failed: bool = False
    settle_after: float = 0.0
    check_uris: bool = True
    risky: frozenset[str] = attrs.field(default=frozenset(), converter=frozenset)
    image_limit: int | None = None
    video_limit: int | None = None
    max_ids: int | None = 10
    read_lag: float = 0.0
    dedup: bool = False
    image_lifetime: float | None = None
    video_lifetime: float = 3600.0
    ranges: bool = True
    etags: str = '"{}"'
    hotlink_check: bool = False
    media_rate: float | None = None
    image_bytes: int = 0
    video_bytes: int = 0
    log_size: int = 20_000
    token_life: float = 3600.0
    upload_scenes: UploadScenes = attrs.field(default="web", validator=one_of(UploadScenes))
    upload_hosts: UploadHosts = attrs.field(default="plural", validator=one_of(UploadHosts))
    upload_edge: UploadEdge = attrs.field(default="normal", validator=one_of(UploadEdge))
    timing: Timing = attrs.field(factory=Timing)

    def __attrs_post_init__(self) -> None:
        """Refuse a failure number that the numbering does not have."""
        for outcome in (self.outcome, *self.outcomes.values()):
            known = FAILURES[self.numbering]
            if outcome.fail_status is not None and outcome.fail_status not in known:
                raise ValueError(
                    f"fail_status {outcome.fail_status} is no failure in numbering "
                    f"{self.numbering!r}, only {sorted(known)} are"
                )

    @classmethod
    def from_keywords(cls, *, dialect: Dialect | None = None, **keywords: Any) -> EmulatorOptions:
        """Build options from keywords; those that name a :class:`Timing` field go there.

        With a dialect the options start from what that note tells.
        """
        if dialect is not None:
            if dialect not in DIALECTS:
                raise ValueError(f"dialect {dialect!r} is none of {', '.join(DIALECTS)}")
            keywords = {**DIALECTS[dialect], **keywords}
        names = {field.name for field in attrs.fields(Timing)}
        spans = {name: keywords.pop(name) for name in names & keywords.keys()}
        options = cls(**keywords)
        return attrs.evolve(options, timing=attrs.evolve(options.timing, **spans))

    @classmethod
    def dialect(cls, name: Dialect, **more: Any) -> EmulatorOptions:
        """Build the options that play one note: S0, S1, S2, S3 or S4."""
        return cls.from_keywords(dialect=name, **more)

    def outcome_of(self, prompt: str) -> Outcome:
        """Say what becomes of a job with this prompt."""
        for part, outcome in self.outcomes.items():
            if part in prompt:
                return outcome
        return self.outcome
