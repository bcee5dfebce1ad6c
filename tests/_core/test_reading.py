import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async._core.reading import (
    CONTRADICTED,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_NODES,
    MAX_PROBLEMS,
    Reader,
    Unreadable,
    excerpt,
    is_url,
    printable,
    read_json,
    words,
)
from dreamina_async.errors import ProtocolError


def refused(body, **facts):
    with pytest.raises(ProtocolError) as caught:
        read_json(body, **facts)
    return caught.value


class TestDocument:
    def test_a_document_is_read(self):
        assert read_json('{"ret":"0","data":{"提示":[1,2.5,null,true]}}'.encode()) == {
            "ret": "0",
            "data": {"提示": [1, 2.5, None, True]},
        }

    def test_a_byte_order_mark_is_allowed_once(self):
        assert read_json(b"\xef\xbb\xbf{}") == {}
        refused(b"\xef\xbb\xbf\xef\xbb\xbf{}")

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"  \r\n",
            b"<html><body>login</body></html>",
            b"{} {}",
            b'{"a":1',
            b"{'a':1}",
            b'{"a":1,}',
            b'"\xff\xfe"',
            '{"ret":"0"}'.encode("utf-16"),
            '{"提":1}'.encode("gbk"),
            b'{"a":"line\nbreak"}',
            b"[1]]",
            b"]" * 1000,
            b'"' * 1001,
        ],
    )
    def test_what_is_not_one_json_document_is_refused(self, body):
        assert refused(body, status=200).status == 200

    def test_depth_is_bounded_before_the_parser_sees_it(self):
        read_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
        refused(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))
        for deep in (b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000):
            assert "levels" in str(refused(deep))

    def test_brackets_in_text_are_no_depth(self):
        text = '[{"' * 1000 + "\\"
        assert read_json(json.dumps([text]).encode()) == [text]

    def test_size_is_bounded(self):
        assert "bytes" in str(refused(b" " * (MAX_BYTES + 1)))

    def test_values_are_counted(self):
        assert len(read_json(b"[" + b"1," * (MAX_NODES - 2) + b"1]")) == MAX_NODES - 1
        assert "values" in str(refused(b"[" + b"1," * MAX_NODES + b"1]"))
        many = {f"k{n}": n for n in range(MAX_NODES + 1)}
        assert "values" in str(refused(json.dumps(many).encode()))

    def test_many_quotes_and_an_unterminated_string_end_soon(self):
        refused(b'"' + b'\\"' * (MAX_BYTES // 2 - 1))
        refused(b'"' * MAX_BYTES)

    @pytest.mark.parametrize(
        "text", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "7" * 5000]
    )
    def test_a_number_that_is_none_is_marked(self, text):
        value = read_json(f'{{"n":{text},"m":1}}'.encode())
        assert isinstance(value["n"], Unreadable)
        reader = Reader.of(value)
        assert reader.number("n") is None
        assert reader.integer("n") is None
        assert reader.text("n") is None
        assert len(reader.problems) == 1
        assert len(reader.problems[0]) < 60

    def test_equal_duplicates_merge_and_others_are_marked(self):
        assert read_json(b'{"id":"a","id":"a"}') == {"id": "a"}
        value = read_json(b'{"id":"a","x":1,"id":"b","x":1}')
        assert value == {"id": CONTRADICTED, "x": 1}
        assert read_json(b'{"id":1,"id":true}') == {"id": CONTRADICTED}
        reader = Reader.of(value)
        assert reader.conflicts("id")
        assert not reader.conflicts("x")
        assert reader.text("id") is None
        assert reader.problems == ["id: two different values"]

    def test_the_error_holds_what_helps(self):
        body = b'{"logid":"202509131232143AAD2636D2017502325C","data":'
        error = refused(body, status=200, charged="unknown")
        assert error.logid == "202509131232143AAD2636D2017502325C"
        assert error.charged == "unknown"
        assert error.excerpt.startswith('{"logid"')
        assert refused(body, logid="mine").logid == "mine"


class TestExcerpt:
    def test_it_is_short_and_printable(self):
        for body in (b"\x00\x1b[31m" * 500, "提".encode() * 500, b"\xff" * 500, "\u202e".encode()):
            shown = excerpt(body)
            assert len(shown) <= 200
            assert shown.isprintable()
            shown.encode("utf-8")

    @pytest.mark.parametrize(
        "secret",
        [
            "https://p26-dreamina-sign.byteimg.com/a~b.png?x-signature=HUSH",
            "https:\\/\\/v3-artist.vlabvod.com\\/HUSH\\/69957ad9\\/video\\/",
            "http://user:HUSH@example.com/",
            "sessionid=HUSH; a=b",
            '{"sessionid":"HUSH"}',
            '{\\"session_token\\":\\"HUSH\\"}',
            '"sid_guard": "HUSH"',
        ],
    )
    def test_it_opens_no_door(self, secret):
        assert "HUSH" not in excerpt(f"see {secret} end".encode())
        assert "HUSH" not in words(secret)

    @given(st.binary(max_size=400))
    def test_any_body_has_one(self, body):
        shown = excerpt(body)
        assert len(shown) <= 200
        assert shown.isprintable() or not shown


class TestReader:
    def test_null_is_absent_and_never_the_text_none(self):
        reader = Reader.of({"id": None, "n": None, "list": None, "o": None})
        assert reader.text("id") is None
        assert reader.identifier("id") is None
        assert reader.integer("n") is None
        assert reader.list("list") == ()
        assert reader.object("o").value == {}
        assert reader.problems == []

    def test_names_are_tried_in_order(self):
        reader = Reader.of({"a": "", "b": True, "c": "found"}, "data")
        assert reader.text("a", "b", "c") == "found"
        assert reader.problems == ["data.b: true"]

    def test_a_number_becomes_the_text_of_an_id(self):
        reader = Reader.of({"id": 25594898552322, "float": 2.5e13, "bool": False})
        assert reader.identifier("id") == "25594898552322"
        assert reader.identifier("float") is None
        assert reader.identifier("bool") is None
        assert len(reader.problems) == 2

    @pytest.mark.parametrize("text", ["../x", "a b", "x" * 65, "a\n", "a/b", "提"])
    def test_an_identifier_is_fit_for_a_path(self, text):
        reader = Reader.of({"id": text})
        assert reader.identifier("id") is None
        assert reader.problems
        assert text not in reader.problems[0]

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (50, 50),
            ("50", 50),
            (" 50 ", 50),
            (50.0, 50),
            (-1, -1),
            (True, None),
            ("fifty", None),
            ("٥٠", None),
            (50.5, None),
            (10**30, None),
            ([50], None),
            (math.nan, None),
        ],
    )
    def test_integer(self, value, expected):
        reader = Reader.of({"n": value})
        assert reader.integer("n", least=-10) == expected
        assert bool(reader.problems) == (expected is None)

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (1.5, 1.5),
            ("1.5", 1.5),
            (0, 0.0),
            (-1, None),
            ("nan", None),
            ("inf", None),
            ("1_0", None),
            (math.inf, None),
            (10**400, None),
            (False, None),
            ({}, None),
        ],
    )
    def test_number(self, value, expected):
        reader = Reader.of({"n": value})
        assert reader.number("n") == expected
        assert bool(reader.problems) == (expected is None)

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (1757737934.403, 1757737934.403),
            (1640995200000, 1640995200.0),
            ("1757737938", 1757737938.0),
            (0, None),
            (-5, None),
            (1e30, None),
        ],
    )
    def test_instants(self, value, expected):
        assert Reader.of({"t": value}).unix_seconds("t") == expected

    def test_elements_of_a_list_stand_alone(self):
        reader = Reader.of({"l": [{"a": 1}, None, "x", {"a": 2}]})
        found = reader.objects("l")
        assert [one.integer("a") for one in found] == [1, 2]
        assert found[1].path == "l[3]"
        assert reader.problems == ["l[2]: text of 1 characters"]

    def test_a_map_of_positions_is_a_list(self):
        reader = Reader.of({"l": {"1": "b", "0": "a", "10": "c"}, "m": {"a": 1}, "t": "x"})
        assert reader.list("l") == ("a", "b", "c")
        assert reader.list("m") == ()
        assert reader.list("t") == ()
        assert len(reader.problems) == 3

    def test_problems_are_bounded_and_said_once(self):
        reader = Reader.of({"l": list(range(1000))})
        reader.objects("l")
        reader.objects("l")
        assert len(reader.problems) == MAX_PROBLEMS
        assert len(set(reader.problems)) == MAX_PROBLEMS

    def test_it_does_not_show_values(self):
        assert "HUSH" not in repr(Reader.of({"url": "HUSH"}))

    @pytest.mark.parametrize(
        ("text", "usable"),
        [
            ("https://a.byteimg.com/x?x-signature=a%2Fb%3D", True),
            ("http://127.0.0.1:8080/x", True),
            ("HTTPS://a/x", True),
            ("ftp://a/x", False),
            ("file:///etc/passwd", False),
            ("javascript:alert(1)", False),
            ("//a/x", False),
            ("https://", False),
            ("https://[/x", False),
            ("https://a/ x", False),
            ("https://a/\n", False),
            ("https://a/\ud800", False),
            ("https://a/" + "x" * 9000, False),
            ("", False),
        ],
    )
    def test_urls(self, text, usable):
        assert is_url(text) == usable
        reader = Reader.of({"u": text})
        assert (reader.url("u") == text) == usable

    @given(st.text())
    def test_printable_text_is_valid_utf8(self, text):
        shown = printable(text)
        shown.encode("utf-8")
        assert shown.isprintable()
        assert printable("ok 提示 ✓") == "ok 提示 ✓"

    def test_lone_surrogates_and_controls_are_escaped(self):
        value = read_json(b'{"errmsg":"a\\ud800\\u0000\\u202eb"}')
        assert Reader.of(value).text("errmsg") == "a\\ud800\\x00\\u202eb"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_getters_never_fail(value):
    reader = Reader.of({"x": value})
    results = [
        reader.text("x"),
        reader.identifier("x"),
        reader.integer("x"),
        reader.number("x"),
        reader.url("x"),
        reader.unix_seconds("x"),
        reader.object("x"),
        reader.objects("x"),
        reader.list("x"),
    ]
    assert "None" not in results or value == "None"
    assert not any(isinstance(one, float) and not math.isfinite(one) for one in results)


@given(JSON)
def test_standard_json_is_read(value):
    finite = json.loads(json.dumps(value), parse_constant=lambda _: None)
    assert read_json(json.dumps(finite).encode()) == finite


@given(st.binary())
def test_bytes_are_json_or_refused(body):
    with contextlib.suppress(ProtocolError):
        read_json(body)
