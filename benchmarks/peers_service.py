"""The emulator in a process of its own, and what its book says, for `peers` and `sockets`."""

import asyncio
import logging
import multiprocessing
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from attrs import frozen

from dreamina_async.emulator import Emulator

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


@frozen
class Charge:
    """One paid job: instants by the wall clock, digests of the files it makes."""

    prompt: str
    submit_id: str
    history_id: str
    at: float
    files: tuple[str, ...]


@frozen
class Call:
    """One request as it arrived."""

    where: str
    at: float
    ids: tuple[str, ...]


@frozen
class Book:
    """Everything that the service saw."""

    charges: tuple[Charge, ...]
    calls: tuple[Call, ...]

    def to(self, where: str) -> list[Call]:
        return [call for call in self.calls if call.where == where]


@frozen
class Service:
    """A running emulator, seen from outside."""

    base_url: str
    _door: "Connection[Any, Any]"

    def book(self) -> Book:
        self._door.send("book")
        book: Book = self._door.recv()
        return book

    def answered(self, where: str) -> int:
        """How many requests to an endpoint have been answered."""
        self._door.send(where)
        number: int = self._door.recv()
        return number


@contextmanager
def service(**options: Any) -> Iterator[Service]:
    """Run an emulator with these options until the block is left."""
    fresh = multiprocessing.get_context("spawn")
    ours, theirs = fresh.Pipe()
    process = fresh.Process(target=_serve, args=(theirs, options), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Service(ours.recv(), ours)
    finally:
        ours.close()  # it ends when nobody is left to ask
        process.join(5)
        process.kill()
        process.join()


def _serve(door: "Connection[Any, Any]", options: dict[str, Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started us
    logging.disable()  # aiohttp shows a traceback for every client that was killed
    asyncio.run(_answer(door, options))


async def _answer(door: "Connection[Any, Any]", options: dict[str, Any]) -> None:
    async with Emulator(**options) as emulator:
        door.send(emulator.base_url)
        while True:
            try:
                asked = await asyncio.to_thread(door.recv)
            except EOFError:
                return
            counts = emulator.requests.counts
            door.send(_book(emulator) if asked == "book" else counts.get(asked, 0))


def _book(emulator: Emulator) -> Book:
    # requests are logged by the loop's clock, charges by the wall's
    ahead = time.time() - asyncio.get_running_loop().time()
    charges = tuple(
        Charge(
            prompt=one.prompt,
            submit_id=one.submit_id,
            history_id=one.history_id,
            at=one.charged_at,
            files=tuple(file.sha256 for file in emulator.media(one.submit_id)),
        )
        for one in emulator.ledger
    )
    calls = (Call(one.where, one.started_at + ahead, one.ids) for one in emulator.requests)
    return Book(charges, tuple(sorted(calls, key=lambda call: call.at)))
