"""Uploaded images: tokens, places applied for, bytes that came, uploads committed."""

from __future__ import annotations

import base64
import hashlib
import zlib
from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from typing import TYPE_CHECKING

import attrs

from .catalogue import image_folder, service_id
from .chance import digest, hex_name
from .envelope import Refusal
from .picture import Picture, read_picture

if TYPE_CHECKING:
    from .catalogue import Market
    from .ledger import Account
    from .options import EmulatorOptions, UploadScenes
    from .unread import Json

MOST_BYTES = 100 * 1024 * 1024
"""The largest image that clients send (IPT)."""
# What each scene uploads: as the web numbers them (CAT) and as the official CLI does (DCL).
_SCENES: dict[UploadScenes, dict[int, str]] = {
    "web": {1: "video", 2: "image", 3: "file"},
    "cli": {1: "image", 2: "video", 3: "file"},
}
_SIGNING_REGIONS: dict[Market, str] = {
    "cn": "cn-north-1",
    "us": "us-east-1",
    "asia": "ap-southeast-1",
}
_DOMAINS: dict[Market, str] = {
    "cn": "imagex.bytedanceapi.com",
    "us": "imagex16-normal-us-ttp.capcutapi.us",
    "asia": "imagex-normal-sg.capcutapi.com",
}
_HEAD = 1024 * 1024
_CHINA = timezone(timedelta(hours=8))


@attrs.frozen(kw_only=True)
class Token:
    """What signs the calls of an upload, for about an hour."""

    access_key_id: str
    secret_access_key: str = attrs.field(repr=False)
    session_token: str = attrs.field(repr=False)
    account: str
    market: Market
    kind: str
    issued_at: float
    expires_at: float

    @property
    def service_id(self) -> str:
        """The ImageX service it is good for (IPT, CAT)."""
        return service_id(self.market)

    @property
    def region(self) -> str:
        """The signing region it is good for."""
        return _SIGNING_REGIONS[self.market]

    def data(self) -> Json:
        """Write the data of the reply that hands it out (protocol notes 4)."""
        shown = {
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
            "session_token": self.session_token,
            # Never the signing region; seen in China only.
            "region": "cn",
            "space_type": 2,
            "upload_domain": self._domain,
            "current_time": _written(self.issued_at),
            "expired_time": _written(self.expires_at),
        }
        if self.market != "cn":
            # International clients take the space's name for the service id (IPT).
            return {**shown, "space_name": self.service_id}
        return {**shown, "space_name": "dreamina", "service_id": self.service_id}

    @property
    def _domain(self) -> str:
        if self.kind != "image":
            return "vod.bytedanceapi.com"
        return _DOMAINS[self.market]


@attrs.frozen(kw_only=True)
class Content:
    """The bytes of an upload, as far as anyone needs to know them."""

    size: int
    crc32: str
    sha256: str
    picture: Picture


class Intake:
    """Takes bytes as they come; keeps their digests and, for a while, their beginning."""

    def __init__(self) -> None:
        self._size = 0
        self._crc32 = 0
        self._sha256 = hashlib.sha256()
        self._head = bytearray()

    def feed(self, piece: bytes) -> None:
        """Take the next bytes."""
        self._size += len(piece)
        self._crc32 = zlib.crc32(piece, self._crc32)
        self._sha256.update(piece)
        self._head += piece[: max(0, _HEAD - len(self._head))]

    def content(self) -> Content:
        """Say what has come."""
        return Content(
            size=self._size,
            crc32=f"{self._crc32:08x}",
            sha256=self._sha256.hexdigest(),
            picture=read_picture(bytes(self._head)),
        )


@attrs.define(kw_only=True)
class Slot:
    """A place for one file: applied for, then filled, then committed."""

    uri: str
    auth: str = attrs.field(repr=False)
    upload_id: str
    session_key: str = attrs.field(repr=False)
    account: str
    size: int
    attempts: int = 0
    content: Content | None = None


@attrs.frozen(kw_only=True)
class Upload:
    """A committed image; sizes are zero and the format empty where it is no PNG, JPEG or WebP.

    Attributes:
        account: The label of the account whose it is.
    """

    uri: str
    account: str
    size: int
    crc32: str
    sha256: str
    width: int
    height: int
    format: str


class Uploads:
    """Everything the service knows of uploads; safe to read from any thread."""

    def __init__(self, options: EmulatorOptions) -> None:
        self._options = options
        self._tokens: dict[str, Token] = {}
        self._slots: dict[str, Slot] = {}
        self._sessions: dict[str, Slot] = {}
        self._committed: dict[str, Upload] = {}
        self._token_turn = count()
        self._slot_turn = count()

    def __repr__(self) -> str:
        return f"<Uploads {len(self._committed)} committed, {len(self._slots)} applied for>"

    def all(self) -> tuple[Upload, ...]:
        """Give the committed uploads, oldest first."""
        return tuple(self._committed.values())

    def known(self, account: Account, uri: str) -> Upload | None:
        """Find a committed upload of this account."""
        upload = self._committed.get(uri)
        return upload if upload is not None and upload.account == account.label else None

    def issue(self, account: Account, market: Market, scene: object) -> Token:
        """Hand out a token, or refuse a scene there is not.

        The token of another kind of file is good, but not for images: what ImageX makes of one
        is unknown of the real service, so that is our choice.
        """
        kinds = _SCENES[self._options.upload_scenes]
        if not isinstance(scene, int) or isinstance(scene, bool) or scene not in kinds:
            raise Refusal("1000", "invalid parameter: scene")
        turn, now = next(self._token_turn), self._options.wall()
        token = Token(
            access_key_id="AKTP" + hex_name(self._options.seed, "access key", turn),
            secret_access_key=self._name(40, "secret key", turn),
            session_token="STS2" + self._name(160, "session token", turn),
            account=account.label,
            market=market,
            kind=kinds[scene],
            issued_at=now,
            expires_at=now + self._options.token_life,
        )
        self._tokens[token.session_token] = token
        return token

    def token(self, session_token: str) -> Token | None:
        """Find a token that is still good."""
        token = self._tokens.get(session_token)
        return token if token is not None and self._options.wall() < token.expires_at else None

    def apply(self, token: Token, size: int) -> Slot:
        """Make room for a file; the same bytes twice get two uris (protocol notes 4)."""
        turn = next(self._slot_turn)
        slot = Slot(
            uri=f"{image_folder(token.market)}/{hex_name(self._options.seed, 'upload', turn)}",
            auth=f"SpaceKey/{token.service_id}/1/:version:v2:{self._name(64, 'auth', turn)}",
            upload_id=hex_name(self._options.seed, "upload id", turn),
            session_key=self._name(120, "session key", turn) + "==",
            account=token.account,
            size=size,
        )
        self._slots[slot.uri] = self._sessions[slot.session_key] = slot
        return slot

    def slot(self, uri: str) -> Slot | None:
        """Find the place that bytes are sent to."""
        return self._slots.get(uri)

    def session(self, session_key: object) -> Slot | None:
        """Find what a commit is about."""
        return self._sessions.get(session_key) if isinstance(session_key, str) else None

    def commit(self, slot: Slot) -> Upload | None:
        """Make an upload of a filled place; the same one if it is one already."""
        if slot.content is None:
            return None
        if slot.uri not in self._committed:
            content = slot.content
            self._committed[slot.uri] = Upload(
                uri=slot.uri,
                account=slot.account,
                size=content.size,
                crc32=content.crc32,
                sha256=content.sha256,
                width=content.picture.width,
                height=content.picture.height,
                format=content.picture.format,
            )
        return self._committed[slot.uri]

    def committed(self, slot: Slot) -> bool:
        """Say whether a place takes no more bytes."""
        return slot.uri in self._committed

    def _name(self, length: int, *names: object) -> str:
        """Make opaque text of base64 letters, so also ``+`` and ``/``: it is for headers only."""
        parts = [digest(self._options.seed, *names, part) for part in range(length // 40 + 1)]
        return base64.b64encode(b"".join(parts)).decode()[:length]


def _written(moment: float) -> str:
    # The real format is unknown; this is how the vendor writes times elsewhere.
    return datetime.fromtimestamp(int(moment), UTC).astimezone(_CHINA).isoformat()
