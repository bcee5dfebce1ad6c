"""The gallery in a real browser, from `file://`: what people see, hear and press."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from chromium import Page, browser, program
from runs import entry, every_state, with_files, write_journal

from dreamina_async import ImageRequest
from dreamina_async.gallery import write_gallery

pytestmark = [
    pytest.mark.sweep,
    pytest.mark.skipif(program() is None, reason="no Chromium on this machine"),
]

FOCUS = "document.activeElement"


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with browser() as page:
        await page.look(1280, 860)
        yield page
        assert page.errors == []
        assert [one for one in page.requested if not one.startswith(("file:", "data:"))] == []


async def shown(page: Page, root: Path) -> None:
    made = await write_gallery(root)
    await page.open(made.path.as_uri())


async def test_it_shows_every_picture_and_runs_no_prompt(tmp_path: Path, page: Page) -> None:
    root = tmp_path / "a run #1 100% 月"
    root.mkdir()
    await every_state(root)
    await shown(page, root)
    await page.until("[...document.images].every((one) => one.complete && one.naturalWidth === 64)")
    assert await page.run("document.images.length") == 10
    assert await page.run("window.taken") is None
    assert await page.run("document.querySelectorAll('#results b, #results script').length") == 0
    assert await page.run("document.querySelectorAll('#results > li').length") == 8
    assert await page.run("document.querySelector('h1').textContent") == root.name
    reasons = await page.run("document.querySelector('#results').innerText")
    assert "内容不合规" in reasons
    assert "no trace of the job" in reasons
    assert "2 missing" in reasons


async def test_search_and_filters_say_what_they_found(tmp_path: Path, page: Page) -> None:
    await every_state(tmp_path)
    await shown(page, tmp_path)
    await page.press("/")
    assert await page.run(f"{FOCUS}.id") == "search"
    await page.write("月下 水墨")
    await page.until("document.querySelector('#found').textContent === 'Found: 1'")
    assert await page.run("document.querySelectorAll('#results > li').length") == 1
    assert await page.run("document.querySelector('#results .prompt').lang") == "zh"
    await page.press("Escape")
    await page.until("document.querySelector('#found').textContent === 'Found: 8'")
    await page.run("document.querySelector('input[name=state][value=failed]').click()")
    await page.until("document.querySelector('#found').textContent === 'Found: 1'")
    await page.run("document.querySelector('input[name=state][value=\"\"]').click()")
    await page.press("/")
    await page.write("nothing like it")
    await page.until("document.querySelector('#found').textContent === 'No job fits.'")


async def test_the_keyboard_alone_is_enough(tmp_path: Path, page: Page) -> None:
    await every_state(tmp_path)
    await shown(page, tmp_path)
    label = f"{FOCUS}.getAttribute('aria-label')"
    await page.press("/")
    await page.press("ArrowDown")
    assert "</script>" in await page.run(label)  # the newest comes first
    await page.press("End")
    assert await page.run(label) == "1 of 1: a red fox"
    await page.press("ArrowLeft")
    assert await page.run(label) == "2 of 2: 月下独酌，水墨画"
    await page.press("Enter")
    assert await page.run("document.querySelector('#viewer').open")
    assert await page.run("document.querySelector('#viewer').contains(document.activeElement)")
    await page.until("document.querySelector('#stage img').naturalWidth === 64")
    for _ in range(12):  # Tab goes round inside, or to the browser's own buttons
        await page.press("Tab")
        assert await page.run(f"{FOCUS} === document.body || !!{FOCUS}.closest('#viewer')")
    await page.press("ArrowRight")
    assert await page.run("document.querySelector('#prompt').textContent") == "a red fox"
    assert await page.run("document.querySelector('#facts').innerText.includes('7')")
    assert await page.run("document.querySelector('#next').disabled")
    await page.press("ArrowRight")
    await page.press("Escape")
    assert not await page.run("document.querySelector('#viewer').open")
    await page.until(f"{label} === '1 of 1: a red fox'")  # the dialog tells of its end afterwards


async def heard(page: Page) -> list[tuple[str, str]]:
    """Role and name of everything that a screen reader is told of."""
    nodes = (await page.call("Accessibility.getFullAXTree"))["nodes"]
    return [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in nodes
        if "role" in node and not node.get("ignored")
    ]


async def test_a_screen_reader_finds_its_way(tmp_path: Path, page: Page) -> None:
    await every_state(tmp_path)
    await page.look(1280, 2000)  # what is far off is only read when one comes near
    await shown(page, tmp_path)
    await page.until("[...document.images].every((one) => one.naturalWidth === 64)")
    named = await heard(page)
    roles = {role for role, _ in named}
    assert {"main", "banner", "search", "contentinfo", "heading", "list", "status"} <= roles
    assert ("searchbox", "Search") in named
    assert {name for role, name in named if role == "combobox"} == {"Order"}
    assert ("button", "1 of 1: a red fox") in named
    assert ("image", "a red fox") in named
    assert ("radio", "Failed 1") in named
    spoken = ("button", "image", "radio", "link")
    assert [role for role, name in named if role in spoken and not name] == []
    await page.run("document.querySelector('.thumb').click()")
    (dialog,) = [name for role, name in await heard(page) if role == "dialog"]
    assert "</script>" in dialog


async def test_it_speaks_chinese_to_whoever_does(tmp_path: Path) -> None:
    await every_state(tmp_path)
    async with browser("zh-CN") as page:
        await shown(page, tmp_path)
        assert await page.run("document.documentElement.lang") == "zh-CN"
        words = await page.run("document.body.innerText")
        assert "任务：8" in words
        assert "Jobs" not in words
        assert await page.run("document.querySelector('#search').placeholder.startsWith('搜索')")
        missing = "[...document.querySelectorAll('[data-t]')].every((one) => one.textContent)"
        assert await page.run(missing)
        assert page.errors == []


async def test_a_thousand_jobs_are_drawn_as_they_are_needed(tmp_path: Path, page: Page) -> None:
    prompts = [f"prompt-{number}: 一只狐狸" for number in range(1000)]
    entries = [
        with_files(entry(number, ImageRequest(prompt)), tmp_path, 4)
        for number, prompt in enumerate(prompts)
    ]
    await write_journal(tmp_path, entries)
    await shown(page, tmp_path)
    cards = "document.querySelectorAll('#results > li').length"
    assert await page.run("document.querySelector('#found').textContent") == "Found: 1000"
    assert await page.run(cards) < 500
    loaded = "[...document.images].filter((one) => one.currentSrc && one.complete).length"
    assert await page.run(loaded) < 1000
    await page.run("document.querySelector('#search').focus()")
    await page.press("ArrowDown")
    await page.press("End")
    assert await page.run(cards) == 1000
    assert "prompt-0:" in await page.run(f"{FOCUS}.getAttribute('aria-label')")
    await page.until(f"{FOCUS}.querySelector('img').naturalWidth === 64")
    await page.press("/")
    await page.write("prompt-77")
    await page.until("document.querySelector('#found').textContent === 'Found: 11'")
    shown_now = await page.run(
        "[...document.querySelectorAll('#results .prompt')].map((one) => one.textContent)"
    )
    assert sorted(shown_now) == sorted(one for one in prompts if "prompt-77" in one)
    await page.press("Escape")
    for order in ("old", "new"):
        await page.run(
            f"{{ const order = document.querySelector('#order'); order.value = '{order}';"
            " order.dispatchEvent(new Event('input', {bubbles: true})); }"
        )
        assert await page.run(cards) < 500
        await page.until(f"scrollTo(0, document.body.scrollHeight), {cards} === 1000")
