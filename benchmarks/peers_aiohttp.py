"""A plain aiohttp script, as careful users write it: a task a job, chunks to the disk.

It skips what an earlier run has saved, which the notes' own loops do not.
"""

import asyncio
import hashlib
import json
import random
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import aiofiles
import aiohttp
from yarl import URL

BASE, OUT, LIST, SPEED = sys.argv[1:5]
PROMPTS = Path(LIST).read_text(encoding="utf-8").splitlines()
MODEL, SIDE = "high_aes_general_v40", 2048
QUERY = {"aid": "513695", "device_platform": "web", "region": "CN", "da_version": "3.3.8"}


async def call(session: aiohttp.ClientSession, uri: str, body: dict[str, Any]) -> Any:
    now = int(time.time())
    sign = hashlib.md5(f"9e2c|{uri[-7:]}|7|5.8.0|{now}||11ac".encode()).hexdigest()
    headers = {
        "Appid": "513695",
        "Appvr": "5.8.0",
        "Pf": "7",
        "Origin": "https://jimeng.jianying.com",
        "Referer": "https://jimeng.jianying.com",
        "Cookie": "sessionid=emulated-session",
        "Device-Time": str(now),
        "Sign": sign,
        "Sign-Ver": "1",
    }
    body = {**body, "http_common_info": {"aid": 513695}}
    async with session.post(BASE + uri, params=QUERY, headers=headers, json=body) as reply:
        return (await reply.json())["data"]


def with_id(**fields: Any) -> dict[str, Any]:
    return {"type": "", "id": str(uuid.uuid4()), **fields}


def draft(prompt: str) -> dict[str, Any]:
    component = str(uuid.uuid4())
    core = with_id(
        model=MODEL,
        prompt=prompt,
        negative_prompt="",
        seed=random.randint(2_500_000_000, 2_600_000_000),
        sample_strength=0.5,
        image_ratio=1,
        large_image_info=with_id(height=SIDE, width=SIDE, resolution_type="2k"),
    )
    now = int(time.time() * 1000)
    metadata = with_id(created_platform=3, created_time_in_ms=now, created_did="")
    return {
        "type": "draft",
        "id": str(uuid.uuid4()),
        "min_version": "3.3.8",
        "is_from_tsn": True,
        "version": "3.3.8",
        "main_component_id": component,
        "component_list": [
            {
                "type": "image_base_component",
                "id": component,
                "min_version": "3.3.8",
                "metadata": metadata,
                "generate_type": "generate",
                "aigc_mode": "workbench",
                "abilities": with_id(generate=with_id(core_param=core, history_option=with_id())),
            }
        ],
    }


async def generate(session: aiohttp.ClientSession, prompt: str) -> str:
    body = {
        "extend": {"root_model": MODEL, "template_id": ""},
        "submit_id": str(uuid.uuid4()),
        "draft_content": json.dumps(draft(prompt)),
    }
    data = await call(session, "/mweb/v1/aigc_draft/generate", body)
    return str(data["aigc_data"]["history_record_id"])


async def finished(session: aiohttp.ClientSession, history_id: str) -> list[str]:
    while True:
        await asyncio.sleep(3 / float(SPEED))
        data = await call(session, "/mweb/v1/get_history_by_ids", {"history_ids": [history_id]})
        record = data.get(history_id, {})
        if record.get("status") == 30:
            raise RuntimeError(f"generation failed: {record.get('fail_msg')}")
        if record.get("status") == 50:
            items = record["item_list"]
            return [item["image"]["large_images"][0]["image_url"] for item in items]


async def save(session: aiohttp.ClientSession, url: str, path: Path) -> None:
    # a signed URL must not be encoded anew, which aiohttp does by itself
    async with session.get(URL(url, encoded=True)) as response:
        response.raise_for_status()
        async with aiofiles.open(path, "wb") as file:
            async for chunk in response.content.iter_chunked(64 * 1024):
                await file.write(chunk)


async def one(session: aiohttp.ClientSession, number: int, prompt: str) -> None:
    paths = [Path(OUT, f"{number:03}-{index}.png") for index in range(4)]
    if all(path.exists() for path in paths):
        return
    urls = await finished(session, await generate(session, prompt))
    await asyncio.gather(*(save(session, *pair) for pair in zip(urls, paths, strict=True)))


async def main() -> None:
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(one(session, *pair) for pair in enumerate(PROMPTS)))


if __name__ == "__main__":
    asyncio.run(main())
