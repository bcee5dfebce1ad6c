"""What a generate request asks for, once it has been read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from .catalogue import Market

Kind = Literal["image", "video"]
Door = Literal["web", "mcp"]


@attrs.frozen(kw_only=True)
class Order:
    """What a generate request asks for.

    Attributes:
        prompt: As it was sent, markers of references (``##``) included.
        references: The uris of a blend, in order.
        frame_size: Width and height that the draft tells of its first frame; zeros if it does not.
        door: The endpoint it came through.
        market: Where it came from, by ``aid`` and ``region``.
    """

    kind: Kind
    submit_id: str
    model: str
    model_name: str
    prompt: str
    count: int
    credits: int
    width: int
    height: int
    resolution: str
    ratio: str = ""
    seed: int | None = None
    duration_ms: int = 0
    first_frame: str = ""
    last_frame: str = ""
    frame_size: tuple[int, int] = (0, 0)
    references: tuple[str, ...] = ()
    negative_prompt: str = ""
    sample_strength: float | None = None
    intelligent_ratio: bool = False
    video_mode: int = 2
    door: Door = "web"
    market: Market = "cn"
    draft_content: str = attrs.field(repr=False)

    @property
    def uris(self) -> tuple[str, ...]:
        """Every uploaded image it needs."""
        frames = (self.first_frame, self.last_frame)
        return (*self.references, *(each for each in frames if each))

    @property
    def generate_type(self) -> int:
        """The number records carry (protocol notes 2.8)."""
        if self.kind == "image":
            return 12 if self.references else 1
        return 32 if self.first_frame else 10
