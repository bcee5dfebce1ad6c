"""How many jobs the service will run for this account at once, learnt from its refusals.

Additive increase, multiplicative decrease, as TCP finds a link's width: a "too many jobs"
answer (1010, 1310) shows the limit, every finished job feels for a little more.
"""

from attrs import define


@define
class Window:
    """Open until the service refuses for the first time."""

    limit: float = float("inf")

    def allows(self, running: int) -> bool:
        """Whether one more may be tried while `running` jobs are at the service."""
        return running + 1 <= max(1.0, self.limit)

    def busy(self, running: int) -> None:
        """The service refused one more while it ran `running` of ours."""
        self.limit = max(1.0, min(self.limit, float(running)))

    def finished(self) -> None:
        """One of ours has ended."""
        self.limit += 1 / max(1.0, self.limit)
