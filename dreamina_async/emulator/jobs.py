"""The jobs the emulator has accepted, and the media files each of them has."""

from __future__ import annotations

import hashlib
import math
from functools import cached_property
from typing import TYPE_CHECKING

import attrs

from .catalogue import image_folder
from .chance import decimal_id, digest, hex_name
from .mp4 import Rendition, Sample, mp4, sample_for
from .png import Parts, png

if TYPE_CHECKING:
    from .ledger import Account
    from .options import EmulatorOptions
    from .order import Kind, Order
    from .outcome import Outcome
    from .timeline import Plan, Stage


@attrs.define
class Job:
    """A generation the service owes, or has done."""

    order: Order
    account: Account
    plan: Plan
    outcome: Outcome
    history_id: str
    occurrence: int
    created_at: float
    accepted_at: float
    visible_at: float
    empty_looks: int

    def stage(self, now: float) -> Stage:
        """Say where the job is at this moment of the loop's clock."""
        return self.plan.at(now - self.accepted_at)

    def finished_at(self) -> float:
        """Say when it ends, by the wall clock; one that never does counts from its start."""
        ends = self.plan.ends
        return self.created_at + (ends if math.isfinite(ends) else 0.0)

    @property
    def names(self) -> tuple[str, str, int]:
        """What sets it apart from every other job, and its uris and items with it."""
        return self.account.uid, self.order.submit_id, self.occurrence

    @property
    def subject(self) -> str:
        """What the ``match`` of a fault is looked for in."""
        return f"{self.order.submit_id}\n{self.history_id}\n{self.order.prompt}"

    @property
    def ends_at(self) -> float:
        """When it ends, by the loop's clock; infinite if never."""
        return self.accepted_at + self.plan.ends


@attrs.frozen(slots=False)
class MediaFile:
    """A file the media server has: its figures are true of the bytes served."""

    submit_id: str
    history_id: str
    index: int
    kind: Kind
    rendition: Rendition
    uri: str
    width: int
    height: int
    duration_ms: int
    parts: Parts = attrs.field(repr=False, eq=False)
    subject: str = attrs.field(repr=False, default="")

    @cached_property
    def size(self) -> int:
        """Bytes in all."""
        return sum(map(len, self.parts))

    @cached_property
    def sha256(self) -> str:
        """Hex digest of the bytes."""
        return self._hash("sha256")

    @cached_property
    def md5(self) -> str:
        """Hex MD5 of the bytes, as video records carry it."""
        return self._hash("md5")

    @property
    def content_type(self) -> str:
        """The MIME type."""
        return "image/png" if self.kind == "image" else "video/mp4"

    def body(self) -> bytes:
        """Give all bytes at once."""
        return b"".join(self.parts)

    def _hash(self, name: str) -> str:
        state = hashlib.new(name)
        for part in self.parts:
            state.update(part)
        return state.hexdigest()


def image_file(options: EmulatorOptions, job: Job, index: int, edge: int = 0) -> MediaFile:
    """Make the image of an item; with ``edge``, its thumbnail no larger than that."""
    name = (*job.names, index)
    width, height = job.order.width, job.order.height
    if job.order.kind == "video":
        sample = sample_for(job.order.ratio).of("origin")
        width, height = sample.width, sample.height
    if edge:
        scale = min(1.0, edge / max(width, height))
        width, height = max(1, int(width * scale)), max(1, int(height * scale))
    about = f"{job.order.submit_id} {index}"
    parts = png(
        width,
        height,
        digest(options.seed, "palette", *name),
        about,
        0 if edge else options.image_bytes,
    )
    return MediaFile(
        submit_id=job.order.submit_id,
        history_id=job.history_id,
        index=index,
        kind="image",
        rendition="preview" if edge else "origin",
        uri=f"{image_folder(job.order.market)}/{hex_name(options.seed, 'uri', *name)}",
        width=width,
        height=height,
        duration_ms=0,
        parts=parts,
        subject=job.subject,
    )


def video_file(
    options: EmulatorOptions, job: Job, index: int, rendition: Rendition = "origin"
) -> MediaFile:
    """Make the video of an item."""
    name = (*job.names, index, rendition)
    sample: Sample = sample_for(job.order.ratio).of(rendition)
    size = options.video_bytes if rendition == "origin" else 0
    return MediaFile(
        submit_id=job.order.submit_id,
        history_id=job.history_id,
        index=index,
        kind="video",
        rendition=rendition,
        uri=f"tos-cn-v-148450/{hex_name(options.seed, 'uri', *name)}",
        width=sample.width,
        height=sample.height,
        duration_ms=sample.duration_ms,
        parts=mp4(sample, f"{job.order.submit_id} {index} {rendition}", size),
        subject=job.subject,
    )


def new_history_id(options: EmulatorOptions, submit_id: str, occurrence: int) -> str:
    """Choose the id of a record: 14 decimal digits, as the Chinese service has."""
    return decimal_id(options.seed, 14, "history", submit_id, occurrence)
