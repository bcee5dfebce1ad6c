"""Which end gives which exit status."""

import pytest

import dreamina_async as da
from dreamina_async.cli.exits import Exit, UsageError, status_of, status_of_run


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("no prompt"), 2),
        (da.InvalidRequest("no"), 2),
        (da.StorageError("full"), 2),
        (da.JournalLocked("held"), 2),
        (da.AuthenticationError("who"), 3),
        (da.InsufficientCredit("poor"), 4),
        (da.JobTimeout("late"), 5),
        (da.AccountRestricted("stop"), 1),
        (da.TransportError("gone"), 1),
        (da.ProtocolError("what"), 1),
        (da.DreaminaError("hm"), 1),
    ],
)
def test_an_error_that_ends_the_run(error, status):
    assert status_of(error) == status
    assert status_of_run(error=error, interrupted=True, failed=3, pending=2) == status


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({}, 0),
        ({"failed": 1}, 1),
        ({"skipped": 1}, 1),
        ({"failed": 1, "pending": 1}, 1),
        ({"pending": 1}, 5),
        ({"interrupted": True}, 5),
        ({"interrupted": True, "failed": 1}, 5),
    ],
)
def test_a_run_that_came_to_its_end(facts, status):
    assert status_of_run(**facts) == status


def test_statuses_are_those_of_the_contract():
    assert [int(status) for status in Exit] == [0, 1, 2, 3, 4, 5, 130]
