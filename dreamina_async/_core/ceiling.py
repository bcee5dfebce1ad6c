"""The request ceiling: a token bucket that a server may pause."""

from attrs import define


@define
class Ceiling:
    """In any window of w seconds at most `rate * w + burst` calls go out.

    A stalled loop or a sleeping laptop earns no more than one burst. A call that was let out
    may leave late, when a connection is slow or the loop stands still: while it is held, the
    place that it will take is kept free.

    Attributes:
        retry_at: before this instant nothing goes out, for as long as the next call is a retry;
            unlike a pause it is taken back when one succeeds.
    """

    rate: float
    burst: int
    retry_at: float = float("-inf")
    _tokens: float = 0.0
    _at: float = float("-inf")
    _paused_until: float = float("-inf")
    _held: int = 0

    def ready_at(self, now: float) -> float:
        """The earliest instant at which a call may go out; `now` if that is at once."""
        tokens = self._tokens_at(now)
        # a hair of tolerance: waking at the computed instant must find the token there
        earned = now if tokens > 1 - 1e-9 else now + (1 - tokens) / self.rate
        return max(earned, self._paused_until, self.retry_at)

    def take(self, now: float) -> None:
        """Account for a call that goes out now."""
        self._settle(now)
        self._tokens = max(0.0, self._tokens - 1)

    @property
    def full(self) -> bool:
        """Whether as many calls are held as may leave at once; none goes before one has left."""
        return self._held >= self.burst

    def hold(self, now: float) -> None:
        """The call that was just taken has not left yet."""
        self._held += 1
        self._settle(now)

    def left(self, now: float) -> None:
        """A call that was held has left, or never will."""
        self._settle(now)
        self._held -= 1

    def pause(self, until: float) -> None:
        """Let nothing out before `until`: the server asked, or is in trouble."""
        self._paused_until = max(self._paused_until, until)

    def _settle(self, now: float) -> None:
        self._tokens, self._at = self._tokens_at(now), max(self._at, now)

    def _tokens_at(self, now: float) -> float:
        most = float(self.burst - self._held)
        if self._at == float("-inf"):
            return most
        return min(most, self._tokens + max(0.0, now - self._at) * self.rate)
