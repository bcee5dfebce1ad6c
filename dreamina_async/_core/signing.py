"""The `sign` header, as the official web client computes it (protocol notes 1.6; S0, S4).

Anti-bot tokens are another matter: they are passed through from the user, never computed.
"""

from hashlib import md5


def sign(path: str, device_time: int, *, pf: str, appvr: str, tdid: str = "") -> str:
    """Sign one call.

    Args:
        path: the URL's path without query; only its last seven characters count.
        device_time: Unix time in whole seconds; header `device-time` must carry the same.
        pf: header `pf`.
        appvr: header `appvr`.
        tdid: header `tdid`, empty in every capture.
    """
    text = f"9e2c|{path[-7:]}|{pf}|{appvr}|{device_time}|{tdid}|11ac"
    return md5(text.encode(), usedforsecurity=False).hexdigest()
