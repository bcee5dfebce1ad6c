"""Make `gallery.png`: the gallery of a run against the emulator, as Chromium shows it.

    python docs/pictures/gallery.py

Needs Chromium, and Pillow to make the picture small.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from PIL import Image

import dreamina_async as da
from dreamina_async.emulator import Emulator
from dreamina_async.gallery import write_gallery

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests/gallery"))

from chromium import browser  # noqa: E402

WIDTH, HEIGHT, COLOURS = 1280, 850, 200
THERE = "document.images.length && [...document.images].every((one) => one.naturalWidth)"
DRAWN = "Promise.all([...document.images].map((one) => one.decode())).then(() => true)"
MOVING = "[...document.querySelectorAll('video')].every((one) => one.readyState > 1)"
POLLING = da.PollingPolicy(rate=50.0, burst=20, image_interval=0.1, video_interval=0.1)
REFUSED = "a portrait of somebody famous"
REQUESTS: tuple[da.Request, ...] = (
    da.ImageRequest("敦煌壁画风格的飞天弹奏电吉他", ratio="3:4", count=4),
    da.ImageRequest("botanical plate of a plant that grows teacups", ratio="9:16", count=3),
    da.ImageRequest("小笼包形状的热气球飘过雪山", ratio="4:3", count=2, seed=20260),
    da.VideoRequest("a paper boat sails down a gutter after the rain", ratio="16:9"),
    da.ImageRequest(REFUSED, count=1),
    da.ImageRequest("江南水乡的清晨，薄雾，乌篷船，水墨画", ratio="16:9", count=1, seed=7),
    da.ImageRequest("a lighthouse made of stacked books at dusk", ratio="2:3", count=2, seed=42),
)
LATE = da.VideoRequest("雨夜的重庆，轻轨穿过楼房，镜头缓缓拉远", ratio="16:9")


async def make_run(folder: Path) -> None:
    """A run that has ended, but for one job."""
    async with (
        Emulator(speed=100, seed=3, outcomes={REFUSED: "2038"}) as emulator,
        da.DreaminaSession(
            da.Credentials("picture"),
            base_url=emulator.base_url,
            output_dir=folder,
            settings=da.Settings(polling=POLLING),
        ) as session,
    ):
        async for _ in session.run(REQUESTS, max_in_flight=1):
            pass
        await session.submit(LATE)


async def photograph(page_file: Path, target: Path) -> None:
    """The page's first screen, in few colours."""
    async with browser() as page:
        await page.look(WIDTH, HEIGHT)
        await page.open(page_file.as_uri())
        await page.until(f"{THERE} && {MOVING}")
        await page.run(DRAWN)
        await page.run("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 500)))")
        await page.screenshot(target)
    with Image.open(target) as picture:
        small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.FLOYDSTEINBERG)
    small.save(target, optimize=True)


async def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "autumn-poster"
        await make_run(folder)
        made = await write_gallery(folder)
        await photograph(made.path, HERE / "gallery.png")


if __name__ == "__main__":
    asyncio.run(main())
