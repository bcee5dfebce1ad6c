"""Whose folder it is: another account is kept away, and a new cookie is not another account."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from session_kit import JOURNAL, SECRET, check_result, image, rows, session_for, settings, world

from dreamina_async import AccountMismatch, AuthenticationError, Credentials, TransportError
from dreamina_async.emulator import Emulator, Fault, Outcome

OTHER = "canary-of-somebody-else-0123456789"
STUCK = Outcome(stuck=True)


def asked(emulator: Emulator) -> int:
    """How often the service was asked who is logged in."""
    return emulator.requests.counts.get("user", 0)


def same_person(emulator: Emulator, sessionid: str) -> None:
    """This login is one more of the account that works here."""
    accounts = emulator._world.accounts
    accounts[sessionid] = accounts[SECRET]


@contextmanager
def unnamed(emulator: Emulator, sessionid: str) -> Iterator[None]:
    """Asked who is logged in, the service does not say."""
    account = emulator._world.login(sessionid)
    uid, account.uid = account.uid, ""
    yield
    account.uid = uid


async def test_p9_another_accounts_login_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    async with world(tmp_path, outcome=STUCK) as (emulator, session):
        job = await session.submit(image())
        await session.aclose()
        before, known = len(emulator.requests), rows(tmp_path, "job_id, state, updated_at")
        for attempt in (1, 2):  # and the refusal lets go of the folder
            stranger = session_for(emulator, tmp_path, credentials=Credentials(OTHER))
            with pytest.raises(AccountMismatch) as caught:
                await stranger.__aenter__()
            assert asked(emulator) == attempt
            assert "another account" in str(caught.value)
            assert caught.value.path == str(tmp_path)
        assert len(emulator.requests) == before + 2
        assert rows(tmp_path, "job_id, state, updated_at") == known
        async with session_for(emulator, tmp_path) as later:
            assert [one.job_id for one in await later.resume()] == [job.job_id]
        assert asked(emulator) == 2  # its own login was seen here before


async def test_p9_a_new_cookie_of_the_same_account_goes_on(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        result = await session.generate(image())
        result.media[0].path.unlink()
        await session.aclose()
        same_person(emulator, OTHER)
        for _ in range(2):
            async with session_for(emulator, tmp_path, credentials=Credentials(OTHER)) as later:
                assert asked(emulator) == 1  # once for a login, not for a session
                for job in await later.resume():
                    check_result(emulator, await job)
        check_result(emulator, result)


async def test_p9_a_folder_without_a_known_account_is_anybodys(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        await session.aclose()
        async with session_for(emulator, tmp_path, credentials=Credentials(OTHER)) as second:
            await second.generate(image())
        assert asked(emulator) == 0
        with pytest.raises(AccountMismatch):  # it was here first, and has left nothing
            await session_for(emulator, tmp_path).__aenter__()


async def test_p9_where_the_service_does_not_say_the_next_submit_does(tmp_path: Path) -> None:
    """Paid results must not depend on one question; but no second job is paid by a stranger."""
    async with world(tmp_path) as (emulator, session):
        await session.generate(image())
        await session.aclose()
        stranger = session_for(emulator, tmp_path, credentials=Credentials(OTHER))
        with unnamed(emulator, OTHER):
            await stranger.__aenter__()
        first = await stranger.submit(image("first"))
        with pytest.raises(AccountMismatch):
            await stranger.submit(image("second"))
        check_result(emulator, await first)
        await stranger.aclose()
        assert len(emulator.ledger) == 2
        with pytest.raises(AccountMismatch):
            await session_for(emulator, tmp_path, credentials=Credentials(OTHER)).__aenter__()


async def test_p9_an_unanswered_question_opens_nothing_and_can_be_asked_again(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as (emulator, session):
        await session.generate(image())
        await session.aclose()
        same_person(emulator, OTHER)
        emulator.faults.add(Fault(where="*", what="reset", times=None))
        with pytest.raises(TransportError):
            await session_for(emulator, tmp_path, credentials=Credentials(OTHER)).__aenter__()
        emulator.faults.clear()
        async with session_for(emulator, tmp_path, credentials=Credentials(OTHER)) as later:
            assert await later.resume() == []


async def test_h7_p9_a_login_that_has_expired_hears_so_and_every_job_is_kept(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, outcome=STUCK, sessionids={SECRET}) as (emulator, session):
        job = await session.submit(image())
        await session.aclose()
        async with session_for(emulator, tmp_path, credentials=Credentials(OTHER)) as later:
            (again,) = await later.resume()
            with pytest.raises(AuthenticationError):
                await again
        assert rows(tmp_path) == {job.job_id: "accepted"}


async def test_p9_the_user_may_know_better(tmp_path: Path) -> None:
    rules = settings(check_account=False)
    async with world(tmp_path) as (emulator, session):
        await session.generate(image())
        await session.aclose()
        login = Credentials(OTHER)
        async with session_for(emulator, tmp_path, credentials=login, settings=rules) as later:
            await later.generate(image("two"))
            await later.generate(image("three"))
        assert asked(emulator) == 0
        async with session_for(emulator, tmp_path, credentials=login):
            pass  # and now it is known


async def test_p9_the_journal_names_neither_login_nor_account(tmp_path: Path) -> None:
    async with world(tmp_path) as (emulator, session):
        await session.generate(image())
        uid = emulator._world.accounts[SECRET].uid
        await session.aclose()
        with closing(sqlite3.connect(tmp_path / JOURNAL)) as connection:
            facts = dict(connection.execute("SELECT name, value FROM meta").fetchall())
        assert len([name for name in facts if name.startswith("login:")]) == 1
        assert len(facts["account"]) == 32
        for path in tmp_path.glob("*journal*"):
            assert uid.encode() not in path.read_bytes()
            assert SECRET.encode() not in path.read_bytes()


def test_a_fingerprint_is_of_one_journal_alone() -> None:
    one, other = Credentials(SECRET), Credentials(f"us-{SECRET}")
    assert one.fingerprint("a") == other.fingerprint("a") != one.fingerprint("b")
    assert SECRET not in one.fingerprint(SECRET)
