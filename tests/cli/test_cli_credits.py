"""`credits`: balance, ledger and daily grant, told to people and to programs."""

import pytest

from dreamina_async.emulator import Fault


def of(events, name):
    return [event for event in events if event["event"] == name]


@pytest.mark.dreamina_emulator(balance=100, seed=3)
def test_balance_and_rows_with_the_prompts_of_this_folder(cli, emulator, generated, tmp_path):
    assert (
        cli("image", "雪地里的狐狸", "--count", "1", "--resolution", "1k", "--out", "o").status == 0
    )
    assert cli("image", "elsewhere", "--count", "1", "--out", "other").status == 0
    spent = emulator.ledger.credits

    call = cli("credits", "--out", "o")
    assert call.status == 0
    balance, expiring, elsewhere, here = call.out.splitlines()
    left = 100 - spent
    assert balance == f"{left} credits ({left} gift, 0 purchased, 0 membership)"
    assert expiring.startswith(f"  {left} of them until 20")
    assert "done  雪地里的狐狸" in here
    assert here.split()[2] == f"-{emulator.ledger.charges()[0].credits}"
    assert emulator.ledger.submit_ids[1] in elsewhere
    assert "elsewhere" not in elsewhere
    assert generated() == 2

    events = cli("credits", "--out", "o", "--json", "--limit", "1").events
    assert [event["event"] for event in events] == ["credits", "credit_entry"]
    (part,) = events[0].pop("expiring")
    assert part["amount"] == left
    assert part["expires_at"].endswith("+00:00")
    assert events[0] == {
        "v": 1,
        "event": "credits",
        "total": left,
        "gift": left,
        "purchase": 0,
        "vip": 0,
    }
    row = events[1]
    assert (row["kind"], row["submit_id"]) == ("consumption", emulator.ledger.submit_ids[1])
    assert (row["prompt"], row["state"]) == (None, None)
    assert row["created_at"].endswith("+00:00")
    both = of(cli("credits", "--out", "o", "--json").events, "credit_entry")
    assert [(one["prompt"], one["state"]) for one in both] == [
        (None, None),
        ("雪地里的狐狸", "done"),
    ]


@pytest.mark.dreamina_emulator(balance=5)
def test_receive_takes_the_grant_first_and_only_when_told(cli, emulator):
    assert cli("credits").out.startswith("5 credits (5 gift, 0 purchased, 0 membership)\n")
    assert "receive" not in emulator.requests.counts
    first = cli("credits", "--receive").out.splitlines()
    assert first[0] == "received 60 credits"
    assert first[1].startswith("65 credits (")
    assert first[-1].split()[2] == "+60"
    again = cli("credits", "--receive", "--json").events
    assert again[0]["event"] == "daily_grant"
    assert (again[0]["granted"], again[0]["first"], again[0]["total"]) == (0, False, 65)
    assert again[1]["total"] == 65
    assert emulator.requests.counts["receive"] == 2


def test_asking_leaves_nothing_on_disk(cli, emulator, tmp_path):
    assert cli("credits", "--out", "o").status == 0
    assert list(tmp_path.iterdir()) == []


def test_no_rows_are_asked_for_when_none_are_wanted(cli, emulator):
    assert cli("credits", "--limit", "0").status == 0
    assert emulator.requests.counts == {"credit": 1}
    call = cli("credits", "--limit", "-1")
    assert call.status == 2
    assert call.err.startswith("dreamina-async: error: ")


@pytest.mark.dreamina_emulator(sessionids=["the-right-one"])
def test_refused_credentials_are_status_3(cli, emulator, monkeypatch):
    monkeypatch.setenv("DREAMINA_SESSIONID", "the-wrong-one")
    call = cli("credits", "--json")
    assert call.status == 3
    assert (call.events[-1]["error"], call.events[-1]["code"]) == ("AuthenticationError", "1015")
    assert "the-wrong-one" not in call.out + call.err


def test_a_busy_service_is_status_1_and_the_grant_is_not_asked_for_again(cli, emulator):
    emulator.faults.add(Fault(where="receive", what="ret", ret="1014", times=None))
    call = cli("credits", "--receive")
    assert call.status == 1
    assert "the system is busy" in call.err
    assert call.out == ""
    assert emulator.requests.counts == {"receive": 1}


def test_a_journal_that_cannot_be_read_hides_nothing(cli, emulator, tmp_path):
    assert cli("image", "x", "--count", "1", "--out", "o").status == 0
    journal = tmp_path / "o" / "journal.sqlite3"
    journal.write_bytes(b"damaged" * 100)
    call = cli("credits", "--out", "o")
    assert call.status == 0
    assert emulator.ledger.submit_ids[0] in call.out
