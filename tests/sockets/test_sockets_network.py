"""What networks do to a session: one charge, the job home or held, typed errors."""

import asyncio
import os
import socket
import ssl
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import trustme
from aiohttp import connector as aiohttp_connector
from faultproxy import GENERATE, HISTORY, LOST, MEDIA, Fate, befalling, proxied, proxying
from rawserver import CLOSE, HANG, RESET, listening, reply, reset, serving
from session_kit import (
    check_job,
    check_result,
    image,
    polling,
    retrying,
    rows,
    session_for,
    settings,
    world,
)

from dreamina_async import DreaminaSession, JobLost, JobState, TransportError, TransportTimeout
from dreamina_async.emulator import Emulator

TARGETS = {"generate": GENERATE, "history": HISTORY, "media": MEDIA}


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """What the name service says, one answer after the other; the last one for ever."""
    known: dict[str, list[Any]] = {}

    def getaddrinfo(host: Any, port: int, *_: Any, **__: Any) -> list[Any]:
        answers = known.get(host.decode() if isinstance(host, bytes) else host, [["127.0.0.1"]])
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(addresses, OSError):
            raise addresses
        families = [socket.AF_INET6 if ":" in one else socket.AF_INET for one in addresses]
        return [
            (family, socket.SOCK_STREAM, 6, "", (one, port, 0, 0) if ":" in one else (one, port))
            for family, one in zip(families, addresses, strict=True)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


async def refused_unsent(session: DreaminaSession) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await session.submit(image())
    assert (caught.value.charged, caught.value.sent) == ("no", False)
    return caught.value


# ---- not sent ----------------------------------------------------------------------------

NXDOMAIN = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
TRY_AGAIN = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")


async def test_n1_a_name_that_does_not_exist(tmp_path: Path, names: dict[str, list[Any]]) -> None:
    names["localhost"] = [NXDOMAIN]
    rules = settings(retrying=retrying(attempts=3))
    async with world(tmp_path / "other") as (emulator, _):
        options = {"base_url": "http://localhost:9", "settings": rules}
        async with session_for(emulator, tmp_path, **options) as session:
            error = await refused_unsent(session)
            assert "Name or service not known" in str(error)
            assert session.statistics().submits == 3
        assert rows(tmp_path) == {error.job_id: "planned"}


async def test_n2_a_name_service_that_fails_a_few_times(
    tmp_path: Path, names: dict[str, list[Any]]
) -> None:
    names["localhost"] = [TRY_AGAIN, TRY_AGAIN, ["127.0.0.1"]]
    async with Emulator(speed=2000) as emulator:
        url = emulator.base_url.replace("127.0.0.1", "localhost")
        async with session_for(emulator, tmp_path, base_url=url) as session:
            check_result(emulator, await session.generate(image()))
            assert session.statistics().submits == 3
        assert len(emulator.ledger) == 1


async def test_n5_a_host_that_drops_every_packet(tmp_path: Path) -> None:
    """A full backlog drops further SYNs."""
    rules = settings(connect_timeout=0.1, retrying=retrying(attempts=2))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        async with world(tmp_path / "other") as (emulator, _):
            options = {"base_url": f"http://127.0.0.1:{listener.getsockname()[1]}"}
            async with session_for(emulator, tmp_path, settings=rules, **options) as session:
                assert isinstance(await refused_unsent(session), TransportTimeout)
        for filler in fillers:
            filler.close()


def tls_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.mark.parametrize("fault", ["self-signed", "wrong name"])
async def test_n6_a_bad_certificate_is_never_overlooked(
    tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context()
    if fault == "wrong name":
        authority.configure_trust(context)
    monkeypatch.setattr(aiohttp_connector, "_SSL_CONTEXT_VERIFIED", context)
    rules = settings(retrying=retrying(attempts=2))
    async with Emulator(speed=2000) as emulator:
        tls = tls_of(authority.issue_cert("elsewhere.test"))
        async with proxying(emulator, tls=tls) as proxy:
            options = {"base_url": proxy.url(scheme="https"), "settings": rules}
            async with session_for(emulator, tmp_path, **options) as session:
                assert "certificate" in str(await refused_unsent(session))
            assert proxy.seen == []
        assert len(emulator.requests) == 0


async def test_n7_a_tls_handshake_that_breaks_off_and_then_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    monkeypatch.setattr(aiohttp_connector, "_SSL_CONTEXT_VERIFIED", context)
    broken = 0

    async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Twice; then the bytes go to the proxy that speaks TLS."""
        nonlocal broken
        broken += 1
        if broken <= 2:
            await reader.read(5)
            reset(writer)
            return
        back, onward = await asyncio.open_connection("127.0.0.1", proxy.port)
        await asyncio.gather(pumped(reader, onward), pumped(back, writer))

    async with Emulator(speed=2000) as emulator:
        tls = tls_of(authority.issue_cert("127.0.0.1"))
        async with proxying(emulator, tls=tls) as proxy, listening(breaks) as port:
            url = f"https://127.0.0.1:{port}"
            async with session_for(emulator, tmp_path, base_url=url) as session:
                check_result(emulator, await session.generate(image()))
                assert session.statistics().submits == 3
        assert len(emulator.ledger) == 1


async def pumped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
    writer.close()


async def test_n15_a_broken_ipv6_and_a_proxy_in_the_environment(
    tmp_path: Path, names: dict[str, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """IPv4 is found; no proxy is used unless asked for, so none can refuse or see anything."""
    names["localhost"] = [["::1", "127.0.0.1"]]
    refusing = reply(b"", status="407 Proxy Authentication Required")
    async with Emulator(speed=2000) as emulator, serving(refusing) as middleman:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, middleman.url())
        url = emulator.base_url.replace("127.0.0.1", "localhost")
        async with session_for(emulator, tmp_path, base_url=url) as session:
            check_result(emulator, await session.generate(image()))
        assert middleman.asked == []
        assert len(emulator.ledger) == 1


# ---- perhaps sent ------------------------------------------------------------------------


@pytest.mark.parametrize("end", [RESET, CLOSE])
@pytest.mark.parametrize("where", TARGETS)
async def test_n9_a_kept_connection_dies_under_the_second_request(
    tmp_path: Path, where: str, end: str
) -> None:
    """The server has read it (M13): aiohttp repeats a GET by itself, and never a POST."""
    fates = befalling(TARGETS[where], Fate(), Fate(upto=0, end=end))
    async with proxied(tmp_path, fates) as (emulator, proxy, session):
        for number in range(3):
            check_result(emulator, await session.generate(image(str(number))))
        first, second = proxy.to(TARGETS[where])[:2]
        assert first.connection == second.connection
        assert len(proxy.to(GENERATE)) == len(emulator.ledger) == 3
        if where == "media":  # the transfer did not even notice
            assert session.statistics().retries == 0


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
async def test_n10_a_request_cut_on_its_way_is_held(tmp_path: Path, share: float) -> None:
    submit_id = str(uuid4())
    async with proxied(tmp_path) as (emulator, proxy, session):
        await session.generate(image())  # tells how long such a request is
        size = len(proxy.to(GENERATE)[0].request)
        proxy.fates.append(befalling(GENERATE, Fate(asks=int(share * size))))
        with pytest.raises(JobLost) as caught:
            await session.submit(image(), submit_id=submit_id)
        assert caught.value.charged == "unknown"
        assert len(proxy.to(GENERATE)) == 2
        assert len(emulator.ledger) == 1
        assert len(proxy.to(HISTORY)) >= 3
    assert rows(tmp_path)[submit_id] == "unknown"


async def test_n11_a_late_reply_is_found_out_and_answers_nobody_else(tmp_path: Path) -> None:
    """Submit and poll alike: the late ones come on connections that nobody listens to."""
    late = Fate(pause=0.3)
    rules = settings(read_timeout=0.1)
    fates = [befalling(GENERATE, late), befalling(HISTORY, late, Fate(), late)]
    async with proxied(tmp_path, *fates, rules=rules) as (emulator, proxy, session):
        jobs = [await session.submit(image(str(number))) for number in range(3)]
        for job in jobs:
            await job
            check_job(emulator, job)
        assert len(proxy.to(GENERATE)) == len(emulator.ledger) == 3
        used = [one.connection for one in proxy.seen]
        assert used.count(proxy.to(GENERATE)[0].connection) == 1


async def test_n12_a_peer_that_vanishes(tmp_path: Path) -> None:
    """Everything is swallowed: the call ends by its own deadline, and its connection with it."""
    hole = Fate(upto=0, end=HANG)
    rules = settings(read_timeout=0.05)
    fates = [befalling(GENERATE, hole), befalling(HISTORY, hole, hole), befalling(MEDIA, hole)]
    async with proxied(tmp_path, *fates, rules=rules) as (emulator, proxy, session):
        check_result(emulator, await session.generate(image()))
        assert len(proxy.to(GENERATE)) == len(emulator.ledger) == 1
        held = [one.connection for one in (*proxy.to(HISTORY)[:2], proxy.to(MEDIA)[0])]
        assert proxy.seen[-1].connection not in held
        assert len(set(held)) == 3


async def test_n13_the_service_is_out_of_reach_for_a_while(tmp_path: Path) -> None:
    down = Fate(asks=0)
    rules = settings(retrying=retrying(base=0.002, cap=0.01, attempts=3))
    async with proxied(tmp_path, rules=rules) as (emulator, proxy, session):
        jobs = [await session.submit(image(str(number))) for number in range(3)]
        proxy.fates.append(befalling("/mweb/", *[down] * 30))
        for job in jobs:
            await job
            check_job(emulator, job)
        assert len(emulator.ledger) == 3


@pytest.mark.parametrize("slices", [1, 7])
async def test_n14_everything_dribbles(tmp_path: Path, slices: int) -> None:
    fates = [befalling(one, Fate(slices=slices), for_ever=True) for one in (GENERATE, HISTORY)]
    media = befalling(MEDIA, Fate(slices=slices * 16), for_ever=True)
    async with proxied(tmp_path, *fates, media) as (emulator, _, session):
        check_result(emulator, await session.generate(image("柴犬 in space")))
        assert session.statistics().retries == 0


async def test_a_latency_on_everything_costs_time_alone(tmp_path: Path) -> None:
    slow = befalling("/", Fate(pause=0.02), for_ever=True)
    async with proxied(tmp_path, slow) as (emulator, _, session):
        jobs = [job async for job in session.run(image(str(number)) for number in range(8))]
        for job in jobs:
            check_job(emulator, job)
        assert session.statistics().retries == 0


# ---- an API call that drips --------------------------------------------------------------


@pytest.mark.parametrize("where", ["generate", "history"])
async def test_h21_a_reply_that_drips_for_ever_is_given_up(tmp_path: Path, where: str) -> None:
    """M14: every byte winds aiohttp's own timer up again."""
    drip = Fate(slices=1, pause=0.01)
    rules = settings(read_timeout=0.05)
    async with proxied(tmp_path, befalling(TARGETS[where], drip), rules=rules) as (
        emulator,
        proxy,
        session,
    ):
        job = await session.submit(image())
        await job
        check_job(emulator, job)
        assert len(proxy.to(GENERATE)) == len(emulator.ledger) == 1
        assert session.statistics().retries >= (where == "history")


# ---- overload ----------------------------------------------------------------------------


async def test_requests_lost_both_ways_leave_one_charge_each(tmp_path: Path) -> None:
    """Half of the submits never arrive, half of the rest are never answered."""
    fates = befalling(GENERATE, *[Fate(asks=100), LOST, Fate(), Fate()] * 6)
    rules = settings(polling=polling(burst=50))
    async with proxied(tmp_path, fates, rules=rules) as (emulator, proxy, session):
        jobs = [job async for job in session.run(image(str(number)) for number in range(24))]
        held = [job for job in jobs if job.state is JobState.UNKNOWN]
        done = [job for job in jobs if job.state is JobState.DONE]
        assert (len(held), len(done)) == (6, 18)
        for job in done:
            check_job(emulator, job)
        assert {type(job.error) for job in held} == {JobLost}
        assert len(emulator.ledger) == 18
        assert len(proxy.to(GENERATE)) == 24
    assert sorted(rows(tmp_path).values()) == ["done"] * 18 + ["unknown"] * 6
    assert len(os.listdir(tmp_path)) >= 18
