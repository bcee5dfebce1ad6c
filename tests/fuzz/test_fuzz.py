"""Nothing but typed errors comes out of any reader, and none takes long: the small tier.

`python tests/fuzz/run.py` looks for more, guided by coverage; what it finds is kept in `found`
and read again here.
"""

import asyncio
import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seeds import Seeds, recorded
from shapes import numbered, shaped
from spoiling import LONGEST, spoilt
from targets import TARGETS, Target, told

from dreamina_async import ProtocolError
from dreamina_async._core.reading import MAX_BYTES, read_json
from dreamina_async.cli.records import MAX_LINE

pytestmark = pytest.mark.sweep

INPUTS = 1000
FOUND = Path(__file__).with_name("found")

every = pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Seeds:
    found = asyncio.run(recorded(tmp_path_factory.mktemp("seeds")))
    assert set(found) == set(TARGETS)
    return found


def seconds(target: Target, data: bytes, limit: float) -> float:
    """Of this thread; the best of a few, for others share its processor."""
    best = float("inf")
    for _ in range(4):
        began = time.thread_time()
        target.read(data)
        best = min(best, time.thread_time() - began)
        if best < limit:
            break
    return best


@every
def test_what_was_recorded_is_read_before_it_is_spoilt(target: Target, seeds: Seeds) -> None:
    for data in seeds[target.name]:
        target.read(data)


@every
def test_j5_j12_a_spoilt_input_is_a_value_or_a_typed_error(target: Target, seeds: Seeds) -> None:
    for seed in range(int(INPUTS * target.share)):
        data = spoilt(target, seeds[target.name], seed)
        assert seconds(target, data, target.limit) < target.limit, seed


_PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)


def documents(target: Target, seeds: Seeds) -> st.SearchStrategy[bytes]:
    """Known names with any values; for what is no document, any bytes after a known beginning."""
    known = st.sampled_from(seeds[target.name])
    if target.like != "json":
        return st.builds(lambda one, at, tail: one[:at] + tail, known, st.integers(0), st.binary())
    names = st.sampled_from(sorted({name for one in seeds[target.name] for name in _names(one)}))
    inner = st.dictionaries(names, _PLAIN, max_size=3)
    outer = st.dictionaries(names, _PLAIN | inner | st.lists(inner, max_size=2), max_size=4)
    return outer.map(lambda one: json.dumps(one).encode())


def _names(data: bytes) -> set[str]:
    found: set[str] = set()

    def note(pairs: list[tuple[str, Any]]) -> None:
        found.update(name for name, _ in pairs)

    json.loads(data, object_pairs_hook=note)
    return found


@every
def test_j5_j12_an_invented_input_is_a_value_or_a_typed_error(target: Target, seeds: Seeds) -> None:
    @settings(max_examples=25, derandomize=True, database=None)
    @given(documents(target, seeds))
    def invented(data: bytes) -> None:
        target.read(data)

    invented()


@every
def test_j6_j7_no_input_takes_long_or_much(target: Target) -> None:
    """In shapes that were quadratic in somebody's parser."""
    limit = target.limit / 4
    for data in shaped(target.like, LONGEST // 4):
        taken = seconds(target, data, limit)
        assert taken < limit, (data[:60], taken)
    assert peak(target) < 32 << 20


def peak(target: Target) -> int:
    """Bytes that the smaller shapes take at once, each as if it were the largest."""
    size = LONGEST // 16
    tracemalloc.start()
    try:
        for data in shaped(target.like, size):
            target.read(data)
        return 16 * tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_j15_at_the_cap_a_reply_is_read_or_refused_in_time() -> None:
    """8 MiB in every shape, and one byte more; in a thread of its own when it comes from a wire."""
    for data in (*shaped("json", MAX_BYTES), b"[" + b" " * MAX_BYTES):
        began = time.thread_time()
        told(lambda data=data: read_json(data))
        assert time.thread_time() - began < 3.0, data[:60]
    with pytest.raises(ProtocolError, match="are more than"):
        read_json(data)


@pytest.mark.parametrize("name", ["csv", "tsv"])
def test_a_header_of_many_columns_takes_no_longer_than_other_lines(name: str) -> None:
    comma = b"," if name == "csv" else b"\t"
    data = numbered(b"prompt", comma + b"%")(MAX_LINE)
    assert seconds(TARGETS[name], data, 1.5) < 1.5


def test_what_was_found_once_is_not_found_again() -> None:
    """The name of a kept input begins with its target's."""
    for path in sorted(FOUND.glob("*-*")):
        TARGETS[path.name.partition("-")[0]].read(path.read_bytes())
