"""The shape in which a changed file is told: what is new, and which stretches stay."""

from collections.abc import Callable

Read = Callable[[int, int], bytes]
"""Bytes of the original from an offset on, so many or up to its end."""

Piece = bytes | range
"""New bytes, or a stretch of the original that is copied as it stands."""

MOST_PARTS = 1 << 17
"""Chunks, boxes or segments that are looked at; a file with more is not understood."""


class NotUnderstood(Exception):
    """Nothing can safely be added to this file; says why."""


def signed(what: str) -> NotUnderstood:
    """It carries a signed statement of its origin, which any change would break."""
    return NotUnderstood(f"it is signed (C2PA, {what})")
