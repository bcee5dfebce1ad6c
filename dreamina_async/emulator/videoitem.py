"""Shaping the video of an item, in each shape the protocol notes describe (5.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from .jobs import MediaFile
    from .variants import VideoShape

Json = dict[str, Any]


@attrs.frozen
class VideoWriter:
    """Writes one video: the original, its small preview, the URL of each and of a picture."""

    origin: MediaFile
    preview: MediaFile
    url: str
    preview_url: str
    thumbnail_url: str

    def write(self, shape: VideoShape) -> Json:
        """Write the video in this shape."""
        match shape:
            case "A":
                return _shape_a(self.origin, self.url)
            case "B":
                return _head(self.origin) | {"transcoded_video": self.transcoded()}
            case "C":
                return self._shape_c()
            case "D":
                return self._shape_d()
            case "E":
                return _head(self.origin)
            case "F":
                return _head(self.origin) | {"url": self.url, "video_url": self.url}
            case "P":
                return _head(self.origin) | {"play_url": self.preview_url}

    def transcoded(self) -> Json:
        """Write the original alone, as real Chinese records have it."""
        return {"origin": _resource(self.origin, self.url)}

    def _shape_c(self) -> Json:
        return {
            "transcoded_video": {
                "origin": _entry(self.origin, self.url),
                "medium": _entry(self.preview, self.preview_url),
            },
            "play_url": self.preview_url,
            "download_url": self.url,
            "thumbnail_url": self.thumbnail_url,
        }

    def _shape_d(self) -> Json:
        smaller = _resource(self.preview, self.preview_url, "360p")
        renditions = {"360p": smaller, "720p": _resource(self.origin, self.url, "720p")}
        return _head(self.origin) | {"transcoded_video": renditions}


def _entry(file: MediaFile, url: str) -> Json:
    return {
        "video_url": url,
        "width": file.width,
        "height": file.height,
        "duration": file.duration_ms,
        "format": "mp4",
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
