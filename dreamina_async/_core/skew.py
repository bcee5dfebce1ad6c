"""How wrong this machine's clock is, learnt from the service's replies.

A signature with a wrong time is refused (1014), and a signed URL's end is an instant of the
service's clock. So its own clock counts, as far as a reply tells it (protocol notes 6.1).
"""

import re

from dreamina_async._core.envelope import http_date, open_envelope
from dreamina_async._core.wire import HttpResponse
from dreamina_async.errors import AuthenticationError, DreaminaError

FURTHEST = 86_400 + 600.0
"""A day is believed, and what a slow reply adds; beyond that it is the reply that errs."""

_EDGE = 4096
"""Bytes at either end of a reply in which its own facts stand: what lies between is its data."""

# within a JSON text the last quotation mark would have a backslash before it
_SYSTIME = re.compile(rb'"(?:systime|sysTime|svr_time)"\s*:\s*"?([0-9]{10})(?:[0-9]{3})?["\s,}]')


def server_time(response: HttpResponse) -> float | None:
    """The service's clock as it wrote the reply, in whole Unix seconds; None if it is silent."""
    body = response.body
    found = _SYSTIME.search(body, 0, _EDGE) or _SYSTIME.search(body, max(0, len(body) - _EDGE))
    return float(found[1]) if found else http_date(response.headers.get("date", ""))


def corrected(offset: float, told: float, sent: float, received: float) -> float:
    """What to add to this machine's clock from now on.

    The service told its time somewhen between the sending and the arrival, and cut off the
    fraction: the offset moves only as far as that demands, so a slow reply does no harm.

    Args:
        offset: what was added before.
        told: the service's clock, in whole seconds.
        sent: this machine's clock when the request left.
        received: the same when the reply was there.
    """
    least, most = told - received, told + 1 - sent
    if least > most or least > FURTHEST or most < -FURTHEST:  # or our clock was set meanwhile
        return offset
    return min(max(offset, least), most)


def refused_for_its_time(response: HttpResponse) -> bool:
    """Whether the signature is not accepted, which a right time may mend; nothing was done."""
    if len(response.body) > _EDGE:  # no refusal says so much
        return False
    try:
        open_envelope(response, "submit", now=0.0)
    except AuthenticationError as error:
        return error.status == 200 and error.code == "1014" and error.charged == "no"
    except DreaminaError:
        return False
    return False
