"""What json, yarl, aiofiles, anyio and attrs do where the reliability notes count on it.

See the neighbour about aiohttp for why, and for how to run these against other versions.
"""

import asyncio
import json
import math
import threading

import aiofiles
import aiofiles.threadpool
import anyio
import attrs
import pytest
from yarl import URL


@pytest.fixture
def anyio_backend():
    return "asyncio"


CANARY = "cookie-of-nobody"


class TestM17Json:
    def test_m17_it_takes_what_is_not_json(self):
        assert math.isnan(json.loads("NaN"))
        assert json.loads("1e999") == math.inf
        assert json.loads('{"id":"a","id":"b"}') == {"id": "b"}
        assert json.loads('"\\ud800"') == "\ud800"

    def test_m17_its_refusals_are_of_three_kinds(self):
        with pytest.raises(RecursionError):
            json.loads("[" * 100_000)
        with pytest.raises(ValueError, match="digits"):
            json.loads("7" * 5000)
        assert issubclass(json.JSONDecodeError, ValueError)


SIGNED = "https://media.test/a%2Fb%7Ec/x/../d?x-signature=a%2Fb%7E%3D"


class TestM18SignedUrls:
    def test_m18_a_url_is_rewritten(self):
        shown = str(URL(SIGNED))
        assert "x-signature=a/b~%3D" in shown
        assert "%2Fb~c" in shown
        assert ".." not in shown

    def test_m18_unless_it_is_said_to_be_encoded(self):
        assert str(URL(SIGNED, encoded=True)) == SIGNED


class TestM19Hosts:
    @pytest.mark.parametrize(
        ("text", "host"),
        [
            ("https://0x7f000001/", "0x7f000001"),
            ("https://2130706433/", "2130706433"),
            ("https://127.1/", "127.1"),
            ("https://media.test./", "media.test."),
            ("https://ｍedia.test/", "media.test"),
            ("https://media.test@evil.test/", "evil.test"),
        ],
    )
    def test_m19_odd_hosts_are_taken(self, text, host):
        assert URL(text).host == host

    def test_m19_a_backslash_is_refused_and_line_ends_are_dropped(self):
        with pytest.raises(ValueError):
            URL("https://a\\b.test/")
        assert URL("https://a\r\nb.test/").host == "ab.test"


class Gate:
    """A slow disk: opening waits in its thread until it is let through."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()
        self.passed = threading.Event()
        self.file = None

    def create(self, path, *args, **kwargs):
        self.reached.set()
        self.open.wait()
        self.file = open(path, *args, **kwargs)  # noqa: SIM115
        self.passed.set()
        return self.file


async def test_m20_a_cancelled_aiofiles_leaves_its_thread_at_work(tmp_path, monkeypatch):
    gate = Gate()
    monkeypatch.setattr(aiofiles.threadpool, "sync_open", gate.create)

    async def create():
        await aiofiles.open(tmp_path / "file", "wb")

    task = asyncio.create_task(create())
    await asyncio.to_thread(gate.reached.wait)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert not (tmp_path / "file").exists()
    gate.open.set()
    await asyncio.to_thread(gate.passed.wait)
    gate.file.close()
    assert (tmp_path / "file").exists()


@pytest.mark.parametrize("style", ["scope", "task"])
async def test_m20_anyio_waits_for_its_thread_if_a_scope_is_cancelled(tmp_path, style):
    """A task that asyncio itself cancels leaves, and its thread works on: the notes say less."""
    gate, scope = Gate(), anyio.CancelScope()

    def create():
        gate.create(tmp_path / "file", "wb").close()

    async def wait():
        with scope:
            await anyio.to_thread.run_sync(create)

    task = asyncio.create_task(wait())
    await asyncio.to_thread(gate.reached.wait)
    scope.cancel() if style == "scope" else task.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert task.done() == (style == "task")
    gate.open.set()
    await asyncio.wait([task])
    await asyncio.to_thread(gate.passed.wait)
    assert (tmp_path / "file").exists()


@attrs.frozen
class Login:
    sessionid: str


@attrs.frozen
class QuietLogin:
    sessionid: str = attrs.field(repr=False)


def test_m23_attrs_shows_every_field():
    assert CANARY in repr(Login(CANARY))
    assert CANARY not in repr(QuietLogin(CANARY))
    assert CANARY in repr(attrs.asdict(QuietLogin(CANARY)))
