"""What must hold at every moment and can be seen on the wire: budget, retries, fairness.

Each watch belongs to one session, is told of what leaves and comes, and answers with what is
wrong. Where the wire cannot tell what the session knew, the doubt is the session's.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any

from attrs import define, field

from dreamina_async import PollingPolicy, RetryPolicy

_MINUTE = 60.0
_LATE = 6.0
"""Seconds that may pass between a call's account and its first byte: a commit, a slow loop."""

_CLAMP = 601.0
"""The longest wait that anything may ask for is ten minutes."""


def odd_wait(seconds: float) -> str | None:
    """Invariant 19: no wait is negative, endless, no number, or beyond the clamp."""
    if isfinite(seconds) and 0 <= seconds <= _CLAMP:
        return None
    return f"19: somebody sleeps {seconds} s"


@define(eq=False)
class Spending:
    """Invariant 4: what one run may have cost stays within its `max_credits`."""

    limit: int | None
    prices: Mapping[int, int]
    """Of the run's own requests, by the number in their prompt."""
    sent: dict[str, int] = field(factory=dict[str, int])

    def leaves(self, submit_id: str, number: int, may_cost: Callable[[str], bool]) -> str | None:
        """A submit is about to leave.

        Args:
            submit_id: whose.
            number: of the prompt.
            may_cost: whether a submit id was charged, or may have been, before this moment.
        """
        if self.limit is None or number not in self.prices:
            return None
        if submit_id not in self.sent and may_cost(submit_id):
            return None  # known from before the run, and no part of its budget
        self.sent[submit_id] = self.prices[number]
        spent = sum(price for one, price in self.sent.items() if one == submit_id or may_cost(one))
        return f"4: {spent} of {self.limit} credits" if spent > self.limit else None


@define(eq=False)
class Retries:
    """Invariant 19: in any minute a share of the first attempts, and a few retries besides."""

    policy: RetryPolicy
    _firsts: deque[float] = field(factory=deque[float])
    _again: deque[float] = field(factory=deque[float])
    _woke_at: float = float("-inf")

    def woke(self, now: float) -> None:
        """The loop stood still: what leaves right after it was accounted for long ago."""
        self._woke_at = now

    def attempt(self, now: float, *, again: bool) -> str | None:
        """A call goes out, for the first time or certainly once more."""
        if not again:
            self._firsts.append(now)
        elif now > self._woke_at + _LATE:
            self._again.append(now)
        _drop_before(self._again, now - _MINUTE)
        _drop_before(self._firsts, now - _MINUTE - _LATE)
        # what drips into the bucket while a call is late
        allowed = self.policy.share * len(self._firsts) + self.policy.spare * (1 + _LATE / _MINUTE)
        if len(self._again) <= allowed + 1:
            return None
        return f"19: {len(self._again)} retries in a minute, {len(self._firsts)} first attempts"


def _drop_before(instants: deque[float], limit: float) -> None:
    while instants and instants[0] < limit:
        instants.popleft()


@define(eq=False)
class Fairness:
    """Invariant 20: no job that runs is left without a look for long, while others get theirs.

    A look is due after the interval that a job of this kind and age has, when everybody has had a
    turn at the ceiling's rate, or after half of what the job lasts, because the session may have
    learnt when such jobs end; three times that is too long. After trouble that slows the whole
    session the waiting counts from the next call on.
    """

    polling: PollingPolicy
    least: float
    """Seconds in which the ceiling lets everybody have a turn, with all that is asked besides."""
    hinted: bool
    """Whether the service asks jobs that queue to be looked at less."""
    clock_errs: bool
    """Whether a job's age may look like days to a restarted session."""
    _looked: dict[str, float] = field(factory=dict[str, float])
    _troubled_at: float | None = None

    def trouble(self, now: float) -> None:
        """A call failed, or the loop stood still: the session may pause."""
        self._troubled_at = now

    def shown(self, submit_id: str, now: float) -> None:
        """A job's record has been shown: from now on the session follows it."""
        self._looked[submit_id] = now

    def asked(self, submit_id: str, now: float) -> None:
        """A job was asked for; a look that shows nothing is one, too."""
        if submit_id in self._looked:
            self._looked[submit_id] = now

    def called(self, now: float, running: Iterable[Any], ages: Mapping[str, float]) -> str | None:
        """A status call goes out; whether one of the jobs has waited too long for one."""
        if self._troubled_at is not None:
            if now <= self._troubled_at + 1.0:  # it had left before
                return None
            self._troubled_at = None
            self._looked = dict.fromkeys(self._looked, now)
        for job in running:
            waited = now - self._looked.get(job.submit_id, now)
            if waited > 3 * self._fair(job, ages.get(job.submit_id, 0.0)):
                return f"20: {job.submit_id} waits for a look since {waited:.0f} s"
        return None

    def _fair(self, job: Any, age: float) -> float:
        polling = self.polling
        video = job.kind == "video"
        interval = polling.video_interval if video else polling.image_interval
        median = polling.video_median if video else polling.image_median
        aged = age / (10 if self.hinted else 20)
        wanted = max(2 * interval, median / 5, aged, job.lasts / 2)
        longest = polling.max_interval
        return max(self.least, longest if self.clock_errs else min(wanted, longest))
