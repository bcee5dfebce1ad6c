"""Through a proxy of the user's own: everything goes there, and nothing is shown to it."""

import asyncio
import base64
import copy
import pickle
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp.connector as aiohttp_connector
import pytest
import trustme
from attrs import define, field
from rawserver import listening, reset
from session_kit import SECRET, check_result, image, png, retrying, settings
from sockets.faultproxy import FaultProxy, proxying

from dreamina_async import (
    Credentials,
    DreaminaSession,
    InvalidRequest,
    Proxy,
    Settings,
    TransportError,
)
from dreamina_async.emulator import Emulator

API = "jimeng.jianying.com"
MEDIA = "p3-dreamina-sign.byteimg.com"
IMAGEX = "imagex.bytedanceapi.com"
PASSWORD = "p@ss-of-the-proxy"


@define(eq=False)
class Tunnel:
    """An HTTP proxy that leads every host name to one port of this machine."""

    to: int
    answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
    heads: list[bytes] = field(factory=list)
    broken: int = 0
    """How many tunnels break before they are dug."""
    _tasks: set["asyncio.Task[None] | None"] = field(factory=set)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        if self.broken:
            self.broken -= 1
            reset(writer)
            return
        writer.write(self.answer)
        if b" 200 " not in self.answer:
            writer.close()
            return
        back, onward = await asyncio.open_connection("127.0.0.1", self.to)
        await asyncio.gather(_pumped(reader, onward), _pumped(back, writer))

    @property
    def hosts(self) -> set[str]:
        return {head.split()[1].decode() for head in self.heads}

    async def close(self) -> None:
        for task in self._tasks:
            if task is not None:
                task.cancel()
        await asyncio.gather(*filter(None, self._tasks), return_exceptions=True)


async def _pumped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def tunnelled(
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[tuple[Emulator, Tunnel, str]]:
    """An emulator that is reached, by the service's real names, through a proxy alone."""
    authority, trusting = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(trusting)
    monkeypatch.setattr(aiohttp_connector, "_SSL_CONTEXT_VERIFIED", trusting)
    for name in ("DREAMINA_BASE_URL", "DREAMINA_PROXY"):
        monkeypatch.delenv(name, raising=False)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(API, MEDIA, IMAGEX).configure_cert(tls)
    async with Emulator(speed=2000) as emulator, proxying(emulator, tls=tls) as front:
        assert isinstance(front, FaultProxy)
        emulator._world.links.base_url = f"https://{MEDIA}"
        tunnel = Tunnel(front.port)
        async with listening(tunnel.handle) as port:
            try:
                yield emulator, tunnel, f"127.0.0.1:{port}"
            finally:
                await tunnel.close()


def session_in(folder: Path, **rules: object) -> DreaminaSession:
    return DreaminaSession(Credentials(SECRET), output_dir=folder, settings=settings(**rules))


async def test_n15_everything_goes_through_the_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tunnelled(monkeypatch) as (emulator, tunnel, place):
        url = f"http://user:{PASSWORD.replace('@', '%40')}@{place}"
        async with session_in(tmp_path, proxy=url) as session:
            check_result(emulator, await session.generate(image()))
            assert PASSWORD not in repr(session._settings)
        assert tunnel.hosts == {f"{API}:443", f"{MEDIA}:443"}
        login = base64.b64encode(f"user:{PASSWORD}".encode())
        for head in tunnel.heads:
            assert b"Proxy-Authorization: Basic " + login in head
            assert SECRET.encode() not in head
        assert emulator.requests.media_cookies == 0


async def test_the_environment_may_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with tunnelled(monkeypatch) as (emulator, tunnel, place):
        monkeypatch.setenv("DREAMINA_PROXY", f"http://{place}")
        async with session_in(tmp_path) as session:
            check_result(emulator, await session.generate(image()))
        assert tunnel.heads


async def test_a_name_of_this_machine_will_do_for_the_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results come from public addresses only; a proxy may stand anywhere."""
    async with tunnelled(monkeypatch) as (emulator, _, place):
        proxy = f"http://{place.replace('127.0.0.1', 'localhost')}"
        async with session_in(tmp_path, proxy=proxy) as session:
            check_result(emulator, await session.generate(image()))


async def test_n15_n8_a_tunnel_that_breaks_was_not_sent_and_one_that_works_costs_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tunnelled(monkeypatch) as (emulator, tunnel, place):
        tunnel.broken = 2
        async with session_in(tmp_path, proxy=f"http://{place}") as session:
            check_result(emulator, await session.generate(image()))
            assert session.statistics().submits == 3
        assert len(emulator.ledger) == 1


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "502 Bad Gateway"])
async def test_n15_a_refusal_of_the_proxy_was_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    async with tunnelled(monkeypatch) as (emulator, tunnel, place):
        tunnel.answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
        url = f"http://user:{PASSWORD.replace('@', '%40')}@{place}"
        rules = {"proxy": url, "retrying": retrying(attempts=2)}
        async with session_in(tmp_path, **rules) as session:
            with pytest.raises(TransportError) as caught:
                await session.generate(image())
        assert caught.value.charged == "no"
        assert f"the proxy refuses the way with status {status[:3]}" in str(caught.value)
        assert PASSWORD not in repr(caught.value)
        assert len(emulator.ledger) == 0


async def test_a_proxy_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(lambda *_: None) as port:
        pass
    rules = {"proxy": f"http://127.0.0.1:{port}", "retrying": retrying(attempts=2)}
    monkeypatch.delenv("DREAMINA_BASE_URL", raising=False)
    async with session_in(tmp_path, **rules) as session:
        with pytest.raises(TransportError, match="cannot connect to the proxy") as caught:
            await session.generate(image())
    assert caught.value.charged == "no"


async def test_pictures_of_the_users_own_go_through_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tunnelled(monkeypatch) as (emulator, tunnel, place):
        async with session_in(tmp_path, proxy=f"http://{place}") as session:
            request = image("with a picture", references=[png(1, 64, 64)])
            check_result(emulator, await session.generate(request))
        assert f"{IMAGEX}:443" in tunnel.hosts
        assert len(emulator.uploads) == 1


async def test_a_service_on_this_machine_needs_none(tmp_path: Path) -> None:
    async with Emulator(speed=2000) as emulator:
        given = settings(proxy="http://127.0.0.1:9")
        options = {"base_url": emulator.base_url, "output_dir": tmp_path, "settings": given}
        async with DreaminaSession(Credentials(SECRET), **options) as session:
            check_result(emulator, await session.generate(image()))


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:7890", "socks5://127.0.0.1:1080", "http://127.0.0.1", "http://h:99999", 7890,
     "http://host:80/path", "http://ho st:80", "http://主机:80", "http://h\r\n:80", "http://:80"],
)  # fmt: skip
def test_u10_what_is_no_proxy(url: object) -> None:
    with pytest.raises(InvalidRequest, match=r"the proxy is not http://HOST:PORT"):
        Settings(proxy=url)  # type: ignore[arg-type]


def test_x18_its_password_is_shown_to_nobody() -> None:
    url = f"http://user:{PASSWORD.replace('@', '%40')}@proxy.test:3128"
    proxy = Proxy(url)
    assert repr(proxy) == str(proxy) == "<Proxy proxy.test:3128>"
    assert proxy.secrets() == (PASSWORD,)
    for refused in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            refused(proxy)
    assert PASSWORD not in repr(Settings(proxy=proxy))
    assert Settings(proxy=proxy) == Settings(proxy=url) != Settings()
    with pytest.raises(InvalidRequest) as caught:
        Proxy(url + "/path")
    assert PASSWORD not in repr(caught.value)
