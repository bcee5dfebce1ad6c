"""Inputs of a given size that are made to cost much: each was somebody's quadratic parser once."""

from collections.abc import Callable, Iterator
from itertools import count

from targets import Like

Shape = Callable[[int], bytes]


def filled(start: bytes, unit: bytes, end: bytes = b"") -> Shape:
    """One unit over and over."""
    return lambda size: start + unit * ((size - len(start) - len(end)) // len(unit)) + end


def numbered(start: bytes, unit: bytes, end: bytes = b"") -> Shape:
    """Units that differ by a number in each."""

    def made(size: int) -> bytes:
        pieces, left = [], size - len(start) - len(end)
        for number in count():
            piece = unit.replace(b"%", b"%d" % number)
            left -= len(piece)
            if left < 0:
                return start + b"".join(pieces) + end
            pieces.append(piece)
        raise AssertionError

    return made


_JSON: tuple[Shape, ...] = (
    filled(b"", b"["),
    filled(b"", b'{"a":'),
    filled(b"", b'"'),
    filled(b'"', b"\\"),
    filled(b'{"ret":"', b'\\"'),
    filled(b"", b"1"),
    filled(b"", b" "),
    filled(b'{"data":"', b"\xe6\x9f\xb4", b'"}'),
    filled(b'{"ret":"0","data":[', b"0,", b"0]}"),
    filled(b'{"ret":"0","data":[', b"{},", b"{}]}"),
    filled(b'{"ret":"', b"http://a@", b'"}'),
    filled(b'{"ret":"5001","errmsg":"', b"session=", b'"}'),
    filled(b'{"ret":"5001","errmsg":"', b"sessionid ", b'"}'),
    filled(b"", b'"logid" '),
    filled(b'"logid"', b" "),
    filled(b'{"ret":"0","data":{"30000000001":{"item_list":[', b'{"image":{}},', b"{}]}}}"),
    filled(b'{"ret":"0","data":{"30000000001":{"item_list":[', b"{},", b"{}]}}}"),
    numbered(b'{"ret":"0","data":{', b'"%":{"status":50},', b'"x":0}}'),
    numbered(b'{"ret":"0","data":{"item_list":{', b'"%":{},', b'"x":{}}}}'),
    numbered(b'{"ret":"0","data":{', b'"a":%,', b'"x":0}}'),
    filled(b'{"ret":"0","data":{"model_list":[', b'{"model_name":"a"},', b"{}]}}"),
    filled(b'{"jobs":[', b'{"job_id":"a"},', b"{}]}"),
)
_TEXT: tuple[Shape, ...] = (
    filled(b"", b"a"),
    filled(b"", b'"'),
    filled(b"", b"\n"),
    filled(b"", b"\r"),
    filled(b"", b","),
    filled(b"", b"\t"),
    filled(b"prompt\n", b'""'),
    filled(b"prompt\n", b"a\n"),
    filled(b"prompt\n", b"\n"),
    filled(b"prompt\n", b"a,"),
    filled(b"", b"prompt,"),
    filled(b"prompt,references\na,", b";a"),
    filled(b"prompt,seed\na,", b"9"),
    filled(b"", b"us-"),
    filled(b"", b"="),
    filled(b"", b"a=b\n"),
    filled(b"http://", b"@"),
    filled(b"http://", b"a."),
    filled(b"http://127.0.0.1/?x-expires=", b"9"),
    filled(b"http://127.0.0.1/?", b"expires=1&"),
    filled(b"", b'"\\ud800"\n'),
    filled(b"", b'{"prompt":"a"}\n'),
    filled(b'{"prompt":', b"["),
    filled(b'{"prompt":"a","references":[', b'"a",', b'"a"]}'),
    filled(b'{"prompt":"a","seed":', b"9", b"}"),
    numbered(b'{"prompt":"a",', b'"reference%":0,', b'"x":0}'),
    numbered(b"prompt", b",reference%"),
    numbered(b"prompt", b"\treference%"),
    numbered(b"", b'{"references%":"a"}\n'),
    numbered(b"this boot\n", b"%\n"),
)
_BYTES: tuple[Shape, ...] = (
    filled(b"", b"\0"),
    filled(b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IDAT\x35\xaf\x06\x1e"),
    filled(b"\xff\xd8", b"\xff\xe0\0\2"),
    filled(b"\xff\xd8", b"\xff"),
    filled(b"\xff\xd8\xff\xda\0\2", b"\xff\xd0"),
    filled(b"RIFF\xf8\xff\0\0WEBP", b"EXIF\0\0\0\0"),
    filled(b"\0\0\0\x10ftypisom\0\0\0\0", b"\0\0\0\x08free"),
    filled(b"\0\0\0\x10ftypisom\0\0\0\0\0\0\xff\xf0moov", b"\0\0\0\x08trak"),
    filled(b"\0\0\0\x10ftypisom\0\0\0\0", b"\0\0\0\x01free\0\0\0\0\0\0\0\x10"),
    filled(b"\0\0\0\x10ftypavif\0\0\0\0", b"\0\0\0\x08meta"),
    filled(b"SQLite format 3\0\x10\0\x02\x02\0\x40\x20\x20", b"\0\0\0\1"),
    filled(b"GIF89a", b"\xff"),
)
_SHAPES: dict[Like, tuple[Shape, ...]] = {"json": _JSON, "text": _TEXT, "bytes": _BYTES}


def shaped(like: Like, size: int) -> Iterator[bytes]:
    """The costly inputs of that size."""
    for shape in _SHAPES[like]:
        yield shape(size)
