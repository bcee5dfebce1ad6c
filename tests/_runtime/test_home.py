"""A session's home: its loop, its thread between two turns of it, its process."""

import asyncio

import pytest

from dreamina_async import SessionClosed
from dreamina_async._runtime.home import Home


async def here() -> Home:
    return Home.here()


async def ask(home: Home) -> None:
    home.check()


async def test_at_home() -> None:
    Home.here().check()
    await asyncio.create_task(ask(Home.here()))


async def test_another_thread_is_refused_with_and_without_a_loop() -> None:
    home = Home.here()
    with pytest.raises(SessionClosed, match="another event loop"):
        await asyncio.to_thread(home.check)
    with pytest.raises(SessionClosed, match="another event loop"):
        await asyncio.to_thread(asyncio.run, ask(home))


def test_another_loop_in_the_same_thread_is_refused() -> None:
    with asyncio.Runner() as runner:
        home = runner.run(here())
        home.check()  # between two turns
        runner.run(ask(home))
        with pytest.raises(SessionClosed, match="another event loop"):
            asyncio.run(ask(home))
