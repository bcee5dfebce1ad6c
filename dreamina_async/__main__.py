"""`python -m dreamina_async` and the console script `dreamina-async`."""

import sys

_WANTED = frozenset({"cyclopts", "platformdirs", "rich"})


def main() -> None:
    """Run the command line and leave with its exit status."""
    try:
        from dreamina_async.cli.entry import run

        status = run(sys.argv[1:])
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _WANTED:
            raise
        sys.stderr.write(
            "dreamina-async: error: the command line needs more packages: "
            'pip install "dreamina-async[cli]"\n'
        )
        status = 2
    except KeyboardInterrupt:  # before a run listens for it, or after
        sys.stderr.write(
            "dreamina-async: interrupted; `dreamina-async resume` finishes what a folder owes\n"
        )
        status = 5
    sys.exit(status)


if __name__ == "__main__":
    main()
