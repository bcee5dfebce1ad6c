"""HTTP and envelope of a reply: a success is opened, anything else is the one error that fits.

HTTP: anything but 200 is an error, whatever the body says (J14). Envelope: `ret` decides
between a reply and a refusal (protocol notes 6.1).
"""

import re
from datetime import UTC, datetime
from typing import Any

from attrs import evolve, frozen

from dreamina_async._core.codes import CODES, UNKNOWN, Call, code_text, error_for, lookup
from dreamina_async._core.reading import Reader, as_object, read_json, unreadable, words
from dreamina_async._core.record import names_a_job
from dreamina_async._core.wire import HttpResponse
from dreamina_async.errors import (
    ApiError,
    AuthenticationError,
    DreaminaError,
    ProtocolError,
    RateLimited,
    ServiceUnavailable,
)

MAX_RETRY_AFTER = 600.0

_NO_ENTRY = frozenset({301, 302, 303, 307, 308, 401, 403})
"""A service that knows the login sends nobody elsewhere: redirects lead to its login page (H6)."""

_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
_HTTP_DATE = re.compile(
    r"[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@frozen
class _Envelope:
    """What every reply has, as far as it can be read; `root` is empty if it is no JSON object."""

    response: HttpResponse
    root: Reader
    call: Call
    now: float

    @property
    def ret(self) -> str | None:
        return (self.root.text("ret", limit=64) or "").strip() or None

    @property
    def code(self) -> str | None:
        return None if self.ret == "0" else code_text(self.ret) or self.ret

    @property
    def logid(self) -> str | None:
        found = self.root.identifier("logid", "logId", "log_id")
        return found or Reader(dict(self.response.headers)).identifier("x-tt-logid")

    @property
    def message(self) -> str:
        # The starling message is the text the web page shows (ZHI).
        data = self.root.object("data")
        said = data.text("fail_starling_message") or self.root.text("errmsg", "msg", "message")
        return said or ""

    def facts(self) -> dict[str, Any]:
        """What every `ApiError` takes."""
        return {"code": self.code, "logid": self.logid, "status": self.response.status}

    def wait(self) -> float | None:
        return retry_after(self.response.headers.get("retry-after"), self.now)

    @property
    def names_a_job(self) -> bool:
        """Whether it tells of a job: then no refusal beside it is certain (J14)."""
        data = self.root.object("data")
        return names_a_job(data) or names_a_job(data.object("aigc_data"))

    def refusal(self, code: str) -> ApiError:
        error = error_for(
            code,
            self.message,
            context=self.call,
            logid=self.logid,
            status=self.response.status,
            retry_after=self.wait(),
        )
        return evolve(error, charged="unknown") if self.names_a_job else error

    def unreadable(self, what: str) -> ProtocolError:
        return unreadable(what, self.response.body, status=self.response.status, logid=self.logid)


def open_envelope(response: HttpResponse, call: Call, now: float) -> tuple[Reader, str | None]:
    """The envelope of a success and its log id; raises for everything else."""
    if response.status != 200:
        raise _http_error(_Envelope(response, _peek(response.body), call, now))
    envelope = _Envelope(response, Reader({}), call, now)
    value = read_json(response.body, status=response.status, logid=envelope.logid)
    if as_object(value) is None:
        raise envelope.unreadable("not a JSON object")
    envelope = evolve(envelope, root=Reader.of(value))
    if envelope.ret is None or envelope.root.conflicts("ret", "data"):
        raise envelope.unreadable("it has no ret, or two")
    if envelope.code is not None:
        raise envelope.refusal(envelope.code)
    return envelope.root, envelope.logid


def open_commerce(response: HttpResponse, now: float) -> tuple[Reader, str | None]:
    """The payload of a success of `/commerce/...` and its log id; raises for everything else.

    It travels as text in `response`, and mostly as `data` besides (protocol notes 6.1, 7).
    """
    root, logid = open_envelope(response, "commerce", now)
    payload = as_object(root.raw("data")) or _quoted(root, response, logid)
    if not payload:
        raise unreadable("success without a payload", response.body, status=200, logid=logid)
    return Reader.of(payload), logid


def _quoted(root: Reader, response: HttpResponse, logid: str | None) -> dict[str, object] | None:
    text = root.raw("response")
    if not isinstance(text, str) or not text.strip():
        return None
    # half a character is let through here and refused there, as all that is not UTF-8
    body = text.encode("utf-8", "surrogatepass")
    return as_object(read_json(body, status=response.status, logid=logid))


def _peek(body: bytes) -> Reader:
    try:
        value = read_json(body)
    except ProtocolError:
        value = None
    return Reader.of(value)


def _http_error(envelope: _Envelope) -> DreaminaError:
    status = envelope.response.status
    code = envelope.code
    if status == 429:
        return _rate_limited(envelope)
    if 500 <= status <= 599 or status == 408:
        # Never "no": a gateway may have passed the request on (H1), whatever the body says.
        return ServiceUnavailable(
            f"the service answers HTTP {status}: {words(envelope.message) or 'no reason given'}",
            charged="unknown",
            advice="wait and look again; the service or a gateway before it is in trouble",
            retry_after=envelope.wait(),
            **envelope.facts(),
        )
    if status in _NO_ENTRY and (code is None or lookup(code, envelope.call) is UNKNOWN):
        return AuthenticationError(
            f"the service answers HTTP {status}",
            charged="unknown",
            advice=CODES["1015"].advice,
            **envelope.facts(),
        )
    if 400 <= status <= 499 and code is not None:
        return envelope.refusal(code)
    return envelope.unreadable(f"HTTP {status}")


def _rate_limited(envelope: _Envelope) -> RateLimited:
    # Well-formed: a refusal of the service's own, or the empty body of its gateway. With an
    # HTML page or `ret 0` nobody knows who answered, or what.
    empty = not envelope.response.body.strip()
    well_formed = empty or (envelope.root.value and (envelope.code or not envelope.ret))
    certain = envelope.call == "submit" and well_formed and not envelope.names_a_job
    return RateLimited(
        "the service answers HTTP 429: too many requests",
        charged="no" if certain else "unknown",
        advice=CODES["1"].advice,
        retry_after=envelope.wait(),
        **envelope.facts(),
    )


def retry_after(text: str | None, now: float) -> float | None:
    """Seconds to wait by a Retry-After header, at most 600; None if it makes no sense (H4)."""
    text = (text or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), MAX_RETRY_AFTER)
    then = http_date(text)
    return None if then is None else min(max(then - now, 0.0), MAX_RETRY_AFTER)


def http_date(text: str) -> float | None:
    """The Unix time of a header's date; None if it is none."""
    date = _HTTP_DATE.fullmatch(text)
    if date is None or date[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(date[group]) for group in (1, 3, 4, 5, 6))
    month = _MONTHS.index(date[2]) + 1
    try:
        then = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None
    return then.timestamp()
