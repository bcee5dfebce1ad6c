"""How the emulator is to behave: frozen values, every variant the protocol notes describe."""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Span = tuple[float, float]
Numbering = Literal["default", "s0", "s1", "s2"]
GenerateShape = Literal["aigc_data", "flat"]
VideoShape = Literal["A", "B", "C", "D", "E", "F"]
SignMode = Literal["ignore", "verify", "require"]
IdKinds = Literal["both", "history", "submit", "history_only", "submit_only"]
NoFailCode = Literal["null", "empty", "zero", "zero_int", "absent"]


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


@attrs.frozen(kw_only=True)
class Outcome:
    """What becomes of a job, for the prompts it is given to.

    Attributes:
        ret: Refuse the submit with this code; nothing is charged.
        fail_code: End in failure with this code (protocol notes 6.3).
        fail_message: The text that goes with ``fail_code``.
        items: Items really produced; fewer than ordered leaves the rest in ``failed_item_list``.
        empty_looks: So many status replies show success with an empty ``item_list`` first;
            -1 means it stays empty.
        progressive: Show the items one by one while status is 45.
        queue_seconds: Seconds in the queue before work begins, at real speed.
        run_seconds: Seconds of work, at real speed, in place of those of ``Timing``.
        stuck: The job never ends.
    """

    ret: str | None = None
    fail_code: str | None = None
    fail_message: str = "InputTextRisk"
    items: int | None = None
    empty_looks: int = 0
    progressive: bool = False
    queue_seconds: float | None = None
    run_seconds: float | None = None
    stuck: bool = False


_NO_OUTCOMES: Mapping[str, Outcome] = MappingProxyType({})


def _as_outcomes(given: Mapping[str, Outcome | str]) -> dict[str, Outcome]:
    return {
        part: Outcome(fail_code=value) if isinstance(value, str) else value
        for part, value in given.items()
    }


@attrs.frozen(kw_only=True)
class EmulatorOptions:
    """Everything an :class:`~dreamina_async.emulator.Emulator` can be told.

    Attributes:
        speed: How many times faster than the real service jobs and replies are.
        seed: Drives everything that looks random.
        host: Loopback address to listen on.
        port: Port of the API; 0 takes a free one.
        media_port: Port of the media server, another origin; 0 takes a free one.
        wall: Wall clock for expiries and creation times; never scaled.
        numbering: Which note's status codes to use (protocol notes 5.6).
        generate_shape: Where the generate reply keeps the record (S4 ``aigc_data``, S3 flat).
        minimal_records: Show only the keys S0 and S1 show.
        video_shape: Where a video item keeps its URL (protocol notes 5.4).
        no_fail_code: How "nothing failed" is written (protocol notes 5.3).
        numeric_fail_codes: Write fail codes as numbers.
        numeric_ids: Write history ids as numbers.
        finish_time_ms: Write ``finish_time`` in milliseconds (S2).
        outcome: What becomes of jobs no entry of ``outcomes`` speaks of.
        outcomes: Part of a prompt -> outcome, or just a fail code.
        sessionids: The sessions that may log in; ``None`` lets every non-empty one.
        balance: Credits a new account holds.
        entitled: Whether accounts may order more than 1k (else 1006, protocol notes 6.2).
        image_limit: Image jobs an account may have running (else 1010).
        video_limit: Video jobs an account may have running (else 1310).
        sign_mode: What to do about the ``sign`` header (protocol notes 1.6).
        max_ids: Most ids a status call may carry; ``None`` accepts any number.
        id_kinds: Which ids status calls know (S0 and S1 name one each): ``history`` and
            ``submit`` overlook the other kind, the ``_only`` ones refuse it with 1000.
        read_lag: Seconds an accepted record stays absent from history, at real speed.
        dedup: Whether a repeated ``submit_id`` gives the same record, uncharged. Unknown of the
            real service, so off: a second POST is a second charge.
        image_lifetime: Seconds an image URL lives; ``None`` is hour-aligned (protocol notes 8.2).
        video_lifetime: Seconds a video URL lives: 3600 or 604805 were seen.
        ranges: Whether the media server honours Range.
        hotlink_check: Whether a foreign Referer gets 403 (protocol notes 8.3).
        media_rate: Media requests a second before 429; ``None`` for no limit.
        image_bytes: Pad images to about this size (a real one has 2.9 MB).
        video_bytes: Pad videos to about this size (a real one has 4.4 MB).
        log_size: How many requests the log remembers; its counters forget none.
        timing: Durations at real speed.
    """

    speed: float = attrs.field(default=1.0, validator=attrs.validators.gt(0))
    seed: int = 0
    host: str = "127.0.0.1"
    port: int = 0
    media_port: int = 0
    wall: Callable[[], float] = time.time
    numbering: Numbering = "default"
    generate_shape: GenerateShape = "aigc_data"
    minimal_records: bool = False
    video_shape: VideoShape = "B"
    no_fail_code: NoFailCode = "null"
    numeric_fail_codes: bool = False
    numeric_ids: bool = False
    finish_time_ms: bool = False
    outcome: Outcome = attrs.field(factory=Outcome)
    outcomes: Mapping[str, Outcome] = attrs.field(default=_NO_OUTCOMES, converter=_as_outcomes)
    sessionids: frozenset[str] | None = attrs.field(
        default=None, converter=attrs.converters.optional(frozenset), repr=False
    )
    balance: int = 1_000_000
    entitled: bool = True
    image_limit: int | None = None
    video_limit: int | None = None
    sign_mode: SignMode = "verify"
    max_ids: int | None = 10
    id_kinds: IdKinds = "both"
    read_lag: float = 0.0
    dedup: bool = False
    image_lifetime: float | None = None
    video_lifetime: float = 3600.0
    ranges: bool = True
    hotlink_check: bool = False
    media_rate: float | None = None
    image_bytes: int = 0
    video_bytes: int = 0
    log_size: int = 20_000
    timing: Timing = attrs.field(factory=Timing)

    @classmethod
    def from_keywords(cls, **keywords: Any) -> EmulatorOptions:
        """Build options from keywords; those that name a :class:`Timing` field go there."""
        names = {field.name for field in attrs.fields(Timing)}
        spans = {name: keywords.pop(name) for name in names & keywords.keys()}
        options = cls(**keywords)
        return attrs.evolve(options, timing=attrs.evolve(options.timing, **spans))

    def outcome_of(self, prompt: str) -> Outcome:
        """Say what becomes of a job with this prompt."""
        for part, outcome in self.outcomes.items():
            if part in prompt:
                return outcome
        return self.outcome
