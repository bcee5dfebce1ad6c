"""Taking fields out of a draft, each missing or odd one with the refusal that fits."""

from __future__ import annotations

from .envelope import Refusal
from .unread import Json, as_list, as_object


def node(parent: Json, *path: str) -> Json:
    """Give the object at a path; 1002 if there is none."""
    for name in path:
        child = as_object(parent.get(name))
        if child is None:
            raise Refusal("1002", f"common error: no {name}")
        parent = child
    return parent


def text(parent: Json, name: str, *, needed: bool = False) -> str:
    """Give a text; 1000 if it is something else, or empty and needed."""
    value = parent.get(name, "")
    if not isinstance(value, str) or (needed and not value.strip()):
        raise Refusal("1000", f"invalid parameter: {name}")
    return value


def number(parent: Json, name: str, default: int) -> int:
    """Give a whole number; 1000 if it is something else."""
    value = parent.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refusal("1000", f"invalid parameter: {name}")
    return value


def share(parent: Json, name: str) -> float | None:
    """Give a number from 0 to 1, or ``None`` if there is none."""
    value = parent.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise Refusal("1000", f"invalid parameter: {name}")
    return float(value)


def flag(parent: Json, name: str) -> bool:
    """Give a truth value; 1000 if it is something else."""
    value = parent.get(name, False)
    if not isinstance(value, bool):
        raise Refusal("1000", f"invalid parameter: {name}")
    return value


def objects(parent: Json, name: str) -> list[Json]:
    """Give a list of objects, empty if there is none; 1000 for anything else."""
    value = parent.get(name)
    found = [as_object(each) for each in as_list(value if value is not None else []) or ()]
    if (value is not None and as_list(value) is None) or None in found:
        raise Refusal("1000", f"invalid parameter: {name}")
    return [each for each in found if each is not None]


def image_uri(image: Json) -> str:
    """Give the uri of an image object, which may stand under either name; or nothing."""
    uri = image.get("image_uri") or image.get("uri")
    return uri if isinstance(uri, str) else ""
