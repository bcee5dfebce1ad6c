"""Which kinds of trouble there are; each is named by the id that the catalogue gives it.

A small letter behind the id tells kinds of one fault apart: `p` in a status call, `t`, `x`,
`y` and `u` in an upload.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from random import Random

from attrs import define, field

BEFORE_SEND = ("N1", "N4", "N5", "N7")
REFUSED = ("H3", "H3c", "H4", "S19", "S20", "S21", "H7", "S17")
NOT_CHARGED = ("N10", "H1a", "S18", "J10")
AFTER_CHARGE = ("N8", "N11", "H1b", "H5", "H13", "J1", "J2", "J14", "S22")
POLL = ("H2", "H3p", "H5p", "H6", "H8", "H19", "J1p", "J2p", "J14p", "S18p")
STATUS = ("N9", "N13", *POLL, "S2", "S4", "S4f", "S5", "S6", "S7", "S9", "S10", "J11", "J12", "T9")
BODIES = ("H9", "H10", "H11", "H15", "H16", "H21", "N12", "F6c")
RANGES = ("H16r", "H17", "H20")
MEDIA = (*BODIES, *RANGES, "H18", "T5")
DISK = ("F1", "F2", "F4", "F7", "F15")
UPLOADS = ("N4u", "N8u", "H1t", "H1x", "H1y", "H7u", "H19u", "F6u", "S17u")
PROCESS = ("P1", "P5", "P6", "P7", "T1", "T2", "T8", "C1", "C5")
KINDS = (
    *BEFORE_SEND,
    *REFUSED,
    *NOT_CHARGED,
    *AFTER_CHARGE,
    *STATUS,
    *MEDIA,
    *DISK,
    *PROCESS,
    *UPLOADS,
)

OUTCOMES = ("F3", "F5", "P2", "P3", "P4", "S1", "S3", "S11", "S12", "T3", "T4", "U11")
"""What nobody draws: it comes of a mode, a fate, a clock or the moment of a crash."""

_ELSEWHERE = """
N2 N3 N6 N14 N15
H12 H14 H22
J3 J4 J5 J6 J7 J8 J9 J13 J15
S8 S13 S14 S15 S16 S23 S24
F8 F9 F10 F11 F12 F13 F14
P8 P9 P10 P11 P12
C2 C3 C4 C6 C7 C8 C9 C10 C11 C12
T6 T7 T10
X1 X2 X3 X4 X5 X6 X7 X8 X9 X10 X11 X12 X13 X14 X15 X16 X17 X18 X19 X20
U1 U2 U3 U4 U5 U6 U7 U8 U9 U10 U12 U13 U14
"""
ELSEWHERE = frozenset(_ELSEWHERE.split())
"""What takes a real socket, thread, process or user; `fault_catalogue.toml` names the tests."""

_ID = re.compile(r"[A-Z][0-9]+")


def fault_of(kind: str) -> str:
    """The id in the catalogue."""
    found = _ID.match(kind)
    assert found is not None, kind
    return found[0]


def by_fault(fired: Mapping[str, int]) -> dict[str, int]:
    """How often each fault of the catalogue came, the rarest first."""
    counts: Counter[str] = Counter()
    for kind in (*KINDS, *OUTCOMES):
        counts[fault_of(kind)] += fired.get(kind, 0)
    return dict(sorted(counts.items(), key=lambda pair: (pair[1], pair[0])))


@define
class Faults:
    """Which kinds of trouble there are, how likely each is, and how often each came."""

    chance: Random
    likely: dict[str, float]
    clock: Callable[[], float]
    quiet_at: float
    fired: Counter[str] = field(factory=Counter)

    @classmethod
    def drawn(cls, chance: Random, clock: Callable[[], float], quiet_at: float) -> "Faults":
        """A random subset, each kind with a probability of its own; now and then none."""
        share = chance.choice((0.0, 0.1, 0.25, 0.5, 0.9))
        likely = {
            kind: chance.choice((0.01, 0.03, 0.1, 0.3)) for kind in KINDS if chance.random() < share
        }
        return cls(chance, likely, clock, quiet_at)

    def hits(self, kind: str, factor: float = 1.0) -> bool:
        likely = self.likely.get(kind)
        if likely is None or self.clock() >= self.quiet_at:
            return False
        if self.chance.random() >= likely * factor:
            return False
        self.fired[kind] += 1
        return True

    def first(self, kinds: tuple[str, ...]) -> str | None:
        return next((kind for kind in kinds if self.hits(kind)), None)
