"""Policies refuse what would hammer, spin or never end."""

import math

import attrs
import pytest

from dreamina_async.errors import InvalidRequest
from dreamina_async.settings import DownloadPolicy, PollingPolicy, RetryPolicy, Settings

POLICIES = [PollingPolicy, RetryPolicy, DownloadPolicy, Settings]
NUMBERS = [
    (policy, field.name)
    for policy in POLICIES
    for field in attrs.fields(policy)
    if isinstance(getattr(policy(), field.name), int | float)
    and not isinstance(getattr(policy(), field.name), bool)
]


@pytest.mark.parametrize(("policy", "name"), NUMBERS)
@pytest.mark.parametrize("value", [-1, math.nan, math.inf, True, "4", None, 10**400], ids=range(7))
def test_no_number_of_any_policy_may_be_absurd(policy, name, value):
    with pytest.raises(InvalidRequest) as caught:
        policy(**{name: value})
    assert caught.value.field == name


WHOLE = [(policy, name) for policy, name in NUMBERS if isinstance(getattr(policy(), name), int)]


@pytest.mark.parametrize(("policy", "name"), WHOLE)
def test_bytes_and_counts_are_whole_numbers(policy, name):
    with pytest.raises(InvalidRequest) as caught:
        policy(**{name: 1.5})
    assert caught.value.field == name


ZERO_IS_FINE = {"expiry_margin", "stall_bytes", "resume_from"}


@pytest.mark.parametrize(("policy", "name"), NUMBERS)
def test_zero_is_refused_where_it_would_spin(policy, name):
    if name in ZERO_IS_FINE:
        assert getattr(policy(**{name: 0}), name) == 0
    else:
        with pytest.raises(InvalidRequest):
            policy(**{name: 0})


@pytest.mark.parametrize(
    ("policy", "name"),
    [(Settings, "submits"), (Settings, "max_in_flight"), (DownloadPolicy, "parallel")],
)
def test_concurrency_is_bounded(policy, name):
    with pytest.raises(InvalidRequest):
        policy(**{name: 10**9})


def test_no_call_may_carry_more_ids_than_the_service_takes():
    assert PollingPolicy(batch=10).batch == 10
    with pytest.raises(InvalidRequest, match="10") as caught:
        PollingPolicy(batch=11)
    assert caught.value.field == "batch"


def test_unanswered_submits_are_held_unless_told_otherwise():
    assert RetryPolicy().unanswered == "hold"
    assert RetryPolicy(unanswered="resubmit_same_id").unanswered == "resubmit_same_id"
    with pytest.raises(InvalidRequest) as caught:
        RetryPolicy(unanswered="resubmit")
    assert caught.value.allowed == ("hold", "resubmit_same_id")


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_is_frozen_and_compares_by_value(policy):
    assert policy() == policy()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(policy(), attrs.fields(policy)[0].name, 1)


def test_the_defaults_are_those_we_promise():
    settings = Settings()
    assert (settings.polling.rate, settings.polling.burst, settings.polling.batch) == (1.0, 2, 10)
    assert (settings.polling.image_interval, settings.polling.video_interval) == (4.0, 12.0)
    assert settings.polling.missing_grace == 120.0
    assert (settings.retrying.lookups, settings.retrying.lookup_window) == (3, 120.0)
    assert settings.retrying.retry_after_cap == 600.0
    assert settings.close_timeout == 10.0


@pytest.mark.parametrize("dialect", ["web", "s0", "s1", "s2", "s3", "s4"])
def test_a_dialect(dialect):
    assert Settings(dialect=dialect).dialect == dialect


@pytest.mark.parametrize("dialect", ["", "S3", "s5", "cli", None, 3, ["web"]])
def test_a_dialect_that_nobody_speaks(dialect):
    with pytest.raises(InvalidRequest) as caught:
        Settings(dialect=dialect)
    assert caught.value.field == "dialect"
    assert caught.value.allowed == ("web", "s0", "s1", "s2", "s3", "s4")


def test_the_web_page_of_today_is_the_dialect_unless_told_otherwise():
    assert Settings().dialect == "web"
