"""`python -m dreamina_async` and the console script `dreamina-async`."""

import sys

_WANTED = frozenset({"cyclopts", "rich"})


def main() -> None:
    """Run the command line and leave with its exit status."""
    try:
        from dreamina_async.cli.app import run
    except ModuleNotFoundError as error:
        if error.name not in _WANTED:
            raise
        sys.stderr.write(
            "dreamina-async: error: the command line needs two more packages: "
            'pip install "dreamina-async[cli]"\n'
        )
        sys.exit(2)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
