"""Ids come from content: the same requests are the same run, the same jobs."""

from functools import partial
from pathlib import Path

import pytest
from attrs import evolve

from dreamina_async import ImageRequest, InvalidRequest, VideoRequest
from dreamina_async.fleet import plan as module
from dreamina_async.fleet.folder import digest_of

canonical = partial(module.canonical, digest_of=digest_of)
plan = partial(module.plan, digest_of=digest_of)

SALT = "0f4d3c2b-1a09-4f8e-9d7c-6b5a49382716"
ROWS = [ImageRequest(f"row {row}") for row in range(7)]


def test_the_same_requests_are_the_same_run_whatever_the_shards() -> None:
    one, other = plan(ROWS, "default", SALT, size=3), plan(ROWS, "default", SALT, size=50)
    assert one.run == other.run
    assert one.items == other.items
    assert len({one.shard_of(place) for place in range(7)}) == 3
    assert len({other.shard_of(place) for place in range(7)}) == 1


def test_a_prompt_is_the_same_job_in_every_run_of_its_account() -> None:
    run = plan(ROWS, "default", SALT)
    more = plan([ImageRequest("new"), *ROWS], "default", SALT)
    assert more.run != run.run
    assert [one.submit_id for one in more.items[1:]] == [one.submit_id for one in run.items]
    second = plan(ROWS, "second", SALT)
    assert not {one.submit_id for one in second.items} & {one.submit_id for one in run.items}


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


def test_images_count_by_what_is_in_them_wherever_they_stand(tmp_path: Path) -> None:
    def asked(name: str, content: bytes) -> str:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return canonical(ImageRequest("a", references=[path]))

    assert asked("here/one.png", b"fox") == asked("there/one.png", b"fox")
    assert asked("here/one.png", b"fox") != asked("there/one.png", b"cat")


def test_what_no_worker_could_read_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="bytes"):
        plan([ImageRequest("a", references=[_PNG])], "default", SALT)
    with pytest.raises(InvalidRequest, match=r"nowhere\.png cannot be read: No such file"):
        plan([ImageRequest("a", references=[Path("nowhere.png")])], "default", SALT)
    with pytest.raises(InvalidRequest, match="at least one"):
        plan([], "default", SALT)


_PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
