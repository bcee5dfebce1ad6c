"""A network that is down while files are to come home (N13 for media)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from session_kit import check_folder, check_job, collect, image, rows, session_for
from virtual import EXACT, InlineWriter

from dreamina_async import (
    DownloadError,
    DownloadPolicy,
    DreaminaSession,
    Job,
    JobState,
    RetryPolicy,
    Settings,
    TransportError,
    VideoRequest,
)
from dreamina_async._core.wire import HttpRequest, HttpResponse
from dreamina_async._runtime.parts import Doors
from dreamina_async._runtime.transport import AiohttpTransport, MediaStream
from dreamina_async.emulator import Emulator, Fault


class Wire(AiohttpTransport):
    """The real one, with parts of the network that can be down, and a record of all attempts.

    Attributes:
        api: whether the service can be reached.
        media: tells whether a media host cannot.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.api = True
        self.media: Callable[[str], bool] = lambda _: False
        self.fetches: list[tuple[float, str]] = []
        self.looks: list[float] = []

    async def send(
        self, request: HttpRequest, announce: Callable[[], None] | None = None
    ) -> HttpResponse:
        if request.path.endswith("get_history_by_ids"):
            self.looks.append(now())
        if not self.api:
            raise TransportError("no route to the service", "no", sent=False)
        return await super().send(request, announce)

    @asynccontextmanager
    async def stream(self, url: str, headers: Mapping[str, str] = {}) -> AsyncIterator[MediaStream]:
        self.fetches.append((now(), url))
        if self.media(url):
            raise TransportError("no route to the media host", "no", sent=False)
        async with super().stream(url, headers) as found:
            yield found

    def between(self, since: float, until: float) -> list[float]:
        return [at for at, _ in self.fetches if since < at < until]


@asynccontextmanager
async def world(
    folder: Path, rules: Settings | None = None, **options: Any
) -> AsyncIterator[tuple[Emulator, DreaminaSession, Wire]]:
    """An emulator at its own pace, the default policies, and the wire between."""
    wires: list[Wire] = []

    def transport(*arguments: Any, **more: Any) -> Wire:
        wires.append(Wire(*arguments, **more))
        return wires[0]

    async with Emulator(**({"speed": 1} | options)) as emulator:
        session = session_for(emulator, folder, settings=rules or policy())
        session._doors = Doors(transport=transport, writer=InlineWriter)
        async with session:
            yield emulator, session, wires[0]
    assert emulator.ledger.repeated() == {}
    check_folder(folder)


def policy(**retrying: Any) -> Settings:
    return Settings(downloading=DownloadPolicy(durable=False), retrying=RetryPolicy(**retrying))


@pytest.fixture
def anyio_backend() -> Any:
    """Virtual time throughout."""
    return EXACT


def now() -> float:
    return asyncio.get_running_loop().time()


def everything(_: str) -> bool:
    return True


@pytest.mark.parametrize("api", [True, False], ids=["media alone", "all of it"])
async def test_n13_ten_minutes_without_a_network_cost_no_file(tmp_path: Path, api: bool) -> None:
    """The job stays READY, few knock meanwhile, and afterwards all come home."""
    async with world(tmp_path) as (emulator, session, wire):
        wire.media = everything
        jobs: list[Job] = []
        run = session.run((image(str(n), count=2) for n in range(40)), max_in_flight=40)
        taking = asyncio.create_task(collect(run, jobs))
        await emulator.until(lambda: len(emulator.ledger) == 40)
        while len(session._handles) < 40 or not all(
            job.state is JobState.READY for job in session._handles.values()
        ):
            await asyncio.sleep(1)
        wire.api, began = api, now()
        await asyncio.sleep(600)
        assert {job.state for job in session._handles.values()} == {JobState.READY}
        assert not jobs
        wire.api, wire.media, ended = True, lambda _: False, now()
        await taking
        for job in jobs:
            check_job(emulator, job)
        assert now() - ended < 180
        knocks = wire.between(began, ended)
        assert 4 <= len(knocks) <= 30
        assert len(wire.looks) <= 20 + 600  # the ceiling holds for the fresh URLs as well
        assert session.statistics().retries <= 120


async def test_n13_files_of_other_hosts_pass_those_that_wait(tmp_path: Path) -> None:
    """Images cannot be reached, by more files than there are workers; a video can."""
    rules = Settings(downloading=DownloadPolicy(durable=False, parallel=2))
    async with world(tmp_path, rules) as (emulator, session, wire):
        wire.media = lambda url: ".mp4" not in url and "video" not in url
        waiting = [await session.submit(image(str(n), count=4)) for n in range(3)]
        videos = [await session.submit(VideoRequest(str(n))) for n in range(3)]
        for job in videos:
            await job
            check_job(emulator, job)
        assert {job.state for job in waiting} == {JobState.READY}
        wire.media = lambda _: False
        for job in waiting:
            await job
            check_job(emulator, job)


async def test_n13_a_transfer_goes_on_where_the_network_went(tmp_path: Path) -> None:
    """The bytes of a large video are not thrown away, and not left behind either."""
    fault = Fault(where="media", what="truncated", fraction=0.75)
    options = {"faults": [fault], "video_bytes": 20_000_000}
    async with world(tmp_path, **options) as (emulator, session, wire):
        wire.media = lambda _: bool(emulator.faults.hits)
        job = await session.submit(VideoRequest("sea"))
        while len(wire.fetches) < 5:
            await asyncio.sleep(1)
        (part,) = tmp_path.rglob("*.part")
        assert part.stat().st_size >= 10_000_000
        wire.media = lambda _: False
        await job
        check_job(emulator, job)
        assert session.statistics().bytes < 21_000_000


async def test_n13_a_session_closed_meanwhile_leaves_nothing_behind(tmp_path: Path) -> None:
    fault = Fault(where="media", what="truncated", fraction=0.75)
    options = {"faults": [fault], "video_bytes": 20_000_000}
    async with world(tmp_path, **options) as (emulator, session, wire):
        wire.media = lambda _: bool(emulator.faults.hits)
        job = await session.submit(VideoRequest("sea"))
        while len(wire.fetches) < 5:
            await asyncio.sleep(1)
        assert list(tmp_path.rglob("*.part"))
        await session.aclose()
        assert not list(tmp_path.rglob("*.part"))
        assert rows(tmp_path) == {job.job_id: "ready"}


async def test_n13_after_an_hour_the_job_is_given_back_and_still_owed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path) as (emulator, session, wire):
        wire.media = everything
        with caplog.at_level(logging.WARNING, "dreamina_async"):
            job = await session.submit(image(count=4))
            with pytest.raises(DownloadError, match="no route to the media host") as caught:
                await job
            said = [one for one in caplog.records if one.name == "dreamina_async"]
        assert 3600 < now() < 3800
        assert caught.value.charged == "yes"
        assert job.state is JobState.READY
        assert len(said) == 1  # and not one a knock
        wire.media = lambda _: False
        (again,) = await session.resume()
        await again
        check_job(emulator, job)


async def test_n13_one_dead_host_is_left_for_another(tmp_path: Path) -> None:
    """The hosts' names change with every query: a fresh URL may lead past the dead one."""
    dead: list[str] = []

    def media(url: str) -> bool:
        dead.append(url)
        return url in dead[:1]

    async with world(tmp_path) as (emulator, session, wire):
        wire.media = media
        job = await session.submit(image())
        await job
        check_job(emulator, job)
        assert now() < 60
        assert session.statistics().refreshes == 1
