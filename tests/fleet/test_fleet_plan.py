"""Ids come from content: the same requests are the same run, the same jobs."""

from pathlib import Path

import pytest
from attrs import evolve

from dreamina_async import ImageRequest, InvalidRequest, VideoRequest
from dreamina_async.fleet.plan import canonical, plan

SALT = "0f4d3c2b-1a09-4f8e-9d7c-6b5a49382716"
ROWS = [ImageRequest(f"row {row}") for row in range(7)]


def test_the_same_requests_are_the_same_run_whatever_the_shards() -> None:
    one, other = plan(ROWS, "default", SALT, 3), plan(ROWS, "default", SALT, 50)
    assert one.run == other.run
    assert [item.submit_id for item in one.items] == [item.submit_id for item in other.items]
    assert len(one.shards()) == 3
    assert len(other.shards()) == 1


def test_another_account_another_order_or_another_fleet_is_another_run_or_job() -> None:
    run = plan(ROWS, "default", SALT).run
    assert plan(ROWS, "second", SALT).run != run
    assert plan(ROWS[::-1], "default", SALT).run != run
    elsewhere = plan(ROWS, "default", SALT.replace("0", "1"))
    assert elsewhere.items[0].submit_id != plan(ROWS, "default", SALT).items[0].submit_id


def test_equal_rows_are_jobs_of_their_own() -> None:
    items = plan([ROWS[0], ROWS[0]], "default", SALT).items
    assert items[0].submit_id != items[1].submit_id


def test_every_field_that_is_set_counts_and_prompts_are_no_paths() -> None:
    changes = {"prompt": "x/row", "ratio": "16:9", "count": 2, "seed": 7, "negative_prompt": "n"}
    texts = {canonical(evolve(ROWS[0], **{name: value})) for name, value in changes.items()}
    assert len(texts | {canonical(ROWS[0]), canonical(VideoRequest("row 0"))}) == 7
    assert canonical(ImageRequest("a/x")) != canonical(ImageRequest("b/x"))


def test_a_folder_that_was_moved_changes_nothing() -> None:
    here = ImageRequest("a", references=[Path("/here/one.png")])
    there = ImageRequest("a", references=[Path("/there/one.png")])
    other = ImageRequest("a", references=[Path("/here/two.png")])
    assert canonical(here) == canonical(there) != canonical(other)


def test_what_no_worker_could_read_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="bytes"):
        plan([ImageRequest("a", references=[_PNG])], "default", SALT)
    with pytest.raises(InvalidRequest, match="at least one"):
        plan([], "default", SALT)


_PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
