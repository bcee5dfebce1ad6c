"""Who is let in: the spelling of the region, the right cluster, an acceptable sign."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .catalogue import CN_AID, INTL_AID
from .envelope import Refusal
from .signing import sign_accepted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .catalogue import Market
    from .variants import Cluster, Variants

# The clusters by `aid` and by the regions they serve (protocol notes 1.1, 1.2).
_CLUSTERS: dict[Cluster, tuple[str, frozenset[str]]] = {
    "cn": (CN_AID, frozenset({"cn"})),
    "us": (INTL_AID, frozenset({"us"})),
    "asia": (INTL_AID, frozenset({"hk", "jp", "sg"})),
}
# These take the cookie alone (S1, protocol notes 9).
_UNSIGNED = ("/dreamina/", "/passport/")


def check_caller(
    rules: Variants, path: str, query: Mapping[str, str], headers: Mapping[str, str], now: float
) -> None:
    """Refuse a call that comes to the wrong place, or with a wrong region or sign."""
    if path.startswith(_UNSIGNED):
        return
    _check_region(rules, query.get("region", ""))
    _check_cluster(rules.cluster, query)
    if not sign_accepted(rules, path, headers, now):
        raise Refusal(rules.sign_refusal)


def market_of(query: Mapping[str, str]) -> Market:
    """Say where a call comes from: China, unless its ``aid`` is the other one."""
    if query.get("aid") != INTL_AID:
        return "cn"
    return "us" if query.get("region", "").lower() == "us" else "asia"


def _check_region(rules: Variants, region: str) -> None:
    # Calls without any parameter work as well (protocol notes 1.3).
    spelled = {"lower": region.lower(), "upper": region.upper()}.get(rules.region_query, region)
    if region != spelled:
        raise Refusal("1000", "invalid parameter: region")


def _check_cluster(cluster: Cluster, query: Mapping[str, str]) -> None:
    """Refuse with 1015, as the wrong cluster for an account does (INT)."""
    if cluster == "any":
        return
    aid, regions = _CLUSTERS[cluster]
    if query.get("aid", aid) != aid or query.get("region", min(regions)).lower() not in regions:
        raise Refusal("1015")
