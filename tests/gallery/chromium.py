"""A headless Chromium, driven over its DevTools socket: just enough to look at a page."""

import asyncio
import base64
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--mute-audio",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # whatever it wants, it asks nobody
    "--remote-debugging-port=0",
)


_UNTIL = """(test, words) => new Promise((done, fail) => {
  const end = performance.now() + 20000;
  const look = () => {
    if (test()) done(true);
    else if (performance.now() > end) fail(new Error(words));
    else setTimeout(look, 15);
  };
  look();
})"""


def program() -> str | None:
    """Where a Chromium is, if there is one."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


class Page:
    """One tab. Console errors and exceptions are kept in `errors`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self._serial = 0
        self.errors: list[str] = []
        self.requested: list[str] = []

    async def listen(self) -> None:
        async for message in self._socket:
            data = json.loads(message.data)
            if "id" in data:
                self._waiting.pop(data["id"]).set_result(data)
            else:
                self._note(data["method"], data["params"])

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._loaded.set()
        elif method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requested.append(params["request"]["url"])

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._serial += 1
        future = asyncio.get_running_loop().create_future()
        self._waiting[self._serial] = future
        await self._socket.send_json({"id": self._serial, "method": method, "params": params})
        reply = await asyncio.wait_for(future, 60)
        assert "error" not in reply, reply
        return reply["result"]

    async def open(self, url: str) -> None:
        """Load a page to its end."""
        self._loaded.clear()
        await self.call("Page.navigate", url=url)
        await asyncio.wait_for(self._loaded.wait(), 60)

    async def run(self, script: str) -> Any:
        """The value of an expression; promises are awaited."""
        result = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def until(self, script: str) -> None:
        """Wait until an expression is true."""
        await self.run(f"({_UNTIL})(() => ({script}), {json.dumps(script)})")

    async def press(self, key: str) -> None:
        """One key, down and up, as a person presses it."""
        codes = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39}
        codes |= {"ArrowDown": 40, "Tab": 9, "End": 35, "Home": 36, "/": 191}
        text = {"Enter": "\r", "/": "/"}.get(key, key if len(key) == 1 else "")
        one = {"key": key, "windowsVirtualKeyCode": codes.get(key, ord(key[0])), "text": text}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **one)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **one)

    async def write(self, text: str) -> None:
        """Text into whatever has the focus."""
        await self.call("Input.insertText", text=text)

    async def look(self, width: int, height: int, scheme: str = "light") -> None:
        """Another window size and colour scheme."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def screenshot(self, path: Path) -> None:
        data = (await self.call("Page.captureScreenshot", format="png"))["data"]
        path.write_bytes(base64.b64decode(data))


@asynccontextmanager
async def browser(language: str = "en-US") -> AsyncIterator[Page]:
    """A fresh Chromium with one tab; nothing of it is left over."""
    found = program()
    assert found is not None
    with TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as folder:
        flags = (*_FLAGS, f"--user-data-dir={folder}", f"--lang={language}")
        flags += (f"--accept-lang={language}",)
        process = subprocess.Popen(
            [found, *flags, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            async with _tab(Path(folder)) as page:
                yield page
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 30)


@asynccontextmanager
async def _tab(folder: Path) -> AsyncIterator[Page]:
    port = await _port(folder / "DevToolsActivePort")
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/json/list") as reply:
            (tab,) = [one for one in await reply.json() if one["type"] == "page"]
        async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            page = Page(socket)
            listening = asyncio.create_task(page.listen())
            for domain in ("Page", "Runtime", "Log", "Network"):
                await page.call(f"{domain}.enable")
            yield page
            await socket.close()
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening


async def _port(path: Path) -> int:
    """Chromium writes it down when it listens."""
    async with asyncio.timeout(60):
        while True:
            with suppress(OSError, ValueError, IndexError):
                return int(path.read_text().split("\n")[0])
            await asyncio.sleep(0.05)
