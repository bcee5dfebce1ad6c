"""`demo`: everything at once against an emulator, without account, network or credit."""

import asyncio
from itertools import count
from pathlib import Path

from dreamina_async import (
    Credentials,
    DreaminaSession,
    ImageRequest,
    PollingPolicy,
    Region,
    Request,
    Settings,
    VideoRequest,
)
from dreamina_async.cli.exits import Exit
from dreamina_async.cli.generate import run_all
from dreamina_async.cli.options import Common, Folder
from dreamina_async.cli.output import Output
from dreamina_async.cli.runner import Work, carry_out
from dreamina_async.emulator import Emulator

_SPEED = 20.0

_REQUESTS: tuple[Request, ...] = (
    VideoRequest("雨夜的重庆，轻轨穿过楼房，镜头缓缓拉远", ratio="16:9"),
    VideoRequest("a paper boat sails down a gutter after the rain", ratio="9:16"),
    ImageRequest("一只戴着宇航头盔的柴犬，月面，胶片质感", ratio="1:1", count=4),
    ImageRequest("江南水乡的清晨，薄雾，乌篷船，水墨画", ratio="16:9", count=2),
    ImageRequest("敦煌壁画风格的飞天弹奏电吉他", ratio="3:4", count=1),
    ImageRequest("小笼包形状的热气球飘过雪山", ratio="4:3", count=2),
    ImageRequest("a lighthouse made of stacked books at dusk", ratio="2:3", count=1),
    ImageRequest("isometric cutaway of a tiny ramen shop", ratio="1:1", count=4),
    ImageRequest("botanical plate of a plant that grows teacups", ratio="9:16", count=1),
    ImageRequest("a tram crossing a bridge of clouds, wide shot", ratio="21:9", count=2),
)

_POLLING = PollingPolicy(
    rate=20.0,
    burst=10,
    image_interval=0.2,
    video_interval=0.4,
    image_median=0.6,
    video_median=3.5,
    max_interval=1.0,
)

_NEXT = """\
These files came from an emulator on this machine: no account, no credit, placeholder pictures.
They are in {out}, one folder a job, each with a job.json that tells its story.

Try next:
  dreamina-async models       what can be asked for: models, ratios, sizes, durations
  dreamina-async emulator     the same emulator, for commands of your own
  dreamina-async jobs --out {out}
With your own account:
  dreamina-async login        asks for the value of your browser's 'sessionid' cookie
  dreamina-async image "一只戴着宇航头盔的柴犬" --ratio 16:9"""


def demo(common: Common) -> int:
    """Show all of it in a few seconds."""
    output = common.output()
    out = common.out or _fresh_folder()
    status = asyncio.run(_demo(out, output))
    if status == Exit.DONE:
        output.note(_NEXT.format(out=out))
    return status


async def _demo(out: Folder, output: Output) -> int:
    # Nothing of the user's own environment may leak in: all is said explicitly.
    async with Emulator(speed=_SPEED, queue=(0.0, 20.0), video_running=(50.0, 90.0)) as emulator:
        work = Work(
            open=lambda: DreaminaSession(
                Credentials("demo-session", region=Region.CN),
                base_url=emulator.base_url,
                output_dir=out,
                settings=Settings(polling=_POLLING),
            ),
            jobs=lambda session, _: run_all(session, _REQUESTS),
            total=len(_REQUESTS),
            again="the emulator is gone and its jobs with it: run `dreamina-async demo` anew",
        )
        return await carry_out(work, output)


def _fresh_folder() -> Path:
    names = (
        Path("dreamina-demo" if number == 1 else f"dreamina-demo-{number}") for number in count(1)
    )
    return next(name for name in names if not name.exists() or not any(name.iterdir()))
