"""Whose jobs stand in a folder: an account is known by its user id, never by its cookie.

Every login brings a new cookie, so an unknown cookie is a reason to ask, and only another
user id is one to refuse. The service tells the id with a submit's reply, and to who asks
(protocol notes 1.1).
"""

import hmac

from dreamina_async._core.calls import post, versions
from dreamina_async._core.envelope import open_envelope
from dreamina_async._core.profile import Caller
from dreamina_async._core.wire import HttpRequest, HttpResponse

USER_PATH = "/mweb/v1/get_user_info"


def encode_user(caller: Caller, now: float) -> HttpRequest:
    """Ask who is logged in; it costs nothing."""
    return post(USER_PATH, versions(caller), {}, "/ai-tool/home", caller, now)


def decode_user(response: HttpResponse, *, now: float) -> str | None:
    """The user id; None if the reply names none.

    Raises:
        ApiError: a readable refusal.
        ProtocolError: the reply cannot be read.
    """
    root, _ = open_envelope(response, "account", now)
    return root.object("data").identifier("uid", "user_id")


def account_mark(uid: str, key: str) -> str:
    """By what an account is known again in one journal; of no use in another one."""
    return hmac.new(key.encode(), uid.encode(), "sha256").hexdigest()[:32]
