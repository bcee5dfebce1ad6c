"""Stopping work: politely the first time, for good the second."""

import asyncio
import os
import signal

import pytest

from dreamina_async.cli import signals
from dreamina_async.cli.signals import Interrupted, Stopper

pytestmark = pytest.mark.anyio


class Told(list):
    def stopper(self):
        return Stopper(self.append, lambda: self.append("killed"))


async def test_work_that_ends_gives_its_result():
    told = Told()

    async def work():
        return "夜"

    assert await told.stopper().run(work()) == "夜"
    assert told == []


async def test_work_that_fails_fails():
    async def work():
        raise LookupError

    with pytest.raises(LookupError):
        await Told().stopper().run(work())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_and_lets_it_tidy_up(number):
    told = Told()

    async def work():
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            told.append("tidied")

    with pytest.raises(Interrupted, match="interrupted"):
        await told.stopper().run(work())
    assert told == ["interrupted", "tidied"]


async def test_a_second_signal_leaves_at_once(monkeypatch):
    told = Told()

    class Left(BaseException):
        pass

    def leave(status):
        told.append(status)
        raise Left

    monkeypatch.setattr(signals.os, "_exit", leave)
    stopper = told.stopper()

    async def work():
        stopper._signalled()
        with pytest.raises(Left):
            stopper._signalled()
        await asyncio.Event().wait()

    with pytest.raises(Interrupted):
        await stopper.run(work())
    assert told == ["interrupted", "killed", 130]


async def test_time_can_be_up():
    told = Told()
    with pytest.raises(Interrupted, match="time is up"):
        await told.stopper().run(asyncio.Event().wait(), timeout=0.01)
    assert told == ["time is up"]


async def test_whoever_waits_can_be_cancelled_too():
    ended = asyncio.Event()

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiter = asyncio.create_task(Told().stopper().run(work()))
    await asyncio.sleep(0)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    await ended.wait()


async def test_signals_are_given_back():
    before = signal.getsignal(signal.SIGTERM)
    await Told().stopper().run(asyncio.sleep(0))
    assert signal.getsignal(signal.SIGTERM) is before
