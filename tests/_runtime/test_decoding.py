"""Replies are read in the loop while they are short, and beside it when they are not."""

import asyncio
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from session_kit import check_result, image, png, settings, world

from dreamina_async import ProtocolError
from dreamina_async._core import reading
from dreamina_async._core.wire import HttpResponse
from dreamina_async._runtime.decoding import INLINE, decoded
from dreamina_async._runtime.transport import AiohttpTransport


def reply(size: int) -> HttpResponse:
    return HttpResponse(200, {}, b"x" * size)


async def test_j6_j15_the_loop_goes_on_while_a_long_reply_is_read() -> None:
    read = threading.Event()

    def decode(_: HttpResponse) -> bool:
        return read.wait(timeout=30)  # nobody but the loop lets it go on

    asyncio.get_running_loop().call_soon(read.set)
    assert await decoded(reply(INLINE + 1), decode)


async def test_a_short_reply_needs_no_thread() -> None:
    assert await decoded(reply(INLINE), lambda _: threading.current_thread()) is (
        threading.current_thread()
    )


@pytest.mark.parametrize("size", [1, INLINE + 1])
async def test_what_cannot_be_read_is_said_by_either(size: int) -> None:
    def decode(one: HttpResponse) -> object:
        return reading.read_json(one.body)

    with pytest.raises(ProtocolError):
        await decoded(reply(size), decode)


async def test_a_cancelled_reader_waits_for_the_thread() -> None:
    started, read, ended = threading.Event(), threading.Event(), threading.Event()

    def decode(_: HttpResponse) -> None:
        started.set()
        read.wait(timeout=30)
        ended.set()

    task = asyncio.create_task(decoded(reply(INLINE + 1), decode))
    await asyncio.get_running_loop().run_in_executor(None, started.wait)
    task.cancel()
    asyncio.get_running_loop().call_soon(read.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_no_long_reply_of_a_session_is_read_in_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither to a submit, to a look, to an upload nor to a question."""
    here, beside = set[str](), set[str]()

    def noted(text: str) -> None:
        if len(text) > INLINE:
            place = here if threading.current_thread() is threading.main_thread() else beside
            place.update(names_of_the_callers())

    async def padded(self: Any, *arguments: Any, **options: Any) -> HttpResponse:
        response = await exchange(self, *arguments, **options)
        body = response.body.replace(b"{", b"{" + b" " * INLINE, 1)
        return HttpResponse(response.status, response.headers, body)

    exchange = AiohttpTransport._exchange
    monkeypatch.setattr(AiohttpTransport, "_exchange", padded)
    monkeypatch.setattr(reading, "_check_size", noted)
    async with world(tmp_path, rules=settings()) as (emulator, session):
        check_result(emulator, await session.generate(image(references=[png()])))
        await session.credits()
    assert not here
    assert {"decode_submit", "decode_status", "decode_bytes", "decode_credits"} <= beside


def names_of_the_callers() -> set[str]:
    frame, names = sys._getframe(), set[str]()
    while frame is not None:
        names.add(frame.f_code.co_name)
        frame = frame.f_back  # type: ignore[assignment]
    return names
