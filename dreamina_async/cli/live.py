"""Progress for people, on stderr: a drawing on a terminal, now and then a line elsewhere."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from dreamina_async import DreaminaSession, Event, Statistics
from dreamina_async.cli.lines import emit_event
from dreamina_async.cli.output import Output, counted, in_bytes, in_time, shown
from dreamina_async.cli.progress import Failure, Rate, Standing, Tally, stage_line

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

_LINE_EVERY, _LINE_AT_LEAST_EVERY = 5.0, 60.0
_FAILURES_SHOWN = 3


class View(Protocol):
    """Something that shows how a run stands, every `frame` seconds."""

    frame: float

    def show(self, tally: Tally, statistics: Statistics) -> None:
        """Show it, or leave it: the view knows how often is enough."""

    def close(self) -> None:
        """Tidy up."""


class NoView:
    """For those who asked for quiet."""

    frame = 60.0

    def show(self, tally: Tally, statistics: Statistics) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class PlainView:
    """A line every few seconds, when something has changed; more rarely in long runs."""

    frame = 1.0

    def __init__(self, output: Output) -> None:
        self._output = output
        self._rate = Rate()
        self._started = time.monotonic()
        self._rate(self._started, 0)
        self._next = self._started + _LINE_EVERY
        self._last: Standing | None = None

    def show(self, tally: Tally, statistics: Statistics) -> None:
        """A line, if it is time for one."""
        now = time.monotonic()
        standing = tally.standing()
        if now < self._next or standing == self._last:
            return
        pause = (now - self._started) / 10
        self._next = now + min(max(pause, _LINE_EVERY), _LINE_AT_LEAST_EVERY)
        self._last = standing
        rate = self._rate(now, statistics.bytes)
        self._output.note(
            f"{_of_total(standing)}: {stage_line(standing)} · {_traffic(statistics, rate)}"
        )

    def close(self) -> None:
        """Nothing."""


class LiveView:
    """A bar and a few lines that are drawn over and over, as smoothly as need be."""

    frame = 0.125

    def __init__(self, console: "Console") -> None:
        from rich.live import Live

        self._started = time.monotonic()
        self._rate = Rate()
        self._rate(self._started, 0)
        self._live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False
        )
        self._live.start()

    def show(self, tally: Tally, statistics: Statistics) -> None:
        """Draw it."""
        now = time.monotonic()
        rate = self._rate(now, statistics.bytes)
        self._live.update(_drawing(tally, statistics, rate, now - self._started), refresh=True)

    def close(self) -> None:
        """Wipe it away and give the cursor back."""
        self._live.stop()


def view_for(output: Output) -> View:
    """The view that suits this terminal and this user."""
    if output.quiet:
        return NoView()
    return LiveView(output.console) if output.live else PlainView(output)


@asynccontextmanager
async def watching(
    session: DreaminaSession, tally: Tally, output: Output
) -> AsyncGenerator[None, None]:
    """Count a session's events, and show how it stands, while the body runs."""
    view = view_for(output)
    events = session.events()
    reader = asyncio.create_task(_read(events, tally, output))
    painter = asyncio.create_task(_paint(view, tally, session))
    try:
        yield
    finally:
        painter.cancel()
        await events.aclose()
        endings = await asyncio.gather(reader, painter, return_exceptions=True)
        view.close()
        for ending in endings:
            if isinstance(ending, Exception):
                raise ending


async def _read(events: AsyncIterator[Event], tally: Tally, output: Output) -> None:
    async for event in events:
        tally.apply(event)
        emit_event(output, event)


async def _paint(view: View, tally: Tally, session: DreaminaSession) -> None:
    while True:
        view.show(tally, session.statistics())
        await asyncio.sleep(view.frame)


def _drawing(tally: Tally, statistics: Statistics, rate: float, seconds: float) -> "RenderableType":
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    standing = tally.standing()
    head = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=standing.total, completed=standing.over, width=32)
    head.add_row(bar, _line(_of_total(standing)), _line(in_time(int(seconds))))
    failures = [*tally.failures][-_FAILURES_SHOWN:]
    return Group(
        head,
        _line(stage_line(standing)),
        _line(_traffic(statistics, rate)),
        *(_line(f"✗ {failure_line(each)}", "red") for each in failures),
    )


def _line(text: str, style: str = "") -> "Text":
    from rich.text import Text

    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _of_total(standing: Standing) -> str:
    total = "?" if standing.total is None else standing.total
    return f"{standing.over} of {total}"


def _traffic(statistics: Statistics, rate: float) -> str:
    calls = counted(statistics.status_calls, "status call")
    return f"{in_bytes(statistics.bytes)}, {in_bytes(rate)}/s · {calls}"


def failure_line(failure: Failure) -> str:
    """A failed job in one line."""
    why = shown(str(failure.error), 200) if failure.error else failure.state.value
    return f"{failure.label}: {why}"
