"""Room for the results, looked at before a submit spends money.

What was paid for must find room when it comes home, so every job that may still bring files
counts with the room that it may need. This is a forecast: a disk that fills up all the same
is told when a file is written.
"""

from attrs import frozen

from dreamina_async._core.ledger import Entry
from dreamina_async._runtime.files import Files
from dreamina_async._runtime.jobs import Jobs
from dreamina_async.errors import StorageError
from dreamina_async.models import JobState

JOB_BYTES = 32 << 20
"""For one job: four images of 2.9 MB, or a video of 5 to 15 MB, were seen (protocol notes 8)."""

_COMING = [state for state in JobState if state.owed and not state.terminal]


@frozen(eq=False)
class Room:
    """The file system of the output folder, and what is still to come there."""

    files: Files
    jobs: Jobs
    reserve: bool

    async def look(self) -> int | None:
        """Bytes that are free; None where nobody can tell, or wants to know."""
        if not self.reserve:
            return None
        try:
            return await self.files.run(self.files.disk.free, self.jobs.root)
        except OSError:  # whatever it is, the journal's next write tells it better
            return None

    def check(self, entry: Entry, free: int | None) -> None:
        """Refuse to send a job whose files may find no room.

        Args:
            entry: the job.
            free: what `look` has just said.

        Raises:
            StorageError: there is less room than the jobs on their way may need.
        """
        counts = self.jobs.ledger.counts()
        coming = sum(counts.get(state, 0) for state in _COMING) + (entry.state not in _COMING)
        needed = coming * JOB_BYTES
        if free is not None and free < needed:
            raise StorageError(
                f"{_mib(free)} are free, and the files of {coming} jobs may need {_mib(needed)}: "
                "make room, choose another folder, or set DownloadPolicy(reserve=False)",
                path=str(self.jobs.root),
            )


def _mib(size: int) -> str:
    return f"{size >> 20} MiB"
