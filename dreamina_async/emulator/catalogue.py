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
Market = Literal["all", "cn", "intl"]


@attrs.frozen
class ImageModel:
    """An image model: its name and, by resolution, the price of one image.

    ``most`` 0 means the count cannot be chosen.
    """

    name: str
    prices: Mapping[str, float]
    market: Market = "all"
    most: int = 8
    default_count: int = 4

    @property
    def resolutions(self) -> tuple[str, ...]:
        """The resolutions it makes."""
        return tuple(self.prices)

    @property
    def default_resolution(self) -> str:
        """2k for newer models, the least for older ones (S4)."""
        return "2k" if self.most and "2k" in self.prices else self.resolutions[0]

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
    market: Market = "all"

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
_INTL = _prices(k1=1, k2=4, k4=8)
IMAGE_MODELS = {
    "high_aes_general_v50p_large": ImageModel(
        "图片 5.0 Pro", _prices(k1=8, k15=8, k2=8, k4=16), "cn", 4, 2
    ),
    "high_aes_general_v50": ImageModel("图片 5.0 Lite", _prices(k1=1, k2=3, k4=6)),
    "high_aes_general_v50_flash": ImageModel("图片 5.0 Flash", _prices(k15=3, k2=3), "cn", 4),
    "high_aes_general_v43": ImageModel("图片 4.7", _4X, "cn"),
    "high_aes_general_v42": ImageModel("图片 4.6", _4X),
    "high_aes_general_v40l": ImageModel("图片 4.5", _4X),
    "high_aes_general_v41": ImageModel("图片 4.1", _4X),
    "high_aes_general_v40": ImageModel("图片 4.0", _4X),
    "high_aes_general_v30l_art_fangzhou:general_v3.0_18b": ImageModel("图片 3.1", _3X, "cn", 0),
    "high_aes_general_v30l_art:general_v3.0_18b": ImageModel("图片 3.1", _3X, "intl", 0),
    "high_aes_general_v30l:general_v3.0_18b": ImageModel("图片 3.0", _3X, most=0),
    "high_aes_general_v21_L:general_v2.1_L": ImageModel("图片 2.1", _3X, "cn", 0),
    "high_aes_general_v20_L:general_v2.0_L": ImageModel("图片 2.0 Pro", _3X, "cn", 0),
    "high_aes_general_v20:general_v2.0": ImageModel("图片 2.0", _3X, "cn", 0),
    "high_aes_general_v14:general_v1.4": ImageModel("图片 1.4", _3X, "cn", 0),
    "text2img_xl_sft": ImageModel("图片 XL Pro", _3X, "cn", 0),
    "jm_image_model_yc_mj82": ImageModel("mj82", _prices(k1=5, k2=7), "cn", 4),
    "external_model_gemini_flash_image_v25": ImageModel("nanobanana", _INTL, "intl"),
    "dreamina_image_lib_1": ImageModel("nanobananapro", _INTL, "intl"),
    "dreamina_lib_img_20260423": ImageModel("dreamina lib", _INTL, "intl"),
    "gpt_image_2": ImageModel("gpt image 2", _INTL, "intl"),
    "gemini_3_image_pro": ImageModel("gemini 3 image pro", _INTL, "intl"),
    "dreamina_gpt_image_2_5_flare": ImageModel("gpt image 2.5 flare", _INTL, "intl"),
    "dreamina_gpt_image_2_5_sunburst": ImageModel("gpt image 2.5 sunburst", _INTL, "intl"),
}

_LONG = tuple(range(4, 16))
_VGFM = "dreamina_ic_generate_video_model_vgfm"
_BASIC = ("basic_video_operation_vgfm_v_three",)
_HD = {"720p": 10, "1080p": 20}
# Measured per five seconds: mini, 2.0 fast and 2.0 (both VIP) at 720p, 2.5 at 480p.
VIDEO_MODELS = {
    "dreamina_seedance_45_pro": VideoModel(
        "视频 2.5", {"480p": 45, "720p": 70, "1080p": 140}, tuple(range(4, 31)), (), "cn"
    ),
    "dreamina_seedance_40_pro": VideoModel(
        "视频 2.0",
        {"720p": 70},
        _LONG,
        ("dreamina_video_seedance_20_pro", "dreamina_video_seedance_20_video_add"),
        "cn",
    ),
    "dreamina_seedance_40": VideoModel(
        "视频 2.0 fast",
        {"720p": 30},
        _LONG,
        ("dreamina_seedance_20_fast", "dreamina_seedance_20_fast_with_video"),
        "cn",
    ),
    "dreamina_seedance_40_pro_vision": VideoModel(
        "视频 2.0 VIP",
        {"720p": 70, "1080p": 140, "4k": 280},
        _LONG,
        ("seedance_20_pro_*_output",),
        "cn",
    ),
    "dreamina_seedance_40_vision": VideoModel(
        "视频 2.0 fast VIP", {"720p": 30}, _LONG, ("seedance_20_fast_*_output",), "cn"
    ),
    "dreamina_seedance_40_mini": VideoModel(
        "视频 2.0 mini", {"720p": 24}, _LONG, ("seedance_20_mini_*_output",), "cn"
    ),
    f"{_VGFM}_3.5_pro": VideoModel(
        "视频 3.5 Pro", {"720p": 20}, tuple(range(4, 13)), ("dreamina_video_seedance_15_pro",)
    ),
    f"{_VGFM}_3.0_pro": VideoModel(
        "视频 3.0 Pro", {"1080p": 20}, tuple(range(3, 11)), (*_BASIC, f"{_BASIC[0]}_pro")
    ),
    f"{_VGFM}_3.0": VideoModel("视频 3.0", _HD, (5, 10), _BASIC),
    f"{_VGFM}_3.0_fast": VideoModel("视频 3.0 fast", _HD, (5, 10), _BASIC),
    f"{_VGFM}_lite": VideoModel("视频 S2.0", {"720p": 10}, (5, 10), _BASIC),
    f"{_VGFM}1.0": VideoModel("视频 2.0 Pro", {"720p": 10}, (5, 10), _BASIC),
    "dreamina_veo3_generate_video": VideoModel(
        "veo3", {"720p": 80}, (8,), ("generate_video_veo3",), "intl"
    ),
    "dreamina_veo3.1_generate_video": VideoModel(
        "veo3.1", {"720p": 80}, (8,), ("generate_video_veo3.1",), "intl"
    ),
    "dreamina_sora2_generate_video": VideoModel(
        "sora2", {"720p": 80}, (4, 8, 12), ("generate_video_sora2",), "intl"
    ),
}
VIDEO_RATIOS = ("21:9", "16:9", "4:3", "1:1", "3:4", "9:16")


def offered(market: Market, aid: str) -> bool:
    """Say whether a model of this market is there for the callers with this ``aid``."""
    return (aid, market) not in {(CN_AID, "intl"), (INTL_AID, "cn")}


def image_model(key: str, aid: str) -> ImageModel:
    """Find an image model; keys are case-sensitive (AIC). Refuse one that is not there: 2061."""
    model = IMAGE_MODELS.get(key)
    if model is None or not offered(model.market, aid):
        raise Refusal("2061")
    return model


def video_model(key: str, aid: str) -> VideoModel:
    """Find a video model, or refuse one that is not there: 2061."""
    model = VIDEO_MODELS.get(key)
    if model is None or not offered(model.market, aid):
        raise Refusal("2061")
    return model
