"""The ``sign`` header of requests, computed here on our own (protocol notes 1.6)."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .variants import Variants

# S4 signs its status call with a version that it does not send (protocol notes 1.4).
_VERSIONS = ("5.8.0", "8.4.0")


def request_sign(pathname: str, pf: str, appvr: str, device_time: str, tdid: str = "") -> str:
    """Compute the ``sign`` value for a request to this path."""
    text = f"9e2c|{pathname[-7:]}|{pf}|{appvr}|{device_time}|{tdid}|11ac"
    return hashlib.md5(text.encode()).hexdigest()


def sign_accepted(rules: Variants, pathname: str, headers: Mapping[str, str], now: float) -> bool:
    """Say whether the request's ``sign`` and the time in it are acceptable."""
    given = headers.get("sign", "")
    if rules.sign_mode == "ignore" or (rules.sign_mode == "verify" and not given):
        # S1 polls without a sign; enforcement is a contradiction (protocol notes 1.6).
        return True
    appvr, moment = headers.get("appvr"), headers.get("device-time", "")
    pf, tdid = headers.get("pf", ""), headers.get("tdid", "")
    versions = _VERSIONS if appvr is None else (appvr,)
    good = (request_sign(pathname, pf, version, moment, tdid) for version in versions)
    matches = any(hmac.compare_digest(given.encode(), each.encode()) for each in good)
    return matches and _in_time(rules.sign_tolerance, moment, now)


def _in_time(tolerance: float | None, moment: str, now: float) -> bool:
    if tolerance is None:
        return True
    return moment.isdecimal() and abs(int(moment) - now) <= tolerance
