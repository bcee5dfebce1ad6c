"""Which client we say we are: the header and query sets that each source was seen to send.

The service's answers do not depend on it (protocol notes 1.3 to 1.6: nothing but `aid` is
proven mandatory), and nothing else in this package knows which one is spoken.
"""

from collections.abc import Mapping
from typing import Literal

from attrs import evolve, field, frozen

from dreamina_async.settings import Dialect

_VERSIONS = ("da_version", "web_version", "aigc_features")


@frozen(kw_only=True)
class Profile:
    """One dialect's headers and parameters.

    Attributes:
        appvr, pf, app_sdk_version: headers of the same names; None is not sent.
        signed: whether `sign` and what belongs to it are sent.
        tdid: whether the empty header `tdid` is sent too (IPT, ASL).
        localized: whether `lan` and `loc` are sent.
        full_referer: whether the Referer names a page, or the origin alone.
        upper_region: whether `region` is `CN` or `cn`.
        da_version: the version of the draft, and the parameter.
        web_version: the web page's, as a parameter.
        generate_query: the version parameters of a submit, by name.
        query: those of every other call.
        ids: the ids that status calls ask by; None lets the session learn.
        image_info: whether status calls ask for scaled pictures (S2). They change thumbnails
            only, which nobody here looks at.
        common_info: whether a status call's body repeats the `aid`.
    """

    appvr: str = "8.4.0"
    pf: str = "7"
    app_sdk_version: str | None = "48.0.0"
    signed: bool = True
    tdid: bool = True
    localized: bool = True
    full_referer: bool = True
    upper_region: bool = False
    da_version: str = "3.3.9"
    web_version: str = "7.5.0"
    generate_query: tuple[str, ...] = ("web_component_open_flag", *_VERSIONS)
    query: tuple[str, ...] = _VERSIONS
    ids: Literal["history", "submit"] | None = None
    image_info: bool = False
    common_info: bool = True
    user_agent: str = field(default="dreamina-async")

    def parameters(self, names: tuple[str, ...]) -> dict[str, str]:
        """The version parameters of these names."""
        values = {
            "web_component_open_flag": "1",
            "da_version": self.da_version,
            "web_version": self.web_version,
            "aigc_features": "app_lip_sync",
        }
        return {name: values[name] for name in names}


# A skill note: history ids, version code 5.8.0, signed, hardly a parameter.
_SKILL = Profile(
    appvr="5.8.0",
    app_sdk_version=None,
    tdid=False,
    localized=False,
    full_referer=False,
    upper_region=True,
    ids="history",
    query=(),
    generate_query=(),
)

PROFILES: Mapping[Dialect, Profile] = {
    # The web page of 2026: WWW capture, IPT, ASL.
    "web": Profile(),
    "s0": _SKILL,
    "s4": evolve(_SKILL, da_version="3.3.8", generate_query=("da_version",)),
    # A skill note: submit ids, pf 3, no signature.
    "s1": Profile(
        pf="3",
        app_sdk_version=None,
        signed=False,
        ids="submit",
        query=(),
        generate_query=(),
        common_info=False,
    ),
    # The interface document: history ids and the sizes of thumbnails.
    "s2": Profile(
        ids="history",
        query=("web_component_open_flag", *_VERSIONS),
        da_version="3.3.2",
        image_info=True,
        common_info=False,
    ),
    # The browser capture of September 2025, web 6.6.0.
    "s3": Profile(
        appvr="5.8.0",
        tdid=False,
        ids="submit",
        da_version="3.2.9",
        web_version="6.6.0",
        common_info=False,
    ),
}

_SCENES = (
    ("smart_crop", 360, 360),
    ("smart_crop", 480, 480),
    ("smart_crop", 720, 720),
    ("smart_crop", 720, 480),
    ("normal", 2400, 2400),
    ("normal", 1080, 1080),
    ("normal", 720, 720),
    ("normal", 480, 480),
    ("normal", 360, 360),
)


def image_info() -> dict[str, object]:
    """The thumbnails that S2 asks for; `large_images` are the same with and without."""
    scenes = [
        {
            "scene": scene,
            "width": width,
            "height": height,
            "uniq_key": f"smart_crop-w:{width}-h:{height}" if scene == "smart_crop" else str(width),
            "format": "webp",
        }
        for scene, width, height in _SCENES
    ]
    return {"width": 2048, "height": 2048, "format": "webp", "image_scene_list": scenes}
