"""Looking into JSON that nobody has checked yet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable

Json = dict[str, Any]


def read_json(text: bytes | str) -> object:
    """Read JSON; half a surrogate pair, which no reply can carry, becomes a question mark."""
    written = json.dumps(json.loads(text), ensure_ascii=False)
    return json.loads(written.encode(errors="replace"))


def as_object(value: object) -> Json | None:
    """Give the value if it is a JSON object."""
    return cast("Json", value) if isinstance(value, dict) else None


def as_list(value: object) -> list[Any] | None:
    """Give the value if it is a JSON array."""
    return list(cast("Iterable[Any]", value)) if isinstance(value, list) else None
