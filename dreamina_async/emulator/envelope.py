"""The envelopes replies travel in (protocol notes 6.1) and the refusals we can utter (6.2)."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    import random

MESSAGES = {
    "0": "success",
    "1": "rate limited",
    "1000": "invalid parameter",
    "1002": "common error",
    "1006": "not enough credits",
    "1010": "concurrency limit",
    "1014": "sign error",
    "1015": "login error",
    "1019": "shark not pass",
    "1057": "rate limited",
    "1310": "ExceedConcurrencyLimit",
    "2038": "InputTextRisk",
    "2061": "model unavailable",
    "3018": "permission denied",
    "121101": "daily generation limit reached",
}
STARLING = {
    "1006": "web_dre_m10n_generate_popup_credit_ininsufficient_title",
    "2038": "web_text_violates_community_guidelines_toast",
}


@attrs.define
class Refusal(Exception):
    """A business refusal: HTTP 200 with a ``ret`` that is not zero."""

    ret: str
    message: str = ""
    data: Any = None

    @property
    def text(self) -> str:
        """The ``errmsg`` to send."""
        return self.message or MESSAGES.get(self.ret, "error")


def log_id(now: float, rng: random.Random) -> str:
    """Make a log id: UTC+8 time and 20 upper-case hex digits, 34 characters in all."""
    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(now + 8 * 3600))
    return f"{stamp}{rng.getrandbits(80):020X}"


def mweb(now: float, logid: str, data: Any, ret: str = "0", errmsg: str = "") -> dict[str, Any]:
    """Wrap the data of a ``/mweb`` reply."""
    return {
        "ret": ret,
        "errmsg": errmsg or MESSAGES.get(ret, "error"),
        "systime": str(int(now)),
        "logid": logid,
        "data": data,
    }


def commerce(now: float, logid: str, data: Any, ret: str = "0", errmsg: str = "") -> dict[str, Any]:
    """Wrap the payload of a ``/commerce`` reply: once as text, once as data."""
    return {
        "ret": ret,
        "errmsg": errmsg or MESSAGES.get(ret, "error"),
        "svr_time": int(now),
        "log_id": logid,
        "response": "" if data is None else json.dumps(data, ensure_ascii=False),
        "sign": "",
        "data": data,
    }


def dump(reply: Any) -> bytes:
    """Write JSON as the service does: UTF-8, and ``&`` as an escape (protocol notes 8.2)."""
    text = json.dumps(reply, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").encode()
