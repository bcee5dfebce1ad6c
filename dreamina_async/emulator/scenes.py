"""The thumbnails a status call asks for (S2, protocol notes 5.1)."""

from __future__ import annotations

import attrs

from .unread import Json, as_list, as_object


@attrs.frozen
class Scene:
    """One thumbnail: the key it comes under and how large it may be."""

    key: str
    edge: int


# What records carry when nobody asks.
DEFAULT_SCENES = (Scene("360", 360), Scene("720", 720))
_LARGEST = 4096


def asked_scenes(body: Json) -> tuple[Scene, ...]:
    """Read ``image_info``; what it says oddly is as good as not asked for."""
    info = as_object(body.get("image_info")) or {}
    scenes = [as_object(each) for each in as_list(info.get("image_scene_list")) or ()]
    return tuple(found for scene in scenes if scene is not None for found in _read(scene))


def _read(scene: Json) -> tuple[Scene, ...]:
    key, width, height = (scene.get(name) for name in ("uniq_key", "width", "height"))
    if not isinstance(key, str) or not isinstance(width, int) or not isinstance(height, int):
        return ()
    # Ours are scaled, never cropped: the longer edge tells the size.
    edge = max(width, height)
    return (Scene(key, edge),) if 0 < edge <= _LARGEST else ()
