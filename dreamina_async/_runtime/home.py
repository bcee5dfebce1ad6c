"""Where a session lives: on one event loop, in one process."""

import asyncio
import os
import threading
from typing import Self

from attrs import frozen

from dreamina_async.errors import SessionClosed


@frozen(eq=False)
class Home:
    """The event loop, thread and process in which a session was entered.

    Its sockets, its journal and everybody's wake-ups are theirs: elsewhere a call would hang,
    and a forked child would write into its parent's connections.
    """

    _loop: asyncio.AbstractEventLoop
    _thread: int
    _process: int

    @classmethod
    def here(cls) -> Self:
        """The one that runs now."""
        return cls(asyncio.get_running_loop(), threading.get_ident(), os.getpid())

    def check(self) -> None:
        """Refuse a caller from elsewhere.

        Raises:
            SessionClosed: another loop runs here, or this is another thread or process.
        """
        if os.getpid() != self._process:
            raise SessionClosed("the session is another process's; after a fork, make a new one")
        try:
            at_home = asyncio.get_running_loop() is self._loop
        except RuntimeError:  # between two turns of the loop, in its own thread
            at_home = threading.get_ident() == self._thread
        if not at_home:
            raise SessionClosed("the session belongs to another event loop; use it there")
