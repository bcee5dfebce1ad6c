"""A service that costs next to nothing: it accepts every job at once and finishes none.

Raw asyncio, prebuilt replies, a process of its own that ends with its parent. The records are
those of the web page: 1.3 KB for an accepted job, 0.5 KB for a pending one.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

PATIENCE = 120.0
"""Seconds after which a run is given up."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_SUBMIT_ID = re.compile(rb'"submit_id":"([0-9a-f-]{36})"')
_HISTORY_ID = re.compile(rb'"(\d{14})"')
_FIRST = 16_000_000_000_000
"""History ids are counted up from here."""

_TASK: dict[str, Any] = {
    "task_id": "HISTORY",
    "submit_id": "SUBMIT",
    "aid": 0,
    "status": 20,
    "finish_time": 0,
    "history_id": "HISTORY",
    "task_payload": None,
    "original_input": None,
    "req_first_frame_image": None,
}
_RECORD: dict[str, Any] = {
    "generate_type": 1,
    "history_record_id": "HISTORY",
    "created_time": 1795262359.349,
    "task": _TASK,
    "status": 20,
}
_ACCEPTED: dict[str, Any] = _RECORD | {
    "origin_history_record_id": None,
    "item_list": [],
    "origin_item_list": [],
    "mode": "workbench",
    "uid": "7931677053139093",
    "history_group_key": "a red fox in the snow",
    "submit_id": "SUBMIT",
    "generate_id": "20261121195919F98F084BCA5A7C1F3583",
    "model_info": {"model_name": "图片 4.0", "model_req_key": "high_aes_general_v40"},
    "forecast_generate_cost": 15,
    "forecast_queue_cost": 0,
    "queue_info": {
        "queue_idx": 0,
        "priority": 3,
        "queue_status": 2,
        "queue_length": 0,
        "polling_config": {"interval_seconds": 30, "timeout_seconds": 86400},
        "priority_queue_display_threshold": {
            "vip_queuing_time_threshold": 300,
            "waiting_time_threshold": 60,
        },
    },
    "total_image_count": 0,
    "finished_image_count": 0,
    "pre_gen_item_ids": [str(4056526547253845408 + n) for n in range(4)],
}
_PENDING: dict[str, Any] = _RECORD | {
    "task": _TASK | {"submit_id": ""},  # so any history id can be answered
    "total_image_count": 4,
    "finished_image_count": 0,
    "image_type": 3,
    "forecast_generate_cost": 8.481,
    "forecast_queue_cost": 0,
}


def _pieces(value: dict[str, Any]) -> list[bytes]:
    """The JSON text, cut where an id stands; odd pieces say which id."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return [part.encode() for part in re.split("(HISTORY|SUBMIT)", text)]


def _filled(pieces: list[bytes], history: bytes, submit: bytes) -> bytes:
    ids = {b"HISTORY": history, b"SUBMIT": submit}
    return b"".join([ids.get(piece, piece) for piece in pieces])


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d"
_BEFORE = b'{"ret":"0","errmsg":"success","systime":"1795262359","logid":"2026112119591","data":'
_ACCEPTED_PIECES = _pieces({"aigc_data": _ACCEPTED, "fail_code": ""})
_PENDING_PIECES = _pieces(_PENDING)


class _Service(asyncio.Protocol):
    """One connection; `history_ids` is shared by all."""

    def __init__(self, history_ids: "count[int]") -> None:
        self._history_ids = history_ids
        self._received = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._received, 0, end)
            until = end + 4 + (int(found[1]) if found else 0)
            if len(self._received) < until:
                return
            request, self._received = self._received[:until], self._received[until:]
            reply = self._reply(request, end + 4)
            self._transport.write(b"%b\r\n\r\n%b" % (_HEAD % len(reply), reply))

    def _reply(self, request: bytes, body: int) -> bytes:
        if request.find(b"/generate?", 0, 200) >= 0:
            data = self._accepted(request, body)
        elif request.find(b"/get_history_by_ids?", 0, 200) >= 0:
            data = self._pending(request, body)
        else:
            data = b"{}"
        return b"%b%b}" % (_BEFORE, data)

    def _accepted(self, request: bytes, body: int) -> bytes:
        found = _SUBMIT_ID.search(request, body)
        history = b"%d" % next(self._history_ids)
        return _filled(_ACCEPTED_PIECES, history, found[1] if found else b"")

    def _pending(self, request: bytes, body: int) -> bytes:
        records = [
            b'"%b":%b' % (one, _filled(_PENDING_PIECES, one, b""))
            for one in _HISTORY_ID.findall(request, body)
        ]
        return b"{%b}" % b",".join(records)


async def _serve() -> None:
    history_ids, loop = count(_FIRST), asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Service(history_ids), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # its end is the parent's
    server.close()


# ---- for whoever measures --------------------------------------------------------------


@contextmanager
def service() -> Iterator[str]:
    """Run it as a process of its own; its base URL."""
    command = [sys.executable, __file__]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


def reply_to(submit_id: str) -> bytes:
    """The body of the reply to a submit."""
    data = _filled(_ACCEPTED_PIECES, b"%d" % _FIRST, submit_id.encode())
    return b"%b%b}" % (_BEFORE, data)


def flood(url: str, bodies: list[bytes], at_once: int) -> float:
    """Replies a second that the service gives to a client that does nothing but read them."""
    return asyncio.run(_flood(int(url.rpartition(":")[2]), bodies, at_once))


async def _flood(port: int, bodies: list[bytes], at_once: int) -> float:
    head = b"POST /mweb/v1/aigc_draft/generate?aid=1 HTTP/1.1\r\nContent-Length: %d\r\n\r\n"
    waiting = iter([head % len(body) + body for body in bodies])

    async def take() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for request in waiting:
            writer.write(request)
            found = _LENGTH.search(await reader.readuntil(b"\r\n\r\n"))
            await reader.readexactly(int(found[1]) if found else 0)
        writer.close()

    began = time.perf_counter()
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(take())
    return len(bodies) / (time.perf_counter() - began)


if __name__ == "__main__":
    asyncio.run(_serve())
