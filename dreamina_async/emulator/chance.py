"""Everything that looks random, derived from the seed and a name, never from request order."""

from __future__ import annotations

import hashlib
import random


def dice(seed: int, *names: object) -> random.Random:
    """Give the generator that belongs to these names."""
    return random.Random(digest(seed, *names))


def digest(seed: int, *names: object) -> bytes:
    """Give 32 stable bytes that belong to these names."""
    text = "\x1f".join([str(seed), *map(str, names)])
    return hashlib.sha256(text.encode()).digest()


def hex_name(seed: int, *names: object) -> str:
    """Give 32 hex digits, as storage keys have."""
    return digest(seed, *names).hex()[:32]


def decimal_id(seed: int, digits: int, *names: object) -> str:
    """Give a decimal id of that many digits."""
    low = 10 ** (digits - 1)
    return str(low + int.from_bytes(digest(seed, digits, *names)[:16]) % (9 * low))
