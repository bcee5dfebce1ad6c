"""`emulator`: the service's double on this machine, until it is interrupted."""

import asyncio
from contextlib import suppress

from dreamina_async.cli.exits import Exit, UsageError
from dreamina_async.cli.output import Output
from dreamina_async.cli.signals import Interrupted, Stopper
from dreamina_async.emulator import Dialect, Emulator, EmulatorOptions


def serve(host: str, port: int, speed: float, dialect: Dialect | None, output: Output) -> int:
    """Serve until Ctrl-C, which is the proper end here: status 0.

    Raises:
        UsageError: the address or the speed cannot be used.
    """
    try:
        options = EmulatorOptions.from_keywords(host=host, port=port, speed=speed, dialect=dialect)
        asyncio.run(_until_stopped(options, output))
    except (OSError, ValueError, OverflowError) as error:
        name = f"[{host}]" if ":" in host else host
        raise UsageError(f"cannot serve at {name}:{port}: {error}") from error
    return Exit.DONE


async def _until_stopped(options: EmulatorOptions, output: Output) -> None:
    stopper = Stopper(lambda reason: output.note("the emulator stops"), output.restore_terminal)
    with suppress(Interrupted):
        await stopper.run(_serve(options, output))


async def _serve(options: EmulatorOptions, output: Output) -> None:
    async with Emulator(options) as emulator:
        environment = emulator.credentials_env()
        output.emit("emulator", base_url=emulator.base_url, environment=environment)
        output.note("The emulator is ready. In another terminal:")
        for name, value in environment.items():
            output.console.print(f"export {name}={value}", soft_wrap=True)
        output.note('then, for example: dreamina-async image "a red fox". Ctrl-C stops it.')
        await asyncio.Event().wait()
