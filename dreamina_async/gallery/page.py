"""The page's text: template, style, script and data put together, escaped each for its place."""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any

from dreamina_async import __version__

MARK = "<!-- dreamina-async gallery 1 -->"
"""By this a gallery is known as ours."""

_PLACE = re.compile(r"\{\{(\w+)\}\}")
_UNSAFE = str.maketrans({one: f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"})


def page(title: str, cards: Sequence[Mapping[str, Any]], written: datetime) -> str:
    """The whole page; it needs nothing but the media files beside it."""
    style, script = _part("page.css"), _part("page.js")
    values = {
        "mark": MARK,
        "policy": html.escape(_policy(style, script)),
        "version": __version__,
        "title": html.escape(title),
        "written": written.isoformat(timespec="seconds"),
        "style": style,
        "script": script,
        "jobs": _json(cards),
    }
    return _PLACE.sub(lambda found: values[found[1]], _part("page.html"))


def _part(name: str) -> str:
    return files("dreamina_async.gallery").joinpath(name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    """Only this page's own style and script run, and only files beside it are loaded."""
    return "; ".join(
        (
            "default-src 'none'",
            "img-src 'self' file: data:",
            "media-src 'self' file:",
            f"style-src '{_digest(style)}'",
            f"script-src '{_digest(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _json(value: object) -> str:
    """JSON that cannot end its element, whatever a prompt says."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_UNSAFE)
