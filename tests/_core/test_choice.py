"""A result that is smaller than promised is replaced where that is possible, and else kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async._core.choice import Choice, falls_short
from dreamina_async.models import MediaItem


@pytest.mark.parametrize(
    ("told", "found", "short"),
    [
        ((2048, 2048), (2048, 2048), False),
        ((2048, 2048), (360, 360), True),
        ((2048, 1152), (1152, 2048), False),  # turned
        ((2048, 1152), (2048, 360), True),
        ((1728, 1296), (1727, 1295), False),  # rounded
        ((1000, 1000), (900, 900), False),
        ((1000, 1000), (899, 1000), True),
        ((360, 360), (2048, 2048), False),  # more is welcome
        ((None, 2048), (360, 360), False),
        ((2048, 2048), (None, None), False),
    ],
)
def test_s16_what_is_too_small(told, found, short):
    item = MediaItem("image", ("https://a.example/x",), width=told[0], height=told[1])
    assert falls_short(item, *found) is short


def test_s16_the_next_rendition_is_tried():
    choice = Choice()
    assert not choice.searching
    assert choice.go_on(100, 2)
    assert choice.rendition == 1
    assert choice.searching


def test_s16_one_that_does_not_come_leaves_the_one_that_did():
    choice = Choice()
    choice.go_on(100, 3)
    choice.settle()
    assert choice.rendition == 0
    assert not choice.searching
    assert not choice.go_on(100, 3)  # it is taken as it is


def test_s16_fresh_urls_begin_a_new_search():
    choice = Choice()
    choice.go_on(100, 3)
    choice.begin_anew()
    assert (choice.rendition, choice.searching) == (0, False)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_s16_where_all_are_too_small_the_largest_is_taken(pixels):
    choice, brought = Choice(), 1
    while choice.go_on(pixels[choice.rendition], len(pixels)):
        brought += 1
    assert pixels[choice.rendition] == max(pixels)
    assert choice.rendition == pixels.index(max(pixels)) or pixels[-1] == max(pixels)
    assert brought <= len(pixels) + 1
