"""Which job a request of the openai client belongs to, so that its retries pay nothing.

The client repeats a POST after a timeout or a broken connection, by itself and without any
key: all it says is `x-stainless-retry-count`.
"""

import time
from collections import OrderedDict
from uuid import UUID, uuid4

from attrs import define, field

_MOST = 10_000
_REMEMBERED = 3600.0
"""Seconds after an answer in which it may turn out never to have arrived: where a connection dies
without a word, the client waits for the whole of its timeout, by default ten minutes."""


@define
class _Ticket:
    id: UUID
    answered_at: float | None = None


@define(eq=False)
class Joins:
    """The latest ticket of each request, by its fingerprint; from it come the submit ids."""

    _tickets: OrderedDict[str, _Ticket] = field(factory=OrderedDict[str, _Ticket])

    def ticket(self, fingerprint: str, *, retry: bool) -> UUID:
        """The one before if this is a retry of it, else a new one."""
        known = self._tickets.pop(fingerprint, None)
        ticket = known if retry and known is not None and _fresh(known) else _Ticket(uuid4())
        ticket.answered_at = None
        self._tickets[fingerprint] = ticket
        if len(self._tickets) > _MOST:
            self._tickets.popitem(last=False)
        return ticket.id

    def answered(self, fingerprint: str, ticket: UUID) -> None:
        """An answer was given; whether it has arrived, only the client knows."""
        known = self._tickets.get(fingerprint)
        if known is not None and known.id == ticket:  # else the same was asked for once more
            known.answered_at = time.monotonic()

    def refused(self, fingerprint: str, ticket: UUID) -> None:
        """It came to nothing and cost nothing: a retry begins anew."""
        known = self._tickets.get(fingerprint)
        if known is not None and known.id == ticket:
            del self._tickets[fingerprint]


def _fresh(ticket: _Ticket) -> bool:
    answered_at = ticket.answered_at
    return answered_at is None or time.monotonic() - answered_at < _REMEMBERED
