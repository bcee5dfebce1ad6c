"""The intranet MCP endpoint and its public sibling (protocol notes 9; S1, S4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .catalogue import ImageModel, image_model
from .envelope import Refusal
from .fields import number, text
from .order import Order
from .records import item_id
from .sizes import RATIOS, size_table

if TYPE_CHECKING:
    from .call import Call
    from .jobs import Job
    from .unread import Json
    from .variants import Variants
    from .world import World

# S4's and the official CLI's word for text to image; edits and videos are not played.
_TEXT_TO_IMAGE = ("text2imageV2", "text2imageByConfig")
_MODEL = "high_aes_general_v40"
# S4 also lets models be named.
_NAMED = {
    "jimeng-image-4.5": "high_aes_general_v40l",
    "jimeng-image-4.1": "high_aes_general_v41",
    "jimeng-image-4.0": "high_aes_general_v40",
    "jimeng-image-3.1": "high_aes_general_v30l_art_fangzhou:general_v3.0_18b",
    "jimeng-image-3.0": "high_aes_general_v30l:general_v3.0_18b",
}
# S4 answers with four variants whatever the model.
_COUNT = 4


def generate_image(world: World, call: Call) -> Json:
    """Accept a job; status calls know it by its submit id, and by its history id."""
    order = read_mcp_order(call.body, world.options)
    job = world.accept(call.account, order, call.now)
    if world.options.mcp_reply == "bare":
        return {"submit_id": order.submit_id}
    return _reply(world, job)


def read_mcp_order(body: Json, rules: Variants) -> Order:
    """Read a request; S1's minimum is ``generate_type``, ``prompt`` and ``submit_id``."""
    if body.get("generate_type") not in _TEXT_TO_IMAGE:
        raise Refusal("1000", "invalid parameter: generate_type")
    key = text(body, "model_key") or _model_named(text(body, "model"))
    model = image_model(key, "cn")  # there is no such endpoint elsewhere
    resolution = text(body, "resolution_type") or model.default_resolution
    ratio = text(body, "ratio") or RATIOS[0]
    if resolution not in model.resolutions or ratio not in RATIOS:
        raise Refusal("1000", "invalid parameter: ratio or resolution_type")
    count = _count(body, model)
    width, height = size_table(resolution, rules.size_tables, older=model.older)[ratio]
    return Order(
        kind="image",
        submit_id=text(body, "submit_id", needed=True),
        model=key,
        model_name=model.name,
        prompt=text(body, "prompt", needed=True),
        count=count,
        credits=model.price(resolution, count),
        width=width,
        height=height,
        resolution=resolution,
        ratio=ratio,
        door="mcp",
        draft_content="",
    )


def _model_named(name: str) -> str:
    if name and name not in _NAMED:
        raise Refusal("2061")
    return _NAMED[name] if name else _MODEL


def _count(body: Json, model: ImageModel) -> int:
    count = number(body, "generate_num", _COUNT)
    if not 1 <= count <= (model.most or _COUNT):
        raise Refusal("1000", "invalid parameter: generate_num")
    return count if model.most else _COUNT


def _reply(world: World, job: Job) -> Json:
    order = job.order
    triplet = {
        "resource_type": "aigc",
        "resource_id": "generate_img",
        "benefit_type": _benefit(order),
    }
    return {
        "submit_id": order.submit_id,
        "history_id": job.history_id,
        "model_key": order.model,
        "ratio": order.ratio,
        "forecast_resolution": {"width": order.width, "height": order.height},
        "pre_gen_item_ids": [item_id(world.options, job, n) for n in range(order.count)],
        "commerce_info": {"credit_count": order.credits, "triplets": [triplet]},
        "submit_info": {"code": 0, "msg": ""},
    }


def _benefit(order: Order) -> str:
    """Name the benefit that pays; those of 1k and 4k are the ones seen elsewhere (2.6)."""
    if order.resolution == "4k":
        return "image_uhd_4k"
    return "image_basic_v5_2k" if order.resolution == "2k" else "image_basic_generate_plus"
