"""Fleet: what a user calls, from any process that reaches the database."""

import asyncio
import os
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from attrs import frozen

from dreamina_async import (
    Credentials,
    DreaminaSession,
    InvalidRequest,
    Region,
    Request,
    Settings,
)
from dreamina_async.fleet.engine import Engine
from dreamina_async.fleet.folder import Place, digest_of
from dreamina_async.fleet.lease import Fence
from dreamina_async.fleet.plan import SHARD, plan
from dreamina_async.fleet.post import Post, shared
from dreamina_async.fleet.reaper import Reaped, reap
from dreamina_async.fleet.results import Result, result_of
from dreamina_async.fleet.store import Store
from dreamina_async.fleet.store.database import Database
from dreamina_async.fleet.values import LEASE, Account, Progress, RunStatus, SeatStatus

_LOOK = 1.0
"""Seconds between two looks at whether there is anything left to do, or a seat to take."""


@frozen
class Enqueued:
    """What became of a manifest.

    Attributes:
        run: the run's id.
        rows: prompts in it.
        new: whether it was not there before.
        added: prompts that no earlier run has asked for; the others are not paid for again.
        reopened: shards that are looked at again, for what is held in them.
    """

    run: str
    rows: int
    new: bool
    added: int
    reopened: int


def _silent(_: str) -> None:
    return None


class Fleet:
    """Runs that many workers share, over a database. An async context manager.

    Args:
        db: `sqlite:///PATH` for the processes of one host, `postgresql://...` for many hosts;
            None reads `DREAMINA_FLEET_DB`, then takes `sqlite:///fleet.db`.

    Raises:
        InvalidRequest: it is no such URL, dbos is not installed, or SQLite is too old.
    """

    def __init__(self, db: str | None = None) -> None:
        url = db or os.environ.get("DREAMINA_FLEET_DB") or "sqlite:///fleet.db"
        self._database = Database(url)
        self._store = Store(self._database)
        self._engine: Engine = _engine_at(self._database.url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Let the database's connections go. Twice is fine."""
        await self._engine.aclose()
        await asyncio.to_thread(self._database.close)

    # ---- the fleet ---------------------------------------------------------------------

    async def init(self, out: str | os.PathLike[str], *accounts: Account) -> None:
        """Make the fleet's tables, or change its limits; twice is fine.

        Args:
            out: a folder that all workers reach, or an object store's URL.
            accounts: each one's label and limits; none of them means one called `default`.

        Raises:
            StorageError: the database cannot be reached.
        """
        given = accounts or (Account(),)
        place = os.fspath(out)
        await asyncio.to_thread(self._store.accounts.create, _whole_path(place), given)
        await self._engine.prepare(given)

    async def enqueue(
        self,
        requests: Iterable[Request],
        *,
        account: str = "default",
        name: str = "",
        shard: int = SHARD,
    ) -> Enqueued:
        """Put a run in. The same requests on the same account are the same run, at any time.

        A request that an earlier run of the account has asked for is that run's job, too: only
        what is new is made and paid for. What is held is looked for again; nothing is ever sent
        twice.

        Args:
            requests: what to make; images by paths that every worker can read.
            account: the label of the account that pays.
            name: to find the run by.
            shard: prompts that go to a worker at once.

        Raises:
            InvalidRequest: there is no such account, no request, or no fleet yet; or an image
                cannot be read.
            StorageError: the database cannot be reached.
        """
        if not 1 <= shard <= 10_000:
            raise InvalidRequest(f"shard {shard} is not from 1 to 10000", field="shard")
        known = await asyncio.to_thread(self._store.accounts.facts)
        await asyncio.to_thread(self._store.accounts.of, account)
        planned = await asyncio.to_thread(
            plan, requests, account, known["salt"], cache(digest_of), shard
        )
        added = await asyncio.to_thread(self._store.runs.add, planned, name)
        reopened = await asyncio.to_thread(self._store.runs.reopen, planned.run)
        await self._engine.enqueue(await asyncio.to_thread(self._store.shards.open, planned.run))
        return Enqueued(
            planned.run, len(planned.items), added is not None, added or 0, len(reopened)
        )

    async def status(self, run: str | None = None) -> tuple[list[RunStatus], list[SeatStatus]]:
        """A run, or None for every run; and every seat.

        Raises:
            InvalidRequest: there is no such run, or no fleet yet.
            StorageError: the database cannot be reached.
        """
        await asyncio.to_thread(self._store.accounts.facts)
        runs = await asyncio.to_thread(self._store.runs.statuses)
        if run is not None:
            found = await asyncio.to_thread(self._store.runs.find, run)
            runs = [one for one in runs if one.run == found]
        return runs, await asyncio.to_thread(self._store.seats.statuses)

    async def progress(self, run: str | None = None) -> Progress:
        """How the prompts of a run stand, over all workers; None takes all runs together.

        Raises:
            InvalidRequest: there is no such run, or no fleet yet.
            StorageError: the database cannot be reached.
        """
        await asyncio.to_thread(self._store.accounts.facts)
        found = None if run is None else await asyncio.to_thread(self._store.runs.find, run)
        return await asyncio.to_thread(self._store.runs.progress, found)

    async def results(self, run: str) -> list[Result]:
        """What has become of each prompt of a run, in order.

        Args:
            run: its id, the beginning of it, or a name: the latest run enqueued under it.

        Raises:
            InvalidRequest: there is no such run.
            StorageError: the database cannot be reached.
        """
        out = (await asyncio.to_thread(self._store.accounts.facts))["out"]
        found = await asyncio.to_thread(self._store.runs.find, run)
        items = await asyncio.to_thread(self._store.items.of_run, found)
        return [result_of(one, found, out) for one in items]

    async def wait(self, run: str) -> list[Result]:
        """Wait until workers have done all they can for a run; what has become of it.

        Raises:
            InvalidRequest: there is no such run.
            StorageError: the database cannot be reached.
        """
        found = await asyncio.to_thread(self._store.runs.find, run)
        # workers elsewhere end it, so there is no event to wait for
        while await asyncio.to_thread(self._store.shards.open, found):  # noqa: ASYNC110
            await asyncio.sleep(_LOOK)
        return await self.results(found)

    async def reap(self, *, lease: float = LEASE) -> Reaped:
        """Take the work of silent workers away and put it back into the queue; workers do so too.

        Args:
            lease: seconds of silence after which a worker counts as dead.

        Raises:
            InvalidRequest: there is no fleet yet.
            StorageError: the database cannot be reached.
        """
        await asyncio.to_thread(self._store.accounts.facts)
        return await reap(self._store, self._engine, lease)

    # ---- work --------------------------------------------------------------------------

    async def work(
        self,
        account: str = "default",
        *,
        credentials: Credentials | None = None,
        region: Region | str | None = None,
        base_url: str | None = None,
        settings: Settings | None = None,
        out: str | os.PathLike[str] | None = None,
        state_dir: str | os.PathLike[str] | None = None,
        lease: float = LEASE,
        stay: bool = False,
        notify: Callable[[str], None] = _silent,
    ) -> None:
        """Work for an account until there is nothing left, or until cancelled.

        Cancelled, it lets requests on their way come home and hands its shards back. It needs a
        process of its own: it uses the durable engine, of which a process has only one.

        Args:
            account: the label whose runs to work for.
            credentials: that account's login; it is never written to the database.
            region: as of `DreaminaSession`.
            base_url: as of `DreaminaSession`.
            settings: how to behave; limits that the account has as a whole come from the fleet.
            out: the fleet's output folder, as this machine sees it, if its path is another one.
            state_dir: a local folder for the journals of an object store's output.
            lease: seconds of silence after which a worker counts as dead; the same everywhere.
            stay: wait for more runs when there is nothing left.
            notify: told what a person may want to know.

        Raises:
            LeaseLost: others have taken its place, for it was not heard of for too long.
            AuthenticationError: the service refuses the login.
            InsufficientCredit: the account is out of credit.
            AccountMismatch: the account's other workers use another account's login.
            StorageError: the database or the output cannot be used.
            InvalidRequest: there is no such account, or no fleet yet.
        """
        known = await asyncio.to_thread(self._store.accounts.facts)
        limits = await asyncio.to_thread(self._store.accounts.of, account)
        post = Post(
            store=self._store,
            engine=self._engine,
            account=limits,
            lease=lease,
            stay=stay,
            notify=notify,
        )
        async with post.taken() as held:
            where = known["out"] if out is None else os.fspath(out)
            place = Place(where, Path(state_dir or _state_dir()), held.seat)
            await asyncio.to_thread(place.prepare)
            fence = Fence(held)
            session = DreaminaSession(
                credentials,
                region=region,
                base_url=base_url,
                settings=shared(settings or Settings(), limits),
                gate=fence,
                **place.session_folders(),
            )
            async with session:
                mark = await session.account(known["salt"])
                if mark is not None:
                    await asyncio.to_thread(self._store.accounts.check_mark, account, mark)
                await post.work(session, fence, place)
            await asyncio.to_thread(place.leave)


def _engine_at(url: str) -> Engine:
    from dreamina_async.fleet.dbos_engine import DbosEngine

    return DbosEngine(url)


def _whole_path(out: str) -> str:
    return out if "://" in out else str(Path(out).absolute())


def _state_dir() -> Path:
    given = Path(os.environ.get("XDG_STATE_HOME") or "")
    base = given if given.is_absolute() else Path.home() / ".local" / "state"
    return base / "dreamina-async" / "fleet"
