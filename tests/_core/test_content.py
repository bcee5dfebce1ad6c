"""The content check: whole files pass in any pieces, everything else is refused."""

import base64
import struct
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamina_async._core.content import ContentCheck, ContentFacts, source
from dreamina_async.errors import IncompleteDownload

# --- Small real files, built here


def png_chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def ihdr(width: int = 3, height: int = 2) -> bytes:
    return png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = zlib.compress((b"\0" + bytes(range(9))) * 2)
IDAT = png_chunk(b"IDAT", _PIXELS[:7]) + png_chunk(b"IDAT", _PIXELS[7:])
IEND = png_chunk(b"IEND")
PNG = PNG_SIGNATURE + ihdr() + png_chunk(b"tEXt", b"Comment\0drawn") + IDAT + IEND


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def frame(width: int = 16, height: int = 16, marker: int = 0xC0) -> bytes:
    return segment(marker, struct.pack(">BHHB3B", 8, height, width, 1, 1, 0x11, 0))


SOI, EOI = b"\xff\xd8", b"\xff\xd9"
_PREVIEW = segment(0xE1, b"Exif\0\0" + SOI + EOI)  # an end marker that is none
_TABLES = (
    segment(0xDB, b"\0" + b"\x01" * 64)
    + segment(0xC4, b"\x00\x01" + bytes(15) + b"\x0b")  # DC: code 0 means eleven bits follow
    + segment(0xC4, b"\x10\x01" + bytes(15) + b"\x00")  # AC: code 0 ends the block
    + segment(0xDD, b"\x00\x02")
)
_SCAN_HEADER = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00")
_TWO_BLOCKS = b"\x7f\xf3\xff\x00\xbf"  # with a stuffed byte
SCAN = _SCAN_HEADER + _TWO_BLOCKS + b"\xff\xd0" + _TWO_BLOCKS
JPEG = SOI + _PREVIEW + _TABLES + frame() + SCAN + EOI


def riff(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)


VP8L = webp_chunk(b"VP8L", bytes.fromhex("2f048000000750852297a2ff8188e87f00"))  # 5x3, 17 bytes
VP8 = webp_chunk(
    b"VP8 ",
    bytes.fromhex("b002009d012a14000c003fcdd6e2663fb4ae27300803f039896900007b2000fee9dd0000"),
)
VP8X = webp_chunk(b"VP8X", b"\x04\0\0\0" + b"\x13\0\0" + b"\x0b\0\0")  # 20x12, has EXIF
EXIF = webp_chunk(b"EXIF", b"II*\0\x08\0\0\0\0\0\0")
WEBP = riff(VP8)
WEBP_LOSSLESS = riff(VP8L)
WEBP_EXTENDED = riff(VP8X, VP8, EXIF)


def box(kind: bytes, *bodies: bytes) -> bytes:
    body = b"".join(bodies)
    return struct.pack(">I", len(body) + 8) + kind + body


def long_box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4sQ", 1, kind, len(body) + 16) + body


def endless_box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 0) + kind + body


def ftyp(major: bytes, *others: bytes) -> bytes:
    return box(b"ftyp", major, bytes(4), *others)


def mvhd(scale: int = 1000, units: int = 5040, version: int = 0) -> bytes:
    times = struct.pack(">QQIQ" if version else ">IIII", 0, 0, scale, units)
    return box(b"mvhd", bytes([version, 0, 0, 0]), times, bytes(80))


def tkhd(width: int, height: int, version: int = 0) -> bytes:
    times = bytes(32 if version else 20)
    sides = struct.pack(">II", width << 16, height << 16)
    return box(b"tkhd", bytes([version, 0, 0, 7]), times, bytes(52), sides)


def trak(width: int, height: int, handler: bytes = b"vide", version: int = 0) -> bytes:
    hdlr = box(b"hdlr", bytes(8), handler, bytes(13))
    return box(b"trak", tkhd(width, height, version), box(b"mdia", hdlr, box(b"minf", bytes(40))))


FTYP = ftyp(b"isom", b"isom", b"iso2", b"avc1", b"mp41")
SOUND = trak(0, 0, b"soun")
MOOV = box(b"moov", mvhd(), SOUND, trak(1280, 720))
MDAT = box(b"mdat", bytes(range(50)))
MP4 = FTYP + MOOV + MDAT
AVIF = base64.b64decode(
    "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAADrbWV0YQAAAAAAAAAhaGRscgAAAAAAAAAAcGljdAAA"
    "AAAAAAAAAAAAAAAAAAAOcGl0bQAAAAAAAQAAAB5pbG9jAAAAAEQAAAEAAQAAAAEAAAETAAAAIQAAAChpaW5mAAAA"
    "AAABAAAAGmluZmUCAAAAAAEAAGF2MDFDb2xvcgAAAABqaXBycAAAAEtpcGNvAAAAFGlzcGUAAAAAAAAAGAAAABAA"
    "AAAQcGl4aQAAAAADCAgIAAAADGF2MUOBAAwAAAAAE2NvbHJuY2x4AAEADQAGgAAAABdpcG1hAAAAAAAAAAEAAQQB"
    "AoMEAAAAKW1kYXQSAAoJGBDv7RAQ0GhAMhIf94eFFd///+LAAACusZybrnw="
)

WHOLE = {
    "png": (PNG, "png", 3, 2, None),
    "jpeg": (JPEG, "jpeg", 16, 16, None),
    "webp": (WEBP, "webp", 20, 12, None),
    "webp lossless": (WEBP_LOSSLESS, "webp", 5, 3, None),
    "webp extended": (WEBP_EXTENDED, "webp", 20, 12, None),
    "avif": (AVIF, "avif", 24, 16, None),
    "mp4": (MP4, "mp4", 1280, 720, 5040),
    "mp4, index last": (FTYP + box(b"free") + MDAT + MOOV, "mp4", 1280, 720, 5040),
    "mp4, long boxes": (FTYP + long_box(b"mdat", b"12345") + MOOV, "mp4", 1280, 720, 5040),
    "mov": (ftyp(b"qt  ") + box(b"wide") + MDAT + MOOV, "mov", 1280, 720, 5040),
}

whole = pytest.mark.parametrize("name", WHOLE)


def due(name: str) -> str:
    return "video" if name.startswith("m") else "image"


def check(kind, *pieces, size=None) -> ContentFacts:
    content = ContentCheck(kind)
    for piece in pieces:
        content.feed(piece)
    return content.finish(size)


def problem(kind, *pieces, size=None) -> str:
    with pytest.raises(IncompleteDownload) as caught:
        check(kind, *pieces, size=size)
    assert "\n" not in caught.value.message
    return caught.value.message


# --- Every format


@whole
def test_whole_file_is_accepted_with_its_facts(name):
    data, form, width, height, duration = WHOLE[name]
    facts = check(due(name), data)
    assert facts == ContentFacts(form, width, height, duration, len(data))
    assert facts == check(due(name), data, size=len(data))


@whole
def test_byte_by_byte_gives_the_same_facts(name):
    data = WHOLE[name][0]
    single = [data[at : at + 1] for at in range(len(data))]
    assert check(due(name), *single) == check(due(name), data)


@given(data=st.data(), name=st.sampled_from(sorted(WHOLE)))
def test_any_pieces_give_the_same_facts(data, name):
    body = WHOLE[name][0]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=12)))
    edges = [0, *cuts, len(body)]
    pieces = [memoryview(body)[a:b] for a, b in pairwise(edges)]
    assert check(due(name), *pieces) == check(due(name), body)


@whole
def test_file_cut_anywhere_is_refused(name):
    data = WHOLE[name][0]
    for end in range(len(data)):
        assert problem(due(name), data[:end])


@whole
def test_cut_of_an_announced_length_says_so(name):
    data = WHOLE[name][0]
    assert "cut short" in problem(due(name), data[:-1], size=len(data))


@whole
def test_foreign_bytes_after_the_end_are_refused(name):
    for tail in (b"x", b"<html>", b"\0\0\0\0\0\0\0\0x", b"\xff\xd8\xff", WHOLE[name][0]):
        assert problem(due(name), WHOLE[name][0] + tail)
        assert problem(due(name), WHOLE[name][0], tail)


@pytest.mark.parametrize("name", ["png", "jpeg", "webp"])
def test_bytes_that_a_tool_appended_pass_where_their_length_was_announced(name):
    data = WHOLE[name][0] + b"appended by a tool"
    assert check("image", data, size=len(data)).format == name


@whole
def test_length_other_than_announced_is_refused(name):
    data = WHOLE[name][0]
    assert "cut short" in problem(due(name), data, size=len(data) + 1)
    assert "too long" in problem(due(name), data, size=len(data) - 1)


@whole
def test_the_other_kind_is_refused_while_it_streams(name):
    other = "image" if due(name) == "video" else "video"
    content = ContentCheck(other)
    with pytest.raises(IncompleteDownload, match=f"came where (an|a) {other} was due"):
        content.feed(WHOLE[name][0][:40])


@pytest.mark.parametrize(
    ("form", "extension"),
    [("png", "png"), ("jpeg", "jpg"), ("webp", "webp"), ("avif", "avif"), ("mov", "mov")],
)
def test_extension_follows_the_format(form, extension):
    assert ContentFacts(form, 1, 1, None, 1).extension == extension


# --- Not media at all


@pytest.mark.parametrize("kind", ["image", "video"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<!DOCTYPE html><title>502</title>", "an HTML page"),
        (b"\xef\xbb\xbf \r\n<html>" + b" " * 20, "an HTML page"),
        (b"<?xml version='1.0'?><Error/>", "an XML or HTML page"),
        (b'{"ret": "1015"}', "JSON"),
        (b"[]", "JSON"),
        (b"GIF89a" + bytes(20), "a GIF image"),
        (b"\x1f\x8b\x08" + bytes(20), "a gzip stream"),
        (b"RIFF\x20\0\0\0AVI LIST", "unknown format"),
        (bytes(64), "unknown format"),
        (b"\x89PNG", "cut short: 4 bytes"),
    ],
)
def test_what_came_instead_is_named(kind, body, words):
    assert words in problem(kind, body)


def test_a_page_is_refused_with_its_first_bytes():
    content = ContentCheck("image")
    content.feed(b"<!DOCTYPE")
    with pytest.raises(IncompleteDownload, match="HTML"):
        content.feed(b" html>")


@pytest.mark.parametrize("kind", ["image", "video"])
@pytest.mark.parametrize("size", [None, 0])
def test_nothing_is_refused_as_empty(kind, size):
    assert "empty" in problem(kind, size=size)
    assert "empty" in problem(kind, b"", b"", size=size)


# --- PNG


def test_png_with_any_bit_flipped_is_refused():
    for bit in range(len(PNG) * 8):
        damaged = bytearray(PNG)
        damaged[bit // 8] ^= 1 << bit % 8
        assert problem("image", damaged)


@pytest.mark.parametrize(
    "data",
    [
        PNG_SIGNATURE + IDAT + IEND,
        PNG_SIGNATURE + ihdr() + IEND,
        PNG_SIGNATURE + ihdr() + png_chunk(b"IDAT") + IEND,
        PNG_SIGNATURE + ihdr(0, 2) + IDAT + IEND,
        PNG_SIGNATURE + ihdr(3, 70_000) + IDAT + IEND,
        PNG_SIGNATURE + ihdr() + png_chunk(b"ID\0T") + IDAT + IEND,
        PNG_SIGNATURE + ihdr() + b"\x80\0\0\0IDAT",
    ],
)
def test_malformed_png_is_refused(data):
    assert "damaged" in problem("image", data)


# --- JPEG


@pytest.mark.parametrize("padding", [1, 3, 4096])
def test_jpeg_may_be_padded_with_zeros(padding):
    assert check("image", JPEG, bytes(padding)).size == len(JPEG) + padding


def test_progressive_jpeg_with_several_scans_and_filling_is_accepted():
    scans = SCAN + b"\xff\xff\xff" + _TABLES[1:] + SCAN
    facts = check("image", SOI + _TABLES + frame(300, 200, marker=0xC2) + scans + EOI)
    assert (facts.width, facts.height) == (300, 200)


@pytest.mark.parametrize(
    "data",
    [
        SOI + _TABLES + EOI,
        SOI + _TABLES + frame() + EOI,
        SOI + _TABLES + SCAN + EOI,
        SOI + _TABLES + frame(0, 16) + SCAN + EOI,
        SOI + segment(0xC0, b"\x08\0\x10") + SCAN + EOI,
        SOI + b"\xff\xe0\0\x01" + JPEG[2:],
        JPEG[:-2] + JPEG,
    ],
)
def test_malformed_jpeg_is_refused(data):
    assert "damaged" in problem("image", data)


def test_jpeg_whose_tail_is_zeros_is_refused():
    assert "cut short" in problem("image", JPEG[:-8] + bytes(8))


# --- WebP


def test_webp_of_odd_length_may_have_a_pad_byte_or_not():
    odd = riff(VP8X, VP8, b"EXIF\x03\0\0\0abc")
    assert check("image", odd).size == len(odd)
    assert check("image", odd + b"\0").size == len(odd) + 1
    assert problem("image", odd + b"\0x")


def test_animated_webp_is_accepted():
    assert check("image", riff(VP8X, webp_chunk(b"ANMF", bytes(24)))).width == 20


@pytest.mark.parametrize(
    "data",
    [
        riff(),
        riff(VP8X, EXIF),
        riff(EXIF, VP8X, VP8),
        riff(webp_chunk(b"VP8L", b"\x2e" + bytes(8))),
        riff(webp_chunk(b"VP8 ", b"")),
        riff(webp_chunk(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + bytes(4))),
        riff(webp_chunk(b"VP8X", bytes(4) + b"\xff" * 6), VP8),
        riff(VP8L[:4] + b"\xff\xff\xff\xff" + VP8L[8:]),
    ],
)
def test_malformed_webp_is_refused(data):
    assert "damaged" in problem("image", data)


# --- ISO boxes


@pytest.mark.parametrize("version", [0, 1])
def test_both_versions_of_the_headers_are_read(version):
    moov = box(b"moov", mvhd(90_000, 450_001, version), trak(640, 480, version=version))
    facts = check("video", FTYP + moov + MDAT)
    assert (facts.width, facts.height, facts.duration_ms) == (640, 480, 5000)


def test_the_largest_video_track_counts():
    others = [trak(320, 200), trak(1920, 1080), trak(4000, 4000, b"sbtl"), trak(640, 480)]
    facts = check("video", FTYP + box(b"moov", *others) + MDAT)
    assert (facts.width, facts.height, facts.duration_ms) == (1920, 1080, None)


@pytest.mark.parametrize(
    "moov",
    [
        box(b"moov"),
        box(b"moov", b"\xff" * 40),
        box(b"moov", struct.pack(">I4s", 7, b"trak"), MOOV),
        box(b"moov", struct.pack(">I4s", 0, b"trak"), bytes(30)),
        box(b"moov", struct.pack(">I4s", 1, b"trak")),
        box(b"moov", struct.pack(">I4sQ", 1, b"trak", 2**63), bytes(30)),
        box(b"moov", box(b"mvhd"), box(b"trak", box(b"tkhd"), box(b"mdia", box(b"hdlr")))),
        box(b"moov", box(b"mvhd", b"\x07" * 99), box(b"trak", box(b"tkhd", b"\x07" * 99))),
        box(b"moov", mvhd(scale=0), trak(0, 720)),
        box(b"moov", mvhd(units=2**32 - 1), trak(1280, 0)),
        box(b"moov", mvhd(units=2**64 - 1, version=1), b"1234567"),
        box(b"moov", mvhd(units=0)),
    ],
)
def test_malformed_inner_boxes_cost_only_the_facts(moov):
    for data in (FTYP + moov + MDAT, FTYP + MDAT + moov):
        assert check("video", data) == ContentFacts("mp4", None, None, None, len(data))


def test_avif_tells_the_largest_size_if_any():
    def avif(*properties: bytes) -> bytes:
        meta = box(b"meta", bytes(4), box(b"iprp", box(b"ipco", *properties)))
        return ftyp(b"mif1", b"avif") + meta + MDAT

    def ispe(width: int, height: int) -> bytes:
        return box(b"ispe", struct.pack(">III", 0, width, height))

    facts = check("image", avif(ispe(512, 512), ispe(2048, 1024), ispe(64, 64)))
    assert (facts.width, facts.height) == (2048, 1024)
    assert check("image", avif()).width is None
    assert check("image", avif(ispe(0, 9), ispe(2**31, 9), box(b"ispe"))).width is None
    assert check("image", ftyp(b"avif") + box(b"meta") + MDAT).width is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (FTYP + MDAT, "no moov"),
        (FTYP + MOOV, "no mdat"),
        (FTYP + MOOV + box(b"mdat"), "no mdat"),
        (FTYP + box(b"free", MOOV, MDAT), "no moov"),
        (FTYP + MOOV + MDAT + b"\0\0\0\x07free", "no box"),
        (FTYP + MOOV + MDAT + b"\0\0\0\x08fr\0e", "no box"),
        (FTYP + MOOV + MDAT + bytes(4096), "no box"),
        (FTYP + MOOV + struct.pack(">I4sQ", 1, b"mdat", 15), "no box"),
        (FTYP + MOOV + struct.pack(">I4sQ", 1, b"mdat", 2**64 - 1), "cut short"),
        (box(b"ftyp", bytes(5000)), "ftyp"),
        (struct.pack(">I4s", 1, b"ftyp") + bytes(20), "ftyp"),
        (MOOV + FTYP + MDAT, "unknown format"),
    ],
)
def test_boxes_that_make_no_video_are_refused(data, words):
    assert words in problem("video", data)


def test_avif_needs_its_index_and_heif_is_not_due():
    assert "no meta" in problem("image", ftyp(b"avif") + MDAT)
    assert "HEIF" in problem("image", ftyp(b"heic", b"mif1") + AVIF[32:])
    assert "HEIF" in problem("video", ftyp(b"heic", b"mif1") + AVIF[32:])


@pytest.mark.parametrize(
    "data",
    [
        FTYP + MOOV + endless_box(b"mdat", b"12345"),
        FTYP + MDAT + endless_box(b"moov", MOOV[8:]),
        FTYP + box(b"moov", mvhd(), box(b"mvex")) + (box(b"moof") + MDAT) * 2,
    ],
)
def test_file_without_an_end_of_its_own_needs_an_announced_length(data):
    assert check("video", data, size=len(data)).format == "mp4"
    for end in range(len(data) + 1):
        assert problem("video", data[:end])
        if end < len(data):
            assert "cut short" in problem("video", data[:end], size=len(data))


def test_fragments_closed_by_an_index_need_no_length():
    data = FTYP + MOOV + box(b"moof") + MDAT + box(b"mfra", bytes(16))
    assert check("video", data).size == len(data)


# --- The checker itself


@given(st.sampled_from(["image", "video"]), st.lists(st.binary(max_size=64), max_size=8))
def test_arbitrary_bytes_raise_nothing_else(kind, pieces):
    assert problem(kind, *pieces)


@given(st.data(), st.sampled_from(sorted(WHOLE)), st.binary(min_size=1, max_size=16))
def test_damage_anywhere_raises_nothing_else(data, name, damage):
    body = bytearray(WHOLE[name][0])
    at = data.draw(st.integers(0, len(body)))
    body[at : at + data.draw(st.integers(0, 16))] = damage
    split = data.draw(st.integers(0, len(body)))
    try:
        facts = check(due(name), body[:split], body[split:])
    except IncompleteDownload:
        return
    assert facts.size == len(body)


def test_the_answer_stays_the_same():
    good = ContentCheck("image")
    good.feed(PNG)
    assert good.finish() == good.finish()
    bad = ContentCheck("image")
    for call in (lambda: bad.feed(bytes(99)), lambda: bad.feed(PNG), bad.finish, bad.finish):
        with pytest.raises(IncompleteDownload, match="unknown format"):
            call()


@whole
def test_fed_buffers_are_let_go(name):
    body = WHOLE[name][0]
    content = ContentCheck(due(name))
    for at in range(0, len(body), 7):
        piece = bytearray(body[at : at + 7])
        content.feed(piece)
        piece.append(0)  # a BufferError if anything still looked at it
    assert content.finish().size == len(body)


@pytest.mark.parametrize("form", ["I", "B"])
def test_views_of_other_items_count_in_bytes(form):
    data = JPEG + bytes(-len(JPEG) % 4)
    assert check("image", memoryview(data).cast(form)).size == len(data)


@pytest.mark.parametrize(
    ("kind", "start", "part"),
    [
        ("image", PNG_SIGNATURE + ihdr(), png_chunk(b"tEXt")),
        ("image", SOI + b"\xff\xe0\0\x02", b"\xff\xe0\0\x02"),
        ("video", FTYP, box(b"free")),
        ("video", FTYP + struct.pack(">I4s", 2**31, b"moov"), box(b"free")),
        ("image", b"RIFF\xff\xff\xff\x7fWEBP" + VP8X, webp_chunk(b"EXIF", b"")),
    ],
)
def test_a_flood_of_empty_parts_is_refused(kind, start, part, monkeypatch):
    monkeypatch.setattr(source, "MAX_PARTS", 100)
    assert "more than 100 parts" in problem(kind, start + part * 101)
