"""The engine of fleets: DBOS, by its public API only. dbos appears here and nowhere else.

What it does not do in its open form is to take a dead worker's work away: the reaper does, with
`list_workflows`, `cancel_workflows` and a new ticket. Each of its peculiarities that this module
lives with was measured: workflows are taken by the same application version only, so that is
fixed here; a process has one DBOS; queues get their limits when they are made.
"""

import asyncio
import logging
import sqlite3
import sys
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions
from sqlalchemy.exc import SQLAlchemyError

from dreamina_async import InvalidRequest, StorageError
from dreamina_async.fleet.engine import Known, Perform
from dreamina_async.fleet.values import Account, Ticket

T = TypeVar("T")

_APP = "dreamina-fleet"
_VERSION = "fleet-1"
_WORKFLOW = "dreamina_fleet_shard"
_SHARDS_AT_ONCE = 2
"""Of one worker: the second begins while the first waits for its last jobs."""
_QUEUE_SECONDS = 0.5
_WAITING = ("ENQUEUED", "DELAYED")

_performing: Perform | None = None
"""A process has one DBOS, and its functions are known by their names: so this is the process's."""


@DBOS.workflow(name=_WORKFLOW)
async def _perform(account: str, shard: str, attempt: int) -> None:
    assert _performing is not None, "a ticket came before the worker was ready"
    await _performing(Ticket(account, shard, attempt))


class DbosEngine:
    """Tickets as workflows, whose ids are the tickets'; one queue for each account.

    Args:
        url: the fleet's database; DBOS has its tables there too.

    Raises:
        InvalidRequest: it is an SQLite file, and this Python's SQLite is too old for DBOS.
    """

    def __init__(self, url: str) -> None:
        if url.startswith("sqlite") and too_old(sys.version_info[:2], sqlite3.sqlite_version_info):
            raise InvalidRequest(
                "a fleet's file needs SQLite 3.42 under Python 3.12 or later, and here it is "
                f"{sqlite3.sqlite_version}: use PostgreSQL, or Python 3.11",
                field="db",
            )
        self._url = url
        self._client: DBOSClient | None = None

    async def prepare(self, accounts: Iterable[Account]) -> None:
        """Make DBOS's tables, and a queue for each account."""
        await _asked(DBOS.migrate, self._url)
        client = await self._opened()
        for account in accounts:
            await _asked(
                client.register_queue,
                _queue(account.label),
                global_concurrency=_SHARDS_AT_ONCE * account.workers,
                worker_concurrency=_SHARDS_AT_ONCE,
                polling_interval_sec=_QUEUE_SECONDS,
            )

    async def enqueue(self, tickets: Iterable[Ticket]) -> None:
        """Put tickets in; one whose id is there already stays as it is."""
        client = await self._opened()
        for ticket in tickets:
            options = EnqueueOptions(
                workflow_name=_WORKFLOW,
                queue_name=_queue(ticket.account),
                workflow_id=ticket.id,
                app_version=_VERSION,
            )
            await _asked(client.enqueue, options, ticket.account, ticket.shard, ticket.attempt)

    @asynccontextmanager
    async def work(
        self, account: str, executor: str, perform: Perform
    ) -> AsyncGenerator[None, None]:
        """Take the account's tickets and perform them on this loop, until the block is left."""
        global _performing
        assert _performing is None, "a process works for one seat at a time"
        _performing = perform
        config = DBOSConfig(
            name=_APP,
            system_database_url=self._url,
            application_version=_VERSION,
            executor_id=executor,
            log_level="ERROR",
        )
        DBOS(config=config)
        try:
            DBOS.listen_queues([_queue(account)])
            DBOS.launch()  # here, not in a thread: it takes the loop that it finds
            yield
        finally:
            await asyncio.to_thread(DBOS.destroy)
            _performing = None

    async def status(self) -> list[Known]:
        """The workflows that wait or run."""
        client = await self._opened()
        found = await _asked(
            client.list_workflows,
            name=_WORKFLOW,
            status=[*_WAITING, "PENDING"],
            load_input=False,
            load_output=False,
        )
        return [
            Known(one.workflow_id, None if one.status in _WAITING else one.executor_id)
            for one in found
        ]

    async def withdraw(self, tickets: Iterable[str]) -> None:
        """Cancel them, so that they run nowhere any more and take no place in their queue."""
        client = await self._opened()
        await _asked(client.cancel_workflows, list(tickets))

    async def aclose(self) -> None:
        """Let the client's connections go."""
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(client.destroy)

    async def _opened(self) -> DBOSClient:
        client = self._client
        if client is None:
            logging.getLogger("dbos").setLevel(logging.ERROR)
            client = self._client = await _asked(
                DBOSClient,
                system_database_url=self._url,
                application_name=_APP,
                retry_connection_errors=False,
            )
        return client


def too_old(python: tuple[int, ...], sqlite: tuple[int, ...]) -> bool:
    """Whether DBOS asks SQLite for milliseconds that it cannot tell: from Python 3.12 on."""
    return python >= (3, 12) and sqlite < (3, 42)


def _queue(account: str) -> str:
    return f"{_APP}-{account}"


async def _asked(function: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """A call of DBOS's in a thread: its own async calls do no more."""
    try:
        return await asyncio.to_thread(function, *arguments, **options)
    except SQLAlchemyError as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())[:300]
        raise StorageError(f"the fleet's database: {reason}") from error
