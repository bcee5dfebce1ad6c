"""The service as each single note tells it: bundles of options."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Dialect = Literal["s0", "s1", "s2", "s3", "s4"]

# `region` stays free in all of them: both spellings work (protocol notes 1.3).
DIALECTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "s0": {
            "numbering": "s0",
            "id_kinds": "history",
            "minimal_records": True,
            "no_fail_code": "absent",
            "video_shape": "A",
        },
        # Submits through the MCP endpoint, polls without a sign.
        "s1": {
            "numbering": "s1",
            "id_kinds": "submit",
            "minimal_records": True,
            "no_fail_code": "absent",
            "video_shape": "A",
            "sign_mode": "ignore",
            "mcp_reply": "bare",
        },
        "s2": {
            "numbering": "s2",
            "id_kinds": "history",
            "video_shape": "C",
            "finish_time_ms": True,
            "unknown_ids": "error",
            "code_texts": "notes",
        },
        "s3": {
            "numbering": "s3",
            "generate_shape": "flat",
            "id_kinds": "submit",
            "sparse_records": True,
        },
        # S4 looks at the results only, and where S0 does.
        "s4": {
            "numbering": "s0",
            "id_kinds": "history",
            "minimal_records": True,
            "no_fail_code": "absent",
            "video_shape": "A",
        },
    }
)
