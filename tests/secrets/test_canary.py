"""The watch over all tests sees what it is there for, and the package's worst moments are clean."""

import json
import logging
import pickle
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from canary import SHARED, Canary
from egress import Egress
from rawserver import RESET, Reply, reply, serving
from session_kit import SECRET, downloading, image, png, session_for, settings, world
from yarl import URL

from dreamina_async import (
    ApiError,
    Credentials,
    DreaminaError,
    InvalidRequest,
    ProtocolError,
    Region,
    events,
    journal_jobs,
)
from dreamina_async._core.profile import caller_for
from dreamina_async._core.upload import decode_apply, decode_token
from dreamina_async._core.wire import HttpResponse
from dreamina_async.emulator import Emulator

log = logging.getLogger("some.library")


# ---- the watch itself --------------------------------------------------------------------


def _raise_with_a_secret(secret: str) -> None:
    try:
        raise ValueError(secret)
    except ValueError as error:
        raise DreaminaError("clean") from error


@pytest.mark.leaks
def test_what_the_canary_hears(canary: Canary, tmp_path: Path, capsys: Any) -> None:
    assert canary.found == []
    log.debug("%s", f"sessionid={SHARED}")
    log.debug("clean", {"url": "https://x/y?x-signature=abcdef%2B"})
    try:
        _raise_with_a_secret(SHARED)
    except DreaminaError:
        log.exception("clean")
    with pytest.raises(DreaminaError):
        _raise_with_a_secret(SHARED)
    print(SHARED)
    capsys.readouterr()
    canary.event(events.Submitted(SHARED, 0.0, history_id=None))
    (tmp_path / "a").write_bytes(b"..." + SHARED.encode())
    (tmp_path / SHARED).touch()
    canary.folder(tmp_path)
    login = Credentials("another-login-of-this-test")
    log.info("another-login-of-this-test %r", login)
    expected = [
        "log record of some.library",
        "log record of some.library",
        "text of exception in a log record of some.library",
        "text of ValueError",
        "stdout",
        "repr of event Submitted",
        "pickle of event Submitted",
        "file a",
        f"file name {SHARED}",
        "log record of some.library",
    ]
    assert sorted(canary.found) == sorted(expected)


def test_the_canary_is_the_secret_that_tests_share() -> None:
    assert SHARED == SECRET


@pytest.mark.parametrize(
    ("door", "url", "headers", "fine"),
    [
        ("media", "http://127.0.0.1/x", {}, True),
        ("media", "http://127.0.0.1/x", {"Cookie": "a=b"}, False),
        ("media", "https://p3.byteimg.com/x", {"Authorization": "b"}, False),
        ("media", "https://up.bytedancevod.com/upload/v1/x", {"Authorization": "b"}, True),
        ("media", "http://p3.byteimg.com/x", {}, False),
        ("api", "https://jimeng.jianying.com/x", {"cookie": "a=b"}, True),
        ("api", "http://jimeng.jianying.com/x", {"cookie": "a=b"}, False),
        ("api", "https://imagex.bytedanceapi.com/x", {"cookie": "a=b"}, False),
        ("api", "https://sub.jimeng.jianying.com/x", {"cookie": "a=b"}, False),
    ],
)
def test_what_the_recorder_of_requests_refuses(
    door: str, url: str, headers: dict[str, str], fine: bool
) -> None:
    egress = Egress()
    sent: Any = aiohttp.TraceRequestHeadersSentParams("GET", URL(url), headers)
    egress._note(door, sent)
    assert (egress.found == []) is fine


# ---- errors with all that hangs on them (X5, X6, X17) ------------------------------------


BAD_LOGINS: list[dict[str, Any]] = [
    {"sessionid": f"sessionid={SECRET}; sid_tt={SECRET}"},
    {"sessionid": f"{SECRET}\r\nX: y"},
    {"sessionid": f"us-{SECRET}", "region": "hk"},
    {"sessionid": SECRET, "region": SECRET},
    {"sessionid": SECRET, "cookies": {"uid_tt": f"{SECRET};"}},
    {"sessionid": SECRET, "headers": {"x y": SECRET}},
    {"sessionid": SECRET, "query": {"msToken": f"{SECRET}\n"}},
]


@pytest.mark.parametrize("given", BAD_LOGINS, ids=lambda given: "-".join(given))
def test_x5_u9_a_refused_login_stands_in_no_frame_of_its_refusal(given: dict[str, Any]) -> None:
    """The fixture looks at the variables of every frame, as reporters of errors do."""
    with pytest.raises(InvalidRequest):
        Credentials(**given)
    with pytest.raises(InvalidRequest):
        Region.parse(SECRET)
    environ = {"DREAMINA_SESSIONID": f"{SECRET}; x", "DREAMINA_REGION": SECRET}
    with pytest.raises(InvalidRequest):
        Credentials.from_env(environ)


@pytest.mark.parametrize(
    "pasted",
    [
        f"  {SECRET}\n",
        f'"{SECRET}"',
        f"sessionid={SECRET}",
        f"'sessionid={SECRET}'",
        f"US-{SECRET}",
    ],
)
async def test_x20_u9_however_it_is_pasted_it_is_seen_nowhere(
    tmp_path: Path, pasted: str, canary: Canary
) -> None:
    login = Credentials(pasted, cookies={"uid_tt": "0123456789abcdef0123456789abcdef"})
    async with world(tmp_path, credentials=login) as (_, session):
        job = await session.submit(image())
        result = await job
        for value in (result, result.media, session.statistics()):
            canary.value(value, "a public value")
        canary.look("repr of a handle", f"{session!r} {job!r}")
        for record in await journal_jobs(tmp_path):
            canary.value(record, "a record")
        with pytest.raises(TypeError):
            pickle.dumps(login)


ECHOES: list[Reply] = [
    reply(f"<html>{SECRET} is not welcome".encode()),
    reply(json.dumps({"ret": "1015", "errmsg": f"sessionid={SECRET}\x1b[31m\n"}).encode()),
    reply(json.dumps({"ret": "9999", "errmsg": f"cookie: sessionid={SECRET}"}).encode()),
    reply(f'{{"ret": "0", "data": {{"sessionid": "{SECRET}"'.encode()),
    reply(f"sessionid={SECRET}".encode(), status="502 Bad Gateway"),
    reply(b"", f"Location: https://login.example/?sessionid={SECRET}", status="302 Found"),
    reply(f"{{sessionid={SECRET}".encode(), f"x-tt-logid: {SECRET}"),
    Reply(
        [f"HTTP/1.1 200 OK\r\nX: sessionid={SECRET}\r\nContent-Length: 9\r\n\r\n".encode()], RESET
    ),
    Reply([f"HTTP/1.1 {SECRET} \0\r\n\r\n".encode()], RESET),
]


@pytest.mark.parametrize("number", range(len(ECHOES)))
async def test_x6_x5_a_service_that_says_the_cookie_back_is_not_quoted(
    tmp_path: Path, number: int, canary: Canary
) -> None:
    async with serving(ECHOES[number]) as server, Emulator() as emulator:
        rules = settings(downloading=downloading(attempts=1))
        session = session_for(emulator, tmp_path, base_url=server.url(""), settings=rules)
        async with session:
            for call in (session.credits, session.models):
                with pytest.raises(DreaminaError) as caught:
                    await call()
                assert not any(ord(one) < 32 for one in str(caught.value))


TOKEN = "STS2" + "canarytoken" * 4


@pytest.mark.parametrize(
    "body",
    [
        f'{{"ret": "0", "data": {{"session_token": "{TOKEN}"',
        f'{{"ret": "0", "data": {{"session_token": "{TOKEN}"}}}}',
        f'{{"ResponseMetadata": {{"Error": {{"CodeN": 1, "Message": "Auth={TOKEN}"}}}}}}',
        f'["{TOKEN}"]',
        f"<html>{TOKEN}</html>",
    ],
)
def test_x5_upload_keys_hang_on_no_error(body: str, canary: Canary) -> None:
    canary.learn(TOKEN)
    caller = caller_for(Credentials(SECRET), None)
    response = HttpResponse(200, {}, body.encode())
    with pytest.raises((ProtocolError, ApiError)):
        decode_token(response, caller, 1.0)
    with pytest.raises((ProtocolError, ApiError)):
        decode_apply(response, 1.0)


async def test_x5_x7_a_session_with_everything_in_it_leaves_no_trace(
    tmp_path: Path, canary: Canary
) -> None:
    """An upload with its keys, signed URLs in the records, and the events of all that."""
    async with world(tmp_path) as (_, session):
        job = await session.submit(image(references=(png(),)))
        async for event in job.events():
            canary.value(event, "an event")
