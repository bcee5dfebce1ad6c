"""Brings images to the service, each content once in a session.

An upload is free, so every step of it may be repeated; only what the service says no to may
not. It belongs to the session and not to whoever asked first: others may wait for it, too.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from copy import copy
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TypeVar

from attrs import define, evolve, field, frozen

from dreamina_async._core.backoff import backoff_after
from dreamina_async._core.picture import FORMATS, Picture, picture_of
from dreamina_async._core.profile import Caller
from dreamina_async._core.upload import (
    Place,
    UploadToken,
    decode_apply,
    decode_bytes,
    decode_commit,
    decode_token,
    encode_apply,
    encode_bytes,
    encode_commit,
    encode_token,
    rejected,
    token_refused,
    worth_repeating,
)
from dreamina_async._core.wire import HttpRequest, HttpResponse
from dreamina_async._runtime.clock import Clock
from dreamina_async._runtime.decoding import decoded
from dreamina_async._runtime.files import Files, ImageChanged
from dreamina_async._runtime.finishing import gathered, settled
from dreamina_async._runtime.log import extras, log
from dreamina_async._runtime.pace import Pace
from dreamina_async._runtime.poller import Spawn
from dreamina_async._runtime.transport import Transport
from dreamina_async.errors import (
    ApiError,
    DreaminaError,
    InvalidRequest,
    SessionClosed,
)
from dreamina_async.images import Image, ImageData, ImageRef
from dreamina_async.requests import MediaKind, Request
from dreamina_async.settings import Settings

T = TypeVar("T")


_AT_ONCE = 3
"""Images that are read, and images that are uploaded, at the same time."""

_BLOCK = 256 << 10

_FIELDS: dict[MediaKind, tuple[str, ...]] = {
    "image": ("references",),
    "video": ("first_frame", "last_frame"),
}


@frozen
class _Source:
    """An image that has been looked at, and where its bytes are to be read again."""

    picture: Picture
    origin: Path | bytes = field(repr=False)
    field: str


@define(eq=False)
class Uploader:
    """Owns the upload token, and what has been uploaded in this session."""

    transport: Transport
    files: Files
    caller: Caller
    clock: Clock
    settings: Settings
    pace: Pace
    spawn: Spawn
    _readers: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(_AT_ONCE))
    """Not the slots of the uploads: what is there already need not wait for a slow host."""
    _slots: asyncio.Semaphore = field(factory=lambda: asyncio.Semaphore(_AT_ONCE))
    _uploads: dict[str, "asyncio.Future[ImageRef]"] = field(factory=dict)
    """By SHA-256; those that failed are forgotten."""
    _known_token: UploadToken | None = None
    _asking: asyncio.Lock = field(factory=asyncio.Lock)
    _closed: DreaminaError | None = None

    async def upload(self, image: Image, field: str = "references") -> ImageRef:
        """The service's name for an image; its bytes are sent if they have not been yet.

        Args:
            image: an upload's result is returned as it is.
            field: the argument it was given as, for the errors about it.

        Raises:
            InvalidRequest: it is no image, cannot be read, or changes all the time.
            DreaminaError: the service does not take it, or cannot be reached; nothing is
                charged.
        """
        if isinstance(image, ImageRef):
            return image
        try:
            return await self._once(await self._look_at(image, field))
        except ImageChanged:
            pass  # it may be whole by now, and then is another one
        try:
            return await self._once(await self._look_at(image, field))
        except ImageChanged as error:
            raise InvalidRequest(error.message, field=field) from None

    async def upload_all(self, request: Request) -> tuple[ImageRef, ...]:
        """A request's images, side by side; their names at the service in the same order.

        Raises:
            DreaminaError: one of them cannot be uploaded.
        """
        names = cycle(_FIELDS[request.kind])
        works = [
            self.upload(image, name) for image, name in zip(request.images, names, strict=False)
        ]
        return tuple(await gathered(works))

    def close(self, error: DreaminaError) -> None:
        """Nothing more is uploaded; everybody who waits hears why."""
        self._closed = error
        for outcome in self._uploads.values():
            if not outcome.done():
                _fail(outcome, error)

    def _check_open(self) -> None:
        if self._closed is not None:
            raise copy(self._closed)

    async def _look_at(self, image: ImageData | Path, field: str) -> _Source:
        async with self._readers:
            self._check_open()
            if isinstance(image, Path):
                return _Source(await self.files.read_image(image, field), image, field)
            return await self._look_at_bytes(image, field)

    async def _look_at_bytes(self, image: ImageData, field: str) -> _Source:
        if image.content is None:
            raise InvalidRequest(
                "the journal keeps only the digest of an image given as bytes; give the image "
                "again",
                field=field,
            )
        picture = await self.files.run(picture_of, image.content)
        if not picture.format:
            raise InvalidRequest(
                "the bytes are no image, by the first of them; give those of an image file",
                field=field,
                allowed=FORMATS,
            )
        return _Source(picture, image.content, field)

    async def _once(self, source: _Source) -> ImageRef:
        self._check_open()
        key = source.picture.sha256
        outcome = self._uploads.get(key)
        if outcome is None:
            outcome = self._uploads[key] = asyncio.get_running_loop().create_future()
            self.spawn(self._carry, source, outcome)
        try:
            return await settled(outcome)
        except DreaminaError as error:
            raise copy(error) from None  # several may wait for the same one

    async def _carry(self, source: _Source, outcome: "asyncio.Future[ImageRef]") -> None:
        """One upload, in the session's group; whatever becomes of it, its waiters hear."""
        error: DreaminaError = SessionClosed("the session ended before the image was uploaded")
        try:
            async with self._slots:
                ref = await self._bring(source)
            if not outcome.done():
                outcome.set_result(ref)
        except DreaminaError as failure:
            error = evolve(failure, charged="no")
        finally:
            if not outcome.done():
                del self._uploads[source.picture.sha256]  # the next who asks tries anew
                _fail(outcome, error)

    # ---- the four steps ----------------------------------------------------------------

    async def _bring(self, source: _Source) -> ImageRef:
        """Apply, send, commit; a place that does not take the image is given up, once."""
        try:
            return await self._deliver(await self._apply(source), source)
        except _Rejected as refusal:
            log.info(
                "upload: %s; asking for another place", refusal.error, extra=extras(refusal.error)
            )
        try:
            return await self._deliver(await self._apply(source), source)
        except _Rejected as refusal:
            raise refusal.error from None

    async def _apply(self, source: _Source) -> Place:
        return await self._signed(
            lambda token, now: encode_apply(token, source.picture, self.caller, now), decode_apply
        )

    async def _deliver(self, place: Place, source: _Source) -> ImageRef:
        await self._send_bytes(place, source)
        try:
            return await self._signed(
                lambda token, now: encode_commit(token, place, self.caller, now),
                lambda response, now: decode_commit(response, source.picture, now),
            )
        except ApiError as error:
            if type(error) is not ApiError:
                raise
            # perhaps only because it was said twice, and the first reply was lost
            raise _Rejected(error) from None

    async def _send_bytes(self, place: Place, source: _Source) -> None:
        """A host that refuses gets no second turn, one in trouble does.

        Raises:
            _Rejected: every host refuses.
        """
        hosts = deque(place.hosts)
        attempt = 0
        self.pace.attempt(again=False)
        while True:
            attempt += 1
            try:
                return await self._send_to(hosts[0], place, source)
            except DreaminaError as error:
                if rejected(error):
                    hosts.popleft()
                    if not hosts:
                        raise _Rejected(error) from None
                else:
                    await self._back_off(error, source.picture.sha256, attempt)
                    hosts.rotate(-1)

    async def _send_to(self, host: str, place: Place, source: _Source) -> None:
        request = encode_bytes(place, host, source.picture, self.caller)
        async with aclosing(self._blocks(source)) as blocks:
            response = await self.transport.upload(request, blocks, source.picture.size)
        now = self.clock.wall()
        await decoded(response, lambda one: decode_bytes(one, source.picture, now))

    def _blocks(self, source: _Source) -> AsyncGenerator[bytes, None]:
        if isinstance(source.origin, bytes):
            return _slices(source.origin)
        return self.files.image_blocks(source.origin, source.picture, source.field)

    # ---- calls -------------------------------------------------------------------------

    async def _signed(
        self,
        encode: Callable[[UploadToken, float], HttpRequest],
        decode: Callable[[HttpResponse, float], T],
    ) -> T:
        """One call of ImageX; a token that is not taken is replaced, once."""
        token = await self._token()
        try:
            return await self._call(partial(encode, token), decode)
        except ApiError as error:
            if not token_refused(error):
                raise
            log.info("upload: %s; asking for another token", error, extra=extras(error))
        if self._known_token is token:  # else somebody has replaced it already
            self._known_token = None
        return await self._call(partial(encode, await self._token()), decode)

    async def _token(self) -> UploadToken:
        async with self._asking:
            token = self._known_token
            if token is None or token.good_until <= self.clock.wall():
                token = self._known_token = await self._call(
                    partial(encode_token, self.caller),
                    lambda response, now: decode_token(response, self.caller, now),
                )
            return token

    async def _exchange(
        self, request: HttpRequest, decode: Callable[[HttpResponse, float], T]
    ) -> T:
        response = await self.transport.send(request)
        now = self.clock.wall()
        return await decoded(response, lambda one: decode(one, now))

    async def _call(
        self,
        encode: Callable[[float], HttpRequest],
        decode: Callable[[HttpResponse, float], T],
    ) -> T:
        attempt = 0
        self.pace.attempt(again=False)
        while True:
            attempt += 1
            request = encode(self.clock.wall())  # signed anew: the time is part of it
            try:
                return await self._exchange(request, decode)
            except DreaminaError as error:
                await self._back_off(error, request.path, attempt)

    async def _back_off(self, error: DreaminaError, key: str, attempt: int) -> None:
        """Wait for another try; raises the error where none would help, or is left."""
        policy = self.settings.retrying
        if not worth_repeating(error) or attempt >= policy.attempts:
            raise error
        pause = backoff_after(error, key, attempt, policy)
        log.info("upload: %s; trying again", error, extra=extras(error, wait=pause))
        await self.pace.before_retry(pause)


class _Rejected(Exception):
    """This place does not take the image; another one may."""

    def __init__(self, error: DreaminaError) -> None:
        super().__init__(error)
        self.error = error


def _fail(outcome: "asyncio.Future[ImageRef]", error: DreaminaError) -> None:
    outcome.set_exception(error)
    outcome.exception()  # perhaps nobody waits any more


async def _slices(content: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(content), _BLOCK):
        yield content[start : start + _BLOCK]
