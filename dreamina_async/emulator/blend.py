"""Reading the references of a blend, in every form clients write them (protocol notes 3.1)."""

from __future__ import annotations

from .envelope import Refusal
from .fields import image_uri, number, objects, share
from .unread import Json, as_list, as_object

# The server declares 10 for `byte_edit`; AIC saw 20 for this model.
_MOST = 10
_MORE = {"jm_image_model_yc_mj82": 20}


def most_references(model: str) -> int:
    """Say how many references a model takes."""
    return _MORE.get(model, _MOST)


def read_references(blend: Json, model: str) -> tuple[str, ...]:
    """Give the uris of all references, or refuse a blend without a proper list of them.

    IPT and AIC write one ability an image, ZHI and JSP one with all the uris; prompt markers
    are the client's own affair, every form of them is taken.
    """
    abilities = objects(blend, "ability_list")
    uris = tuple(uri for ability in abilities for uri in _uris(ability))
    if not 1 <= len(uris) <= most_references(model):
        raise Refusal("1000", "invalid parameter: ability_list")
    for placeholder in objects(blend, "prompt_placeholder_info_list"):
        if not 0 <= number(placeholder, "ability_index", -1) < len(abilities):
            raise Refusal("1000", "invalid parameter: ability_index")
    edit = as_object(blend.get("postedit_param")) or {}
    if number(edit, "generate_type", 0):
        raise Refusal("1002", "common error: post-edit tools are not emulated")
    return uris


def _uris(ability: Json) -> tuple[str, ...]:
    if ability.get("name") != "byte_edit":
        raise Refusal("1000", "invalid parameter: name of an ability")
    share(ability, "strength")
    listed = as_list(ability.get("image_uri_list")) or []
    images = [image_uri(each) for each in objects(ability, "image_list")]
    if listed and images and listed != images:
        raise Refusal("1000", "invalid parameter: image_uri_list and image_list disagree")
    uris = listed or images
    if not all(isinstance(uri, str) and uri for uri in uris):
        raise Refusal("1000", "invalid parameter: image_uri_list")
    return tuple(uris)
