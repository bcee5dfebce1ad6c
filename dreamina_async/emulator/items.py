"""Shaping the JSON of result items, in each shape the protocol notes describe (5.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from .records import item_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from .jobs import Job, MediaFile
    from .links import LinkSigner
    from .mp4 import Rendition
    from .options import EmulatorOptions, VideoShape

Json = dict[str, Any]
THUMBNAIL_EDGES = (360, 720)


@attrs.frozen
class ItemWriter:
    """Writes items with freshly signed URLs."""

    options: EmulatorOptions
    links: LinkSigner
    file: Callable[[Job, int, Rendition], MediaFile]

    def item(self, job: Job, index: int, logid: str) -> Json:
        """Write an item in the shape the options ask for."""
        if job.order.kind == "image":
            return self._image(job, index)
        return self._video(job, index, logid, self.options.video_shape)

    def downloadable(self, job: Job, index: int, logid: str) -> Json:
        """Write an item as ``get_local_item_list`` does: with the original video (8.1)."""
        if job.order.kind == "image":
            return self._image(job, index)
        return self._video(job, index, logid, "B")

    def _image(self, job: Job, index: int) -> Json:
        file, now = self.file(job, index, "origin"), self.options.wall()
        url = self.links.image_url(file.uri, 0, now)
        image: Json = {
            "format": "png",
            "large_images": [
                {
                    "image_uri": file.uri,
                    "image_url": url,
                    "width": file.width,
                    "height": file.height,
                    "format": "png",
                    "size": file.size,
                }
            ],
        }
        if self.options.minimal_records:
            del image["large_images"][0]["size"], image["format"]
            return {"image": image}
        common = self._common(job, index, file, effect_type=9) | self._cover(file, now)
        params = {
            "prompt": job.order.prompt,
            "seed": job.order.seed,
            "model_config": {"model_req_key": job.order.model},
        }
        return {
            "common_attr": common,
            "author": None,
            "image": image,
            "aigc_image_params": {"generate_type": 1, "text2image_params": params},
            **self._result(job),
            **self._s2_extras(job, index),
        }

    def _cover(self, file: MediaFile, now: float) -> Json:
        # Real thumbnails are WebP (protocol notes 8.2); ours are PNG, and named so.
        thumbs = {edge: self.links.image_url(file.uri, edge, now) for edge in THUMBNAIL_EDGES}
        return {
            "cover_url": thumbs[THUMBNAIL_EDGES[0]],
            "cover_url_map": {str(edge): thumb for edge, thumb in thumbs.items()},
            "cover_uri": file.uri,
            "cover_width": file.width,
            "cover_height": file.height,
        }

    def _video(self, job: Job, index: int, logid: str, shape: VideoShape) -> Json:
        origin = self.file(job, index, "origin")
        url = self._video_url(origin, logid)
        common = self._common(job, index, origin, effect_type=53)
        video: Json
        match shape:
            case "A":
                video = _shape_a(origin, url)
            case "B":
                video = _head(origin) | {"transcoded_video": {"origin": _resource(origin, url)}}
            case "C":
                video = self._shape_c(job, index, origin, url, logid)
            case "D":
                video = self._shape_d(job, index, origin, url, logid)
            case "E":
                video = _head(origin)
                common["transcoded_video"] = {"origin": _resource(origin, url)}
            case "F":
                video = _head(origin) | {"url": url, "video_url": url}
        if self.options.minimal_records:
            return {"video": video}
        item = {"common_attr": common, "author": None, "video": video, **self._result(job)}
        return item | self._params(job) | self._s2_extras(job, index)

    def _shape_c(self, job: Job, index: int, origin: MediaFile, url: str, logid: str) -> Json:
        preview = self.file(job, index, "preview")
        smaller = self._video_url(preview, logid)

        def entry(file: MediaFile, address: str) -> Json:
            return {
                "video_url": address,
                "width": file.width,
                "height": file.height,
                "duration": file.duration_ms,
                "format": "mp4",
            }

        return {
            "transcoded_video": {"origin": entry(origin, url), "medium": entry(preview, smaller)},
            "play_url": smaller,
            "download_url": url,
        }

    def _shape_d(self, job: Job, index: int, origin: MediaFile, url: str, logid: str) -> Json:
        preview = self.file(job, index, "preview")
        smaller = _resource(preview, self._video_url(preview, logid), "360p")
        renditions = {"360p": smaller, "720p": _resource(origin, url, "720p")}
        return _head(origin) | {"transcoded_video": renditions}

    def _video_url(self, file: MediaFile, logid: str) -> str:
        return self.links.video_url(file.uri, logid, self.options.wall())

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
                "credits_consume": job.order.credits // job.order.count,
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
            "video_mode": 2,
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


def _shape_a(file: MediaFile, url: str) -> Json:
    return {
        "video_resource": {
            "video_url": url,
            "video_uri": file.uri,
            "duration": file.duration_ms,
            "width": file.width,
            "height": file.height,
        }
    }


def _head(file: MediaFile) -> Json:
    # The units trap: whole seconds rounded up here, milliseconds beside it (protocol notes 5.4).
    return {
        "video_id": f"v02870g1{file.uri[-20:]}",
        "duration": -(-file.duration_ms // 1000),
        "duration_ms": file.duration_ms,
        "origin_video": None,
        "transcode_status": 1,
        "has_audio": False,
        "is_mute": False,
    }


def _resource(file: MediaFile, url: str, definition: str = "origin") -> Json:
    return {
        "vid": f"v02870g1{file.uri[-20:]}",
        "fps": 24,
        "width": file.width,
        "height": file.height,
        "duration": 0,
        "video_url": url,
        "cover_url": "",
        "format": "mp4",
        "definition": definition,
        "logo_type": "",
        "encryption_key": "",
        "md5": file.md5,
        "size": file.size,
        "video_id": f"v02870g1{file.uri[-20:]}",
    }
