"""The door: the format decides how facts are put in."""

import struct
from collections.abc import Mapping

from dreamina_async._core.content import ContentFacts
from dreamina_async._core.embed.isobmff import embed_isobmff
from dreamina_async._core.embed.jpeg import embed_jpeg
from dreamina_async._core.embed.pieces import NotUnderstood, Piece, Read
from dreamina_async._core.embed.png import embed_png
from dreamina_async._core.embed.webp import embed_webp


def embedded(content: ContentFacts, read: Read, facts: Mapping[str, str]) -> tuple[Piece, ...]:
    """The file with the facts in it, in pieces; every byte of its pixels is a copied one.

    Args:
        content: what the check of the whole file has found out about it.
        read: gives the file's bytes.
        facts: see `provenance`.

    Raises:
        NotUnderstood: the file stays as it is.
    """
    try:
        return _by_format(content, read, facts)
    except (struct.error, IndexError):
        raise NotUnderstood("it is written in an unknown way") from None


def _by_format(content: ContentFacts, read: Read, facts: Mapping[str, str]) -> tuple[Piece, ...]:
    match content.format:
        case "png":
            return embed_png(read, content.size, facts)
        case "jpeg":
            return embed_jpeg(read, content.size, facts)
        case "webp":
            return embed_webp(read, content, facts)
        case "mp4" | "mov":
            return embed_isobmff(read, content.size, facts)
        case "avif":
            # there a packet is an item of the index, and all that follows would move
            raise NotUnderstood("nothing is added to AVIF")
