"""XMP packets (ISO 16684-1): the same few properties in every container that takes them."""

from collections.abc import Mapping
from html import escape

from dreamina_async._core.embed.pieces import NotUnderstood
from dreamina_async._core.embed.provenance import TOOL

NAMESPACE = "urn:dreamina-async:provenance:1:"

_END = b"</rdf:RDF>"
_NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "dreamina": NAMESPACE,
}
_MADE_BY_A_MODEL = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def packet(facts: Mapping[str, str]) -> bytes:
    """A whole packet."""
    text = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        f"{_description(_common(facts) + _own(facts))}"
        '</rdf:RDF></x:xmpmeta>\n<?xpacket end="w"?>'
    )
    return text.encode()


def merged(old: bytes, facts: Mapping[str, str]) -> bytes:
    """A packet that was there, with our own properties added; it may say the others itself.

    Raises:
        NotUnderstood: it is written in another way than all known writers write it.
    """
    if old.count(_END) != 1 or NAMESPACE.encode() in old:
        raise NotUnderstood("its XMP is written in an unknown way")
    before, after = old.split(_END)
    return before + _description(_own(facts)).encode() + _END + after


def _description(properties: str) -> str:
    names = "".join(
        f' xmlns:{name}="{space}"'
        for name, space in _NAMESPACES.items()
        if f"<{name}:" in properties
    )
    return f'<rdf:Description rdf:about=""{names}>\n{properties}</rdf:Description>\n'


def _common(facts: Mapping[str, str]) -> str:
    """What programs that know nothing of us look at."""
    lines = [
        f"<xmp:CreatorTool>{TOOL}</xmp:CreatorTool>\n",
        f"<Iptc4xmpExt:DigitalSourceType>{_MADE_BY_A_MODEL}</Iptc4xmpExt:DigitalSourceType>\n",
    ]
    if "prompt" in facts:
        words = _text(facts["prompt"])
        item = f'<rdf:Alt><rdf:li xml:lang="x-default">{words}</rdf:li></rdf:Alt>'
        lines.append(f"<dc:description>{item}</dc:description>\n")
    return "".join(lines)


def _own(facts: Mapping[str, str]) -> str:
    return "".join(
        f"<dreamina:{name}>{_text(value)}</dreamina:{name}>\n" for name, value in facts.items()
    )


def _text(value: str) -> str:
    return escape(value, quote=False).replace("\r", "&#13;")
