"""A run as values: many requests, cut into shards, with ids that their content gives them."""

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import PurePath
from typing import Any
from uuid import UUID, uuid5

from attrs import frozen

from dreamina_async import (
    ImageData,
    ImageRequest,
    InvalidRequest,
    Request,
    VideoRequest,
    request_to_dict,
)

SHARD = 50
"""Prompts of one shard: enough to fill status calls of ten, few enough to move quickly."""

_IMAGES = ("references", "first_frame", "last_frame")
_REQUEST_OF = {"image": ImageRequest, "video": VideoRequest}


@frozen
class Item:
    """One prompt of a run, under the submit id that every worker uses for it."""

    row: int
    submit_id: str
    shard: str
    request: Request


@frozen
class Plan:
    """A run before it is enqueued.

    Attributes:
        run: its id: the same requests on the same account are the same run.
        account: the label of the account that pays.
        items: the prompts, in order.
    """

    run: str
    account: str
    items: tuple[Item, ...]

    def shards(self) -> list[str]:
        """The ids of its shards, in order."""
        return list(dict.fromkeys(item.shard for item in self.items))


def plan(requests: Iterable[Request], account: str, salt: str, size: int = SHARD) -> Plan:
    """Cut requests into shards.

    Args:
        requests: in the order of the run.
        account: the label of the account that pays.
        salt: the fleet's own UUID: another fleet's jobs have other submit ids.
        size: prompts of one shard; it changes no id of a run or a job.

    Raises:
        InvalidRequest: there is none, or an image is given as bytes, which no worker could read.
    """
    asked = list(requests)
    texts = [canonical(one) for one in asked]
    if not texts:
        raise InvalidRequest("a run needs at least one request", field="requests")
    run = _run_id(account, texts)
    items = tuple(
        Item(row, str(uuid5(UUID(salt), f"{run} {row}")), f"{run}-{row // size:05}", request)
        for row, request in enumerate(asked)
    )
    return Plan(run, account, items)


def _run_id(account: str, texts: list[str]) -> str:
    digest = hashlib.sha256(json.dumps([account, *texts]).encode())
    return digest.hexdigest()[:16]


def canonical(request: Request) -> str:
    """What a request is known by.

    A field of a later release changes nothing while it is unset, nor does a folder that was moved.

    Raises:
        InvalidRequest: an image is given as bytes.
    """
    if any(isinstance(one, ImageData) for one in request.images):
        raise InvalidRequest(
            "a fleet's images are paths that every worker can read, or uploads; not bytes",
            field="references",
        )
    defaults = _defaults_of(request.kind)
    facts = {
        name: _without_folder(value) if name in _IMAGES else value
        for name, value in request_to_dict(request).items()
        if name == "kind" or value != defaults[name]
    }
    return json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _without_folder(image: Any) -> Any:
    match image:
        case [*images]:
            return [_without_folder(one) for one in images]
        case str():
            return PurePath(image).name
        case _:
            return image


@cache
def _defaults_of(kind: str) -> dict[str, Any]:
    return {**request_to_dict(_REQUEST_OF[kind]("-")), "prompt": None}
