"""`models`: what can be asked for, from the catalogue; needs no account and no network."""

from collections.abc import Iterator
from typing import Any

from dreamina_async import (
    IMAGE_MODELS,
    IMAGE_RATIOS,
    IMAGE_SIZES,
    VIDEO_MODELS,
    VIDEO_RATIOS,
    ImageModel,
    Region,
    VideoModel,
)
from dreamina_async.cli.exits import Exit
from dreamina_async.cli.options import Common
from dreamina_async.cli.output import Output


def models(common: Common) -> int:
    """List the catalogue."""
    output = common.output()
    catalogue: tuple[ImageModel | VideoModel, ...] = (*IMAGE_MODELS, *VIDEO_MODELS)
    for model in catalogue:
        output.emit("model", **_facts(model))
    for line in _lines():
        output.result(line)
    _hint(output)
    return Exit.DONE


def _facts(model: ImageModel | VideoModel) -> dict[str, Any]:
    facts = {
        "name": model.name,
        "key": model.key,
        "aliases": model.aliases,
        "regions": _regions(model),
        "resolutions": model.resolutions,
        "default_resolution": model.default_resolution,
    }
    if isinstance(model, VideoModel):
        return {"kind": "video", **facts, "ratios": VIDEO_RATIOS, "durations": model.durations}
    sizes = {resolution: IMAGE_SIZES[resolution] for resolution in model.resolutions}
    return {
        "kind": "image",
        **facts,
        "ratios": tuple(IMAGE_RATIOS),
        "sizes": sizes,
        "counts": model.counts,
    }


def _lines() -> Iterator[str]:
    yield "Image models"
    for image in IMAGE_MODELS:
        yield _row(image, f"{_span(image.counts)} images")
    yield f"  ratios: {' '.join(IMAGE_RATIOS)}"
    yield "Image sizes in pixels"
    for resolution, sizes in IMAGE_SIZES.items():
        pixels = "  ".join(f"{ratio} {width}×{height}" for ratio, (width, height) in sizes.items())
        yield f"  {resolution:<5}{pixels}"
    yield "Video models"
    for video in VIDEO_MODELS:
        yield _row(video, f"{_span(video.durations)} s")
    yield f"  ratios: {' '.join(VIDEO_RATIOS)}"


def _row(model: ImageModel | VideoModel, amount: str) -> str:
    default = model.default_resolution
    resolutions = " ".join(
        f"{one}*" if one == default else one for one in sorted(model.resolutions)
    )
    return f"  {model.name:<24}{resolutions:<17}{amount:<16}{' '.join(_regions(model))}"


def _regions(model: ImageModel | VideoModel) -> list[str]:
    return [region.name for region in Region if region in model.regions]


def _span(numbers: tuple[int, ...]) -> str:
    first, last = numbers[0], numbers[-1]
    if len(numbers) > 2 and numbers == tuple(range(first, last + 1)):
        return f"{first} to {last}"
    return " or ".join(map(str, numbers))


def _hint(output: Output) -> None:
    output.note("* the default. The first model of each kind is taken when you name none.")
