"""Spoils a recorded document in one or a few places, the same way for the same seed."""

import copy
import random
from collections.abc import Iterator
from typing import Any

_TYPES = (None, True, False, 0, -1, 1.5, 10**30, "", "0", "None", [], {}, [None], {"": None})
_HUGE = ("x" * 100_000, 10**60, [0] * 5000, {"k" * 5000: 1}, "[" * 1000, "é柴\ud800\0\u202e" * 500)

Place = tuple[Any, Any]
"""A list or an object, and the index or key of something in it."""


def mutated(document: Any, seed: int) -> Any:
    """A copy with one to four mutations: delete, null, wrong type, huge, swap, repeat, rename."""
    chance = random.Random(seed)
    document = copy.deepcopy(document)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 4))):
        places = list(_places(document))
        if places:
            chance.choice(_MUTATIONS)(chance, places)
    return document


def _places(value: Any) -> Iterator[Place]:
    if isinstance(value, dict):
        for key in list(value):
            yield value, key
            yield from _places(value[key])
    elif isinstance(value, list):
        for index in range(len(value)):
            yield value, index
            yield from _places(value[index])


def _delete(chance: random.Random, places: list[Place]) -> None:
    holder, key = chance.choice(places)
    del holder[key]


def _null(chance: random.Random, places: list[Place]) -> None:
    holder, key = chance.choice(places)
    holder[key] = None


def _wrong_type(chance: random.Random, places: list[Place]) -> None:
    holder, key = chance.choice(places)
    holder[key] = copy.deepcopy(chance.choice(_TYPES))


def _huge(chance: random.Random, places: list[Place]) -> None:
    holder, key = chance.choice(places)
    holder[key] = copy.deepcopy(chance.choice(_HUGE))


def _swap(chance: random.Random, places: list[Place]) -> None:
    """Two values change places, or a copy of one goes to the other's."""
    (one, here), (other, there) = chance.choice(places), chance.choice(places)
    one[here], other[there] = copy.deepcopy(other[there]), copy.deepcopy(one[here])


def _repeat(chance: random.Random, places: list[Place]) -> None:
    """A list holds an element twice; an object a value under a second name."""
    holder, key = chance.choice(places)
    if isinstance(holder, list):
        holder.insert(chance.randrange(len(holder) + 1), copy.deepcopy(holder[key]))
    else:
        holder[f"{key}_"] = copy.deepcopy(holder[key])


def _rename(chance: random.Random, places: list[Place]) -> None:
    """A value goes under the name of another one."""
    (holder, key), (_, name) = chance.choice(places), chance.choice(places)
    if isinstance(holder, dict):
        holder[str(name)] = holder.pop(key)


_MUTATIONS = (_delete, _null, _wrong_type, _huge, _swap, _repeat, _rename)
