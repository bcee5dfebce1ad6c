"""Credit over the wire: balance, ledger, daily grant, and what jobs have cost."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from session_kit import (
    SECRET,
    VIRTUAL,
    check_folder,
    image,
    leftovers,
    retrying,
    session_for,
    settings,
    world,
)

from dreamina_async import (
    ApiError,
    AuthenticationError,
    CreditEntry,
    Credits,
    DailyGrant,
    DreaminaError,
    DreaminaSession,
    InvalidRequest,
    Job,
    ProtocolError,
    RateLimited,
    ServiceUnavailable,
    SessionClosed,
    TransportError,
)
from dreamina_async.emulator import Emulator, Fault, Outcome

STUCK = Outcome(stuck=True)
HISTORY = "/commerce/v1/benefits/user_credit_history"


async def submit(session: DreaminaSession, count: int) -> list[Job]:
    """Jobs that are charged and go no further."""
    return [await session.submit(image(f"prompt {number}")) for number in range(count)]


async def all_of(history: AsyncIterator[CreditEntry]) -> list[CreditEntry]:
    return [entry async for entry in history]


# ---- the balance and the grant ---------------------------------------------------------


@pytest.mark.parametrize("shape", ["both", "response", "data"])
async def test_the_balance_wherever_it_stands_in_the_reply(tmp_path: Path, shape: str) -> None:
    async with world(tmp_path, balance=100, commerce_shape=shape, outcome=STUCK) as (
        emulator,
        session,
    ):
        await submit(session, 2)
        left = 100 - emulator.ledger.credits
        found = await session.credits()
        assert (found.total, found.gift, found.purchase, found.vip) == (left, left, 0, 0)
        (part,) = found.expiring
        assert part.amount == left
        assert datetime.now(UTC) < part.expires_at <= datetime.now(UTC) + timedelta(days=1)


async def test_an_empty_account(tmp_path: Path) -> None:
    async with world(tmp_path, balance=0) as (_, session):
        assert await session.credits() == Credits(0, 0, 0, 0)
        assert await all_of(session.credit_history()) == []
        assert await session.charges([str(uuid4())]) == {}


async def test_the_grant_is_taken_when_told_and_never_else(tmp_path: Path) -> None:
    async with world(tmp_path, balance=0) as (emulator, session):
        await session.credits()
        await all_of(session.credit_history())
        assert "receive" not in emulator.requests.counts
        assert await session.receive_daily_credit() == DailyGrant(60, first=True, total=60)
        assert await session.receive_daily_credit() == DailyGrant(0, first=False, total=60)
        assert (await session.credits()).total == 60
        (row,) = await all_of(session.credit_history())
        assert (row.kind, row.amount, row.submit_id) == ("income", 60, None)
        assert row.created_at.tzinfo is UTC


async def test_nothing_asks_by_itself(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        await session.generate(image())
        history = session.credit_history()
        assert not {"credit", "receive", "credit_history"} & emulator.requests.counts.keys()
        await anext(history)
        assert emulator.requests.counts["credit_history"] == 1


# ---- trouble ---------------------------------------------------------------------------


PASSING = [
    Fault(where="*", what="status", status=503, times=2),
    Fault(where="*", what="status", status=429, times=2),
    Fault(where="*", what="reset", times=2),
    Fault(where="*", what="close", times=2),
    Fault(where="*", what="html", times=2),
    Fault(where="*", what="empty_body", times=2),
    Fault(where="*", what="truncated_json", times=2),
    Fault(where="*", what="ret", ret="1057", times=2),
    Fault(where="*", what="ret", ret="1014", times=2),
]


@pytest.mark.parametrize("fault", PASSING, ids=lambda fault: f"{fault.what} {fault.ret}")
async def test_reading_is_tried_again(tmp_path: Path, fault: Fault) -> None:
    async with world(tmp_path, balance=7) as (emulator, session):
        emulator.faults.add(fault)
        assert (await session.credits()).total == 7
        emulator.faults.add(fault)
        assert await all_of(session.credit_history()) == []
        assert emulator.requests.counts == {"credit": 3, "credit_history": 3}
        assert session.statistics().retries == 4


def commerce_calls(emulator: Emulator) -> int:
    counts = emulator.requests.counts
    return sum(counts.get(one, 0) for one in ("credit", "credit_history", "receive"))


@pytest.mark.parametrize(
    ("fault", "kind", "calls"),
    [
        (Fault(where="*", what="ret", ret="1015", times=None), AuthenticationError, 1),
        (Fault(where="*", what="ret", ret="34010100", times=None), ApiError, 1),
        (Fault(where="*", what="ret", ret="1057", times=None), RateLimited, 5),
        (Fault(where="*", what="status", status=502, times=None), ServiceUnavailable, 5),
        (Fault(where="*", what="reset", times=None), TransportError, 5),
        (Fault(where="*", what="html", times=None), ProtocolError, 5),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_reading_gives_up_with_the_error_that_fits(
    tmp_path: Path, fault: Fault, kind: type[DreaminaError], calls: int
) -> None:
    async with world(tmp_path, outcome=STUCK) as (emulator, session):
        (job,) = await submit(session, 1)
        for read in (
            session.credits(),
            all_of(session.credit_history()),
            session.charges([str(job.submit_id)]),
        ):
            emulator.faults.clear()
            emulator.faults.add(fault)
            asked = commerce_calls(emulator)
            with pytest.raises(kind) as caught:
                await read
            assert type(caught.value) is kind
            assert caught.value.charged == "no"
            assert SECRET not in repr(caught.value)
            assert commerce_calls(emulator) - asked == calls
        emulator.faults.clear()
        assert await session.charges([str(job.submit_id)]) != {}  # the session lives on


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(where="receive", what="ret", ret="1014"), ServiceUnavailable),
        (Fault(where="receive", what="ret", ret="1015"), AuthenticationError),
        (Fault(where="receive", what="ret", ret="34010100"), ApiError),
        (Fault(where="receive", what="status", status=503), ServiceUnavailable),
        (Fault(where="receive", what="reset_after_charge"), TransportError),
        (Fault(where="receive", what="empty_body"), ProtocolError),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_the_grant_is_never_asked_for_twice(
    tmp_path: Path, fault: Fault, kind: type[DreaminaError]
) -> None:
    async with world(tmp_path, balance=0, faults=[fault]) as (emulator, session):
        with pytest.raises(kind) as caught:
            await session.receive_daily_credit()
        assert type(caught.value) is kind
        assert caught.value.charged == "no"
        assert emulator.requests.counts == {"receive": 1}
        given = fault.what in ("reset_after_charge", "empty_body")
        assert (await session.credits()).total == (60 if given else 0)


async def test_a_session_that_is_not_there(tmp_path: Path) -> None:
    async with world(tmp_path, balance=30, outcome=STUCK) as (emulator, session):
        await submit(session, 3)
        history = session.credit_history()
        await anext(history)
        await session.aclose()
        assert len(await asyncio.gather(anext(history), anext(history))) == 2  # read before
        before = dict(emulator.requests.counts)
        for work in (
            session.credits(),
            session.receive_daily_credit(),
            session.charges([str(uuid4())]),
        ):
            with pytest.raises(SessionClosed):
                await work
        with pytest.raises(SessionClosed):
            session.credit_history()
        assert emulator.requests.counts == before


async def test_closing_ends_a_wait_for_an_answer(tmp_path: Path) -> None:
    fault = Fault(where="*", what="hang", times=None)
    async with world(tmp_path) as (emulator, session):
        history = session.credit_history()
        emulator.faults.add(fault)
        reads = [session.credits(), session.receive_daily_credit(), anext(history)]
        waiting = [asyncio.ensure_future(read) for read in reads]
        while len(emulator.faults.hits) < len(waiting):
            await asyncio.sleep(0)
        await session.aclose()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(end) for end in ends] == [SessionClosed] * 3
        with pytest.raises(SessionClosed):
            await anext(history)


async def test_a_read_that_nobody_waits_for_is_not_tried_again(tmp_path: Path) -> None:
    fault = Fault(where="credit", what="status", status=503, times=None)
    rules = settings(retrying=retrying(attempts=1000, base=0.001, cap=0.001))
    async with world(tmp_path, rules=rules, faults=[fault]) as (emulator, session):
        reading = asyncio.create_task(session.credits())
        await emulator.until(lambda: emulator.requests.counts.get("credit", 0) > 2)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        asked = emulator.requests.counts["credit"]
        emulator.faults.clear()
        for _ in range(3):  # far longer than the backoff
            await all_of(session.credit_history())
        assert emulator.requests.counts["credit"] <= asked + 1


class TestAtTheServicesOwnPace:
    """Virtual time: how long it waits between two tries."""

    @pytest.fixture
    def anyio_backend(self) -> Any:
        return VIRTUAL

    async def test_a_server_that_names_a_time_is_left_alone_for_so_long(
        self, tmp_path: Path
    ) -> None:
        fault = Fault(where="credit", what="status", status=503, retry_after=90.0, times=2)
        async with world(tmp_path, balance=7, faults=[fault]) as (emulator, session):
            clock = asyncio.get_running_loop().time
            began = clock()
            assert (await session.credits()).total == 7
            assert 180 <= clock() - began < 190
            assert emulator.requests.counts == {"credit": 3}


# ---- the ledger ------------------------------------------------------------------------


async def test_the_ledger_is_read_page_by_page_and_only_as_far_as_wanted(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=STUCK) as (emulator, session):
        await session.receive_daily_credit()
        jobs = await submit(session, 45)
        ids = [str(job.submit_id) for job in jobs]
        entries = await all_of(session.credit_history())
        assert [entry.submit_id for entry in entries] == [*reversed(ids), None]
        assert emulator.requests.counts["credit_history"] == 3
        assert {entry.title for entry in entries[:-1]} == {"image generation"}
        assert {entry.status for entry in entries} == {"Checked"}

        history = session.credit_history(kind="consumption")
        newest = [await anext(history) for _ in range(20)]
        assert newest == entries[:20]
        assert emulator.requests.counts["credit_history"] == 4
        spent = newest + await all_of(history)
        assert spent == entries[:45]
        (income,) = await all_of(session.credit_history(kind="income"))
        assert income == entries[-1]
        with pytest.raises(StopAsyncIteration):
            await anext(history)


@pytest.mark.parametrize("kind", ["Income", "all", 1, ""])
async def test_there_are_two_kinds_of_rows(tmp_path: Path, kind: Any) -> None:
    async with world(tmp_path) as (emulator, session):
        with pytest.raises(InvalidRequest) as caught:
            session.credit_history(kind=kind)
        assert caught.value.allowed == ("income", "consumption")
        assert emulator.requests.counts == {}


async def test_rows_that_arrive_while_reading_are_no_repeats(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=STUCK) as (_, session):
        before = [str(job.submit_id) for job in await submit(session, 45)]
        history = session.credit_history()
        seen = [await anext(history) for _ in range(20)]
        await submit(session, 7)
        seen += [await anext(history) for _ in range(20)]
        await submit(session, 3)
        seen += await all_of(history)
        assert [entry.submit_id for entry in seen] == before[::-1]


async def test_two_consumers_of_one_history_share_it(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=STUCK) as (emulator, session):
        ids = {str(job.submit_id) for job in await submit(session, 45)}
        history = session.credit_history()
        one, other = await asyncio.gather(all_of(history), all_of(history))
        shared = [entry.submit_id for entry in one + other]
        assert len(shared) == 45
        assert set(shared) == ids
        assert emulator.requests.counts["credit_history"] == 3


async def test_after_an_error_the_reader_stands_where_it_stood(tmp_path: Path) -> None:
    rules = settings(retrying=retrying(attempts=1))
    async with world(tmp_path, rules=rules, outcome=STUCK) as (emulator, session):
        ids = [str(job.submit_id) for job in await submit(session, 25)]
        history = session.credit_history()
        seen = [await anext(history) for _ in range(20)]
        emulator.faults.add(Fault(where="credit_history", what="reset"))
        with pytest.raises(TransportError):
            await anext(history)
        seen += await all_of(history)
        assert [entry.submit_id for entry in seen] == ids[::-1]


# ---- a ledger that lies ----------------------------------------------------------------


@asynccontextmanager
async def lying(
    folder: Path, page: Callable[[int], dict[str, Any]], rules: Any = None
) -> AsyncIterator[tuple[list[web.BaseRequest], DreaminaSession]]:
    """A service whose ledger has the pages that a test makes up, by number of the call."""
    asked: list[web.BaseRequest] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(request)
        payload = json.dumps(page(len(asked) - 1))
        envelope = {"ret": "0", "errmsg": "success", "svr_time": 1768100000, "log_id": "L" * 20}
        return web.json_response({**envelope, "response": payload, "sign": ""})

    before = leftovers()
    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        options = {"base_url": f"http://127.0.0.1:{runner.addresses[0][1]}"}
        async with session_for(Emulator(), folder, settings=rules or settings(), **options) as one:
            yield asked, one
    finally:
        await runner.cleanup()
    assert leftovers() == before
    check_folder(folder)


def records(start: int, count: int = 20) -> list[dict[str, Any]]:
    return [
        {
            "amount": 1,
            "create_time": 1768000000 - number,
            "title": "t",
            "submit_id": f"id-{number}",
            "status": "Checked",
            "history_type": 2,
        }
        for number in range(start, start + count)
    ]


LIES: dict[str, tuple[Callable[[int], dict[str, Any]], int, int]] = {
    "more is said than there is": (
        lambda call: {
            "records": records(20 * call) if call < 2 else [],
            "new_cursor": str(20 * call + 20),
            "has_more": True,
        },
        3,
        40,
    ),
    "the cursor does not move": (
        lambda call: {"records": records(20 * call), "new_cursor": "20", "has_more": True},
        2,
        40,
    ),
    "the cursor never moved": (
        lambda call: {"records": records(0), "new_cursor": "0", "has_more": True},
        1,
        20,
    ),
    "no cursor": (lambda call: {"records": records(0), "has_more": True}, 1, 20),
    "the cursor moves and the page does not": (
        lambda call: {
            "records": records(0),
            "new_cursor": str(20 * call + 20),
            "has_more": True,
        },
        7,
        20,
    ),
    "no more is said too early": (
        lambda call: {"records": records(0), "new_cursor": "20", "has_more": False},
        1,
        20,
    ),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_ledger_that_lies_is_not_asked_for_ever(tmp_path: Path, lie: str) -> None:
    page, calls, count = LIES[lie]
    async with lying(tmp_path, page) as (asked, session):
        entries = await all_of(session.credit_history())
        assert [entry.submit_id for entry in entries] == [f"id-{n}" for n in range(count)]
        assert len(asked) == calls
        assert {request.path for request in asked} == {HISTORY}
        assert {request.cookies.get("sessionid") for request in asked} == {SECRET}
        assert {request.headers["Referer"] for request in asked} == {
            "https://jimeng.jianying.com/ai-tool/image/generate"
        }


async def test_rows_that_cannot_be_read_are_said_to_be_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows: list[Any] = [{"amount": "?"}, *records(0, 2), None]
    async with lying(tmp_path, lambda call: {"records": rows, "has_more": False}) as (_, session):
        assert len(await all_of(session.credit_history())) == 2
    assert "2 rows of the credit ledger cannot be read" in caplog.text


async def test_a_payload_that_is_none_is_a_protocol_error(tmp_path: Path) -> None:
    rules = settings(retrying=retrying(attempts=2))
    async with lying(tmp_path, lambda call: {"credit": "?"}, rules) as (asked, session):
        with pytest.raises(ProtocolError):
            await session.credits()
        assert len(asked) == 2
        with pytest.raises(ProtocolError):
            await session.receive_daily_credit()
        assert len(asked) == 3


# ---- what jobs have cost ---------------------------------------------------------------


async def test_charges_are_those_of_the_emulators_own_books(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=STUCK) as (emulator, session):
        jobs = await submit(session, 45)
        dear = await session.submit(image("four", count=4))
        ids = [str(job.submit_id) for job in (*jobs, dear)]
        found = await session.charges(ids)
        assert found == {one.submit_id: one.credits for one in emulator.ledger}
        assert emulator.requests.counts["credit_history"] == 3
        newest = await session.charges([ids[-1].upper()])
        assert newest == {ids[-1].upper(): found[ids[-1]]}
        assert emulator.requests.counts["credit_history"] == 6  # a job may have several rows
        later = datetime.now(UTC) + timedelta(days=1)
        assert await session.charges(ids, since=later) == {
            one: found[one] for one in found if one in ids[-20:]
        }
        assert emulator.requests.counts["credit_history"] == 7  # no further than told
        assert await session.charges(iter(())) == {}
        assert emulator.requests.counts["credit_history"] == 7


async def test_what_came_back_is_no_charge(tmp_path: Path) -> None:
    options = {"outcomes": {"BAD": Outcome(fail_code="2038")}, "refund_failed": True}
    async with world(tmp_path, **options) as (emulator, session):
        bad, good = [await session.submit(image(prompt)) for prompt in ("BAD", "good")]
        await good
        await bad.until_over()
        await emulator.until(lambda: emulator.balance(SECRET) + _paid(emulator, good) == 1_000_000)
        ids = [str(job.submit_id) for job in (bad, good)]
        assert await session.charges(ids) == {ids[0]: 0, ids[1]: _paid(emulator, good)}


def _paid(emulator: Emulator, job: Job) -> int:
    return sum(one.credits for one in emulator.ledger.charges(job.submit_id))


async def test_a_charge_that_has_not_settled_is_left_out(tmp_path: Path) -> None:
    async with world(tmp_path, settle_after=1e9, outcome=STUCK) as (_, session):
        (job,) = await submit(session, 1)
        assert await session.charges([str(job.submit_id)]) == {}


def dated(call: int) -> dict[str, Any]:
    return {"records": records(20 * call), "new_cursor": str(20 * call + 20), "has_more": True}


@pytest.mark.parametrize(
    ("seconds", "calls"),
    [
        (-5, 1),
        (18, 1),
        (18.5, 2),  # the page ends with a row of that very second: the next one must be seen
        (25, 2),
        (95, 5),
    ],
)
async def test_reading_stops_at_rows_before_since(
    tmp_path: Path, seconds: float, calls: int
) -> None:
    since = datetime.fromtimestamp(1768000000, UTC) - timedelta(seconds=seconds)
    async with lying(tmp_path, dated) as (asked, session):
        assert await session.charges([str(uuid4())], since=since) == {}
        assert len(asked) == calls


@pytest.mark.parametrize(
    ("ids", "since"),
    [(["25594898552322"], None), ([""], None), ([], datetime(2026, 1, 1)), ([], "2026-01-01")],
)
async def test_what_cannot_be_asked(tmp_path: Path, ids: Iterable[str], since: Any) -> None:
    async with world(tmp_path) as (emulator, session):
        with pytest.raises(InvalidRequest):
            await session.charges(ids, since=since)
        assert emulator.requests.counts == {}
