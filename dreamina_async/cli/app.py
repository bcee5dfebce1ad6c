"""The commands as users see them: names, flags and help. What they do is next door.

Nothing heavy is imported before a command runs: `--help` costs no network library.
"""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Group, Parameter
from cyclopts.validators import Number

from dreamina_async import __version__
from dreamina_async.cli import options as opt
from dreamina_async.cli.options import Common, Folder, RowDefaults, Saving, given

_NO_COMMON = Common()
_NO_SAVING = Saving()
_NO_DEFAULTS = RowDefaults()
_POSITIVE = Number(gt=0)
_FROM_ZERO = Number(gte=0)

app: App = App(
    name="dreamina-async",
    version=__version__,
    help=(
        "Make images and videos with Jimeng / Dreamina: many jobs at once, few status calls, "
        "and after a crash nothing is paid twice.\n\n"
        "Start with `dreamina-async demo`: it needs no account. For your own account "
        "run `dreamina-async login`, or set DREAMINA_SESSIONID to the value of your browser's "
        "'sessionid' cookie."
    ),
    help_format="plaintext",
    help_epilogue=(
        "Exit status: 0 all done, 1 some jobs failed, 2 usage, 3 credentials refused, "
        "4 out of credit, 5 interrupted or timed out with jobs pending, 130 second Ctrl-C."
    ),
    suppress_keyboard_interrupt=False,  # a first Ctrl-C is not the end that its 130 stands for
)
app["--help"].group = app["--version"].group = Group("Help", sort_key=9)


@app.command(help_epilogue="Example: dreamina-async demo --out my-demo")
def demo(*, common: Common = _NO_COMMON) -> int:
    """See it work: 8 image and 2 video jobs against a built-in emulator, in seconds, for free.

    Leaves real files in a fresh folder (dreamina-demo, dreamina-demo-2, ... unless you say --out).
    """
    from dreamina_async.cli.demo import demo

    return demo(common)


@app.command(
    help_epilogue=(
        'Example: dreamina-async image "一只戴头盔的柴犬" "a red fox" --ratio 16:9 --count 2'
    )
)
def image(
    *prompt: Annotated[str, Parameter(help="What to draw; one job for each.")],
    model: opt.Model = None,
    ratio: opt.Ratio = None,
    resolution: opt.Resolution = None,
    count: opt.Count = None,
    negative_prompt: opt.NegativePrompt = None,
    seed: opt.Seed = None,
    sample_strength: opt.SampleStrength = None,
    ref: opt.Ref = None,
    intelligent_ratio: opt.IntelligentRatio = None,
    via: opt.Via = None,
    max_credits: opt.MaxCredits = None,
    timeout: opt.Timeout = None,
    common: Saving = _NO_SAVING,
) -> int:
    """Make images of each PROMPT and save them; prints the files' names."""
    from dreamina_async import ImageRequest
    from dreamina_async.cli.generate import generate

    fields = given(
        model=model,
        ratio=ratio,
        resolution=resolution,
        count=count,
        negative_prompt=negative_prompt,
        seed=seed,
        sample_strength=sample_strength,
        references=ref,
        intelligent_ratio=intelligent_ratio,
        via=via,
    )
    return generate(ImageRequest, prompt, fields, common, timeout, max_credits)


@app.command(
    help_epilogue='Example: dreamina-async video "雨夜的城市，镜头拉远" --duration 5 --ratio 16:9'
)
def video(
    *prompt: Annotated[str, Parameter(help="What to show; one job for each.")],
    model: opt.Model = None,
    ratio: opt.Ratio = None,
    duration: opt.Duration = None,
    resolution: opt.Resolution = None,
    first_frame: opt.FirstFrame = None,
    last_frame: opt.LastFrame = None,
    seed: opt.Seed = None,
    max_credits: opt.MaxCredits = None,
    timeout: opt.Timeout = None,
    common: Saving = _NO_SAVING,
) -> int:
    """Make a video of each PROMPT and save it; prints the files' names."""
    from dreamina_async import VideoRequest
    from dreamina_async.cli.generate import generate

    fields = given(
        model=model,
        ratio=ratio,
        duration=duration,
        resolution=resolution,
        first_frame=first_frame,
        last_frame=last_frame,
        seed=seed,
    )
    return generate(VideoRequest, prompt, fields, common, timeout, max_credits)


@app.command(
    help_epilogue="Example: dreamina-async bulk prompts.csv --out run1 --ratio 16:9 --dry-run"
)
def bulk(
    manifest: opt.ManifestFile,
    /,
    *,
    prompt_column: opt.PromptColumn = "prompt",
    limit: Annotated[
        int | None,
        Parameter(help="Look at the first rows only.", group=opt.RUN, validator=_POSITIVE),
    ] = None,
    max_in_flight: opt.MaxInFlight = None,
    max_credits: opt.MaxCredits = None,
    dry_run: Annotated[
        bool,
        Parameter(
            help="Check all rows, show jobs and expected cost, send nothing.",
            group=opt.RUN,
            negative=(),
        ),
    ] = False,
    skip_invalid: opt.SkipInvalid = False,
    timeout: opt.Timeout = None,
    defaults: RowDefaults = _NO_DEFAULTS,
    common: Saving = _NO_SAVING,
) -> int:
    """Run a file of prompts; run it again to finish what is missing, never paying twice.

    Other columns named like these flags (model, ratio, count, kind, ...) set them
    for their row; the flags are for rows that leave them out. The columns
    references, first_frame and last_frame name images, as seen from the manifest's
    folder; several are divided by ';'. A row is known by its content: you may move
    rows and append new ones, and two equal rows are two jobs. Every row is checked
    before the first one is sent.
    """
    from dreamina_async.cli.bulk import BulkOptions, bulk

    reading = {"prompt_column": prompt_column, "limit": limit, "defaults": defaults.given()}
    how = BulkOptions(
        max_in_flight=max_in_flight,
        max_credits=max_credits,
        dry_run=dry_run,
        skip_invalid=skip_invalid,
        timeout=timeout,
    )
    return bulk(manifest, reading, how, common)


@app.command(help_epilogue="Example: dreamina-async resume --out run1")
def resume(*, timeout: opt.Timeout = None, common: Saving = _NO_SAVING) -> int:
    """Finish what an output folder still owes: pending jobs and missing files. Submits nothing."""
    from dreamina_async.cli.journal import resume

    return resume(common, timeout)


@app.command(help_epilogue="Example: dreamina-async jobs --out run1 --state failed --limit 20")
def jobs(
    *,
    state: Annotated[
        list[
            Literal[
                "planned",
                "intent",
                "accepted",
                "ready",
                "done",
                "failed",
                "unknown",
                "abandoned",
            ]
        ]
        | None,
        Parameter(help="List these only; give it again for more.", negative=()),
    ] = None,
    limit: Annotated[
        int | None, Parameter(help="List the newest only.", validator=_POSITIVE)
    ] = None,
    common: Common = _NO_COMMON,
) -> int:
    """List the jobs of an output folder; works while another command runs there."""
    from dreamina_async.cli.journal import jobs

    return jobs(state or (), limit, common)


@app.command(help_epilogue="Example: dreamina-async gallery run1 --open")
def gallery(
    folder: Annotated[
        Folder | None, Parameter(help="The output folder; else the one that --out names.")
    ] = None,
    /,
    *,
    open_: Annotated[
        bool, Parameter(name="--open", help="Show it in the browser, too.", negative=())
    ] = False,
    common: Common = _NO_COMMON,
) -> int:
    """Write one HTML page that shows a folder's images and videos; works offline, and later on."""
    from dreamina_async.cli.gallery import gallery

    return gallery(folder or common.folder(), open_, common.output())


@app.command(help_epilogue="Example: dreamina-async export run1 --to run1.parquet")
def export(
    folder: Annotated[
        Folder | None, Parameter(help="The output folder; else the one that --out names.")
    ] = None,
    /,
    *,
    to: Annotated[Path, Parameter(help=".jsonl, or .parquet with the extra [parquet].")],
    common: Common = _NO_COMMON,
) -> int:
    """Write a folder's jobs to a table, a row for each media file; for data frames and the like."""
    from dreamina_async.cli.export import export

    return export(folder or common.folder(), to, common.output())


@app.command(help_epilogue="Example: dreamina-async status 5f0c2a0e-7c35-4f5f-9d0a-0c8f5a6d1b2e")
def status(
    *id_: Annotated[str, Parameter(name="ID", help="Submit ids (UUIDs) or history ids.")],
    common: Common = _NO_COMMON,
) -> int:
    """Ask the service once how jobs stand; exit status 1 if it does not know them all."""
    from dreamina_async.cli.journal import status

    return status(id_, common)


@app.command(help_epilogue="Example: dreamina-async fetch 4721606420748 --out found")
def fetch(
    *id_: Annotated[str, Parameter(name="ID", help="Submit ids (UUIDs) or history ids.")],
    timeout: opt.Timeout = None,
    common: Saving = _NO_SAVING,
) -> int:
    """Download jobs by id, wherever they were submitted; waits for those not yet finished."""
    from dreamina_async.cli.journal import fetch

    return fetch(id_, common, timeout)


@app.command(help_epilogue="Example: dreamina-async credits --limit 5 --out run1")
def credits(  # noqa: A001 - the command's name
    *,
    limit: Annotated[
        int, Parameter(help="Rows of the ledger to show, the newest first.", validator=_FROM_ZERO)
    ] = 20,
    receive: Annotated[
        bool, Parameter(help="Take today's free credits first.", negative=(), show_default=False)
    ] = False,
    common: Common = _NO_COMMON,
) -> int:
    """Show the balance, what expires when, and what jobs have cost; exit status 3 if refused.

    Rows of jobs that the output folder knows also show their prompts. Look now and
    then only: frequent looks at the balance are said to alarm the service.
    """
    from dreamina_async.cli.credits import credits  # noqa: A004

    return credits(limit, receive, common)


@app.command(help_epilogue="Example: dreamina-async models --json")
def models(
    *,
    live: Annotated[
        bool, Parameter(help="As the service lists them now, for this account.", negative=())
    ] = False,
    common: Common = _NO_COMMON,
) -> int:
    """List the models with their ratios, sizes, durations, prices and regions.

    Without --live this needs no account.
    """
    from dreamina_async.cli.models import models

    return models(live, common)


@app.command(help_epilogue="Example: dreamina-async emulator --dialect s1 --speed 20")
def emulator(
    *,
    host: Annotated[str, Parameter(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="0 takes a free one.")] = 0,
    speed: Annotated[float, Parameter(help="Times faster than the real service.")] = 10.0,
    dialect: Annotated[
        Literal["s0", "s1", "s2", "s3", "s4"] | None,
        Parameter(help="Play one account of the service to the letter."),
    ] = None,
    common: Common = _NO_COMMON,
) -> int:
    """Serve a stand-in for the service on this machine until Ctrl-C; nothing costs anything."""
    from dreamina_async.cli.serve import serve

    return serve(host, port, speed, dialect, common.output())


fleet: App = App(
    name="fleet",
    help="Share runs among workers on many machines: one database, nothing paid twice.",
    help_format="plaintext",
    help_epilogue=(
        "On one machine: dreamina-async fleet init --out run1, then enqueue prompts.csv, then "
        "work, as often as you like at once. On many, give all of them --db postgresql://..."
    ),
)
app.command(fleet)


@fleet.command(name="init", help_epilogue="Example: dreamina-async fleet init --out /shared/run1")
def fleet_init(
    *,
    account: Annotated[str, Parameter(help="What to call it; its login stays here.")] = "default",
    workers: Annotated[
        int, Parameter(help="How many may work for it at once.", validator=_POSITIVE)
    ] = 3,
    in_flight: Annotated[
        int, Parameter(help="Its jobs between submit and files, over all workers.")
    ] = 20,
    rate: Annotated[
        float, Parameter(help="Its status calls a second, over all workers.", validator=_POSITIVE)
    ] = 1.0,
    db: opt.Database = None,
    common: Common = _NO_COMMON,
) -> int:
    """Make a fleet's database, and say where files go and what an account may do; again to change.

    --out is a folder that all workers reach, or an object store.
    """
    from dreamina_async.cli.fleet import init
    from dreamina_async.fleet import Account

    limits = Account(label=account, workers=workers, in_flight=in_flight, rate=rate)
    return init(db, limits, common)


@fleet.command(name="enqueue", help_epilogue="Example: dreamina-async fleet enqueue prompts.csv")
def fleet_enqueue(
    manifest: opt.ManifestFile,
    /,
    *,
    account: Annotated[str, Parameter(help="Which account pays.")] = "default",
    name: Annotated[str, Parameter(help="To find the run by.")] = "",
    shard: Annotated[
        int, Parameter(help="Prompts that go to a worker at once.", validator=_POSITIVE)
    ] = 50,
    prompt_column: opt.PromptColumn = "prompt",
    skip_invalid: opt.SkipInvalid = False,
    defaults: RowDefaults = _NO_DEFAULTS,
    db: opt.Database = None,
    common: Common = _NO_COMMON,
) -> int:
    """Put a file of prompts into the queue; prints the run's id. Columns are those of `bulk`.

    The same rows for the same account are the same run: enqueued again, nothing is
    sent twice, and prompts that are held are looked for once more.
    """
    from dreamina_async.cli.fleet import enqueue

    reading = {"prompt_column": prompt_column, "defaults": defaults.given()}
    where = {"account": account, "name": name or manifest.name, "shard": shard}
    return enqueue(db, manifest, reading, where, skip_invalid, common)


@fleet.command(name="work", help_epilogue="Example: dreamina-async fleet work --stay")
def fleet_work(
    *,
    account: Annotated[
        str,
        Parameter(
            help="For which account; the login of one called NAME is in DREAMINA_SESSIONID_NAME."
        ),
    ] = "default",
    stay: Annotated[
        bool, Parameter(help="Wait for more when there is nothing left.", **opt.FLAG)
    ] = False,
    lease: opt.Lease = 60.0,
    db: opt.Database = None,
    common: Saving = _NO_SAVING,
) -> int:
    """Work until nothing is left. Run it as often as you like, on any machine, at any time.

    Ctrl-C hands its work back to the others; killed, it is missed after a minute,
    and they go on with what it had. --out is for a machine that sees the fleet's
    folder elsewhere.
    """
    from dreamina_async.cli.fleet import WorkOptions, work

    return work(db, WorkOptions(account=account, stay=stay, lease=lease), common)


@fleet.command(name="status", help_epilogue="Example: dreamina-async fleet status --follow")
def fleet_status(
    run: Annotated[
        str | None, Parameter(help="Its id, the id's beginning, or its name; else all.")
    ] = None,
    /,
    *,
    follow: Annotated[bool, Parameter(help="Until it is over.", **opt.FLAG)] = False,
    db: opt.Database = None,
    common: Common = _NO_COMMON,
) -> int:
    """Show how runs stand, and who works."""
    from dreamina_async.cli.fleet import status

    return status(db, run, follow, common)


@fleet.command(name="reap", help_epilogue="Example: dreamina-async fleet reap --lease 10")
def fleet_reap(
    *, lease: opt.Lease = 60.0, db: opt.Database = None, common: Common = _NO_COMMON
) -> int:
    """Put the work of silent workers back into the queue now; workers do so by themselves."""
    from dreamina_async.cli.fleet import reap

    return reap(db, lease, common)


@fleet.command(
    name="results", help_epilogue="Example: dreamina-async fleet results 6702d87 --to r.jsonl"
)
def fleet_results(
    run: Annotated[str, Parameter(help="Its id, the id's beginning, or its name.")],
    /,
    *,
    to: Annotated[Path | None, Parameter(help="A file for it; else it is printed.")] = None,
    db: opt.Database = None,
    common: Common = _NO_COMMON,
) -> int:
    """Write what has become of each prompt, in the manifest's order: one JSON object a line."""
    from dreamina_async.cli.fleet import results

    return results(db, run, to, common)


@app.command(help_epilogue="Example: dreamina-async login --check")
def login(
    *,
    stdin: Annotated[
        bool, Parameter(help="Read it from standard input, one line.", **opt.FLAG)
    ] = False,
    file: Annotated[
        bool, Parameter(help="Keep it in a file of mode 0600, not in the keyring.", **opt.FLAG)
    ] = False,
    check: Annotated[
        bool,
        Parameter(help="Ask the service first whether it accepts it; free.", **opt.FLAG),
    ] = False,
    common: Common = _NO_COMMON,
) -> int:
    """Keep your login: asks for the value of your browser's 'sessionid' cookie, unseen.

    It goes to the system's keyring (extra [keyring]), else to a file that only you
    can read. International accounts: put us-, hk-, jp- or sg- before it.
    """
    from dreamina_async.cli.login import login

    return login(stdin, file, check, common)


@app.command(help_epilogue="Example: dreamina-async logout")
def logout(*, common: Common = _NO_COMMON) -> int:
    """Forget the login that `login` has kept."""
    from dreamina_async.cli.login import logout

    return logout(common)


@app.command(
    help_epilogue=(
        "Example: dreamina-async completion bash > "
        "~/.local/share/bash-completion/completions/dreamina-async"
    )
)
def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="Whose it is to be.")], /
) -> int:
    """Print a script that completes commands and flags in your shell."""
    print(app.generate_completion(shell=shell))  # noqa: T201 - what it was called for
    return 0
