"""The envelopes replies travel in (protocol notes 6.1) and the refusals we can utter (6.2)."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    import random

    from .unread import Json
    from .variants import CodeTexts, CommerceShape

# Of a few the real text was seen (INT, HIW); the others are put in the notes' own words.
MESSAGES = {
    "-6": "shark not pass reject",
    "0": "success",
    "1": "rate limited",
    "1000": "invalid parameter",
    "1001": "invalid params",
    "1002": "common error",
    "1006": "not enough credits",
    "1010": "concurrency limit",
    "1014": "sign error",
    "1015": "login error",
    "1017": "permission denied",
    "1018": "account limited",
    "1019": "shark not pass",
    "1021": "commercial risk block",
    "1057": "rate limited",
    "1063": "text audit failed",
    "1159": "copyright",
    "1161": "mixed language",
    "1162": "unsupported language",
    "1189": "invalid parameter",
    "1190": "invalid parameter",
    "1310": "ExceedConcurrencyLimit",
    "2001": "history not found",
    "2002": "generate error",
    "2003": "pre image risk",
    "2004": "post image risk",
    "2005": "pre text risk",
    "2008": "missing body",
    "2014": "access limited",
    "2020": "rate limited",
    "2035": "security block",
    "2038": "InputTextRisk",
    "2039": "image security block",
    "2040": "insufficient resources",
    "2041": "image security block",
    "2042": "video security block",
    "2043": "security block",
    "2048": "image copyright",
    "2050": "text copyright",
    "2061": "model unavailable",
    "2203": "invalid parameter",
    "2204": "invalid parameter",
    "3018": "permission denied",
    "3021": "unsupported by beta",
    "4001": "no external credits",
    "4002": "invalid parameter",
    "4003": "no permission",
    "4010": "compliance confirmation required",
    "5000": "not enough credits",
    "5001": "image generation failed",
    "5002": "video generation failed",
    "10020": "access limited",
    "121101": "daily generation limit reached",
    "130006": "content safety",
    "140001": "resources exhausted",
    "34010100": "parameter error",
}
# What S2, LUH (1014) and IPT (4001) take the disputed codes for.
_NOTES = {
    "1014": "system busy",
    "2002": "parameter error",
    "2003": "service busy",
    "2004": "insufficient permission",
    "2039": "generation timeout",
    "4001": "content violation",
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


@attrs.frozen
class Payload:
    """The payload of a commerce reply and the places it is put in."""

    data: Json | None
    places: CommerceShape


def meaning(code: str, texts: CodeTexts) -> str:
    """Say what a code means, to those who number it so."""
    told = _NOTES if texts == "notes" else {}
    return told.get(code) or MESSAGES.get(code, "error")


def refused(code: str, message: str = "") -> Refusal:
    """Refuse a submit on the spot, in the words of protocol notes 2.8."""
    refusal = Refusal(code, message)
    refusal.data = {
        "aigc_data": None,
        "fail_code": code,
        "fail_starling_key": STARLING.get(code, ""),
        "fail_starling_message": refusal.text,
    }
    return refusal


def log_id(now: float, rng: random.Random) -> str:
    """Make a log id: UTC+8 time and 20 upper-case hex digits, 34 characters in all."""
    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(now + 8 * 3600))
    return f"{stamp}{rng.getrandbits(80):020X}"


def mweb(now: float, logid: str, data: Any, ret: str = "0", errmsg: str = "") -> Json:
    """Wrap the data of a ``/mweb`` reply."""
    return {
        "ret": ret,
        "errmsg": errmsg or MESSAGES.get(ret, "error"),
        "systime": str(int(now)),
        "logid": logid,
        "data": data,
    }


def commerce(now: float, logid: str, data: Any, ret: str = "0", errmsg: str = "") -> Json:
    """Wrap the payload of a ``/commerce`` reply: as text, as data, or as both."""
    payload = data if isinstance(data, Payload) else Payload(data, "both")
    told = payload.data is not None
    reply = {
        "ret": ret,
        "errmsg": errmsg or MESSAGES.get(ret, "error"),
        "svr_time": int(now),
        "log_id": logid,
        "response": json.dumps(payload.data, ensure_ascii=False) if told else "",
        "sign": "",
        "data": payload.data,
    }
    missing = {"both": "", "response": "data", "data": "response"}[payload.places]
    return {name: value for name, value in reply.items() if name != missing}


def cli(now: float, logid: str, data: Any, ret: str = "0", errmsg: str = "") -> Json:
    """Wrap the data of the MCP endpoint and its public sibling (protocol notes 9)."""
    if ret == "1015":
        # A login failure comes in two plain fields even from there (CLH).
        return {"ret": ret, "errmsg": errmsg or MESSAGES[ret]}
    text = errmsg or MESSAGES.get(ret, "error")
    return {
        "ret": ret,
        "msg": text,
        "msgDetail": text,
        "logId": logid,
        "sysTime": str(int(now)),
        "data": data,
    }


def passport(_now: float, _logid: str, data: Any, ret: str = "0", errmsg: str = "") -> Json:
    """Wrap the data of a ``/passport`` reply; without a session it names no user (ZHI)."""
    if ret == "0":
        return {"message": "success", "data": data}
    return {"message": "error", "data": {"error_code": int(ret), "description": errmsg}}


def dump(reply: Any) -> bytes:
    """Write JSON as the service does: UTF-8, and ``&`` as an escape (protocol notes 8.2)."""
    text = json.dumps(reply, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").encode()
