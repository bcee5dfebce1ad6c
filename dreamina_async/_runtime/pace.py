"""How much a session asks of a service in trouble: one pause for all, one budget of retries."""

from attrs import define, field

from dreamina_async._core.budget import RetryBudget
from dreamina_async._runtime.clock import Clock
from dreamina_async._runtime.jobs import Counters
from dreamina_async.settings import RetryPolicy

HAIR = 0.001
"""Seconds by which a timer may fire early; less is not worth waiting for."""


@define(eq=False)
class Pace:
    """Shared by everything of a session that sends."""

    clock: Clock
    counters: Counters
    policy: RetryPolicy
    budget: RetryBudget = field(init=False)
    paused_until: float = float("-inf")
    """Nothing is submitted, and nobody's status asked for, before this instant."""
    heard_at: float = float("-inf")
    """When the service last answered anything at all."""

    def __attrs_post_init__(self) -> None:
        self.budget = RetryBudget(self.policy.share, self.policy.spare)

    def pause(self, until: float) -> None:
        """The service asked for it, or cannot be reached: let no call out for a while."""
        self.paused_until = max(self.paused_until, until)

    def heard(self) -> None:
        """The service has answered."""
        self.heard_at = self.clock.monotonic()

    @property
    def silent_for(self) -> float:
        """Seconds since the service answered; endless if it never did in this session."""
        return self.clock.monotonic() - self.heard_at

    def attempt(self, *, again: bool) -> None:
        """Account for a call that goes out now, for the first time or once more."""
        now = self.clock.monotonic()
        if again:
            self.budget.take(now)
        else:
            self.budget.first(now)

    def retry_at(self) -> float:
        """The earliest instant at which a retry may go out."""
        return self.budget.ready_at(self.clock.monotonic())

    async def before_retry(self, seconds: float) -> None:
        """Wait as long as the backoff says, then for the budget; the retry is accounted for."""
        self.counters.retries += 1
        await self.clock.sleep(seconds)
        while (wait := self.retry_at() - self.clock.monotonic()) > HAIR:
            await self.clock.sleep(wait)
        self.attempt(again=True)
