"""Shaping the JSON of result items, in each shape the protocol notes describe (5.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from .records import item_id
from .scenes import DEFAULT_SCENES, Scene
from .unread import Json, as_list, as_object
from .videoitem import VideoWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    from .jobs import Job, MediaFile
    from .links import LinkSigner
    from .mp4 import Rendition
    from .options import EmulatorOptions
    from .variants import VideoShape

# S2's two smaller sizes of every image.
_S2_EDGES = {"medium_images": 720, "small_images": 360}
_THUMBNAIL_EDGE = 360


@attrs.frozen
class ItemWriter:
    """Writes items with freshly signed URLs."""

    options: EmulatorOptions
    links: LinkSigner
    file: Callable[[Job, int, Rendition], MediaFile]

    def item(self, job: Job, index: int, logid: str, scenes: tuple[Scene, ...] = ()) -> Json:
        """Write an item in the shape the options ask for."""
        return self._write(job, index, logid, self.options.video_shape, scenes)

    def downloadable(self, job: Job, index: int, logid: str) -> Json:
        """Write an item as ``get_local_item_list`` does: with the original video (8.1)."""
        return self._write(job, index, logid, "B", ())

    def _write(
        self, job: Job, index: int, logid: str, shape: VideoShape, scenes: tuple[Scene, ...]
    ) -> Json:
        if job.order.kind == "image":
            item = self._image(job, index, scenes)
        else:
            item = self._video(job, index, logid, shape)
        return _spoiled(item) if self.options.wrong_figures else item

    def signed(self, file: MediaFile) -> Json:
        """Write a file's image entry with a fresh URL."""
        return {
            "image_uri": file.uri,
            "image_url": self.links.image_url(file.uri, 0, self.options.wall()),
            "width": file.width,
            "height": file.height,
            "format": "png",
        }

    def _image(self, job: Job, index: int, scenes: tuple[Scene, ...]) -> Json:
        file, now = self.file(job, index, "origin"), self.options.wall()
        large = self.signed(file)
        if self.options.minimal_records:
            return {"image": {"large_images": [large]}}
        image: Json = {"format": "png", "large_images": [large | {"size": file.size}]}
        if self.options.numbering == "s2":
            image |= {name: [self._smaller(file, edge, now)] for name, edge in _S2_EDGES.items()}
        cover = self._cover(file, now, scenes or DEFAULT_SCENES)
        params = {
            "prompt": job.order.prompt,
            "seed": job.order.seed,
            "model_config": {"model_req_key": job.order.model},
        }
        return {
            "common_attr": self._common(job, index, file, effect_type=9) | cover,
            "author": None,
            "image": image,
            "aigc_image_params": {
                "generate_type": job.order.generate_type,
                "text2image_params": params,
            },
            **self._result(job),
            **self._s2_extras(job, index),
        }

    def _smaller(self, file: MediaFile, edge: int, now: float) -> Json:
        scale = min(1.0, edge / max(file.width, file.height))
        return {
            "image_url": self.links.image_url(file.uri, edge, now),
            "width": max(1, int(file.width * scale)),
            "height": max(1, int(file.height * scale)),
            "format": "png",
        }

    def _cover(self, file: MediaFile, now: float, scenes: tuple[Scene, ...]) -> Json:
        # Real thumbnails are WebP (protocol notes 8.2); ours are PNG, and named so.
        thumbs = {each.key: self.links.image_url(file.uri, each.edge, now) for each in scenes}
        return {
            "cover_url": next(iter(thumbs.values())),
            "cover_url_map": thumbs,
            "cover_uri": file.uri,
            "cover_width": file.width,
            "cover_height": file.height,
        }

    def _video(self, job: Job, index: int, logid: str, shape: VideoShape) -> Json:
        origin = self.file(job, index, "origin")
        preview = self.file(job, index, "preview")
        now = self.options.wall()
        writer = VideoWriter(
            origin,
            preview,
            self.links.video_url(origin.uri, logid, now),
            self.links.video_url(preview.uri, logid, now),
            self.links.image_url(origin.uri, _THUMBNAIL_EDGE, now),
        )
        video = writer.write(shape)
        if self.options.minimal_records:
            return {"video": video}
        common = self._common(job, index, origin, effect_type=53)
        if shape == "E":
            common["transcoded_video"] = writer.transcoded()
        item = {"common_attr": common, "author": None, "video": video, **self._result(job)}
        return item | self._params(job) | self._s2_extras(job, index)

    def _common(self, job: Job, index: int, file: MediaFile, effect_type: int) -> Json:
        identity = item_id(self.options, job, index)
        return {
            "id": identity,
            "effect_id": identity,
            "effect_type": effect_type,
            "title": "",
            "description": job.order.prompt,
            "item_urls": [""],
            "md5": "",
            "create_time": int(job.finished_at()),
            # A publish status, not the state of the generation (protocol notes 5.4).
            "status": 144,
            "review_info": {"review_status": 1, "review_code_list": []},
            "aspect_ratio": round(file.width / file.height, 4),
            "publish_source": "user_post_mweb_item",
            "has_published": False,
            "local_item_id": identity,
        }

    @staticmethod
    def _result(job: Job) -> Json:
        return {
            "gen_result_data": {"result_code": 0, "result_msg": "Success"},
            "extra": {
                "credits_consume": _share(job.order.credits, job.order.count),
                "template_type": job.order.kind,
            },
        }

    @staticmethod
    def _params(job: Job) -> Json:
        order = job.order
        echo = {
            "prompt": order.prompt,
            "first_frame_image": {"image_uri": order.first_frame} if order.first_frame else None,
            "end_frame_image": {"image_uri": order.last_frame} if order.last_frame else None,
            "video_mode": order.video_mode,
            "fps": 24,
            "duration_ms": order.duration_ms,
        }
        return {"aigc_image_params": {"text2video_params": {"video_gen_inputs": [echo]}}}

    def _s2_extras(self, job: Job, index: int) -> Json:
        if self.options.numbering != "s2":
            return {}
        return {
            "id": item_id(self.options, job, index),
            "task": {
                "finish_time": int(job.finished_at() * 1000),
                "create_time": int(job.created_at * 1000),
                "cost": job.order.credits,
            },
        }


def _spoiled(item: Json) -> Json:
    """Copy an item with every size and digest of a file wrong."""

    def spoil(name: str, value: object) -> object:
        if name == "size" and isinstance(value, int):
            return value + 1
        if name == "md5" and isinstance(value, str):
            return value[::-1]
        fields, inside = as_object(value), as_list(value)
        if fields is not None:
            return {key: spoil(key, each) for key, each in fields.items()}
        return value if inside is None else [spoil("", each) for each in inside]

    return {name: spoil(name, value) for name, value in item.items()}


def _share(credits_: int, count: int) -> int | float:
    """Divide the price among the items: a whole number where it is one."""
    return credits_ // count if credits_ % count == 0 else credits_ / count
