"""Progress: a drawing on a terminal, now and then a line elsewhere, events for programs."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from dreamina_async import DreaminaError, DreaminaSession, Event, Submitted, quote
from dreamina_async.cli.lines import emit_event, emit_progress
from dreamina_async.cli.meter import Meter, Reading
from dreamina_async.cli.output import Output, counted, in_bytes, in_time, shown
from dreamina_async.cli.progress import Failure, Standing, Tally, endings, spending, under_way

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

_LINE_EVERY, _LINE_AT_LEAST_EVERY = 5.0, 60.0
_EVENT_EVERY = 2.0
_FAILURES_SHOWN = 3
_WIDEST_BAR = 60
_DOT = " · "
_LONGEST_LABEL = 20  # what went wrong needs the room


class View(Protocol):
    """Something that shows how a run stands, every `frame` seconds."""

    frame: float

    def show(self, reading: Reading) -> None:
        """Show it, or leave it: the view knows how often is enough."""

    def close(self) -> None:
        """Tidy up."""


class _News:
    """Whether it is time to speak again: not too often, and only of what has changed."""

    def __init__(self, first: float) -> None:
        self._next = first
        self._last: Standing | None = None

    def due(self, reading: Reading, pause: float) -> bool:
        """True if there is something to say; the next time is a pause later."""
        if reading.seconds < self._next or reading.standing == self._last:
            return False
        self._next, self._last = reading.seconds + pause, reading.standing
        return True


class PlainView:
    """A line every few seconds, when something has changed; more rarely in long runs."""

    frame: float = 1.0

    def __init__(self, output: Output) -> None:
        self._output = output
        self._news = _News(_LINE_EVERY)

    def show(self, reading: Reading) -> None:
        """A line, if it is time for one."""
        pause = min(max(reading.seconds / 10, _LINE_EVERY), _LINE_AT_LEAST_EVERY)
        if self._news.due(reading, pause):
            parts = [*_head(reading), *under_way(reading.standing), *_traffic(reading)]
            self._output.note(_DOT.join(parts))

    def close(self) -> None:
        """Nothing."""


class EventView:
    """For programs: a `progress` event every few seconds, when something has changed."""

    frame: float = 1.0

    def __init__(self, output: Output) -> None:
        self._output = output
        self._news = _News(_EVENT_EVERY)

    def show(self, reading: Reading) -> None:
        """An event, if it is time for one."""
        if self._news.due(reading, _EVENT_EVERY):
            emit_progress(self._output, reading)

    def close(self) -> None:
        """Nothing."""


class LiveView:
    """A bar and a few lines that are drawn over and over: as many for 5,000 jobs as for five."""

    frame: float = 0.25

    def __init__(self, console: "Console") -> None:
        from rich.live import Live

        self._console = console
        self._live = Live(
            console=console, auto_refresh=False, transient=True, redirect_stdout=False
        )
        self._live.start()

    def show(self, reading: Reading) -> None:
        """Draw it."""
        self._live.update(_drawing(reading, self._console.width), refresh=True)

    def close(self) -> None:
        """Wipe it away and give the cursor back."""
        self._live.stop()


def views_for(output: Output) -> list[View]:
    """The views that suit this terminal and this user."""
    views: list[View] = []
    if not output.quiet:
        views.append(LiveView(output.console) if output.live else PlainView(output))
    if output.json_lines:
        views.append(EventView(output))
    return views


@asynccontextmanager
async def watching(
    session: DreaminaSession, tally: Tally, output: Output
) -> AsyncGenerator[None, None]:
    """Count a session's events, and show how it stands, while the body runs."""
    views = views_for(output)
    events = session.events()
    reader = asyncio.create_task(_read(events, tally, output, session))
    painter = asyncio.create_task(_paint(views, tally, session))
    try:
        yield
    finally:
        painter.cancel()
        await events.aclose()
        endings = await asyncio.gather(reader, painter, return_exceptions=True)
        for view in views:
            view.close()
        for ending in endings:
            if isinstance(ending, Exception):
                raise ending


async def _read(
    events: AsyncIterator[Event], tally: Tally, output: Output, session: DreaminaSession
) -> None:
    async for event in events:
        tally.apply(event)
        if isinstance(event, Submitted):
            tally.spend(event.job_id, _price(session, event.job_id))
        emit_event(output, event)


def _price(session: DreaminaSession, job_id: str) -> int | None:
    with suppress(DreaminaError):  # a session that has just ended no longer tells
        request = session.attach(submit_id=job_id).request
        if request is not None:
            return quote([request]).prices[0]
    return None


async def _paint(views: Sequence[View], tally: Tally, session: DreaminaSession) -> None:
    meter = Meter(time.monotonic())
    pause = min((view.frame for view in views), default=None)
    while pause is not None:
        reading = meter.read(time.monotonic(), tally, session.statistics())
        for view in views:
            view.show(reading)
        await asyncio.sleep(pause)


def _drawing(reading: Reading, width: int) -> "RenderableType":
    from rich.console import Group

    paragraphs = (_head(reading), under_way(reading.standing), _traffic(reading))
    failures = reading.failures[-_FAILURES_SHOWN:]
    return Group(
        _bar(reading.standing, min(width, _WIDEST_BAR)),
        *(_line(line) for parts in paragraphs for line in _flowing(parts, width)),
        *(_line(f"✗ {failure_line(each, _LONGEST_LABEL)}", "red") for each in failures),
    )


def _line(text: str, style: str = "") -> "Text":
    from rich.text import Text

    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _flowing(parts: Sequence[str], width: int) -> Iterator[str]:
    """As many parts a line as fit; a part is never broken."""
    line = ""
    for part in parts:
        longer = f"{line}{_DOT}{part}" if line else part
        if line and len(longer) > width:
            yield line
            longer = part
        line = longer
    if line:
        yield line


def _bar(standing: Standing, width: int) -> "Text":
    """Readable without colours too, which rich's own is not."""
    from rich.text import Text

    full = width * standing.over // standing.total if standing.total else 0
    return Text.assemble(("━" * full, "green"), ("─" * (width - full), "dim"))


def _head(reading: Reading) -> list[str]:
    standing = reading.standing
    share = f" ({100 * standing.over // standing.total} %)" if standing.total else ""
    left = "—" if reading.eta is None else _roughly(reading.eta)
    return [
        f"{standing.over} of {'?' if standing.total is None else standing.total}{share}",
        *endings(standing),
        f"{_roughly(reading.seconds)}, ETA {left}",
    ]


def _traffic(reading: Reading) -> list[str]:
    each = "" if reading.calls_per_job is None else f" ({reading.calls_per_job:.2f} a job)"
    return [
        f"{in_bytes(reading.bytes)}, {in_bytes(reading.bytes_per_second)}/s",
        f"{counted(reading.status_calls, 'status call')}{each}",
        *spending(reading.credits, reading.unpriced),
    ]


def _roughly(seconds: float) -> str:
    return f"{int(seconds)} s" if seconds < 60 else in_time(seconds)


def failure_line(failure: Failure, label: int | None = None) -> str:
    """A failed job in one line, its label cut to so many characters."""
    why = shown(str(failure.error), 200) if failure.error else failure.state.value
    return f"{shown(failure.label, label)}: {why}"
