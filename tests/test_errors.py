"""The tree, its facts, and what survives comparing, copying, pickling and printing."""

import copy
import pickle

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async import errors
from dreamina_async.errors import (
    ApiError,
    DownloadError,
    DreaminaError,
    InvalidRequest,
    JobFailed,
    JobTimeout,
    JournalLocked,
    RateLimited,
    StorageError,
    TransportError,
)

BASES = {
    "DreaminaError": (Exception,),
    "InvalidRequest": (DreaminaError, ValueError),
    "SessionClosed": (DreaminaError, RuntimeError),
    "BudgetReached": (DreaminaError,),
    "StorageError": (DreaminaError,),
    "JournalLocked": (StorageError,),
    "AccountMismatch": (StorageError,),
    "LeaseLost": (DreaminaError,),
    "TransportError": (DreaminaError,),
    "TransportTimeout": (TransportError, TimeoutError),
    "ProtocolError": (DreaminaError,),
    "ApiError": (DreaminaError,),
    "AuthenticationError": (ApiError,),
    "InsufficientCredit": (ApiError,),
    "ContentRejected": (ApiError,),
    "AccountRestricted": (ApiError,),
    "RateLimited": (ApiError,),
    "ServiceUnavailable": (ApiError,),
    "JobError": (DreaminaError,),
    "JobFailed": (errors.JobError,),
    "JobLost": (errors.JobError,),
    "JobTimeout": (errors.JobError, TimeoutError),
    "DownloadError": (DreaminaError,),
    "UrlExpired": (DownloadError,),
    "HostRefused": (DownloadError,),
    "IncompleteDownload": (DownloadError,),
}
CLASSES = [getattr(errors, name) for name in BASES]
VALUES = {
    "message": "积分不足",
    "charged": "unknown",
    "job_id": "19637d71-15df-445e-b86d-490f3549cb85",
    "field": "count",
    "allowed": ("1", "4"),
    "path": "/out/图片/image-0.png",
    "pid": 4711,
    "sent": False,
    "status": 429,
    "logid": "20250913123218",
    "excerpt": "<html>",
    "code": "1310",
    "advice": "等一会儿再试",
    "retry_after": 2.5,
    "reason": "InputTextRisk",
    "limit": 200,
    "spent": 199,
    "host": "results.example.com",
}


def full(cls):
    return cls(*(VALUES[field.name] for field in attrs.fields(cls)))


def test_the_tree_holds_these_classes_and_no_others():
    defined = {name: cls.__bases__ for name, cls in vars(errors).items() if _is_error(cls)}
    assert defined == BASES


def _is_error(value):
    return isinstance(value, type) and issubclass(value, DreaminaError)


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize(
    "twin", [copy.copy, copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))]
)
def test_every_fact_survives_copying_and_pickling(cls, twin):
    error = full(cls)
    again = twin(error)
    assert again is not error
    assert type(again) is cls
    assert attrs.asdict(again) == {field.name: VALUES[field.name] for field in attrs.fields(cls)}
    assert again == error
    assert hash(again) == hash(error)
    assert str(again) == str(error)


@pytest.mark.parametrize("cls", CLASSES)
def test_a_single_different_fact_makes_another_error(cls):
    error = full(cls)
    for field in attrs.fields(cls):
        assert attrs.evolve(error, **{field.name: "other"}) != error, field.name


def test_errors_of_two_classes_are_never_equal():
    assert len({cls("same") for cls in CLASSES}) == len(CLASSES)


@pytest.mark.parametrize("cls", CLASSES)
def test_its_text_holds_the_facts_that_a_person_needs(cls):
    text = str(full(cls))
    assert "积分不足" in text
    assert VALUES["job_id"] in text
    assert "charged: unknown" in text
    for name in {"path", "code", "logid", "reason", "advice"} & set(attrs.fields_dict(cls)):
        assert str(VALUES[name]) in text, name


def test_particular_facts():
    assert "allowed: 1, 4" in str(full(InvalidRequest))
    assert "pid 4711" in str(full(JournalLocked))
    assert "HTTP 429" in str(full(errors.ProtocolError))


@pytest.mark.parametrize("cls", CLASSES)
def test_without_facts_the_text_is_the_message_alone(cls):
    assert str(cls("nothing else")) == "nothing else"


def test_a_job_that_cost_nothing_does_not_speak_of_cost():
    assert "charged" not in str(ApiError("refused", "no"))


NASTY = "一行\n\r\x1b[31mred\x1b[0m\u2028\u202etxt.exe\x00\x85\t\ud800"


@pytest.mark.parametrize("cls", CLASSES)
def test_text_of_the_service_stays_one_printable_line(cls):
    hostile = {name: NASTY for name, value in VALUES.items() if isinstance(value, str)}
    values = VALUES | hostile | {"charged": "yes", "allowed": (NASTY,)}
    text = str(cls(*(values[field.name] for field in attrs.fields(cls))))
    assert text.isprintable(), ascii(text)
    assert "一行" in text
    assert "\\x1b[31mred" in text


@pytest.mark.parametrize("cls", CLASSES)
def test_a_megabyte_of_text_does_not_drown_the_facts(cls):
    values = VALUES | {"message": "很" * 1_000_000, "reason": "长" * 1_000_000}
    text = str(cls(*(values[field.name] for field in attrs.fields(cls))))
    assert len(text) < 5_000
    assert VALUES["job_id"] in text


@given(st.text())
def test_printable_text_is_shown_as_it_is_and_the_rest_escaped(message):
    text = str(DreaminaError(message))
    assert text.isprintable()
    if message.isprintable() and len(message) < 500:
        assert text == message


@pytest.mark.parametrize(
    ("cls", "builtin"),
    [
        (InvalidRequest, ValueError),
        (errors.SessionClosed, RuntimeError),
        (errors.TransportTimeout, TimeoutError),
        (JobTimeout, TimeoutError),
    ],
)
def test_who_knows_only_builtins_catches_them_too(cls, builtin):
    with pytest.raises(builtin) as caught:
        raise cls("x", "unknown", "job")
    assert (caught.value.message, caught.value.job_id) == ("x", "job")


def test_a_submit_is_in_doubt_unless_somebody_knows_better():
    assert TransportError("x").sent is True


def test_defaults_ask_for_no_wait():
    assert RateLimited("slow down").retry_after is None
    assert JobFailed("x").charged == "no"
