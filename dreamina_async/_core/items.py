"""One element of `item_list`, in every shape that was seen (protocol notes 5.4).

Only the result itself counts. Covers, thumbnails, `medium_images` and `small_images` are other
pictures of it and never stand in for it: an item that has nothing else has no usable URL.
"""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from attrs import evolve, frozen

from dreamina_async._core.reading import Reader, Unreadable, as_object, is_url, printable
from dreamina_async.models import MediaItem

_MAX_PIXELS = 65_536
_MAX_SIZE = 2**40
_MAX_DURATION = 86_400_000

_HEIGHT_NAME = re.compile(r"([0-9]{3,4})[pP]")
_MD5 = re.compile(r"[0-9a-fA-F]{32}")
# The first two segments of a video URL are its signature and its expiry (protocol notes 8.2).
_SIGNED_VIDEO_PATH = re.compile(r"/[0-9a-zA-Z]+/[0-9a-f]{8}/video/(.+)")
# What follows the tilde is the rendition; the rest is the `image_uri`.
_TEMPLATE = re.compile(r"~tplv-[^/]*")


@frozen
class _Rendition:
    """A place a URL was found in, with the object that describes it."""

    url: str
    source: str
    facts: Reader


@frozen
class Items:
    """What an `item_list` and a `failed_item_list` hold."""

    media: tuple[MediaItem, ...]
    failed: int
    message: str = ""


def read_items(record: Reader) -> Items:
    """All distinct results of a record, in order, and how many it calls failed."""
    media: dict[str, MediaItem] = {}
    failed = record.objects("failed_item_list")
    ids = {_item_id(one) or one.path for one in failed}
    messages = [_result_message(one) for one in failed]
    for reader in record.objects("item_list"):
        item = read_item(reader)
        if item is not None:
            known = media.get(item.uri)
            media[item.uri] = item if known is None else _merged(known, item)
        elif _result_code(reader):
            ids.add(_item_id(reader) or reader.path)
            messages.append(_result_message(reader))
        else:
            reader.note("", Unreadable("no usable URL"))
    return Items(tuple(media.values()), len(ids), next(filter(None, messages), ""))


def read_item(item: Reader) -> MediaItem | None:
    """One result; None if the item holds no URL of it.

    Width, height, format, size and md5 describe the first of the URLs.
    """
    video = item.object("video")
    common = item.object("common_attr")
    if video.value or _is_object(common, "transcoded_video"):
        return _video(item, video, common)
    return _image(item)


def _image(item: Reader) -> MediaItem | None:
    found = tuple(_images(item))
    if not found:
        return None
    facts = found[0].facts
    item_id = _item_id(item)
    name = _uri(facts, "image_uri")
    mine = [one for one in found if _uri(one.facts, "image_uri") in {None, name}]
    if len(mine) < len(found):  # never seen; one item is one image (S4)
        item.note("image.large_images", [one for one in found if one not in mine])
    return MediaItem(
        kind="image",
        urls=_distinct(mine),
        uri=name or item_id or _path_identity(found[0].url),
        width=facts.integer("width", least=1, most=_MAX_PIXELS),
        height=facts.integer("height", least=1, most=_MAX_PIXELS),
        format=facts.text("format", limit=32) or "",
        size=facts.integer("size", least=1, most=_MAX_SIZE),
        md5=_md5(facts),
        item_id=item_id,
        source=found[0].source,
    )


def _images(item: Reader) -> Iterator[_Rendition]:
    image = item.object("image")
    for entry in image.objects("large_images"):
        yield from _at(entry, "image.large_images", "image_url")
    if not image.value:  # S2 and MIX: the URL on the item itself
        yield from _at(item, "image_url", "image_url")
        yield from _at(item, "url", "url")


def _video(item: Reader, video: Reader, common: Reader) -> MediaItem | None:
    found = tuple(_videos(video, common))
    if not found:
        return None
    facts = found[0].facts
    item_id = _item_id(item)
    return MediaItem(
        kind="video",
        urls=_distinct(found),
        uri=_video_identity(video, common) or item_id or _path_identity(found[0].url),
        width=facts.integer("width", least=1, most=_MAX_PIXELS),
        height=facts.integer("height", least=1, most=_MAX_PIXELS),
        format=facts.text("format", limit=32) or "",
        size=facts.integer("size", least=1, most=_MAX_SIZE),
        md5=_md5(facts),
        duration_ms=_duration(video, facts),
        item_id=item_id,
        source=found[0].source,
    )


def _videos(video: Reader, common: Reader) -> Iterator[_Rendition]:
    yield from _transcoded(video, "video")  # B, C, D
    yield from _at(video.object("video_resource"), "video.video_resource", "video_url")  # A
    for name in ("download_url", "play_url", "url", "video_url"):  # C, F
        yield from _at(video, f"video.{name}", name)
    yield from _transcoded(common, "common_attr")  # E


def _transcoded(parent: Reader, path: str) -> Iterator[_Rendition]:
    renditions = parent.object("transcoded_video")
    yield from _at(renditions.object("origin"), f"{path}.transcoded_video.origin", "video_url")
    others = [
        (name, renditions.object(name))
        for name, value in renditions.value.items()
        if name != "origin" and isinstance(value, dict)
    ]
    for name, rendition in sorted(others, key=_largest_first):
        yield from _at(rendition, f"{path}.transcoded_video.{printable(name, 32)}", "video_url")


def _largest_first(named: tuple[str, Reader]) -> tuple[int, int]:
    # The short side, for that is what "720p" names too; portrait and landscape alike.
    name, rendition = named
    width = rendition.integer("width", most=_MAX_PIXELS) or 0
    height = rendition.integer("height", most=_MAX_PIXELS) or 0
    from_name = _HEIGHT_NAME.fullmatch(name)
    short = min(width, height) or max(width, height) or (int(from_name[1]) if from_name else 0)
    return -short, -max(width, height)


def _at(reader: Reader, source: str, name: str) -> Iterator[_Rendition]:
    url = reader.url(name)
    if url is not None:
        yield _Rendition(url, source, reader)


def _distinct(renditions: "list[_Rendition] | tuple[_Rendition, ...]") -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.url for one in renditions))


def _merged(first: MediaItem, again: MediaItem) -> MediaItem:
    return evolve(first, urls=tuple(dict.fromkeys(first.urls + again.urls)))


def _duration(video: Reader, facts: Reader) -> int | None:
    # Units trap: `duration_ms` is exact; `transcoded_video.*.duration` and `video_resource`'s
    # are milliseconds, or 0 (ASL); `video.duration` is seconds, rounded up. No video of this
    # service lasts 600 s, and none lasts 600 ms, so the size of the number tells the unit.
    exact = video.number("duration_ms", most=_MAX_DURATION)
    if exact:
        return round(exact)
    for reader in (facts, video.object("video_resource"), video):
        number = reader.number("duration", most=_MAX_DURATION)
        if number:
            return round(number if number >= 600 else number * 1000)
    return None


def _video_identity(video: Reader, common: Reader) -> str | None:
    # Not from the rendition that happens to be the best today: the name has to last.
    resource = video.object("video_resource")
    return (
        _uri(resource, "video_uri")
        or _uri(video, "video_uri", "vid", "video_id")
        or _rendition_id(video)
        or _uri(resource, "vid", "video_id")
        or _rendition_id(common)
    )


def _rendition_id(parent: Reader) -> str | None:
    renditions = parent.object("transcoded_video")
    names = ["origin", *sorted(set(renditions.value) - {"origin"})]
    found = (
        _uri(renditions.object(name), "video_uri", "vid", "video_id")
        for name in names
        if isinstance(renditions.value.get(name), dict)
    )
    return next(filter(None, found), None)


def _uri(reader: Reader, *names: str) -> str | None:
    text = reader.text(*names, limit=1024)
    if text is None or "://" not in text:
        return text
    return _path_identity(text) if is_url(text) else None  # never a signature in a name


def _path_identity(url: str) -> str:
    path = urlsplit(url).path
    signed = _SIGNED_VIDEO_PATH.fullmatch(path)
    return _TEMPLATE.sub("", signed[1] if signed else path).strip("/") or urlsplit(url).netloc


def _item_id(item: Reader) -> str:
    own = item.identifier("item_id", "id", "local_item_id")
    return own or item.object("common_attr").identifier("id", "local_item_id") or ""


def _md5(facts: Reader) -> str:
    text = facts.text("md5") or ""
    return text.lower() if _MD5.fullmatch(text) else ""


def _is_object(parent: Reader, name: str) -> bool:
    return bool(as_object(parent.raw(name)))


def _result_code(item: Reader) -> int:
    return item.object("gen_result_data").integer("result_code", least=-(2**53)) or 0


def _result_message(item: Reader) -> str:
    return item.object("gen_result_data").text("result_msg", limit=500) or ""
