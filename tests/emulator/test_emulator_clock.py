import asyncio
import gc

import aiohttp
import looptime
import pytest

from dreamina_async.emulator import Emulator, Fault


@pytest.fixture
def virtual():
    """Run a coroutine on a loop whose clock jumps over every wait."""
    loop = looptime.new_event_loop(start=0)
    yield loop.run_until_complete
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    asyncio.set_event_loop(None)
    gc.collect()


def test_a_video_at_real_speed_costs_no_real_time(virtual, wire_class):
    async def main():
        clock = asyncio.get_running_loop().time
        async with Emulator(speed=1) as emulator, aiohttp.ClientSession() as http:
            wire = wire_class(emulator, http)
            began = clock()
            await wire.video(submit_id="v-1")
            while (await wire.history("v-1"))["data"]["v-1"]["status"] != 50:
                await asyncio.sleep(5)
            return clock() - began, emulator.requests.to("history")

    seconds, polls = virtual(main())
    assert 60 <= seconds <= 190
    assert all(0.29 <= poll.seconds <= 0.61 for poll in polls)
    assert len(polls) > 10


def test_a_delayed_reply_and_the_rate_of_requests(virtual, wire_class):
    async def main():
        faults = [
            Fault(where="history", what="delay", seconds=60),
            Fault(where="history", what="delay_after_charge", seconds=30),
        ]
        async with (
            Emulator(speed=1, faults=faults, history_latency=(1, 1)) as emulator,
            aiohttp.ClientSession() as http,
        ):
            wire = wire_class(emulator, http)
            for _ in range(6):
                assert (await wire.history("s-1"))["ret"] == "0"
            return emulator.requests

    requests = virtual(main())
    lasted = [round(entry.seconds, 3) for entry in requests]
    assert lasted == [61, 31, 1, 1, 1, 1]
    assert requests.busiest("history", 2.5) == 3
    assert requests.busiest("generate", 10) == 0
    assert len(requests) == 6
    assert "history" in repr(requests)
