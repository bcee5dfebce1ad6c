"""What the notes' own clients are made of, in our words: `requests`, a connection a call.

The headers, the sign, the draft and the first URL of each item are those of S0 and S4. The
base address is the emulator's and every pause is divided by its speed; nothing else differs.
"""

import hashlib
import json
import random
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import requests

BASE, OUT, LIST, SPEED = sys.argv[1:5]
PROMPTS = Path(LIST).read_text(encoding="utf-8").splitlines()
MODEL, SIDE = "high_aes_general_v40", 2048


def pause(seconds: float) -> None:
    time.sleep(seconds / float(SPEED))


def call(uri: str, body: dict[str, Any]) -> Any:
    device_time = int(time.time())
    sign = hashlib.md5(f"9e2c|{uri[-7:]}|7|5.8.0|{device_time}||11ac".encode()).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "Appid": "513695",
        "Appvr": "5.8.0",
        "Pf": "7",
        "Origin": "https://jimeng.jianying.com",
        "Referer": "https://jimeng.jianying.com",
        "Cookie": "sessionid=emulated-session",
        "Device-Time": str(device_time),
        "Sign": sign,
        "Sign-Ver": "1",
    }
    query = {"aid": "513695", "device_platform": "web", "region": "CN", "da_version": "3.3.8"}
    body = {**body, "http_common_info": {"aid": 513695}}
    return requests.post(BASE + uri, params=query, headers=headers, json=body).json()


def with_id(**fields: Any) -> dict[str, Any]:
    return {"type": "", "id": str(uuid.uuid4()), **fields}


def draft(prompt: str) -> dict[str, Any]:
    component = str(uuid.uuid4())
    large = with_id(height=SIDE, width=SIDE, resolution_type="2k")
    core = with_id(
        model=MODEL,
        prompt=prompt,
        negative_prompt="",
        seed=random.randint(2_500_000_000, 2_600_000_000),
        sample_strength=0.5,
        image_ratio=1,
        large_image_info=large,
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


def generate(prompt: str) -> str:
    body = {
        "extend": {"root_model": MODEL, "template_id": ""},
        "submit_id": str(uuid.uuid4()),
        "draft_content": json.dumps(draft(prompt)),
    }
    reply = call("/mweb/v1/aigc_draft/generate", body)
    return str(reply["data"]["aigc_data"]["history_record_id"])


def query(history_ids: list[str]) -> dict[str, Any]:
    reply = call("/mweb/v1/get_history_by_ids", {"history_ids": history_ids})
    return dict(reply.get("data") or {})


def urls_of(record: dict[str, Any]) -> list[str]:
    """The images' addresses; none while it runs."""
    if record.get("status") == 30:
        raise RuntimeError(f"generation failed: {record.get('fail_msg')}")
    if record.get("status") != 50:
        return []
    return [item["image"]["large_images"][0]["image_url"] for item in record["item_list"]]


def save(number: int, urls: list[str]) -> None:
    for index, url in enumerate(urls):
        response = requests.get(url, timeout=60)
        Path(OUT, f"{number:03}-{index}.png").write_bytes(response.content)
