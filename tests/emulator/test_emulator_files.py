import zlib

import pytest

from dreamina_async.emulator.mp4 import mp4, sample_for
from dreamina_async.emulator.png import png
from dreamina_async.emulator.sizes import TABLE

SIZES = [(1, 1), (3, 2), (64, 48), (1024, 682), (2048, 2048)]


def chunks(data):
    """Walk a PNG's chunks and check each CRC."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    place, found = 8, []
    while place < len(data):
        length = int.from_bytes(data[place : place + 4])
        kind, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        assert len(body) == length
        crc = int.from_bytes(data[place + 8 + length : place + 12 + length])
        assert crc == zlib.crc32(kind + body)
        found.append((kind, body))
        place += 12 + length
    return found


def boxes(data):
    """Walk an MP4's top-level boxes."""
    place, found = 0, []
    while place < len(data):
        length = int.from_bytes(data[place : place + 4])
        assert 8 <= length <= len(data) - place
        found.append((data[place + 4 : place + 8], data[place + 8 : place + length]))
        place += length
    return found


def unfilter(raw, width, height):
    """Undo the Sub and Up filters of a one-byte-a-pixel image."""
    rows, above = [], bytes(width)
    for y in range(height):
        kind, *row = raw[y * (width + 1) : (y + 1) * (width + 1)]
        assert kind in {1, 2}
        if kind == 1:
            for x in range(1, width):
                row[x] = (row[x] + row[x - 1]) % 256
        else:
            row = [(a + b) % 256 for a, b in zip(row, above, strict=True)]
        rows.append(row)
        above = row
    return rows


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_png_is_whole_and_has_its_size(width, height):
    data = b"".join(png(width, height, b"n" * 32, "s-1 0"))
    found = chunks(data)
    assert [kind for kind, _ in found] == [b"IHDR", b"PLTE", b"tEXt", b"IDAT", b"IEND"]
    header = found[0][1]
    assert (int.from_bytes(header[:4]), int.from_bytes(header[4:8])) == (width, height)
    assert header[8:] == b"\x08\x03\x00\x00\x00"
    assert len(found[1][1]) == 768
    assert found[2][1].startswith(b"Comment\x00s-1 0")
    raw = zlib.decompress(found[3][1])
    assert len(raw) == height * (width + 1)
    assert len(data) < 16_000


def test_a_png_shows_a_smooth_pattern():
    raw = zlib.decompress(chunks(b"".join(png(64, 48, b"n" * 32, "")))[3][1])
    rows = unfilter(raw, 64, 48)
    assert len({pixel for row in rows for pixel in row}) > 100


def test_pngs_differ_by_name_share_their_pixels_and_can_be_padded():
    one, two = png(64, 48, b"a" * 32, "x"), png(64, 48, b"b" * 32, "x")
    assert one[2] != two[2]
    assert one[4] is two[4]
    padded = b"".join(png(64, 48, b"a" * 32, "x", 50_000))
    assert len(padded) == 50_000
    assert chunks(padded)[-2][0] == b"paDd"


def test_the_tables_hold_every_ratio_in_its_shape():
    for sizes in TABLE.values():
        for ratio, (width, height) in sizes.items():
            across, down = map(int, ratio.split(":"))
            assert width / height == pytest.approx(across / down, rel=0.02)


@pytest.mark.parametrize("ratio", ["16:9", "9:16", "1:1", "21:9"])
@pytest.mark.parametrize("rendition", ["origin", "preview"])
def test_an_mp4_is_whole_and_marked(ratio, rendition):
    sample = sample_for(ratio).of(rendition)
    data = b"".join(mp4(sample, "s-1 0", 30_000))
    found = boxes(data)
    kinds = [kind for kind, _ in found]
    assert kinds[0] == b"ftyp"
    assert {b"moov", b"mdat"} <= set(kinds)
    assert kinds[-1] == b"free"
    assert found[-1][1].startswith(b"s-1 0")
    assert len(data) == 30_000
    movie = dict(found)[b"moov"]
    assert b"avc1" in movie
    # mvhd version 0: after its name come four flags, two dates, the timescale and the duration.
    place = movie.index(b"mvhd") + 16
    scale = int.from_bytes(movie[place : place + 4])
    ticks = int.from_bytes(movie[place + 4 : place + 8])
    assert 1000 * ticks / scale == sample.duration_ms
    # tkhd ends with width and height as 16.16 fixed point.
    place = movie.index(b"tkhd") + 80
    size = [int.from_bytes(movie[p : p + 4]) / 65536 for p in (place, place + 4)]
    assert size == [sample.width, sample.height]
