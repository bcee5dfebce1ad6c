"""What spoiling begins with: the emulator's own replies and files, and what users write."""

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / name) for name in ("sockets", "_core")]

from faultproxy import FaultProxy, body_of, proxied  # noqa: E402
from session_kit import JOURNAL, image, png  # noqa: E402
from targets import HISTORY_IDS, SUBMIT_ID  # noqa: E402
from test_content import WHOLE, due  # noqa: E402

from dreamina_async import DreaminaSession, Job, VideoRequest  # noqa: E402
from dreamina_async.emulator import Emulator  # noqa: E402

Seeds = dict[str, list[bytes]]
"""By the name of the target."""

_TARGET_OF = {
    "/aigc_draft/generate": "submit",
    "/get_history_by_ids": "status",
    "/get_local_item_list": "items",
    "/get_user_info": "user",
    "/user_credit_history": "ledger",
    "/user_credit?": "credits",
    "/credit_receive": "daily",
    "/get_upload_token": "token",
    "ApplyImageUpload": "apply",
    "CommitImageUpload": "commit",
    "/upload/v1/": "bytes",
    "/v1/get_common_config": "image_config",
    "/video_generate/get_common_config": "video_config",
}
"""By a part of the path."""

_VARIANTS: tuple[dict[str, Any], ...] = (
    {},
    {"generate_shape": "flat", "reply_keys": "list", "numbering": "bundle", "video_shape": "P"},
    {"numeric_ids": True, "finish_time_ms": True, "numbering": "s2", "video_shape": "C"},
    {"outcomes": {"two": "2038"}, "commerce_shape": "data", "upload_hosts": "singular"},
)
"""Some of the service's ways to say the same."""


async def recorded(folder: Path) -> Seeds:
    """One session for each variant; each body once."""
    found = written()
    for number, options in enumerate(_VARIANTS):
        async with proxied(folder / str(number), **options) as (emulator, proxy, session):
            jobs = await _talk(session)
            _keep_replies(proxy, jobs, found)
            _keep_files(emulator, jobs, found)
        _keep_journal(folder / str(number) / JOURNAL, found)
    return {name: list(dict.fromkeys(bodies)) for name, bodies in found.items()}


async def _talk(session: DreaminaSession) -> list[Job]:
    """Everything that a session can ask."""
    requests = [
        image("one", references=[png(1)]),
        image("two", count=2),
        VideoRequest("three", first_frame=png(2)),
    ]
    jobs = [await session.submit(request) for request in requests]
    await session.drain()
    await session.status(str(job.history_id) for job in jobs)
    await session.models()
    await session.credits()
    await session.receive_daily_credit()
    [entry async for entry in session.credit_history()]
    return jobs


def _keep_replies(proxy: FaultProxy, jobs: list[Job], found: Seeds) -> None:
    for seen in proxy.seen:
        for part, name in _TARGET_OF.items():
            if part in seen.target and seen.reply:
                found.setdefault(name, []).append(_about_ours(body_of(seen.reply), name, jobs))


def _about_ours(body: bytes, name: str, jobs: list[Job]) -> bytes:
    """The same reply with the ids that the targets ask about."""
    for number, (job, ours) in enumerate(zip(jobs, HISTORY_IDS, strict=True)):
        body = body.replace(str(job.history_id).encode(), ours.encode())
        if name == "submit" or number == 0:
            body = body.replace(str(job.submit_id).encode(), SUBMIT_ID.encode())
    return body


def _keep_files(emulator: Emulator, jobs: list[Job], found: Seeds) -> None:
    for job in jobs:
        for file in emulator.media(str(job.submit_id)):
            found.setdefault(file.kind, []).append(file.body()[:20_000])


def _keep_journal(path: Path, found: Seeds) -> None:
    found.setdefault("journal", []).append(path.read_bytes())
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        tables = {
            table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
            for table in ("jobs", "media")
        }
    found.setdefault("rows", []).append(json.dumps(tables).encode())
    found.setdefault("request", []).extend(
        row["request"].encode() for row in tables["jobs"] if row["request"]
    )


# ---- what no service says ----------------------------------------------------------------


def written() -> Seeds:
    """By people, and by programs of theirs."""
    whole = [(due(name), body) for name, (body, *_) in WHOLE.items()]
    return {
        "image": [body for kind, body in whole if kind == "image"],
        "video": [body for kind, body in whole if kind == "video"],
        "picture": [png(1), *_OLD_PICTURES, *(body for kind, body in whole if kind == "image")],
        "user": [b'{"ret":"0","errmsg":"success","logid":"20261121084042AB","data":{"uid":"123"}}'],
        "submit": [json.dumps({"submit_id": SUBMIT_ID}).encode()],
        "marks": [f"this boot\n{SUBMIT_ID}\n".encode()],
        "claim": [b"4711\nthis boot\n123456\n"],
        "headers": [
            b"120",
            b"Wed, 21 Oct 2026 07:28:00 GMT",
            b"0.5",
            b"-1",
            b"20261121084042ABCDEF",
        ],
        "media_url": [
            b"https://p3-dreamina-sign.byteimg.com/tos-cn-i-x/a.png?x-expires=1790003600&x-signature=a",
            b"https://v3-artist.vlabvod.com/0123456789abcdef0123456789abcdef/6ab12345/video/a/?a=1",
            b"http://[::1]:8080/a",
        ],
        "base_url": [b"http://127.0.0.1:8080", b"https://jimeng.jianying.com/", b"http://[::1]:1"],
        "credentials": [
            b"us-0123456789abcdef0123456789abcdef\nus\nsid_tt=abc\nmsToken=def",
            b"sessionid=0123456789abcdef\ncn\nuid_tt=1",
        ],
        **_MANIFESTS,
    }


_OLD_PICTURES = (
    b"GIF89a\x10\x00\x08\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff;",
    b"BM" + bytes(12) + (40).to_bytes(4, "little") + b"\x10\0\0\0\xf8\xff\xff\xff" + bytes(30),
)

_MANIFESTS: Seeds = {
    "jsonl": [
        b'{"prompt": "a shiba", "count": 2, "seed": 7, "references": ["a.png", "b.png"]}\n'
        b'"only a prompt"\n{"kind": "video", "prompt": "sea", "duration": 10}\n',
        b'{"kind": "video", "first_frame": "a.png", "last_frame": "b.png"}\n',
        b'{"prompt": "x", "ratio": "16:9", "resolution": "2k", "via": "mcp"}\n',
    ],
    "csv": [
        b'prompt,count,seed,references\n"a ""shiba"", in space",2,7,a.png;b.png\nsea,,,\n',
        b"kind,prompt,duration,first_frame,intelligent_ratio\r\nvideo,sea,10,a.png,\r\nimage,x,,,yes\r\n",
    ],
    "tsv": [b'prompt\tmodel\tratio\n"a\t\tb"\tjimeng-4.0\t1:1\n'],
    "txt": ["\ufeffa shiba in space\n\n柴犬\n".encode()],
}
