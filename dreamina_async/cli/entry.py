"""One command line from its words to its exit status; errors on purpose become one line."""

import errno
import os
import sys
from collections.abc import Sequence

from cyclopts import CycloptsError

from dreamina_async.cli.app import app

_STDOUT_LOST = frozenset({errno.ENOSPC, errno.EIO, errno.EBADF, errno.EDQUOT, errno.EFBIG})
_BROKEN_PIPE = 141  # what a shell shows for a program that SIGPIPE has ended


def run(tokens: Sequence[str]) -> int:
    """Run one command line."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison] - it was closed (`>&-`)
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
    try:
        result = app(
            list(tokens), result_action="return_value", exit_on_error=False, print_error=False
        )
    except BrokenPipeError:
        _without_stdout()  # nobody reads on (`| head`)
        return _BROKEN_PIPE
    except OSError as error:
        if error.errno not in _STDOUT_LOST:
            raise
        _without_stdout()
        sys.stderr.write(f"dreamina-async: error: cannot write to stdout: {error.strerror}\n")
        return 2
    except Exception as error:  # noqa: BLE001 - sorted out there; bugs are raised again
        return _explain(error, tokens)
    return int(result or 0)


def _without_stdout() -> None:
    from dreamina_async.cli.output import silence

    silence(sys.stdout)


def _explain(error: Exception, tokens: Sequence[str]) -> int:
    from dreamina_async import DreaminaError
    from dreamina_async.cli.exits import UsageError, status_of
    from dreamina_async.cli.output import Output

    if isinstance(error, CycloptsError):
        error = UsageError(f"{_complaint(error, tokens)} {_help_hint(tokens)}")
    if not isinstance(error, DreaminaError | UsageError):
        raise error
    status = status_of(error)
    Output(json_lines=_wants_json(tokens)).error(error, status)
    return status


def _complaint(error: CycloptsError, tokens: Sequence[str]) -> str:
    if _command(tokens) == "login":  # what stood there may have been the cookie
        return "login takes no such argument; it asks for the cookie, or reads it with --stdin."
    return str(error)


def _help_hint(tokens: Sequence[str]) -> str:
    return f"See: dreamina-async {_command(tokens)} --help".replace("  ", " ")


def _command(tokens: Sequence[str]) -> str:
    return next((token for token in tokens if token in app), "")


def _wants_json(tokens: Sequence[str]) -> bool:
    options = tokens[: tokens.index("--")] if "--" in tokens else tokens
    return "--json" in options
