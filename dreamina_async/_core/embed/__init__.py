"""What a file was made from, put into the file itself: beside the picture, never into it."""

from dreamina_async._core.embed.door import embedded
from dreamina_async._core.embed.pieces import NotUnderstood, Piece, Read
from dreamina_async._core.embed.provenance import provenance

__all__ = ["NotUnderstood", "Piece", "Read", "embedded", "provenance"]
