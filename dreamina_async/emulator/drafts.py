"""Reading a generate request: its bytes become an order, or the refusal the service utters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .envelope import Refusal
from .fields import node
from .imagedraft import read_image
from .unread import Json, as_list, as_object, read_json
from .variants import Variants
from .videodraft import read_video

if TYPE_CHECKING:
    from .catalogue import Market
    from .order import Order

_READERS = {"image_base_component": read_image, "video_base_component": read_video}
_PLAIN = Variants()
# JSP's materials and pieces of text carry no ids (protocol notes 3.1).
_FREE_FORM = frozenset({"unified_edit_input"})


def read_order(body: Json, market: Market, rules: Variants = _PLAIN) -> Order:
    """Read the outer body and the draft inside it (protocol notes 2.1, 2.2, 3.1, 3.2)."""
    submit_id, draft_content = body.get("submit_id"), body.get("draft_content")
    if not isinstance(submit_id, str) or not submit_id or draft_content is None:
        raise Refusal("1000")
    if body.get("action"):
        # It goes on with a job that stands at 45 (protocol notes 2.7); none waits for that here.
        raise Refusal("1002", "common error: action")
    component = _component(_read_draft(draft_content))
    _check_created(component, rules)
    reader = _READERS.get(component["type"])
    if reader is None:
        raise Refusal("1002", "unknown component")
    extend = as_object(body.get("extend")) or {}
    ids = {"submit_id": submit_id, "draft_content": draft_content}
    order = reader(component, extend, market, rules, ids)
    if extend.get("root_model") != order.model:
        # Every client sends it; what the service makes of another one, or of none, is our guess.
        raise Refusal("1000", "invalid parameter: root_model")
    return order


def prompt_of(body: Json) -> str:
    """Give the prompt of a generate request, or of the MCP endpoint's; nothing if unreadable."""
    if isinstance(body.get("prompt"), str):
        return str(body["prompt"])
    try:
        component = _component(_read_draft(body.get("draft_content")))
        abilities = node(component, "abilities")
        for ability in ("generate", "blend"):
            if ability in abilities:
                return str(node(abilities, ability, "core_param").get("prompt"))
        params = node(abilities, "gen_video", "text_to_video_params")
        first = as_object((as_list(params.get("video_gen_inputs")) or [None])[0])
        return str((first or {}).get("prompt"))
    except Refusal:
        return ""


def _read_draft(content: object) -> Json:
    if not isinstance(content, str):
        # An object in place of a JSON string was refused like this (protocol notes 2.1).
        raise Refusal("1002", "common error: draft_content is not a string")
    try:
        draft = as_object(read_json(content))
    except (ValueError, RecursionError):
        raise Refusal("1002", "common error: draft_content is not JSON") from None
    if draft is None:
        raise Refusal("1002")
    _check_nodes(draft)
    return draft


def _check_nodes(place: object) -> None:
    """Refuse a node without ``id`` and ``type`` (protocol notes 2.2)."""
    fields = as_object(place)
    if fields is None:
        for child in as_list(place) or ():
            _check_nodes(child)
        return
    if not (fields.get("id") and isinstance(fields.get("type"), str)):
        raise Refusal("1002", "common error: a draft node lacks id or type")
    for name, child in fields.items():
        if name not in _FREE_FORM:
            _check_nodes(child)


def _component(draft: Json) -> Json:
    for each in as_list(draft.get("component_list")) or ():
        component = as_object(each)
        if component is not None and component["id"] == draft.get("main_component_id"):
            return component
    raise Refusal("1002", "common error: main_component_id names no component")


def _check_created(component: Json, rules: Variants) -> None:
    """Captures write the time as text, S4 and ZHI as a number (protocol notes 2.2)."""
    # AIC's blend carries no metadata at all (protocol notes 3.1).
    metadata = as_object(component.get("metadata")) or {}
    if "created_time_in_ms" not in metadata:
        return
    created = metadata["created_time_in_ms"]
    forms = {
        "text": isinstance(created, str) and created.isdigit(),
        "number": isinstance(created, int) and not isinstance(created, bool),
    }
    if not forms.get(rules.created_time, any(forms.values())):
        raise Refusal("1002", "common error: created_time_in_ms")
