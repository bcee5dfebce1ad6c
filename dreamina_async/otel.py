"""Spans and metrics of a session (extra `[otel]`); no exporter, no SDK: those are yours.

Everything comes from `session.events()` and `session.statistics()`. No header is added to any
call of the service, and no prompt, URL or login is recorded.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress

from attrs import define, field
from opentelemetry.context import Context
from opentelemetry.metrics import (
    CallbackOptions,
    Histogram,
    Meter,
    MeterProvider,
    Observation,
    get_meter_provider,
)
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, TracerProvider, get_tracer
from opentelemetry.util.types import AttributeValue

from dreamina_async import (
    DreaminaSession,
    Event,
    Failed,
    FileSaved,
    Finished,
    JobResult,
    Progressed,
    Saved,
    SessionClosed,
    Statistics,
    Submitted,
    SubmitWaits,
    __version__,
)

_EVERY = 1.0
"""Seconds between two looks at the counters; readers of metrics ask far less often."""

_COUNTERS: tuple[tuple[str, str, str, Callable[[Statistics], int]], ...] = (
    ("dreamina.submits", "{request}", "Generate requests sent.", lambda now: now.submits),
    ("dreamina.accepted", "{job}", "Jobs that the service accepted.", lambda now: now.accepted),
    ("dreamina.status_calls", "{request}", "Status calls.", lambda now: now.status_calls),
    ("dreamina.status_ids", "{job}", "Ids asked in status calls.", lambda now: now.status_ids),
    ("dreamina.retries", "{request}", "Calls made again.", lambda now: now.retries),
    ("dreamina.refreshes", "{request}", "Fresh URLs asked for.", lambda now: now.refreshes),
    ("dreamina.files", "{file}", "Files saved.", lambda now: now.files),
    ("dreamina.bytes", "By", "Media bytes received.", lambda now: now.bytes),
)


@asynccontextmanager
async def observed(
    session: DreaminaSession,
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> AsyncGenerator[None]:
    """Record what a session does, from here to the end of the block.

    Each job is one span `dreamina.job`, from the first that is heard of it until its files are
    saved or it is given up; what is still pending at the end of the block says so. Counters
    and the number of jobs by state are those of `Statistics`; the histogram
    `dreamina.job.duration` holds seconds from submit to files.

    Args:
        session: an open session.
        tracer_provider: whose spans; None takes the global one.
        meter_provider: whose metrics; None takes the global one.

    Raises:
        SessionClosed: the session is not open.
    """
    tracer = get_tracer("dreamina_async", __version__, tracer_provider)
    meter = (meter_provider or get_meter_provider()).get_meter("dreamina_async", __version__)
    counters = _Counters(session)
    counters.show(meter)
    spans = _Spans(tracer, _duration(meter))
    events = session.events()
    listening = asyncio.create_task(spans.follow(events))
    looking = asyncio.create_task(counters.follow())
    try:
        yield
    finally:
        counters.look()
        looking.cancel()
        await events.aclose()
        await asyncio.gather(listening, looking, return_exceptions=True)
        spans.end_all()


def _duration(meter: Meter) -> Histogram:
    return meter.create_histogram(
        "dreamina.job.duration", "s", "From a job's submit until its files are saved."
    )


@define
class _Counters:
    """The session's counters as metrics; read by other threads, so what they see is a copy."""

    session: DreaminaSession
    now: Statistics = field(factory=Statistics)

    def __attrs_post_init__(self) -> None:
        self.now = self.session.statistics()

    def look(self) -> None:
        """Take a fresh copy, unless the session has closed meanwhile."""
        with suppress(SessionClosed):
            self.now = self.session.statistics()

    async def follow(self) -> None:
        """Take one every second."""
        while True:
            await asyncio.sleep(_EVERY)
            self.look()

    def show(self, meter: Meter) -> None:
        """Make the instruments."""
        for name, unit, text, value in _COUNTERS:
            meter.create_observable_counter(name, [self._reading(value)], unit, text)
        meter.create_observable_gauge(
            "dreamina.jobs", [self._jobs], "{job}", "Jobs of this session by state."
        )
        meter.create_observable_gauge(
            "dreamina.detection_lag",
            [self._lag],
            "s",
            "Mean time from the end of a job at the service until it was seen.",
        )

    def _reading(
        self, value: Callable[[Statistics], int]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        return lambda _: [Observation(value(self.now))]

    def _jobs(self, _: CallbackOptions) -> Iterable[Observation]:
        return [
            Observation(number, {"dreamina.state": state.value})
            for state, number in self.now.jobs.items()
        ]

    def _lag(self, _: CallbackOptions) -> Iterable[Observation]:
        lag = self.now.detection_lag
        return [] if lag is None else [Observation(lag)]


@define
class _Spans:
    """The jobs that are under way, as spans."""

    tracer: Tracer
    duration: Histogram
    _open: dict[str, Span] = field(factory=dict[str, Span])

    async def follow(self, events: AsyncIterator[Event]) -> None:
        """Hear everything until it ends."""
        async for event in events:
            self.hear(event)

    def hear(self, event: Event) -> None:
        """Tell a job's span what has happened."""
        span = self._open.get(event.job_id) or self._begin(event)
        match event:
            case Submitted(history_id=history_id):
                span.add_event("submitted", timestamp=_nanoseconds(event.at))
                _set(span, {"dreamina.history_id": history_id})
            case SubmitWaits(reason=reason):
                self._note(span, event, {"error.type": type(reason).__name__})
            case Progressed(queue=queue):
                self._note(span, event, {"queue.position": queue.position if queue else None})
            case Finished(items=items, missing=missing):
                self._note(span, event, {"items": items, "missing": missing})
            case FileSaved(media=media):
                self._note(span, event, {"index": media.index, "size": media.size})
            case Saved(result=result):
                self._saved(span, result)
                self._end(event)
            case Failed(state=state, error=error):
                _set(span, {"dreamina.state": state.value, "dreamina.charged": error.charged})
                _set(span, {"error.type": type(error).__name__})
                span.set_status(StatusCode.ERROR, str(error))
                self._end(event)
            case _:
                pass  # bytes that arrive are the metrics' matter

    def end_all(self) -> None:
        """What is pending stays owed; its span ends here."""
        for span in self._open.values():
            _set(span, {"dreamina.state": "pending"})
            span.end()
        self._open.clear()

    def _begin(self, event: Event) -> Span:
        span = self.tracer.start_span(
            "dreamina.job",
            context=Context(),  # whoever listens here is not who submitted
            kind=SpanKind.CLIENT,
            attributes={"dreamina.job_id": event.job_id},
            start_time=_nanoseconds(event.at),
        )
        self._open[event.job_id] = span
        return span

    def _note(self, span: Span, event: Event, facts: Mapping[str, AttributeValue | None]) -> None:
        known = {name: value for name, value in facts.items() if value is not None}
        span.add_event(type(event).__name__.lower(), known, _nanoseconds(event.at))

    def _saved(self, span: Span, result: JobResult) -> None:
        kind = "image" if all(media.kind == "image" for media in result.media) else "video"
        model = result.request.model if result.request else None
        _set(span, {"dreamina.kind": kind, "dreamina.model": model, "dreamina.state": "done"})
        _set(span, {"dreamina.files": len(result.media)})
        span.set_status(StatusCode.OK)
        if result.submitted_at is not None:
            took = result.saved_at - result.submitted_at
            self.duration.record(max(0.0, took.total_seconds()), {"dreamina.kind": kind})

    def _end(self, event: Event) -> None:
        self._open.pop(event.job_id).end(_nanoseconds(event.at))


def _set(span: Span, facts: Mapping[str, AttributeValue | None]) -> None:
    for name, value in facts.items():
        if value is not None:
            span.set_attribute(name, value)


def _nanoseconds(at: float) -> int:
    return int(at * 1e9)
