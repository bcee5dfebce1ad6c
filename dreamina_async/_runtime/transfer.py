"""One file's bytes: from a media host into a part file of its own, checked on the way.

A transfer that breaks off goes on where it broke off only if the host names the file by a
strong ETag, and answers with just the rest of just this file. Anything else begins anew:
two halves of two files would look whole.
"""

from collections.abc import Callable, Mapping
from contextlib import aclosing
from pathlib import Path

from attrs import define

from dreamina_async._core.backoff import refresh_helps
from dreamina_async._core.media import Piece, piece_of
from dreamina_async._runtime.clock import Clock
from dreamina_async._runtime.sink import Part, Sink, Written
from dreamina_async._runtime.transport import MediaStream, Transport
from dreamina_async.errors import DownloadError, IncompleteDownload, TransportError
from dreamina_async.requests import MediaKind
from dreamina_async.settings import DownloadPolicy

_NEWS_EVERY = 0.25
"""Seconds between two pieces of news of one file."""

_FILES = (200, 206, 416)
"""The answers that speak of a file, of a part of it, or of its length."""

News = Callable[[int, int | None], None]
"""Told the bytes that are there, and those that there will be."""


class Refused(Exception):
    """The media host refused the URL in a way that a fresh signature may mend."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Stalled(IncompleteDownload):
    """Too few bytes came for too long; what did come is good."""


@define(eq=False)
class Transfer:
    """Every attempt at one file; what one leaves, the next may go on with.

    Attributes:
        path: the part file's.
        kind: what is due.
        part: the part file, once there is one.
    """

    transport: Transport
    sink: Sink
    clock: Clock
    policy: DownloadPolicy
    path: Path
    kind: MediaKind
    news: News
    part: Part | None = None
    received: int = 0
    _piece: Piece | None = None

    async def bring(self, url: str) -> Written:
        """Receive the file to its end; then it stands complete in `part`.

        Raises:
            Refused: the host does not take the URL.
            IncompleteDownload: what came is not a whole file of its kind.
            TransportError: the connection broke.
            DownloadError: it is larger than the policy allows.
            StorageError: the disk refuses.
        """
        try:
            headers = self._piece.headers() if self._piece is not None else {}
            async with self.transport.stream(url, headers) as stream:
                size = await self._begin(stream)
                await self._pour(stream, size)
            assert self.part is not None
            return await self.part.finish(size)
        except BaseException:
            if self._piece is None:
                await self.discard()
            raise

    async def discard(self) -> None:
        """Remove the part file, if there is one."""
        part, self.part, self._piece, self.received = self.part, None, None, 0
        if part is not None:
            await part.discard()

    async def _begin(self, stream: MediaStream) -> int | None:
        """Go on with what is there, or make room for the whole; its size, if it is told."""
        piece = self._piece
        if piece is not None and piece.goes_on(stream.status, stream.headers):
            self._piece = None
            return piece.size
        if stream.status in _FILES:  # else nothing is said of the file, and what came stays
            await self.discard()
        if piece is not None and stream.status in (206, 416):
            raise IncompleteDownload("the media host has another file now; beginning anew", "yes")
        size = _announced_size(stream, self._limit)
        self.part = await self.sink.open_part(
            self.path.parent, self.path.name, self.kind, durable=self.policy.durable
        )
        return size

    async def _pour(self, stream: MediaStream, size: int | None) -> None:
        """Gather pieces into blocks: each write is a hop to a thread and back."""
        assert self.part is not None
        meter = _Meter(self.clock.monotonic(), self.policy)
        pieces: list[bytes] = []
        gathered = 0
        broken: TransportError | _Stalled | None = None
        try:
            async with aclosing(stream.pieces()) as body:  # else it outlives a disk that refuses
                async for piece in body:
                    pieces.append(piece)
                    gathered += len(piece)
                    if self.received + gathered > self._limit:
                        raise DownloadError(f"the file is larger than {self._limit} bytes", "yes")
                    if meter.due(self.clock.monotonic(), len(piece)):
                        self.news(self.received + gathered, size)
                    if gathered >= self.policy.block:
                        await self._write(pieces, gathered)
                        pieces, gathered = [], 0
        except (TransportError, _Stalled) as error:
            broken = error
        await self._write(pieces, gathered)
        self.news(self.received, size)
        if broken is not None:
            if self.received >= self.policy.resume_from:
                self._piece = piece_of(self.received, size, stream.headers)
            raise broken

    async def _write(self, pieces: list[bytes], size: int) -> None:
        assert self.part is not None
        if pieces:
            await self.part.write(pieces)
            self.received += size

    @property
    def _limit(self) -> int:
        return self.policy.max_video if self.kind == "video" else self.policy.max_image


def _announced_size(stream: MediaStream, limit: int) -> int | None:
    """Check a media reply's head, and say how many bytes it promises.

    An unsolicited 206 is half a file (`ok` for aiohttp), and an encoded body has another
    length than it announces: both are refused.
    """
    if refresh_helps(stream.status):
        raise Refused(stream.status)
    if stream.status != 200:
        raise TransportError(f"the media host answered with HTTP {stream.status}", "yes")
    _check_encoding(stream.headers)
    text = stream.headers.get("content-length", "")
    size = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
    if size is not None and size > limit:
        raise DownloadError(f"the file has {size} bytes; at most {limit} are taken", "yes")
    return size


def _check_encoding(headers: Mapping[str, str]) -> None:
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise IncompleteDownload("the media host encoded the file although asked not to", "yes")


@define
class _Meter:
    """Notices stalls, and when news are due."""

    started: float
    policy: DownloadPolicy
    _bytes: int = 0
    _told: float = float("-inf")

    def due(self, now: float, received: int) -> bool:
        """Account for bytes; whether an observer should hear of them.

        Raises:
            _Stalled: too few came in the last `stall_after` seconds. A healthy transfer may
                last as long as it likes.
        """
        self._bytes += received
        if now - self.started >= self.policy.stall_after:
            if self._bytes < self.policy.stall_bytes:
                raise _Stalled("the media host sends too slowly; gave up", "yes")
            self.started, self._bytes = now, 0
        if now - self._told < _NEWS_EVERY:
            return False
        self._told = now
        return True
