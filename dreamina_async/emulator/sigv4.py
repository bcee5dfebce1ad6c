"""Signature Version 4 as AWS publishes it, on the side that checks."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHM = "AWS4-HMAC-SHA256"
_HEADER = re.compile(
    rf"{ALGORITHM} +Credential=(?P<key>[^/,\s]+)/(?P<day>\d{{8}})/(?P<region>[^/,\s]+)"
    r"/(?P<service>[^/,\s]+)/aws4_request, *SignedHeaders=(?P<headers>[^,\s]+)"
    r", *Signature=(?P<signature>[0-9a-f]{64})"
)


@attrs.frozen(kw_only=True)
class Signing:
    """What an ``Authorization`` header says: who signed which headers, for when and where."""

    access_key_id: str
    day: str
    region: str
    service: str
    headers: tuple[str, ...]
    signature: str

    @classmethod
    def read(cls, header: str) -> Signing | None:
        """Read a header; ``None`` if it is not of this algorithm or form."""
        found = _HEADER.fullmatch(header.strip())
        if found is None:
            return None
        return cls(
            access_key_id=found["key"],
            day=found["day"],
            region=found["region"],
            service=found["service"],
            headers=tuple(found["headers"].split(";")),
            signature=found["signature"],
        )

    @property
    def scope(self) -> str:
        """The credential's scope."""
        return f"{self.day}/{self.region}/{self.service}/aws4_request"


def canonical_request(
    method: str,
    path: str,
    raw_query: str,
    headers: Mapping[str, str],
    payload: bytes,
) -> str:
    """Write a request in the one form that both sides sign; ``headers`` are those signed."""
    named = sorted((name.lower(), " ".join(value.split())) for name, value in headers.items())
    return "\n".join(
        [
            method,
            path,
            canonical_query(raw_query),
            *(f"{name}:{value}" for name, value in named),
            "",
            ";".join(name for name, _ in named),
            hashlib.sha256(payload).hexdigest(),
        ]
    )


def canonical_query(raw_query: str) -> str:
    """Sort a query as it was sent by its keys, then by their values, encoded in AWS's way."""
    pairs = (part.partition("=") for part in raw_query.split("&") if part)
    return "&".join(f"{k}={v}" for k, v in sorted((_encode(k), _encode(v)) for k, _, v in pairs))


def signature(secret: str, scope: str, moment: str, canonical: str) -> str:
    """Sign a canonical request; ``moment`` is the text of ``x-amz-date``."""
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join([ALGORITHM, moment, scope, hashed])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return hmac.digest(key, text.encode(), hashlib.sha256).hex()


def _encode(text: str) -> str:
    # A plus is a plus here, not a space: AWS knows no form encoding.
    return quote(unquote(text), safe="-_.~")
