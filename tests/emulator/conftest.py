"""A plain aiohttp client that speaks the wire, written apart from the library's own."""

from __future__ import annotations

import contextlib
import json
import uuid

import aiohttp
import attrs
import pytest
from yarl import URL

from dreamina_async.emulator import Emulator
from dreamina_async.pytest_plugin import dreamina_emulator, pytest_configure

__all__ = ["dreamina_emulator", "pytest_configure"]

GENERATE = "/mweb/v1/aigc_draft/generate"
HISTORY = "/mweb/v1/get_history_by_ids"
MODEL = "high_aes_general_v40"
VIDEO_MODEL = "dreamina_ic_generate_video_model_vgfm_3.0"
BENEFIT = "basic_video_operation_vgfm_v_three"


@pytest.fixture
def anyio_backend():
    return "asyncio"


def node(kind="", **fields):
    return {"type": kind, "id": str(uuid.uuid4()), **fields}


def image_draft(prompt, *, size=(2048, 2048), resolution="2k", model=MODEL, count=None, ratio=1):
    core = node(
        model=model,
        prompt=prompt,
        negative_prompt="",
        seed=1277902096,
        sample_strength=0.5,
        image_ratio=ratio,
        large_image_info=node(width=size[0], height=size[1], resolution_type=resolution),
        intelligent_ratio=False,
    )
    abilities = node(generate=node(core_param=core))
    if count is not None:
        abilities["gen_option"] = node(gen_count=count, generate_all=False)
    return draft(node("image_base_component", generate_type="generate", abilities=abilities))


def uploaded(uri, **fields):
    return {"type": "image", "id": str(uuid.uuid4()), "image_uri": uri, "uri": uri, **fields}


def blend_draft(prompt, uris, *, model=MODEL, size=(1328, 1328), resolution="1k", **fields):
    """One ability and one placeholder an image, as IPT and AIC write it."""
    core = node(
        model=model,
        prompt=prompt,
        sample_strength=0.5,
        image_ratio=1,
        large_image_info=node(width=size[0], height=size[1], resolution_type=resolution),
        intelligent_ratio=False,
    )
    abilities = [
        node(name="byte_edit", image_uri_list=[uri], image_list=[uploaded(uri)], strength=0.5)
        for uri in uris
    ]
    blend = node(
        core_param=core,
        ability_list=abilities,
        history_option=node(),
        prompt_placeholder_info_list=[node(ability_index=n) for n in range(len(uris))],
        postedit_param=node(generate_type=0),
    )
    inside = node(blend=blend | fields, gen_option=node(generate_all=False))
    return draft(node("image_base_component", generate_type="blend", abilities=inside))


def video_draft(
    prompt, *, model=VIDEO_MODEL, ratio="16:9", duration_ms=5000, frame=None, end=None, **fields
):
    first = node(
        prompt=prompt,
        video_mode=2,
        fps=24,
        duration_ms=duration_ms,
        resolution="720p",
        first_frame_image=frame,
        end_frame_image=end,
        idip_meta_list=[],
    )
    first |= fields
    params = node(
        video_gen_inputs=[first], video_aspect_ratio=ratio, seed=7, model_req_key=model, priority=0
    )
    abilities = node(gen_video=node(text_to_video_params=params, video_task_extra="{}"))
    return draft(node("video_base_component", generate_type="gen_video", abilities=abilities))


def draft(component):
    return node("draft", main_component_id=component["id"], component_list=[component])


def model_of(draft):
    """Read the model of a draft that may be broken."""
    text = json.dumps(draft)
    for key in ('"model": "', '"model_req_key": "'):
        if key in text:
            return text.partition(key)[2].partition('"')[0]
    return ""


@attrs.define
class Wire:
    emulator: Emulator
    http: aiohttp.ClientSession
    sessionid: str = "a-session"
    image_draft = staticmethod(image_draft)
    blend_draft = staticmethod(blend_draft)
    video_draft = staticmethod(video_draft)

    async def raw(self, path, body, **headers):
        headers = {"Cookie": f"sessionid={self.sessionid}", **headers}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = self.emulator.base_url + path
        async with self.http.post(url, data=data, headers=headers) as reply:
            return reply.status, reply.headers, await reply.read()

    async def post(self, path, body, **headers):
        status, _, raw = await self.raw(path, body, **headers)
        assert status == 200
        return json.loads(raw)

    async def generate(self, draft, submit_id=None, extend=None, **headers):
        commerce = {"root_model": model_of(draft), "m_video_commerce_info": {}}
        commerce["m_video_commerce_info"]["benefit_type"] = BENEFIT
        body = {"submit_id": submit_id or str(uuid.uuid4()), "extend": extend or commerce}
        body |= {"draft_content": json.dumps(draft), "http_common_info": {"aid": 513695}}
        return await self.post(GENERATE + "?aid=513695", body, **headers)

    async def image(self, prompt="一只柴犬在太空飞翔", submit_id=None, **fields):
        return await self.generate(image_draft(prompt, **fields), submit_id)

    async def video(self, prompt="海浪", submit_id=None, **fields):
        return await self.generate(video_draft(prompt, **fields), submit_id)

    async def history(self, *submit_ids, **body):
        return await self.post(HISTORY, body or {"submit_ids": list(submit_ids)})

    def orders(self, submit_id):
        return [order for order in self.emulator.orders if order.submit_id == submit_id]

    async def seen(self, submit_id):
        """Poll until the record is over; give every different (status, items) on the way."""
        trail = []
        while True:
            reply = await self.history(submit_id)
            record = reply["data"].get(submit_id)
            if record is None:
                continue
            look = (record["status"], len(record.get("item_list", [])))
            if look not in trail:
                trail.append(look)
            if record.get("task", {}).get("finish_time"):
                return record, trail

    async def get(self, url, method="GET", **headers):
        url = URL(url, encoded=True) if isinstance(url, str) else url
        async with self.http.request(method, url, headers=headers) as reply:
            return reply.status, reply.headers, await reply.read()


@pytest.fixture
async def start():
    """Start emulators; each gives a client of its own. All end with the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def run(**options):
            emulator = await stack.enter_async_context(Emulator(**{"speed": 1000} | options))
            http = await stack.enter_async_context(aiohttp.ClientSession())
            return Wire(emulator, http)

        yield run


@pytest.fixture
def wire_class():
    return Wire
