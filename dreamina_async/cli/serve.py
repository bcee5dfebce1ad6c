"""`emulator`: the service's double on this machine, until it is interrupted."""

import asyncio
from contextlib import suppress

from dreamina_async.cli.exits import Exit, UsageError
from dreamina_async.cli.output import Output
from dreamina_async.cli.signals import Interrupted, Stopper
from dreamina_async.emulator import Emulator


def serve(host: str, port: int, speed: float, output: Output) -> int:
    """Serve until Ctrl-C, which is the proper end here: status 0.

    Raises:
        UsageError: the address cannot be used.
    """
    try:
        asyncio.run(_until_stopped(host, port, speed, output))
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot serve at {host}:{port}: {error}") from error
    return Exit.DONE


async def _until_stopped(host: str, port: int, speed: float, output: Output) -> None:
    stopper = Stopper(lambda reason: output.note("the emulator stops"), output.restore_terminal)
    with suppress(Interrupted):
        await stopper.run(_serve(host, port, speed, output))


async def _serve(host: str, port: int, speed: float, output: Output) -> None:
    async with Emulator(host=host, port=port, speed=speed) as emulator:
        environment = emulator.credentials_env()
        output.emit("emulator", base_url=emulator.base_url, environment=environment)
        output.note("The emulator is ready. In another terminal:")
        for name, value in environment.items():
            output.console.print(f"export {name}={value}", soft_wrap=True)
        output.note('then, for example: dreamina-async image "a red fox". Ctrl-C stops it.')
        await asyncio.Event().wait()
