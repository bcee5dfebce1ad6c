"""The request ceiling: a token bucket that a server may pause."""

from attrs import define


@define
class Ceiling:
    """In any window of w seconds at most `rate * w + burst` calls go out.

    A stalled loop or a sleeping laptop earns no more than one burst.
    """

    rate: float
    burst: int
    _tokens: float = 0.0
    _at: float = float("-inf")
    _paused_until: float = float("-inf")

    def ready_at(self, now: float) -> float:
        """The earliest instant at which a call may go out; `now` if that is at once."""
        tokens = self._tokens_at(now)
        # a hair of tolerance: waking at the computed instant must find the token there
        earned = now if tokens > 1 - 1e-9 else now + (1 - tokens) / self.rate
        return max(earned, self._paused_until)

    def take(self, now: float) -> None:
        """Account for a call that goes out now."""
        self._tokens = max(0.0, self._tokens_at(now) - 1)
        self._at = now

    def pause(self, until: float) -> None:
        """Let nothing out before `until`: the server asked, or is in trouble."""
        self._paused_until = max(self._paused_until, until)

    def _tokens_at(self, now: float) -> float:
        if self._at == float("-inf"):
            return float(self.burst)
        return min(float(self.burst), self._tokens + max(0.0, now - self._at) * self.rate)
