"""The signature against the examples AWS published: its test suite and its IAM walk-through."""

import hashlib

import pytest

from dreamina_async.emulator.sigv4 import Signing, canonical_query, canonical_request, signature

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
MOMENT = "20150830T123600Z"
SUITE = {"Host": "example.amazonaws.com", "X-Amz-Date": MOMENT}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
STS = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPf"
    "IeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7W"
    "Z0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8F"
    "DrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)


def test_the_walk_through_step_by_step():
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        "Host": "iam.amazonaws.com",
        "X-Amz-Date": MOMENT,
    }
    canonical = canonical_request(
        "GET", "/", "Action=ListUsers&Version=2010-05-08", headers, payload=b""
    )
    assert (
        hashlib.sha256(canonical.encode()).hexdigest()
        == "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
    )
    assert (
        signature(SECRET, "20150830/us-east-1/iam/aws4_request", MOMENT, canonical)
        == "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )


@pytest.mark.parametrize(
    ("method", "query", "more", "payload", "signed"),
    [
        ("GET", "", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (
            "GET",
            "Param2=value2&Param1=value1",
            {},
            b"",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "GET",
            "",
            {"My-Header1": " value1", "My-Header2": ' "a   b   c"'},
            b"",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        ("POST", "", {}, b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "POST",
            "",
            FORM,
            b"Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
        (
            "POST",
            "",
            {"X-Amz-Security-Token": STS},
            b"",
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
        ),
    ],
    ids=["vanilla", "query order", "trimmed headers", "post", "post body", "session token"],
)
def test_the_suite(method, query, more, payload, signed):
    canonical = canonical_request(method, "/", query, SUITE | more, payload)
    scope = "20150830/us-east-1/service/aws4_request"
    assert signature(SECRET, scope, MOMENT, canonical) == signed


@pytest.mark.parametrize(
    ("sent", "canonical"),
    [
        ("b=2&a=1&B=0&a=0", "B=0&a=0&a=1&b=2"),
        ("Param1=", "Param1="),
        ("Param1", "Param1="),
        ("p=a%20b&q=a+b", "p=a%20b&q=a%2Bb"),
        ("p=~-._&q=/:%2f", "p=~-._&q=%2F%3A%2F"),
        ("%E1%88%B4=bar", "%E1%88%B4=bar"),
    ],
)
def test_a_query_has_one_form_whatever_way_it_was_sent(sent, canonical):
    assert canonical_query(sent) == canonical


def test_an_authorization_header_is_read():
    header = (
        "AWS4-HMAC-SHA256 Credential=AKTPabc+=/20150830/cn-north-1/imagex/aws4_request, "
        "SignedHeaders=x-amz-date;x-amz-security-token, Signature=" + "0a" * 32
    )
    told = Signing.read(header)
    assert told is not None
    assert told == Signing.read(header.replace(", ", ","))
    assert (told.access_key_id, told.region, told.service) == ("AKTPabc+=", "cn-north-1", "imagex")
    assert told.headers == ("x-amz-date", "x-amz-security-token")
    assert told.scope == "20150830/cn-north-1/imagex/aws4_request"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer x",
        "AWS4-HMAC-SHA256 Credential=a/20150830/r/imagex/aws4_request",
        "AWS4-HMAC-SHA256 Credential=a/20150830/r/imagex/aws4, SignedHeaders=b, Signature="
        + "0a" * 32,
        "AWS4-HMAC-SHA1 Credential=a/20150830/r/imagex/aws4_request, SignedHeaders=b, Signature="
        + "0a" * 32,
    ],
)
def test_another_header_is_none(header):
    assert Signing.read(header) is None
