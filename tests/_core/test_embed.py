"""Provenance goes in beside the pixels: read back by another program, and nothing else moved."""

import io
import re
import struct
import xml.etree.ElementTree as ET
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from session_kit import png

from dreamina_async import ImageRequest, VideoRequest
from dreamina_async._core.content import ContentCheck
from dreamina_async._core.embed import NotUnderstood, embedded, provenance
from dreamina_async._core.embed.xmp import NAMESPACE

PROMPT = "月下独酌 <b>&amp;</b> ]]> \"x\" 'y'\nsecond line 🦊"
FACTS = provenance(ImageRequest(PROMPT, seed=7, negative_prompt="文字"), "a-submit-id", "4711")
DC = "{http://purl.org/dc/elements/1.1/}"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"


def with_facts(data: bytes, facts=FACTS, kind="image") -> bytes:
    content = checked(data, kind)
    pieces = embedded(content, lambda at, count: data[at : at + count], facts)
    new = b"".join(one if isinstance(one, bytes) else data[one.start : one.stop] for one in pieces)
    again = checked(new, kind)
    assert (again.format, again.width, again.height) == (
        content.format,
        content.width,
        content.height,
    )
    assert again.duration_ms == content.duration_ms
    return new


def checked(data: bytes, kind="image"):
    check = ContentCheck(kind)
    check.feed(data)
    return check.finish(len(data))


def picture(kind: str, mode: str = "RGB", **options) -> bytes:
    image = Image.effect_noise((40, 30), 60).convert(mode)
    if "A" in mode:
        image.putalpha(Image.linear_gradient("L").resize((40, 30)))
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return image.mode.encode() + image.tobytes()


def xmp_of(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return image.info["xmp"]


def properties(packet: bytes) -> dict[str, str]:
    """Ours, and the description, as an XML parser reads them."""
    root = ET.fromstring(packet.split(b"?>", 1)[1].rsplit(b"<?xpacket", 1)[0])
    found = {}
    for one in root.iter():
        if one.tag.startswith(f"{{{NAMESPACE}}}"):
            found[one.tag.split("}")[1]] = one.text
        if one.tag == f"{DC}description":
            found["description"] = one.find(f".//{RDF}li").text
    return found


# ---- which facts -----------------------------------------------------------------------


def test_facts_are_what_is_known_and_nothing_private():
    assert FACTS == {
        "prompt": PROMPT,
        "model": "jimeng-image-4.0",
        "submit_id": "a-submit-id",
        "history_id": "4711",
        "seed": "7",
        "negative_prompt": "文字",
    }
    assert provenance(None, None, "4711") == {"history_id": "4711"}
    video = provenance(VideoRequest("sea", first_frame="/home/me/secret.png"), "s", None)
    assert set(video) == {"prompt", "model", "submit_id"}


def test_what_xml_cannot_hold_is_replaced():
    facts = provenance(ImageRequest("a\x01b\x0bc\x7fd\uffff e\tf"), "s", None)
    assert facts["prompt"] == "a\ufffdb\ufffdc\x7fd\ufffd e\tf"


# ---- PNG -------------------------------------------------------------------------------


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    at, found = 8, []
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length :][:4])[0] == zlib.crc32(kind + body)
        found.append((kind, body))
        at += 12 + length
    return found


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L"])
def test_png_texts_are_read_by_another_program(mode: str) -> None:
    data = picture("PNG", mode)
    new = with_facts(data)
    with Image.open(io.BytesIO(new)) as image:  # before the pixels: there without decoding
        assert image.text["Description"] == PROMPT
        assert image.text["Software"] == "dreamina-async"
        ours = {name[9:]: text for name, text in image.text.items() if ":" in name}
    assert ours == FACTS
    assert pixels(new) == pixels(data)
    assert [one for one in chunks(new) if one[0] != b"iTXt"] == chunks(data)


def test_png_without_a_prompt_has_no_description() -> None:
    with Image.open(io.BytesIO(with_facts(png(), {"history_id": "1"}))) as image:
        assert set(image.text) == {"Software", "dreamina:history_id"}


def test_a_signed_png_stays_as_it_is() -> None:
    data = png()
    body = b"caBX" + b"jumb"
    signed = struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body))
    with pytest.raises(NotUnderstood, match="C2PA"):
        with_facts(data[:33] + signed + data[33:])


# ---- JPEG ------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": True}, {"icc": True}])
def test_jpeg_has_a_packet_that_others_read(options: dict) -> None:
    if options.pop("exif", False):
        exif = Image.Exif()
        exif[0x010E] = "a description"
        options["exif"] = exif
    if options.pop("icc", False):
        options["icc_profile"] = bytes(200)
    data = picture("JPEG", **options)
    new = with_facts(data)
    assert properties(xmp_of(new)) == {"description": PROMPT, **FACTS}
    assert pixels(new) == pixels(data)
    scan = data.index(b"\xff\xda")
    assert new[-(len(data) - scan) :] == data[scan:]
    app0 = 2 + 2 + struct.unpack(">H", data[4:6])[0]
    assert new[:app0] == data[:app0]


def test_jpeg_keeps_what_its_own_packet_says() -> None:
    other = (
        b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:t="urn:t:" t:AIGC="{label}"/>'
        b'</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    )
    for kind in ("JPEG", "WEBP"):
        new = with_facts(picture(kind, xmp=other))
        packet = xmp_of(new)
        assert new.count(b"<x:xmpmeta") == 1
        assert b't:AIGC="{label}"' in packet
        assert properties(packet) == FACTS  # the description is the other writer's affair


def test_jpeg_with_an_unknown_packet_stays_as_it_is() -> None:
    with pytest.raises(NotUnderstood, match="unknown way"):
        with_facts(picture("JPEG", xmp=b"whatever"))
    with pytest.raises(NotUnderstood, match="too long"):
        with_facts(picture("JPEG"), {"prompt": "&" * 20_000})


def test_a_signed_jpeg_stays_as_it_is() -> None:
    data = picture("JPEG")
    with pytest.raises(NotUnderstood, match="C2PA"):
        with_facts(data[:2] + b"\xff\xeb\x00\x06JP\x00\x01" + data[2:])


def test_jpeg_with_filling_between_segments_stays_as_it_is() -> None:
    data = picture("JPEG")
    with pytest.raises(NotUnderstood, match="headers"):
        with_facts(data[:2] + b"\xff" + data[2:])


# ---- WebP ------------------------------------------------------------------------------

WEBP = {
    "lossy": ("RGB", {}),
    "lossless": ("RGB", {"lossless": True}),
    "lossless alpha": ("RGBA", {"lossless": True}),
    "extended": ("RGBA", {}),
    "with exif": ("RGB", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}),
}


@pytest.mark.parametrize("kind", WEBP)
def test_webp_has_a_packet_that_others_read(kind: str) -> None:
    mode, options = WEBP[kind]
    data = picture("WEBP", mode, **options)
    new = with_facts(data)
    assert properties(xmp_of(new)) == {"description": PROMPT, **FACTS}
    assert pixels(new) == pixels(data)
    before, after = riff(data), riff(new)
    assert [one for one in after if one[0] not in (b"VP8X", b"XMP ")] == [
        one for one in before if one[0] != b"VP8X"
    ]
    assert (after[0][0], after[-1][0]) == (b"VP8X", b"XMP ")
    assert after[0][1][0] & 0x04
    assert bool(after[0][1][0] & 0x10) == ("A" in mode)


def riff(data: bytes) -> list[tuple[bytes, bytes]]:
    assert struct.unpack("<I", data[4:8])[0] + 8 == len(data)
    at, found = 12, []
    while at < len(data):
        kind, length = struct.unpack("<4sI", data[at : at + 8])
        found.append((kind, data[at + 8 : at + 8 + length]))
        at += 8 + length + (length & 1)
    return found


def test_webp_that_is_not_filled_exactly_stays_as_it_is() -> None:
    with pytest.raises(NotUnderstood, match="exactly"):
        with_facts(picture("WEBP") + b"\0\0")


# ---- MP4 -------------------------------------------------------------------------------


def box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


FTYP = box(b"ftyp", b"isom\0\0\0\0isom")
MP4 = FTYP + box(b"moov", box(b"free")) + box(b"mdat", bytes(range(200)))
XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")


@pytest.mark.parametrize("order", [MP4, FTYP + MP4[-208:] + box(b"moov", box(b"free"))])
def test_mp4_grows_at_its_end_and_nothing_moves(order: bytes) -> None:
    new = with_facts(order, kind="video")
    assert new.startswith(order)
    added = new[len(order) :]
    assert struct.unpack(">I4s16s", added[:24]) == (len(added), b"uuid", XMP_UUID)
    assert properties(added[24:]) == {"description": PROMPT, **FACTS}


def test_mp4_that_has_a_packet_at_its_end_keeps_what_it_says() -> None:
    first = with_facts(MP4, {"prompt": "older"}, kind="video")
    foreign = first.replace(NAMESPACE.encode(), NAMESPACE.replace("dreamina", "somebody").encode())
    new = with_facts(foreign, kind="video")
    assert new.count(b"<x:xmpmeta") == 1
    assert properties(new[new.index(XMP_UUID) + 16 :]) == {"description": "older", **FACTS}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (FTYP + box(b"moov") + b"\0\0\0\0mdatrest", "no length"),
        (MP4 + box(b"moof") + box(b"mfra"), "index of fragments"),
        (FTYP + box(b"uuid", XMP_UUID + b"x") + MP4[20:], "between other boxes"),
        (MP4 + box(b"uuid", bytes.fromhex("d8fec3d61b0e483c92975828877ec481")), "C2PA"),
        (MP4 + box(b"uuid", XMP_UUID + b"x"), "unknown way"),
    ],
)
def test_mp4_of_another_build_stays_as_it_is(data: bytes, why: str) -> None:
    with pytest.raises(NotUnderstood, match=why):
        with_facts(data, kind="video")


def test_avif_stays_as_it_is() -> None:
    data = box(b"ftyp", b"avif\0\0\0\0avifmif1") + box(b"meta", bytes(4)) + box(b"mdat", b"x")
    with pytest.raises(NotUnderstood, match="AVIF"):
        with_facts(data)


# ---- all of them -----------------------------------------------------------------------

FILES = {
    "png": (picture("PNG"), "image"),
    "jpeg": (picture("JPEG"), "image"),
    "webp": (picture("WEBP"), "image"),
    "mp4": (MP4, "video"),
}


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=200)


@given(st.sampled_from(sorted(FILES)), TEXT, st.integers(0, 2**31))
def test_any_prompt_can_be_read_back(name: str, prompt: str, seed: int) -> None:
    facts = provenance(ImageRequest(f"a{prompt}", seed=seed), "id", None)
    data, kind = FILES[name]
    new = with_facts(data, facts, kind)
    assert new == with_facts(data, facts, kind)
    if name == "png":
        with Image.open(io.BytesIO(new)) as image:
            assert image.text["dreamina:prompt"] == facts["prompt"]
    else:
        (packet,) = re.findall(rb"<\?xpacket.*w\"\?>", new, re.DOTALL)
        assert properties(packet)["prompt"] == facts["prompt"]


@given(st.sampled_from(sorted(FILES)), st.data())
def test_damaged_bytes_end_in_one_way_only(name: str, data: st.DataObject) -> None:
    """The check has let the file pass, but whatever it holds, nothing else comes out."""
    body, kind = FILES[name]
    content = checked(body, kind)
    damaged = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(damaged[: data.draw(st.integers(0, len(body)))])
    try:
        pieces = embedded(content, lambda at, count: cut[at : at + count], FACTS)
    except NotUnderstood:
        return
    assert pieces
