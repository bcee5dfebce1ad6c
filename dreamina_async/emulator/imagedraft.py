"""Reading the image component of a draft: text to image and blend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .blend import read_references
from .catalogue import ImageModel, image_model
from .envelope import Refusal
from .fields import flag, node, number, share, text
from .order import Order
from .sizes import RESOLUTIONS, Size, output_size, ratio_of, resolution_of
from .unread import Json, as_object

if TYPE_CHECKING:
    from .catalogue import Market
    from .variants import Variants

# Post-edit tools (protocol notes 3.1) are not played.
_ABILITIES = ("generate", "blend")


def read_image(component: Json, _extend: Json, market: Market, rules: Variants, ids: Json) -> Order:
    """Read what an image component orders."""
    kind = component.get("generate_type")
    if kind not in _ABILITIES:
        raise Refusal("1002", "common error: this generate_type is not emulated")
    abilities = node(component, "abilities")
    ability = node(abilities, str(kind))
    core = node(ability, "core_param")
    key = text(core, "model", needed=True)
    model = image_model(key, market)
    references = read_references(ability, key) if kind == "blend" else ()
    resolution, (width, height) = _image_size(core, model, rules)
    count = _image_count(abilities, ability, model, rules)
    return Order(
        kind="image",
        model=key,
        model_name=model.name,
        prompt=text(core, "prompt", needed=True),
        count=count,
        credits=model.price(resolution, count, len(references)),
        width=width,
        height=height,
        resolution=resolution,
        seed=number(core, "seed", 0),
        references=references,
        negative_prompt=text(core, "negative_prompt"),
        sample_strength=share(core, "sample_strength"),
        intelligent_ratio=flag(core, "intelligent_ratio"),
        market=market,
        **ids,
    )


def _image_size(core: Json, model: ImageModel, rules: Variants) -> tuple[str, Size]:
    info = node(core, "large_image_info")
    width, height = number(info, "width", 0), number(info, "height", 0)
    asked = (width, height) if width > 0 and height > 0 else None
    resolution = info.get("resolution_type") or (asked and resolution_of(asked))
    if not isinstance(resolution, str) or resolution not in RESOLUTIONS:
        raise Refusal("1000", "invalid parameter: resolution_type")
    ratio = _ratio(core, resolution, rules)
    if resolution not in model.resolutions:
        raise Refusal("1000", f"invalid parameter: {resolution} with this model")
    return resolution, output_size(asked, resolution, ratio, rules.size_tables, older=model.older)


def _ratio(core: Json, resolution: str, rules: Variants) -> str:
    if "image_ratio" not in core:
        # IPT leaves it out when the service is to choose (protocol notes 2.6).
        return "1:1"
    ratio = ratio_of(number(core, "image_ratio", 1), resolution, rules.ratio_codes)
    if ratio is None:
        raise Refusal("1000", "invalid parameter: image_ratio")
    return ratio


def _image_count(abilities: Json, ability: Json, model: ImageModel, rules: Variants) -> int:
    """Read ``gen_count``: beside the ability it counts, inside it does not (2.2)."""
    if "gen_option" in ability and rules.gen_option_inside == "refuse":
        raise Refusal("3018")
    option = as_object(abilities.get("gen_option"))
    if not model.most or option is None or "gen_count" not in option:
        return model.default_count
    count = number(option, "gen_count", model.default_count)
    if not 1 <= count <= model.most:
        raise Refusal("1000", "invalid parameter: gen_count")
    return count
