"""Which of the contradicting accounts of the service is played (protocol notes 12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

from .choice import one_of

if TYPE_CHECKING:
    from collections.abc import Mapping

Numbering = Literal["default", "s0", "s1", "s2", "s3", "bundle"]
GenerateShape = Literal["aigc_data", "flat"]
ReplyKeys = Literal["asked", "history", "submit", "list"]
UnknownIds = Literal["absent", "error"]
IdKind = Literal["history", "submit"]
IdKinds = Literal["both", "history", "submit", "history_only", "submit_only"]
NoFailCode = Literal["null", "empty", "zero", "zero_int", "absent"]
VideoShape = Literal["A", "B", "C", "D", "E", "F", "P"]
SignMode = Literal["ignore", "verify", "require"]
SignRefusal = Literal["1014", "3018"]
RegionQuery = Literal["any", "lower", "upper"]
Cluster = Literal["any", "cn", "us", "asia"]
RatioCodes = Literal["any", "official", "s4", "hundreds"]
SizeTables = Literal["any", "official", "older"]
GenOptionInside = Literal["ignore", "refuse"]
CreatedTime = Literal["any", "text", "number"]
VideoMode = Literal["any", "two", "by_frames"]
TotalCounts = Literal["results", "references"]
Forecast = Literal["seconds", "credits"]
CommerceShape = Literal["both", "response", "data"]
CodeTexts = Literal["bundle", "notes"]
McpReply = Literal["cli", "bare"]

# The status numbers that mean failure, by the one who numbers (protocol notes 5.6).
FAILURES: Mapping[Numbering, frozenset[int]] = {
    # What some client or other takes for a failure in real traffic.
    "default": frozenset({-1, 30, 40, 60, 70, 80, 100}),
    "s0": frozenset({30}),
    "s1": frozenset({-1}),
    "s2": frozenset({30}),
    "s3": frozenset({30}),
    "bundle": frozenset({10, 30, 40, 100}),
}


@attrs.frozen(kw_only=True)
class Variants:
    """The contradictions, one attribute for each account of the matter.

    "Row" is the number in the checklist of protocol notes 12.

    Attributes:
        region_query: How ``region`` must be spelled, if it is sent; else 1000 (row 1).
        cluster: Where the accounts live: another ``aid`` or ``region`` is 1015 (notes 1.1).
        generate_shape: Where the generate reply keeps the record: S4, S3 (row 2).
        reply_keys: What the ``data`` of a status reply is keyed by (row 3).
        numbering: Whose status numbers are used (row 4, protocol notes 5.6).
        no_fail_code: How "nothing failed" is written (row 5).
        numeric_fail_codes: Write fail codes as numbers (row 5).
        ratio_codes: Which family ``image_ratio`` must be of; ``hundreds`` at 4k (row 6).
        size_tables: Which 1k and 4k pixels are made (row 7): those asked for, the official
            ones, or those of older models and clients.
        gen_option_inside: What becomes of a ``gen_option`` inside ``generate`` (row 8): AIC saw
            it ignored, JSP refused with 3018.
        video_shape: Where a video item keeps its URL (row 9); ``P`` has a small preview alone.
        sign_mode: What to do about the ``sign`` header (row 10, protocol notes 1.6).
        sign_tolerance: Seconds by which a signed ``device-time`` may differ from the service's
            clock; ``None`` takes any. The real tolerance is unknown.
        sign_refusal: The code of a bad ``sign``: 1014, or JSP's 3018 (row 10).
        code_texts: What the disputed codes say they mean: the official bundle or S2, LUH and
            IPT (row 11); with the notes a status call's wrong ids are 2002 (S2), not 1000.
        total_counts: What ``total_image_count`` counts in a blend (row 12).
        unknown_ids: When no id of a status call is known: no keys, or S2's 2001 (row 13).
        created_time: How a draft must write ``created_time_in_ms``; else 1002 (row 14).
        finish_time_ms: Write ``finish_time`` in milliseconds, as S2 does (row 14).
        commerce_shape: Where a commerce reply keeps its payload (row 16).
        forecast: What ``forecast_generate_cost`` is: seconds, or what S3 took it for (row 16).
        video_mode: Whether ``video_mode`` must be 2, or 0 with frames as ZHI has it (row 17).
        id_kinds: Which ids status calls know (S0 and S1 name one each): ``history`` and
            ``submit`` overlook the other kind, the ``_only`` ones refuse it with 1000.
        minimal_records: Show only the keys S0 and S1 show.
        sparse_records: Show only the keys of S3's captured poll while a job runs.
        wrong_figures: Tell sizes and digests in records that are not those of the files.
        numeric_ids: Write history ids as numbers.
        mcp_reply: What the MCP endpoint answers: as its public sibling does, or with the bare
            submit id, which is all that S1 relies on.
    """

    region_query: RegionQuery = attrs.field(default="any", validator=one_of(RegionQuery))
    cluster: Cluster = attrs.field(default="any", validator=one_of(Cluster))
    generate_shape: GenerateShape = attrs.field(
        default="aigc_data", validator=one_of(GenerateShape)
    )
    reply_keys: ReplyKeys = attrs.field(default="asked", validator=one_of(ReplyKeys))
    numbering: Numbering = attrs.field(default="default", validator=one_of(Numbering))
    no_fail_code: NoFailCode = attrs.field(default="null", validator=one_of(NoFailCode))
    numeric_fail_codes: bool = False
    ratio_codes: RatioCodes = attrs.field(default="any", validator=one_of(RatioCodes))
    size_tables: SizeTables = attrs.field(default="any", validator=one_of(SizeTables))
    gen_option_inside: GenOptionInside = attrs.field(
        default="ignore", validator=one_of(GenOptionInside)
    )
    video_shape: VideoShape = attrs.field(default="B", validator=one_of(VideoShape))
    sign_mode: SignMode = attrs.field(default="verify", validator=one_of(SignMode))
    sign_tolerance: float | None = None
    sign_refusal: SignRefusal = attrs.field(default="1014", validator=one_of(SignRefusal))
    code_texts: CodeTexts = attrs.field(default="bundle", validator=one_of(CodeTexts))
    total_counts: TotalCounts = attrs.field(default="results", validator=one_of(TotalCounts))
    unknown_ids: UnknownIds = attrs.field(default="absent", validator=one_of(UnknownIds))
    created_time: CreatedTime = attrs.field(default="any", validator=one_of(CreatedTime))
    finish_time_ms: bool = False
    commerce_shape: CommerceShape = attrs.field(default="both", validator=one_of(CommerceShape))
    forecast: Forecast = attrs.field(default="seconds", validator=one_of(Forecast))
    video_mode: VideoMode = attrs.field(default="any", validator=one_of(VideoMode))
    id_kinds: IdKinds = attrs.field(default="both", validator=one_of(IdKinds))
    minimal_records: bool = False
    sparse_records: bool = False
    wrong_figures: bool = False
    numeric_ids: bool = False
    mcp_reply: McpReply = attrs.field(default="cli", validator=one_of(McpReply))
