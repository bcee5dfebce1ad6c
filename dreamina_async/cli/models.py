"""`models`: what can be asked for, from the catalogue or as the service says today."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from textwrap import wrap
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
from dreamina_async.cli.runner import aside, stoppable
from dreamina_async.cli.signals import Interrupted

_WIDTH = 100
_INDENT = " " * 8
_SIZES_A_LINE = 4

_Sizes = Mapping[str, tuple[int, int]]


def models(live: bool, common: Common) -> int:
    """List the catalogue, or ask the service for its own."""
    output = common.output()
    if live:
        return asyncio.run(_live(common, output))
    show((*IMAGE_MODELS, *VIDEO_MODELS), output)
    return Exit.DONE


async def _live(common: Common, output: Output) -> int:
    try:
        with output.logging():
            found = await stoppable(_ask(common), output)
    except Interrupted:
        return Exit.PENDING
    show(found, output)
    return Exit.DONE


async def _ask(common: Common) -> tuple[ImageModel | VideoModel, ...]:
    async with aside(common) as session:
        return await session.models()


def show(models: Iterable[ImageModel | VideoModel], output: Output) -> None:
    """Say all that is known of the models, for people or as JSON."""
    models = tuple(models)
    for model in models:
        output.emit("model", **_facts(model))
    for line in _lines(models):
        output.result(line)
    _hint(output)


def _facts(model: ImageModel | VideoModel) -> dict[str, Any]:
    facts = {
        "name": model.name,
        "label": model.label,
        "key": model.key,
        "aliases": model.aliases,
        "regions": _regions(model),
        "resolutions": model.resolutions,
        "default_resolution": model.default_resolution,
        "ratios": model.ratios,
        "guessed": model.guessed,
    }
    if isinstance(model, VideoModel):
        return {"kind": "video", **facts, **_video_facts(model)}
    return {"kind": "image", **facts, **_image_facts(model)}


def _image_facts(model: ImageModel) -> dict[str, Any]:
    return {
        "sizes": {one: model.sizes[one] for one in model.resolutions if one in model.sizes},
        "us_size": model.us_size,
        "counts": model.counts,
        "default_count": model.default_count,
        "max_references": model.max_references,
        "intelligent_ratio": model.intelligent_ratio,
        "international_key": model.international_key,
        "credits_per_image": model.prices,
        "credits_per_image_with_references": model.blend_prices,
    }


def _video_facts(model: VideoModel) -> dict[str, Any]:
    return {
        "durations": model.durations,
        "benefit": model.benefit,
        "credits_for_five_seconds": model.prices,
    }


def _lines(models: tuple[ImageModel | VideoModel, ...]) -> Iterator[str]:
    images = [model for model in models if isinstance(model, ImageModel)]
    videos = [model for model in models if isinstance(model, VideoModel)]
    if images:
        yield _row("Image models", "resolutions", "images", "refs", "credits each", "regions")
        yield from map(_image_row, images)
        yield f"  ratios: {' '.join(IMAGE_RATIOS)}"
        yield "Image sizes in pixels"
        yield from _sizes(images)
    if videos:
        yield _row("Video models", "resolutions", "seconds", "", "credits for 5 s", "regions")
        yield from map(_video_row, videos)
        yield f"  ratios: {' '.join(VIDEO_RATIOS)}"


def _image_row(model: ImageModel) -> str:
    references = str(model.max_references)
    return _model_row(model, _span(model.counts), references, _prices(model.prices))


def _video_row(model: VideoModel) -> str:
    return _model_row(model, _span(model.durations), "", _prices(model.prices))


def _model_row(model: ImageModel | VideoModel, amount: str, references: str, prices: str) -> str:
    name = f"  {model.name}{'?' if model.guessed else ''}"
    return _row(name, _resolutions(model), amount, references, prices, " ".join(_regions(model)))


def _row(*cells: str) -> str:
    widths = (27, 18, 13, 5, 18)
    padded = (f"{cell} ".ljust(width) for cell, width in zip(cells, widths, strict=False))
    return f"{''.join(padded)}{cells[-1]}".rstrip()


def _resolutions(model: ImageModel | VideoModel) -> str:
    default = model.default_resolution
    return " ".join(f"{one}*" if one == default else one for one in model.resolutions)


def _prices(prices: Mapping[str, float]) -> str:
    return ", ".join(f"{resolution} {price:g}" for resolution, price in prices.items())


def _regions(model: ImageModel | VideoModel) -> list[str]:
    return [region.name for region in Region if region in model.regions]


def _span(numbers: tuple[int, ...]) -> str:
    if len(numbers) > 2 and numbers == tuple(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]} to {numbers[-1]}"
    *most, last = map(str, numbers or ("",))
    return f"{', '.join(most)} or {last}" if most else last


def _sizes(images: list[ImageModel]) -> Iterator[str]:
    tables = [(one, model.sizes.get(one, {})) for model in images for one in model.resolutions]
    seen: list[tuple[str, _Sizes]] = []
    for resolution, sizes in tables:
        if sizes and (resolution, sizes) not in seen:
            seen.append((resolution, sizes))
    for resolution, sizes in sorted(seen, key=_pixels):
        yield from _size_lines(resolution, sizes, images)
    for model in images:
        if model.us_size is not None:
            yield f"  {model.name} in the US: {model.us_size.width}×{model.us_size.height} only"


def _pixels(table: tuple[str, _Sizes]) -> int:
    return max(width * height for width, height in table[1].values())


def _size_lines(resolution: str, sizes: _Sizes, images: list[ImageModel]) -> Iterator[str]:
    cells = [f"{ratio} {width}×{height}".ljust(15) for ratio, (width, height) in sizes.items()]
    lines = [
        "  ".join(cells[start : start + _SIZES_A_LINE]).rstrip()
        for start in range(0, len(cells), _SIZES_A_LINE)
    ]
    if sizes != IMAGE_SIZES.get(resolution):
        lines = [*_owners(resolution, sizes, images), *lines]
    yield f"  {resolution:<6}{lines[0]}"
    yield from (f"{_INDENT}{line}" for line in lines[1:])


def _owners(resolution: str, sizes: _Sizes, images: list[ImageModel]) -> list[str]:
    names = [
        model.name
        for model in images
        if resolution in model.resolutions and model.sizes.get(resolution) == sizes
    ]
    return wrap(f"of {', '.join(names)}:", _WIDTH - len(_INDENT))


def _hint(output: Output) -> None:
    output.note(
        "* the default. ? its numbers are not known, so nothing is refused. Credits as once\n"
        "measured; empty is unknown. The first model of each kind is taken when you name none."
    )
