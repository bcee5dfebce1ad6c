"""Whom to ask next. A heap of due instants; one of three frozen answers.

A call goes out when the earliest id is due and the ceiling allows it, and is filled to ten
with the ids due next: those looks are free. When the ceiling binds, lateness in the heap is
all the backoff there is. Keys handed out are in flight until they are put back or dropped,
so calls may overlap without asking for one id twice.
"""

import heapq
from collections.abc import Hashable, Iterable
from itertools import count
from typing import Generic, TypeVar

from attrs import define, field, frozen

from dreamina_async._core.ceiling import Ceiling
from dreamina_async._core.encode import IdKind

Key = TypeVar("Key", bound=Hashable)


@frozen
class Ask(Generic[Key]):
    """Make one call for these keys now."""

    kind: IdKind
    keys: tuple[Key, ...]


@frozen
class LookAgain:
    """Nothing to do before this instant."""

    at: float


@frozen
class Idle:
    """Nothing to do until something is put in."""


_Place = tuple[float, int, Key, int]
"""When, in which order, who, and how many may share the call."""


@define
class Schedule(Generic[Key]):
    """Keys with their due instants; O(log n) for everything."""

    ceiling: Ceiling
    batch: int = 10
    _places: dict[Key, _Place[Key]] = field(factory=dict)
    _heaps: dict[IdKind, list[_Place[Key]]] = field(factory=lambda: {"history": [], "submit": []})
    _serials: "count[int]" = field(factory=count)

    def __len__(self) -> int:
        return len(self._places)

    def put(self, key: Key, due: float, kind: IdKind, batch: int | None = None) -> None:
        """Ask for `key` at `due`; a second `put` replaces the first.

        Args:
            key: what to ask for.
            due: the instant.
            kind: calls hold one kind of id only.
            batch: how many may share its call; below ten after a refused batch.
        """
        place = (due, next(self._serials), key, min(batch or self.batch, self.batch))
        self._places[key] = place
        heapq.heappush(self._heaps[kind], place)

    def drop(self, keys: Iterable[Key]) -> None:
        """Forget keys; unknown ones are ignored."""
        for key in keys:
            self._places.pop(key, None)

    def next(self, now: float) -> Ask[Key] | LookAgain | Idle:
        """What to do at `now`. An `Ask` counts as sent."""
        kind = self._earliest_kind()
        if kind is None:
            return Idle()
        at = max(self._heaps[kind][0][0], self.ceiling.ready_at(now))
        if at > now:
            return LookAgain(at)
        self.ceiling.take(now)
        return Ask(kind, tuple(self._pop_batch(kind)))

    def _earliest_kind(self) -> IdKind | None:
        tops: list[tuple[float, int, IdKind]] = []
        for kind, heap in self._heaps.items():
            self._trim(heap)
            if heap:
                tops.append((heap[0][0], heap[0][1], kind))
        return min(tops)[2] if tops else None

    def _trim(self, heap: list[_Place[Key]]) -> None:
        """Drop the places that a later `put` or `drop` has overtaken."""
        while heap and not self._is_current(heap[0]):
            heapq.heappop(heap)

    def _is_current(self, top: _Place[Key]) -> bool:
        return self._places.get(top[2]) is top

    def _pop_batch(self, kind: IdKind) -> list[Key]:
        heap, keys, room = self._heaps[kind], list[Key](), self.batch
        while heap and len(keys) < room:
            if self._is_current(heap[0]):
                batch = heap[0][3]
                if keys and batch <= len(keys):
                    break
                room = min(room, batch)
                keys.append(heap[0][2])
                del self._places[heap[0][2]]
            heapq.heappop(heap)
        return keys
