"""Holding a value against the few there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

if TYPE_CHECKING:
    from collections.abc import Callable

    import attrs


def one_of(choices: Any) -> Callable[[object, attrs.Attribute[Any], object], None]:
    """Make a validator that lets the values of a ``Literal`` pass."""
    known = get_args(choices)

    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if value not in known:
            raise ValueError(f"{field.name} {value!r} is none of {', '.join(known)}")

    return check
