"""The ``sign`` header of requests, computed here on our own (protocol notes 1.6)."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .variants import SignMode


def request_sign(pathname: str, pf: str, appvr: str, device_time: str, tdid: str = "") -> str:
    """Compute the ``sign`` value for a request to this path."""
    text = f"9e2c|{pathname[-7:]}|{pf}|{appvr}|{device_time}|{tdid}|11ac"
    return hashlib.md5(text.encode()).hexdigest()


def in_time(tolerance: float | None, headers: Mapping[str, str], now: float) -> bool:
    """Say whether the signed ``device-time`` is near enough to the service's clock."""
    text = headers.get("device-time", "")
    if tolerance is None or not text:
        return True
    return text.isdecimal() and abs(int(text) - now) <= tolerance


def sign_accepted(mode: SignMode, pathname: str, headers: Mapping[str, str]) -> bool:
    """Say whether the request's ``sign`` is acceptable in this mode."""
    given = headers.get("sign", "")
    if mode == "ignore" or (mode == "verify" and not given):
        # S1 polls without a sign; enforcement is a contradiction (protocol notes 1.6).
        return True
    expected = request_sign(
        pathname,
        headers.get("pf", ""),
        headers.get("appvr", ""),
        headers.get("device-time", ""),
        headers.get("tdid", ""),
    )
    return hmac.compare_digest(given.encode(), expected.encode())
