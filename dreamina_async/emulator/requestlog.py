"""The log of received requests, for tests to assert on; bounded, readable from any thread."""

from __future__ import annotations

import threading
from collections import Counter, deque
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# The real ones live on other hosts than the account's, even where they share a port here.
_STRANGERS = frozenset({"media", "upload", "apply", "commit"})


@attrs.frozen(kw_only=True)
class ReceivedRequest:
    """One request as it arrived and what became of it.

    ``started_at`` and ``ended_at`` are instants of the emulator's loop clock. ``status`` is 0 when
    no reply was sent. ``query`` shows the parameters without the opaque ones.
    """

    where: str
    method: str
    path: str
    started_at: float
    ended_at: float
    status: int
    ret: str
    ids: tuple[str, ...]
    account: str
    had_cookie: bool
    had_sign: bool
    range: str
    referer: str
    user_agent: str
    query: Mapping[str, str] = attrs.field(repr=False)
    fault: str
    bytes_sent: int

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended_at - self.started_at


class RequestLog:
    """The requests that have ended, oldest first."""

    def __init__(self, size: int) -> None:
        self._entries: deque[ReceivedRequest] = deque(maxlen=size)
        self._counts: Counter[str] = Counter()
        self._begun: Counter[str] = Counter()
        self._running: Counter[str] = Counter()
        self._peak: Counter[str] = Counter()
        self._batch_sizes: Counter[int] = Counter()
        self._media_cookies = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[ReceivedRequest]:
        return iter(self.to())

    def __repr__(self) -> str:
        return f"<RequestLog {dict(self.counts)}>"

    def to(self, where: str | None = None) -> tuple[ReceivedRequest, ...]:
        """Give the requests to one endpoint, or all."""
        with self._lock:
            entries = tuple(self._entries)
        return tuple(entry for entry in entries if where in (None, entry.where))

    @property
    def counts(self) -> dict[str, int]:
        """How many requests each endpoint has answered since the start."""
        with self._lock:
            return dict(self._counts)

    @property
    def peaks(self) -> dict[str, int]:
        """The most requests each endpoint had in hand at one time."""
        with self._lock:
            return dict(self._peak)

    @property
    def batch_sizes(self) -> dict[int, int]:
        """How many status calls carried how many ids, since the start."""
        with self._lock:
            return dict(self._batch_sizes)

    @property
    def batches(self) -> tuple[tuple[str, ...], ...]:
        """The ids of each status call."""
        return tuple(entry.ids for entry in self.to("history"))

    @property
    def media_cookies(self) -> int:
        """How many requests to strangers' hosts carried a cookie since the start.

        It should be none: media, the bytes of uploads and the ImageX calls have hosts of their own.
        """
        return self._media_cookies

    def busiest(self, where: str, seconds: float) -> int:
        """Give the most requests to an endpoint that began within a window of that length."""
        begun = sorted(entry.started_at for entry in self.to(where))
        first = most = 0
        for last, moment in enumerate(begun):
            while moment - begun[first] >= seconds:
                first += 1
            most = max(most, last - first + 1)
        return most

    def begin(self, where: str) -> int:
        """Note that a request is in hand; give its number among those to this endpoint."""
        with self._lock:
            self._running[where] += 1
            self._peak[where] = max(self._peak[where], self._running[where])
            self._begun[where] += 1
            return self._begun[where]

    def end(self, entry: ReceivedRequest) -> None:
        """Note how a request ended."""
        with self._lock:
            self._running[entry.where] -= 1
            self._counts[entry.where] += 1
            self._entries.append(entry)
            if entry.where == "history":
                self._batch_sizes[len(entry.ids)] += 1
            elif entry.where in _STRANGERS:
                self._media_cookies += entry.had_cookie
