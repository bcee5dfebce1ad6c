"""What the downloads come from: the emulator's API, and a file server of its own beside it.

The emulator answers with real records; the URLs in them lead to nginx (one process, sendfile), or
without it to a small sendfile server here. Reads commands from standard input, a line each, and
answers each with a line; ends, and takes nginx along, when standard input does.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import trustme

from dreamina_async.emulator import Emulator, Fault

# The uri of an image, or of a video, in a signed URL of the emulator's; or the bare name.
_NAME = r"(?:tos-cn-i-tb4s082cfz/|\w+/\w+/video/tos/cn/tos-cn-v-148450/)?([0-9a-f]{32})(?:[~/].*)?"
_TARGET = re.compile(rf"GET /{_NAME}(?:\?\S*)? HTTP/1\.1\r\n")
_NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000;
    client_body_temp_path {folder}/tmp;
    proxy_temp_path {folder}/tmp;
    fastcgi_temp_path {folder}/tmp;
    uwsgi_temp_path {folder}/tmp;
    scgi_temp_path {folder}/tmp;
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{tls} ssl;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.pem;
        ssl_protocols TLSv1.3;
        root {folder}/files;
        rewrite "^/{name}$" /$1 break;
    }}
}}
"""


# ---- the process that uses it ----------------------------------------------------------


class Service:
    """The other end of `serving`: what is told to the process, and what it answers."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process = process
        self.authority = folder / "authority.pem"
        """The certificate that a client of the TLS port is to trust."""
        self.facts: dict[str, Any] = self._heard()
        """`api`, `plain` and `tls`, which are base URLs, and `server`, a name."""

    def ask(self, command: str) -> Any:
        """Have a command of `_Commands` carried out."""
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._heard()

    def _heard(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the service has ended")
        return json.loads(line)


@contextmanager
def serving(folder: Path, **options: Any) -> Iterator[Service]:
    """The service in a process of its own; `options` are the emulator's."""
    command = [sys.executable, __file__, str(folder), json.dumps(options)]
    # in a group of its own: a Ctrl-C is ours to pass on, once the clients have ended
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0
    ) as process:
        try:
            yield Service(process, folder)
        finally:
            assert process.stdin is not None
            process.stdin.close()


# ---- the process itself ----------------------------------------------------------------


class _Commands:
    """What may be asked: the names are the methods'."""

    def __init__(self, emulator: Emulator, folder: Path, bases: dict[str, str]) -> None:
        self._emulator = emulator
        self._folder = folder
        self._bases = bases

    def lead_to(self, which: str) -> str:
        """Answer status calls from here on, with files at `plain`, `tls` or `emulator`."""
        self._emulator.faults.clear()
        base = self._bases[which]
        self._emulator._world.links.base_url = base
        return base

    def write_files(self, kind: str) -> dict[str, int]:
        """Write the files of all jobs of a kind; each file's name, and its size."""
        sizes: dict[str, int] = {}
        for order in self._emulator.orders:
            for file in self._emulator.media(order.submit_id) if order.kind == kind else ():
                name = file.uri.rpartition("/")[2]
                with (self._folder / name).open("wb") as written:
                    written.writelines(file.parts)
                sizes[name] = file.size
                if kind == "video":  # its record tells it; not while somebody measures
                    _ = file.md5
        os.sync()  # nor is anything to be written back then
        return sizes

    def ends(self) -> dict[str, float]:
        """When each job ended, by its submit id and by the wall's clock."""
        jobs = self._emulator._world.jobs.values()
        return {job.order.submit_id: job.finished_at() for job in jobs}

    def urls(self, submit_id: str) -> list[str]:
        """Where the files of a job can be had from the emulator itself."""
        links = self._emulator._world.links
        files = self._emulator.media(submit_id)
        return [links.image_url(file.uri, 0, time.time()) for file in files]


async def _serve(folder: Path, options: dict[str, Any]) -> None:
    files = folder / "files"
    files.mkdir()
    (folder / "tmp").mkdir()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    async with AsyncExitStack() as stack:
        # who submits is not to see the end
        unseen = Fault(where="history", what="hang", times=None)
        emulator = await stack.enter_async_context(Emulator(faults=[unseen], **options))
        if shutil.which("nginx"):
            server, plain, tls = "nginx", *await _nginx(stack, folder)
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(context)
            server, plain, tls = "asyncio", *await _own_server(stack, files, context)
        bases = {"plain": f"http://127.0.0.1:{plain}", "tls": f"https://127.0.0.1:{tls}"}
        commands = _Commands(emulator, files, bases | {"emulator": emulator.media_url})
        _say(bases | {"api": emulator.base_url, "server": server})
        while line := await asyncio.to_thread(sys.stdin.readline):
            name, *rest = line.split()
            _say(getattr(commands, name)(*rest))


def _say(data: Any) -> None:
    print(json.dumps(data), flush=True)


async def _nginx(stack: AsyncExitStack, folder: Path) -> tuple[int, int]:
    """Start it, as a child that is stopped with us."""
    plain, tls = _free_port(), _free_port()
    text = _NGINX.format(folder=folder, plain=plain, tls=tls, name=_NAME)
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    process = await asyncio.create_subprocess_exec("nginx", "-c", f"{folder}/nginx.conf")
    stack.push_async_callback(process.wait)
    stack.callback(process.terminate)
    for _ in range(200):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", plain)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return plain, tls
    raise RuntimeError("nginx does not answer")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


async def _own_server(
    stack: AsyncExitStack, files: Path, context: ssl.SSLContext
) -> tuple[int, int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while found := _TARGET.match((await reader.readuntil(b"\r\n\r\n")).decode("latin-1")):
                with (files / found[1]).open("rb") as file:
                    await _send_file(writer, file)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    ports: list[int] = []
    for tls in (None, context):
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
        stack.callback(server.close)
        ports.append(server.sockets[0].getsockname()[1])
    return ports[0], ports[1]


async def _send_file(writer: asyncio.StreamWriter, file: BinaryIO) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {os.fstat(file.fileno()).st_size}\r\n"
    writer.write(f"{head}Content-Type: application/octet-stream\r\n\r\n".encode())
    await writer.drain()
    await asyncio.get_running_loop().sendfile(writer.transport, file)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    asyncio.run(_serve(Path(sys.argv[1]), json.loads(sys.argv[2])))
