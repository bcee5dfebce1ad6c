"""Which facts a file is given, and in which spelling."""

import re

from dreamina_async.requests import ImageRequest, Request

TOOL = "dreamina-async"

# what XML cannot hold, and NUL, which ends a text in PNG
_UNFIT = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def provenance(
    request: Request | None, submit_id: str | None, history_id: str | None
) -> dict[str, str]:
    """The facts by name, without those that are not known.

    The same job always gives the same facts, so a file fetched twice is twice the same file.
    Images to work from are left out: their paths are nobody's business.
    """
    facts = {"submit_id": submit_id, "history_id": history_id}
    if request is not None:
        facts = {"prompt": request.prompt, "model": request.model, **facts}
        facts["seed"] = None if request.seed is None else str(request.seed)
    if isinstance(request, ImageRequest):
        facts["negative_prompt"] = request.negative_prompt
    return {name: _UNFIT.sub("\ufffd", text) for name, text in facts.items() if text}
