"""What the service's codes mean, as a table (protocol notes 6.2 to 6.4).

A code comes as `ret` of a submit, of a status call or of a call about credit, or as `fail_code`
of a record, and some mean different things in different sources. Where they do, the entry below
chooses per context, the reading that can do the least harm first: a job held too long costs a
minute, a job sent twice costs credit, and a false "log in again" ends the session of every job.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, overload

from attrs import frozen

from dreamina_async._core.reading import words
from dreamina_async.errors import (
    AccountRestricted,
    ApiError,
    AuthenticationError,
    Charged,
    ContentRejected,
    InsufficientCredit,
    JobFailed,
    RateLimited,
    ServiceUnavailable,
)

Call = Literal["submit", "status", "commerce", "upload", "items", "models", "account"]
"""What was asked of the service when its reply carried a code."""

Context = Literal[Call, "record"]
"""Where a code was read: `ret` of a call's reply, or `fail_code` of a record."""


class RetryClass(StrEnum):
    """What helps (protocol notes 6.4)."""

    THROTTLE = "throttle"
    """Wait, then ask less often."""
    BUSY = "busy-slot"
    """Wait until one of the account's jobs has ended."""
    QUOTA = "quota"
    """Credit or membership; nothing helps but the user."""
    RISK = "risk"
    """Stop everything; each further try makes it worse."""
    CONTENT = "content"
    """Permanent for this prompt or image."""
    AUTH = "auth"
    """Other credentials. 1014 alone may go once more with a fresh time."""
    PARAM = "param"
    """Another request."""
    GENERATION = "generation"
    """The service tried and failed."""
    MISSING = "missing"
    """The id is not known, perhaps not yet."""
    UNKNOWN = "unknown"
    """A code that no source explains."""


_ADVICE = {
    RetryClass.THROTTLE: "wait before the next request, and send fewer",
    RetryClass.BUSY: "wait until a running job has ended",
    RetryClass.QUOTA: "check the balance, or ask for less: a lower resolution, fewer results",
    RetryClass.RISK: "stop, and look at the account in the browser; trying again makes it worse",
    RetryClass.CONTENT: "change the prompt or its images; the same request will be refused again",
    RetryClass.AUTH: "log in again in the browser and give fresh credentials of the right region",
    RetryClass.PARAM: "change the request; the same one will be refused again",
    RetryClass.GENERATION: "see in the credit history what it cost before generating it again",
    RetryClass.MISSING: "look again later; the service may not show the job yet",
    RetryClass.UNKNOWN: "quote the log id to the service's support",
}

_ERRORS: Mapping[RetryClass, type[ApiError]] = {
    RetryClass.THROTTLE: RateLimited,
    RetryClass.BUSY: RateLimited,
    RetryClass.QUOTA: InsufficientCredit,
    RetryClass.RISK: AccountRestricted,
    RetryClass.CONTENT: ContentRejected,
    RetryClass.AUTH: AuthenticationError,
}


@frozen
class Code:
    """One code, in one context.

    Attributes:
        charged: what a complete, well-formed refusal with this code says about the charge.
            "no" is a known refusal at the door: the job does not exist.
    """

    meaning: str
    retry: RetryClass
    charged: Charged = "unknown"
    own_advice: str = ""
    own_error: type[ApiError] | None = None

    @property
    def advice(self) -> str:
        """What the user can do about it."""
        return self.own_advice or _ADVICE[self.retry]

    @property
    def error(self) -> type[ApiError]:
        """The class to raise for it."""
        return self.own_error or _ERRORS.get(self.retry, ApiError)


UNKNOWN = Code("a code that is not documented", RetryClass.UNKNOWN)
UNSAID = Code("it does not say why", RetryClass.GENERATION)

_THROTTLE, _BUSY, _QUOTA = RetryClass.THROTTLE, RetryClass.BUSY, RetryClass.QUOTA
_RISK, _CONTENT, _AUTH = RetryClass.RISK, RetryClass.CONTENT, RetryClass.AUTH
_PARAM, _GENERATION, _MISSING = RetryClass.PARAM, RetryClass.GENERATION, RetryClass.MISSING

# `charged` is "no" where the request was turned away before any work: limits, balance, login,
# parameters, and the checks of the prompt itself. Codes that can also end a running job are not.
CODES: Mapping[str, Code] = {
    "-6": Code("risk control: shark not pass", _RISK, "no"),
    "-4": Code("risk control", _RISK, "no"),
    "1": Code("rate limited", _THROTTLE, "no"),
    "1000": Code("invalid parameter", _PARAM, "no"),
    "1001": Code("invalid parameter", _PARAM, "no"),
    "1002": Code("common error: the draft is not accepted", _PARAM, "no"),
    # 2k was refused with 22 credits left while 1k passed (ZHI): not only an empty purse.
    "1006": Code(
        "not enough credit, or no entitlement to this model or resolution",
        _QUOTA,
        "no",
        "check the balance; with credit left, ask for a lower resolution or another model",
    ),
    "1010": Code("too many jobs at once", _BUSY, "no"),
    # LUH calls it "system busy", but only on credit_receive; here it is the sign (AIC).
    "1014": Code(
        "the signature is not accepted",
        _AUTH,
        "no",
        "check this machine's clock, then log in again",
    ),
    # the same answer for a login that has ended and for an account of another cluster (INT)
    "1015": Code(
        "login error: the session is not valid here",
        _AUTH,
        "no",
        "log in again in the browser; if the login works there, the account lives in another "
        "region: set DREAMINA_REGION, or put us-, hk-, jp- or sg- before the session id (the "
        "browser's cookies store-country-code and store-idc tell which)",
    ),
    "1017": Code("no permission from this region or network", _AUTH, "no"),
    "1018": Code("the account is limited from generating", _RISK, "no"),
    "1019": Code("risk control: shark not pass", _RISK, "no"),
    "1021": Code("commercial risk control", _RISK, "no"),
    "1057": Code("rate limited", _THROTTLE, "no"),
    "1063": Code("the text did not pass the audit", _CONTENT, "no"),
    "1159": Code("copyright", _CONTENT, "no"),
    "1161": Code("mixed languages are not supported", _PARAM, "no"),
    "1162": Code("the language is not supported", _PARAM, "no"),
    "1189": Code("invalid parameter", _PARAM, "no"),
    "1190": Code("invalid parameter", _PARAM, "no"),
    "1310": Code("too many jobs at once (ExceedConcurrencyLimit)", _BUSY, "no"),
    "2001": Code("the service does not know the id", _MISSING),
    # S2: parameter; the web bundle: generation error. At submit the reliability notes list it
    # among the refusals that cost nothing. In a record something did run.
    "2002": Code("parameter error", _PARAM, "no"),
    # S2: busy, try again; the bundle and IPT: image risk. At submit "try again" would send a
    # paid request twice on a guess, so it is content there, and the charge is looked up.
    "2003": Code("the image did not pass the check, or the service is busy", _CONTENT),
    # S2: permission; the bundle: risk found in the result. As "permission" it would end the
    # session for one image.
    "2004": Code("the result did not pass the check, or no permission", _CONTENT),
    "2005": Code("the text did not pass the check", _CONTENT, "no"),
    "2008": Code("the request has no body", _PARAM, "no"),
    "2014": Code("access limit", _THROTTLE, "no"),
    "2020": Code("rate limited", _THROTTLE, "no"),
    "2035": Code("security block", _RISK, "no"),
    "2038": Code("the content was filtered", _CONTENT, "no"),
    # S2: timeout; AIC: image security block; ZHI: credit. Only the first would gain by trying
    # again, and it is the one that may have cost.
    "2039": Code("the image was blocked, or the generation timed out", _CONTENT),
    "2040": Code("not enough credit", _QUOTA, "no"),
    "2041": Code("security block of the image", _CONTENT),
    "2042": Code("security block of the video", _CONTENT),
    "2043": Code("security block", _RISK, "no"),
    "2048": Code("copyright of the image", _CONTENT),
    "2050": Code("copyright of the text", _CONTENT, "no"),
    "2061": Code("the model is not available", _PARAM, "no", "choose another model"),
    "2203": Code("invalid parameter", _PARAM, "no"),
    "2204": Code("invalid parameter", _PARAM, "no"),
    "3018": Code(
        "permission denied", _AUTH, "no", "give the headers and parameters of a logged-in browser"
    ),
    "3021": Code("not supported by the beta", _PARAM, "no"),
    # AIC: no credit; IPT: content. Both are final for this request; as content it ends one job,
    # as credit it would stop all of them.
    "4001": Code(
        "the content was refused, or no credit is left",
        _CONTENT,
        "no",
        "change the prompt or its images; if they are harmless, check the balance",
    ),
    "4002": Code("invalid parameter", _PARAM, "no"),
    "4003": Code("no permission", _AUTH, "no"),
    "4010": Code(
        "a compliance confirmation is required", _PARAM, "no", "confirm it in the browser, once"
    ),
    "5000": Code("not enough credit", _QUOTA, "no"),
    "5001": Code("the image generation failed", _GENERATION),
    "5002": Code("the video generation failed", _GENERATION),
    "10020": Code("access limit of the region", _THROTTLE, "no"),
    "121101": Code("the daily limit is reached", _QUOTA, "no", "go on tomorrow"),
    "130006": Code("content safety", _CONTENT),
    "140001": Code("resources or quota exhausted", _QUOTA),
    "34010100": Code("parameter error", _PARAM, "no"),
}

_ELSEWHERE: Mapping[tuple[Context, str], Code] = {
    # The history interface is what S2 documents, and asking again is free.
    ("status", "2002"): Code("parameter error, perhaps of one id", _PARAM),
    ("status", "2003"): Code("the service is busy", _THROTTLE, own_error=ServiceUnavailable),
    ("status", "2004"): Code("no permission, perhaps for one id", _PARAM),
    ("status", "2039"): Code("timed out", _THROTTLE, own_error=ServiceUnavailable),
    # LUH, LUP: "system busy", on credit_receive; 34010100 is a plain parameter error there too.
    ("commerce", "1014"): Code("the system is busy", _THROTTLE, own_error=ServiceUnavailable),
    ("record", "2002"): Code("the generation failed", _GENERATION),
    ("record", "2003"): Code("an image of the request did not pass the check", _CONTENT),
    ("record", "2004"): Code("the result did not pass the check", _CONTENT),
    ("record", "2039"): Code("the generation timed out, or the image was blocked", _GENERATION),
}

_CALLS: Mapping[Call, str] = {
    "submit": "the request",
    "status": "the status call",
    "commerce": "the call about credit",
    "upload": "the upload of an image",
    "items": "the look at a video's original",
    "models": "the look at its models",
    "account": "the look at the account",
}

_DECIMAL = re.compile(r"-?[0-9]{1,20}")


def code_text(text: str | None) -> str | None:
    """A code in its usual spelling; None for each way to write none: "", "0", "00", null."""
    text = (text or "").strip()
    if not text.strip("0"):
        return None
    return str(int(text)) if _DECIMAL.fullmatch(text) else words(text, 64)


def lookup(code: str, context: Context) -> Code:
    """What a code means in a context; `UNKNOWN` if nobody knows."""
    return _ELSEWHERE.get((context, code)) or CODES.get(code, UNKNOWN)


def known_refusal(code: str | None) -> bool:
    """Whether a submit refused with this code has certainly left no job behind."""
    return code is not None and lookup(code, "submit").charged == "no"


def waits_for_slot(code: str | None) -> bool:
    """Whether it is one of the account's own jobs that has to end first (1010, 1310)."""
    return code is not None and lookup(code, "submit").retry is RetryClass.BUSY


def failure_for(code: str | None, message: str, *, job_id: str | None = None) -> JobFailed:
    """The error of a job whose record says that it failed, with the service's own words.

    Always `JobFailed`, content and credit included: the job existed. What it cost is not known
    ("30 is billed or not depending on tool", protocol notes 5.6).
    """
    entry = lookup(code, "record") if code else UNSAID
    return JobFailed(
        f"the service says that the job failed: {entry.meaning}",
        charged="unknown",
        job_id=job_id,
        code=code,
        reason=words(message),
        advice=entry.advice,
    )


@overload
def error_for(
    code: str, message: str, *, context: Literal["record"], job_id: str | None = None
) -> JobFailed: ...
@overload
def error_for(
    code: str,
    message: str,
    *,
    context: Call,
    logid: str | None = None,
    status: int | None = None,
    job_id: str | None = None,
    retry_after: float | None = None,
) -> ApiError: ...
def error_for(
    code: str,
    message: str,
    *,
    context: Context,
    logid: str | None = None,
    status: int | None = None,
    job_id: str | None = None,
    retry_after: float | None = None,
) -> ApiError | JobFailed:
    """The one error for a code and the service's own words; what fits the class is kept.

    Only a refused submit says anything about a charge.
    """
    if context == "record":
        return failure_for(code, message, job_id=job_id)
    entry, said = lookup(code, context), words(message)
    error = entry.error(
        f"the service refused {_CALLS[context]}: {entry.meaning}" + (f" – {said}" if said else ""),
        charged=entry.charged if context == "submit" else "unknown",
        job_id=job_id,
        code=code,
        logid=logid,
        advice=entry.advice,
        status=status,
    )
    if isinstance(error, RateLimited | ServiceUnavailable):
        error.retry_after = retry_after
    return error
