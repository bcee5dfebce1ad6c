"""Workers of a fleet store into one bucket, each with a journal of its own."""

import hashlib
from pathlib import Path

from buckets import Bucket
from fleet_kit import asked, scene


async def test_p3_what_a_dead_worker_had_stored_is_taken_as_it_is(
    bucket: Bucket, tmp_path: Path
) -> None:
    async with scene(tmp_path, *asked(2), out=bucket.url) as here:
        async with here.worker() as worker:
            await worker.perform(here.ticket)
        stored = bucket.names()
        with here.store.database.begin() as c:  # it died before it could say so
            c.exec_driver_sql("UPDATE fleet_items SET state = 'accepted', result = NULL")
        here.open_again()
        async with here.worker() as worker:
            await worker.perform(here.ticket)
        assert here.states() == ["done", "done"]
        assert bucket.names() == stored
        for charge in here.emulator.ledger:
            made = [one.body() for one in here.emulator.media(charge.submit_id)]
            names = [name for name in stored if charge.submit_id in name and "job.json" not in name]
            bodies = [bucket.read(name) for name in sorted(names)]
            assert list(map(_digest, bodies)) == list(map(_digest, made))
        assert len(here.emulator.ledger) == 2


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
