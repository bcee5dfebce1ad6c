"""Events reach every listener in order; a slow one loses progress only."""

import asyncio
import gc
import time
import weakref

import pytest

from dreamina_async._runtime import hub as module
from dreamina_async._runtime.hub import Hub, Subscription
from dreamina_async.errors import JobFailed
from dreamina_async.events import Downloading, Failed, Finished, Submitted
from dreamina_async.models import JobState


@pytest.fixture
def hub() -> Hub:
    return Hub()


def submitted(job: str = "a", at: float = 0) -> Submitted:
    return Submitted(job, at, None)


def progress(job: str = "a", at: float = 0) -> Downloading:
    return Downloading(job, at, 0, 1, None)


def end(job: str = "a", at: float = 0) -> Failed:
    return Failed(job, at, JobState.FAILED, JobFailed("no"))


async def rest(subscription: Subscription) -> list:
    return [event async for event in subscription]


async def test_everybody_hears_everything_in_order(hub):
    one, two = hub.subscribe(), hub.subscribe()
    told = [submitted("a"), progress("b"), end("a"), submitted("c")]
    for event in told:
        hub.publish(event)
    hub.close()
    assert await rest(one) == told
    assert await rest(two) == told


async def test_a_listener_hears_from_its_beginning_on(hub):
    hub.publish(submitted("before"))
    listener = hub.subscribe()
    hub.publish(submitted("after"))
    hub.close()
    assert await rest(listener) == [submitted("after")]


async def test_a_waiting_listener_wakes(hub):
    listener = hub.subscribe()
    task = asyncio.create_task(anext(listener))
    await asyncio.sleep(0)
    hub.publish(submitted())
    assert await task == submitted()


async def test_consumers_of_one_subscription_share_its_events(hub):
    listener = hub.subscribe()
    tasks = [asyncio.create_task(rest(listener)) for _ in range(3)]
    await asyncio.sleep(0)
    told = [submitted(str(number)) for number in range(20)]
    for event in told:
        hub.publish(event)
        await asyncio.sleep(0)
    hub.close()
    heard = [event for part in await asyncio.gather(*tasks) for event in part]
    assert sorted(heard, key=lambda event: int(event.job_id)) == told


async def test_a_cancelled_consumer_takes_no_event_with_it(hub):
    listener = hub.subscribe()
    task = asyncio.create_task(anext(listener))
    await asyncio.sleep(0)
    hub.publish(submitted())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await anext(listener) == submitted()


@pytest.mark.parametrize("close", ["hub", "subscription", "context"])
async def test_closing_ends_the_iteration_after_what_has_arrived(hub, close):
    listener = hub.subscribe()
    task = asyncio.create_task(rest(listener))
    hub.publish(submitted())
    await asyncio.sleep(0)
    if close == "hub":
        hub.close()
    elif close == "subscription":
        await listener.aclose()
    else:
        async with listener:
            pass
    hub.publish(submitted("too late"))
    assert await task == [submitted()]
    assert await rest(listener) == []


async def test_a_subscription_to_a_closed_hub_ends_at_once(hub):
    hub.close()
    assert await rest(hub.subscribe()) == []


async def test_a_jobs_subscription_hears_of_that_job_until_its_end(hub):
    listener = hub.subscribe("a")
    for event in (submitted("b"), submitted("a"), end("b"), progress("a"), end("a")):
        hub.publish(event)
    assert await rest(listener) == [submitted("a"), progress("a"), end("a")]


async def test_nothing_follows_a_jobs_end(hub):
    listener = hub.subscribe("a")
    for event in (end("a", 1), submitted("a", 2), end("a", 3)):
        hub.publish(event)
    assert await rest(listener) == [end("a", 1)]


async def test_a_slow_listener_loses_progress_only_and_knows_how_much(hub, monkeypatch):
    monkeypatch.setattr(module, "_ROOM", 10)
    listener = hub.subscribe()
    for number in range(100):
        hub.publish(progress(at=number))
        if number % 10 == 0:
            hub.publish(submitted(at=number))
    hub.publish(end())
    hub.close()
    heard = await rest(listener)
    assert [event.at for event in heard if isinstance(event, Submitted)] == list(range(0, 100, 10))
    assert heard[-1] == end()
    kept = [event.at for event in heard if isinstance(event, Downloading)]
    assert kept == sorted(kept)
    assert kept[-1] == 99
    assert listener.dropped == 100 - len(kept) > 0


async def test_a_quick_listener_beside_a_slow_one_loses_nothing(hub, monkeypatch):
    monkeypatch.setattr(module, "_ROOM", 10)
    slow, quick = hub.subscribe(), hub.subscribe()
    for number in range(50):
        hub.publish(progress(at=number))
        assert (await anext(quick)).at == number
    assert quick.dropped == 0
    assert slow.dropped > 0


def test_a_listener_that_never_listens_costs_no_more_per_event(hub):
    """Looking through the queue at every event is quadratic: minutes for this many."""
    listener = hub.subscribe()
    start = time.process_time()
    for number in range(50_000):
        hub.publish(Finished(str(number), 0, 4, 0))
        hub.publish(progress())
    assert time.process_time() - start < 5
    assert listener.dropped > 0


async def test_leaving_a_loop_early_leaves_nothing_behind(hub):
    async def first() -> weakref.ref:
        listener = hub.subscribe()
        hub.publish(submitted())
        async for _ in listener:
            break
        return weakref.ref(listener)

    left = await first()
    gc.collect()
    assert left() is None
    hub.publish(submitted())  # and nobody stumbles over it
