"""A service between a session and the emulator that says other things than the emulator did."""

import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from inspect import isawaitable
from pathlib import Path
from typing import Any, Self

from aiohttp import ClientSession, DummyCookieJar, web
from attrs import define, field, frozen
from session_kit import check_folder, leftovers, session_for, settings
from yarl import URL

from dreamina_async import DreaminaSession, Settings
from dreamina_async.emulator import Emulator, Fault

Json = dict[str, Any]
Change = Callable[[Json], object]

# these belong to one connection, or are made anew
_OWN = {"host", "content-length", "transfer-encoding", "connection", "date", "server"}


@frozen
class Heard:
    """One request as it left the session."""

    path: str
    headers: dict[str, str]
    body: bytes


@define(eq=False)
class Middle:
    """Hands every call on, and every reply back, changed where a test says so.

    Attributes:
        target: the emulator.
        generate: changes the reply to a submit, in place.
        history: changes the reply to a status call, in place.
        heard: every request, oldest first.
    """

    target: str
    generate: Change | None = None
    history: Change | None = None
    heard: list[Heard] = field(factory=list)
    base_url: str = ""
    _client: ClientSession = field(init=False)
    _runner: web.ServerRunner = field(init=False)

    async def __aenter__(self) -> Self:
        self._client = ClientSession(cookie_jar=DummyCookieJar())
        server = web.Server(self._answer, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._client.close()

    def to(self, end: str) -> list[Heard]:
        """The requests to one endpoint."""
        return [one for one in self.heard if one.path.endswith(end)]

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        self.heard.append(Heard(request.path, dict(request.headers), body))
        url = URL(self.target + request.raw_path, encoded=True)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _OWN}
        async with self._client.request(
            request.method, url, headers=headers, data=body, allow_redirects=False
        ) as reply:
            content = await self._changed(request.path, await reply.read())
            kept = {k: v for k, v in reply.headers.items() if k.lower() not in _OWN}
            return web.Response(body=content, status=reply.status, headers=kept)

    async def _changed(self, path: str, content: bytes) -> bytes:
        change = self.generate if path.endswith("/generate") else None
        change = self.history if path.endswith("/get_history_by_ids") else change
        if change is None:
            return content
        reply = json.loads(content)
        changed = change(reply)
        if isawaitable(changed):  # it may also hold the reply back
            await changed
        return json.dumps(reply).encode()


def each_record(change: Callable[[str, Json], object]) -> Change:
    """Change every record of a status reply that is over and has results, by its key."""

    def changed(reply: Json) -> None:
        for key, record in (reply["data"] or {}).items():
            if record.get("item_list"):
                change(key, record)

    return changed


@asynccontextmanager
async def between(
    folder: Path,
    *,
    rules: Settings | None = None,
    generate: Change | None = None,
    history: Change | None = None,
    faults: Iterable[Fault] = (),
    **options: Any,
) -> AsyncIterator[tuple[Emulator, DreaminaSession, Middle]]:
    """A session whose emulator speaks through a middle; what a `world` checks, this checks."""
    before = leftovers()
    async with (
        Emulator(**({"speed": 600, "faults": faults} | options)) as emulator,
        Middle(emulator.base_url, generate, history) as middle,
    ):
        rules = rules or settings()
        session = session_for(emulator, folder, base_url=middle.base_url, settings=rules)
        async with session:
            yield emulator, session, middle
    assert leftovers() == before
    assert emulator.ledger.repeated() == {}
    assert emulator.requests.media_cookies == 0
    check_folder(folder)
