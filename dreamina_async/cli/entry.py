"""One command line from its words to its exit status; errors on purpose become one line."""

import os
import sys
from collections.abc import Sequence

from cyclopts import CycloptsError

from dreamina_async.cli.app import app

_BROKEN_PIPE = 141  # what a shell shows for a program that SIGPIPE has ended


def run(tokens: Sequence[str]) -> int:
    """Run one command line."""
    try:
        result = app(
            list(tokens), result_action="return_value", exit_on_error=False, print_error=False
        )
    except BrokenPipeError:
        # Nobody reads on (`| head`); nor must the interpreter try to flush at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - sorted out there; bugs are raised again
        return _explain(error, tokens)
    return int(result or 0)


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
