"""What can be asked for: models, ratios, sizes, durations. Data, and how to look it up.

Sources: protocol notes 2.4 (image models), 2.5 (ratio numbers and pixel tables), 2.6 and 7
(prices) and 3.4 (video models). A size is always taken from a table: the 4k ones are no
integer multiples of the others. Where sources differ, a model takes the wider set: the
service refuses without a charge, and we cannot know which source is out of date.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from attrs import Factory, field, frozen

from dreamina_async.credentials import Region
from dreamina_async.errors import InvalidRequest, shown

_CN = frozenset({Region.CN})
_US = frozenset({Region.US})
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

# Seen accepted at 1k with 4.x (ZHI logs); GDT, GLO and ZHD have it for the older models.
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
# The 1k of the newer models (IPT, JSP, AIC), with IPT's exchanged 4:3 and 3:4 put right.
_SIZES_SMALL_1K: dict[str, Size] = {
    "1:1": (1024, 1024),
    "4:3": (1024, 768),
    "3:4": (768, 1024),
    "16:9": (1024, 576),
    "9:16": (576, 1024),
    "3:2": (1024, 682),
    "2:3": (682, 1024),
    "21:9": (1195, 512),
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
# The official table (AIC, JSP, ZHD, LUH); older clients (IPT, GDT) send another one.
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
"""The general tables; `ImageModel.sizes` are a model's own."""

_SMALL_SIZES = {**IMAGE_SIZES, "1k": _SIZES_SMALL_1K}

PASSED_ON = "key:"
"""Before the service's key of a model that is not listed here: it is sent as it stands."""

PRICED_SECONDS = 5
"""The length of the videos whose price was measured (protocol notes 7)."""

_KEY = re.compile(r"[!-~]{1,128}")


def _usual_resolution(model: Any) -> str:
    # as the web page chooses (S4 for images)
    for usual in ("2k", "720p"):
        if usual in model.resolutions:
            return usual
    return model.resolutions[0] if model.resolutions else ""


@frozen
class SizeChoice:
    """What a generate request says of the picture's shape.

    Attributes:
        width: pixels.
        height: pixels.
        resolution_type: it wins over the pixels where the two disagree (AIC 17.4).
        ratio_code: the number for `image_ratio`.
    """

    width: int
    height: int
    resolution_type: str
    ratio_code: int


@frozen
class ImageModel:
    """One image model: its name, the service's key for it, and what it takes.

    Attributes:
        name: what to call it; `image_model` finds it by `aliases` and `key` too.
        key: the service's key, case-sensitive (AIC).
        resolutions: those it takes.
        counts: how many images one job may ask for.
        regions: where it is offered.
        aliases: other names.
        default_count: how many images the web page asks for.
        default_resolution: what a request without one gets.
        max_references: how many reference images one job may bring.
        intelligent_ratio: whether it can choose the ratio by the prompt.
        international_key: its key outside China, where that is another one.
        sizes: pixels by resolution and ratio.
        us_size: the only shape that it has in the US, if there is only one.
        prices: known credits for one image, by resolution.
        blend_prices: the same for a job with references.
        label: what the service calls it, where it has been asked.
        guessed: its numbers are not known; generous ones stand in.
    """

    name: str
    key: str
    resolutions: tuple[str, ...]
    counts: tuple[int, ...] = _ONE_TO_EIGHT
    regions: frozenset[Region] = _ALL
    aliases: tuple[str, ...] = ()
    default_count: int = field(default=4, kw_only=True)
    default_resolution: str = field(
        default=Factory(_usual_resolution, takes_self=True), kw_only=True
    )
    max_references: int = field(default=10, kw_only=True)
    intelligent_ratio: bool = field(default=False, kw_only=True)
    international_key: str | None = field(default=None, kw_only=True)
    sizes: Mapping[str, Mapping[str, Size]] = field(
        default=IMAGE_SIZES, kw_only=True, repr=False, hash=False
    )
    us_size: SizeChoice | None = field(default=None, kw_only=True)
    prices: Mapping[str, float] = field(
        factory=dict[str, float], kw_only=True, repr=False, hash=False
    )
    blend_prices: Mapping[str, float] = field(
        factory=dict[str, float], kw_only=True, repr=False, hash=False
    )
    label: str = field(default="", kw_only=True)
    guessed: bool = field(default=False, kw_only=True)

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and the other ones."""
        return (self.name, *self.aliases)

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key that the service has for it."""
        return (self.key,) if self.international_key is None else (self.key, self.international_key)

    @property
    def ratios(self) -> tuple[str, ...]:
        """The ratios for which there is a size."""
        known = {ratio for one in self.resolutions for ratio in self.sizes.get(one, ())}
        return tuple(ratio for ratio in IMAGE_RATIOS if ratio in known)

    def key_in(self, region: Region) -> str:
        """The service's key in a region."""
        return self.key if region is Region.CN else self.international_key or self.key

    def size(self, resolution: str, ratio: str, region: Region) -> SizeChoice:
        """What to send for a resolution and a ratio.

        Raises:
            InvalidRequest: the model has no such size in the region.
        """
        if region is Region.US and self.us_size is not None:
            return self._only_us_size(self.us_size, ratio)
        known = {one: self.sizes[one] for one in self.resolutions if one in self.sizes}
        table = _entry(known, resolution, "resolution", self.name)
        width, height = _entry(table, ratio, "ratio", self.name)
        return SizeChoice(width, height, resolution, IMAGE_RATIOS[ratio])

    def price(self, resolution: str, count: int, references: int = 0) -> float | None:
        """Credits for a whole job as they were once measured; None if nobody did.

        Members and campaigns pay less, down to nothing (AIC), and prices change.
        """
        each = (self.blend_prices if references else self.prices).get(resolution)
        return None if each is None else each * count

    def _only_us_size(self, size: SizeChoice, ratio: str) -> SizeChoice:
        allowed = {name: size for name, code in IMAGE_RATIOS.items() if code == size.ratio_code}
        return _entry(allowed, ratio, "ratio", f"{self.name} in the US")


@frozen
class VideoModel:
    """One video model: its name, the service's key for it, and what it takes.

    Attributes:
        name: what to call it; `video_model` finds it by `aliases` and `key` too.
        key: the service's key, case-sensitive (AIC).
        durations: seconds.
        resolutions: those it takes; empty where there is nothing to choose.
        benefit: what is charged, in the service's words; empty if not known.
        regions: where it is offered.
        aliases: other names.
        default_resolution: what a request without one gets; empty where there is no choice.
        ratios: width to height.
        prices: known credits for five seconds, by resolution.
        label: what the service calls it, where it has been asked.
        guessed: its numbers are not known; generous ones stand in.
    """

    name: str
    key: str
    durations: tuple[int, ...]
    resolutions: tuple[str, ...]
    benefit: str
    regions: frozenset[Region] = _ALL
    aliases: tuple[str, ...] = ()
    default_resolution: str = field(
        default=Factory(_usual_resolution, takes_self=True), kw_only=True
    )
    ratios: tuple[str, ...] = field(default=VIDEO_RATIOS, kw_only=True)
    prices: Mapping[str, float] = field(
        factory=dict[str, float], kw_only=True, repr=False, hash=False
    )
    label: str = field(default="", kw_only=True)
    guessed: bool = field(default=False, kw_only=True)

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and the other ones."""
        return (self.name, *self.aliases)

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key that the service has for it."""
        return (self.key,)

    def benefit_in(self, resolution: str) -> str:
        """What is charged at a resolution: some models name it in the text (F3L, ZHD, JSP)."""
        return self.benefit.replace("_720p_", f"_{resolution}_")

    def price(self, resolution: str, duration: int) -> float | None:
        """Credits for one video; None if nobody measured it.

        Measured are five seconds; for any other length this is an estimate in proportion.
        """
        each = self.prices.get(resolution)
        return None if each is None else each * duration / PRICED_SECONDS


_Value = TypeVar("_Value")


def _entry(table: Mapping[str, _Value], name: str, what: str, owner: str) -> _Value:
    if name not in table:
        raise InvalidRequest(
            f"{owner} takes no {what} {shown(name)}", field=what, allowed=tuple(table)
        )
    return table[name]


_CN_AND_ASIA = _CN | _ASIA
# 4.x at 1k: not in every list, but accepted and finished in real logs (ZHI).
_1K_TO_4K = ("1k", "2k", "4k")
_ALL_RESOLUTIONS = ("1k", "1.5k", "2k", "4k")
# 4 credits an image at 2k (ZHD); 1 for four images at 1k, by the balance before and after (ZHI)
_PRICES_4X = {"1k": 0.25, "2k": 4.0}


def _image(
    version: str,
    key: str,
    resolutions: tuple[str, ...],
    counts: tuple[int, ...] = _ONE_TO_EIGHT,
    regions: frozenset[Region] = _ALL,
    **rest: Any,
) -> ImageModel:
    aliases = (version, f"jimeng-{version}", *rest.pop("also", ()))
    return ImageModel(f"jimeng-image-{version}", key, resolutions, counts, regions, aliases, **rest)


def _4x(version: str, key: str, regions: frozenset[Region] = _ALL, **rest: Any) -> ImageModel:
    rest = {"prices": _PRICES_4X, "intelligent_ratio": True, **rest}
    return _image(version, key, _1K_TO_4K, regions=regions, **rest)


def _3x(version: str, key: str, **rest: Any) -> ImageModel:
    # 1k is what S4 says, and sends the pixels of 2k with it; IPT and GDT ask for 2k by its name
    rest = {"default_resolution": "1k", "prices": {"1k": 1.0}, **rest}
    return _image(version, key, ("1k", "2k"), (4,), **rest)


def _old(version: str, key: str) -> ImageModel:
    return _image(version, key, ("1k",), (4,), _CN, prices={"1k": 1.0})


def _new_abroad(name: str, key: str, regions: frozenset[Region]) -> ImageModel:
    # INT names the keys and nothing else
    return ImageModel(name, key, _ALL_RESOLUTIONS, regions=regions, guessed=True)


IMAGE_MODELS: tuple[ImageModel, ...] = (
    _4x("4.0", "high_aes_general_v40"),
    # four images from references: 2 credits (ZHI)
    _4x("4.1", "high_aes_general_v41", blend_prices={"1k": 0.5}),
    _4x("4.5", "high_aes_general_v40l"),
    _4x("4.6", "high_aes_general_v42", _CN_AND_ASIA),
    _image("4.7", "high_aes_general_v43", ("2k", "4k"), regions=_CN, prices={"2k": 4.0}),
    _image(
        "5.0",
        "high_aes_general_v50",
        ("2k", "4k"),
        regions=_CN_AND_ASIA,
        also=("5.0-lite", "jimeng-5.0-lite", "jimeng-image-5.0-lite"),
        intelligent_ratio=True,
        prices={"2k": 3.0},  # ZHD, CLH, HIW
    ),
    _image(
        "5.0-flash",
        "high_aes_general_v50_flash",
        ("1.5k", "2k"),
        _ONE_TO_FOUR,
        _CN,
        prices={"1.5k": 3.0, "2k": 3.0},  # AIC names no resolution
    ),
    _image(
        "5.0-pro",
        "high_aes_general_v50p_large",
        _ALL_RESOLUTIONS,
        _ONE_TO_FOUR,
        _CN,
        default_count=2,
        sizes=_SMALL_SIZES,
        prices={"2k": 8.0},
    ),
    _3x(
        "3.1",
        "high_aes_general_v30l_art_fangzhou:general_v3.0_18b",
        international_key="high_aes_general_v30l_art:general_v3.0_18b",
    ),
    _3x("3.0", "high_aes_general_v30l:general_v3.0_18b"),
    _old("2.1", "high_aes_general_v21_L:general_v2.1_L"),
    _old("2.0-pro", "high_aes_general_v20_L:general_v2.0_L"),
    _old("2.0", "high_aes_general_v20:general_v2.0"),
    _old("1.4", "high_aes_general_v14:general_v1.4"),
    _old("xl-pro", "text2img_xl_sft"),
    ImageModel(
        "mj82",
        "jm_image_model_yc_mj82",
        ("1k", "2k"),
        # declared is 4 alone; 1 was honoured at times, and raised to 4 at others (AIC 17)
        (1, 4),
        _CN,
        ("jimeng-mj82", "jimeng-image-mj82"),
        default_resolution="1k",
        max_references=20,
        sizes=_SMALL_SIZES,
        prices={"1k": 5.0, "2k": 7.0},
    ),
    ImageModel(
        "nanobanana",
        "external_model_gemini_flash_image_v25",
        ("1k",),
        (4,),
        _INTERNATIONAL,
        sizes=_SMALL_SIZES,
        # IPT forces this in the US whatever is asked for, and 1k elsewhere
        us_size=SizeChoice(1024, 1024, "2k", IMAGE_RATIOS["1:1"]),
    ),
    ImageModel(
        "nanobananapro",
        "dreamina_image_lib_1",
        _1K_TO_4K,
        (4,),
        _INTERNATIONAL,
        ("nanobanana-pro",),
        sizes=_SMALL_SIZES,
    ),
    _new_abroad("dreamina-lib-20260423", "dreamina_lib_img_20260423", _INTERNATIONAL),
    _new_abroad("gpt-image-2", "gpt_image_2", _US),
    _new_abroad("gemini-3-image-pro", "gemini_3_image_pro", _US),
    _new_abroad("gpt-image-2.5-flare", "dreamina_gpt_image_2_5_flare", _US),
    _new_abroad("gpt-image-2.5-sunburst", "dreamina_gpt_image_2_5_sunburst", _US),
)

_VGFM = "dreamina_ic_generate_video_model_vgfm"
_BASIC_BENEFIT = "basic_video_operation_vgfm_v_three"
_FOUR_TO_FIFTEEN = tuple(range(4, 16))
_HD = ("720p", "1080p")
_VIDEO_RESOLUTIONS = ("480p", "720p", "1080p", "4k")


def _video(
    version: str,
    key: str,
    durations: tuple[int, ...],
    resolutions: tuple[str, ...],
    benefit: str = _BASIC_BENEFIT,
    regions: frozenset[Region] = _ALL,
    **rest: Any,
) -> VideoModel:
    aliases = (version, *rest.pop("also", ()))
    name = f"jimeng-video-{version}"
    return VideoModel(name, key, durations, resolutions, benefit, regions, aliases, **rest)


def _seedance(
    version: str,
    key: str,
    benefit: str,
    *,
    durations: tuple[int, ...] = _FOUR_TO_FIFTEEN,
    resolutions: tuple[str, ...] = ("720p",),
    prices: Mapping[str, float] | None = None,
) -> VideoModel:
    name = f"seedance-{version}"
    aliases = (f"jimeng-video-{name}", version)
    return VideoModel(name, key, durations, resolutions, benefit, _CN, aliases, prices=prices or {})


def _from_abroad(name: str, key: str, durations: tuple[int, ...]) -> VideoModel:
    # IPT sends no resolution for them
    benefit = f"generate_video_{name}"
    return VideoModel(name, key, durations, (), benefit, _ASIA, (f"jimeng-video-{name}",))


# Five and ten seconds are what web clients send; the official command line sends 3 to 10 and
# 4 to 12 to the two that say so below. In the US there are 3.0 and 3.5 pro only (IPT).
VIDEO_MODELS: tuple[VideoModel, ...] = (
    _video("3.0", f"{_VGFM}_3.0", (5, 10), _HD),
    _video("3.0-fast", f"{_VGFM}_3.0_fast", (5, 10), _HD, regions=_CN_AND_ASIA),
    _video("3.0-pro", f"{_VGFM}_3.0_pro", tuple(range(3, 11)), ("1080p",), regions=_CN_AND_ASIA),
    _video(
        "3.5-pro",
        f"{_VGFM}_3.5_pro",
        tuple(range(4, 13)),
        ("720p",),
        "dreamina_video_seedance_15_pro",
        also=("seedance-1.5-pro",),
    ),
    # 10 s: IPT only; other sources say 5
    _video("s2.0", f"{_VGFM}_lite", (5, 10), ("720p",), regions=_CN_AND_ASIA),
    _video("2.0-pro", f"{_VGFM}1.0", (5, 10), ("720p",), regions=_CN_AND_ASIA),
    _seedance(
        "2.5",
        "dreamina_seedance_45_pro",
        # by its resolution, as a public client checks it against the live catalogue
        "seedance_25_720p_output",
        durations=tuple(range(4, 31)),
        resolutions=("480p", "720p", "1080p"),
        prices={"480p": 45.0},  # measured on its draft variant (AIC)
    ),
    _seedance("2.0", "dreamina_seedance_40_pro", "dreamina_video_seedance_20_pro"),
    _seedance("2.0-fast", "dreamina_seedance_40", "dreamina_seedance_20_fast"),
    _seedance(
        "2.0-vip",
        "dreamina_seedance_40_pro_vision",
        "seedance_20_pro_720p_output",
        resolutions=("720p", "1080p", "4k"),
        prices={"720p": 70.0},
    ),
    _seedance(
        "2.0-fast-vip",
        "dreamina_seedance_40_vision",
        "seedance_20_fast_720p_output",
        prices={"720p": 30.0},
    ),
    _seedance(
        "2.0-mini",
        "dreamina_seedance_40_mini",
        "seedance_20_mini_720p_output",
        prices={"720p": 24.0},
    ),
    _from_abroad("veo3", "dreamina_veo3_generate_video", (8,)),
    _from_abroad("veo3.1", "dreamina_veo3.1_generate_video", (8,)),
    _from_abroad("sora2", "dreamina_sora2_generate_video", (4, 8, 12)),
)

DEFAULT_IMAGE_MODEL = IMAGE_MODELS[0].name
DEFAULT_VIDEO_MODEL = VIDEO_MODELS[0].name


def image_model(name: str) -> ImageModel:
    """Find an image model by name, alias or the service's key.

    `key:...` is a model of that key which need not be listed: it takes every value there is.

    Raises:
        InvalidRequest: there is none; the error lists those there are.
    """
    if (key := _passed_on(name)) is not None:
        return ImageModel(name, key, _ALL_RESOLUTIONS, guessed=True)
    return _find(IMAGE_MODELS, name, "image")


def video_model(name: str) -> VideoModel:
    """Find a video model by name, alias or the service's key.

    `key:...` is a model of that key which need not be listed: it takes every value there is.

    Raises:
        InvalidRequest: there is none; the error lists those there are.
    """
    if (key := _passed_on(name)) is not None:
        seconds = tuple(range(1, 61))
        return VideoModel(name, key, seconds, _VIDEO_RESOLUTIONS, "", guessed=True)
    return _find(VIDEO_MODELS, name, "video")


def is_model_key(text: str) -> bool:
    """Whether a text may be sent as a model's key."""
    return _KEY.fullmatch(text) is not None


def _passed_on(name: object) -> str | None:
    if not isinstance(name, str) or not name.startswith(PASSED_ON):
        return None
    key = name.removeprefix(PASSED_ON)
    if not is_model_key(key):
        raise InvalidRequest(
            f"{shown(key)} is no key: 1 to 128 ASCII characters without blanks", field="model"
        )
    return key


_Model = TypeVar("_Model", ImageModel, VideoModel)


def _find(models: tuple[_Model, ...], name: object, kind: str) -> _Model:
    text = name if isinstance(name, str) else ""
    # keys are case-sensitive (AIC); names may be written as the service shows them: `5.0 Pro`
    plain = text.strip().lower().replace(" ", "-")
    for one in models:
        if text in one.keys or plain in one.names:
            return one
    close = get_close_matches(plain[:128], [each for one in models for each in one.names], n=1)
    advice = f" (did you mean {close[0]}?)" if close else ""
    raise InvalidRequest(
        f"unknown {kind} model {shown(name)}{advice}; a key of the service that is not listed "
        f"is written {PASSED_ON}NAME",
        field="model",
        allowed=tuple([one.name for one in models]),
    )
