"""The models, what they accept and what they cost (protocol notes 2.4, 2.6, 3.4, 7)."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import attrs

from .envelope import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

CN_AID = "513695"
INTL_AID = "513641"
Market = Literal["cn", "us", "asia"]
_CN: frozenset[Market] = frozenset({"cn"})
_US: frozenset[Market] = frozenset({"us"})
_ASIA: frozenset[Market] = frozenset({"asia"})
_ABROAD = _US | _ASIA
_ALL = _CN | _ABROAD


@attrs.frozen
class ImageModel:
    """An image model: its name and, by resolution, the price of one image.

    ``most`` 0 means the count cannot be chosen; ``older`` are 3.1 and all before it.
    """

    name: str
    prices: Mapping[str, float]
    markets: frozenset[Market] = _ALL
    most: int = 8
    default_count: int = 4
    default_resolution: str = "2k"
    older: bool = False

    @property
    def resolutions(self) -> tuple[str, ...]:
        """The resolutions it makes."""
        return tuple(self.prices)

    def price(self, resolution: str, count: int, references: int = 0) -> int:
        """Say what a job costs: whole credits, at least one.

        A blend at 1k was measured at twice the price of text to image (protocol notes 7).
        """
        dear = 2 if references and resolution == "1k" else 1
        return max(1, math.ceil(self.prices[resolution] * dear * count))


@attrs.frozen
class VideoModel:
    """A video model: by resolution, the price of five seconds, and what it is paid from.

    ``benefits`` empty means that the notes name none; ``*`` in one stands for the resolution.
    """

    name: str
    prices: Mapping[str, int]
    durations: tuple[int, ...]
    benefits: tuple[str, ...] = ()
    markets: frozenset[Market] = _ALL

    @property
    def resolutions(self) -> tuple[str, ...]:
        """The resolutions it makes."""
        return tuple(self.prices)

    def benefits_at(self, resolution: str) -> tuple[str, ...]:
        """Name the values of ``benefit_type`` that pay for this resolution."""
        return tuple(each.replace("*", resolution) for each in self.benefits)

    def price(self, seconds: int, resolution: str, count: int) -> int:
        """Say what so many videos of this length cost; only five seconds were measured."""
        return max(1, round(self.prices[resolution] * seconds / 5)) * count


def _prices(**prices: float) -> Mapping[str, float]:
    names = {"k1": "1k", "k15": "1.5k", "k2": "2k", "k4": "4k"}
    return MappingProxyType({names[name]: price for name, price in prices.items()})


# Measured: 1k, 2k of 4.x; 2k of 5.0; 1k of 3.x; mj82. The other figures are guesses between.
_4X = _prices(k1=0.25, k2=4, k4=8)
_3X = _prices(k1=1, k2=4)
_2X = _prices(k1=1)
_INTL = _prices(k1=1, k2=4, k4=8)


def _older(name: str, prices: Mapping[str, float], markets: frozenset[Market] = _CN) -> ImageModel:
    # 1k is what S4 says of 3.x.
    return ImageModel(name, prices, markets, 0, default_resolution="1k", older=True)


IMAGE_MODELS = {
    "high_aes_general_v50p_large": ImageModel(
        "图片 5.0 Pro", _prices(k1=8, k15=8, k2=8, k4=16), _CN, 4, 2
    ),
    "high_aes_general_v50": ImageModel("图片 5.0 Lite", _prices(k2=3, k4=6), _CN | _ASIA),
    "high_aes_general_v50_flash": ImageModel("图片 5.0 Flash", _prices(k15=3, k2=3), _CN, 4),
    "high_aes_general_v43": ImageModel("图片 4.7", _4X, _CN),
    "high_aes_general_v42": ImageModel("图片 4.6", _4X, _CN | _ASIA),
    "high_aes_general_v40l": ImageModel("图片 4.5", _4X),
    "high_aes_general_v41": ImageModel("图片 4.1", _4X),
    "high_aes_general_v40": ImageModel("图片 4.0", _4X),
    "high_aes_general_v30l_art_fangzhou:general_v3.0_18b": _older("图片 3.1", _3X),
    "high_aes_general_v30l_art:general_v3.0_18b": _older("图片 3.1", _3X, _ABROAD),
    "high_aes_general_v30l:general_v3.0_18b": _older("图片 3.0", _3X, _ALL),
    "high_aes_general_v21_L:general_v2.1_L": _older("图片 2.1", _2X),
    "high_aes_general_v20_L:general_v2.0_L": _older("图片 2.0 Pro", _2X),
    "high_aes_general_v20:general_v2.0": _older("图片 2.0", _2X),
    "high_aes_general_v14:general_v1.4": _older("图片 1.4", _2X),
    "text2img_xl_sft": _older("图片 XL Pro", _2X),
    "jm_image_model_yc_mj82": ImageModel(
        "mj82", _prices(k1=5, k2=7), _CN, 4, default_resolution="1k"
    ),
    "external_model_gemini_flash_image_v25": ImageModel(
        "nanobanana", _prices(k1=1, k2=4), _ABROAD, 0, default_resolution="1k"
    ),
    "dreamina_image_lib_1": ImageModel("nanobananapro", _INTL, _ABROAD, 0),
    "dreamina_lib_img_20260423": ImageModel("dreamina lib", _INTL, _ABROAD),
    "gpt_image_2": ImageModel("gpt image 2", _INTL, _US),
    "gemini_3_image_pro": ImageModel("gemini 3 image pro", _INTL, _US),
    "dreamina_gpt_image_2_5_flare": ImageModel("gpt image 2.5 flare", _INTL, _US),
    "dreamina_gpt_image_2_5_sunburst": ImageModel("gpt image 2.5 sunburst", _INTL, _US),
}

_LONG = tuple(range(4, 16))
_VGFM = "dreamina_ic_generate_video_model_vgfm"
_BASIC = ("basic_video_operation_vgfm_v_three",)
_HD = {"720p": 10, "1080p": 20}
# Measured per five seconds: mini, 2.0 fast and 2.0 (both VIP) at 720p, 2.5's draft at 480p.
_SEEDANCE_25 = VideoModel(
    "视频 2.5", {"480p": 45, "720p": 70, "1080p": 140}, tuple(range(4, 31)), (), _CN
)
VIDEO_MODELS = {
    "dreamina_seedance_45_pro": _SEEDANCE_25,
    "dreamina_seedance_45_pro_draft": _SEEDANCE_25,
    "dreamina_seedance_40_pro": VideoModel(
        "视频 2.0",
        {"720p": 70},
        _LONG,
        ("dreamina_video_seedance_20_pro", "dreamina_video_seedance_20_video_add"),
        _CN,
    ),
    "dreamina_seedance_40": VideoModel(
        "视频 2.0 fast",
        {"720p": 30},
        _LONG,
        ("dreamina_seedance_20_fast", "dreamina_seedance_20_fast_with_video"),
        _CN,
    ),
    "dreamina_seedance_40_pro_vision": VideoModel(
        "视频 2.0 VIP",
        {"720p": 70, "1080p": 140, "4k": 280},
        _LONG,
        ("seedance_20_pro_*_output",),
        _CN,
    ),
    "dreamina_seedance_40_vision": VideoModel(
        "视频 2.0 fast VIP", {"720p": 30}, _LONG, ("seedance_20_fast_*_output",), _CN
    ),
    "dreamina_seedance_40_mini": VideoModel(
        "视频 2.0 mini", {"720p": 24}, _LONG, ("seedance_20_mini_*_output",), _CN
    ),
    f"{_VGFM}_3.5_pro": VideoModel(
        "视频 3.5 Pro", {"720p": 20}, tuple(range(4, 13)), ("dreamina_video_seedance_15_pro",)
    ),
    f"{_VGFM}_3.0_pro": VideoModel(
        "视频 3.0 Pro",
        {"1080p": 20},
        tuple(range(3, 11)),
        (*_BASIC, f"{_BASIC[0]}_pro"),
        _CN | _ASIA,
    ),
    f"{_VGFM}_3.0": VideoModel("视频 3.0", _HD, (5, 10), _BASIC),
    f"{_VGFM}_3.0_fast": VideoModel("视频 3.0 fast", _HD, (5, 10), _BASIC, _CN | _ASIA),
    f"{_VGFM}_lite": VideoModel("视频 S2.0", {"720p": 10}, (5, 10), _BASIC, _CN | _ASIA),
    f"{_VGFM}1.0": VideoModel("视频 2.0 Pro", {"720p": 10}, (5, 10), _BASIC, _CN | _ASIA),
    "dreamina_veo3_generate_video": VideoModel(
        "veo3", {"720p": 80}, (8,), ("generate_video_veo3",), _ASIA
    ),
    "dreamina_veo3.1_generate_video": VideoModel(
        "veo3.1", {"720p": 80}, (8,), ("generate_video_veo3.1",), _ASIA
    ),
    "dreamina_sora2_generate_video": VideoModel(
        "sora2", {"720p": 80}, (4, 8, 12), ("generate_video_sora2",), _ASIA
    ),
}
VIDEO_RATIOS = ("21:9", "16:9", "4:3", "1:1", "3:4", "9:16")


def service_id(market: Market) -> str:
    """Name the ImageX service of a market (IPT, CAT)."""
    return "tb4s082cfz" if market == "cn" else "wopfjsm1ax"


def image_folder(market: Market) -> str:
    """Give the first part of the uris of a market's images; the one abroad is from INT."""
    return "tos-cn-i-tb4s082cfz" if market == "cn" else "tos-useast5-i-wopfjsm1ax-tx"


def image_model(key: str, market: Market) -> ImageModel:
    """Find an image model; keys are case-sensitive (AIC). Refuse one that is not there: 2061."""
    model = IMAGE_MODELS.get(key)
    if model is None or market not in model.markets:
        raise Refusal("2061")
    return model


def video_model(key: str, market: Market) -> VideoModel:
    """Find a video model, or refuse one that is not there: 2061."""
    model = VIDEO_MODELS.get(key)
    if model is None or market not in model.markets:
        raise Refusal("2061")
    return model
