"""What becomes of a job: the outcomes that prompts can be given."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Outcome:
    """What becomes of a job, for the prompts it is given to.

    Attributes:
        ret: Refuse the submit with this code; nothing is charged.
        fail_code: End in failure with this code (protocol notes 6.3).
        fail_message: The text that goes with ``fail_code``, in place of the code's own.
        fail_status: The status number to fail with, one of the numbering's: the official bundle
            has 10, 30, 40 and 100. Without a ``fail_code`` the number alone tells.
        items: Items really produced; fewer than ordered leaves the rest in ``failed_item_list``.
        late_items: So many images are still missing when the others are there.
        late_seconds: How much later these come, at real speed.
        empty_looks: So many status replies show success with an empty ``item_list`` first;
            -1 means it stays empty.
        progressive: Show the items one by one while status is 45, which videos never have.
        queue_seconds: Seconds in the queue before work begins, at real speed.
        run_seconds: Seconds of work, at real speed, in place of those of ``Timing``.
        stuck: The job never ends.
    """

    ret: str | None = None
    fail_code: str | None = None
    fail_message: str = ""
    fail_status: int | None = None
    items: int | None = None
    late_items: int = 0
    late_seconds: float = 60.0
    empty_looks: int = 0
    progressive: bool = False
    queue_seconds: float | None = None
    run_seconds: float | None = None
    stuck: bool = False

    @property
    def fails(self) -> bool:
        """Whether the job ends in failure."""
        return self.fail_code is not None or self.fail_status is not None

    @property
    def fails_empty(self) -> bool:
        """Whether it ends in failure and leaves nothing."""
        return self.fails and not self.items

    @property
    def yields_nothing(self) -> bool:
        """Whether no result is ever shown: success without one is a failure too (AIC, 5.6)."""
        return self.fails_empty or self.items == 0 or self.empty_looks < 0
