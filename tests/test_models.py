"""Ids as the service gives them, and values that users hold."""

import pytest

from dreamina_async.errors import InvalidRequest
from dreamina_async.models import (
    JobState,
    MediaItem,
    Statistics,
    canonical_submit_id,
    check_history_id,
)

UUID = "19637d71-15df-445e-b86d-490f3549cb85"


@pytest.mark.parametrize("text", [UUID, UUID.upper(), UUID.replace("-", ""), f"{{{UUID}}}"])
def test_a_submit_id_has_one_spelling(text):
    assert canonical_submit_id(text) == UUID


@pytest.mark.parametrize("text", ["", "x", "../../etc", UUID[:-1], None, 5, "１" * 32 + "x"])
def test_what_is_no_submit_id(text):
    with pytest.raises(InvalidRequest) as caught:
        canonical_submit_id(text)
    assert caught.value.field == "submit_id"


@pytest.mark.parametrize("text", ["25594898552322", "a-b_c"])
def test_a_history_id(text):
    assert check_history_id(text) == text


@pytest.mark.parametrize("text", ["", "a/b", "..", "1\n", "历史", "1" * 65, None, 25594898552322])
def test_what_is_no_history_id(text):
    with pytest.raises(InvalidRequest) as caught:
        check_history_id(text)
    assert caught.value.field == "history_id"


def test_a_media_item_never_shows_its_signed_urls():
    item = MediaItem("image", ("https://p3.byteimg.com/a?x-signature=CANARY",), uri="a")
    assert "CANARY" not in repr(item)


def test_terminal_states():
    over = {state for state in JobState if state.terminal}
    assert over == {JobState.DONE, JobState.FAILED, JobState.UNKNOWN, JobState.ABANDONED}


def test_calls_per_job():
    assert Statistics().calls_per_job is None
    assert Statistics(status_calls=6, jobs={JobState.DONE: 4}).calls_per_job == 1.5
