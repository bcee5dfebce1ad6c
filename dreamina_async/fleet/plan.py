"""A run as values: many requests, with ids that their content gives them."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
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

DigestOf = Callable[[str], str]
"""The digest of the image at a path; raises InvalidRequest if it cannot be read."""

_IMAGES = ("references", "first_frame", "last_frame")
_REQUEST_OF = {"image": ImageRequest, "video": VideoRequest}


@frozen
class Item:
    """One prompt of a run, under the submit id that every worker uses for it."""

    row: int
    submit_id: str
    request: Request


@frozen
class Plan:
    """A run before it is enqueued.

    Attributes:
        run: its id: the same requests on the same account are the same run.
        account: the label of the account that pays.
        size: prompts of one shard.
        items: the prompts, in order.
    """

    run: str
    account: str
    size: int
    items: tuple[Item, ...]

    def shard_of(self, place: int) -> str:
        """The shard of a prompt that this run is the first to ask for, by its place among those."""
        return f"{self.run}-{place // self.size:05}"


def plan(
    requests: Iterable[Request],
    account: str,
    salt: str,
    digest_of: DigestOf,
    size: int = SHARD,
) -> Plan:
    """Name a run and its prompts.

    A prompt that an earlier run of the fleet asked for, too, has the same submit id there: it is
    the same job, and is not paid for again. Asked for twice in one run, it is two jobs.

    Args:
        requests: in the order of the run.
        account: the label of the account that pays.
        salt: the fleet's own UUID: another fleet's jobs have other submit ids.
        digest_of: what an image is known by, wherever it stands.
        size: prompts of one shard; it changes no id of a run or a job.

    Raises:
        InvalidRequest: there is none, or an image is given as bytes, which no worker could read.
    """
    asked = list(requests)
    texts = [canonical(one, digest_of) for one in asked]
    if not texts:
        raise InvalidRequest("a run needs at least one request", field="requests")
    times: Counter[str] = Counter()
    items: list[Item] = []
    for row, (request, text) in enumerate(zip(asked, texts, strict=True)):
        name = json.dumps([account, text, times[text]])
        items.append(Item(row, str(uuid5(UUID(salt), name)), request))
        times[text] += 1
    return Plan(_run_id(account, texts), account, size, tuple(items))


def _run_id(account: str, texts: list[str]) -> str:
    digest = hashlib.sha256(json.dumps([account, *texts]).encode())
    return digest.hexdigest()[:16]


def canonical(request: Request, digest_of: DigestOf) -> str:
    """What a request is known by.

    A field of a later release changes nothing while it is unset, nor does an image that was moved.

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
        name: _by_content(value, digest_of) if name in _IMAGES else value
        for name, value in request_to_dict(request).items()
        if name == "kind" or value != defaults[name]
    }
    return json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _by_content(image: Any, digest_of: DigestOf) -> Any:
    match image:
        case [*images]:
            return [_by_content(one, digest_of) for one in images]
        case str():
            return {"sha256": digest_of(image)}
        case _:
            return image


@cache
def _defaults_of(kind: str) -> dict[str, Any]:
    return {**request_to_dict(_REQUEST_OF[kind]("-")), "prompt": None}
