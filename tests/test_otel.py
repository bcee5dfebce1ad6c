"""What an application's own telemetry hears of a session, and what it must not hear."""

from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from session_kit import image, world

from dreamina_async import JobFailed, VideoRequest
from dreamina_async.emulator import Outcome
from dreamina_async.otel import observed


class Ears:
    """Both providers, and what reached them."""

    def __init__(self) -> None:
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        tracer_provider = TracerProvider()
        tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.providers: dict[str, Any] = {
            "tracer_provider": tracer_provider,
            "meter_provider": MeterProvider([self._reader]),
        }

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._spans.get_finished_spans())

    def metrics(self) -> dict[str, list[Any]]:
        data = self._reader.get_metrics_data()
        assert data is not None
        return {
            metric.name: list(metric.data.data_points)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


async def test_a_jobs_story_is_one_span(tmp_path: Path) -> None:
    ears = Ears()
    async with world(tmp_path) as (emulator, session):
        async with observed(session, **ears.providers):
            result = await session.generate(image("月下独酌", count=2))
            await session.generate(VideoRequest("rain"))
        first, second = ears.spans
        assert first.name == second.name == "dreamina.job"
        assert first.attributes is not None
        assert first.attributes["dreamina.job_id"] == result.submit_id
        assert first.attributes["dreamina.history_id"] == result.history_id
        assert first.attributes["dreamina.kind"] == "image"
        assert first.attributes["dreamina.files"] == 2
        assert first.status.status_code is StatusCode.OK
        names = [event.name for event in first.events]
        assert names[0] == "submitted"
        assert names.count("filesaved") == 2
        assert first.parent is None
        assert first.start_time is not None
        assert first.end_time is not None
        assert first.start_time <= first.end_time
        assert second.attributes is not None
        assert second.attributes["dreamina.kind"] == "video"
        assert len(emulator.ledger) == 2


async def test_the_counters_are_those_of_the_session(tmp_path: Path) -> None:
    ears = Ears()
    async with world(tmp_path) as (_, session):
        async with observed(session, **ears.providers):
            await session.generate(image("a fox", count=1))
        now = session.statistics()
        found = ears.metrics()
        assert found["dreamina.submits"][0].value == now.submits == 1
        assert found["dreamina.status_calls"][0].value == now.status_calls
        assert found["dreamina.bytes"][0].value == now.bytes > 0
        (jobs,) = (one for one in found["dreamina.jobs"] if one.value)
        assert (jobs.attributes, jobs.value) == ({"dreamina.state": "done"}, 1)
        (duration,) = found["dreamina.job.duration"]
        assert duration.count == 1
        assert duration.attributes == {"dreamina.kind": "image"}


async def test_a_failure_says_whether_it_was_charged(tmp_path: Path) -> None:
    ears = Ears()
    async with world(tmp_path, outcome=Outcome(fail_code="2038")) as (_, session):
        async with observed(session, **ears.providers):
            with pytest.raises(JobFailed) as caught:
                await session.generate(image())
        (span,) = ears.spans
        assert span.status.status_code is StatusCode.ERROR
        assert span.attributes is not None
        assert span.attributes["error.type"] == "JobFailed"
        assert span.attributes["dreamina.charged"] == caught.value.charged


async def test_what_is_pending_at_the_end_says_so(tmp_path: Path) -> None:
    ears = Ears()
    async with world(tmp_path, speed=1) as (_, session):
        async with observed(session, **ears.providers):
            await session.submit(image())
        (span,) = ears.spans
        assert span.attributes is not None
        assert span.attributes["dreamina.state"] == "pending"


async def test_x7_no_url_prompt_or_header_is_recorded_or_sent(tmp_path: Path) -> None:
    ears = Ears()
    async with world(tmp_path) as (emulator, session):
        async with observed(session, **ears.providers):
            await session.generate(image("a prompt of mine"))
        told = repr([(span.to_json(), span.events) for span in ears.spans]) + repr(ears.metrics())
        for secret in ("http", "x-signature", "a prompt of mine", "sessionid"):
            assert secret not in told.replace("dreamina_async", "")
        for one in emulator.requests:
            assert "traceparent" not in repr(one).lower()


async def test_a_session_that_closes_first_ends_its_spans(tmp_path: Path) -> None:
    ears = Ears()
    async with world(tmp_path, speed=1) as (_, session), observed(session, **ears.providers):
        await session.submit(image())
        await session.aclose()
    assert len(ears.spans) == 1
