"""What all workers know together, and the one place that says who may send.

A generate request leaves only after its row was marked here, by the worker that holds the
shard's present claim and its seat's present epoch, under a number that nobody else is given.
"""

from dreamina_async.fleet.store.accounts import Accounts
from dreamina_async.fleet.store.database import Database
from dreamina_async.fleet.store.items import Items
from dreamina_async.fleet.store.runs import Runs
from dreamina_async.fleet.store.seats import Seats
from dreamina_async.fleet.store.shards import Shards

__all__ = ["Accounts", "Database", "Items", "Runs", "Seats", "Shards", "Store"]


class Store:
    """The fleet's tables. Every call is one transaction, and may raise StorageError."""

    def __init__(self, database: Database) -> None:
        self.database: Database = database
        self.accounts: Accounts = Accounts(database)
        self.runs: Runs = Runs(database)
        self.seats: Seats = Seats(database)
        self.shards: Shards = Shards(database)
        self.items: Items = Items(database)
