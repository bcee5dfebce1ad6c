"""Spoils an input, the same way for the same seed: as a document, as bytes, or as a mixture."""

import json
import random
import sys
from pathlib import Path

from targets import Target

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "sockets"))

from mutator import mutated  # noqa: E402

LONGEST = 64 << 10

_TOKENS = (
    b"\0",
    b"\n",
    b"\r\n",
    b'"',
    b"\\",
    b",;\t",
    b"[" * 500,
    b"{}",
    b"null",
    b"NaN",
    b"1e999",
    b"-1",
    b"9" * 400,
    b"%2F..%2F",
    b"../" * 5,
    b"\xff" * 8,
    b"\x7f\xff\xff\xff",
    bytes(8),
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    "\u202e\u2028柴é".encode(),
    b"\\ud800",
    b"\\u0000",
    b"A" * 300,
    b"http://[",
    b"@:/?#",
)


def spoilt(target: Target, seeds: list[bytes], seed: int) -> bytes:
    """A seed's input; where documents are read it is a document nine times in ten."""
    chance = random.Random(f"{target.name} {seed}")
    data = chance.choice(seeds)
    if target.like == "json" and chance.random() < 0.9:
        return spoilt_document(data, chance)
    for _ in range(chance.choice((1, 1, 2, 3, 6))):
        data = chance.choice(_CHANGES)(data, chance.choice(seeds), chance)
    return data[:LONGEST]


def spoilt_document(data: bytes, chance: random.Random) -> bytes:
    """Spoilt in its values; as bytes if it is no document."""
    try:
        document = mutated(json.loads(data), chance.randrange(2**32))
        return json.dumps(document, ensure_ascii=chance.random() < 0.7).encode(
            "utf-8", "surrogatepass"
        )[:LONGEST]
    except (ValueError, RecursionError):
        return chance.choice(_CHANGES)(data, data, chance)[:LONGEST]


def _flip(data: bytes, _: bytes, chance: random.Random) -> bytes:
    """One bit, somewhere."""
    place = chance.randrange(len(data) or 1)
    changed = bytes([data[place] ^ 1 << chance.randrange(8)]) if data else b""
    return data[:place] + changed + data[place + 1 :]


def _overwrite(data: bytes, _: bytes, chance: random.Random) -> bytes:
    """A few bytes by others."""
    place = chance.randrange(len(data) + 1)
    new = chance.choice((chance.randbytes(chance.randrange(1, 9)), chance.choice(_TOKENS)))
    return data[:place] + new + data[place + len(new) :]


def _insert(data: bytes, _: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    return data[:place] + chance.choice(_TOKENS) + data[place:]


def _delete(data: bytes, _: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data) + 1)
    return data[:place] + data[place + chance.choice((1, 1, 4, 8, 100)) :]


def _cut(data: bytes, _: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _repeat(data: bytes, _: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data) + 1)
    stop = start + chance.choice((1, 4, 16, 256))
    return data[:stop] + data[start:stop] * chance.choice((1, 2, 50)) + data[stop:]


def _splice(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """The beginning of one, the end of another."""
    return data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other) + 1) :]


_CHANGES = (_flip, _overwrite, _insert, _delete, _cut, _repeat, _splice)
