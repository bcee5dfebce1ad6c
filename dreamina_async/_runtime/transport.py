"""The HTTP door. aiohttp appears here and nowhere else.

Two sessions that know nothing of each other: one carries the login and talks to the API
hosts alone, never following a redirect; the other talks to hosts that replies name, fetching
media and uploading images, and has no cookie, no login and no memory. A shared session would
hand the cookie to the media hosts.
"""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import MappingProxyType, TracebackType
from typing import Protocol, Self
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import AbstractResolver, AbstractStreamWriter, ResolveResult
from aiohttp.resolver import ThreadedResolver
from attrs import frozen
from yarl import URL

from dreamina_async._core.media import MEDIA_HOSTS, check_media_url, is_public_address
from dreamina_async._core.profile import is_loopback
from dreamina_async._core.upload import check_upload_url
from dreamina_async._core.wire import HttpRequest, HttpResponse
from dreamina_async._runtime.finishing import to_completion
from dreamina_async.errors import DreaminaError, ProtocolError, TransportError, TransportTimeout
from dreamina_async.settings import Settings

MAX_REPLY = 8 << 20
"""Bytes of an API reply after decompression; ten finished records are a third of a MiB."""

_SLOWEST_REPLY = 5
"""How many times the silence it is allowed an API reply may take, or the head of a media reply:
aiohttp's timer for silence begins anew with every byte, also with those that say nothing."""

_MAX_HOPS = 3
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class MediaStream(Protocol):
    """One media reply whose body is still to come."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers by lower-case name."""
        ...

    def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body, in the pieces in which it arrives."""
        ...


class Transport(Protocol):
    """What the rest of the package knows about HTTP."""

    async def send(
        self, request: HttpRequest, announce: Callable[[], None] | None = None
    ) -> HttpResponse:
        """One API call; the reply is complete or there is none.

        Args:
            request: what to send.
            announce: called right before the first byte leaves; what it raises is raised,
                and then nothing has left.
        """
        ...

    async def upload(
        self, request: HttpRequest, body: AsyncIterable[bytes], size: int
    ) -> HttpResponse:
        """One upload, to a host that a reply named.

        Args:
            request: what to send before the body; its own body is not sent.
            body: what it raises is raised; it is no longer used when this returns.
            size: bytes in it.
        """
        ...

    def stream(
        self, url: str, headers: Mapping[str, str] = _NO_HEADERS
    ) -> AbstractAsyncContextManager[MediaStream]:
        """One media fetch, with headers of its own such as Range."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class WrappedTransport:
    """A transport around another one; what it does not say itself, that one does."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def send(
        self, request: HttpRequest, announce: Callable[[], None] | None = None
    ) -> HttpResponse:
        return await self._transport.send(request, announce)

    async def upload(
        self, request: HttpRequest, body: AsyncIterable[bytes], size: int
    ) -> HttpResponse:
        return await self._transport.upload(request, body, size)

    def stream(
        self, url: str, headers: Mapping[str, str] = _NO_HEADERS
    ) -> AbstractAsyncContextManager[MediaStream]:
        return self._transport.stream(url, headers)

    async def aclose(self) -> None:
        await self._transport.aclose()


class _ReplyTimer:
    """Ends a call whose reply takes too long; runs from when its request has left.

    From no earlier on: the wait for a place in the pool is nobody's fault.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._limit = asyncio.timeout(None)
        self._over = False

    async def __aenter__(self) -> Self:
        await self._limit.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over = True
        await self._limit.__aexit__(kind, error, trace)

    def start(self) -> None:
        """The request has left; or once more, as aiohttp repeats a GET by itself."""
        if not self._over and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time() + self._seconds)


class _AnnouncedBody(aiohttp.BytesPayload):
    """A request body that says when it is about to leave.

    aiohttp writes the headers together with the first bytes of the body, in a task of its
    own, once a connection is there; nothing earlier is as close to the first byte.
    """

    def __init__(
        self, body: bytes, timer: _ReplyTimer, announce: Callable[[], None] | None
    ) -> None:
        super().__init__(body)
        self._timer = timer
        self._announce = announce
        self.refusal: DreaminaError | None = None
        self.left = False

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        if self._announce is not None:
            try:
                self._announce()
            except DreaminaError as error:
                self.refusal = error
                raise
        self.left = True
        self._timer.start()
        await super().write_with_length(writer, content_length)


class _StreamedBody(aiohttp.Payload):
    """A request body of known length that comes block by block.

    aiohttp writes it in a task of its own, which may still read when the reply is there.

    Attributes:
        at_rest: nobody reads from the blocks.
    """

    def __init__(
        self, blocks: AsyncIterable[bytes], size: int, timer: _ReplyTimer, patience: float
    ) -> None:
        super().__init__(blocks)
        self._blocks = blocks
        self._length = size
        self._timer = timer
        self._patience = patience
        self.refusal: DreaminaError | None = None
        self.at_rest = asyncio.Event()
        self.at_rest.set()

    @property
    def size(self) -> int:
        return self._length

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise TypeError("a body that is read once is not shown")

    async def write(self, writer: AbstractStreamWriter) -> None:
        self.at_rest.clear()
        try:
            async for block in self._blocks:
                # the timer for silence begins after the body only
                async with asyncio.timeout(self._patience):
                    await writer.write(block)
            self._timer.start()
        except DreaminaError as error:
            self.refusal = error
            raise
        finally:
            self.at_rest.set()


@frozen
class _AiohttpStream:
    status: int
    headers: Mapping[str, str]
    _content: aiohttp.StreamReader

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        failure: DreaminaError | None = None
        try:
            # as they came, no joining and no splitting: the writer gathers them
            async for piece, _ in self._content.iter_chunks():
                yield piece
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            failure = _translated(error)
        if failure is not None:
            raise failure


class _Resolver(AbstractResolver):
    """Resolves names, and not for ever: aiohttp's timer for connecting begins after that."""

    def __init__(self, patience: float) -> None:
        self._inner = ThreadedResolver()
        self._patience = patience

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        try:
            async with asyncio.timeout(self._patience):
                return await self._inner.resolve(host, port, family)
        except TimeoutError:
            raise OSError("no answer from the name service in time") from None

    async def close(self) -> None:
        await self._inner.close()


class _NotPublic(OSError):
    """A name leads into a private network."""


class Untrusted(TransportError):
    """A media host was found and is not to be trusted: no wait will mend that."""

    @classmethod
    def of(cls, error: Exception) -> Self | None:
        """The error for a bad certificate or a private address; None for any other."""
        private = isinstance(getattr(error, "os_error", None), _NotPublic)
        if private or isinstance(error, aiohttp.ClientConnectorCertificateError):
            return cls(_words(error), "no", sent=False)
        return None


class _PublicOnlyResolver(_Resolver):
    """Refuses what leads into a private network.

    The check stands at the address that is about to be connected to, so a name that changes
    its mind between check and use gains nothing.
    """

    def __init__(self, patience: float, *, loopback: bool) -> None:
        super().__init__(patience)
        self._loopback = loopback

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        allowed = [one for one in found if self._allows(host, one["host"])]
        if not allowed:
            raise _NotPublic(f"{host} resolves to no public address")
        return allowed

    def _allows(self, host: str, address: str) -> bool:
        return is_public_address(address) or (self._loopback and is_loopback(host))


class AiohttpTransport:
    """The door as it is in earnest. Make it inside a running loop."""

    def __init__(self, settings: Settings, *, loopback: bool) -> None:
        self._loopback = loopback
        self._hosts = (*MEDIA_HOSTS, *settings.downloading.hosts)
        self._patience = settings.read_timeout
        self._longest = _SLOWEST_REPLY * settings.read_timeout
        # no `total`: it would count the wait for a pool slot, and cut long videos
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=settings.connect_timeout, sock_read=settings.read_timeout
        )
        # a service on this machine is on no other side of any proxy
        proxy = settings.proxy.reveal_url() if settings.proxy and not loopback else None
        connect = settings.connect_timeout
        # through a proxy, its own name is the only one that is resolved here
        media_resolver = (
            _Resolver(connect) if proxy else _PublicOnlyResolver(connect, loopback=loopback)
        )
        self._api = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=settings.submits + 8,
                keepalive_timeout=15,
                resolver=_Resolver(connect),
            ),
            proxy=proxy,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=timeout,
            trust_env=False,
        )
        self._media = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=settings.downloading.parallel + 4,
                keepalive_timeout=15,
                resolver=media_resolver,
            ),
            proxy=proxy,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=timeout,
            trust_env=False,
            # as the bytes are: a decompressed body has another length than announced
            auto_decompress=False,
            headers={"Accept-Encoding": "identity", "Accept": "*/*"},
        )

    async def send(
        self, request: HttpRequest, announce: Callable[[], None] | None = None
    ) -> HttpResponse:
        failure: DreaminaError
        timer = _ReplyTimer(self._longest)
        body = _AnnouncedBody(request.body, timer, announce)
        try:
            async with timer:
                return await self._exchange(self._api, request, body)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            # on the way to a connection, through a proxy or TLS, nothing of it has left
            failure = body.refusal or _translated(error, sent=body.left)
        # raised outside the `except`: aiohttp's errors show the request's headers in their
        # repr, the cookie among them, and must not hang on ours as a cause
        raise failure

    async def _exchange(
        self, session: aiohttp.ClientSession, request: HttpRequest, body: aiohttp.Payload
    ) -> HttpResponse:
        async with session.request(
            request.method,
            URL(request.url, encoded=True),
            data=body,
            headers=request.headers,
            allow_redirects=False,
        ) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            content = await _read_capped(response, headers.get("x-tt-logid"))
            return HttpResponse(response.status, headers, content)

    async def upload(
        self, request: HttpRequest, body: AsyncIterable[bytes], size: int
    ) -> HttpResponse:
        check_upload_url(request.url, loopback=self._loopback, hosts=self._hosts)
        failure: DreaminaError
        timer = _ReplyTimer(self._longest)
        streamed = _StreamedBody(body, size, timer, self._patience)
        try:
            async with timer:
                return await self._exchange(self._media, request, streamed)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            failure = streamed.refusal or _translated(error)
        finally:
            await to_completion(streamed.at_rest.wait())
        raise failure  # outside the `except`, as above

    @asynccontextmanager
    async def stream(
        self, url: str, headers: Mapping[str, str] = _NO_HEADERS
    ) -> AsyncGenerator[MediaStream, None]:
        response = await self._follow(url, headers)
        try:
            named = {name.lower(): value for name, value in response.headers.items()}
            yield _AiohttpStream(response.status, named, response.content)
        finally:
            # an unread body makes the connection unusable: close, do not release
            response.close()

    async def _follow(self, url: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        """Fetch, following a few redirects by hand so that each target is checked."""
        for _ in range(_MAX_HOPS + 1):
            check_media_url(url, loopback=self._loopback, hosts=self._hosts)
            response = await self._get(url, headers)
            if response.status not in _REDIRECTS or "Location" not in response.headers:
                return response
            location = response.headers["Location"]
            response.close()
            url = _joined(url, location)
        raise ProtocolError("the media URL redirects too often", "yes")

    async def _get(self, url: str, headers: Mapping[str, str]) -> aiohttp.ClientResponse:
        failure: DreaminaError
        try:
            # nobody waits for a place in this pool; the body's pace is the caller's to judge
            async with asyncio.timeout(self._longest):
                # `encoded=True`: yarl would rewrite %2F and %7E, and the signature with them
                return await self._media.get(
                    URL(url, encoded=True), headers=headers, allow_redirects=False
                )
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            failure = Untrusted.of(error) or _translated(error)
        raise failure

    async def aclose(self) -> None:
        try:
            await self._api.close()
        finally:  # a loop that is torn down cancels this; both are to be closed
            await self._media.close()
        # TLS connections finish closing in the loop's next turns
        await asyncio.sleep(0)


async def _read_capped(response: aiohttp.ClientResponse, logid: str | None) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > MAX_REPLY:
            response.close()
            raise ProtocolError(
                f"the reply is longer than {MAX_REPLY} bytes",
                "unknown",
                status=response.status,
                logid=logid,
            )
        pieces.append(piece)
    return b"".join(pieces)


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise ProtocolError("the media URL redirects to what is not a URL", "yes") from None


_NOT_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
)


def _translated(error: Exception, *, sent: bool = True) -> DreaminaError:
    """One of ours, with the kind of trouble in words and nothing of the request in it."""
    sent = sent and not isinstance(error, _NOT_SENT)
    if isinstance(error, DreaminaError):
        return error
    if isinstance(error, TimeoutError):
        message = "no reply in time" if sent else "no connection in time"
        return TransportTimeout(message, "unknown" if sent else "no", sent=sent)
    return TransportError(_words(error), "unknown" if sent else "no", sent=sent)


def _words(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"the certificate of {error.host} is not valid"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy refuses the way with status {error.status}"
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"cannot connect to the proxy: {_reason(error.os_error)}"
    if isinstance(error, aiohttp.ClientConnectorError):
        host = f"[{error.host}]" if ":" in error.host else error.host
        return f"cannot connect to {host}:{error.port}: {_reason(error.os_error)}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed the connection before it replied"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the connection broke in the middle of the reply"
    if isinstance(error, aiohttp.ClientResponseError):
        # its status is invented by aiohttp (400): the server said nothing of the kind
        return "the reply is not valid HTTP"
    return f"the connection failed ({type(error).__name__})"


def _reason(error: OSError) -> str:
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)  # asyncio's own text is the address once more
    return error.strerror or str(error) or type(error).__name__
