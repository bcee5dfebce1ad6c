"""Which finished files are proved by their digest before they count as there.

Without `durable` a file's bytes may still be in memory when its name and its row are on the
disk. If the machine goes down then, a file of the right length is left that holds zeros. To
read every file at every start would take minutes, so those are read that were finished since
all was last known to be on the disk, and only after the machine has started anew: while it
runs, what was written is there.
"""

from collections.abc import Callable, Iterable
from math import inf

from attrs import define

from dreamina_async._core.ledger import Entry
from dreamina_async._runtime.clock import Clock
from dreamina_async._runtime.journal import Journal

_FACT = "files_proved"

_WRITTEN_BACK = 120.0
"""Seconds after which a system has long brought to the disk what it was given (Linux: 35)."""


@define(eq=False)
class Proof:
    """What is doubted, by when it was saved."""

    journal: Journal
    clock: Clock
    boot: Callable[[], str]
    _this_boot: str = ""
    _doubted_from: float = -inf

    async def begin(self) -> None:
        """Look whether the machine has started anew since everything was in order.

        Raises:
            StorageError: the journal cannot be read.
        """
        self._this_boot = self.boot()
        known = (await self.journal.facts()).get(_FACT)
        if known is None:  # a new folder, or one in which nobody has noted it yet
            self._note(0.0)
            return
        boot, _, until = known.partition(" ")
        self._doubted_from = inf if boot and boot == self._this_boot else _number(until)

    def doubts(self, entry: Entry) -> bool:
        """Whether a crash of the machine may have damaged the job's files."""
        return (inf if entry.saved_at is None else entry.saved_at) >= self._doubted_from < inf

    def given(self, finished: Iterable[Entry]) -> None:
        """All finished jobs' files were looked at, and are whole."""
        if self._doubted_from < inf:
            self._note(max((entry.saved_at or 0.0 for entry in finished), default=0.0))

    def end(self) -> None:
        """The session ends in order, so that hardly anything will have to be read."""
        if self._doubted_from == inf:
            self._note(self.clock.wall() - _WRITTEN_BACK)

    def _note(self, until: float) -> None:
        self._doubted_from = inf
        self.journal.put_fact(_FACT, f"{self._this_boot} {until}")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -inf
