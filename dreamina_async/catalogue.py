"""What can be asked for: models, ratios, sizes, durations. Data, and how to look it up.

Sources: protocol notes 2.4 (image models), 2.5 (ratio numbers and pixel tables), 2.6
(prices) and 3.4 (video models). A size is always taken from a table: the 4k ones are no
integer multiples of the others.
"""

from typing import TypeVar

from attrs import frozen

from dreamina_async.credentials import Region
from dreamina_async.errors import InvalidRequest

_CN = frozenset({Region.CN})
_ASIA = frozenset({Region.HK, Region.JP, Region.SG})
_ALL = frozenset(Region)
_INTERNATIONAL = _ALL - _CN
_ONE_TO_EIGHT = (1, 2, 3, 4, 5, 6, 7, 8)
_ONE_TO_FOUR = (1, 2, 3, 4)

Size = tuple[int, int]

# The official numbers (AIC, JSP, WWW capture); S4 and IPT number them otherwise and are
# accepted too (protocol notes 2.5), so one family serves every resolution.
IMAGE_RATIOS: dict[str, int] = {
    "1:1": 1,
    "3:4": 2,
    "16:9": 3,
    "4:3": 4,
    "9:16": 5,
    "2:3": 6,
    "3:2": 7,
    "21:9": 8,
}

VIDEO_RATIOS = ("21:9", "16:9", "4:3", "1:1", "3:4", "9:16")

_SIZES_1K: dict[str, Size] = {
    "1:1": (1328, 1328),
    "4:3": (1472, 1104),
    "3:4": (1104, 1472),
    "16:9": (1664, 936),
    "9:16": (936, 1664),
    "3:2": (1584, 1056),
    "2:3": (1056, 1584),
    "21:9": (2016, 864),
}
_SIZES_1_5K: dict[str, Size] = {
    "1:1": (1536, 1536),
    "4:3": (1728, 1296),
    "3:4": (1296, 1728),
    "16:9": (1920, 1080),
    "9:16": (1080, 1920),
    "3:2": (1872, 1248),
    "2:3": (1248, 1872),
    "21:9": (2268, 972),
}
_SIZES_2K: dict[str, Size] = {
    "1:1": (2048, 2048),
    "4:3": (2304, 1728),
    "3:4": (1728, 2304),
    "16:9": (2560, 1440),
    "9:16": (1440, 2560),
    "3:2": (2496, 1664),
    "2:3": (1664, 2496),
    "21:9": (3024, 1296),
}
_SIZES_4K: dict[str, Size] = {
    "1:1": (4096, 4096),
    "4:3": (4693, 3520),
    "3:4": (3520, 4693),
    "16:9": (5404, 3040),
    "9:16": (3040, 5404),
    "3:2": (4992, 3328),
    "2:3": (3328, 4992),
    "21:9": (6197, 2656),
}
IMAGE_SIZES: dict[str, dict[str, Size]] = {
    "1k": _SIZES_1K,
    "1.5k": _SIZES_1_5K,
    "2k": _SIZES_2K,
    "4k": _SIZES_4K,
}


@frozen
class ImageModel:
    """One image model: its name, the service's key for it, and what it takes."""

    name: str
    key: str
    resolutions: tuple[str, ...]
    counts: tuple[int, ...] = _ONE_TO_EIGHT
    regions: frozenset[Region] = _ALL
    aliases: tuple[str, ...] = ()

    @property
    def default_resolution(self) -> str:
        """2k where the model has it, as the web page chooses (S4: 4.x 2k, 3.x 1k)."""
        return "2k" if "2k" in self.resolutions else self.resolutions[0]


@frozen
class VideoModel:
    """One video model: its name, the service's key for it, and what it takes."""

    name: str
    key: str
    durations: tuple[int, ...]
    resolutions: tuple[str, ...]
    benefit: str
    regions: frozenset[Region] = _ALL
    aliases: tuple[str, ...] = ()

    @property
    def default_resolution(self) -> str:
        """The first one that the model names."""
        return self.resolutions[0]


def _image(
    version: str,
    key: str,
    resolutions: tuple[str, ...],
    counts: tuple[int, ...] = _ONE_TO_EIGHT,
    regions: frozenset[Region] = _ALL,
) -> ImageModel:
    aliases = (version, f"jimeng-{version}")
    return ImageModel(f"jimeng-image-{version}", key, resolutions, counts, regions, aliases)


# 4.x at 1k: not in every list, but accepted and finished in real logs (ZHI).
_1K_TO_4K = ("1k", "2k", "4k")
_CN_AND_ASIA = _CN | _ASIA

IMAGE_MODELS: tuple[ImageModel, ...] = (
    _image("4.0", "high_aes_general_v40", _1K_TO_4K),
    _image("4.1", "high_aes_general_v41", _1K_TO_4K),
    _image("4.5", "high_aes_general_v40l", _1K_TO_4K),
    _image("4.6", "high_aes_general_v42", _1K_TO_4K, regions=_CN_AND_ASIA),
    _image("4.7", "high_aes_general_v43", ("2k", "4k"), regions=_CN),
    _image("5.0", "high_aes_general_v50", ("2k", "4k"), regions=_CN_AND_ASIA),
    _image("5.0-flash", "high_aes_general_v50_flash", ("1.5k", "2k"), _ONE_TO_FOUR, _CN),
    _image("5.0-pro", "high_aes_general_v50p_large", ("1.5k", "1k", "2k", "4k"), _ONE_TO_FOUR, _CN),
    _image(
        "3.1", "high_aes_general_v30l_art_fangzhou:general_v3.0_18b", ("1k",), (4,), regions=_CN
    ),
    _image("3.0", "high_aes_general_v30l:general_v3.0_18b", ("1k",), (4,)),
    _image("2.1", "high_aes_general_v21_L:general_v2.1_L", ("1k",), (4,), _CN),
    _image("2.0-pro", "high_aes_general_v20_L:general_v2.0_L", ("1k",), (4,), _CN),
)

_VGFM = "dreamina_ic_generate_video_model_vgfm"
_BASIC_BENEFIT = "basic_video_operation_vgfm_v_three"
_FOUR_TO_FIFTEEN = tuple(range(4, 16))


def _video(
    version: str,
    key: str,
    durations: tuple[int, ...],
    resolutions: tuple[str, ...],
    benefit: str,
    regions: frozenset[Region] = _ALL,
) -> VideoModel:
    name = version if version.startswith("seedance") else f"jimeng-video-{version}"
    aliases = () if name == version else (version,)
    return VideoModel(name, key, durations, resolutions, benefit, regions, aliases)


VIDEO_MODELS: tuple[VideoModel, ...] = (
    _video("3.0", f"{_VGFM}_3.0", (5, 10), ("720p", "1080p"), _BASIC_BENEFIT),
    _video(
        "3.0-fast", f"{_VGFM}_3.0_fast", (5, 10), ("720p", "1080p"), _BASIC_BENEFIT, _CN_AND_ASIA
    ),
    _video("3.0-pro", f"{_VGFM}_3.0_pro", (5, 10), ("1080p",), _BASIC_BENEFIT, _CN_AND_ASIA),
    _video("3.5-pro", f"{_VGFM}_3.5_pro", (5, 10, 12), ("720p",), "dreamina_video_seedance_15_pro"),
    _video(
        "seedance-2.0",
        "dreamina_seedance_40_pro",
        _FOUR_TO_FIFTEEN,
        ("720p",),
        "dreamina_video_seedance_20_pro",
        _CN,
    ),
    _video(
        "seedance-2.0-fast",
        "dreamina_seedance_40",
        _FOUR_TO_FIFTEEN,
        ("720p",),
        "dreamina_seedance_20_fast",
        _CN,
    ),
    _video(
        "seedance-2.0-mini",
        "dreamina_seedance_40_mini",
        _FOUR_TO_FIFTEEN,
        ("720p",),
        "seedance_20_mini_720p_output",
        _CN,
    ),
)

DEFAULT_IMAGE_MODEL = IMAGE_MODELS[0].name
DEFAULT_VIDEO_MODEL = VIDEO_MODELS[0].name


def image_model(name: str) -> ImageModel:
    """Find an image model by name, alias or the service's key.

    Raises:
        InvalidRequest: there is none; the error lists those there are.
    """
    return _find(IMAGE_MODELS, name, "image")


def video_model(name: str) -> VideoModel:
    """Find a video model by name, alias or the service's key.

    Raises:
        InvalidRequest: there is none; the error lists those there are.
    """
    return _find(VIDEO_MODELS, name, "video")


_Model = TypeVar("_Model", bound=ImageModel | VideoModel)


def _find(models: tuple[_Model, ...], name: str, kind: str) -> _Model:
    for one in models:
        if name in (one.name, one.key, *one.aliases):
            return one
    names = tuple([one.name for one in models])
    raise InvalidRequest(f"unknown {kind} model {name!r}", field="model", allowed=names)
