"""Scripted faults: one mechanism for everything that can go wrong on the wire."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal, get_args

import attrs

from .chance import dice
from .choice import one_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Where = Literal[
    "*",
    "generate",
    "mcp",
    "history",
    "queue",
    "items",
    "credit",
    "receive",
    "credit_history",
    "token",
    "apply",
    "commit",
    "upload",
    "media",
]
_Anywhere = Literal["status", "reset", "close", "hang", "html", "delay", "expired", "not_found"]
_OnCalls = Literal["ret", "truncated_json", "empty_body"]
_OnRecord = Literal["missing", "damaged"]
_OnRecords = Literal["swapped"]
_OnMedia = Literal["truncated", "truncated_unsized", "drip", "partial", "wrong_length", "corrupt"]
What = Literal[_Anywhere, _OnCalls, _OnRecord, _OnRecords, _OnMedia]
When = Literal["before", "after"]
Damage = Literal[
    "null_item_list",
    "text_record",
    "null_record",
    "list_record",
    "wrong_types",
    "null_items",
    "empty_urls",
    "no_status",
    "deleted",
    "failed",
    "no_uris",
]

_RECORD_FAULTS = frozenset(get_args(_OnRecord))
_REPLY_FAULTS = frozenset(get_args(_OnRecords))
_MEDIA_FAULTS = frozenset(get_args(_Anywhere) + get_args(_OnMedia))
_CALL_FAULTS = frozenset(get_args(_Anywhere) + get_args(_OnCalls))
_NEEDS_REPLY = frozenset({"truncated_json", "empty_body"})
_SUFFIX = "_after_charge"


def _kinds_at(where: str) -> frozenset[str]:
    """Say which kinds can act at a place; at ``"*"`` each acts where it can."""
    if where == "*":
        return frozenset(get_args(What))
    of_history = _RECORD_FAULTS | _REPLY_FAULTS if where == "history" else frozenset[str]()
    return _whole_call(where) | of_history


def _whole_call(where: str) -> frozenset[str]:
    return _MEDIA_FAULTS if where == "media" else _CALL_FAULTS


def _acts_there(fault: Fault, _: object, what: str) -> None:
    kinds = _kinds_at(fault.where)
    if what.removesuffix(_SUFFIX) not in kinds:
        known = ", ".join(sorted(kinds))
        raise ValueError(f"a fault of the kind {what!r} cannot act at {fault.where!r}: {known} can")


@attrs.frozen(kw_only=True)
class Fault:
    """One thing that goes wrong.

    ``what`` may end in ``_after_charge`` in place of ``when="after"``: the request takes effect,
    then the reply is lost or replaced.

    Attributes:
        where: The endpoint; ``"*"`` for all at which this kind can act, media included.
        what: The kind of fault; one that cannot act at ``where`` is refused.
        times: So many requests (or records) are hit; ``None`` means all.
        after: So many matching ones are let through first.
        match: Only requests whose ids, prompt or URI contain this text.
        when: Before the request takes effect or after; by default as the kind suggests.
        chance: Probability that a matching request is hit, drawn from the seed.
        status: HTTP status for ``"status"``.
        retry_after: Value of a ``Retry-After`` header.
        ret: Code for ``"ret"``; a ``CodeN`` in ImageX calls, a ``code`` in uploads.
        seconds: Extra wait before the fault acts; for ``"drip"``, how long the body takes.
        fraction: Part of the body that is sent before it breaks off.
        damage: What ``"damaged"`` does to the record.
    """

    where: Where = attrs.field(validator=one_of(Where))
    what: What | str = attrs.field(validator=_acts_there)
    times: int | None = 1
    after: int = 0
    match: str = ""
    when: When | None = attrs.field(default=None, validator=attrs.validators.optional(one_of(When)))
    chance: float = 1.0
    status: int = 503
    retry_after: float | None = None
    ret: str = "1057"
    seconds: float = 0.0
    fraction: float = 0.5
    damage: Damage = attrs.field(default="null_item_list", validator=one_of(Damage))

    @property
    def kind(self) -> str:
        """The kind of fault without its suffix."""
        return self.what.removesuffix(_SUFFIX)

    @property
    def comes_after(self) -> bool:
        """Whether the request takes effect before the fault acts."""
        if self.when is not None:
            return self.when == "after"
        return self.what.endswith(_SUFFIX) or self.what in _NEEDS_REPLY


@attrs.define
class _Armed:
    fault: Fault
    seen: int = 0
    used: int = 0

    def fires(self, seed: int) -> bool:
        self.seen += 1
        if self.seen <= self.fault.after:
            return False
        if self.fault.chance < 1:
            draw = dice(seed, "fault", self.fault.where, self.fault.what, self.seen).random()
            if draw >= self.fault.chance:
                return False
        self.used += 1
        return True

    @property
    def spent(self) -> bool:
        return self.fault.times is not None and self.used >= self.fault.times


class Faults:
    """The script; add to it at any time, from any thread."""

    def __init__(self, seed: int = 0, faults: Iterable[Fault] = ()) -> None:
        self._seed = seed
        self._armed = [_Armed(fault) for fault in faults]
        self._hits: list[Fault] = []
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<Faults {len(self.pending)} pending, {len(self.hits)} hits>"

    def add(self, *faults: Fault) -> None:
        """Add faults; the first that matches a request acts on it."""
        with self._lock:
            self._armed += map(_Armed, faults)

    def clear(self) -> None:
        """Drop all faults still to come."""
        with self._lock:
            self._armed.clear()

    @property
    def pending(self) -> tuple[Fault, ...]:
        """The faults that can still act."""
        with self._lock:
            return tuple(armed.fault for armed in self._armed if not armed.spent)

    @property
    def hits(self) -> tuple[Fault, ...]:
        """The faults that acted, in order, each as often as it did."""
        with self._lock:
            return tuple(self._hits)

    def for_call(self, where: str, subject: str) -> Fault | None:
        """Take the fault that acts on a whole call, if any."""
        return self._take(where, subject, _whole_call(where).__contains__)

    def for_record(self, subject: str) -> Fault | None:
        """Take the fault that acts on one record of a status reply, if any."""
        return self._take("history", subject, _RECORD_FAULTS.__contains__)

    def for_reply(self, subject: str) -> Fault | None:
        """Take the fault that acts on several records of a status reply, if any."""
        return self._take("history", subject, _REPLY_FAULTS.__contains__)

    def _take(self, where: str, subject: str, wanted: Callable[[str], bool]) -> Fault | None:
        with self._lock:
            for armed in self._armed:
                fault = armed.fault
                if armed.spent or fault.where not in {"*", where} or not wanted(fault.kind):
                    continue
                if fault.match in subject and armed.fires(self._seed):
                    self._hits.append(fault)
                    return fault
        return None
