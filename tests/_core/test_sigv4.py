"""AWS's published vectors, and what ImageX asks for beyond them."""

import re
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async._core.sigv4 import EMPTY_SHA256, canonical_request, encoded, sign_v4

KEYS = {
    "access_key": "AKIDEXAMPLE",
    "secret_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "session_token": "",
    "region": "us-east-1",
    "service": "service",
    "now": 1440938160.0,  # 2015-08-30T12:36:00Z
}
HOST = {"host": "example.amazonaws.com"}
UNRESERVED = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# AWS Signature Version 4 test suite: name, method, target, signature
VECTORS = f"""
post-vanilla POST / 5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b
get-vanilla GET / 5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31
order-key-case GET /?Param2=value2&Param1=value1 \
b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500
unreserved GET /?{UNRESERVED}={UNRESERVED} \
9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197
utf8-query GET /?ሴ=bar 2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04
post-query POST /?Param1=value1 28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11
"""


def signature(headers):
    return re.search(r"Signature=([0-9a-f]{64})$", headers["authorization"])[1]


@pytest.mark.parametrize("line", VECTORS.strip().splitlines())
def test_published_vectors(line):
    _, method, target, expected = line.split()
    url = f"https://example.amazonaws.com{target}"
    assert signature(sign_v4(method, url, HOST, EMPTY_SHA256, **KEYS)) == expected


def test_published_vector_with_a_body():
    headers = {"content-type": "application/x-www-form-urlencoded", **HOST}
    body = sha256(b"Param1=value1").hexdigest()
    signed = sign_v4("POST", "https://example.amazonaws.com/", headers, body, **KEYS)
    expected = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
    assert signature(signed) == expected


def test_the_example_of_the_documentation():
    """IAM ListUsers: the canonical request's digest stands there, too."""
    url = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08"
    headers = {
        "Content-Type": "application/x-www-form-urlencoded;  charset=utf-8 ",
        "Host": "iam.amazonaws.com",
    }
    dated = {**headers, "X-Amz-Date": "20150830T123600Z"}
    text = canonical_request("GET", url, dated, EMPTY_SHA256)
    digest = "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
    assert sha256(text.encode()).hexdigest() == digest
    signed = sign_v4("GET", url, headers, EMPTY_SHA256, **{**KEYS, "service": "iam"})
    expected = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    assert signature(signed) == expected


def test_what_imagex_is_sent():
    """Protocol notes 4: `x-amz-date;x-amz-security-token`, without host."""
    keys = {**KEYS, "session_token": "STS2token", "region": "cn-north-1", "service": "imagex"}
    url = "https://imagex.bytedanceapi.com/?Action=ApplyImageUpload"
    signed = sign_v4("GET", url, {}, EMPTY_SHA256, **keys)
    assert signed.keys() == {"x-amz-date", "x-amz-security-token", "authorization"}
    assert signed["x-amz-date"] == "20150830T123600Z"
    scope = "Credential=AKIDEXAMPLE/20150830/cn-north-1/imagex/aws4_request, "
    names = "SignedHeaders=x-amz-date;x-amz-security-token, "
    assert signed["authorization"].startswith(f"AWS4-HMAC-SHA256 {scope}{names}")
    assert KEYS["secret_key"] not in str(signed)


def test_everything_counts():
    """No two different requests have one signature."""

    def signed(method="GET", url="https://h/?a=1", body=EMPTY_SHA256, headers=None, **changes):
        return signature(sign_v4(method, url, headers or {}, body, **{**KEYS, **changes}))

    variants = [signed(), signed(method="POST"), signed(url="https://h/?a=2")]
    variants += [signed(url="https://h/x?a=1"), signed(headers={"a": "b"}), signed(body="0" * 64)]
    variants += [signed(secret_key="x"), signed(session_token="x"), signed(region="x")]
    variants += [signed(service="x"), signed(now=KEYS["now"] + 1)]
    assert len(set(variants)) == len(variants)


@given(st.dictionaries(st.text(min_size=1), st.text(), min_size=1, max_size=5), st.randoms())
def test_the_order_of_the_query_does_not_count(query, random):
    pairs = [f"{encoded(name)}={encoded(value)}" for name, value in query.items()]
    mixed = random.sample(pairs, len(pairs))
    one, other = (
        canonical_request("GET", f"https://h/?{'&'.join(some)}", {}, EMPTY_SHA256)
        for some in (pairs, mixed)
    )
    assert one == other
    assert set(one.split("\n")[2].split("&")) == set(pairs)
