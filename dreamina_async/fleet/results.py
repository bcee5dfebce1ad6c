"""What a run has come to, prompt by prompt: the one manifest of results."""

import json
from typing import Any

from attrs import asdict, frozen

from dreamina_async import Request, request_to_dict
from dreamina_async.fleet.values import ItemState, Standing

_VERSION = 1


@frozen
class Result:
    """One prompt of a run.

    Attributes:
        run: the run's id.
        row: its place in the run, from 0.
        media: its files, each with `path`, `size`, `sha256` and what else is known of it; paths
            are relative to `out`.
        error: what went wrong, with `error`, `message` and `charged`.
    """

    run: str
    row: int
    submit_id: str
    history_id: str | None
    state: ItemState
    request: Request
    out: str
    media: tuple[dict[str, Any], ...] = ()
    missing: int = 0
    error: dict[str, Any] | None = None

    def facts(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        plain = {"state": self.state.value, "request": request_to_dict(self.request)}
        return {"v": _VERSION, **asdict(self, recurse=False), **plain, "media": list(self.media)}


def result_of(item: Standing, run: str, out: str) -> Result:
    """What the store knows of a prompt."""
    told: dict[str, Any] = json.loads(item.result) if item.result else {}
    return Result(
        run,
        item.row,
        item.submit_id,
        item.history_id,
        item.state,
        item.request,
        out,
        tuple(told.get("media", ())),
        told.get("missing", 0),
        json.loads(item.error) if item.error else None,
    )
