"""AWS Signature Version 4, by which ImageX knows the upload's token (protocol notes 4).

Written after AWS's own description, and tested against its published vectors.
"""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote, unquote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"

EMPTY_SHA256 = sha256(b"").hexdigest()


def sign_v4(
    method: str,
    url: str,
    headers: Mapping[str, str],
    payload_sha256: str,
    *,
    access_key: str,
    secret_key: str,
    session_token: str,
    region: str,
    service: str,
    now: float,
) -> dict[str, str]:
    """The headers that sign one request; those given, the date and the token are signed.

    Args:
        method: in capitals.
        url: as it will be sent.
        headers: to be signed and sent; ImageX wants no `host` among them (IPT).
        payload_sha256: hex digest of the body.
        access_key: which key.
        secret_key: never sent.
        session_token: goes with temporary keys; empty for others.
        region: part of the scope.
        service: part of the scope.
        now: wall clock, Unix seconds.
    """
    date = datetime.fromtimestamp(int(now), UTC).strftime("%Y%m%dT%H%M%SZ")
    added = {"x-amz-date": date}
    if session_token:
        added["x-amz-security-token"] = session_token
    signed = {**headers, **added}
    scope = f"{date[:8]}/{region}/{service}/aws4_request"
    canonical = canonical_request(method, url, signed, payload_sha256)
    text = "\n".join([ALGORITHM, date, scope, sha256(canonical.encode()).hexdigest()])
    signature = _mac(_key(secret_key, scope), text).hex()
    added["authorization"] = (
        f"{ALGORITHM} Credential={access_key}/{scope}, "
        f"SignedHeaders={_names(signed)}, Signature={signature}"
    )
    return added


def canonical_request(
    method: str, url: str, headers: Mapping[str, str], payload_sha256: str
) -> str:
    """The request in the one spelling that both sides sign."""
    parts = urlsplit(url)
    values = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    return "\n".join(
        [
            method,
            quote(parts.path or "/", safe="/-_.~"),
            _query(parts.query),
            *(f"{name}:{values[name]}" for name in sorted(values)),
            "",
            _names(headers),
            payload_sha256,
        ]
    )


def encoded(text: str) -> str:
    """Percent encoding of RFC 3986: all but letters, digits and `-_.~`."""
    return quote(text, safe="-_.~")


def _query(query: str) -> str:
    pairs = [one.partition("=") for one in query.split("&") if one]
    spelled = sorted((encoded(unquote(name)), encoded(unquote(value))) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in spelled)


def _names(headers: Mapping[str, str]) -> str:
    return ";".join(sorted(name.lower() for name in headers))


def _key(secret_key: str, scope: str) -> bytes:
    """A key for this day, region and service alone."""
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = _mac(key, part)
    return key


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), sha256).digest()
