"""Where results may come from, whatever the service says (X9 to X13, U9)."""

import ipaddress
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from altering import Json, between, each_record
from egress import Egress
from rawserver import redirect, reply, serving
from session_kit import (
    check_result,
    document,
    image,
    png,
    rows,
    session_for,
    world,
)

from dreamina_async import DownloadError, DreaminaError, HostRefused, InvalidRequest, JobState
from dreamina_async._runtime.transport import AiohttpTransport
from dreamina_async.emulator import Emulator
from dreamina_async.settings import DownloadPolicy, Settings

METADATA = "169.254.169.254"

Names = dict[str, list[str]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Names and the addresses that they lead to, one answer after the other; the last stays."""
    known: Names = {}

    def getaddrinfo(host: Any, port: int, *_: Any, **__: Any) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in known and not name[0].isdigit():
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        answers = known.get(name, [name])
        address = answers.pop(0) if len(answers) > 1 else answers[0]
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(kind, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Addresses that somebody tried to reach; nothing is."""
    tried: list[str] = []

    def connect(self: socket.socket, address: Any) -> None:
        tried.append(address[0])
        raise ConnectionRefusedError(111, "no packet leaves this machine")

    monkeypatch.setattr(socket.socket, "connect", connect)
    return tried


async def fetched(settings: Settings, url: str, *, loopback: bool = False) -> bytes:
    transport = AiohttpTransport(settings, loopback=loopback)
    try:
        async with transport.stream(url) as stream:
            return b"".join([piece async for piece in stream.pieces()])
    finally:
        await transport.aclose()


def pointing_to(host: str) -> Any:
    """Every URL of a result leads to this host instead, path and query unchanged."""

    def changed(_: str, record: Json) -> None:
        for item in record["item_list"]:
            _lead(item, host)

    return each_record(changed)


def _lead(value: Any, host: str) -> None:
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        if isinstance(inner, dict | list):
            _lead(inner, host)
        elif isinstance(inner, str) and inner.startswith("http"):
            parts = urlsplit(inner)
            value[key] = f"https://{host}{parts.path}?{parts.query}"


# ---- which hosts -------------------------------------------------------------------------


async def test_x9_a_strange_host_is_named_and_the_paid_job_is_kept(
    tmp_path: Path, egress: Egress
) -> None:
    """Refused, the job is READY: another session brings it home, once that host is trusted."""
    host = "results.example.com"
    async with between(tmp_path, history=pointing_to(host)) as (emulator, session, middle):
        job = await session.submit(image())
        with pytest.raises(HostRefused, match=r"DownloadPolicy\.hosts") as caught:
            await job
        error = caught.value
        assert (error.host, error.charged, error.job_id) == (host, "yes", job.job_id)
        assert job.state is JobState.READY
        assert all(one.door == "api" for one in egress.requests)
        await session.aclose()
        assert rows(tmp_path) == {job.job_id: "ready"}
        middle.history = None
        async with session_for(emulator, tmp_path, base_url=middle.base_url) as later:
            (again,) = await later.resume()
            check_result(emulator, await again)


async def test_x9_a_trusted_host_is_asked_at_its_public_address_only(
    names: Names, connected: list[str]
) -> None:
    trusting = Settings(downloading=DownloadPolicy(hosts=("example.com",)))
    names["a.example.com"] = ["93.184.215.14"]
    with pytest.raises(DownloadError):
        await fetched(Settings(), "https://a.example.com/x")
    assert connected == []
    with pytest.raises(Exception, match="cannot connect"):
        await fetched(trusting, "https://a.example.com/x")
    assert connected == ["93.184.215.14"]


@pytest.mark.parametrize(
    "hosts",
    ["example.com", ["example.com"], ("",), ("com",), ("https://a.com",), ("a.com/x",), (None,)],
)
def test_domains_are_told_apart_from_what_is_none(hosts: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        DownloadPolicy(hosts=hosts)
    assert caught.value.field == "hosts"


# ---- which addresses ---------------------------------------------------------------------


async def test_x9_a_name_that_changes_its_mind_is_judged_by_its_last_word(
    names: Names, connected: list[str]
) -> None:
    """Rebinding: what is checked is what is connected to, so there is no time in between."""
    names["p3.byteimg.com"] = ["93.184.215.14", METADATA, "127.0.0.1", "10.0.0.7"]
    for _ in range(5):
        with pytest.raises(Exception, match=r"cannot connect|public address"):
            await fetched(Settings(), "https://p3.byteimg.com/x")
    assert connected == ["93.184.215.14"]
    assert all(ipaddress.ip_address(one).is_global for one in connected)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "2852039166",
        "0xA9FEA9FE",
        "0251.0376.0251.0376",
        "169.16689662",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "169.254.169.254.byteimg.com@169.254.169.254",
        "p3.byteimg.com%00.evil.example",
        "p3.byteimg.com%2f@evil.example",
        "evil.example#.byteimg.com",
        "evil.example\\.byteimg.com",
        "p3.byteimg.com:22",
    ],
)
@pytest.mark.parametrize("loopback", [True, False])
async def test_x9_x10_no_spelling_leads_to_a_private_place(
    connected: list[str], host: str, loopback: bool
) -> None:
    """Also not by trusting everything that ends in the right way."""
    with pytest.raises(DownloadError):
        await fetched(Settings(), f"https://{host}/latest/meta-data", loopback=loopback)
    assert connected == []


@pytest.mark.parametrize(
    "location",
    [
        f"http://{METADATA}/latest",
        "https://results.example.com/x",
        "http://p3.byteimg.com/x",
        "https://user:pw@p3.byteimg.com/x",
        "https://p3.byteimg.com:8443/x",
        "//results.example.com/x",
        "file:///etc/passwd",
        "ftp://p3.byteimg.com/x",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
    ],
)
async def test_x11_a_redirect_gets_no_further_than_the_first_url(
    connected: list[str], monkeypatch: pytest.MonkeyPatch, location: str
) -> None:
    async with serving(redirect(location)) as server:
        monkeypatch.undo()  # this one connection is wanted
        with pytest.raises(DownloadError) as caught:
            await fetched(Settings(), server.url("/x?x-signature=abcdefgh"), loopback=True)
    assert "abcdefgh" not in str(caught.value)
    assert len(server.asked) == 1
    assert connected == []


# ---- what the service says of names ------------------------------------------------------


@pytest.mark.parametrize(
    "disposition",
    [
        'attachment; filename="../../x"',
        "attachment; filename=/etc/passwd",
        "attachment; filename*=UTF-8''..%2F..%2Fx%00.png",
        'attachment; filename="CON"',
        "inline",
    ],
)
async def test_x12_a_name_in_a_header_names_no_file(tmp_path: Path, disposition: str) -> None:
    body = png()
    served = reply(body, f"Content-Disposition: {disposition}", "Content-Type: text/html")

    async with serving(served) as server:

        def changed(_: str, record: Json) -> None:
            for item in record["item_list"]:
                item["image"]["large_images"][0]["image_url"] = server.url("/x")

        async with between(tmp_path, history=each_record(changed)) as (_, session, _):
            result = await session.generate(image())
            (file,) = result.media
            assert file.path == tmp_path / str(result.submit_id) / "image-0.png"
            assert file.path.read_bytes() == body
    assert_only(tmp_path, str(result.submit_id))


HOSTILE = ["../../x", "/etc/passwd", "a\0b", "CON", "..", "x" * 300, "a/../../b", "\u202egnp.exe"]


@pytest.mark.parametrize("text", HOSTILE)
async def test_x13_nothing_the_service_says_becomes_part_of_a_path(
    tmp_path: Path, text: str
) -> None:
    def changed(_: str, record: Json) -> None:
        record.update(title=text, name=text, generate_id=text, history_group_key=text)
        for item in record["item_list"]:
            item.update(id=text, title=text)
            item["common_attr"] = {**item.get("common_attr", {}), "id": text, "title": text}
            item["image"]["format"] = text
            for one in item["image"]["large_images"]:
                one["format"] = text

    async with between(tmp_path, history=each_record(changed)) as (emulator, session, _):
        result = await session.generate(image())
        assert result.media[0].path == tmp_path / str(result.submit_id) / "image-0.png"
        assert result.media[0].sha256 == emulator.media(str(result.submit_id))[0].sha256
        assert document(tmp_path / str(result.submit_id))["submit_id"] == str(result.submit_id)
    assert_only(tmp_path, str(result.submit_id))


def assert_only(root: Path, job_id: str) -> None:
    """One folder of our own naming, with two files of our own naming; nothing beside."""
    assert sorted(path.name for path in (root / job_id).iterdir()) == ["image-0.png", "job.json"]
    assert [path.name for path in root.iterdir() if path.is_dir()] == [job_id]
    assert not {"x", "sh", "b"} & {path.name for path in root.parent.iterdir()}


# ---- where requests go -------------------------------------------------------------------


async def test_x1_x2_every_request_of_a_session_goes_where_it_belongs(
    tmp_path: Path, egress: Egress
) -> None:
    async with world(tmp_path) as (emulator, session):
        await session.generate(image(references=(png(),)))
        await session.credits()
        assert urlsplit(emulator.base_url).port
    doors = {(one.door, one.cookie, one.authorization) for one in egress.requests}
    # the login; ImageX's own signature; results; the upload's own authorization
    assert doors == {
        ("api", True, False),
        ("api", False, True),
        ("media", False, False),
        ("media", False, True),
    }
    assert all(one.host == "127.0.0.1" for one in egress.requests)


async def test_h6_m5_a_redirect_of_the_api_is_answered_by_nobody(
    tmp_path: Path, egress: Egress
) -> None:
    async with (
        serving(redirect("https://login.example/", 307)) as server,
        Emulator() as emulator,
        session_for(emulator, tmp_path, base_url=server.url("")) as session,
    ):
        with pytest.raises(DreaminaError, match="HTTP 307"):
            await session.credits()
    assert {one.host for one in egress.requests} == {"127.0.0.1"}
    assert egress.found == []
