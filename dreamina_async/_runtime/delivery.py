"""What is known of the files of one job while they are on their way."""

from urllib.parse import urlsplit

from attrs import define, field

from dreamina_async._core.choice import Choice
from dreamina_async._core.ledger import Entry
from dreamina_async._core.media import expires_at
from dreamina_async._runtime.transfer import Transfer
from dreamina_async.models import MediaItem


@define(eq=False)
class Delivery:
    """One go at a job's files. The first that fails ends it; `resume` begins another."""

    entry: Entry
    uris: frozenset[str] = frozenset()
    """What the record calls the job's results now."""
    left: int = 0
    ended: bool = False


@define(eq=False)
class DueFile:
    """One file on its way."""

    delivery: Delivery
    index: int
    item: MediaItem
    received_at: float
    choice: Choice = field(factory=Choice)
    refreshes: int = 0
    attempt: int = 0
    tried: bool = False
    aside: bool = False
    """Whether it waits, or waited until now, for a host that could not be reached."""
    waits_since: float | None = None
    """Since when nothing arrives for it."""
    transfer: Transfer | None = None
    """What has come of it, while it waits aside."""
    doubted: str = ""
    """Digest of what came last and did not fit the record."""
    doubts: int = 0
    """How often just that has come."""

    @property
    def entry(self) -> Entry:
        return self.delivery.entry

    @property
    def url(self) -> str:
        return self.item.urls[self.choice.rendition]

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def expiry(self) -> float:
        return expires_at(self.url, self.received_at)
