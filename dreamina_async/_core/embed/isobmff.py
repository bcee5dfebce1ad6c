"""MP4 and MOV: an XMP packet in a `uuid` box behind all others, so that no offset moves."""

import struct
from collections.abc import Iterator, Mapping
from uuid import UUID

from attrs import frozen

from dreamina_async._core.embed.pieces import MOST_PARTS, NotUnderstood, Piece, Read, signed
from dreamina_async._core.embed.xmp import merged, packet

_XMP = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes
_C2PA = UUID("d8fec3d6-1b0e-483c-9297-5828877ec481").bytes


@frozen
class _Box:
    kind: bytes
    start: int
    stop: int
    uuid: bytes


def embed_isobmff(read: Read, size: int, facts: Mapping[str, str]) -> tuple[Piece, ...]:
    """Append a packet, or replace the one that stands at the end."""
    boxes = list(_boxes(read, size))
    last = boxes[-1]
    if any(one.uuid == _C2PA for one in boxes):
        raise signed("uuid")
    if last.kind == b"mfra":  # its index is looked for from the end of the file
        raise NotUnderstood("an index of fragments closes it")
    there = [one for one in boxes if one.uuid == _XMP]
    if there and there != [last]:
        raise NotUnderstood("its XMP packet stands between other boxes")
    if there:
        old = read(last.start + 24, last.stop - last.start - 24)
        return range(last.start), _uuid_box(merged(old, facts))
    return range(size), _uuid_box(packet(facts))


def _boxes(read: Read, size: int) -> Iterator[_Box]:
    at = 0
    for _ in range(MOST_PARTS):
        length, kind = struct.unpack(">I4s", read(at, 8))
        if length == 1:
            (length,) = struct.unpack(">Q", read(at + 8, 8))
        if length < 8:  # 0: it reaches to the end, wherever that is
            raise NotUnderstood("its last box tells no length")
        yield _Box(kind, at, at + length, read(at + 8, 16) if kind == b"uuid" else b"")
        at += length
        if at == size:
            return
    raise NotUnderstood("it has too many boxes")


def _uuid_box(xmp: bytes) -> bytes:
    return struct.pack(">I4s", 24 + len(xmp), b"uuid") + _XMP + xmp
