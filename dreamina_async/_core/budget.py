"""How many retries a session may send: a share of its first attempts, and a few besides.

Backoff slows each call down by itself; a hundred calls that back off are still a hundred. So
all retries of a session come out of one bucket, and in an outage the load does not multiply.
"""

from attrs import define, field

_WINDOW = 60.0


@define
class RetryBudget:
    """In any 60 s at most `share` times the first attempts in them, and `spare` retries more.

    Half of the spare ones can be saved up, the other half comes in drop by drop.
    """

    share: float
    spare: int
    _tokens: float = field(init=False)
    _at: float = float("-inf")

    def __attrs_post_init__(self) -> None:
        self._tokens = self._most

    def first(self, now: float) -> None:
        """Account for a first attempt: it earns its share."""
        self._settle(now)
        self._tokens = min(self._most, self._tokens + self.share)

    def ready_at(self, now: float) -> float:
        """The earliest instant at which a retry may go out; `now` if that is at once."""
        self._settle(now)
        # a hair of tolerance: waking at the computed instant must find the token there
        missing = 1 - self._tokens
        return now if missing < 1e-9 else now + missing / self._rate

    def take(self, now: float) -> None:
        """Account for a retry that goes out now."""
        self._settle(now)
        self._tokens = max(0.0, self._tokens - 1)

    @property
    def _most(self) -> float:
        return max(1.0, self.spare / 2)

    @property
    def _rate(self) -> float:
        return (self.spare - self._most) / _WINDOW

    def _settle(self, now: float) -> None:
        passed = max(0.0, now - self._at) if self._at > float("-inf") else 0.0
        self._tokens = min(self._most, self._tokens + passed * self._rate)
        self._at = max(self._at, now)
