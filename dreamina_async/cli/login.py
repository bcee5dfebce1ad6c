"""`login` and `logout`: take the cookie where nobody sees it, and keep it where nobody else can."""

import asyncio
import os
import sys
from getpass import getpass

from dreamina_async import Credentials, Credits
from dreamina_async.cli import logins
from dreamina_async.cli.exits import Exit, UsageError
from dreamina_async.cli.options import Common
from dreamina_async.cli.output import Output, counted
from dreamina_async.cli.runner import aside, stoppable
from dreamina_async.cli.signals import Interrupted

_PROMPT = "Value of the 'sessionid' cookie (not shown): "


def login(stdin: bool, file: bool, check: bool, common: Common) -> int:
    """Take a login, look whether it can be one, and keep it."""
    output = common.output()
    text = _given(stdin)
    credentials = logins.understood(text)
    if check and not _accepted(credentials, common, output):
        return Exit.PENDING
    path = logins.keep(text, in_file=file)
    output.emit("login", region=credentials.region, kept_in=path or "keyring")
    where = f"in {path}, which only you can read" if path else "in the keyring"
    output.note(f"the login for region {credentials.region.name} is kept {where}")
    if os.environ.get("DREAMINA_SESSIONID", "").strip():
        output.note("DREAMINA_SESSIONID is set, and comes first")
    return Exit.DONE


def logout(common: Common) -> int:
    """Forget the login."""
    output = common.output()
    forgotten = logins.forget()
    output.emit("logout", forgotten=forgotten)
    output.note("the login is forgotten" if forgotten else "there was no login to forget")
    return Exit.DONE


def _given(stdin: bool) -> str:
    """The login's text, typed unseen or piped in.

    Raises:
        UsageError: there is no terminal to ask at, or nothing was said.
    """
    if not stdin and not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask at; pipe the cookie's value in with --stdin")
    try:
        text = (sys.stdin.readline() if stdin else getpass(_PROMPT)).strip()
    except (KeyboardInterrupt, EOFError):
        text = ""
    if not text:
        raise UsageError("no cookie was given, so nothing was kept")
    return text


def _accepted(credentials: Credentials, common: Common, output: Output) -> bool:
    """Whether the service knows the account; False if that was not waited for.

    Raises:
        DreaminaError: it does not, or cannot be asked.
    """
    try:
        with output.logging():
            balance = asyncio.run(stoppable(_ask(credentials, common), output))
    except Interrupted:
        return False
    output.note(f"the service accepts the login; balance: {counted(balance.total, 'credit')}")
    return True


async def _ask(credentials: Credentials, common: Common) -> Credits:
    async with aside(common, credentials) as session:
        return await session.credits()
