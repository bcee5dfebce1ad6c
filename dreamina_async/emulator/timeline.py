"""What a job's record says at each moment: a list of stages fixed when the job is accepted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs

from .chance import dice

if TYPE_CHECKING:
    import random

    from .options import EmulatorOptions, Span
    from .order import Order
    from .outcome import Outcome
    from .variants import Numbering


@attrs.frozen(kw_only=True)
class Codes:
    """One note's status numbers (protocol notes 5.6); ``None`` leaves the stage out."""

    queued: int
    submitted: int
    thinking: int | None
    running: int | None
    complete: int | None
    success: int
    failure: int


CODES: dict[Numbering, Codes] = {
    # Real logs: 20, about three seconds of 42, an empty 45, often a complete 45, then 50.
    "default": Codes(
        queued=20, submitted=20, thinking=42, running=45, complete=45, success=50, failure=30
    ),
    "s0": Codes(
        queued=20, submitted=20, thinking=42, running=45, complete=None, success=50, failure=30
    ),
    "s1": Codes(
        queued=10, submitted=10, thinking=20, running=20, complete=None, success=50, failure=-1
    ),
    "s2": Codes(
        queued=20, submitted=20, thinking=42, running=45, complete=45, success=10, failure=30
    ),
    "s3": Codes(
        queued=20, submitted=20, thinking=None, running=45, complete=45, success=50, failure=30
    ),
    # 0 is "init" there, 10 a rejection before any work.
    "bundle": Codes(
        queued=0, submitted=20, thinking=42, running=45, complete=45, success=50, failure=30
    ),
}

# Real videos stay at 20 from beginning to end (protocol notes 13); S1 lets them wait at 10 first.
_VIDEO = 20


@attrs.frozen
class Stage:
    """One stretch of a job's life, ``until`` so many seconds after it was accepted."""

    status: int
    until: float
    items: int = 0
    queued: bool = False
    over: bool = False


@attrs.frozen
class Plan:
    """All stages of a job, the terminal one last."""

    stages: tuple[Stage, ...]

    def at(self, elapsed: float) -> Stage:
        """Say which stage the job is in."""
        return next(stage for stage in self.stages if elapsed < stage.until)

    @property
    def queue_ends(self) -> float:
        """Seconds after acceptance at which work begins."""
        return max((stage.until for stage in self.stages if stage.queued), default=0.0)

    @property
    def ends(self) -> float:
        """Seconds after acceptance at which the job is over; infinite if never."""
        if not self.stages[-1].over:
            return math.inf
        return self.stages[-2].until if len(self.stages) > 1 else 0.0


@attrs.define
class _Draft:
    """Stages being collected, with the clock they have reached."""

    speed: float
    rng: random.Random
    clock: float = 0.0
    stages: list[Stage] = attrs.field(factory=list)

    def draw(self, span: Span) -> float:
        return self.rng.uniform(*span)

    def add(
        self, status: int | None, seconds: float, *, items: int = 0, queued: bool = False
    ) -> None:
        if status is None or seconds <= 0:
            return
        self.clock += seconds / self.speed
        self.stages.append(Stage(status, self.clock, items, queued))


def plan(options: EmulatorOptions, order: Order, occurrence: int) -> Plan:
    """Fix the timeline of a job from the seed and its submit id alone."""
    outcome = options.outcome_of(order.prompt)
    draft = _Draft(options.speed, dice(options.seed, "timeline", order.submit_id, occurrence))
    codes = CODES[options.numbering]
    queue = draft.draw(options.timing.queue)
    queue = queue if outcome.queue_seconds is None else outcome.queue_seconds
    draft.add(codes.queued, queue, queued=True)
    made = order.count if outcome.items is None else min(outcome.items, order.count)
    if outcome.fails_empty:
        made = 0
    if order.kind == "video":
        _add_video(draft, codes, options, outcome)
    else:
        _add_image(draft, codes, options, outcome, made)
    if outcome.stuck:
        running = _VIDEO if order.kind == "video" else codes.running or codes.submitted
        draft.stages.append(Stage(running, math.inf))
    else:
        status = codes.success
        if outcome.fails:
            status = codes.failure if outcome.fail_status is None else outcome.fail_status
        draft.stages.append(Stage(status, math.inf, made, over=True))
    return Plan(tuple(draft.stages))


def _add_video(draft: _Draft, codes: Codes, options: EmulatorOptions, outcome: Outcome) -> None:
    run = draft.draw(options.timing.video_running)
    run = run if outcome.run_seconds is None else outcome.run_seconds
    if options.numbering == "s1":
        draft.add(codes.submitted, run / 10)
        draft.add(_VIDEO, run * 9 / 10)
    else:
        draft.add(_VIDEO, run)


def _add_image(
    draft: _Draft, codes: Codes, options: EmulatorOptions, outcome: Outcome, made: int
) -> None:
    timing = options.timing
    spans = (timing.image_submitted, timing.image_thinking, timing.image_running)
    submitted, thinking, running = (draft.draw(span) for span in spans)
    complete = draft.draw(timing.image_complete)
    if outcome.run_seconds is not None:
        scale = outcome.run_seconds / ((submitted + thinking + running) or 1.0)
        submitted, thinking, running = submitted * scale, thinking * scale, running * scale
    draft.add(codes.submitted, submitted)
    draft.add(codes.thinking, thinking)
    if outcome.progressive:
        for shown in range(made):
            draft.add(codes.running, running / max(made, 1), items=shown)
    else:
        draft.add(codes.running, running)
    if made and not (outcome.fails or outcome.empty_looks or outcome.stuck):
        if 0 < outcome.late_items < made:
            # AIC saw a blend with one item of four stay so for minutes (protocol notes 5.6).
            early = made - outcome.late_items
            draft.add(codes.running, outcome.late_seconds, items=early)
        draft.add(codes.complete, complete, items=made)
