"""The options that several commands share. Nothing heavy here: `--help` reads it all."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from attrs import asdict, frozen
from cyclopts import Group, Parameter
from cyclopts.validators import Number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cyclopts import Token

    from dreamina_async import Credentials, DreaminaSession, Settings
    from dreamina_async.cli.output import Output

REQUEST = Group("What to make", sort_key=1)
RUN = Group("How to run", sort_key=2)
EVERYWHERE = Group("Everywhere", sort_key=3)


def _output_folder(_: object, tokens: "Sequence[Token]") -> Path | str:
    """An object store's URL stays as it was written: as a path it would lose a slash."""
    text = tokens[0].value
    return text if "://" in text else Path(text)


Folder = Annotated[Path | str, Parameter(converter=_output_folder)]
"""An output folder, or the URL of an object store."""

FLAG: dict[str, Any] = {"negative": (), "show_default": False}


@Parameter(name="*", group=EVERYWHERE)
@frozen(kw_only=True)
class Common:
    """What every command takes."""

    out: Annotated[
        Folder | None,
        Parameter(
            help="Output folder, or s3://bucket/prefix. Else DREAMINA_OUTPUT_DIR, dreamina-out."
        ),
    ] = None
    json: Annotated[
        bool, Parameter(help="One JSON object a line on stdout, and nothing else there.", **FLAG)
    ] = False
    verbose: Annotated[
        bool,
        Parameter(
            name=("--verbose", "-v"), help="Show on stderr all that the library logs.", **FLAG
        ),
    ] = False
    quiet: Annotated[bool, Parameter(help="No progress and no summary.", **FLAG)] = False

    def output(self) -> "Output":
        """Where this run's words go."""
        from dreamina_async.cli.output import Output

        return Output(json_lines=self.json, quiet=self.quiet, verbose=self.verbose)

    def session(
        self, folder: Folder | None = None, credentials: "Credentials | None" = None
    ) -> "DreaminaSession":
        """A session; the account is the user's own unless one is given."""
        from dreamina_async import DreaminaSession
        from dreamina_async.cli import logins

        login = credentials or logins.credentials()
        return DreaminaSession(login, output_dir=folder or self.folder(), settings=self.settings())

    def settings(self) -> "Settings":
        """How its sessions behave."""
        from dreamina_async import Settings

        return Settings()

    def folder(self) -> Path | str:
        """The output folder, as a session would choose it; of an object store, the URL."""
        given = os.environ.get("DREAMINA_OUTPUT_DIR") or "dreamina-out"
        return self.out or (given if "://" in given else Path(given))


@Parameter(name="*", group=EVERYWHERE)
@frozen(kw_only=True)
class Saving(Common):
    """What every command takes that saves files."""

    embed: Annotated[
        bool,
        Parameter(
            help="Put prompt, model, seed and ids into the files, beside the pixels.",
            group=RUN,
            **FLAG,
        ),
    ] = False

    def settings(self) -> "Settings":
        """The same, and what becomes of the files."""
        from dreamina_async import DownloadPolicy, Settings

        return Settings(downloading=DownloadPolicy(embed=self.embed))


ManifestFile = Annotated[
    Path, Parameter(help=".jsonl, .csv, .tsv (with a header) or .txt (a prompt a line).")
]
PromptColumn = Annotated[
    str, Parameter(help="Column that holds the prompts, in any case.", group=RUN)
]
SkipInvalid = Annotated[
    bool, Parameter(help="Leave bad rows out instead of stopping.", group=RUN, negative=())
]
Model = Annotated[str | None, Parameter(help="Model; see `dreamina-async models`.", group=REQUEST)]
Ratio = Annotated[str | None, Parameter(help="Width to height, such as 16:9.", group=REQUEST)]
Resolution = Annotated[
    str | None, Parameter(help="Images: 1k, 1.5k, 2k, 4k. Videos: 720p, 1080p.", group=REQUEST)
]
Count = Annotated[int | None, Parameter(help="Images a prompt, 1 to 8.", group=REQUEST)]
NegativePrompt = Annotated[str | None, Parameter(help="What to leave out.", group=REQUEST)]
Seed = Annotated[int | None, Parameter(help="The same seed and prompt look alike.", group=REQUEST)]
SampleStrength = Annotated[float | None, Parameter(help="From 0 to 1.", group=REQUEST)]
Duration = Annotated[int | None, Parameter(help="Seconds.", group=REQUEST)]
Ref = Annotated[
    list[Path] | None,
    Parameter(help="Image to work from; give it again for more, up to 10.", group=REQUEST),
]
FirstFrame = Annotated[Path | None, Parameter(help="Image to begin with.", group=REQUEST)]
LastFrame = Annotated[
    Path | None, Parameter(help="Image to end with; needs --first-frame.", group=REQUEST)
]
IntelligentRatio = Annotated[
    bool | None,
    Parameter(help="Let the model choose the ratio by the prompt.", group=REQUEST, **FLAG),
]
Via = Annotated[
    str | None, Parameter(help="web, or mcp for the intranet's endpoint.", group=REQUEST)
]


def _above_zero(_: object, seconds: float | None) -> None:
    """Not a number above 0 stops before it begins, or never; NaN is neither."""
    if seconds is not None and not seconds > 0:
        raise ValueError("Must be > 0")


@Parameter(name="*", group=REQUEST)
@frozen(kw_only=True)
class RowDefaults:
    """What a manifest's rows may leave out."""

    kind: Annotated[
        Literal["image", "video"] | None,
        Parameter(help="For rows without a column 'kind'."),
    ] = None
    model: Model = None
    ratio: Ratio = None
    resolution: Resolution = None
    count: Count = None
    negative_prompt: NegativePrompt = None
    seed: Seed = None
    sample_strength: SampleStrength = None
    duration: Duration = None

    def given(self) -> dict[str, Any]:
        """Those that were set."""
        return given(**asdict(self))


Timeout = Annotated[
    float | None,
    Parameter(
        help="Stop after so many seconds, as Ctrl-C would; jobs stay resumable.",
        group=RUN,
        validator=_above_zero,
    ),
]
MaxInFlight = Annotated[
    int | None,
    Parameter(help="Jobs between submit and files at once.", group=RUN, validator=Number(gt=0)),
]

MaxCredits = Annotated[
    int | None,
    Parameter(
        help="Submit no job that would bring the expected cost above this.",
        group=RUN,
        validator=Number(gt=0),
    ),
]

Database = Annotated[
    str | None,
    Parameter(
        help="sqlite:///PATH or postgresql://... Else DREAMINA_FLEET_DB, sqlite:///fleet.db.",
        group=EVERYWHERE,
    ),
]
Lease = Annotated[
    float,
    Parameter(
        help="Seconds of silence after which a worker counts as dead; the same everywhere.",
        validator=_above_zero,
    ),
]


def given(**fields: Any) -> dict[str, Any]:
    """The fields that were set; the others keep the library's defaults."""
    return {name: value for name, value in fields.items() if value is not None}
