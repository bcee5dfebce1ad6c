import json
import math

import pytest

from dreamina_async.emulator import EmulatorOptions, Outcome
from dreamina_async.emulator.envelope import Refusal
from dreamina_async.emulator.order import Order
from dreamina_async.emulator.timeline import plan
from dreamina_async.emulator.world import World


def order(kind="image", submit_id="s-1", prompt="柴犬", count=4):
    return Order(
        kind=kind,
        submit_id=submit_id,
        model="m",
        model_name="M",
        prompt=prompt,
        count=count,
        credits=4,
        width=64,
        height=32,
        resolution="2k",
        ratio="16:9",
        draft_content="{}",
    )


def spans(options, **fields):
    """Give (status, items, seconds) for each stage but the last, then its status and items."""
    stages = plan(options, order(**fields), 0).stages
    begins = [0.0, *(stage.until for stage in stages)]
    lasted = [(s.status, s.items, s.until - b) for s, b in zip(stages, begins, strict=False)]
    return lasted[:-1], (stages[-1].status, stages[-1].items)


def test_an_image_takes_the_times_of_the_notes():
    for number in range(50):
        stages, last = spans(EmulatorOptions(), submit_id=f"s-{number}")
        by_status = {(status, items): seconds for status, items, seconds in stages}
        assert 2.5 <= by_status[20, 0] + by_status[42, 0] <= 4.5
        assert 5 <= by_status[45, 0] <= 10
        assert 0 < by_status[45, 4] <= 1
        assert last == (50, 4)


def test_a_video_takes_one_to_three_minutes_divided_by_speed():
    ((status, items, seconds),), last = spans(EmulatorOptions(speed=50), kind="video", count=1)
    assert (status, items) == (20, 0)
    assert 60 / 50 <= seconds <= 180 / 50
    assert last == (50, 1)


def test_progressive_items_come_one_by_one():
    stages, last = spans(EmulatorOptions(outcome=Outcome(progressive=True)))
    assert [items for status, items, _ in stages if status == 45] == [0, 1, 2, 3, 4]
    assert last == (50, 4)


def test_the_timeline_depends_on_seed_and_submit_id_only():
    assert plan(EmulatorOptions(seed=1), order(), 0) == plan(EmulatorOptions(seed=1), order(), 0)
    assert plan(EmulatorOptions(seed=1), order(), 0) != plan(EmulatorOptions(seed=2), order(), 0)
    assert plan(EmulatorOptions(), order(), 0) != plan(EmulatorOptions(), order(), 1)


@pytest.mark.parametrize("numbering", ["default", "s0", "s1", "s2", "s3", "bundle"])
def test_a_stuck_job_never_ends(numbering):
    options = EmulatorOptions(outcome=Outcome(stuck=True), numbering=numbering)
    image, video = (plan(options, order(kind=kind), 0) for kind in ("image", "video"))
    assert image.ends == video.ends == math.inf
    assert image.at(10**9).status == (20 if numbering == "s1" else 45)
    assert video.at(10**9).status == 20


def test_a_queue_counts_down():
    world = World(EmulatorOptions(outcome=Outcome(queue_seconds=100)))
    job = world.accept(world.login("a-session"), order(), 0.0)
    looks = [world.records.queue_info(job, now) for now in (0, 40, 99, 101, 10**6)]
    assert [look["queue_idx"] for look in looks] == [100, 60, 1, 0, 0]
    assert [look["queue_status"] for look in looks] == [1, 1, 1, 2, 3]
    forecasts = [world.records.forecast(job, now)["forecast_queue_cost"] for now in (0, 40, 101)]
    assert forecasts == [100, 60, 0]


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("stuck", [False, True])
@pytest.mark.parametrize("fail_code", [None, "2038"])
@pytest.mark.parametrize("items", [None, 0, 2])
@pytest.mark.parametrize("kind", ["image", "video"])
@pytest.mark.parametrize("numbering", ["default", "s0", "s1", "s2"])
def test_every_combination_can_be_shown_at_every_moment(
    progressive, stuck, fail_code, items, kind, numbering
):
    fate = Outcome(progressive=progressive, stuck=stuck, fail_code=fail_code, items=items)
    world = World(EmulatorOptions(outcome=fate, numbering=numbering, sessionids=["a"]))
    job = world.accept(world.login("a"), order(kind=kind), 0.0)
    counts = []
    for now in (0, 1, 4, 8, 12, 1000):
        record = world.records.seen(job, now, "0" * 34)
        json.dumps(record)
        counts.append(len(record.get("item_list", [])))
        assert world.records.queue_info(job, now)["queue_status"] in {1, 2, 3, 4}
    if not stuck:
        assert counts == sorted(counts)
        assert counts[-1] == len(world.submitted("s-1")) * job.plan.stages[-1].items


def test_an_unknown_session_is_refused():
    with pytest.raises(Refusal) as refusal:
        World(EmulatorOptions(sessionids=["a"])).login("b")
    assert refusal.value.ret == "1015"


def test_keywords_reach_options_and_timing():
    options = EmulatorOptions.from_keywords(speed=2, read_lag=1.5, video_running=(1, 2))
    assert (options.speed, options.read_lag, options.timing.video_running) == (2, 1.5, (1, 2))
    with pytest.raises(TypeError, match="sped"):
        EmulatorOptions.from_keywords(sped=2)
    with pytest.raises(ValueError, match="speed"):
        EmulatorOptions.from_keywords(speed=0)
