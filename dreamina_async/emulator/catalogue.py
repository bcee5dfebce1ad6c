"""The models, what they accept and roughly what they cost (protocol notes 2.4, 2.6, 3.4, 7)."""

from __future__ import annotations

import attrs

CN_AID = "513695"


@attrs.frozen
class ImageModel:
    """An image model; ``most`` 0 means the count cannot be chosen."""

    name: str
    credits_2k: int
    most: int = 8
    default_count: int = 4
    resolutions: tuple[str, ...] = ("1k", "2k", "4k")
    cn: bool = True

    def price(self, resolution: str, count: int) -> int:
        """Say what so many images cost, approximately."""
        per_image = {"1k": 0.25, "1.5k": 1.0, "2k": 1.0, "4k": 2.0}[resolution]
        return max(1, round(self.credits_2k * per_image * count))


@attrs.frozen
class VideoModel:
    """A video model; ``credits_5s`` is the price of five seconds."""

    name: str
    credits_5s: int
    durations: tuple[int, ...]
    resolutions: tuple[str, ...] = ("720p",)
    cn: bool = True

    def price(self, seconds: int, count: int) -> int:
        """Say what so many videos of this length cost, approximately."""
        return max(1, round(self.credits_5s * seconds / 5)) * count


_OLD = ("1k", "2k")
IMAGE_MODELS = {
    "high_aes_general_v50p_large": ImageModel("图片 5.0 Pro", 8, 4, 2, ("1k", "1.5k", "2k", "4k")),
    "high_aes_general_v50": ImageModel("图片 5.0 Lite", 3),
    "high_aes_general_v50_flash": ImageModel("图片 5.0 Flash", 3, 4, 4, ("1.5k", "2k")),
    "high_aes_general_v43": ImageModel("图片 4.7", 4),
    "high_aes_general_v42": ImageModel("图片 4.6", 4),
    "high_aes_general_v40l": ImageModel("图片 4.5", 4),
    "high_aes_general_v41": ImageModel("图片 4.1", 4),
    "high_aes_general_v40": ImageModel("图片 4.0", 4),
    "high_aes_general_v30l_art_fangzhou:general_v3.0_18b": ImageModel("图片 3.1", 4, 0, 4, _OLD),
    "high_aes_general_v30l_art:general_v3.0_18b": ImageModel("图片 3.1", 4, 0, 4, _OLD, cn=False),
    "high_aes_general_v30l:general_v3.0_18b": ImageModel("图片 3.0", 4, 0, 4, _OLD),
    "high_aes_general_v21_L:general_v2.1_L": ImageModel("图片 2.1", 4, 0, 4, _OLD),
    "high_aes_general_v20_L:general_v2.0_L": ImageModel("图片 2.0 Pro", 4, 0, 4, _OLD),
    "high_aes_general_v20:general_v2.0": ImageModel("图片 2.0", 4, 0, 4, _OLD),
    "high_aes_general_v14:general_v1.4": ImageModel("图片 1.4", 4, 0, 4, _OLD),
    "text2img_xl_sft": ImageModel("图片 XL Pro", 4, 0, 4, _OLD),
    "jm_image_model_yc_mj82": ImageModel("mj82", 7, 4, 4, _OLD),
    "external_model_gemini_flash_image_v25": ImageModel("nanobanana", 4, cn=False),
    "dreamina_image_lib_1": ImageModel("nanobananapro", 4, cn=False),
    "dreamina_lib_img_20260423": ImageModel("dreamina lib", 4, cn=False),
    "gpt_image_2": ImageModel("gpt image 2", 4, cn=False),
    "gemini_3_image_pro": ImageModel("gemini 3 image pro", 4, cn=False),
    "dreamina_gpt_image_2_5_flare": ImageModel("gpt image 2.5 flare", 4, cn=False),
    "dreamina_gpt_image_2_5_sunburst": ImageModel("gpt image 2.5 sunburst", 4, cn=False),
}

_LONG = tuple(range(4, 16))
_VGFM = "dreamina_ic_generate_video_model_vgfm"
_HD = ("720p", "1080p")
VIDEO_MODELS = {
    "dreamina_seedance_45_pro": VideoModel(
        "视频 2.5", 70, tuple(range(4, 31)), ("480p", "720p", "1080p")
    ),
    "dreamina_seedance_40_pro": VideoModel("视频 2.0", 70, _LONG),
    "dreamina_seedance_40": VideoModel("视频 2.0 fast", 30, _LONG),
    "dreamina_seedance_40_pro_vision": VideoModel("视频 2.0 VIP", 70, _LONG, (*_HD, "4k")),
    "dreamina_seedance_40_vision": VideoModel("视频 2.0 fast VIP", 30, _LONG),
    "dreamina_seedance_40_mini": VideoModel("视频 2.0 mini", 24, _LONG),
    f"{_VGFM}_3.5_pro": VideoModel("视频 3.5 Pro", 20, tuple(range(4, 13))),
    f"{_VGFM}_3.0_pro": VideoModel("视频 3.0 Pro", 20, tuple(range(3, 11)), ("1080p",)),
    f"{_VGFM}_3.0": VideoModel("视频 3.0", 10, (5, 10), _HD),
    f"{_VGFM}_3.0_fast": VideoModel("视频 3.0 fast", 10, (5, 10), _HD),
    f"{_VGFM}_lite": VideoModel("视频 S2.0", 10, (5, 10)),
    f"{_VGFM}1.0": VideoModel("视频 2.0 Pro", 10, (5, 10)),
    "dreamina_veo3_generate_video": VideoModel("veo3", 80, (8,), cn=False),
    "dreamina_veo3.1_generate_video": VideoModel("veo3.1", 80, (8,), cn=False),
    "dreamina_sora2_generate_video": VideoModel("sora2", 80, (4, 8, 12), cn=False),
}
VIDEO_RATIOS = ("21:9", "16:9", "4:3", "1:1", "3:4", "9:16")
