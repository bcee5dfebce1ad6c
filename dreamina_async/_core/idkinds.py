"""Which of a job's two ids to ask by: history ids (S0, S2, S4) or submit ids (S1, S3).

Both work at the real service (CAT). Where one does not, the reply is empty or the call is
refused; so the kind is learnt, and every second look at an absent job asks by the other.
"""

from attrs import define, field

from dreamina_async._core.encode import IdKind
from dreamina_async._core.ledger import Entry


def other_kind(kind: IdKind) -> IdKind:
    """The other one of the two."""
    return "submit" if kind == "history" else "history"


def has_both(entry: Entry) -> bool:
    """Whether a job can be asked for by either id."""
    return entry.history_id is not None and entry.submit_id is not None


@define
class IdKinds:
    """What a session has learnt about the service's taste in ids."""

    preferred: IdKind = "history"
    _work: set[IdKind] = field(factory=set[IdKind])
    _refused: set[IdKind] = field(factory=set[IdKind])
    _doubtful: set[str] = field(factory=set[str])
    """Jobs whose history id another job's reply has named, too: either may be wrong (S22)."""

    def choose(self, entry: Entry, *, other: bool = False) -> IdKind:
        """The kind to ask by; the `other` one where there is a choice."""
        if not has_both(entry):
            return "submit" if entry.history_id is None else "history"
        # of those that came through MCP, S1 tells of the submit id only
        by_submit = entry.by_mcp or entry.job_id in self._doubtful
        usual: IdKind = "submit" if by_submit else self.preferred
        return other_kind(usual) if other else usual

    def doubt(self, entry: Entry) -> None:
        """Ask for this job by its submit id first: that one is our own."""
        self._doubtful.add(entry.job_id)

    def answered(self, kind: IdKind) -> None:
        """A job with both ids was found by this kind."""
        self._work.add(kind)
        if self.preferred not in self._work:
            self.preferred = kind

    def refused(self, kind: IdKind) -> bool:
        """A whole call was refused; whether to try its jobs by their other ids first.

        Else one of the ids is to blame.
        """
        self._refused.add(kind)
        return kind not in self._work and other_kind(kind) not in self._refused
